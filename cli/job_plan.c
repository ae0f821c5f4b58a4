#include "cli/job_plan.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/export.h"

void job_plan_init(struct job_plan *p, uint64_t split_bytes) {
    *p = (struct job_plan){.split_bytes = split_bytes};
    splits_init(&p->found);
}

void job_plan_release(struct job_plan *p) {
    splits_release(&p->found);
    string_list_release(&p->inputs);
}

static bool is_crawl(const char *path) {
    char archive[PATH_MAX];
    struct stat st;
    int len = snprintf(archive, sizeof archive, "%s/archive", path);

    return len < (int)sizeof archive && stat(archive, &st) == 0 && S_ISDIR(st.st_mode);
}

static uint64_t step(const struct job_plan *p, uint64_t by_kind) {
    return p->split_bytes > 0 ? p->split_bytes : by_kind;
}

bool job_plan_add(struct job_plan *p, const char *path, struct error *err) {
    bool crawl = is_crawl(path);
    Trawl__InputKind kind = crawl ? TRAWL__INPUT_KIND__PAGES : TRAWL__INPUT_KIND__LINES;
    size_t before = p->found.count;
    struct stat st;

    if (stat(path, &st) != 0) {
        error_set(err, errno, "cannot read %.300s", path);
        return false;
    }
    if (p->has_kind && p->kind != kind) {
        error_set(err, 0, "%.300s: crawls and plain files do not go together in one job", path);
        return false;
    }
    if (!string_list_add(&p->inputs, path)) {
        error_set(err, ENOMEM, "%.300s", path);
        return false;
    }
    p->has_kind = true;
    p->kind = kind;
    if (crawl ? !splits_add_crawl(&p->found, path, step(p, SPLITS_PAGES_BYTES), err)
              : !splits_add_lines(&p->found, path, step(p, SPLITS_LINES_BYTES), err))
        return false;
    if (p->found.count > before || !S_ISDIR(st.st_mode))
        return true;
    error_set(err, 0, crawl ? "%.300s/archive has no sealed segment" : "%.300s has no file in it",
              path);
    return false;
}

bool job_plan_outcomes(struct job_plan *p, const char *path, struct error *err) {
    FILE *f = fopen(path, "we");

    for (size_t i = 0; f != NULL && i < p->inputs.count; i++)
        if (!export_write(p->inputs.items[i], FORMAT_JSONL, f, err)) {
            fclose(f);
            return false;
        }
    if (f == NULL || fclose(f) != 0) {
        error_set(err, errno, "cannot write %.300s", path);
        return false;
    }
    uint64_t split_bytes = p->split_bytes;
    job_plan_release(p);
    job_plan_init(p, split_bytes);
    return job_plan_add(p, path, err);
}

Trawl__Split **job_plan_splits(const struct job_plan *p, struct arena *arena) {
    Trawl__Split **all = arena_alloc(arena, (p->found.count + 1) * sizeof(Trawl__Split *));

    for (size_t i = 0; all != NULL && i < p->found.count; i++) {
        const struct split *from = &p->found.items[i];
        Trawl__Split *to = arena_alloc(arena, sizeof *to);
        if (to == NULL)
            return NULL;
        trawl__split__init(to);
        to->kind = p->kind;
        to->path = (ProtobufCBinaryData){.data = (uint8_t *)from->path, .len = strlen(from->path)};
        to->from = from->from;
        to->to = from->to;
        all[i] = to;
    }
    return all;
}
