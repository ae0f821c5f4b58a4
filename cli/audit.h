/*
 * audit: what is in segments against what the crawldb committed (promise 2), for `trawl verify`.
 *
 *     struct audit a = {0};
 *     audit_segment_add(&a, name, sealed, empty) ...; audit_expect(&a, name, &record) ...; audit_sort(&a);
 *     for each *.warc.gz: audit_file(&a, path, name);         // audit_file.c
 *     audit_index(&a, path);                                  // audit_index.c
 *     audit_end(&a);                                          // what is nowhere; what refers to what
 *     ... a.problems, a.problem_count ...
 *     audit_release(&a);
 *
 * Invariants
 *  1. Each record is judged at the place that the crawldb says, whatever stands before it: damage names the records that it
 *     hit and no others.
 *  2. Each byte of a segment is in a committed record, in the warcinfo record at its start, or is told.
 *  3. A committed record is told once: as damaged, as lying elsewhere, or as missing.
 *
 * Read with warc_read, which shares no code with the writer. One owner.
 */
#ifndef TRAWL_CLI_AUDIT_H
#define TRAWL_CLI_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/warc_write.h"

enum { AUDIT_TOLD_MAX = 1000, AUDIT_WHAT_BYTES = 160, AUDIT_NAME_BYTES = 300 };

enum audit_state {
    AUDIT_UNSEEN,  /* its file was not looked at */
    AUDIT_SOUND,   /* or there, with a problem that was told */
    AUDIT_DAMAGED, /* it begins there; told */
    AUDIT_LOST,    /* something else is there, or nothing */
};

/* A record that must be there. */
struct audit_record {
    uint64_t offset, length, url_hash, fp;
    unsigned char digest[WARC_WRITE_DIGEST_BYTES];
    bool earlier; /* of an earlier round */
    enum audit_state state;
};

struct audit_segment {
    char *name;
    struct audit_record *records; /* by offset, after audit_sort() */
    size_t count, size;
    bool sealed, seen;
};

struct audit_problem {
    char *file;
    uint64_t offset;
    uint64_t fp; /* of the URL that it is about; 0: `url` says which, or none */
    char *url;   /* NULL: not known, or none */
    char what[AUDIT_WHAT_BYTES];
};

/* The record of a revisit, and what it refers to: URL and date as one number. */
struct audit_reference {
    char *path;
    uint64_t offset, to, fp;
};

struct audit {
    struct audit_segment *segments;
    size_t count, size;
    uint64_t records;
    struct audit_problem *problems; /* the first AUDIT_TOLD_MAX */
    size_t told, told_size;
    uint64_t problem_count;
    uint64_t *payloads; /* records with a payload, as audit_reference.to */
    size_t payload_count, payload_size;
    struct audit_reference *references;
    size_t reference_count, reference_size;
    bool out_of_memory; /* then nothing can be said */
};

void audit_release(struct audit *a);
bool audit_segment_add(struct audit *a, const char *name, bool sealed, bool empty);
struct audit_segment *audit_segment_find(const struct audit *a, const char *name); /* NULL: none */
/* Copied. False: no memory, or no such segment. */
bool audit_expect(struct audit *a, const char *segment, const struct audit_record *record);
void audit_sort(struct audit *a);
/* The record that begins there; NULL: none was committed. */
struct audit_record *audit_record_at(const struct audit_segment *s, uint64_t offset);

/* `url` is copied, and may be NULL; else `fp` may say whose. */
void audit_problem(struct audit *a, const char *file, uint64_t offset, uint64_t fp, const char *url,
                   const char *what);
/* A file NAME.warc.gz of an archive. */
void audit_file(struct audit *a, const char *path, const char *name);
/* An index.cdxj, if it is there: each of its lines must name a committed record. */
void audit_index(struct audit *a, const char *path);
void audit_note_payload(struct audit *a, uint64_t capture);
void audit_note_reference(struct audit *a, const struct audit_reference *reference);
void audit_end(struct audit *a);

#endif
