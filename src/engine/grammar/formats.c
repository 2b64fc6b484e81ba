/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/formats.h"

#include "base/err.h"
#include "engine/grammar/regex.h"

/* --- patterns --- */

/* RFC 3339. A year that is a multiple of 4 has a 29 February, unless it is one of 100 and not of 400;
 * there is no year 0. */
#define YEAR "(?:\\d{3}[1-9]|\\d\\d[1-9]0|\\d[1-9]00|[1-9]000)"
#define FOURTH "(?:0[48]|[2468][048]|[13579][26])"
#define LEAP_YEAR "(?:\\d\\d" FOURTH "|" FOURTH "00)"
#define DAY_OF_MONTH                                                                      \
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|" \
    "02-(?:0[1-9]|1\\d|2[0-8]))"
#define DATE "(?:" YEAR "-" DAY_OF_MONTH "|" LEAP_YEAR "-02-29)"
#define HOUR "(?:[01]\\d|2[0-3])"
#define TIME HOUR ":[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-]" HOUR ":[0-5]\\d)"

/* RFC 3339, appendix A: a unit is followed by the next smaller one, or by none. */
#define NUMBER "\\d{1,9}"
#define DURATION_TIME \
    "T(?:" NUMBER "H(?:" NUMBER "M(?:" NUMBER "S)?)?|" NUMBER "M(?:" NUMBER "S)?|" NUMBER "S)"
#define DURATION_DATE \
    "(?:" NUMBER "Y(?:" NUMBER "M(?:" NUMBER "D)?)?|" NUMBER "M(?:" NUMBER "D)?|" NUMBER "D)"
#define DURATION "P(?:" DURATION_DATE "(?:" DURATION_TIME ")?|" DURATION_TIME "|" NUMBER "W)"

/* RFC 3986, appendix A. */
#define OCTET "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define IPV4 OCTET "(?:\\." OCTET "){3}"
#define H16 "[0-9A-Fa-f]{1,4}"
#define GROUP "(?:" H16 ":)"
#define LAST_TWO "(?:" GROUP H16 "|" IPV4 ")"
#define IPV6                                                                                     \
    "(?:" GROUP "{6}" LAST_TWO "|::" GROUP "{5}" LAST_TWO "|(?:" H16 ")?::" GROUP "{4}" LAST_TWO \
    "|(?:" GROUP "{0,1}" H16 ")?::" GROUP "{3}" LAST_TWO "|(?:" GROUP "{0,2}" H16 ")?::" GROUP   \
    "{2}" LAST_TWO "|(?:" GROUP "{0,3}" H16 ")?::" GROUP LAST_TWO "|(?:" GROUP "{0,4}" H16       \
    ")?::" LAST_TWO "|(?:" GROUP "{0,5}" H16 ")?::" H16 "|(?:" GROUP "{0,6}" H16 ")?::)"

#define HEX "[0-9A-Fa-f]"
#define UUID HEX "{8}-" HEX "{4}-" HEX "{4}-" HEX "{4}-" HEX "{12}"

/* RFC 6901. */
#define JSON_POINTER "(?:/(?:[^~]|~[01])*)?"
/* Behind a 0 comes no digit, though 100 would be right: some readers take it for a 0 too many. */
#define RELATIVE_JSON_POINTER "(?:0|[1-9]+0?)(?:#|" JSON_POINTER ")"

/* --- hosts --- */

/* A pattern of this file. */
static term of(struct terms *t, const char *pattern)
{
    struct grammar_why why = {.text = STR("unused")};
    term out = TERM_NONE;
    int err = regex_term(t, str_of(pattern), true, CHARS_JSON, &why, &out);
    assert(err == 0 || err == ERR_TOO_LARGE);
    return err ? TERM_NONE : out;
}

static term cat_all(struct terms *t, const term *all, size_t count)
{
    term out = TERM_EMPTY;
    while (count-- > 0)
        out = term_cat(t, all[count], out);
    return out;
}

#define CAT(t, ...) \
    cat_all(t, (const term[]){__VA_ARGS__}, ARRAY_LEN(((const term[]){__VA_ARGS__})))
#define OR(t, ...) \
    term_or_all(t, (const term[]){__VA_ARGS__}, ARRAY_LEN(((const term[]){__VA_ARGS__})))

