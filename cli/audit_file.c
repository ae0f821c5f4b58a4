/* audit_file: one segment against what was committed in it (audit.h). First the records that must be there, each at its place;
 * then what lies between them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "cli/audit.h"
#include "shared/error.h"
#include "shared/warc_find.h"
#include "shared/warc_read.h"
#include "shared/warc_uri.h"

enum { GZIP_HEADER_BYTES = 10 };

/* A record that lies where none was committed. */
struct stray {
    uint64_t offset, url_hash;
    char digest[WARC_WRITE_DIGEST_TEXT_SIZE];
    char *url;
    bool matched;
};

struct file {
    struct audit *audit;
    struct audit_segment *segment;
    const char *path;
    int fd;
    uint64_t bytes, at; /* `at`: where the reader stands; UINT64_MAX: nowhere */
    struct warc_read *reader;
    struct warc_find find;
    bool can_scan;
    struct stray *strays;
    size_t stray_count, stray_size, stray_next; /* next: where the next match is likely */
};

static void tell(const struct file *f, uint64_t offset, const struct audit_record *e,
                 const char *what) {
    audit_problem(f->audit, f->path, offset, e != NULL ? e->fp : 0, NULL, what);
}

/* ---- one record --------------------------------------------------------------------------------------------- */

/* The record at `offset`, and nowhere else. False: there is none. */
static bool read_at(struct file *f, uint64_t offset, const struct warc_read_record **record) {
    if (f->at != offset)
        warc_read_open_fd(f->reader, f->fd, offset);
    f->at = UINT64_MAX;
    enum warc_read_result why = warc_read_next(f->reader, record);
    if (why == WARC_READ_NO_MEMORY)
        f->audit->out_of_memory = true;
    return why == WARC_READ_RECORD && (*record)->offset == offset;
}

/* Its problems; afterwards the reader stands behind it, if it has an end. */
static unsigned finish(struct file *f, const struct warc_read_record *record) {
    struct warc_read_report report = {0};

    if (warc_read_check(f->reader, &report) == WARC_READ_NO_MEMORY)
        f->audit->out_of_memory = true;
    if ((report.problems & (WARC_READ_BAD_GZIP | WARC_READ_CUT_OFF)) == 0)
        f->at = record->offset + record->length;
    return report.problems;
}

static uint64_t capture_of(const char *url, const char *date) {
    return warc_uri_hash(url, strlen(url)) ^ XXH3_64bits_withSeed(date, strlen(date), 1);
}

static void note_payload(const struct file *f) {
    const char *url = warc_read_field(f->reader, "WARC-Target-URI");
    const char *date = warc_read_field(f->reader, "WARC-Date");

    if (url != NULL && date != NULL)
        audit_note_payload(f->audit, capture_of(url, date));
}

static void note_reference(const struct file *f, const struct audit_record *e, uint64_t offset) {
    const char *url = warc_read_field(f->reader, "WARC-Refers-To-Target-URI");
    const char *date = warc_read_field(f->reader, "WARC-Refers-To-Date");

    if (url == NULL || date == NULL) {
        tell(f, offset, e, "a revisit record that refers to none");
        return;
    }
    audit_note_reference(f->audit, &(struct audit_reference){.path = (char *)f->path,
                                                             .offset = offset,
                                                             .to = capture_of(url, date),
                                                             .fp = e != NULL ? e->fp : 0});
}

static void note_links(const struct file *f, const struct warc_read_record *record,
                       const struct audit_record *e) {
    if (strcmp(record->type, "response") == 0)
        note_payload(f);
    else if (strcmp(record->type, "revisit") == 0 && (e == NULL || !e->earlier))
        note_reference(f, e, record->offset);
}

static bool url_agrees(const struct file *f, const struct audit_record *e) {
    const char *url = warc_read_field(f->reader, "WARC-Target-URI");

    return url != NULL && warc_uri_hash(url, strlen(url)) == e->url_hash;
}

static bool digest_agrees(const struct file *f, const struct audit_record *e) {
    char text[WARC_WRITE_DIGEST_TEXT_SIZE];
    const char *stated = warc_read_field(f->reader, "WARC-Payload-Digest");

    warc_write_digest_text(e->digest, text);
    return stated != NULL && strcmp(stated, text) == 0;
}

