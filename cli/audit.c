#include "cli/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more; NULL: no memory. */
static void *grown(struct audit *a, void *items, size_t count, size_t *size, size_t item) {
    if (count < *size)
        return items;
    size_t more = *size == 0 ? 256 : *size * 2;
    void *larger = realloc(items, more * item);

    if (larger == NULL)
        a->out_of_memory = true;
    else
        *size = more;
    return larger;
}

void audit_release(struct audit *a) {
    for (size_t i = 0; i < a->count; i++) {
        free(a->segments[i].name);
        free(a->segments[i].records);
    }
    free(a->segments);
    for (size_t i = 0; i < a->told; i++) {
        free(a->problems[i].file);
        free(a->problems[i].url);
    }
    free(a->problems);
    for (size_t i = 0; i < a->reference_count; i++)
        free(a->references[i].path);
    free(a->references);
    free(a->payloads);
    *a = (struct audit){.count = 0};
}

/* ---- what must be there ------------------------------------------------------------------------------------ */

bool audit_segment_add(struct audit *a, const char *name, bool sealed, bool empty) {
    struct audit_segment *all = grown(a, a->segments, a->count, &a->size, sizeof *all);

    if (all == NULL)
        return false;
    a->segments = all;
    /* A segment without any committed record was deleted when it was sealed. */
    all[a->count] =
        (struct audit_segment){.name = strdup(name), .sealed = sealed, .seen = sealed && empty};
    if (all[a->count].name == NULL)
        return false;
    a->count++;
    return true;
}

struct audit_segment *audit_segment_find(const struct audit *a, const char *name) {
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->segments[i].name, name) == 0)
            return &a->segments[i];
    return NULL;
}

bool audit_expect(struct audit *a, const char *segment, const struct audit_record *record) {
    struct audit_segment *s = audit_segment_find(a, segment);

    if (s == NULL)
        return false;
    struct audit_record *all = grown(a, s->records, s->count, &s->size, sizeof *all);
    if (all == NULL)
        return false;
    s->records = all;
    s->records[s->count++] = *record;
    a->records++;
    return true;
}

static int by_offset(const void *a, const void *b) {
    uint64_t x = ((const struct audit_record *)a)->offset;
    uint64_t y = ((const struct audit_record *)b)->offset;

    return (x > y) - (x < y);
}

void audit_sort(struct audit *a) {
    for (size_t i = 0; i < a->count; i++)
        if (a->segments[i].count > 0)
            qsort(a->segments[i].records, a->segments[i].count, sizeof(struct audit_record),
                  by_offset);
}

struct audit_record *audit_record_at(const struct audit_segment *s, uint64_t offset) {
    const struct audit_record key = {.offset = offset};

    return s->count == 0 ? NULL : bsearch(&key, s->records, s->count, sizeof key, by_offset);
}

/* ---- telling ------------------------------------------------------------------------------------------------ */

void audit_problem(struct audit *a, const char *file, uint64_t offset, uint64_t fp, const char *url,
                   const char *what) {
    if (++a->problem_count > AUDIT_TOLD_MAX)
        return;
    struct audit_problem *all = grown(a, a->problems, a->told, &a->told_size, sizeof *all);
    if (all == NULL)
        return;
    a->problems = all;
    struct audit_problem *p = &all[a->told++];
    *p = (struct audit_problem){
        .file = strdup(file), .offset = offset, .fp = fp, .url = url != NULL ? strdup(url) : NULL};
    snprintf(p->what, sizeof p->what, "%s", what);
    if (p->file == NULL || (url != NULL && p->url == NULL))
        a->out_of_memory = true;
}

/* ---- what refers to what ------------------------------------------------------------------------------------ */

void audit_note_payload(struct audit *a, uint64_t capture) {
    uint64_t *all = grown(a, a->payloads, a->payload_count, &a->payload_size, sizeof *all);

    if (all == NULL)
        return;
    a->payloads = all;
    a->payloads[a->payload_count++] = capture;
}

void audit_note_reference(struct audit *a, const struct audit_reference *reference) {
    struct audit_reference *all =
        grown(a, a->references, a->reference_count, &a->reference_size, sizeof *all);
    char *copy = strdup(reference->path);

    a->references = all != NULL ? all : a->references;
    if (all == NULL || copy == NULL) {
        a->out_of_memory = true;
        free(copy);
        return;
    }
    all[a->reference_count] = *reference;
    all[a->reference_count++].path = copy;
}

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void check_references(struct audit *a) {
    if (a->payload_count > 0)
        qsort(a->payloads, a->payload_count, sizeof *a->payloads, by_number);
    for (size_t i = 0; i < a->reference_count; i++) {
        const struct audit_reference *ref = &a->references[i];
        if (a->payload_count == 0 || bsearch(&ref->to, a->payloads, a->payload_count,
                                             sizeof *a->payloads, by_number) == NULL)
            audit_problem(a, ref->path, ref->offset, ref->fp, NULL,
                          "it refers to a record that is not there");
    }
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

static void check_missing(struct audit *a) {
    for (size_t i = 0; i < a->count; i++) {
        const struct audit_segment *s = &a->segments[i];
        char what[AUDIT_WHAT_BYTES];
        if (s->seen || s->count == 0)
            continue;
        snprintf(what, sizeof what, "not here, and so are not its %zu committed records: %s",
                 s->count,
                 s->sealed ? "name its worker's directory too, or ctl forget it"
                           : "not sealed: start the master and its worker again");
        audit_problem(a, s->name, 0, 0, NULL, what);
    }
}

void audit_end(struct audit *a) {
    check_missing(a);
    check_references(a);
}
