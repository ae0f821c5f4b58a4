#include "cli/search.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/buf.h"
#include "shared/charset.h"
#include "worker/search_index.h"

enum { QUERY_BYTES = 1 << 20, PARTS_MAX = 65536 };

struct part {
    char *path;
    sqlite3 *db;
};

/* Counted over all parts. */
struct figures {
    double pages, tokens;
    double with[SEARCH_WORDS_MAX]; /* pages that have the word */
    size_t words;
};

struct hit {
    double score;
    uint32_t part;
    int64_t row;
    char *url;
};

struct search {
    char dir[PATH_MAX]; /* with the parts in it */
    struct part *parts;
    size_t part_count;
    struct buf query; /* FTS5's */
    struct figures figures;
    struct hit *hits;
    size_t hit_count;
};

/* ---- functions for FTS5 -------------------------------------------------------------------------------------- */

/* Of the whole part: its length in words. */
static void tokens_of(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *result, int n,
                      sqlite3_value **values) {
    sqlite3_int64 tokens = 0;
    int rc = api->xColumnTotalSize(fts, -1, &tokens);

    (void)n;
    (void)values;
    if (rc == SQLITE_OK)
        sqlite3_result_int64(result, tokens);
    else
        sqlite3_result_error_code(result, rc);
}

/* How often each word stands in the row, by the weights of the columns. */
static int frequencies(const Fts5ExtensionApi *api, Fts5Context *fts, double often[],
                       size_t words) {
    static const double weights[] = {
        [SEARCH_INDEX_TITLE] = 5, [SEARCH_INDEX_URL] = 2, [SEARCH_INDEX_TEXT] = 1};
    int count, word, column, offset;
    int rc = api->xInstCount(fts, &count);

    for (int i = 0; rc == SQLITE_OK && i < count; i++) {
        rc = api->xInst(fts, i, &word, &column, &offset);
        if (rc == SQLITE_OK && (size_t)word < words && column <= SEARCH_INDEX_TEXT)
            often[word] += weights[column];
    }
    return rc;
}

static void score_of(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *result, int n,
                     sqlite3_value **values) {
    const double k1 = 1.2, b = 0.75;
    const struct figures *f = api->xUserData(fts);
    double often[SEARCH_WORDS_MAX] = {0}, score = 0;
    int length, rc = api->xColumnSize(fts, -1, &length);

    (void)n;
    (void)values;
    if (rc == SQLITE_OK)
        rc = frequencies(api, fts, often, f->words);
    if (rc != SQLITE_OK) {
        sqlite3_result_error_code(result, rc);
        return;
    }
    for (size_t i = 0; i < f->words; i++) {
        double rare = log(1 + (f->pages - f->with[i] + 0.5) / (f->with[i] + 0.5));
        double long_for_one = f->tokens > 0 ? length * f->pages / f->tokens : 1;
        score += rare * often[i] * (k1 + 1) / (often[i] + k1 * (1 - b + b * long_for_one));
    }
    sqlite3_result_double(result, score);
}

static bool add_functions(sqlite3 *db, struct figures *f) {
    fts5_api *api = NULL;
    sqlite3_stmt *s;

    if (sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &s, NULL) != SQLITE_OK)
        return false;
    sqlite3_bind_pointer(s, 1, (void *)&api, "fts5_api_ptr", NULL);
    (void)sqlite3_step(s);
    return sqlite3_finalize(s) == SQLITE_OK && api != NULL &&
           api->xCreateFunction(api, "trawl_tokens", NULL, tokens_of, NULL) == SQLITE_OK &&
           api->xCreateFunction(api, "trawl_score", f, score_of, NULL) == SQLITE_OK;
}

/* ---- parts --------------------------------------------------------------------------------------------------- */

static bool damaged(const struct part *p, struct error *err) {
    error_set(err, 0, "%.300s: cannot be read: %.100s", p->path,
              p->db != NULL ? sqlite3_errmsg(p->db) : "out of memory");
    return false;
}

