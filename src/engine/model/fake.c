/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/model/fake.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"

enum fake_mode { FAKE_ECHO, FAKE_SCRIPT, FAKE_RANDOM };
enum { FAKE_EMBEDDING = 8, FAKE_FILE_MAX = 64 * 1024, FAKE_ASKS_US = 1000 };

struct fake_sequence {
    int32_t *tokens; /* as many as a sequence may have */
    uint32_t count;
};

struct vocab {
    struct vocab_info info;
    uint64_t tokenize_us;
    int32_t suppressed;
};

struct context {
    struct context_info info;
    struct model *model;
    struct fake_sequence *sequences;
    float *logits; /* rows of the last decode, one per item that asked */
    size_t *rows;  /* item -> row */
};

struct embedder {
    struct embed_info info;
    struct model *model;
};

struct model {
    struct model_info info;
    struct vocab vocab;
    struct context context;
    struct embedder embedder;
    bool recurrent; /* keeps all of a sequence or nothing */
    enum fake_mode mode;
    char *text; /* what `script` answers */
    uint64_t decode_us, token_us, load_us;
    uint64_t fail, nan;
    struct model_fake_stats stats;
    void (*on_decode)(void *user, size_t items);
    void *on_decode_user;
};

static void nap(uint64_t us)
{
    struct timespec t = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    if (us) nanosleep(&t, NULL);
}

/* --- its file --- */

static int read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "re");
    if (!f) return -errno;
    char *room;
    int err = buf_reserve(out, FAKE_FILE_MAX, &room);
    if (!err) buf_commit(out, fread(room, 1, FAKE_FILE_MAX, f));
    if (!err && ferror(f)) err = -EIO;
    fclose(f);
    return err;
}

static void set_text(struct model *m, struct str value)
{
    char *out = mem_must(value.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < value.len; i++) {
        bool line = value.ptr[i] == '\\' && i + 1 < value.len && value.ptr[i + 1] == 'n';
        out[n++] = line ? '\n' : value.ptr[i];
        i += line;
    }
    out[n] = 0;
    free(m->text);
    m->text = out;
}

/* The place of a value among its names. */
static int one_of(struct str value, const char *const *names, unsigned count, unsigned *out)
{
    for (unsigned i = 0; i < count; i++) {
        if (!str_eq(value, str_of(names[i]))) continue;
        *out = i;
        return 0;
    }
    return ERR_INVALID;
}

#define TURN(open, content, close) \
    "{{ '" open "' + m.role + '\\n' + " content " + '" close "\\n' }}"
#define PLAIN TURN("<|im_start|>", "m.content", "<|im_end|>")
#define ASK(open) "{% if add_generation_prompt %}{{ '" open "assistant\\n' }}{% endif %}"

static const struct {
    const char *name;
    const char *text; /* NULL: the file has none */
} templates[] = {
    {"plain", "{% for m in messages %}" PLAIN "{% endfor %}" ASK("<|im_start|>")},
    {"trims", "{% for m in messages %}" TURN("<turn>", "m.content.strip()",
                                             "<|n|>") "{% endfor %}" ASK("<turn>")},
    {"thinks",
     "{% for m in messages %}" TURN("<|im_start|>", "m.content.split('</think>')[-1]", "<|im_end|>") "{% endfor %}" ASK(
         "<|im_start|>") "{% if add_generation_prompt and enable_thinking %}{{ '<think>\\n' }}{% endif %}"},
    {"users", "{% for m in messages %}"
              "{% if m.role == 'system' %}{{ raise_exception('no system here') }}{% endif %}" PLAIN
              "{% endfor %}" ASK("<|im_start|>")},
    {"broken", "{% for m in messages %}\n  {% nonsense %}"},
    {"none", NULL},
};

static int set_template(struct model *m, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(templates); i++) {
        if (!str_eq(name, str_of(templates[i].name))) continue;
        m->info.chat_template = templates[i].text;
        return 0;
    }
    return ERR_INVALID;
}

static void set_ranks(struct model *m)
{
    m->info.ranks = true;
    m->info.generates = m->info.embeds = false;
    m->embedder.info.length = 1;
    m->embedder.info.pooling = MODEL_POOLING_RANK;
}

