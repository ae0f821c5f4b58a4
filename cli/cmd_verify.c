/*
 * cmd_verify: `trawl verify DIR [WORKER-DIR...]`: promise 2, audited. Every committed record must be in a sealed
 * segment, once, at its place, for its URL, with its digest; no sealed segment may hold any other; what a revisit record
 * of the last round refers to must be there; an index must point to committed records. How: cli/audit.h.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/audit.h"
#include "cli/command.h"
#include "cli/rows.h"
#include "cli/screen.h"
#include "shared/warc_uri.h"

/* ---- what must be there ------------------------------------------------------------------------------------ */

static bool load_segments(struct audit *v, const struct rows *r) {
    for (size_t i = 0; i < rows_segment_count(r); i++) {
        struct rows_segment s = rows_segment_at(r, i);
        if (!audit_segment_add(v, s.name, s.sealed, s.size == 0))
            return false;
    }
    return true;
}

static bool expect(struct audit *v, const struct row *row, bool earlier) {
    struct audit_record e = {.offset = row->offset,
                             .length = row->length,
                             .fp = row->fp,
                             .url_hash = warc_uri_hash(row->url, row->url_len),
                             .earlier = earlier};

    if (row->done->digest.len == sizeof e.digest)
        memcpy(e.digest, row->done->digest.data, sizeof e.digest);
    return audit_expect(v, row->segment, &e);
}

/* All that must be in the archive: of the last round, then of those before. */
static bool next(struct rows *r, bool *earlier, struct row *row) {
    if (rows_next(r, row))
        return true;
    if (*earlier)
        return false;
    *earlier = true;
    rows_earlier(r);
    return rows_next(r, row);
}

static bool load(struct audit *v, const char *dir, struct error *err) {
    struct rows *r = rows_open(dir, err);
    struct row row;
    bool ok, earlier = false;

    if (r == NULL)
        return false;
    ok = load_segments(v, r);
    while (ok && next(r, &earlier, &row)) {
        if (row.segment != NULL)
            ok = expect(v, &row, earlier);
        else if (row.state == TRAWL__STATE__FETCHED || row.state == TRAWL__STATE__REDIRECTED)
            audit_problem(v, "the crawldb", 0, 0, row.url, "fetched, and no record of it");
    }
    if (!ok)
        error_set(err, 0, "out of memory");
    ok = rows_close(r, ok ? err : NULL) && ok;
    if (ok)
        audit_sort(v);
    return ok;
}

/* ---- what is there -------------------------------------------------------------------------------------------- */

/* The segment's name, from its file's; false: it has another ending. */
static bool segment_name(const char *base, char name[AUDIT_NAME_BYTES]) {
    static const char ending[] = ".warc.gz";
    size_t len = strlen(base), end = sizeof ending - 1;

    if (len <= end || len - end >= AUDIT_NAME_BYTES || strcmp(base + len - end, ending) != 0)
        return false;
    memcpy(name, base, len - end);
    name[len - end] = '\0';
    return true;
}

static int is_segment(const struct dirent *e) {
    char name[AUDIT_NAME_BYTES];

    return e->d_name[0] != '.' && segment_name(e->d_name, name);
}

/* A crawl need not have an archive of its own: its workers may; but who is named must be there. */
static void check_archive(struct audit *v, const char *dir, bool must_be) {
    char archive[PATH_MAX], path[PATH_MAX + NAME_MAX + 2], name[AUDIT_NAME_BYTES];
    struct dirent **found = NULL;
    struct error err;

    int n = snprintf(archive, sizeof archive, "%s/archive", dir);
    int count = n < (int)sizeof archive ? scandir(archive, &found, is_segment, alphasort) : -1;
    if (count < 0 && (must_be || errno != ENOENT)) {
        error_set(&err, errno, "cannot be read");
        audit_problem(v, archive, 0, 0, NULL, err.text);
    }
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", archive, found[i]->d_name);
        if (segment_name(found[i]->d_name, name) && !v->out_of_memory)
            audit_file(v, path, name);
        free(found[i]);
    }
    free(found);
}

/* ---- telling --------------------------------------------------------------------------------------------------- */

static void tell(const struct audit_problem *p, const char *url) {
    screen_text(stdout, p->file);
    printf(" at %llu: ", (unsigned long long)p->offset);
    screen_text(stdout, p->what);
    if (url != NULL) {
        printf(": ");
        screen_text(stdout, url);
    }
    putchar('\n');
}

/* With the URLs of those that know it by its fingerprint only. */
static bool tell_all(const struct audit *v, const char *dir, struct error *err) {
    struct rows *r = v->told > 0 ? rows_open(dir, err) : NULL;

    if (r == NULL && v->told > 0)
        return false;
    for (size_t i = 0; i < v->told; i++) {
        const struct audit_problem *p = &v->problems[i];
        tell(p, p->url != NULL || p->fp == 0 ? p->url : rows_url(r, p->fp));
    }
    if (v->problem_count > v->told)
        printf("... and %llu more\n", (unsigned long long)(v->problem_count - v->told));
    return r == NULL || rows_close(r, err);
}

static bool verify(struct audit *v, const struct args *a, struct error *err) {
    char index[PATH_MAX];
    const char *dir = a->words.items[0];

    if (!load(v, dir, err))
        return false;
    for (size_t i = 0; i < a->words.count; i++)
        check_archive(v, a->words.items[i], i > 0);
    if (snprintf(index, sizeof index, "%s/index.cdxj", dir) < (int)sizeof index)
        audit_index(v, index);
    audit_end(v);
    if (v->out_of_memory) {
        error_set(err, ENOMEM, "verify");
        return false;
    }
    return tell_all(v, dir, err);
}

int command_verify(const struct args *a) {
    struct audit v = {.count = 0};
    struct error err = {0};
    int code = 1;

    if (verify(&v, a, &err)) {
        printf("%llu committed records in %zu segments, %llu problems\n",
               (unsigned long long)v.records, v.count, (unsigned long long)v.problem_count);
        code = v.problem_count == 0 ? 0 : 1;
    } else {
        command_fail(1, &err);
    }
    audit_release(&v);
    return code;
}
