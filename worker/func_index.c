/*
 * func_index: the job `index`: title, URL and visible text of each page into a full-text index (search_index.h).
 *
 * Key: the URL. Value: when it was fetched (milliseconds, 8 bytes, most significant first, so that the values of a URL are in the
 * order of time), a byte for what was found there, and of a page the length of its title (4 bytes), title and text. The
 * last one counts: a page that was there again and then gone is not found. What says nothing of the page (a server's
 * trouble, a revisit that found it unchanged) is left out. A page with the body of another URL may be archived as a revisit of
 * that one: then the value is that URL, and the page goes into the table of copies.
 *
 * The database is written in one transaction and without a journal: until the task's commit nobody knows it, and an attempt that
 * dies is removed whole. No locks either: nobody else has the name.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/buf.h"
#include "shared/page_text.h"
#include "worker/func.h"
#include "worker/job_record.h"
#include "worker/record_kind.h"
#include "worker/search_index.h"

enum {
    TEXT_BYTES = 8 << 20,
    TIME_BYTES = 8,
    HEAD_BYTES = TIME_BYTES + 1,
    TITLE_LEN_BYTES = 4,
    URL_BYTES = 64 << 10,
};

enum found { FOUND_NOTHING, FOUND_PAGE, FOUND_GONE, FOUND_COPY };

struct index {
    const struct trawl_api *api;
    struct page_text page;
    struct buf value;
    sqlite3 *db; /* of a reduce task, from its first key to its end */
    sqlite3_stmt *insert, *copy;
    int64_t pages;
};

/* ---- map ---------------------------------------------------------------------------------------------------- */

static void put_number(struct buf *b, uint64_t n, unsigned bytes) {
    while (bytes-- > 0)
        buf_append_char(b, (char)(n >> 8 * bytes & 0xff));
}

static uint64_t get_number(const unsigned char *p, unsigned bytes) {
    uint64_t n = 0;

    while (bytes-- > 0)
        n = n << 8 | *p++;
    return n;
}

static enum found what_is_there(const struct trawl_record *r) {
    bool is_resource = strcmp(r->record_type, "resource") == 0;

    if (r->name[0] == '\0' || strlen(r->name) > URL_BYTES || record_kind_is_robots_txt(r->name))
        return FOUND_NOTHING;
    if (is_resource || (strcmp(r->record_type, "response") == 0 && r->status / 100 == 2))
        return page_text_is_text(r->mime) ? FOUND_PAGE : FOUND_GONE;
    if (r->refers_to[0] != '\0' && strcmp(r->refers_to, r->name) != 0)
        return strlen(r->refers_to) <= URL_BYTES ? FOUND_COPY : FOUND_GONE;
    if (r->status == 404 || r->status == 410 || (r->status / 100 == 3 && r->status != 304))
        return FOUND_GONE;
    return FOUND_NOTHING;
}

static void index_map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    struct index *x = state;
    struct buf *v = &x->value;
    enum found found = what_is_there(r);

    if (found == FOUND_NOTHING)
        return;
    buf_reset(v);
    put_number(v, (uint64_t)r->fetched_at_ms, TIME_BYTES);
    buf_append_char(v, (char)found);
    if (found == FOUND_PAGE) {
        if (!page_text_read(&x->page, r->data, r->len, r->content_type))
            x->api->fail(t, "out of memory for a page's text");
        put_number(v, x->page.title.len, TITLE_LEN_BYTES);
        buf_append(v, x->page.title.data, x->page.title.len);
        buf_append(v, x->page.text.data, x->page.text.len);
        if (x->page.is_cut)
            x->api->count(t, "texts cut", 1);
    }
    if (found == FOUND_COPY)
        buf_append_str(v, r->refers_to);
    if (v->failed)
        x->api->fail(t, "out of memory for a page's text");
    x->api->emit(t, r->name, strlen(r->name), v->data, v->len);
}

/* ---- reduce ------------------------------------------------------------------------------------------------- */

static _Noreturn void fail(struct index *x, struct trawl_task *t) {
    char why[256];

    snprintf(why, sizeof why, "the part of the index: %s",
             x->db != NULL ? sqlite3_errmsg(x->db) : "out of memory");
    x->api->fail(t, why);
    abort();
}