static int set_suppressed(struct vocab *v, uint64_t token)
{
    if (token >= FAKE_VOCAB) return ERR_INVALID;
    v->suppressed = (int32_t)token;
    v->info.suppressed = &v->suppressed;
    v->info.suppressed_count = 1;
    return 0;
}

static int set_key(struct model *m, struct str key, struct str value)
{
    static const char *const modes[] = {"echo", "script", "random"};
    uint64_t n = 0;
    unsigned choice = 0;
    int err;
    if (str_eq(key, STR("mode"))) {
        err = one_of(value, modes, ARRAY_LEN(modes), &choice);
        m->mode = (enum fake_mode)choice;
        return err;
    }
    if (str_eq(key, STR("template"))) return set_template(m, value);
    if (str_eq(key, STR("text"))) {
        set_text(m, value);
        return 0;
    }
    if (str_to_u64(value, &n)) return ERR_INVALID;
    if (str_eq(key, STR("suppress"))) return set_suppressed(&m->vocab, n);
    if (str_eq(key, STR("recurrent"))) {
        m->recurrent = n;
        return 0;
    }
    if (str_eq(key, STR("decode_us")))
        m->decode_us = n;
    else if (str_eq(key, STR("token_us")))
        m->token_us = n;
    else if (str_eq(key, STR("load_us")))
        m->load_us = n;
    else if (str_eq(key, STR("tokenize_us")))
        m->vocab.tokenize_us = n;
    else if (str_eq(key, STR("context")))
        m->info.context_train = (uint32_t)n;
    else if (str_eq(key, STR("fail")))
        m->fail = n;
    else if (str_eq(key, STR("ranks")))
        set_ranks(m);
    else if (str_eq(key, STR("nan")))
        m->nan = n;
    else
        return ERR_INVALID;
    return 0;
}

static void say(char why[MODEL_WHY_MAX], const char *path, const char *text)
{
    (void)snprintf(why, MODEL_WHY_MAX, "%s: %s", path, text);
}

static int read_script(struct model *m, const char *path, char why[MODEL_WHY_MAX])
{
    struct buf file;
    struct str text = str_of(path), line;
    char separator = ';';
    int err = 0;
    buf_init(&file, FAKE_FILE_MAX);
    if (str_starts(text, STR("fake:"))) {
        text = str_skip(text, 5);
    } else {
        separator = '\n';
        err = read_file(path, &file);
        text = buf_str(&file);
        if (!err &&
            (!str_cut(&text, '\n', &line) || !str_eq(str_trim(line), STR("hostler fake model"))))
            err = ERR_INVALID;
        if (err) say(why, path, err == ERR_INVALID ? "not a fake model's file" : err_text(err));
    }
    while (!err && str_cut(&text, separator, &line)) {
        struct str value = str_trim(line), key;
        if (!value.len || !str_cut(&value, ' ', &key)) continue;
        err = set_key(m, key, str_trim(value));
        if (err) say(why, path, "a line is not understood");
    }
    buf_fini(&file);
    return err;
}

static void open_context(struct model *m, const struct model_options *options)
{
    struct context *c = &m->context;
    c->model = m;
    c->info = (struct context_info){
        .length = options->context ? options->context
                                   : MIN(m->info.context_train, (uint32_t)MODEL_CONTEXT_DEFAULT),
        .sequences = options->slots,
        .batch = MAX(options->batch, options->slots),
        .sequence_bytes = sizeof(int32_t),
        .forks = !m->recurrent,
        .trims = !m->recurrent,
        .vocab = FAKE_VOCAB,
    };
    c->info.sequence_bytes *= c->info.length;
    c->sequences = mem_must_zero(c->info.sequences, sizeof *c->sequences);
    for (uint32_t i = 0; i < c->info.sequences; i++)
        c->sequences[i].tokens = mem_must_zero(c->info.length, sizeof *c->sequences[i].tokens);
    c->logits = mem_must_zero((size_t)c->info.sequences * c->info.vocab, sizeof *c->logits);
    c->rows = mem_must_zero(c->info.batch, sizeof *c->rows);
}

static const int32_t fake_ends[] = {FAKE_END};

bool model_settle(struct model *m UNUSED)
{
    return false;
}

bool model_reads_whole(const char *path UNUSED)
{
    return false;
}

