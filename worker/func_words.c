/*
 * func_words: the jobs that look at words. A word is a maximal run of Unicode letters (general category L), its case
 * kept. Bytes that are not UTF-8 are no letters.
 *
 * A map task gathers its words in a table of WORDS_MAX entries or WORD_BYTES of text, so that it emits each word
 * once or a few times, and not as often as it stands there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>
#include <xxhash.h>

#include "shared/buf.h"
#include "shared/charset.h"
#include "shared/html.h"
#include "worker/func.h"

enum {
    WORDS_MAX = 1 << 17,
    SLOTS = 2 * WORDS_MAX, /* a power of two */
    WORD_BYTES = 4 << 20,
    FILES_BYTES = 16 << 20, /* of the names that one word is in */
};

struct word {
    uint64_t hash, count;
    uint32_t at, len; /* in `text` */
};

struct words {
    const struct trawl_api *api;
    bool index;      /* emit where, not how often */
    struct buf file; /* that the words in the table are of; of the index */
    struct word *words;
    uint32_t *slots; /* index + 1; 0: free */
    uint32_t count;
    struct buf text;
    struct buf decoded; /* scratch */
    struct html html;
    uint32_t raw; /* scratch: elements around whose content is no text */
};

/* ---- the table ------------------------------------------------------------------------------------------ */

static void words_flush(struct words *w, struct trawl_task *t) {
    char number[24];

    for (uint32_t i = 0; i < w->count; i++) {
        const struct word *one = &w->words[i];
        if (w->index) {
            w->api->emit(t, w->text.data + one->at, one->len, w->file.data, w->file.len);
            continue;
        }
        int n = snprintf(number, sizeof number, "%llu", (unsigned long long)one->count);
        w->api->emit(t, w->text.data + one->at, one->len, number, (size_t)n);
    }
    memset(w->slots, 0, SLOTS * sizeof *w->slots);
    w->count = 0;
    buf_reset(&w->text);
}

static void words_add(struct words *w, struct trawl_task *t, const char *word, size_t len) {
    uint64_t hash = XXH3_64bits(word, len);
    size_t slot = hash & (SLOTS - 1);

    for (; w->slots[slot] != 0; slot = (slot + 1) & (SLOTS - 1)) {
        struct word *one = &w->words[w->slots[slot] - 1];
        if (one->hash == hash && one->len == len &&
            memcmp(w->text.data + one->at, word, len) == 0) {
            one->count++;
            return;
        }
    }
    if (w->count == WORDS_MAX || len > WORD_BYTES - w->text.len) {
        words_flush(w, t);
        slot = hash & (SLOTS - 1);
    }
    w->words[w->count] =
        (struct word){.hash = hash, .count = 1, .at = (uint32_t)w->text.len, .len = (uint32_t)len};
    if (!buf_append(&w->text, word, len))
        w->api->fail(t, "out of memory for words");
    w->slots[slot] = ++w->count;
}

/* ---- words in a text --------------------------------------------------------------------------------------- */

/* The character at p and its length; 0: no UTF-8 (Unicode 15 table 3-7) stands there. */
static size_t character(const char *p, size_t len, uint32_t *c) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)p[0];
    size_t n = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

    if (n == 0 || n > len)
        return 0;
    *c = first & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)p[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | ((unsigned char)p[i] & 0x3f);
    }
    return *c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000) ? 0 : n;
}

/* The length of the letter beyond ASCII at p; 0: there is none, but *skip bytes of something else. */
static size_t letter(const char *p, size_t len, size_t *skip) {
    uint32_t c;
    size_t n = character(p, len, &c);

    *skip = n > 0 ? n : 1;
    return n > 0 && u_isalpha((UChar32)c) ? n : 0;
}

