/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/model/gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

enum {
    VERSION_LEAST = 2,
    VERSION_MOST = 3,
    NAME_MAX_LEN = 64 * 1024,
    DIMENSIONS_MAX = 4,
    ALIGNMENT_DEFAULT = 32,
    ARRAY_TYPE = 9,
    STRING_TYPE = 8,
    TYPE_COUNT = 13,
    UINT32_TYPE = 4,
};

/* Bytes of each scalar metadata type; 0: strings and arrays. */
static const uint8_t scalar_size[TYPE_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

/* Tensor element types: elements and bytes per block. {0, 0}: none of that number, or one that we
 * do not know. */
static const struct {
    uint16_t elements;
    uint16_t bytes;
} blocks[] = {
    [0] = {1, 4},      [1] = {1, 2},      [2] = {32, 18},    [3] = {32, 20},    [6] = {32, 22},
    [7] = {32, 24},    [8] = {32, 34},    [9] = {32, 36},    [10] = {256, 84},  [11] = {256, 110},
    [12] = {256, 144}, [13] = {256, 176}, [14] = {256, 210}, [15] = {256, 292}, [16] = {256, 66},
    [17] = {256, 74},  [18] = {256, 98},  [19] = {256, 50},  [20] = {32, 18},   [21] = {256, 110},
    [22] = {256, 82},  [23] = {256, 136}, [24] = {1, 1},     [25] = {1, 2},     [26] = {1, 4},
    [27] = {1, 8},     [28] = {1, 8},     [29] = {256, 56},  [30] = {1, 2},     [34] = {256, 54},
    [35] = {256, 66},  [39] = {32, 17},
};

struct reader {
    struct str rest; /* what there is of the file and was not read yet */
    uint64_t size;   /* the whole file's */
    uint64_t at;     /* where rest begins in the file */
    uint64_t alignment;
    char *why;
};

static int refuse(struct reader *r, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int refuse(struct reader *r, int err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(r->why, GGUF_WHY_MAX, fmt, args);
    va_end(args);
    return err;
}

static int truncated(struct reader *r)
{
    return refuse(r, ERR_INVALID,
                  "the file is cut off: it ends after %llu bytes, in the middle of its description",
                  (unsigned long long)r->size);
}

static int take(struct reader *r, uint64_t n, const char **out)
{
    if (n > r->rest.len) return truncated(r);
    *out = r->rest.ptr;
    r->rest = str_skip(r->rest, (size_t)n);
    r->at += n;
    return 0;
}

static int take_u32(struct reader *r, uint32_t *out)
{
    const char *p = NULL;
    int err = take(r, sizeof *out, &p);
    if (!err) memcpy(out, p, sizeof *out);
    return err;
}

static int take_u64(struct reader *r, uint64_t *out)
{
    const char *p = NULL;
    int err = take(r, sizeof *out, &p);
    if (!err) memcpy(out, p, sizeof *out);
    return err;
}

static int take_str(struct reader *r, uint64_t most, struct str *out)
{
    uint64_t len = 0;
    int err = take_u64(r, &len);
    if (err) return err;
    if (len > most)
        return refuse(r, ERR_INVALID, "malformed: a text of %llu bytes", (unsigned long long)len);
    out->len = (size_t)len;
    return take(r, len, &out->ptr);
}

/* --- metadata --- */

static int skip_array(struct reader *r)
{
    uint32_t type = 0;
    uint64_t count = 0;
    struct str text;
    const char *p;
    int err = take_u32(r, &type);
    if (!err) err = take_u64(r, &count);
    if (err) return err;
    if (type >= TYPE_COUNT || type == ARRAY_TYPE)
        return refuse(r, ERR_INVALID, "malformed: an array of type %u", type);
    if (count > r->rest.len) return truncated(r);
    if (type != STRING_TYPE) return take(r, count * scalar_size[type], &p);
    for (uint64_t i = 0; !err && i < count; i++)
        err = take_str(r, UINT32_MAX, &text);
    return err;
}

static int read_pair(struct reader *r)
{
    struct str key, text;
    uint32_t type = 0;
    const char *p = NULL;
    int err = take_str(r, NAME_MAX_LEN, &key);
    if (!err) err = take_u32(r, &type);
    if (err) return err;
    if (type >= TYPE_COUNT) return refuse(r, ERR_INVALID, "malformed: a value of type %u", type);
    if (type == ARRAY_TYPE) return skip_array(r);
    if (type == STRING_TYPE) return take_str(r, UINT32_MAX, &text);
    err = take(r, scalar_size[type], &p);
    if (err || !str_eq(key, STR("general.alignment")) || type != UINT32_TYPE) return err;
    uint32_t alignment;
    memcpy(&alignment, p, sizeof alignment);
    if (alignment == 0 || alignment > (1u << 20) || (alignment & (alignment - 1)))
        return refuse(r, ERR_INVALID, "malformed: an alignment of %u", alignment);
    r->alignment = alignment;
    return 0;
}

/* --- tensors --- */

struct extent {
    uint64_t end; /* where the furthest tensor ends, from where the data begins */
    struct str furthest;
    bool has_head;
};

static int read_shape(struct reader *r, uint64_t *row, uint64_t *elements)
{
    uint32_t dimensions = 0;
    int err = take_u32(r, &dimensions);
    if (err) return err;
    if (dimensions > DIMENSIONS_MAX)
        return refuse(r, ERR_INVALID, "malformed: a tensor of %u dimensions", dimensions);
    *elements = *row = 1;
    for (uint32_t i = 0; i < dimensions; i++) {
        uint64_t n = 0;
        err = take_u64(r, &n);
        if (err) return err;
        if (n == 0 || n > INT64_MAX / *elements)
            return refuse(r, ERR_INVALID, "malformed: a tensor's size");
        *elements *= n;
        if (i == 0) *row = n;
    }
    return 0;
}

static int read_tensor(struct reader *r, struct extent *extent)
{
    struct str name = STR_NULL;
    uint64_t row = 0, elements = 0, offset = 0, bytes = 0;
    uint32_t type = 0;
    int err = take_str(r, NAME_MAX_LEN, &name);
    if (!err) err = read_shape(r, &row, &elements);
    if (!err) err = take_u32(r, &type);
    if (!err) err = take_u64(r, &offset);
    if (err) return err;
    extent->has_head |= str_starts(name, STR("cls."));
    if (type < ARRAY_LEN(blocks) && blocks[type].elements) {
        if (row % blocks[type].elements)
            return refuse(r, ERR_INVALID, "malformed: a tensor's row of %llu elements",
                          (unsigned long long)row);
        uint64_t count = elements / blocks[type].elements;
        if (count > INT64_MAX / blocks[type].bytes)
            return refuse(r, ERR_INVALID, "malformed: a tensor's size");
        bytes = count * blocks[type].bytes;
    }
    if (offset % r->alignment || offset > INT64_MAX - bytes)
        return refuse(r, ERR_INVALID, "malformed: a tensor's offset");
    if (offset + bytes > extent->end) {
        extent->end = offset + bytes;
        extent->furthest = name;
    }
    return 0;
}

static int check_data(struct reader *r, const struct extent *extent)
{
    uint64_t begin = (r->at + r->alignment - 1) / r->alignment * r->alignment;
    uint64_t needed = begin + extent->end;
    if (extent->end <= r->size && needed <= r->size) return 0;
    return refuse(r, ERR_INVALID,
                  "the file is cut off: it has %llu bytes, its tensors need %llu (up to %.*s)",
                  (unsigned long long)r->size, (unsigned long long)needed,
                  (int)MIN(extent->furthest.len, (size_t)64),
                  extent->furthest.ptr ? extent->furthest.ptr : "");
}

/* --- the file --- */

static int read_header(struct reader *r, uint64_t *tensors, uint64_t *pairs)
{
    const char *magic = NULL;
    uint32_t version = 0;
    if (r->rest.len < 4 || take(r, 4, &magic) || memcmp(magic, "GGUF", 4) != 0)
        return refuse(r, ERR_INVALID, "this is no GGUF file");
    int err = take_u32(r, &version);
    if (err) return err;
    if (version < VERSION_LEAST || version > VERSION_MOST)
        return refuse(r, ERR_UNSUPPORTED, "GGUF version %u, %s", version,
                      version & 0xffff ? "which is not supported"
                                       : "that is, of big-endian machines");
    err = take_u64(r, tensors);
    if (!err) err = take_u64(r, pairs);
    if (err) return err;
    /* Each takes some bytes, so neither can be more than the file has. */
    if (*tensors > r->size || *pairs > r->size)
        return refuse(r, ERR_INVALID, "malformed: %llu tensors and %llu values",
                      (unsigned long long)*tensors, (unsigned long long)*pairs);
    return 0;
}

int gguf_check(struct str file, uint64_t size, struct gguf_facts *facts, char why[GGUF_WHY_MAX])
{
    struct reader r = {.rest = file, .size = size, .alignment = ALIGNMENT_DEFAULT, .why = why};
    struct extent extent = {0};
    uint64_t tensors = 0, pairs = 0;
    int err = read_header(&r, &tensors, &pairs);
    for (uint64_t i = 0; !err && i < pairs; i++)
        err = read_pair(&r);
    for (uint64_t i = 0; !err && i < tensors; i++)
        err = read_tensor(&r, &extent);
    facts->has_head = extent.has_head;
    if (!err && !tensors) err = refuse(&r, ERR_INVALID, "the file has no tensors");
    return err ? err : check_data(&r, &extent);
}

int gguf_check_file(const char *path, struct gguf_facts *facts, char why[GGUF_WHY_MAX])
{
    struct stat st;
    int err = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        err = -errno;
        (void)snprintf(why, GGUF_WHY_MAX, "%s", err_text(err));
    } else if (!S_ISREG(st.st_mode) || st.st_size == 0) {
        err = ERR_INVALID;
        (void)snprintf(why, GGUF_WHY_MAX, "%s",
                       S_ISREG(st.st_mode) ? "the file is empty" : "this is not a file");
    } else {
        size_t size = (size_t)st.st_size;
        void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            err = -errno;
            (void)snprintf(why, GGUF_WHY_MAX, "%s", err_text(err));
        } else {
            err = gguf_check(str_n(map, size), size, facts, why);
            munmap(map, size);
        }
    }
    if (fd >= 0) close(fd);
    return err;
}