int model_load(const struct model_options *options, struct model **out, char why[MODEL_WHY_MAX])
{
    struct model *m = mem_must_zero(1, sizeof *m);
    m->info = (struct model_info){
        .context_train = 8192,
        .params = 1,
        .bytes = 1,
        .generates = true,
        .embeds = true,
        .chat_template = templates[0].text,
        .sampling = {-1, -1, -1, -1, -1},
    };
    m->vocab.info = (struct vocab_info){
        .count = FAKE_VOCAB,
        .piece_max = sizeof "<|im_start|>" - 1,
        .begin = FAKE_BOS,
        .end = -1,
        .ends = fake_ends,
        .end_count = ARRAY_LEN(fake_ends),
        .cuts_words = true,
        .between = {FAKE_CLOSE},
        .between_count = 1,
        .bos_name = STR("<|begin|>"),
        .eos_name = STR("<|end|>"),
    };
    m->embedder = (struct embedder){
        .info = {.length = FAKE_EMBEDDING, .input_max = 256, .pooling = MODEL_POOLING_MEAN},
        .model = m,
    };
    int err = read_script(m, options->path, why);
    if (err) {
        model_free(m);
        return err;
    }
    for (unsigned percent = 0; percent <= 100; percent += 50) {
        if (options->on_progress) options->on_progress(options->user, percent);
        if (percent < 100) nap(m->load_us / 2);
    }
    struct model_info *info = &m->info;
    (void)snprintf(info->arch, sizeof info->arch, "fake");
    (void)snprintf(info->description, sizeof info->description, "scripted model");
    open_context(m, options);
    *out = m;
    return 0;
}

void model_free(struct model *m)
{
    if (!m) return;
    struct context *c = &m->context;
    for (uint32_t i = 0; c->sequences && i < c->info.sequences; i++)
        free(c->sequences[i].tokens);
    free(c->sequences);
    free(c->logits);
    free(c->rows);
    free(m->text);
    free(m);
}

const struct model_info *model_info(const struct model *m)
{
    return &m->info;
}

const struct vocab *model_vocab(const struct model *m)
{
    return &m->vocab;
}

struct context *model_context(struct model *m)
{
    return m->info.generates ? &m->context : NULL;
}

struct embedder *model_embedder(struct model *m)
{
    return &m->embedder;
}

const struct vocab_info *vocab_info(const struct vocab *v)
{
    return &v->info;
}

const struct context_info *context_info(const struct context *c)
{
    return &c->info;
}

const struct embed_info *embed_info(const struct embedder *e)
{
    return &e->info;
}

const struct model_fake_stats *model_fake_stats(const struct model *m)
{
    return &m->stats;
}

void model_fake_on_decode(struct model *m, void (*fn)(void *user, size_t items), void *user)
{
    m->on_decode = fn;
    m->on_decode_user = user;
}

/* --- vocabulary --- */

static const struct vocab_special specials[] = {
    {STR_INIT("<|im_start|>"), FAKE_OPEN, true, false},
    {STR_INIT("<|im_end|>"), FAKE_CLOSE, true, false},
    {STR_INIT("<|begin|>"), FAKE_BOS, true, false},
    {STR_INIT("<|end|>"), FAKE_END, true, false},
    {STR_INIT("<turn>"), FAKE_TURN, false, false},
    {STR_INIT("<|n|>"), FAKE_LINE, true, true},
};

const struct vocab_special *vocab_special_at(const struct vocab *v UNUSED, struct str text)
{
    for (size_t i = 0; i < ARRAY_LEN(specials); i++)
        if (str_starts(text, specials[i].name)) return &specials[i];
    return NULL;
}

int vocab_tokenize(const struct vocab *v, struct str text, bool add_special, bool parse_special,
                   int32_t *tokens, size_t max, size_t *count)
{
    size_t n = 0;
    nap(v->tokenize_us * text.len / 1024);
    if (add_special && n++ < max) tokens[0] = FAKE_BOS;
    while (text.len) {
        int32_t token = (unsigned char)text.ptr[0];
        size_t used = 1;
        const struct vocab_special *special = vocab_special_at(v, text);
        if (special && (parse_special || !special->control)) {
            token = special->token;
            used = special->name.len;
        }
        if (n < max) tokens[n] = token;
        n++;
        text = str_skip(text, used);
        while (token == FAKE_LINE && text.len && strchr(" \n", text.ptr[0]))
            text = str_skip(text, 1);
    }
    *count = n;
    return n > max ? ERR_TOO_LARGE : 0;
}

