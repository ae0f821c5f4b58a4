/*
 * cmd_verify: `trawl verify DIR [WORKER-DIR...]`: promise 2, audited. Every committed record must be in a sealed
 * segment, once, at its place, for its URL, with its digest; no sealed segment may hold any other; what a revisit record
 * of the last round refers to must be there. Read with warc_read, which shares no code with the writer.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "cli/command.h"
#include "cli/rows.h"
#include "cli/screen.h"
#include "shared/warc_read.h"
#include "shared/warc_write.h"

enum { TOLD_MAX = 20 };

/* A record that must be there. */
struct expected {
    uint64_t offset, length, url_hash;
    unsigned char digest[WARC_WRITE_DIGEST_BYTES];
    bool found, earlier; /* of an earlier round */
};

struct file {
    char *name; /* of the segment */
    struct expected *records;
    size_t count, size;
    bool sealed, seen;
};

/* The record of a revisit, and what it refers to: URL and date as one number. */
struct reference {
    char *path;
    uint64_t offset, to;
};

struct audit {
    struct file *files;
    size_t count;
    uint64_t records, problems;
    uint64_t *payloads; /* records with a payload, as reference.to */
    size_t payload_count, payload_size;
    struct reference *references;
    size_t reference_count, reference_size;
    bool out_of_memory;
};

static void problem(struct audit *v, const char *file, uint64_t offset, const char *what) {
    if (++v->problems <= TOLD_MAX) {
        screen_text(stdout, file);
        printf(" at %llu: ", (unsigned long long)offset);
        screen_text(stdout, what);
        putchar('\n');
    } else if (v->problems == TOLD_MAX + 1)
        printf("... and more\n");
}

/* ---- what must be there ------------------------------------------------------------------------------------ */

static bool load_files(struct audit *v, const struct rows *r) {
    v->count = rows_segment_count(r);
    v->files = calloc(v->count + 1, sizeof *v->files);
    for (size_t i = 0; v->files != NULL && i < v->count; i++) {
        struct rows_segment s = rows_segment_at(r, i);
        v->files[i].name = strdup(s.name);
        /* A segment without any committed record was deleted when it was sealed. */
        v->files[i].sealed = s.sealed;
        v->files[i].seen = s.sealed && s.size == 0;
        if (v->files[i].name == NULL)
            return false;
    }
    return v->files != NULL;
}

static struct file *find_file(const struct audit *v, const char *name) {
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->files[i].name, name) == 0)
            return &v->files[i];
    return NULL;
}

static bool expect(struct audit *v, const struct row *row, bool earlier) {
    struct file *f = find_file(v, row->segment);

    if (f == NULL)
        return false;
    if (f->count == f->size) {
        size_t size = f->size == 0 ? 256 : f->size * 2;
        struct expected *records = realloc(f->records, size * sizeof *records);
        if (records == NULL)
            return false;
        f->records = records;
        f->size = size;
    }
    struct expected *e = &f->records[f->count++];
    *e = (struct expected){.offset = row->offset,
                           .length = row->length,
                           .url_hash = XXH3_64bits(row->url, row->url_len),
                           .earlier = earlier};
    if (row->done->digest.len == sizeof e->digest)
        memcpy(e->digest, row->done->digest.data, sizeof e->digest);
    v->records++;
    return true;
}

static int by_offset(const void *a, const void *b) {
    uint64_t x = ((const struct expected *)a)->offset, y = ((const struct expected *)b)->offset;

    return (x > y) - (x < y);
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
    ok = load_files(v, r);
    while (ok && next(r, &earlier, &row)) {
        if (row.segment != NULL)
            ok = expect(v, &row, earlier);
        else if (row.state == TRAWL__STATE__FETCHED || row.state == TRAWL__STATE__REDIRECTED)
            problem(v, row.url, 0, "fetched, and no record of it");
    }
    if (!ok)
        error_set(err, 0, "out of memory");
    ok = rows_close(r, ok ? err : NULL) && ok;
    for (size_t i = 0; ok && i < v->count; i++)
        if (v->files[i].count > 0)
            qsort(v->files[i].records, v->files[i].count, sizeof(struct expected), by_offset);
    return ok;
}