static bool is_ascii_letter(unsigned char c) {
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

static size_t word_length(const char *p, size_t len) {
    size_t n = 0, skip;

    while (n < len) {
        if (is_ascii_letter((unsigned char)p[n])) {
            n++;
            continue;
        }
        size_t more = (unsigned char)p[n] < 0x80 ? 0 : letter(p + n, len - n, &skip);
        if (more == 0)
            break;
        n += more;
    }
    return n;
}

static void words_of(struct words *w, struct trawl_task *t, const char *p, size_t len) {
    while (len > 0) {
        size_t n = word_length(p, len), skip = 1;

        if (n > 0)
            words_add(w, t, p, n);
        else if ((unsigned char)*p >= 0x80)
            (void)letter(p, len, &skip);
        n = n > 0 ? n : skip;
        p += n;
        len -= n;
    }
}

/* ---- text of pages ------------------------------------------------------------------------------------------ */

static bool is_raw(const struct html_tag *tag) {
    static const char *const names[] = {"script", "style", "noscript", "template"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (tag->name_len == strlen(names[i]) && memcmp(tag->name, names[i], tag->name_len) == 0)
            return true;
    return false;
}

/* A tag separates words; what stands in scripts and styles is none. */
static bool on_start(void *ctx, const struct html_tag *tag) {
    struct words *w = ctx;

    buf_append_char(&w->decoded, ' ');
    if (!is_raw(tag) || tag->self_closing)
        return true;
    w->raw++;
    html_set_text(&w->html, false);
    if (tag->name_len == 6 && memcmp(tag->name, "script", 6) == 0)
        html_set_state(&w->html, HTML_SCRIPT_DATA);
    else if (tag->name_len == 5 && memcmp(tag->name, "style", 5) == 0)
        html_set_state(&w->html, HTML_RAWTEXT);
    return true;
}

static bool on_end(void *ctx, const struct html_tag *tag) {
    struct words *w = ctx;

    buf_append_char(&w->decoded, ' ');
    if (is_raw(tag) && w->raw > 0 && --w->raw == 0)
        html_set_text(&w->html, true);
    return true;
}

static bool on_text(void *ctx, const char *p, size_t n) {
    return buf_append(&((struct words *)ctx)->decoded, p, n);
}

static bool feed(void *arg, const char *utf8, size_t n) {
    return html_feed(arg, utf8, n);
}

static const struct html_events events = {
    .start_tag = on_start, .end_tag = on_end, .text = on_text};

static const struct charset *charset_of(const struct trawl_record *r) {
    size_t bom;
    const struct charset *c = charset_from_bom(r->data, r->len, &bom);

    if (c == NULL)
        c = charset_from_meta_content(r->content_type, strlen(r->content_type));
    if (c == NULL)
        c = charset_prescan(r->data, r->len);
    if (c == NULL)
        c = charset_is_valid_utf8(r->data, r->len) ? charset_utf8() : charset_windows_1252();
    return c;
}

static void words_of_page(struct words *w, struct trawl_task *t, const struct trawl_record *r) {
    bool html = strcmp(r->mime, "text/html") == 0 || strcmp(r->mime, "application/xhtml+xml") == 0;

    if (!html && strncmp(r->mime, "text/", 5) != 0)
        return;
    buf_reset(&w->decoded);
    w->raw = 0;
    bool fine;
    if (html) {
        html_reset(&w->html);
        html_set_text(&w->html, true);
        fine = charset_decode_pieces(charset_of(r), r->data, r->len, feed, &w->html) &&
               html_finish(&w->html);
    } else {
        fine = charset_decode(charset_of(r), r->data, r->len, &w->decoded);
    }
    if (!fine)
        w->api->fail(t, "out of memory for a page's text");
    words_of(w, t, w->decoded.data != NULL ? w->decoded.data : "", w->decoded.len);
}

/* ---- the jobs -------------------------------------------------------------------------------------------------- */

static void words_close(void *state) {
    struct words *w = state;

    free(w->words);
    free(w->slots);
    buf_release(&w->text);
    buf_release(&w->file);
    buf_release(&w->decoded);
    html_release(&w->html);
    free(w);
}

static bool words_open(void **state, const struct trawl_api *api, bool index, int argc,
                       char *error) {
    struct words *w = calloc(1, sizeof *w);

    if (argc > 0) {
        snprintf(error, 256, "it takes no arguments");
        free(w);
        return false;
    }
    if (w == NULL)
        return false;
    w->api = api;
    w->index = index;
    w->words = malloc(WORDS_MAX * sizeof *w->words);
    w->slots = calloc(SLOTS, sizeof *w->slots);
    buf_init(&w->text, WORD_BYTES);
    buf_init(&w->file, 64 << 10);
    buf_init(&w->decoded, 256 << 20);
    html_init(&w->html, &events, w);
    *state = w;
    if (w->words != NULL && w->slots != NULL && buf_reserve(&w->text, WORD_BYTES))
        return true;
    snprintf(error, 256, "out of memory");
    words_close(w);
    return false;
}

static bool count_open(void **state, struct trawl_task *t, const struct trawl_api *api, int argc,
                       char *const *argv, char *error) {
    (void)t;
    (void)argv;
    return words_open(state, api, false, argc, error);
}

static bool index_open(void **state, struct trawl_task *t, const struct trawl_api *api, int argc,
                       char *const *argv, char *error) {
    (void)t;
    (void)argv;
    return words_open(state, api, true, argc, error);
}

static void words_map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    struct words *w = state;

    if (w->index &&
        (w->file.len != strlen(r->name) || memcmp(w->file.data, r->name, w->file.len) != 0)) {
        words_flush(w, t);
        buf_reset(&w->file);
        if (!buf_append_str(&w->file, r->name))
            w->api->fail(t, "a name of over 64 KiB");
    }
    if (r->of == TRAWL_INPUT_PAGES)
        words_of_page(w, t, r);
    else
        words_of(w, t, r->data, r->len);
}

static void words_end(void *state, struct trawl_task *t) {
    struct words *w = state;

    words_flush(w, t);
}

static uint64_t sum(const struct words *w, struct trawl_values *values) {
    const void *value;
    uint64_t total = 0;
    size_t len;

    while (w->api->next(values, &value, &len)) {
        uint64_t n = 0;
        for (size_t i = 0; i < len; i++)
            n = n * 10 + (uint64_t)(((const char *)value)[i] - '0');
        total += n;
    }
    return total;
}

static void count_combine(void *state, struct trawl_task *t, const void *key, size_t key_len,
                          struct trawl_values *values) {
    const struct words *w = state;
    char number[24];
    int n = snprintf(number, sizeof number, "%llu", (unsigned long long)sum(w, values));

    w->api->emit(t, key, key_len, number, (size_t)n);
}

static void count_reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                         struct trawl_values *values) {
    const struct words *w = state;
    char number[24];
    int n = snprintf(number, sizeof number, " %llu\n", (unsigned long long)sum(w, values));

    w->api->write(t, key, key_len);
    w->api->write(t, number, (size_t)n);
}

