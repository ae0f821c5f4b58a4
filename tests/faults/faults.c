/*
 * faults: a library to be preloaded (LD_PRELOAD) that makes chosen calls of a process fail, or kills it there. So the
 * real executable meets a full disk, a bad disk or its death at one exact place, and has no code for it.
 *
 *     FAULTS='role=worker op=write path=*.warc.gz.open nth=3 do=kill-after' LD_PRELOAD=build/tests/faults.so trawl worker ...
 *
 * FAULTS holds up to RULES_MAX rules, separated by ';', numbered from 0; a rule is words KEY=VALUE:
 *
 *     role=    worker | master | crawl: the first argument of the process. Others are left alone. Must be there
 *     op=      open     open, openat, creat
 *              write    write, pwrite, writev
 *              sync     fdatasync, fsync
 *              rename   rename, renameat, renameat2; the path is the new one
 *              truncate ftruncate
 *              send     a message of nng goes into the socket (sendmsg)
 *              recv     a message of nng is taken out of its answer (nng_aio_get_msg)
 *     path=    pattern of fnmatch(3) for the whole path; '*' matches '/' as well. Not for send and recv
 *     field=   send, recv: the protobuf message has this field of a message's type (proto/trawl.proto: 13 is an exchange)
 *     has=     send, recv: its bytes contain this text
 *     when=    a file: the rule is asleep, and counts nothing, while it is not there
 *     after=   number of a rule: this one is asleep until that one has acted
 *     nth=     acts from the nth call on that matches (1)
 *     times=   so often (1; 0: without end)
 *     do=      note         nothing, but it is logged, and `after` sees it
 *              kill-before  SIGKILL to the process instead of the call
 *              kill-after   SIGKILL when the call has returned
 *              torn         write: half of the bytes, then SIGKILL
 *              short        write: half of the bytes, which is what the call returns
 *              ENOSPC, EIO  the call does nothing and fails so
 *
 * Each act is a line in the file FAULTS_LOG: rule, role, pid, op, path or "-", what was done; written before the kill.
 * A wrong rule ends the process with exit code 99 and a message: a test must not pass because it meant nothing.
 *
 * Threads: any. The rules' counts are guarded by a mutex; real calls are made without it.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <nng/nng.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { RULES_MAX = 16, TEXT_BYTES = 256, EXIT_WRONG_RULE = 99 };

enum op { OP_OPEN, OP_WRITE, OP_SYNC, OP_RENAME, OP_TRUNCATE, OP_SEND, OP_RECV, OP_COUNT };
static const char *const op_names[OP_COUNT] = {"open",     "write", "sync", "rename",
                                               "truncate", "send",  "recv"};

enum act { ACT_NONE, ACT_NOTE, ACT_KILL_BEFORE, ACT_KILL_AFTER, ACT_TORN, ACT_SHORT, ACT_FAIL };
static const struct {
    const char *name;
    enum act act;
    int error;
} acts[] = {{"note", ACT_NOTE, 0},
            {"kill-before", ACT_KILL_BEFORE, 0},
            {"kill-after", ACT_KILL_AFTER, 0},
            {"torn", ACT_TORN, 0},
            {"short", ACT_SHORT, 0},
            {"ENOSPC", ACT_FAIL, ENOSPC},
            {"EIO", ACT_FAIL, EIO}};

struct rule {
    enum op op;
    size_t act; /* of `acts` */
    char path[TEXT_BYTES], has[TEXT_BYTES], when[TEXT_BYTES];
    unsigned long field, nth, times;
    long after; /* -1: none */
    unsigned long matched, acted;
};

/* What a call is about. */
struct subject {
    const char *path;
    const struct iovec *parts; /* of a message */
    size_t part_count;
    bool framed; /* as it is on the wire */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[RULES_MAX];
static size_t rule_count;
static bool wanted[OP_COUNT]; /* has a rule */
static char role[16];
static int log_fd = -1;

/* ---- rules ------------------------------------------------------------------------------------- */

static void wrong(const char *what, const char *text) {
    fprintf(stderr, "faults: %s: %s\n", what, text);
    _exit(EXIT_WRONG_RULE);
}

static unsigned long number(const char *text) {
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0')
        wrong("not a number", text);
    return n;
}

static enum op find_op(const char *name) {
    size_t i = 0;

