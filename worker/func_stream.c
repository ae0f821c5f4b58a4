#include "worker/func_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/buf.h"
#include "shared/charset.h"
#include "shared/json_out.h"
#include "worker/task_culprit.h"

enum {
    EXIT_CANNOT_RUN = 126, /* of sh and env: the program is there, and cannot be run; */
    EXIT_NOT_FOUND = 127,  /* or it is not there */
    ARGUMENTS_MAX = 64,
    TO_BYTES = 256 << 20,  /* one record, as JSON */
    FULL_BYTES = 64 << 10, /* so much may wait for the command */
    LINE_BYTES = 16 << 20, /* of what it writes */
    PIECE_BYTES = 64 << 10,
};

struct stream {
    const struct trawl_api *api;
    bool reduces; /* output is written as it is, not emitted */
    bool started;
    bool on_trial; /* of task_culprit.h: nothing it writes counts, and it may die */
    bool died;     /* on trial */
    pid_t pid;
    int in, out; /* the command's; -1: closed */
    struct buf to, line, text;
    size_t sent; /* of `to` */
    char piece[PIECE_BYTES];
};

static const Trawl__JobSpec *job_spec; /* of this process */
static char *directory;                /* in which commands run; NULL: in the scratch directory */

static void trial_begin(void *state, struct trawl_task *t);
static bool trial_end(void *state, struct trawl_task *t);
static const struct task_trial trial = {trial_begin, trial_end};

static const char *command_of(const struct stream *s) {
    return s->reduces ? job_spec->reduce_command[0] : job_spec->map_command[0];
}

static void describe(const struct stream *s, const char *what, char *why, size_t size) {
    snprintf(why, size, "%s command %.200s: %s", s->reduces ? "reduce" : "map", command_of(s),
             what);
}

static _Noreturn void fail(struct stream *s, struct trawl_task *t, const char *what) {
    char why[512];

    describe(s, what, why, sizeof why);
    s->api->fail(t, why);
    abort();
}

/* It cannot be run at all, and would not be the next time. */
static _Noreturn void refuse(const struct stream *s, struct trawl_task *t, const char *what) {
    char why[512];

    describe(s, what, why, sizeof why);
    task_end(t, TRAWL__TASK_END__TASK_REFUSED, why);
}

/* Says what errno says. */
static _Noreturn void fail_errno(struct stream *s, struct trawl_task *t) {
    char what[128];

    snprintf(what, sizeof what, "%m");
    fail(s, t, what);
}

/* ---- the command ------------------------------------------------------------------------------------------ */

/* Words point into `copy`. */
static bool split(char *copy, char *argv[ARGUMENTS_MAX + 1]) {
    size_t n = 0;
    char *rest;

    for (char *w = strtok_r(copy, " \t\n", &rest); w != NULL; w = strtok_r(NULL, " \t\n", &rest)) {
        if (n == ARGUMENTS_MAX)
            return false;
        argv[n++] = w;
    }
    argv[n] = NULL;
    return n > 0;
}

/* ---- whether it can run at all ---------------------------------------------------------------------------------- */

static bool is_program(const char *path) {
    struct stat st;

    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 && stat(path, &st) == 0 &&
           S_ISREG(st.st_mode);
}

/* `name` below the directory `base`, which may be NULL. */
static bool is_program_in(const char *base, size_t base_len, const char *name) {
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%.*s/%s", (int)base_len, base, name);

    return n < (int)sizeof path && is_program(path);
}

/* As posix_spawnp() looks for it; relative paths from the commands' directory on. */
static bool can_be_found(const char *name) {
    const char *path = getenv("PATH");

    if (name[0] == '/')
        return is_program(name);
    if (strchr(name, '/') != NULL)
        return directory != NULL ? is_program_in(directory, strlen(directory), name)
                                 : is_program(name);
    for (const char *at = path != NULL ? path : "/bin:/usr/bin";; at++) {
        size_t len = strcspn(at, ":");
        if (len > 0 ? is_program_in(at, len, name) : is_program_in(".", 1, name))
            return true;
        at += len;
        if (*at == '\0')
            return false;
    }
}