/* The values come sorted: the same file again stands right behind itself. */
static uint64_t distinct(struct words *w, struct trawl_task *t, struct trawl_values *values,
                         char separator) {
    const void *value;
    uint64_t count = 0;
    size_t len, last = 0, last_len = 0;

    buf_reset(&w->decoded);
    while (w->api->next(values, &value, &len)) {
        if (count > 0 && last_len == len && memcmp(w->decoded.data + last, value, len) == 0)
            continue;
        if (count++ > 0)
            buf_append_char(&w->decoded, separator);
        last = w->decoded.len;
        last_len = len;
        buf_append(&w->decoded, value, len);
        if (w->decoded.failed || w->decoded.len > FILES_BYTES)
            w->api->fail(t, "a word is in more files than 16 MiB of names");
    }
    return count;
}

static void index_combine(void *state, struct trawl_task *t, const void *key, size_t key_len,
                          struct trawl_values *values) {
    struct words *w = state;
    const void *value;
    bool first = true;
    size_t len;

    buf_reset(&w->decoded);
    while (w->api->next(values, &value, &len)) {
        if (!first && len == w->decoded.len && memcmp(w->decoded.data, value, len) == 0)
            continue;
        first = false;
        buf_reset(&w->decoded);
        if (!buf_append(&w->decoded, value, len))
            w->api->fail(t, "out of memory for a name");
        w->api->emit(t, key, key_len, value, len);
    }
}

static void index_reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                         struct trawl_values *values) {
    struct words *w = state;
    char number[24];
    uint64_t count = distinct(w, t, values, ',');
    int n = snprintf(number, sizeof number, " %llu ", (unsigned long long)count);

    w->api->write(t, key, key_len);
    w->api->write(t, number, (size_t)n);
    w->api->write(t, w->decoded.data, w->decoded.len);
    w->api->write(t, "\n", 1);
}

const struct trawl_job func_wordcount = {.abi = TRAWL_JOB_ABI,
                                         .input = TRAWL_INPUT_ANY,
                                         .open = count_open,
                                         .map = words_map,
                                         .combine = count_combine,
                                         .reduce = count_reduce,
                                         .end = words_end,
                                         .close = words_close};

const struct trawl_job func_indexer = {.abi = TRAWL_JOB_ABI,
                                       .input = TRAWL_INPUT_ANY,
                                       .open = index_open,
                                       .map = words_map,
                                       .combine = index_combine,
                                       .reduce = index_reduce,
                                       .end = words_end,
                                       .close = words_close};