    while (i < OP_COUNT && strcmp(name, op_names[i]) != 0)
        i++;
    if (i == OP_COUNT)
        wrong("no such op", name);
    return (enum op)i;
}

static size_t find_act(const char *name) {
    size_t i = 0, count = sizeof acts / sizeof *acts;

    while (i < count && strcmp(name, acts[i].name) != 0)
        i++;
    if (i == count)
        wrong("no such act", name);
    return i;
}

static void keep_text(char to[TEXT_BYTES], const char *text) {
    if (snprintf(to, TEXT_BYTES, "%s", text) >= TEXT_BYTES)
        wrong("too long", text);
}

static void set(struct rule *r, char *word, const char **for_role, unsigned *has_op_and_act) {
    char *value = strchr(word, '=');

    if (value == NULL)
        wrong("not KEY=VALUE", word);
    *value++ = '\0';
    if (strcmp(word, "role") == 0)
        *for_role = value;
    else if (strcmp(word, "op") == 0)
        r->op = find_op(value), *has_op_and_act |= 1;
    else if (strcmp(word, "do") == 0)
        r->act = find_act(value), *has_op_and_act |= 2;
    else if (strcmp(word, "path") == 0)
        keep_text(r->path, value);
    else if (strcmp(word, "has") == 0)
        keep_text(r->has, value);
    else if (strcmp(word, "when") == 0)
        keep_text(r->when, value);
    else if (strcmp(word, "field") == 0)
        r->field = number(value);
    else if (strcmp(word, "nth") == 0)
        r->nth = number(value);
    else if (strcmp(word, "times") == 0)
        r->times = number(value);
    else if (strcmp(word, "after") == 0)
        r->after = (long)number(value);
    else
        wrong("no such key", word);
}

/* Rules for others keep their number, and never act. */
static void add_rule(char *text) {
    struct rule r = {.nth = 1, .times = 1, .after = -1};
    const char *for_role = "";
    unsigned has_op_and_act = 0;
    char *rest;

    for (char *w = strtok_r(text, " \n", &rest); w != NULL; w = strtok_r(NULL, " \n", &rest))
        set(&r, w, &for_role, &has_op_and_act);
    if (for_role[0] == '\0' || has_op_and_act != 3 || r.nth == 0)
        wrong("a rule needs role=, op= and do=, and counts from 1", getenv("FAULTS"));
    if ((acts[r.act].act == ACT_TORN || acts[r.act].act == ACT_SHORT) && r.op != OP_WRITE)
        wrong("only a write can be torn or short", getenv("FAULTS"));
    if (r.op == OP_RECV && acts[r.act].act == ACT_FAIL)
        wrong("a recv cannot fail", getenv("FAULTS"));
    if (r.after >= (long)rule_count || rule_count == RULES_MAX)
        wrong("too many rules, or after= names a later one", getenv("FAULTS"));
    if (strcmp(for_role, role) == 0)
        wanted[r.op] = true;
    else
        r.nth = ULONG_MAX;
    rules[rule_count++] = r;
}

static void find_role(void) {
    char args[512] = "";
    /* Not our own open(), which would wait for the preparation to end. */
    long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    long n = fd < 0 ? -1 : syscall(SYS_read, fd, args, sizeof args - 1);
    size_t first = strlen(args);

    if (fd >= 0)
        (void)syscall(SYS_close, fd);
    if (n > 0 && (long)first + 1 < n)
        snprintf(role, sizeof role, "%s", args + first + 1);
}

static void prepare(void) {
    const char *text = getenv("FAULTS"), *log = getenv("FAULTS_LOG");
    char *copy = text == NULL ? NULL : strdup(text), *rest;

    if (copy == NULL)
        return;
    find_role();
    for (char *r = strtok_r(copy, ";", &rest); r != NULL; r = strtok_r(NULL, ";", &rest))
        add_rule(r);
    free(copy);
    if (log != NULL)
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                              0644);
}