static void run(struct index *x, struct trawl_task *t, const char *sql) {
    if (sqlite3_exec(x->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail(x, t);
}

static sqlite3_stmt *prepare(struct index *x, struct trawl_task *t, const char *sql) {
    sqlite3_stmt *s;

    if (sqlite3_prepare_v2(x->db, sql, -1, &s, NULL) != SQLITE_OK)
        fail(x, t);
    return s;
}

static void open_part(struct index *x, struct trawl_task *t) {
    if (sqlite3_open_v2(x->api->output_path(t), &x->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                        "unix-none") != SQLITE_OK)
        fail(x, t);
    run(x, t,
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;"
        "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; PRAGMA page_size = 8192; BEGIN;");
    run(x, t, SEARCH_INDEX_SCHEMA);
    x->insert = prepare(x, t, "INSERT INTO pages VALUES(?1, ?2, ?3, ?4)");
    x->copy = prepare(x, t, "INSERT INTO copies VALUES(?1, ?2, ?3)");
}

static void add_page(struct index *x, struct trawl_task *t, const char *url, size_t url_len,
                     const struct buf *value) {
    const char *title = value->data + HEAD_BYTES + TITLE_LEN_BYTES;
    const unsigned char *head = (const unsigned char *)value->data;
    size_t title_len = get_number(head + HEAD_BYTES, TITLE_LEN_BYTES);
    size_t text_len = value->len - HEAD_BYTES - TITLE_LEN_BYTES - title_len;

    sqlite3_bind_text(x->insert, 1, title, (int)title_len, SQLITE_STATIC);
    sqlite3_bind_text(x->insert, 2, url, (int)url_len, SQLITE_STATIC);
    sqlite3_bind_text(x->insert, 3, title + title_len, (int)text_len, SQLITE_STATIC);
    sqlite3_bind_int64(x->insert, 4, (sqlite3_int64)get_number(head, TIME_BYTES));
    if (sqlite3_step(x->insert) != SQLITE_DONE || sqlite3_reset(x->insert) != SQLITE_OK)
        fail(x, t);
    x->pages++;
}

static void add_copy(struct index *x, struct trawl_task *t, const char *url, size_t url_len,
                     const struct buf *value) {
    sqlite3_bind_text(x->copy, 1, url, (int)url_len, SQLITE_STATIC);
    sqlite3_bind_text(x->copy, 2, value->data + HEAD_BYTES, (int)(value->len - HEAD_BYTES),
                      SQLITE_STATIC);
    sqlite3_bind_int64(x->copy, 3,
                       (sqlite3_int64)get_number((const unsigned char *)value->data, TIME_BYTES));
    if (sqlite3_step(x->copy) != SQLITE_DONE || sqlite3_reset(x->copy) != SQLITE_OK)
        fail(x, t);
    x->api->count(t, "copies", 1);
}

static void index_reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                         struct trawl_values *values) {
    struct index *x = state;
    const void *value;
    size_t len;

    if (x->db == NULL)
        open_part(x, t);
    while (x->api->next(values, &value, &len)) { /* the last one is the newest */
        buf_reset(&x->value);
        if (!buf_append(&x->value, value, len))
            x->api->fail(t, "out of memory for a page's text");
    }
    switch (x->value.data[TIME_BYTES]) {
    case FOUND_PAGE:
        add_page(x, t, key, key_len, &x->value);
        break;
    case FOUND_COPY:
        add_copy(x, t, key, key_len, &x->value);
        break;
    default:
        x->api->count(t, "URLs without a page", 1);
    }
}

/* Makes one b-tree of the index's pieces, a few pages at a time: at once it could take longer than --task-timeout. What
 * total_changes says of it: https://www.sqlite.org/fts5.html#the_merge_command */
static void merge(struct index *x, struct trawl_task *t) {
    sqlite3_int64 before;

    run(x, t, "INSERT INTO pages(pages, rank) VALUES('merge', -500)");
    do {
        x->api->progress(t);
        before = sqlite3_total_changes64(x->db);
        run(x, t, "INSERT INTO pages(pages, rank) VALUES('merge', 500)");
    } while (sqlite3_total_changes64(x->db) - before >= 2);
}

/* Of a partition without pages there is an empty part: a search wants all of them. */
static void index_end(void *state, struct trawl_task *t) {
    struct index *x = state;
    char sql[160];

    if (!x->api->reduces(t))
        return;
    if (x->db == NULL)
        open_part(x, t);
    merge(x, t);
    snprintf(sql, sizeof sql, "INSERT INTO about VALUES(%u, %u, %lld)", x->api->partition(t),
             x->api->partitions(t), (long long)x->pages);
    run(x, t, sql);
    run(x, t, "COMMIT");
    x->api->count(t, "pages indexed", x->pages);
    sqlite3_finalize(x->insert);
    sqlite3_finalize(x->copy);
    x->insert = x->copy = NULL;
    if (sqlite3_close(x->db) != SQLITE_OK)
        fail(x, t);
    x->db = NULL;
}

/* ---- the job ------------------------------------------------------------------------------------------------ */

static bool index_open(void **state, struct trawl_task *t, const struct trawl_api *api, int argc,
                       char *const *argv, char *error) {
    struct index *x = argc == 0 ? calloc(1, sizeof *x) : NULL;

    (void)t;
    (void)argv;
    if (x == NULL) {
        snprintf(error, 256, argc > 0 ? "it takes no arguments" : "out of memory");
        return false;
    }
    x->api = api;
    page_text_init(&x->page, TEXT_BYTES);
    buf_init(&x->value, JOB_RECORD_BYTES_MAX);
    *state = x;
    return true;
}

static void index_close(void *state) {
    struct index *x = state;

    sqlite3_finalize(x->insert);
    sqlite3_finalize(x->copy);
    sqlite3_close(x->db);
    page_text_release(&x->page);
    buf_release(&x->value);
    free(x);
}

const struct trawl_job func_index = {.abi = TRAWL_JOB_ABI,
                                     .input = TRAWL_INPUT_PAGES,
                                     .open = index_open,
                                     .map = index_map,
                                     .reduce = index_reduce,
                                     .end = index_end,
                                     .close = index_close};
