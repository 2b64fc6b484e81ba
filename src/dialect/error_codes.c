/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/error_codes.h"

#include <string.h>

struct error_code {
    const char *name;
    int status;
    const char *when, *remedy;
};

static const struct error_code codes[] = {
#define ERROR_CODE(name, status, when, remedy) {#name, status, when, remedy},
#include "dialect/error_codes.def"
#undef ERROR_CODE
};

bool error_code_known(const char *code)
{
    for (size_t i = 0; code && i < ARRAY_LEN(codes); i++)
        if (strcmp(codes[i].name, code) == 0) return true;
    return !code;
}

static const char intro[] =
    "# Errors\n"
    "\n"
    "The codes of Hostler's own refusals: gateway and engine. Generated from the table in `src/dialect/error_codes.def`.\n"
    "\n"
    "Each answer has the shape of its dialect, with a sentence for people: OpenAI's is "
    "`{\"error\": {\"message\", \"type\", \"param\", \"code\"}}`, and\n"
    "`param` names the field at fault. Anthropic's and Ollama's shapes have no place for a code; the log has it of every request "
    "(`code`), with its\n"
    "`request_id`, which the client got as `x-request-id`. A 400 without a code says in its message which field is wrong and why. Errors "
    "of runtimes\n"
    "are passed on with their own words and codes, see [failures](failures.md).\n"
    "\n"
    "| code | status | when | what to do |\n"
    "|---|---|---|---|\n";

int error_codes_write_manual(struct buf *out)
{
    int err = buf_append(out, str_n(intro, sizeof intro - 1));
    for (size_t i = 0; i < ARRAY_LEN(codes) && !err; i++)
        err = buf_printf(out, "| <a id=\"%s\"></a>`%s` | %d | %s | %s |\n", codes[i].name,
                         codes[i].name, codes[i].status, codes[i].when, codes[i].remedy);
    return err;
}