/* What no checksum covers: no flags, no time; what is told of level and system is one of a few. */
static bool gzip_header_is_ours(const struct file *f, uint64_t offset) {
    unsigned char h[GZIP_HEADER_BYTES];

    if (pread(f->fd, h, sizeof h, (off_t)offset) != (ssize_t)sizeof h)
        return true; /* which was told otherwise */
    return h[3] == 0 && h[4] == 0 && h[5] == 0 && h[6] == 0 && h[7] == 0 &&
           (h[8] == 0 || h[8] == 2 || h[8] == 4) && (h[9] == 3 || h[9] == 0xff);
}

/* ---- what must be there ------------------------------------------------------------------------------------ */

static void note_stray(struct file *f, uint64_t offset);

/* Its problems as one text; "": none. */
static void describe(unsigned problems, char what[AUDIT_WHAT_BYTES]) {
    what[0] = '\0';
    for (unsigned bit = 0; bit < 32; bit++)
        if ((problems & (1u << bit)) != 0)
            snprintf(what + strlen(what), AUDIT_WHAT_BYTES - strlen(what), "%s%s",
                     what[0] == '\0' ? "damaged: " : "; ", warc_read_problem_text(1u << bit));
}

/* A whole record that begins where one was committed, for the same URL. */
static void compare(const struct file *f, const struct audit_record *e,
                    const struct warc_read_record *record) {
    char what[AUDIT_WHAT_BYTES] = "";

    if (!digest_agrees(f, e))
        snprintf(what, sizeof what, "another payload digest than was committed");
    else if (record->length != e->length)
        snprintf(what, sizeof what, "another length than was committed: %" PRIu64 ", not %" PRIu64,
                 record->length, e->length);
    else if (record->is_gzip && !gzip_header_is_ours(f, e->offset))
        snprintf(what, sizeof what, "damaged: its gzip header is none that trawl writes");
    if (what[0] != '\0')
        tell(f, e->offset, e, what);
}

static void check_expected(struct file *f, struct audit_record *e) {
    const struct warc_read_record *record;
    char what[AUDIT_WHAT_BYTES];

    if (e->state == AUDIT_SOUND || e->state == AUDIT_DAMAGED) {
        tell(f, e->offset, e, "twice in the archive");
        return;
    }
    e->state = AUDIT_LOST;
    if (e->offset >= f->bytes || !read_at(f, e->offset, &record))
        return;
    bool is_other = !url_agrees(f, e);
    if (!is_other)
        note_links(f, record, e);
    describe(finish(f, record), what);
    if (what[0] != '\0') { /* its URL may be part of the damage */
        e->state = AUDIT_DAMAGED;
        tell(f, e->offset, e, what);
    } else if (is_other) {
        note_stray(f, e->offset);
    } else {
        e->state = AUDIT_SOUND;
        compare(f, e, record);
    }
}

/* ---- what lies between ------------------------------------------------------------------------------------- */

/* The record at hand is one that nobody committed there. */
static void note_stray(struct file *f, uint64_t offset) {
    const char *url = warc_read_field(f->reader, "WARC-Target-URI");
    const char *digest = warc_read_field(f->reader, "WARC-Payload-Digest");

    if (f->stray_count == f->stray_size) {
        size_t size = f->stray_size == 0 ? 16 : 2 * f->stray_size;
        struct stray *all = realloc(f->strays, size * sizeof *all);
        if (all == NULL) {
            f->audit->out_of_memory = true;
            return;
        }
        f->strays = all;
        f->stray_size = size;
    }
    struct stray *s = &f->strays[f->stray_count++];
    *s = (struct stray){.offset = offset, .url = strdup(url != NULL ? url : "")};
    s->url_hash = warc_uri_hash(url != NULL ? url : "", url != NULL ? strlen(url) : 0);
    snprintf(s->digest, sizeof s->digest, "%.60s", digest != NULL ? digest : "");
    f->audit->out_of_memory = f->audit->out_of_memory || s->url == NULL;
}

