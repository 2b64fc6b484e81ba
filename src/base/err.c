/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <string.h>

struct err_row {
    int code;
    const char *name;
    const char *text;
};

static const struct err_row err_rows[] = {
#define ERR(name, number, text) {number, "ERR_" #name, text},
#include "base/err.def"
#undef ERR
};

static const struct err_row *err_find(int code)
{
    for (size_t i = 0; i < sizeof err_rows / sizeof err_rows[0]; i++)
        if (err_rows[i].code == code) return &err_rows[i];
    return NULL;
}

const char *err_text(int code)
{
    if (code == 0) return "success";
    const struct err_row *row = err_find(code);
    if (row) return row->text;
    const char *text = code < 0 && code > -1000 ? strerrordesc_np(-code) : NULL;
    return text ? text : "unknown error";
}

const char *err_name(int code)
{
    if (code == 0) return "OK";
    const struct err_row *row = err_find(code);
    if (row) return row->name;
    const char *name = code < 0 && code > -1000 ? strerrorname_np(-code) : NULL;
    return name ? name : "UNKNOWN";
}
