#include "worker/task_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/job_output.h"
#include "worker/shuffle.h"

enum { PATH_BYTES = 4096, DEPTH_MAX = 64 };

/* ---- removing ---------------------------------------------------------------------------------------- */

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* A function may have left anything in its working directory. */
static void remove_tree(int at, const char *name, int depth) {
    if (unlinkat(at, name, 0) == 0 || (errno != EISDIR && errno != EPERM) || depth > DEPTH_MAX)
        return;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (!is_dots(e->d_name))
            remove_tree(dirfd(d), e->d_name, depth + 1);
    closedir(d);
    (void)unlinkat(at, name, AT_REMOVEDIR);
}

/* .part-NNNNN.ATTEMPT */
static bool read_output_name(const char *name, uint32_t *partition, uint64_t *attempt) {
    static const char begin[] = ".part-";
    char *end;

    if (strncmp(name, begin, sizeof begin - 1) != 0)
        return false;
    *partition = (uint32_t)strtoul(name + sizeof begin - 1, &end, 10);
    if (*end != '.')
        return false;
    *attempt = strtoull(end + 1, &end, 10);
    return *end == '\0';
}

/* What the attempt in this scratch directory was writing. */
static void remove_output(int tasks_fd, const char *attempt) {
    char link[64], path[PATH_BYTES];
    uint64_t number;
    uint32_t partition;

    snprintf(link, sizeof link, "%s/.output", attempt);
    ssize_t n = readlinkat(tasks_fd, link, path, sizeof path - 1);
    if (n <= 0)
        return;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL || !read_output_name(slash + 1, &partition, &number))
        return;
    *slash = '\0';
    job_output_remove(path, partition, number);
}

static void remove_outputs(int tasks_fd) {
    int fd = dup(tasks_fd);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (d == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    rewinddir(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (!is_dots(e->d_name) && strlen(e->d_name) < 32)
            remove_output(tasks_fd, e->d_name);
    closedir(d);
}

/* ---- the whole --------------------------------------------------------------------------------------- */

/* Nothing in them outlives the process: they need not be durable. */
static int open_dir(int at, const char *name) {
    if (mkdirat(at, name, 0755) != 0 && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool task_files_open(struct task_files *f, int home_fd, struct error *err) {
    *f = (struct task_files){.tasks_fd = -1, .maps_fd = -1};
    int old = openat(home_fd, "tasks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (old >= 0) {
        remove_outputs(old);
        close(old);
    }
    remove_tree(home_fd, "tasks", 0);
    remove_tree(home_fd, "maps", 0);
    f->tasks_fd = open_dir(home_fd, "tasks");
    f->maps_fd = f->tasks_fd < 0 ? -1 : open_dir(home_fd, "maps");
    if (f->maps_fd >= 0)
        return true;
    error_set(err, errno, "cannot create the directories of tasks");
    return false;
}

static void empty(int fd) {
    DIR *d = fdopendir(fd);

    if (d == NULL) {
        close(fd);
        return;
    }
    rewinddir(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (!is_dots(e->d_name))
            remove_tree(dirfd(d), e->d_name, 0);
    closedir(d);
}

void task_files_close(struct task_files *f) {
    if (f->tasks_fd >= 0)
        empty(f->tasks_fd);
    if (f->maps_fd >= 0)
        empty(f->maps_fd);
    f->tasks_fd = f->maps_fd = -1;
}

static void scratch_name(char name[32], uint64_t attempt) {
    snprintf(name, 32, "%" PRIu64, attempt);
}

/* ---- one attempt ------------------------------------------------------------------------------------- */

/* So that whoever cleans up finds what the attempt was writing. */
static bool note_output(int scratch_fd, const Trawl__TaskSpec *spec, uint64_t attempt) {
    char path[PATH_BYTES];

    if (spec->kind != TRAWL__TASK_KIND__REDUCE)
        return true;
    int n = snprintf(path, sizeof path, "%s/.part-%05" PRIu32 ".%" PRIu64, spec->job->output,
                     spec->number, attempt);
    if (n < 0 || n >= PATH_BYTES) {
        errno = ENAMETOOLONG;
        return false;
    }
    return symlinkat(path, scratch_fd, ".output") == 0;
}

int task_files_begin(struct task_files *f, const Trawl__TaskSpec *spec, uint64_t attempt,
                     struct error *err) {
    char name[32];

    scratch_name(name, attempt);
    int fd = open_dir(f->tasks_fd, name);
    if (fd >= 0 && note_output(fd, spec, attempt))
        return fd;
    error_set(err, errno, "cannot create the directory of an attempt");
    if (fd >= 0)
        close(fd);
    remove_tree(f->tasks_fd, name, 0);
    return -1;
}

bool task_files_keep(struct task_files *f, const Trawl__TaskSpec *spec, uint64_t attempt,
                     struct error *err) {
    char name[32];

    scratch_name(name, attempt);
    int fd = openat(f->tasks_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        error_set(err, errno, "cannot open the directory of an attempt");
        return false;
    }
    bool ok = shuffle_keep(f->maps_fd, fd, spec->job->job, spec->number, attempt, err);
    close(fd);
    return ok;
}

void task_files_end(struct task_files *f, uint64_t attempt, bool done) {
    char name[32];

    scratch_name(name, attempt);
    if (!done)
        remove_output(f->tasks_fd, name);
    remove_tree(f->tasks_fd, name, 0);
}

void task_files_discard(struct task_files *f, const Trawl__TaskSpec *spec, uint64_t attempt) {
    shuffle_remove(f->maps_fd, spec->job->job, spec->number, attempt);
}

void task_files_remove_job(struct task_files *f, uint64_t job) {
    shuffle_remove_job(f->maps_fd, job);
}