/* ---- what is there -------------------------------------------------------------------------------------------- */

static bool digest_agrees(const struct warc_read *r, const struct expected *e) {
    char text[WARC_WRITE_DIGEST_TEXT_SIZE];
    const char *stated = warc_read_field(r, "WARC-Payload-Digest");

    warc_write_digest_text(e->digest, text);
    return stated != NULL && strcmp(stated, text) == 0;
}

static void check_expected(struct audit *v, const char *path, const struct warc_read *r,
                           const struct warc_read_record *record, struct expected *e) {
    const char *url = warc_read_field(r, "WARC-Target-URI");

    if (e->found)
        problem(v, path, record->offset, "twice in the archive");
    e->found = true;
    if (url == NULL || XXH3_64bits(url, strlen(url)) != e->url_hash)
        problem(v, path, record->offset, "the record of another URL than was committed");
    if (!digest_agrees(r, e))
        problem(v, path, record->offset, "another payload digest than was committed");
}

/* ---- what refers to what ---------------------------------------------------------------------------------------- */

/* Room for one more; NULL: no memory. */
static void *grown(struct audit *v, void *items, size_t count, size_t *size, size_t item) {
    if (count < *size)
        return items;
    size_t more = *size == 0 ? 256 : *size * 2;
    void *larger = realloc(items, more * item);
    if (larger == NULL)
        v->out_of_memory = true;
    else
        *size = more;
    return larger;
}

static uint64_t capture_of(const char *url, const char *date) {
    return XXH3_64bits(url, strlen(url)) ^ XXH3_64bits_withSeed(date, strlen(date), 1);
}

static void note_payload(struct audit *v, const struct warc_read *r) {
    const char *url = warc_read_field(r, "WARC-Target-URI"),
               *date = warc_read_field(r, "WARC-Date");
    uint64_t *all = grown(v, v->payloads, v->payload_count, &v->payload_size, sizeof *all);

    if (all == NULL || url == NULL || date == NULL)
        return;
    v->payloads = all;
    v->payloads[v->payload_count++] = capture_of(url, date);
}

static void note_reference(struct audit *v, const char *path, const struct warc_read *r,
                           uint64_t offset) {
    const char *url = warc_read_field(r, "WARC-Refers-To-Target-URI");
    const char *date = warc_read_field(r, "WARC-Refers-To-Date");
    struct reference *all =
        grown(v, v->references, v->reference_count, &v->reference_size, sizeof *all);
    char *copy = strdup(path);

    if (url == NULL || date == NULL)
        problem(v, path, offset, "a revisit record that refers to none");
    v->references = all != NULL ? all : v->references;
    if (all == NULL || copy == NULL || url == NULL || date == NULL) {
        v->out_of_memory = v->out_of_memory || copy == NULL;
        free(copy);
        return;
    }
    all[v->reference_count++] = (struct reference){copy, offset, capture_of(url, date)};
}

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void check_references(struct audit *v) {
    if (v->payload_count > 0)
        qsort(v->payloads, v->payload_count, sizeof *v->payloads, by_number);
    for (size_t i = 0; i < v->reference_count; i++) {
        const struct reference *ref = &v->references[i];
        if (v->payload_count == 0 || bsearch(&ref->to, v->payloads, v->payload_count,
                                             sizeof *v->payloads, by_number) == NULL)
            problem(v, ref->path, ref->offset, "it refers to a record that is not there");
    }
}

static void check_record(struct audit *v, const char *path, struct file *f, struct warc_read *r,
                         const struct warc_read_record *record) {
    struct warc_read_report report = {0};
    struct expected key = {.offset = record->offset}, *e;
    bool capture = strcmp(record->type, "response") == 0 || strcmp(record->type, "revisit") == 0;

    e = f->count == 0 ? NULL : bsearch(&key, f->records, f->count, sizeof key, by_offset);
    if (e != NULL)
        check_expected(v, path, r, record, e);
    else if (capture)
        problem(v, path, record->offset, "a record that was not committed");
    if (strcmp(record->type, "response") == 0)
        note_payload(v, r);
    else if (strcmp(record->type, "revisit") == 0 && (e == NULL || !e->earlier))
        note_reference(v, path, r, record->offset);
    (void)warc_read_check(r, &report);
    for (unsigned bit = 0; bit < 32; bit++)
        if ((report.problems & (1u << bit)) != 0)
            problem(v, path, record->offset, warc_read_problem_text(1u << bit));
    if (e != NULL && record->length != e->length)
        problem(v, path, record->offset, "another length than was committed");
}