/* To the next record in [from, to); `to`: there is none. */
static uint64_t find_next(struct file *f, uint64_t from, uint64_t to) {
    uint64_t offset = to;

    if (!f->can_scan || !f->find.is_certain)
        return to;
    switch (warc_find_next(&f->find, from, to, &offset)) {
    case WARC_FIND_FOUND:
        return offset;
    case WARC_FIND_NO_MEMORY:
        f->audit->out_of_memory = true;
        return to;
    default:
        return to;
    }
}

/* A stretch without a committed record that is sound. `is_told`: that something is wrong there. */
static void check_between(struct file *f, uint64_t from, uint64_t to, bool is_told) {
    const struct warc_read_record *record;

    while (from < to && !f->audit->out_of_memory) {
        if (read_at(f, from, &record)) {
            bool capture =
                strcmp(record->type, "response") == 0 || strcmp(record->type, "revisit") == 0;
            if (capture && audit_record_at(f->segment, from) == NULL) /* else it is noted */
                note_stray(f, from);
            note_links(f, record, NULL);
            unsigned problems = finish(f, record);
            if (problems != 0 && !capture)
                tell(f, from, NULL, "a damaged record that is no page's");
            if (f->at != UINT64_MAX) {
                from = f->at;
                continue;
            }
        } else if (!is_told) {
            tell(f, from, NULL,
                 from == 0 ? "damaged: the warcinfo record" : "bytes that are no record");
            is_told = true;
        }
        from = find_next(f, from + 1, to);
    }
}

/* Where a record that is there ends, as far as one may pass over it. */
static uint64_t end_of(const struct file *f, const struct audit_record *e) {
    uint64_t length = e->state == AUDIT_SOUND ? e->length : f->find.is_certain ? 1 : e->length;

    return e->offset + length;
}

static void check_gaps(struct file *f) {
    const struct audit_segment *s = f->segment;
    uint64_t from = 0;
    bool is_told = false;

    for (size_t i = 0; i < s->count; i++) {
        const struct audit_record *e = &s->records[i];
        if (e->state == AUDIT_LOST) {
            is_told = true;
            continue;
        }
        uint64_t to = e->offset < f->bytes ? e->offset : f->bytes;
        if (from < to)
            check_between(f, from, to, is_told);
        from = end_of(f, e);
        is_told = e->state == AUDIT_DAMAGED;
    }
    check_between(f, from, f->bytes, is_told);
}

/* ---- what is where -------------------------------------------------------------------------------------------- */

static bool is_same(const struct stray *s, const struct audit_record *e) {
    char digest[WARC_WRITE_DIGEST_TEXT_SIZE];

    if (s->url_hash != e->url_hash)
        return false;
    warc_write_digest_text(e->digest, digest);
    return strcmp(s->digest, digest) == 0;
}

static bool stray_at(const struct file *f, uint64_t offset) {
    for (size_t i = 0; i < f->stray_count; i++)
        if (f->strays[i].offset == offset)
            return true;
    return false;
}

static void tell_lost(struct file *f, const struct audit_record *e) {
    char what[AUDIT_WHAT_BYTES];

    for (size_t i = 0; i < f->stray_count; i++) {
        struct stray *s = &f->strays[(f->stray_next + i) % f->stray_count];
        if (s->matched || !is_same(s, e))
            continue;
        s->matched = true;
        f->stray_next = (size_t)(s - f->strays) + 1;
        snprintf(what, sizeof what, "not where it was committed: it lies at %" PRIu64, s->offset);
        tell(f, e->offset, e, what);
        return;
    }
    if (stray_at(f, e->offset)) {
        tell(f, e->offset, e, "a committed record is missing: another one is in its place");
        return;
    }
    if (e->offset >= f->bytes) {
        snprintf(what, sizeof what,
                 "a committed record is missing: the file ends before it, at %" PRIu64, f->bytes);
        tell(f, e->offset, e, what);
        return;
    }
    tell(f, e->offset, e, "damaged: no record can be read where it was committed");
}