/* `a`, of which some are not taken. */
static term but_for(struct terms *t, term a, const char *pattern)
{
    return term_and(t, a, term_not(t, of(t, pattern)));
}

/* Of at most `longest` letters and dashes. Dashes are not at its ends, nor are the third and fourth
 * both ones, which is Punycode's ("xn--"). */
static term label(struct terms *t, term letter, uint32_t longest)
{
    term dash = term_byte(t, '-'), middle = term_or(t, letter, dash);
    term long_end = CAT(t, term_repeat(t, middle, 0, longest - 4), letter);
    term short_end = CAT(t, term_repeat(t, middle, 0, longest - 5), letter);
    term third = OR(t, CAT(t, letter, term_optional(t, long_end)),
                    CAT(t, dash, letter, term_optional(t, short_end)));
    return CAT(t, letter, term_optional(t, OR(t, letter, CAT(t, middle, third))));
}

/* So many labels at most. Counting these, and not the letters of all, there are few states. The last
 * is not a number: it would be an address with something wrong. */
static term labels(struct terms *t, term letter, uint32_t longest, uint32_t most)
{
    term one = label(t, letter, longest);
    term more = term_repeat(t, CAT(t, term_byte(t, '.'), one), 0, most - 1);
    return but_for(t, CAT(t, one, more), "(?:.*\\.)?\\d+");
}

/* RFC 1123, of 253 characters at most: a few long labels, or more that are short. */
static term hostname(struct terms *t)
{
    term letter = of(t, "[A-Za-z0-9]");
    return OR(t, labels(t, letter, 62, 4), labels(t, letter, 24, 10));
}

/* RFC 5890: lower case letters of some scripts, too, each of which may stand anywhere in a label. So
 * few that a label is not too long when it is written as Punycode. */
#define IDN_LETTERS                                                \
    "\\u00df-\\u00f6\\u00f8-\\u00ff\\u03ac-\\u03ce\\u0430-\\u045f" \
    "\\u4e00-\\u9fa5\\uac00-\\ud7a3"
static term idn_hostname(struct terms *t)
{
    return OR(t, labels(t, of(t, "[a-z0-9" IDN_LETTERS "]"), 12, 4), hostname(t));
}

#define ATEXT "A-Za-z0-9!#$%&'*+/=?^_`{|}~"
#define LOCAL(letters) "[" letters "-]+(?:\\.[" letters "-]+)*"

/* Of 254 characters at most, at a host of several labels. */
static term address(struct terms *t, const char *local, term host)
{
    term before = term_and(t, of(t, local), of(t, ".{1,64}"));
    return CAT(t, before, term_byte(t, '@'), term_and(t, host, of(t, ".*\\..*")));
}

/* RFC 5321 without quotes. */
static term email(struct terms *t)
{
    term letter = of(t, "[A-Za-z0-9]");
    term host = OR(t, labels(t, letter, 62, 3), labels(t, letter, 22, 8));
    return address(t, LOCAL(ATEXT), host);
}

/* RFC 6531. */
static term idn_email(struct terms *t)
{
    return address(t, LOCAL(ATEXT IDN_LETTERS), labels(t, of(t, "[a-z0-9" IDN_LETTERS "]"), 12, 4));
}

/* --- addresses --- */

/* What RFC 3987 lets stand in an IRI besides, but for blanks, what turns the direction around, and
 * what is above U+FFFF, which not every reader takes. */
#define IRI_TOO                                                                                  \
    "\\u00a1-\\u061b\\u061d-\\u167f\\u1681-\\u180d\\u180f-\\u1fff\\u2070-\\u2fff\\u3001-\\ud7ff" \
    "\\uf900-\\ufdcf\\ufdf0-\\ufefe"
#define UNIT(more) "(?:[A-Za-z0-9._~!$&'()*+,;=" more "-]|%" HEX "{2})"

/* The characters that parts of an address have. */
struct alphabet {
    const char *user, *path, *first, *tail;
};

#define ALPHABET(more)                                                        \
    {                                                                         \
        .user = "(?:" UNIT(":" more) "*@)?",                                  \
        .path = "(?:" UNIT(":@/" more) ")*",                                  \
        .first = UNIT("@" more) "+",                                          \
        .tail = "(?:\\?" UNIT(":@/?" more) "*)?(?:#" UNIT(":@/?" more) "*)?", \
    }
