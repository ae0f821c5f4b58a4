#include "cli/job_plan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/limits.h"
#include "shared/warc_find.h"

enum {
    LINES_SPLIT_BYTES = 32 << 20,
    PAGES_SPLIT_BYTES = 16 << 20, /* compressed */
};

void job_plan_init(struct job_plan *p, uint64_t split_bytes) {
    *p = (struct job_plan){.split_bytes = split_bytes};
    arena_init(&p->arena, LIMIT_ARENA_BYTES);
}

void job_plan_release(struct job_plan *p) {
    arena_release(&p->arena);
    free(p->splits);
}

static bool no_memory(struct error *err) {
    error_set(err, 0, "too much input for one job: at most some hundred thousand splits");
    return false;
}

static bool add_split(struct job_plan *p, const char *path, uint64_t from, uint64_t to,
                      struct error *err) {
    if (p->count == p->size) {
        size_t size = p->size == 0 ? 64 : p->size * 2;
        Trawl__Split **splits = realloc(p->splits, size * sizeof *splits);
        if (splits == NULL)
            return no_memory(err);
        p->splits = splits;
        p->size = size;
    }
    Trawl__Split *s = arena_alloc(&p->arena, sizeof *s);
    if (s == NULL)
        return no_memory(err);
    trawl__split__init(s);
    s->kind = p->kind;
    s->path = arena_bytes(&p->arena, path, strlen(path));
    s->from = from;
    s->to = to;
    if (p->arena.failed)
        return no_memory(err);
    p->splits[p->count++] = s;
    p->bytes += to - from;
    return true;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Whether readers of a part find its beginning. */
static bool may_be_cut(int fd, Trawl__InputKind kind) {
    unsigned char head[2] = {0};
    struct warc_find find;

    if (kind == TRAWL__INPUT_KIND__LINES)
        return pread(fd, head, sizeof head, 0) < 2 || head[0] != 0x1f || head[1] != 0x8b;
    bool may = warc_find_open(&find, fd) == WARC_FIND_FOUND && find.is_gzip && find.is_certain;
    warc_find_close(&find);
    return may;
}

static bool set_kind(struct job_plan *p, const char *path, Trawl__InputKind kind,
                     struct error *err) {
    if (p->has_kind && p->kind != kind) {
        error_set(err, 0, "%.300s: archives and plain files do not go together in one job", path);
        return false;
    }
    p->has_kind = true;
    p->kind = kind;
    return true;
}

static bool add_file(struct job_plan *p, const char *path, struct error *err) {
    char real[PATH_MAX];
    struct stat st;
    bool archive = ends_with(path, ".warc.gz") || ends_with(path, ".warc");

    if (!set_kind(p, path, archive ? TRAWL__INPUT_KIND__PAGES : TRAWL__INPUT_KIND__LINES, err))
        return false;
    int fd = realpath(path, real) == NULL ? -1 : open(real, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        error_set(err, errno, "cannot read %.300s", path);
        if (fd >= 0)
            close(fd);
        return false;
    }
    uint64_t size = (uint64_t)st.st_size;
    uint64_t step = p->split_bytes > 0 ? p->split_bytes
                    : archive          ? PAGES_SPLIT_BYTES
                                       : LINES_SPLIT_BYTES;
    if (size > step && !may_be_cut(fd, p->kind))
        step = size;
    close(fd);
    /* Parts of the same size, not a small one at the end. */
    uint64_t parts = size == 0 ? 1 : (size + step - 1) / step;
    for (uint64_t i = 0; i < parts; i++)
        if (!add_split(p, real, size * i / parts, size * (i + 1) / parts, err))
            return false;
    return true;
}

static int wanted_file(const struct dirent *e) {
    return e->d_name[0] != '.';
}

static int wanted_segment(const struct dirent *e) {
    return ends_with(e->d_name, ".warc.gz");
}

static bool add_directory(struct job_plan *p, const char *dir, int (*wanted)(const struct dirent *),
                          struct error *err) {
    struct dirent **names;
    char path[PATH_MAX];
    struct stat st;
    bool fine = true;
    int n = scandir(dir, &names, wanted, alphasort);

    if (n < 0) {
        error_set(err, errno, "cannot read %.300s", dir);
        return false;
    }
    for (int i = 0; i < n; i++) {
        int len = snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        if (fine && len < (int)sizeof path && stat(path, &st) == 0 && S_ISREG(st.st_mode))
            fine = add_file(p, path, err);
        free(names[i]);
    }
    free(names);
    return fine;
}

bool job_plan_add(struct job_plan *p, const char *path, struct error *err) {
    char archive[PATH_MAX];
    struct stat st;
    size_t before = p->count;

    if (stat(path, &st) != 0) {
        error_set(err, errno, "cannot read %.300s", path);
        return false;
    }
    if (!S_ISDIR(st.st_mode))
        return add_file(p, path, err);
    int len = snprintf(archive, sizeof archive, "%s/archive", path);
    bool crawl = len < (int)sizeof archive && stat(archive, &st) == 0 && S_ISDIR(st.st_mode);
    if (crawl ? !add_directory(p, archive, wanted_segment, err)
              : !add_directory(p, path, wanted_file, err))
        return false;
    if (p->count == before) {
        error_set(err, 0,
                  crawl ? "%.300s/archive has no sealed segment" : "%.300s has no file in it",
                  path);
        return false;
    }
    return true;
}