size_t vocab_piece(const struct vocab *v UNUSED, int32_t token, bool special,
                   char out[VOCAB_PIECE_MAX])
{
    if (token >= 0 && token < 256) {
        out[0] = (char)token;
        return 1;
    }
    for (size_t i = 0; special && i < ARRAY_LEN(specials); i++) {
        if (specials[i].token != token) continue;
        memcpy(out, specials[i].name.ptr, specials[i].name.len);
        return specials[i].name.len;
    }
    return 0;
}

bool vocab_is_end(const struct vocab *v UNUSED, int32_t token)
{
    return token == FAKE_END;
}

/* --- computing --- */

/* Where the answer begins: behind the last message's opening, role and line end. 0: not a chat. */
static uint32_t answer_start(const struct fake_sequence *s, uint32_t *open)
{
    for (uint32_t i = s->count; i-- > 0;) {
        if (s->tokens[i] != FAKE_OPEN) continue;
        *open = i;
        while (i < s->count && s->tokens[i] != '\n')
            i++;
        return i + 1;
    }
    return 0;
}

/* Where the message that ends at `open` begins, behind its opening. */
static uint32_t message_start(const struct fake_sequence *s, uint32_t open)
{
    while (open > 0 && s->tokens[open - 1] != FAKE_OPEN)
        open--;
    return open;
}

static bool is_of_system(const struct fake_sequence *s, uint32_t begin, uint32_t end)
{
    static const char role[] = "system\n";
    for (uint32_t i = 0; role[i]; i++)
        if (begin + i >= end || s->tokens[begin + i] != role[i]) return false;
    return true;
}

/* The at-th token of the last message before `open` that is not the system's, or the end. */
static int32_t echoed(const struct fake_sequence *s, uint32_t open, uint32_t at)
{
    uint32_t begin = message_start(s, open);
    while (begin > 0 && is_of_system(s, begin, open) && message_start(s, begin - 1) > 0) {
        open = begin - 1;
        begin = message_start(s, open);
    }
    while (begin < open && s->tokens[begin] != '\n')
        begin++;
    begin++;
    uint32_t i = begin + at;
    return i >= open || s->tokens[i] == FAKE_CLOSE ? FAKE_END : s->tokens[i];
}

static uint64_t sequence_hash(const struct fake_sequence *s)
{
    return hash_fnv(str_n((const char *)s->tokens, s->count * sizeof *s->tokens));
}

static int32_t next_token(const struct model *m, const struct fake_sequence *s)
{
    uint32_t open = 0;
    uint32_t start = answer_start(s, &open);
    if (m->mode == FAKE_SCRIPT) {
        uint32_t at = s->count - MIN(start, s->count);
        size_t len = m->text ? strlen(m->text) : 0;
        return at < len ? (unsigned char)m->text[at] : FAKE_END;
    }
    if (start && start <= s->count) return echoed(s, open, s->count - start);
    return 'a' + (int32_t)(sequence_hash(s) % 26);
}

static void fill_row(const struct model *m, const struct fake_sequence *s, float *row)
{
    uint64_t seed = sequence_hash(s);
    for (uint32_t i = 0; i < (uint32_t)FAKE_VOCAB; i++) {
        uint64_t noise = (seed ^ (i * 0x9e3779b97f4a7c15u)) * 0xbf58476d1ce4e5b9u;
        row[i] = (float)(noise >> 40) / (float)(1 << 24) * (m->mode == FAKE_RANDOM ? 8.0f : 1.0f);
        if (i >= FAKE_BOS && m->mode == FAKE_RANDOM) row[i] = -20;
    }
    if (m->mode != FAKE_RANDOM) row[next_token(m, s)] = 20;
}

static void append(struct context *c, const struct context_item *item)
{
    struct fake_sequence *s = &c->sequences[item->sequence];
    assert(item->sequence < c->info.sequences && item->position == s->count);
    assert(s->count < c->info.length);
    s->tokens[s->count++] = item->token;
}