static void tell_stray(const struct file *f, const struct stray *s) {
    const struct audit_segment *segment = f->segment;
    char what[AUDIT_WHAT_BYTES] = "a record that was not committed";

    for (size_t i = 0; i < segment->count; i++)
        if (segment->records[i].state != AUDIT_LOST && is_same(s, &segment->records[i])) {
            snprintf(what, sizeof what, "a second copy of the committed record at %" PRIu64,
                     segment->records[i].offset);
            break;
        }
    audit_problem(f->audit, f->path, s->offset, 0, s->url, what);
}

static void tell_rest(struct file *f) {
    for (size_t i = 0; i < f->segment->count; i++)
        if (f->segment->records[i].state == AUDIT_LOST)
            tell_lost(f, &f->segment->records[i]);
    for (size_t i = 0; i < f->stray_count; i++)
        if (!f->strays[i].matched)
            tell_stray(f, &f->strays[i]);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static bool open_file(struct file *f) {
    struct stat st;
    struct error err = {0};

    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0 || fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        error_set(&err, f->fd < 0 ? errno : 0, "cannot be read");
        tell(f, 0, NULL, err.text);
        return false;
    }
    f->bytes = (uint64_t)st.st_size;
    f->reader = warc_read_new();
    enum warc_find_result why = warc_find_open(&f->find, f->fd);
    f->can_scan = why == WARC_FIND_FOUND;
    if (f->reader != NULL && why != WARC_FIND_NO_MEMORY && why != WARC_FIND_IO)
        return true;
    if (why == WARC_FIND_IO) {
        error_set(&err, errno, "cannot be read");
        tell(f, 0, NULL, err.text);
    } else {
        f->audit->out_of_memory = true;
    }
    return false;
}

/* The segment that the file says it is; NULL: it says nothing that the crawldb knows. */
static struct audit_segment *itself(struct file *f) {
    static const char ending[] = ".warc.gz";
    const struct warc_read_record *record;
    char name[AUDIT_NAME_BYTES];

    if (!read_at(f, 0, &record))
        return NULL;
    const char *said = warc_read_field(f->reader, "WARC-Filename");
    size_t len = said != NULL ? strlen(said) : 0, end = sizeof ending - 1;
    f->at = UINT64_MAX;
    if (len <= end || len - end >= sizeof name || strcmp(said + len - end, ending) != 0)
        return NULL;
    memcpy(name, said, len - end);
    name[len - end] = '\0';
    return audit_segment_find(f->audit, name);
}

/* Whose records are to be looked for in it: a file that another's name was given to is that other one. */
static void find_segment(struct file *f, const char *name) {
    struct audit_segment *says = itself(f);
    char what[AUDIT_WHAT_BYTES];

    f->segment = audit_segment_find(f->audit, name);
    if (says == NULL || says == f->segment)
        return;
    snprintf(what, sizeof what, "under a wrong name: it is %.100s.warc.gz", says->name);
    tell(f, 0, NULL, what);
    f->segment = says;
}

static void file_release(struct file *f) {
    for (size_t i = 0; i < f->stray_count; i++)
        free(f->strays[i].url);
    free(f->strays);
    warc_find_close(&f->find);
    warc_read_free(f->reader);
    if (f->fd >= 0)
        close(f->fd);
}

void audit_file(struct audit *a, const char *path, const char *name) {
    struct file f = {.audit = a, .path = path, .fd = -1, .at = UINT64_MAX};
    struct audit_segment *named = audit_segment_find(a, name);

    if (named != NULL)
        named->seen = named->seen || named->count == 0;
    if (!open_file(&f)) {
        if (named != NULL)
            named->seen = true;
        file_release(&f);
        return;
    }
    find_segment(&f, name);
    if (f.segment == NULL) {
        tell(&f, 0, NULL, "a segment that the crawldb does not know");
    } else {
        if (!f.segment->sealed)
            tell(&f, 0, NULL, "sealed, and the crawldb does not know that");
        f.segment->seen = true;
        for (size_t i = 0; i < f.segment->count && !a->out_of_memory; i++)
            check_expected(&f, &f.segment->records[i]);
        check_gaps(&f);
        tell_rest(&f);
    }
    file_release(&f);
}
