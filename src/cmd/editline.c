/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/editline.h"

#include <dlfcn.h>
#include <string.h>

#include "base/base.h"

static const char *const names[] = {
#define EDITLINE_NAME(name) #name,
    EDITLINE_FUNCTIONS(EDITLINE_NAME)};

static_assert(sizeof(struct editline) == sizeof names, "one pointer for each name");

const struct editline *editline_load(void)
{
    static struct editline loaded;
    if (loaded.el_init) return &loaded;
    void *library = dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library) return NULL;
    void *found[ARRAY_LEN(names)];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        found[i] = dlsym(library, names[i]);
        if (!found[i]) return NULL;
    }
    memcpy(&loaded, found, sizeof loaded);
    return &loaded;
}
