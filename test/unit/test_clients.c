/* SPDX-License-Identifier: Apache-2.0 */
/* What `hostler launch` sets and `hostler client` prints: the table, templates, the folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/recipe.h"
#include "cmd/scratch.h"
#include "json/json.h"
#include "quoted.h"

static struct arena arena;

static int start(void **state)
{
    (void)state;
    arena_init(&arena, SIZE_MAX, 4096);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static struct recipe recipe_of(const char *client)
{
    return (struct recipe){.client = client_find(client),
                           .root = STR("http://h:1"),
                           .model = STR("m"),
                           .key = STR("sk-canary"),
                           .folder = "/folder"};
}

static void fills(const struct recipe *r, const char *text, const char *want)
{
    assert_string_equal(recipe_fill(r, &arena, text).ptr, want);
}

/* --- the table --- */

static void rows_are_whole(void **state)
{
    (void)state;
    size_t count;
    const struct client *all = clients_all(&count);
    bool launches = true;
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(client_find(all[i].name), &all[i]); /* so no name is there twice */
        assert_true(all[i].about && all[i].part_count > 0);
        assert_true(!all[i].program == !all[i].install);
        assert_true(launches || !all[i].program);
        launches = all[i].program != NULL;
    }
    assert_null(client_find("nobody"));
}

/* A word can be read by anybody on the machine, and a file may be kept. */
static void keys_are_set_and_nothing_else(void **state)
{
    (void)state;
    size_t count;
    const struct client *all = clients_all(&count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < all[i].part_count; k++) {
            const struct client_part *part = &all[i].parts[k];
            assert_true(part->kind == CLIENT_SET || !part->text || !strstr(part->text, "%k"));
            assert_true(part->kind == CLIENT_FILE || !part->text || !strstr(part->text, "%E"));
            assert_true(!(part->when & CLIENT_PASTE) || !part->text || !strstr(part->text, "%d"));
        }
}

/* --- templates --- */

static void templates(void **state)
{
    (void)state;
    struct recipe r = recipe_of("claude");
    r.model = STR("o'x \"y\"\n");
    fills(&r, "", "");
    fills(&r, "%r %u|%d|%k|100%%", "http://h:1 http://h:1/v1|/folder|sk-canary|100%");
    fills(&r, "%R%U", "\"http://h:1\"\"http://h:1/v1\"");
    fills(&r, "%m", "o'x \"y\"\n");
    fills(&r, "%M", "\"o'x \\\"y\\\"\\n\"");
    fills(&r, "%O", "\"hostler/o'x \\\"y\\\"\\n\"");
    fills(&r, "%s", "'o'\\''x \"y\"\n'");
    r.model = STR("org/a-b:1.5");
    fills(&r, "%s", "org/a-b:1.5");
    r.model = STR("$(x)");
    fills(&r, "%s", "'$(x)'");
}

static void environments_are_json(void **state)
{
    (void)state;
    const struct json *doc;
    struct recipe r = recipe_of("claude");
    r.model = STR("\"q\"");
    struct str text = recipe_fill(&r, &arena, "{\"env\": %E}");
    assert_int_equal(json_parse(&arena, text, &doc, NULL), 0);
    doc = json_get(doc, "env");
    assert_true(str_eq(json_str_or(doc, "ANTHROPIC_AUTH_TOKEN", STR("")), r.key));
    assert_true(str_eq(json_str_or(doc, "ANTHROPIC_MODEL", STR("")), r.model));
    assert_true(str_eq(json_str_or(doc, "ANTHROPIC_API_KEY", STR("?")), STR("")));
}

/* --- pasting --- */

static void paste(const struct recipe *r, const char *want)
{
    struct buf out;
    buf_init(&out, 100000);
    assert_int_equal(recipe_paste(r, &out), 0);
    struct str text = arena_dup(&arena, buf_str(&out));
    assert_string_equal(text.ptr, want);
    buf_fini(&out);
}

static void what_is_pasted(void **state)
{
    (void)state;
    struct recipe r = recipe_of("aider");
    r.key = STR(RECIPE_KEY);
    r.model = STR("a b");
    paste(&r,
          "export AIDER_OPENAI_API_KEY=\"$HOSTLER_KEY\"\n"
          "aider --openai-api-base http://h:1/v1 --model 'openai/a b' --weak-model 'openai/a b' "
          "--no-show-model-warnings\n");
    r = recipe_of("codex");
    paste(&r, quoted(&arena, "# ~/.codex/config.toml\n"
                             "model = 'm'\n"
                             "model_provider = 'hostler'\n"
                             "\n"
                             "[model_providers.hostler]\n"
                             "name = 'Hostler'\n"
                             "base_url = 'http://h:1/v1'\n"
                             "env_key = 'HOSTLER_KEY'\n"
                             "wire_api = 'responses'\n"
                             "\n"
                             "codex\n"));
    r = recipe_of("openai-python");
    paste(&r,
          quoted(&arena,
                 "# pip install openai\n"
                 "import os\n"
                 "from openai import OpenAI\n"
                 "\n"
                 "client = OpenAI(base_url='http://h:1/v1', api_key=os.environ['HOSTLER_KEY'])\n"
                 "answer = client.chat.completions.create(model='m', "
                 "messages=[{'role': 'user', 'content': 'Hello!'}])\n"
                 "print(answer.choices[0].message.content)\n"));
}