/* Takes the time of a decode; false: it was told to stop. */
static bool take_time(const struct model *m, size_t items, const struct context_stop *stop)
{
    uint64_t us = m->decode_us + m->token_us * items;
    while (us > FAKE_ASKS_US && !(stop && stop->asked(stop->user))) {
        nap(FAKE_ASKS_US);
        us -= FAKE_ASKS_US;
    }
    if (stop && stop->asked(stop->user)) return false;
    nap(us);
    return true;
}

int context_decode(struct context *c, const struct context_item *items, size_t count,
                   const struct context_stop *stop)
{
    struct model *m = c->model;
    size_t rows = 0;
    assert(count > 0 && count <= c->info.batch);
    if (m->on_decode) m->on_decode(m->on_decode_user, count);
    m->stats.decodes++;
    m->stats.items += (unsigned)count;
    m->stats.last_items = (unsigned)count;
    bool done = take_time(m, count, stop);
    if (m->stats.decodes == m->fail) return ERR_INVALID;
    /* One that was stopped leaves a part behind, as libllama may. */
    for (size_t i = 0; i < (done ? count : count / 2); i++) {
        append(c, &items[i]);
        if (!items[i].logits || !done) continue;
        assert(rows < c->info.sequences);
        float *row = c->logits + rows * c->info.vocab;
        fill_row(m, &c->sequences[items[i].sequence], row);
        for (uint32_t k = 0; m->stats.decodes == m->nan && k < c->info.vocab; k++)
            row[k] = NAN;
        c->rows[i] = rows++;
    }
    return done ? 0 : ERR_CANCELLED;
}

float *context_logits(struct context *c, size_t index)
{
    return c->logits + c->rows[index] * c->info.vocab;
}

bool context_trim(struct context *c, uint32_t sequence, uint32_t length)
{
    struct fake_sequence *s = &c->sequences[sequence];
    if (length >= s->count) return true;
    s->count = c->model->recurrent ? 0 : length;
    return s->count == length;
}

void context_drop(struct context *c, uint32_t sequence)
{
    c->sequences[sequence].count = 0;
}

size_t context_state_size(struct context *c, uint32_t sequence)
{
    return c->sequences[sequence].count * sizeof(int32_t);
}

bool context_save(struct context *c, uint32_t sequence, void *out, size_t size)
{
    if (size != context_state_size(c, sequence)) return false;
    memcpy(out, c->sequences[sequence].tokens, size);
    return true;
}

bool context_restore(struct context *c, uint32_t sequence, const void *state, size_t size)
{
    memcpy(c->sequences[sequence].tokens, state, size);
    c->sequences[sequence].count = (uint32_t)(size / sizeof(int32_t));
    c->model->stats.restores++;
    return true;
}

bool context_fork(struct context *c, uint32_t from, uint32_t to)
{
    const struct fake_sequence *source = &c->sequences[from];
    if (!c->info.forks) return false;
    memcpy(c->sequences[to].tokens, source->tokens, source->count * sizeof *source->tokens);
    c->sequences[to].count = source->count;
    c->model->stats.forks++;
    return true;
}

void model_set_threads(struct model *m, unsigned threads)
{
    m->stats.threads = threads;
}

/* How many of the second text's tokens are in the first, between FAKE_BOS and FAKE_CLOSE. */
static float score_of(const struct token_list *pair)
{
    uint32_t query = 0;
    float hits = 0;
    while (query < pair->count && pair->tokens[query] != FAKE_CLOSE)
        query++;
    for (uint32_t t = query + 1; t < pair->count; t++)
        for (uint32_t k = 1; k < query; k++)
            hits += pair->tokens[t] == pair->tokens[k];
    return hits;
}

static void embed(const struct token_list *text, float *v)
{
    for (unsigned k = 0; k < FAKE_EMBEDDING; k++)
        v[k] = k == 0;
    for (uint32_t t = 0; t < text->count; t++)
        v[text->tokens[t] % FAKE_EMBEDDING] += 1;
    (void)embed_normalise(v, v, FAKE_EMBEDDING);
}

int embed_run(struct embedder *e, const struct token_list *inputs, size_t count, float *out)
{
    e->model->stats.embeds++;
    for (size_t i = 0; i < count; i++) {
        nap(e->model->token_us * inputs[i].count);
        if (e->model->info.ranks)
            out[i] = score_of(&inputs[i]);
        else
            embed(&inputs[i], out + i * FAKE_EMBEDDING);
    }
    return 0;
}