/* Not before: the process may be ours through an exec only. */
__attribute__((constructor)) static void start(void) {
    pthread_once(&once, prepare);
}

/* ---- messages ---------------------------------------------------------------------------------- */

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t byte = *(*p)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* Whether a protobuf message has this field, of wire type 2 (length and bytes). */
static bool has_field(const uint8_t *p, size_t len, unsigned long field) {
    const uint8_t *end = p + len;
    uint64_t tag, n;

    while (varint(&p, end, &tag) && varint(&p, end, &n)) {
        if ((tag & 7) == 2) {
            if (tag >> 3 == field)
                return true;
            if (n > (uint64_t)(end - p))
                return false;
            p += n;
        } else if ((tag & 7) != 0) {
            return false;
        }
    }
    return false;
}

/* nng's header on the wire: 8 bytes of length; then words of 4 bytes up to one whose top bit is set, which
 * tell to whom the answer goes. */
static bool framed_has_field(const struct subject *s, unsigned long field) {
    uint8_t head[512];
    size_t len = 0, at = 8;

    for (size_t i = 0; i < s->part_count; i++) {
        size_t n = s->parts[i].iov_len;
        n = n < sizeof head - len ? n : sizeof head - len;
        memcpy(head + len, s->parts[i].iov_base, n);
        len += n;
    }
    while (at + 4 <= len && (head[at] & 0x80) == 0)
        at += 4;
    return at + 4 <= len && has_field(head + at + 4, len - at - 4, field);
}

static bool message_matches(const struct rule *r, const struct subject *s) {
    bool found = r->has[0] == '\0';

    for (size_t i = 0; i < s->part_count && !found; i++)
        found = memmem(s->parts[i].iov_base, s->parts[i].iov_len, r->has, strlen(r->has)) != NULL;
    if (!found || r->field == 0)
        return found;
    return s->framed ? framed_has_field(s, r->field)
                     : has_field(s->parts[0].iov_base, s->parts[0].iov_len, r->field);
}

/* ---- what is to happen -------------------------------------------------------------------------- */

static bool matches(const struct rule *r, enum op op, const struct subject *s) {
    if (r->op != op || r->nth == ULONG_MAX || (r->after >= 0 && rules[r->after].acted == 0))
        return false;
    if (s->path != NULL && r->path[0] != '\0' && fnmatch(r->path, s->path, 0) != 0)
        return false;
    if (s->path == NULL && !message_matches(r, s))
        return false;
    return r->when[0] == '\0' || access(r->when, F_OK) == 0;
}

static void tell(size_t i, const struct subject *s) {
    char line[PATH_MAX + 128];
    const struct rule *r = &rules[i];
    int n = snprintf(line, sizeof line, "%zu %s %d %s %s %s\n", i, role, (int)getpid(),
                     op_names[r->op], s->path == NULL ? "-" : s->path, acts[r->act].name);

    if (log_fd >= 0 && n > 0)
        (void)syscall(SYS_write, log_fd, line, (size_t)n);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* The act for this call, with `*error` for ACT_FAIL; a kill before it is done here. Leaves errno alone. */
static enum act decide(enum op op, const struct subject *s, int *error) {
    int saved = errno;
    enum act act = ACT_NONE;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < rule_count && act == ACT_NONE; i++) {
        struct rule *r = &rules[i];
        if (!matches(r, op, s) || ++r->matched < r->nth || (r->times > 0 && r->acted >= r->times))
            continue;
        r->acted++;
        tell(i, s);
        if (acts[r->act].act == ACT_NOTE)
            continue;
        act = acts[r->act].act;
        *error = acts[r->act].error;
    }
    if (act == ACT_KILL_BEFORE)
        die();
    pthread_mutex_unlock(&lock);
    errno = saved;
    return act;
}