/* Does the shell take it? Nothing of it runs. What it says goes to standard error. */
static bool is_shell(const char *command) {
    char *argv[] = {"sh", "-n", "-c", (char *)command, NULL};
    pid_t pid;
    int status;

    if (posix_spawnp(&pid, "sh", NULL, NULL, argv, environ) != 0)
        return true; /* the attempt will tell */
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return true;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool check_command(const char *which, const char *command, char error[256]) {
    char *argv[ARGUMENTS_MAX + 1], *copy = strdup(command);
    bool ok = false;

    if (copy == NULL)
        snprintf(error, 256, "out of memory");
    else if (job_spec->shell && !(ok = is_shell(command)))
        snprintf(error, 256, "%s command %.150s: the shell does not take it", which, command);
    else if (!ok && !split(copy, argv))
        snprintf(error, 256, "%s command %.120s: accepted are 1 to %d words, or --shell", which,
                 command, ARGUMENTS_MAX);
    else if (!ok && !(ok = can_be_found(argv[0])))
        snprintf(error, 256, "%s command %.120s: there is no program %.80s", which, command,
                 argv[0]);
    free(copy);
    return ok;
}

/* Where `job run` was started, if this machine has that directory. */
static void find_directory(void) {
    ProtobufCBinaryData d = job_spec->directory;
    struct stat st;

    directory = d.len > 0 ? strndup((const char *)d.data, d.len) : NULL;
    if (directory != NULL && (stat(directory, &st) != 0 || !S_ISDIR(st.st_mode) ||
                              faccessat(AT_FDCWD, directory, X_OK, AT_EACCESS) != 0)) {
        free(directory);
        directory = NULL;
    }
}

/* ---- starting it --------------------------------------------------------------------------------------------------- */

static int spawn(struct stream *s, const int in[2], const int out[2]) {
    char *argv[ARGUMENTS_MAX + 1] = {"sh", "-c", (char *)command_of(s), NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t defaults, none;
    char *copy = strdup(command_of(s));
    int rc = ENOMEM;

    if (copy == NULL)
        return rc;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_adddup2(&files, in[0], 0);
    posix_spawn_file_actions_adddup2(&files, out[1], 1);
    if (directory != NULL)
        posix_spawn_file_actions_addchdir_np(&files, directory);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (job_spec->shell || split(copy, argv))
        rc = posix_spawnp(&s->pid, argv[0], &files, &attr, argv, environ);
    else
        rc = EINVAL;
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    free(copy);
    return rc;
}

static void start(struct stream *s, struct trawl_task *t) {
    int in[2], out[2];

    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        fail(s, t, "no pipes");
    int rc = spawn(s, in, out);
    close(in[0]);
    close(out[1]);
    if (rc == ENOENT || rc == EACCES || rc == ENOEXEC || rc == ENOTDIR || rc == ELOOP)
        refuse(s, t, strerrordesc_np(rc));
    if (rc != 0) {
        errno = rc;
        fail_errno(s, t);
    }
    s->in = in[1];
    s->out = out[0];
    s->started = true;
    if (fcntl(s->in, F_SETFL, O_NONBLOCK) != 0 || fcntl(s->out, F_SETFL, O_NONBLOCK) != 0)
        fail(s, t, "no pipes");
}

/* ---- what it writes ---------------------------------------------------------------------------------------- */

static void take_line(struct stream *s, struct trawl_task *t) {
    const char *line = s->line.data;
    size_t len = s->line.len;

    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (len == 0)
        return;
    const char *tab = memchr(line, '\t', len);
    size_t key_len = tab != NULL ? (size_t)(tab - line) : len;
    if (tab == NULL)
        s->api->emit(t, line, len, "", 0);
    else
        s->api->emit(t, line, key_len, tab + 1, len - key_len - 1);
}

static void take(struct stream *s, struct trawl_task *t, const char *p, size_t n) {
    if (s->on_trial)
        return;
    if (s->reduces) {
        s->api->write(t, p, n);
        return;
    }
    while (n > 0) {
        const char *end = memchr(p, '\n', n);
        size_t part = end != NULL ? (size_t)(end - p) : n;
        if (!buf_append(&s->line, p, part))
            fail(s, t, "a line of over 16 MiB");
        if (end == NULL)
            return;
        take_line(s, t);
        buf_reset(&s->line);
        p += part + 1;
        n -= part + 1;
    }
}

/* ---- its end ----------------------------------------------------------------------------------------------- */

static void drop_input(struct stream *s) {
    if (s->in >= 0)
        close(s->in);
    s->in = -1;
    buf_reset(&s->to);
    s->sent = 0;
}

static void wait_end(struct stream *s, struct trawl_task *t) {
    char what[64], why[512];
    int status;

    while (waitpid(s->pid, &status, 0) < 0)
        if (errno != EINTR)
            fail_errno(s, t);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    s->died = true;
    if (s->on_trial)
        return;
    if (WIFSIGNALED(status))
        snprintf(what, sizeof what, "killed by signal %d", WTERMSIG(status));
    else
        snprintf(what, sizeof what, "exited with code %d", WEXITSTATUS(status));
    if (WIFEXITED(status) &&
        (WEXITSTATUS(status) == EXIT_NOT_FOUND || WEXITSTATUS(status) == EXIT_CANNOT_RUN))
        refuse(s, t, what);
    describe(s, what, why, sizeof why);
    task_culprit(t, &trial, why);
}

/* ---- to and fro -------------------------------------------------------------------------------------------- */

static void send_some(struct stream *s, struct trawl_task *t) {
    ssize_t n = write(s->in, s->to.data + s->sent, s->to.len - s->sent);

    if (n < 0 && errno == EPIPE) {
        drop_input(s); /* it has seen enough, or died: its end says which */
    } else if (n > 0) {
        s->sent += (size_t)n;
        s->api->progress(t);
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        fail_errno(s, t);
    }
    if (s->sent == s->to.len) {
        buf_reset(&s->to);
        s->sent = 0;
    }
}

static void receive_some(struct stream *s, struct trawl_task *t) {
    ssize_t n = read(s->out, s->piece, sizeof s->piece);

    if (n > 0) {
        s->api->progress(t);
        take(s, t, s->piece, (size_t)n);
    } else if (n == 0) {
        close(s->out);
        s->out = -1;
        drop_input(s); /* there is nothing more that it could say */
        wait_end(s, t);
    } else if (errno != EAGAIN && errno != EINTR) {
        fail_errno(s, t);
    }
}

/* Waits until one of the two pipes moves: never for one alone while the other is full. */
static void pump(struct stream *s, struct trawl_task *t) {
    struct pollfd fds[2] = {{.fd = s->out, .events = POLLIN},
                            {.fd = s->to.len > 0 ? s->in : -1, .events = POLLOUT}};

    if (poll(fds, 2, -1) < 0) {
        if (errno != EINTR)
            fail_errno(s, t);
        return;
    }
    if (fds[0].revents != 0)
        receive_some(s, t);
    if (fds[1].revents != 0 && s->in >= 0)
        send_some(s, t);
}

static void give(struct stream *s, struct trawl_task *t) {
    if (s->to.failed)
        fail(s, t, "a record is too large to be handed over");
    while (s->in >= 0 && s->to.len - s->sent > FULL_BYTES)
        pump(s, t);
}

static void finish(struct stream *s, struct trawl_task *t) {
    while (s->in >= 0 && s->to.len > 0)
        pump(s, t);
    drop_input(s);
    while (s->out >= 0)
        pump(s, t);
}

/* ---- which record it dies of --------------------------------------------------------------------------------- */

static void trial_begin(void *state, struct trawl_task *t) {
    struct stream *s = state;

    s->on_trial = true;
    s->died = false;
    start(s, t);
}

static bool trial_end(void *state, struct trawl_task *t) {
    struct stream *s = state;

    finish(s, t);
    return s->died;
}

/* ---- functions --------------------------------------------------------------------------------------------- */

static bool stream_open(void **state, struct trawl_task *t, const struct trawl_api *api, int argc,
                        char *const *argv, char *error) {
    struct stream *s = calloc(1, sizeof *s);

    (void)t;
    (void)argc;
    (void)argv;
    if (s == NULL) {
        snprintf(error, 256, "out of memory");
        return false;
    }
    find_directory();
    if (!check_command("map", job_spec->map_command[0], error) ||
        !check_command("reduce", job_spec->reduce_command[0], error)) {
        free(s);
        return false;
    }
    s->api = api;
    s->in = s->out = -1;
    buf_init(&s->to, TO_BYTES);
    buf_init(&s->line, LINE_BYTES);
    buf_init(&s->text, TO_BYTES);
    *state = s;
    return true;
}

static bool is_text(const struct trawl_record *r) {
    return strncmp(r->mime, "text/", 5) == 0 || strcmp(r->mime, "application/xhtml+xml") == 0 ||
           strcmp(r->mime, "application/json") == 0 || strcmp(r->mime, "application/xml") == 0;
}

static const struct charset *charset_of(const struct trawl_record *r) {
    size_t bom;
    const struct charset *c = charset_from_bom(r->data, r->len, &bom);

    if (c == NULL)
        c = charset_from_meta_content(r->content_type, strlen(r->content_type));
    if (c == NULL)
        c = charset_prescan(r->data, r->len);
    if (c == NULL)
        c = charset_is_valid_utf8(r->data, r->len) ? charset_utf8() : charset_windows_1252();
    return c;
}

static void append_base64(struct buf *to, const char *p, size_t n) {
    size_t size = (n + 2) / 3 * 4;

    if (n > INT32_MAX / 2 || !buf_reserve(to, size + 1)) {
        to->failed = true;
        return;
    }
    (void)EVP_EncodeBlock((unsigned char *)to->data + to->len, (const unsigned char *)p, (int)n);
    to->len += size;
}

static void append_page(struct stream *s, const struct trawl_record *r) {
    struct buf *to = &s->to;

    buf_append_char(to, '{');
    json_out_member(to, "url", r->name, strlen(r->name));
    buf_printf(to, ", \"status\": %u, ", r->status);
    json_out_member(to, "mime", r->mime, strlen(r->mime));
    buf_printf(to, ", \"fetched_at\": %.3f, ", (double)r->fetched_at_ms / 1000);
    buf_reset(&s->text);
    if (is_text(r) && charset_decode(charset_of(r), r->data, r->len, &s->text)) {
        json_out_member(to, "text", s->text.data != NULL ? s->text.data : "", s->text.len);
    } else {
        buf_append_str(to, "\"body_base64\": \"");
        append_base64(to, r->data, r->len);
        buf_append_char(to, '"');
    }
    buf_append_str(to, "}\n");
}

static void stream_map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    struct stream *s = state;

    if (!s->started)
        start(s, t);
    if (s->in < 0) /* it has seen enough */
        return;
    if (r->of == TRAWL_INPUT_PAGES) {
        append_page(s, r);
    } else {
        buf_append(&s->to, r->data, r->len);
        buf_append_char(&s->to, '\n');
    }
    give(s, t);
}

static void stream_reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                          struct trawl_values *values) {
    struct stream *s = state;
    const void *value;
    size_t len;

    s->reduces = true;
    if (!s->started)
        start(s, t);
    while (s->in >= 0 && s->api->next(values, &value, &len)) {
        buf_append(&s->to, key, key_len);
        buf_append_char(&s->to, '\t');
        buf_append(&s->to, value, len);
        buf_append_char(&s->to, '\n');
        give(s, t);
    }
}

static void stream_end(void *state, struct trawl_task *t) {
    struct stream *s = state;

    if (!s->started)
        return;
    finish(s, t);
    if (s->line.len > 0)
        take_line(s, t);
}

static void stream_close(void *state) {
    struct stream *s = state;

    drop_input(s);
    if (s->out >= 0)
        close(s->out);
    buf_release(&s->to);
    buf_release(&s->line);
    buf_release(&s->text);
    free(s);
}

const struct trawl_job *func_stream(const Trawl__JobSpec *spec, struct error *err) {
    static const struct trawl_job job = {.abi = TRAWL_JOB_ABI,
                                         .input = TRAWL_INPUT_ANY,
                                         .open = stream_open,
                                         .map = stream_map,
                                         .reduce = stream_reduce,
                                         .end = stream_end,
                                         .close = stream_close};

    if (spec->n_map_command != 1 || spec->n_reduce_command != 1) {
        error_set(err, 0, "a job of commands has one for map and one for reduce");
        return NULL;
    }
    job_spec = spec;
    return &job;
}