static const struct alphabet uri_alphabet = ALPHABET(""), iri_alphabet = ALPHABET(IRI_TOO);

#define PORT "(?:\\d{1,4}|[1-5]\\d{4}|6(?:[0-4]\\d{3}|5(?:[0-4]\\d\\d|5(?:[0-2]\\d|3[0-5]))))"

/* "", or a slash and so on. */
static term rooted_path(struct terms *t, const struct alphabet *a)
{
    return term_optional(t, CAT(t, term_byte(t, '/'), of(t, a->path)));
}

/* //user@host:port/path, in which a host is not empty. */
static term network_path(struct terms *t, const struct alphabet *a)
{
    term host = OR(t, hostname(t), of(t, IPV4), of(t, "\\[" IPV6 "\\]"));
    term port = of(t, "(?::" PORT ")?");
    return CAT(t, term_text(t, STR("//")), of(t, a->user), host, port, rooted_path(t, a));
}

/* A path that does not begin with two slashes. */
static term absolute_path(struct terms *t, const struct alphabet *a)
{
    return but_for(t, CAT(t, term_byte(t, '/'), of(t, a->path)), "//.*");
}

/* With a scheme. Those that name hosts do. */
static term full_address(struct terms *t, const struct alphabet *a)
{
    term scheme = of(t, "[A-Za-z][A-Za-z0-9+.-]*"), colon = term_byte(t, ':');
    term without_host = but_for(t, scheme, "(?i)https?|wss?|ftp|file");
    term rootless = but_for(t, of(t, a->path), "/.*|");
    return CAT(t,
               OR(t, CAT(t, scheme, colon, network_path(t, a)),
                  CAT(t, without_host, colon, OR(t, absolute_path(t, a), rootless)),
                  CAT(t, of(t, "(?i)file://"), term_byte(t, '/'), of(t, a->path))),
               of(t, a->tail));
}

/* With or without a scheme; without one, what comes first looks like none. */
static term any_address(struct terms *t, const struct alphabet *a)
{
    term relative = CAT(t, of(t, a->first), rooted_path(t, a));
    term path = OR(t, network_path(t, a), absolute_path(t, a), relative, TERM_EMPTY);
    return OR(t, full_address(t, a), CAT(t, path, of(t, a->tail)));
}

static term uri(struct terms *t)
{
    return full_address(t, &uri_alphabet);
}

static term uri_reference(struct terms *t)
{
    return any_address(t, &uri_alphabet);
}

static term iri(struct terms *t)
{
    return full_address(t, &iri_alphabet);
}

static term iri_reference(struct terms *t)
{
    return any_address(t, &iri_alphabet);
}

/* --- the table --- */

static const struct {
    struct str name;
    const char *pattern; /* or what makes it */
    term (*make)(struct terms *t);
} formats[] = {
    {STR_INIT("date"), DATE, NULL},
    {STR_INIT("date-time"), DATE "T" TIME, NULL},
    {STR_INIT("duration"), DURATION, NULL},
    {STR_INIT("email"), NULL, email},
    {STR_INIT("hostname"), NULL, hostname},
    {STR_INIT("idn-email"), NULL, idn_email},
    {STR_INIT("idn-hostname"), NULL, idn_hostname},
    {STR_INIT("ipv4"), IPV4, NULL},
    {STR_INIT("ipv6"), IPV6, NULL},
    {STR_INIT("iri"), NULL, iri},
    {STR_INIT("iri-reference"), NULL, iri_reference},
    {STR_INIT("json-pointer"), JSON_POINTER, NULL},
    {STR_INIT("relative-json-pointer"), RELATIVE_JSON_POINTER, NULL},
    {STR_INIT("time"), TIME, NULL},
    {STR_INIT("uri"), NULL, uri},
    {STR_INIT("uri-reference"), NULL, uri_reference},
    {STR_INIT("uuid"), UUID, NULL},
};

int format_term(struct terms *t, struct str name, struct grammar_why *why, term *out)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (!str_eq(name, formats[i].name)) continue;
        *out = formats[i].make ? formats[i].make(t) : of(t, formats[i].pattern);
        if (!terms_failed(t)) return 0;
        (void)grammar_refuse(why, "the format needs more memory than there is");
        return ERR_TOO_LARGE;
    }
    return FORMAT_UNKNOWN;
}
