/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void mem_keep(void)
{
#ifdef M_TRIM_THRESHOLD /* glibc's */
    (void)mallopt(M_TRIM_THRESHOLD, MEM_KEPT);
    (void)mallopt(M_MMAP_THRESHOLD, MEM_KEPT);
#endif
}

void mem_trim(void)
{
#ifdef M_TRIM_THRESHOLD
    (void)malloc_trim(0);
#endif
}

void mem_exhausted(void)
{
    static const char text[] = "hostler: out of memory\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    abort();
}

static void *must(void *ptr)
{
    if (!ptr) mem_exhausted();
    return ptr;
}

void *mem_must(size_t size)
{
    return must(malloc(size));
}

void *mem_must_zero(size_t count, size_t size)
{
    return must(calloc(count, size));
}

void *mem_must_grow(void *ptr, size_t count, size_t size)
{
    return must(reallocarray(ptr, count, size));
}

void *mem_must_aligned(size_t align, size_t count, size_t size)
{
    return memset(must(aligned_alloc(align, count * size)), 0, count * size);
}

char *mem_must_printf(const char *fmt, ...)
{
    char *text;
    va_list args;
    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0) mem_exhausted();
    va_end(args);
    return text;
}