static void what_is_pasted_as_json(void **state)
{
    (void)state;
    const struct json *doc;
    struct buf out;
    struct recipe r = recipe_of("claude");
    r.key = STR(RECIPE_KEY);
    buf_init(&out, 100000);
    assert_int_equal(recipe_json(&r, &out), 0);
    assert_int_equal(json_parse(&arena, buf_str(&out), &doc, NULL), 0);
    const struct json *env = json_get(doc, "environment");
    assert_true(str_eq(json_str_or(env, "ANTHROPIC_BASE_URL", STR("")), r.root));
    assert_true(str_eq(json_str_or(env, "ANTHROPIC_AUTH_TOKEN", STR("")), STR("$HOSTLER_KEY")));
    assert_int_equal(json_type(json_get(env, "ANTHROPIC_API_KEY")), JSON_NULL);
    assert_int_equal(json_count(json_get(doc, "files")), 0);
    assert_int_equal(json_count(json_get(doc, "command")), 1);
    buf_fini(&out);
}

/* A maximum that is reached is an error, wherever it is. */
static void no_room(void **state)
{
    (void)state;
    size_t count;
    const struct client *all = clients_all(&count);
    for (size_t i = 0; i < count; i++)
        for (size_t max = 0; max < 40; max++) {
            struct buf out;
            struct recipe r = recipe_of(all[i].name);
            buf_init(&out, max);
            assert_int_not_equal(recipe_paste(&r, &out), 0);
            buf_clear(&out);
            assert_int_not_equal(recipe_json(&r, &out), 0);
            buf_fini(&out);
        }
}

/* --- the folder --- */

static int in_a_place(void **state)
{
    char place[] = "/tmp/hostler-test-XXXXXX";
    return !mkdtemp(place) || setenv("XDG_RUNTIME_DIR", place, 1) || start(state);
}

static int leave_place(void **state)
{
    stop(state);
    return rmdir(getenv("XDG_RUNTIME_DIR")) || unsetenv("XDG_RUNTIME_DIR");
}

static const char *in(const struct scratch *s, const char *name)
{
    return arena_printf(&arena, "%s/%s", s->path, name).ptr;
}

static void a_folder_goes_with_all_in_it(void **state)
{
    (void)state;
    struct scratch s;
    struct stat st;
    assert_int_equal(scratch_open(&s), 0);
    assert_true(str_starts(str_of(s.path), str_of(getenv("XDG_RUNTIME_DIR"))));
    assert_int_equal(stat(s.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(scratch_write(&s, "a", STR("text")), 0);
    assert_int_equal(stat(in(&s, "a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 4);
    assert_int_not_equal(scratch_write(&s, "a", STR("again")), 0);
    assert_int_equal(mkdir(in(&s, "inner"), 0700), 0);
    assert_int_equal(symlink("/", in(&s, "inner/root")), 0);
    scratch_close(&s);
    scratch_close(&s); /* as a zeroed one */
}

/* One whose owner is gone has no lock; one that is in use stays. */
static void left_folders_are_removed(void **state)
{
    (void)state;
    struct scratch mine, next;
    assert_int_equal(scratch_open(&mine), 0);
    const char *left =
        arena_printf(&arena, "%s/hostler-launch-abcdef", getenv("XDG_RUNTIME_DIR")).ptr;
    assert_int_equal(mkdir(left, 0700), 0);
    assert_int_equal(mkdir(arena_printf(&arena, "%s/inner", left).ptr, 0700), 0);
    assert_int_equal(scratch_open(&next), 0);
    assert_int_equal(access(left, F_OK), -1);
    assert_int_equal(access(mine.path, F_OK), 0);
    scratch_close(&mine);
    scratch_close(&next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_whole),
        cmocka_unit_test(keys_are_set_and_nothing_else),
        cmocka_unit_test_setup_teardown(templates, start, stop),
        cmocka_unit_test_setup_teardown(environments_are_json, start, stop),
        cmocka_unit_test_setup_teardown(what_is_pasted, start, stop),
        cmocka_unit_test_setup_teardown(what_is_pasted_as_json, start, stop),
        cmocka_unit_test_setup_teardown(no_room, start, stop),
        cmocka_unit_test_setup_teardown(a_folder_goes_with_all_in_it, in_a_place, leave_place),
        cmocka_unit_test_setup_teardown(left_folders_are_removed, in_a_place, leave_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
