/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "dialect/dialect.h"

/* True for a content type's parameter (" charset=utf-8") unless it is another charset. However
 * odd it is written: somebody reads it. */
static bool is_utf8_or_no_charset(struct str parameter)
{
    struct str name, value = parameter;
    str_cut(&value, '=', &name);
    if (!str_eq_nocase(str_trim(name), STR("charset"))) return true;
    value = str_trim(value);
    if (value.len >= 2 && (value.ptr[0] == '"' || value.ptr[0] == '\''))
        value = str_n(value.ptr + 1, value.len - 2);
    return str_eq_nocase(value, STR("utf-8")) || str_eq_nocase(value, STR("utf8"));
}

int dialect_check_media(const struct http_head *head, struct refusal *why)
{
    struct str value, piece;
    for (unsigned at = 0; http_head_next(head, HDR_CONTENT_ENCODING, &at, &value);)
        while (str_cut(&value, ',', &piece)) {
            piece = str_trim(piece);
            if (piece.len == 0 || str_eq_nocase(piece, STR("identity"))) continue;
            *why = (struct refusal){.status = 415,
                                    .message = STR("Compressed request bodies are not supported."),
                                    .code = "unsupported_encoding"};
            return ERR_INVALID;
        }
    for (unsigned at = 0; http_head_next(head, HDR_CONTENT_TYPE, &at, &value);)
        while (str_cut(&value, ';', &piece)) {
            if (is_utf8_or_no_charset(piece)) continue;
            *why = (struct refusal){.status = 415,
                                    .message = STR("The request body must be JSON in UTF-8."),
                                    .code = "unsupported_charset"};
            return ERR_INVALID;
        }
    return 0;
}
