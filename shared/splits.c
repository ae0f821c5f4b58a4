#include "shared/splits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/warc_find.h"

enum { DEPTH_MAX = 64 };
static const char suffix[] = ".warc.gz";

/* What is added, and for whom. */
struct work {
    struct splits *splits;
    uint64_t bytes;
    bool is_pages;
    struct error *err;
};

void splits_init(struct splits *s) {
    *s = (struct splits){.count = 0};
}

void splits_release(struct splits *s) {
    for (size_t i = 0; i < s->count; i++)
        free(s->items[i].path);
    free(s->items);
    splits_init(s);
}

static bool no_memory(const struct work *w, const char *path) {
    error_set(w->err, ENOMEM, "%s", path);
    return false;
}

static bool add(const struct work *w, const char *path, uint64_t from, uint64_t to) {
    struct splits *s = w->splits;

    if (s->count == SPLITS_MAX) {
        error_set(w->err, 0, "%s: more than %d splits; make them larger", path, SPLITS_MAX);
        return false;
    }
    if (s->count == s->size) {
        size_t size = s->size == 0 ? 64 : 2 * s->size;
        struct split *items = realloc(s->items, size * sizeof *items);
        if (items == NULL)
            return no_memory(w, path);
        s->items = items;
        s->size = size;
    }
    char *copy = strdup(path);
    if (copy == NULL)
        return no_memory(w, path);
    s->items[s->count++] = (struct split){copy, from, to, w->is_pages};
    /* cppcheck-suppress memleak; the list has it */
    return true;
}

/* May the file be read from its middle? False: `err`. */
static bool can_be_cut(const struct work *w, int fd, const char *path, bool *can) {
    unsigned char magic[2];
    struct warc_find f;

    if (!w->is_pages) {
        ssize_t n = pread(fd, magic, sizeof magic, 0);
        *can = n != 2 || magic[0] != 0x1f || magic[1] != 0x8b;
        if (n < 0)
            error_set(w->err, errno, "%s", path);
        return n >= 0;
    }
    enum warc_find_result why = warc_find_open(&f, fd);
    *can = why == WARC_FIND_FOUND && f.is_gzip && f.is_certain;
    warc_find_close(&f);
    if (why == WARC_FIND_IO)
        error_set(w->err, errno, "%s", path);
    return why == WARC_FIND_NO_MEMORY ? no_memory(w, path) : why != WARC_FIND_IO;
}

static bool add_open_file(const struct work *w, int fd, const char *path, uint64_t size) {
    bool can = false;
    uint64_t bytes = w->bytes > 0 ? w->bytes : 1;

    if (size > bytes && !can_be_cut(w, fd, path, &can))
        return false;
    if (!can)
        bytes = size;
    for (uint64_t from = 0; from < size; from += bytes)
        if (!add(w, path, from, size - from < bytes ? size : from + bytes))
            return false;
    return true;
}

static bool add_directory(const struct work *w, int fd, const char *path, unsigned depth);

/* `path` is the way to what is opened as `name` in `dir_fd`. */
static bool add_path(const struct work *w, int dir_fd, const char *name, const char *path,
                     unsigned depth) {
    struct stat st;
    /* A fifo would wait for its other end. */
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool ok = false;

    if (fd < 0 || fstat(fd, &st) != 0)
        error_set(w->err, errno, "%s", path);
    else if (S_ISDIR(st.st_mode))
        return add_directory(w, fd, path, depth);
    else if (S_ISREG(st.st_mode))
        ok = add_open_file(w, fd, path, (uint64_t)st.st_size);
    else
        error_set(w->err, 0, "%s: neither a file nor a directory", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool is_wanted(const struct work *w, const char *name) {
    size_t len = strlen(name), end = sizeof suffix - 1;

    return name[0] != '.' && (!w->is_pages || (len > end && strcmp(name + len - end, suffix) == 0));
}

struct names {
    char **items;
    size_t count, size;
};

static bool add_name(struct names *n, const char *name) {
    if (n->count == n->size) {
        size_t size = n->size == 0 ? 64 : 2 * n->size;
        char **items = realloc(n->items, size * sizeof *items);
        if (items == NULL)
            return false;
        n->items = items;
        n->size = size;
    }
    n->items[n->count] = strdup(name);
    return n->items[n->count] != NULL && ++n->count > 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool read_names(const struct work *w, DIR *dir, const char *path, struct names *names) {
    struct dirent *e;

    errno = 0;
    while ((e = readdir(dir)) != NULL)
        if (is_wanted(w, e->d_name) && !add_name(names, e->d_name))
            return no_memory(w, path);
    if (errno != 0) {
        error_set(w->err, errno, "%s", path);
        return false;
    }
    if (names->count > 1)
        qsort(names->items, names->count, sizeof *names->items, by_name);
    return true;
}

/* Closes the descriptor. */
static bool add_directory(const struct work *w, int fd, const char *path, unsigned depth) {
    struct names names = {0};
    DIR *dir = fdopendir(fd);

    if (dir == NULL) {
        error_set(w->err, errno, "%s", path);
        close(fd);
        return false;
    }
    bool ok = depth < DEPTH_MAX;
    if (!ok)
        error_set(w->err, 0, "%s: more than %d directories deep", path, DEPTH_MAX);
    ok = ok && read_names(w, dir, path, &names);
    for (size_t i = 0; ok && i < names.count; i++) {
        size_t size = strlen(path) + strlen(names.items[i]) + 2;
        char *below = malloc(size);
        if (below == NULL) {
            ok = no_memory(w, path);
            break;
        }
        memcpy(below, path, strlen(path));
        below[strlen(path)] = '/';
        memcpy(below + strlen(path) + 1, names.items[i], strlen(names.items[i]) + 1);
        ok = add_path(w, dirfd(dir), names.items[i], below, depth + 1);
        free(below);
    }
    for (size_t i = 0; i < names.count; i++)
        free(names.items[i]);
    free(names.items);
    closedir(dir);
    return ok;
}

static int by_place(const void *a, const void *b) {
    const struct split *x = a, *y = b;
    int c = strcmp(x->path, y->path);

    return c != 0 ? c : (x->from > y->from) - (x->from < y->from);
}

static bool add_all(const struct work *w, const char *path) {
    char *absolute = realpath(path, NULL);

    if (absolute == NULL) {
        error_set(w->err, errno, "%s", path);
        return false;
    }
    size_t had = w->splits->count;
    bool ok = add_path(w, AT_FDCWD, absolute, absolute, 0);
    free(absolute);
    if (w->splits->count > had)
        qsort(w->splits->items + had, w->splits->count - had, sizeof *w->splits->items, by_place);
    return ok;
}

bool splits_add_lines(struct splits *s, const char *path, uint64_t split_bytes, struct error *err) {
    return add_all(&(struct work){s, split_bytes, false, err}, path);
}

bool splits_add_crawl(struct splits *s, const char *dir, uint64_t split_bytes, struct error *err) {
    static const char below[] = "/archive";
    size_t len = strlen(dir);
    char *archive = malloc(len + sizeof below);

    if (archive == NULL) {
        error_set(err, ENOMEM, "%s", dir);
        return false;
    }
    memcpy(archive, dir, len);
    memcpy(archive + len, below, sizeof below);
    bool ok = add_all(&(struct work){s, split_bytes, true, err}, archive);
    free(archive);
    return ok;
}