static void check_file(struct audit *v, const char *path, struct file *f) {
    const struct warc_read_record *record;
    struct warc_read *r = warc_read_new();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum warc_read_result result = WARC_READ_NO_MEMORY;
    struct error err = {0};

    if (fd < 0 || r == NULL) {
        error_set(&err, fd < 0 ? errno : ENOMEM, "cannot be read");
        problem(v, path, 0, err.text);
        goto out;
    }
    warc_read_open_fd(r, fd, 0);
    while ((result = warc_read_next(r, &record)) == WARC_READ_RECORD)
        check_record(v, path, f, r, record);
    if (result != WARC_READ_END)
        problem(v, path, warc_read_error_offset(r), warc_read_error(r));
out:
    warc_read_free(r);
    if (fd >= 0)
        close(fd);
}

/* The segment's name, from its path; false: the path has another ending. */
static bool segment_name(const char *path, char name[300]) {
    const char *base = strrchr(path, '/');
    static const char ending[] = ".warc.gz";

    base = base == NULL ? path : base + 1;
    size_t len = strlen(base), end = sizeof ending - 1;
    if (len <= end || len - end >= 300 || strcmp(base + len - end, ending) != 0)
        return false;
    memcpy(name, base, len - end);
    name[len - end] = '\0';
    return true;
}

static void check_archive(struct audit *v, const char *dir) {
    char pattern[4200], name[300];
    glob_t found;

    snprintf(pattern, sizeof pattern, "%s/archive/*.warc.gz", dir);
    if (glob(pattern, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct file *f = segment_name(found.gl_pathv[i], name) ? find_file(v, name) : NULL;
        if (f == NULL) {
            problem(v, found.gl_pathv[i], 0, "a segment that the crawldb does not know");
            continue;
        }
        if (!f->sealed)
            problem(v, found.gl_pathv[i], 0, "sealed, and the crawldb does not know that");
        f->seen = true;
        check_file(v, found.gl_pathv[i], f);
    }
    globfree(&found);
}

static void check_missing(struct audit *v) {
    for (size_t i = 0; i < v->count; i++) {
        const struct file *f = &v->files[i];
        if (!f->seen) {
            if (f->count > 0)
                problem(v, f->name, 0,
                        f->sealed ? "not here: name its worker's directory too, or ctl forget it"
                                  : "not sealed: start the master and its worker again");
            continue;
        }
        for (size_t k = 0; k < f->count; k++)
            if (!f->records[k].found)
                problem(v, f->name, f->records[k].offset, "a committed record is missing");
    }
}

static void audit_free(struct audit *v) {
    for (size_t i = 0; i < v->count && v->files != NULL; i++) {
        free(v->files[i].name);
        free(v->files[i].records);
    }
    free(v->files);
    for (size_t i = 0; i < v->reference_count; i++)
        free(v->references[i].path);
    free(v->references);
    free(v->payloads);
}

int command_verify(const struct args *a) {
    struct audit v = {.count = 0};
    struct error err = {0};
    int code = 1;

    if (!load(&v, a->words.items[0], &err)) {
        command_fail(1, &err);
        goto out;
    }
    for (size_t i = 0; i < a->words.count; i++)
        check_archive(&v, a->words.items[i]);
    check_missing(&v);
    check_references(&v);
    if (v.out_of_memory) {
        error_set(&err, ENOMEM, "verify");
        command_fail(1, &err);
        goto out;
    }
    printf("%llu committed records in %zu segments, %llu problems\n", (unsigned long long)v.records,
           v.count, (unsigned long long)v.problems);
    code = v.problems == 0 ? 0 : 1;
out:
    audit_free(&v);
    return code;
}
