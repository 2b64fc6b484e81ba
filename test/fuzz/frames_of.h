/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of HTTP/2 from a fuzzer's bytes: as they are, or, where the first bit is not set, in a form
 * of which most changes are frames again: type, flags, stream and length take a byte each. */
#ifndef HOSTLER_TEST_FUZZ_FRAMES_OF_H
#define HOSTLER_TEST_FUZZ_FRAMES_OF_H

#include "../sim/frames.h"

enum { FRAMES_RAW = 1 };

static inline void frames_of(struct str bytes, bool raw, struct buf *out)
{
    enum { HEAD = 4 };
    if (raw && buf_append(out, bytes)) abort();
    while (!raw && bytes.len >= HEAD) {
        const unsigned char *b = (const unsigned char *)bytes.ptr;
        size_t len = MIN(b[3], bytes.len - HEAD);
        frame_put(out, b[0], b[1], b[2], str_sub(bytes, HEAD, len));
        bytes = str_skip(bytes, HEAD + len);
    }
}

#endif