static enum act decide_path(enum op op, const char *path, int *error) {
    return decide(op, &(struct subject){.path = path}, error);
}

static enum act decide_fd(enum op op, int fd, int *error) {
    char link[64], path[PATH_MAX];
    int saved = errno;

    start();
    if (!wanted[op])
        return ACT_NONE;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (n <= 0)
        return ACT_NONE;
    path[n] = '\0';
    return decide_path(op, path, error);
}

static enum act decide_at(enum op op, int dir_fd, const char *name, int *error) {
    char link[64], path[2 * PATH_MAX] = "";
    int saved = errno;

    start();
    if (!wanted[op])
        return ACT_NONE;
    if (name[0] == '/')
        return decide_path(op, name, error);
    snprintf(link, sizeof link, "/proc/self/fd/%d", dir_fd);
    ssize_t n = readlink(dir_fd == AT_FDCWD ? "/proc/self/cwd" : link, path, PATH_MAX - 1);
    size_t len = n < 0 ? 0 : (size_t)n;
    snprintf(path + len, sizeof path - len, "/%s", name);
    errno = saved;
    return decide_path(op, path, error);
}

static int fail(int error) {
    errno = error;
    return -1;
}

/* ---- the calls ---------------------------------------------------------------------------------- */

/* The real one, behind us. */
#define REAL(type, name)                                                                           \
    static type real;                                                                              \
    if (real == NULL)                                                                              \
    real = (type)dlsym(RTLD_NEXT, name)

typedef int open_fn(const char *, int, ...);
typedef int openat_fn(int, const char *, int, ...);
typedef ssize_t write_fn(int, const void *, size_t);
typedef ssize_t pwrite_fn(int, const void *, size_t, off_t);
typedef ssize_t writev_fn(int, const struct iovec *, int);
typedef ssize_t sendmsg_fn(int, const struct msghdr *, int);
typedef int fd_fn(int);
typedef int rename_fn(const char *, const char *);
typedef int renameat_fn(int, const char *, int, const char *);
typedef int renameat2_fn(int, const char *, int, const char *, unsigned);
typedef int ftruncate_fn(int, off_t);

static mode_t mode_of(int flags, va_list args) {
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
}

