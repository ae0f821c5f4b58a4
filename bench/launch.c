#include "bench/launch.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, ARGUMENTS_MAX = 32, START_S_MAX = 1800, LOOK_NS = 5000000 };

static void die(const char *text) {
    fprintf(stderr, "launch: %s\n", text);
    exit(1);
}

static double now_s(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the process --------------------------------------------------------------------------------------- */

static void exec_master(const char *trawl, const char *dir, const char *const *arguments) {
    const char *argv[ARGUMENTS_MAX] = {
        trawl, "master", "--dir", dir, "--listen", "tcp://127.0.0.1:0", "--http", "off", "--quiet"};
    size_t n = 9;

    while (*arguments != NULL && n + 1 < ARGUMENTS_MAX)
        argv[n++] = *arguments++;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execv(trawl, (char *const *)argv);
    perror(trawl);
    _exit(127);
}

/* It writes its address when it listens. */
static bool read_address(const char *path, struct launched *m) {
    FILE *f = fopen(path, "re");
    bool whole = f != NULL && fgets(m->address, sizeof m->address, f) != NULL &&
                 strchr(m->address, '\n') != NULL;

    if (whole)
        *strchr(m->address, '\n') = '\0';
    if (f != NULL)
        fclose(f);
    return whole;
}

struct launched launch_master(const char *trawl, const char *dir, const char *const *arguments) {
    struct launched m = {.pid = 0};
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s/master.addr", dir);
    unlink(path);
    m.exec_s = now_s();
    m.pid = fork();
    if (m.pid < 0)
        die("cannot fork");
    if (m.pid == 0)
        exec_master(trawl, dir, arguments);
    while (!read_address(path, &m)) {
        if (waitpid(m.pid, NULL, WNOHANG) != 0)
            die("the master has ended");
        if (now_s() - m.exec_s > START_S_MAX)
            die("the master does not listen");
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
    }
    return m;
}

void launch_kill(struct launched *m, struct rusage *usage) {
    kill(m->pid, SIGKILL);
    if (wait4(m->pid, NULL, 0, usage) != m->pid)
        die("the master is gone");
}

double launch_cpu_s(const struct launched *m) {
    unsigned long user, system;
    char path[64];

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)m->pid);
    FILE *f = fopen(path, "re");
    /* proc(5): utime and stime are fields 14 and 15; the name has no blank. */
    if (f == NULL || fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                            &system) != 2)
        die("the master's figures cannot be read");
    fclose(f);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

uint64_t launch_resident_bytes(const struct launched *m) {
    unsigned long long pages;
    char path[64];

    snprintf(path, sizeof path, "/proc/%ld/statm", (long)m->pid);
    FILE *f = fopen(path, "re");
    if (f == NULL || fscanf(f, "%*u %llu", &pages) != 1)
        die("the master's figures cannot be read");
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- the directory ------------------------------------------------------------------------------------- */

/* Calls for each file; returns the sum. */
static uint64_t each_file(const char *path, uint64_t (*f)(const char *path)) {
    char name[PATH_BYTES];
    uint64_t sum = 0;
    DIR *dir = opendir(path);

    if (dir == NULL)
        die("cannot open the crawldb's directory");
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        int n = snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        if (n > 0 && (size_t)n < sizeof name)
            sum += f(name);
    }
    closedir(dir);
    return sum;
}

static uint64_t size_of(const char *path) {
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

uint64_t launch_disk_bytes(const char *path) {
    return each_file(path, size_of);
}

static uint64_t drop(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)fdatasync(fd); /* dirty pages would stay */
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
    return 0;
}

void launch_drop_cache(const char *path) {
    (void)each_file(path, drop);
}