/* One number; false: the query failed, or there is none. */
static bool number(const struct part *p, const char *sql, const char *text, int64_t *n) {
    sqlite3_stmt *s;
    bool found = false;

    if (sqlite3_prepare_v2(p->db, sql, -1, &s, NULL) != SQLITE_OK)
        return false;
    if (text != NULL)
        sqlite3_bind_text(s, 1, text, -1, SQLITE_STATIC);
    if (sqlite3_step(s) == SQLITE_ROW) {
        *n = sqlite3_column_int64(s, 0);
        found = true;
    }
    return sqlite3_finalize(s) == SQLITE_OK && found;
}

/* Nobody writes to a part: no locks, no journal. What is in it is no reason to run anything. */
static bool open_part(struct part *p, struct figures *f, struct error *err) {
    int64_t id, version;

    if (sqlite3_open_v2(p->path, &p->db, SQLITE_OPEN_READONLY, "unix-none") != SQLITE_OK)
        return damaged(p, err);
    (void)sqlite3_db_config(p->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(p->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (!number(p, "PRAGMA application_id", NULL, &id) ||
        !number(p, "PRAGMA user_version", NULL, &version))
        return damaged(p, err);
    if (id != SEARCH_INDEX_ID) {
        error_set(err, 0, "%.300s is no index: accepted is the output of the job index", p->path);
        return false;
    }
    if (version != SEARCH_INDEX_VERSION) {
        error_set(err, 0, "%.300s was made by another version of trawl: make the index anew",
                  p->path);
        return false;
    }
    return add_functions(p->db, f) || damaged(p, err);
}

/* What the part says of itself, and whether that is so. */
static bool check_part(struct search *s, size_t i, struct error *err) {
    const struct part *p = &s->parts[i];
    int64_t part, parts, pages, tokens = 0;

    if (!number(p, "SELECT part FROM about", NULL, &part) ||
        !number(p, "SELECT parts FROM about", NULL, &parts) ||
        !number(p, "SELECT pages FROM about", NULL, &pages) ||
        (pages > 0 && !number(p, "SELECT trawl_tokens(pages) FROM pages LIMIT 1", NULL, &tokens)))
        return damaged(p, err);
    if ((size_t)part != i || (size_t)parts != s->part_count) {
        error_set(err, 0,
                  "%.300s: there are %zu parts, and this one is number %lld of %lld: the job is "
                  "not done, or files of other jobs are there",
                  p->path, s->part_count, (long long)part, (long long)parts);
        return false;
    }
    s->figures.pages += (double)pages;
    s->figures.tokens += (double)tokens;
    return true;
}

/* How many files part-NNNNN are in the directory; SIZE_MAX: it cannot be read. */
static size_t count_parts(const char *dir) {
    DIR *d = opendir(dir);
    size_t n = 0;

    if (d == NULL)
        return SIZE_MAX;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += strncmp(e->d_name, "part-", 5) == 0;
    closedir(d);
    return n;
}

static bool is_dir(const char *path) {
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The crawl's index, or the directory itself. */
static bool find_parts(struct search *s, const char *dir, struct error *err) {
    char archive[PATH_MAX];
    int len = snprintf(s->dir, sizeof s->dir, "%s/jobs/index", dir);
    int archive_len = snprintf(archive, sizeof archive, "%s/archive", dir);
    size_t n;

    if (len >= (int)sizeof s->dir || archive_len >= (int)sizeof archive) {
        error_set(err, ENAMETOOLONG, "%.300s", dir);
        return false;
    }
    bool is_crawl = is_dir(archive) || is_dir(s->dir);
    if (!is_crawl)
        s->dir[strlen(dir)] = '\0';
    errno = 0;
    n = count_parts(s->dir);
    if (n != SIZE_MAX && n > 0) {
        s->part_count = n < PARTS_MAX ? n : PARTS_MAX;
        return true;
    }
    if (is_crawl || n == 0)
        error_set(err, 0, "%.300s has no index: make one with trawl job run index --input DIR",
                  dir);
    else
        error_set(err, errno, "cannot read %.300s", dir);
    return false;
}

static bool open_parts(struct search *s, struct error *err) {
    s->parts = calloc(s->part_count, sizeof *s->parts);
    for (size_t i = 0; i < s->part_count; i++) {
        struct part *p = s->parts != NULL ? &s->parts[i] : NULL;
        struct stat st;
        if (p == NULL || asprintf(&p->path, "%s/part-%05zu", s->dir, i) < 0) {
            error_set(err, 0, "out of memory");
            return false;
        }
        if (stat(p->path, &st) != 0) {
            error_set(err, errno, "the index is not whole: %.300s", p->path);
            return false;
        }
        if (!open_part(p, &s->figures, err) || !check_part(s, i, err))
            return false;
    }
    return true;
}

struct search *search_open(const char *dir, struct error *err) {
    struct search *s = calloc(1, sizeof *s);

    if (s == NULL) {
        error_set(err, 0, "out of memory");
        return NULL;
    }
    buf_init(&s->query, QUERY_BYTES);
    if (find_parts(s, dir, err) && open_parts(s, err))
        return s;
    search_close(s);
    return NULL;
}

static void drop_hits(struct search *s) {
    for (size_t i = 0; i < s->hit_count; i++)
        free(s->hits[i].url);
    free(s->hits);
    s->hits = NULL;
    s->hit_count = 0;
}

void search_close(struct search *s) {
    if (s == NULL)
        return;
    drop_hits(s);
    for (size_t i = 0; s->parts != NULL && i < s->part_count; i++) {
        sqlite3_close(s->parts[i].db);
        free(s->parts[i].path);
    }
    free(s->parts);
    buf_release(&s->query);
    free(s);
}

/* ---- the question ---------------------------------------------------------------------------------------------- */

/* As a string of FTS5's: nothing in it is an operator. */
static bool append_quoted(struct buf *to, const char *word) {
    buf_append_char(to, '"');
    for (; *word != '\0'; word++) {
        if (*word == '"')
            buf_append_char(to, '"');
        buf_append_char(to, *word);
    }
    return buf_append_char(to, '"');
}

static int has_token(void *found, int flags, const char *token, int len, int from, int to) {
    (void)flags;
    (void)token;
    (void)len;
    (void)from;
    (void)to;
    *(bool *)found = true;
    return SQLITE_OK;
}

/* Whether there is anything to look for: "--" has no word in it. */
static bool is_searchable(const struct part *p, const char *word, bool *found) {
    fts5_api *api = NULL;
    fts5_tokenizer tokenizer;
    Fts5Tokenizer *one;
    void *context;
    sqlite3_stmt *s;
    const char *args[] = {"remove_diacritics", "2"};

    *found = false;
    if (sqlite3_prepare_v2(p->db, "SELECT fts5(?1)", -1, &s, NULL) != SQLITE_OK)
        return false;
    sqlite3_bind_pointer(s, 1, (void *)&api, "fts5_api_ptr", NULL);
    (void)sqlite3_step(s);
    if (sqlite3_finalize(s) != SQLITE_OK || api == NULL ||
        api->xFindTokenizer(api, "unicode61", &context, &tokenizer) != SQLITE_OK ||
        tokenizer.xCreate(context, args, 2, &one) != SQLITE_OK)
        return false;
    int rc =
        tokenizer.xTokenize(one, found, FTS5_TOKENIZE_QUERY, word, (int)strlen(word), has_token);
    tokenizer.xDelete(one);
    return rc == SQLITE_OK;
}

/* Appends it to the query, and counts the pages that have it. False: `err`. */
static bool take_word(struct search *s, const char *word, bool *wrong, struct error *err) {
    struct buf one;
    bool ok = true, found;
    int64_t n;

    if (!charset_is_valid_utf8(word, strlen(word)) || strlen(word) > 1000) {
        *wrong = true;
        error_set(err, 0, "a word is not UTF-8, or has over 1000 bytes");
        return false;
    }
    if (!is_searchable(&s->parts[0], word, &found))
        return damaged(&s->parts[0], err);
    if (!found)
        return true;
    buf_init(&one, QUERY_BYTES);
    append_quoted(&one, word);
    if (s->query.len > 0)
        buf_append_str(&s->query, " AND ");
    ok = !one.failed && buf_append(&s->query, one.data, one.len);
    if (!ok)
        error_set(err, 0, "out of memory");
    s->figures.with[s->figures.words] = 0;
    for (size_t i = 0; ok && i < s->part_count; i++) {
        ok = number(&s->parts[i], "SELECT count(*) FROM pages WHERE pages MATCH ?1", one.data, &n);
        if (!ok)
            (void)damaged(&s->parts[i], err);
        else
            s->figures.with[s->figures.words] += (double)n;
    }
    s->figures.words++;
    buf_release(&one);
    return ok;
}

bool search_ask(struct search *s, char *const *words, size_t count, struct search_totals *totals,
                bool *wrong, struct error *err) {
    int64_t n;

    *wrong = false;
    *totals = (struct search_totals){.pages = (uint64_t)s->figures.pages};
    s->figures.words = 0;
    buf_reset(&s->query);
    for (size_t i = 0; i < count && i < SEARCH_WORDS_MAX; i++)
        if (!take_word(s, words[i], wrong, err))
            return false;
    if (s->figures.words == 0) {
        *wrong = true;
        error_set(err, 0, "no word to search for: accepted are words with letters or digits");
        return false;
    }
    for (size_t i = 0; i < s->part_count; i++) {
        if (!number(&s->parts[i], "SELECT count(*) FROM pages WHERE pages MATCH ?1", s->query.data,
                    &n))
            return damaged(&s->parts[i], err);
        totals->matches += (uint64_t)n;
    }
    return true;
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

static int better_first(const void *a, const void *b) {
    const struct hit *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return strcmp(x->url, y->url);
}

/* The part's best ones. Its rows are in the order of their URLs. */
static bool gather(struct search *s, uint32_t part, size_t limit, struct error *err) {
    static const char sql[] =
        "WITH best AS MATERIALIZED (SELECT rowid AS id, trawl_score(pages) AS score FROM pages"
        " WHERE pages MATCH ?1 ORDER BY score DESC, id LIMIT ?2)"
        " SELECT best.id, best.score, (SELECT url FROM pages WHERE rowid = best.id) FROM best";
    const struct part *p = &s->parts[part];
    sqlite3_stmt *q;

    if (sqlite3_prepare_v2(p->db, sql, -1, &q, NULL) != SQLITE_OK)
        return damaged(p, err);
    sqlite3_bind_text(q, 1, s->query.data, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)limit);
    while (sqlite3_step(q) == SQLITE_ROW) {
        const unsigned char *url = sqlite3_column_text(q, 2);
        struct hit hit = {.score = sqlite3_column_double(q, 1),
                          .part = part,
                          .row = sqlite3_column_int64(q, 0),
                          .url = strdup(url != NULL ? (const char *)url : "")};
        struct hit *more = realloc(s->hits, (s->hit_count + 1) * sizeof *more);
        if (more != NULL)
            s->hits = more;
        if (more == NULL || hit.url == NULL) {
            free(hit.url);
            sqlite3_finalize(q);
            error_set(err, 0, "out of memory");
            return false;
        }
        s->hits[s->hit_count++] = hit;
    }
    return sqlite3_finalize(q) == SQLITE_OK || damaged(p, err);
}

static const char *column(sqlite3_stmt *q, int i) {
    const unsigned char *text = sqlite3_column_text(q, i);

    return text != NULL ? (const char *)text : "";
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Copies of the page as it is in the index: `urls` gets up to SEARCH_COPIES_MAX of each part. False: `err`. */
static bool find_copies(struct search *s, const struct search_page *page, char **urls,
                        size_t *count, struct error *err) {
    static const char sql[] =
        "SELECT url FROM copies WHERE of = ?1 AND at >= ?2 ORDER BY url LIMIT ?3";

    for (size_t i = 0; i < s->part_count; i++) {
        sqlite3_stmt *q;
        if (sqlite3_prepare_v2(s->parts[i].db, sql, -1, &q, NULL) != SQLITE_OK)
            return damaged(&s->parts[i], err);
        sqlite3_bind_text(q, 1, page->url, -1, SQLITE_STATIC);
        sqlite3_bind_int64(q, 2, page->fetched_at_ms);
        sqlite3_bind_int64(q, 3, SEARCH_COPIES_MAX);
        while (sqlite3_step(q) == SQLITE_ROW)
            if ((urls[*count] = strdup(column(q, 0))) != NULL)
                ++*count;
        if (sqlite3_finalize(q) != SQLITE_OK)
            return damaged(&s->parts[i], err);
    }
    qsort(urls, *count, sizeof *urls, by_text);
    return true;
}

static bool show_with_copies(struct search *s, size_t rank, struct search_page *page,
                             search_show *show, void *arg, struct error *err) {
    char **urls = calloc(s->part_count + 1, SEARCH_COPIES_MAX * sizeof *urls);
    size_t count = 0;
    bool ok = urls != NULL;

    if (ok)
        ok = find_copies(s, page, urls, &count, err);
    else
        error_set(err, 0, "out of memory");
    page->copies = (const char *const *)urls;
    page->copy_count = count < SEARCH_COPIES_MAX ? count : SEARCH_COPIES_MAX;
    if (ok)
        show(arg, rank, page);
    for (size_t i = 0; i < count; i++)
        free(urls[i]);
    free(urls);
    return ok;
}

static bool show_hit(struct search *s, size_t rank, search_show *show, void *arg,
                     struct error *err) {
    static const char sql[] =
        "SELECT title, fetched_at, snippet(pages, 2, ?3, ?4, '…', 30) FROM pages"
        " WHERE pages MATCH ?1 AND rowid = ?2";
    const struct hit *hit = &s->hits[rank];
    const struct part *p = &s->parts[hit->part];
    sqlite3_stmt *q;

    if (sqlite3_prepare_v2(p->db, sql, -1, &q, NULL) != SQLITE_OK)
        return damaged(p, err);
    sqlite3_bind_text(q, 1, s->query.data, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, hit->row);
    sqlite3_bind_text(q, 3, SEARCH_MARK_BEGIN, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 4, SEARCH_MARK_END, -1, SQLITE_STATIC);
    if (sqlite3_step(q) == SQLITE_ROW) {
        struct search_page page = {.score = hit->score,
                                   .url = hit->url,
                                   .title = column(q, 0),
                                   .fetched_at_ms = sqlite3_column_int64(q, 1),
                                   .snippet = column(q, 2)};
        if (!show_with_copies(s, rank + 1, &page, show, arg, err)) {
            sqlite3_finalize(q);
            return false;
        }
    }
    return sqlite3_finalize(q) == SQLITE_OK || damaged(p, err);
}

bool search_best(struct search *s, size_t limit, search_show *show, void *arg, struct error *err) {
    drop_hits(s);
    for (size_t i = 0; i < s->part_count; i++)
        if (!gather(s, (uint32_t)i, limit, err))
            return false;
    if (s->hit_count > 1)
        qsort(s->hits, s->hit_count, sizeof *s->hits, better_first);
    for (size_t i = 0; i < s->hit_count && i < limit; i++)
        if (!show_hit(s, i, show, arg, err))
            return false;
    return true;
}