static int done(enum act act, int result) {
    if (act == ACT_KILL_AFTER)
        die();
    return result;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                   \
        REAL(open_fn *, #name);                                                                    \
        va_list args;                                                                              \
        int error;                                                                                 \
        va_start(args, flags);                                                                     \
        mode_t mode = mode_of(flags, args);                                                        \
        va_end(args);                                                                              \
        enum act act = decide_at(OP_OPEN, AT_FDCWD, path, &error);                                 \
        return act == ACT_FAIL ? fail(error) : done(act, real(path, flags, mode));                 \
    }

#define OPENAT(name)                                                                               \
    int name(int dir_fd, const char *path, int flags, ...) {                                       \
        REAL(openat_fn *, #name);                                                                  \
        va_list args;                                                                              \
        int error;                                                                                 \
        va_start(args, flags);                                                                     \
        mode_t mode = mode_of(flags, args);                                                        \
        va_end(args);                                                                              \
        enum act act = decide_at(OP_OPEN, dir_fd, path, &error);                                   \
        return act == ACT_FAIL ? fail(error) : done(act, real(dir_fd, path, flags, mode));         \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

/* So much of `n` bytes is written at all. */
static size_t part(enum act act, size_t n) {
    return (act == ACT_TORN || act == ACT_SHORT) && n > 1 ? n / 2 : n;
}

static ssize_t written(enum act act, ssize_t n) {
    if (act == ACT_TORN || act == ACT_KILL_AFTER)
        die();
    return n;
}

ssize_t write(int fd, const void *p, size_t n) {
    REAL(write_fn *, "write");
    int error;
    enum act act = decide_fd(OP_WRITE, fd, &error);

    return act == ACT_FAIL ? fail(error) : written(act, real(fd, p, part(act, n)));
}

#define PWRITE(name)                                                                               \
    ssize_t name(int fd, const void *p, size_t n, off_t at) {                                      \
        REAL(pwrite_fn *, #name);                                                                  \
        int error;                                                                                 \
        enum act act = decide_fd(OP_WRITE, fd, &error);                                            \
        return act == ACT_FAIL ? fail(error) : written(act, real(fd, p, part(act, n), at));        \
    }

PWRITE(pwrite)
PWRITE(pwrite64)

/* Half of it: the first piece, or half of that. */
ssize_t writev(int fd, const struct iovec *pieces, int count) {
    REAL(writev_fn *, "writev");
    int error;
    enum act act = decide_fd(OP_WRITE, fd, &error);

    if (act == ACT_FAIL)
        return fail(error);
    if (count > 0 && (act == ACT_TORN || act == ACT_SHORT))
        return written(act, write(fd, pieces[0].iov_base,
                                  count > 1 ? pieces[0].iov_len : part(act, pieces[0].iov_len)));
    return written(act, real(fd, pieces, count));
}

#define ON_FD(name, op)                                                                            \
    int name(int fd) {                                                                             \
        REAL(fd_fn *, #name);                                                                      \
        int error;                                                                                 \
        enum act act = decide_fd(op, fd, &error);                                                  \
        return act == ACT_FAIL ? fail(error) : done(act, real(fd));                                \
    }

ON_FD(fdatasync, OP_SYNC)
ON_FD(fsync, OP_SYNC)

int rename(const char *from, const char *to) {
    REAL(rename_fn *, "rename");
    int error;
    enum act act = decide_at(OP_RENAME, AT_FDCWD, to, &error);

    return act == ACT_FAIL ? fail(error) : done(act, real(from, to));
}

int renameat(int from_fd, const char *from, int to_fd, const char *to) {
    REAL(renameat_fn *, "renameat");
    int error;
    enum act act = decide_at(OP_RENAME, to_fd, to, &error);

    return act == ACT_FAIL ? fail(error) : done(act, real(from_fd, from, to_fd, to));
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    REAL(renameat2_fn *, "renameat2");
    int error;
    enum act act = decide_at(OP_RENAME, to_fd, to, &error);

    return act == ACT_FAIL ? fail(error) : done(act, real(from_fd, from, to_fd, to, flags));
}

#define TRUNCATE(name)                                                                             \
    int name(int fd, off_t size) {                                                                 \
        REAL(ftruncate_fn *, #name);                                                               \
        int error;                                                                                 \
        enum act act = decide_fd(OP_TRUNCATE, fd, &error);                                         \
        return act == ACT_FAIL ? fail(error) : done(act, real(fd, size));                          \
    }

TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

/* Only nng sends with it. What is in the socket arrives, whatever becomes of us. */
ssize_t sendmsg(int fd, const struct msghdr *m, int flags) {
    REAL(sendmsg_fn *, "sendmsg");
    struct subject s = {.parts = m->msg_iov, .part_count = m->msg_iovlen, .framed = true};
    enum act act = ACT_NONE;
    int error;

    start();
    if (wanted[OP_SEND])
        act = decide(OP_SEND, &s, &error);
    return act == ACT_FAIL ? fail(error) : written(act, real(fd, m, flags));
}

nng_msg *nng_aio_get_msg(nng_aio *aio) {
    typedef nng_msg *get_fn(nng_aio *);
    typedef void *body_fn(nng_msg *);
    typedef size_t len_fn(nng_msg *);
    REAL(get_fn *, "nng_aio_get_msg");
    nng_msg *message = real(aio);
    int error;

    start();
    if (message == NULL || !wanted[OP_RECV])
        return message;
    body_fn *body = (body_fn *)dlsym(RTLD_DEFAULT, "nng_msg_body");
    len_fn *len = (len_fn *)dlsym(RTLD_DEFAULT, "nng_msg_len");
    struct iovec whole = {body(message), len(message)};
    if (decide(OP_RECV, &(struct subject){.parts = &whole, .part_count = 1}, &error) ==
        ACT_KILL_AFTER)
        die();
    return message;
}
