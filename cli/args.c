#include "cli/args.h"

#include <stdlib.h>
#include <string.h>

#include "cli/conf.h"
#include "cli/optdef.h"
#include "shared/buf.h"
#include "shared/scope.h"

enum { CRAWLING = ARGS_CRAWL | ARGS_MASTER, USER_AGENT_BYTES = 4096 };

const struct args_about args_commands[ARGS_COMMANDS] = {
    {ARGS_CRAWL, "crawl", "[URL...]", 0, SIZE_MAX,
     "crawl on this machine: a master and several workers",
     "Crawl on this machine: one master and several worker processes, until the frontier is empty "
     "or a limit is reached. Run again on the same --dir, it resumes."},
    {ARGS_MASTER, "master", "[URL...]", 0, SIZE_MAX, "a master alone",
     "A master alone; workers connect to it with \"trawl worker\". It ends when the frontier is "
     "empty or a limit is reached. Run again on the same --dir, it resumes."},
    {ARGS_WORKER, "worker", "", 0, 0, "a worker alone",
     "A worker alone. What to crawl and how politely comes from the master. It reconnects by "
     "itself, and exits when the crawl is done."},
    {ARGS_STATUS, "status", "", 0, 0, "what a running crawl does", "What a running crawl does."},
    {ARGS_CTL, "ctl", "pause|resume|stop|add URL...|drain WORKER|forget WORKER", 0, SIZE_MAX,
     "steer a running crawl",
     "Steer a running crawl. drain: that worker finishes and leaves. forget: that worker's disk is "
     "gone; what only it had is fetched again."},
    {ARGS_EXPORT, "export", "DIR", 1, 1, "the outcome as JSONL, CSV, CDXJ or links",
     "The crawl's outcome on standard output. The crawl must not be running."},
    {ARGS_VERIFY, "verify", "DIR [WORKER-DIR...]", 1, SIZE_MAX,
     "audit the archive against the crawldb",
     "Audit the archive against the crawldb; exit 0 only when they agree. Workers that had "
     "directories of their own are named too. The crawl must not be running."},
    {ARGS_WHY, "why", "URL", 1, 1, "all that is known of one URL",
     "All that is known of one URL: its canonical form, whether it is in scope and by which rule, "
     "what robots.txt says of it, how it was found, its state and the reason, attempts that "
     "failed, and where its record lies. Asks the crawldb in --dir, or the master while one runs. "
     "Exit 0 when the URL is known, 1 when it is not."},
    {ARGS_JOB, "job", "run NAME|list|status [N]|cancel N [FILE...] [-- ARGUMENT...]", 1, SIZE_MAX,
     "a MapReduce job over a crawl or over files",
     "A MapReduce job over the archive of a crawl or over plain files. NAME is a built-in job "
     "or the path of a shared object made with trawl_job.h; what stands behind -- is for its "
     "functions. Without --master it starts a master and --workers task workers of its own and "
     "waits for the end. list, status and cancel ask a running master."},
    {ARGS_SEARCH, "search", "DIR WORD...", 2, 65, "pages of a crawl that have these words",
     "Pages that have all these words in title, URL or text, the best first. A WORD with spaces in "
     "it "
     "is a phrase. DIR is a crawl whose index was made with \"trawl job run index --input DIR\", "
     "or the --output of that job. Case and accents make no difference."},
};

const struct args_about *args_about(enum args_command command) {
    size_t i = 0;

    while (args_commands[i].command != command)
        i++;
    return &args_commands[i];
}

/* How strong the place is that a value came from. */
enum level { BY_DEFAULT, BY_CRAWL_CONF, BY_CONFIG, BY_COMMAND_LINE };

struct reader {
    struct args *a;
    enum level level, set[OPTDEF_MAX]; /* where each option was set */
    const char *file;                  /* being read; NULL: the command line */
    struct error *err;
    bool wrong;
};

static bool no_memory(struct reader *r) {
    error_set(r->err, 0, "out of memory");
    return false;
}

static bool refuse(struct reader *r, const struct optdef *d, const char *value) {
    char accepted[OPTDEF_ACCEPTED_BYTES];

    optdef_accepted(d, accepted);
    if (r->file == NULL)
        error_set(r->err, 0, "--%s %.100s: not valid; accepted is %s", d->name, value, accepted);
    else
        error_set(r->err, 0, "%.150s: %s = %.100s: not valid; accepted is %s", r->file, d->name,
                  value, accepted);
    r->wrong = true;
    return false;
}

static bool set(struct reader *r, const struct optdef *d, const char *value) {
    enum level *before = &r->set[d - optdefs];

    if (*before > r->level)
        return true;
    if (*before < r->level)
        optdef_clear(d, r->a);
    *before = r->level;
    switch (optdef_set(d, r->a, value)) {
    case OPTDEF_OK:
        return true;
    case OPTDEF_WRONG:
        return refuse(r, d, value);
    default:
        return no_memory(r);
    }
}

/* ---- the command line --------------------------------------------------------------------------------------- */

static bool wrong(struct reader *r, const char *text, const char *why) {
    error_set(r->err, 0, "%.100s%s", text, why);
    r->wrong = true;
    return false;
}

/* One option at argv[*i], with its value, which may be the next word. */
static bool read_option(struct reader *r, int argc, char **argv, int *i) {
    const char *arg = argv[*i], *name = arg + 2, *value = NULL;
    size_t len = strcspn(name, "=");
    const struct optdef *d = optdef_find(name, len, (int)r->a->command);

    if (d == NULL)
        return wrong(r, arg, ": no such option; see --help");
    if (name[len] == '=')
        value = name + len + 1;
    if (d->kind == OPTDEF_FLAG && value != NULL)
        return wrong(r, arg, ": takes no value");
    if (d->kind == OPTDEF_FLAG)
        value = "yes";
    if (value == NULL) {
        if (*i + 1 >= argc) {
            error_set(r->err, 0, "--%s needs a value: %s", d->name, d->metavar);
            r->wrong = true;
            return false;
        }
        value = argv[++*i];
    }
    return set(r, d, value);
}

static bool read_command_line(struct reader *r, int argc, char **argv) {
    bool options = true;

    r->level = BY_COMMAND_LINE;
    r->file = NULL;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (!options && r->a->command == ARGS_JOB) {
            if (!string_list_add(&r->a->job.arguments, arg))
                return no_memory(r);
        } else if (options && strcmp(arg, "--") == 0) {
            options = false;
        } else if (options && strcmp(arg, "-h") == 0) {
            r->a->help = true;
        } else if (options && strncmp(arg, "--", 2) == 0) {
            if (!read_option(r, argc, argv, &i))
                return false;
        } else if (options && arg[0] == '-' && arg[1] != '\0') {
            return wrong(r, arg, ": no such option; see --help");
        } else if (!string_list_add(&r->a->words, arg)) {
            return no_memory(r);
        }
    }
    return true;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static bool read_line(void *arg, const char *name, char *value) {
    struct reader *r = arg;
    const struct optdef *d = optdef_find(name, strlen(name), CRAWLING);

    if (d != NULL && d->at != offsetof(struct args, config) && d->help != NULL &&
        d->at != offsetof(struct args, help))
        return set(r, d, value);
    error_set(r->err, 0, "%.200s: %.100s: no such option", r->file, name);
    r->wrong = true;
    return false;
}

static bool read_file(struct reader *r, const char *path, enum level level) {
    r->level = level;
    r->file = path;
    switch (conf_read(path, read_line, r, r->err)) {
    case CONF_OK:
        return true;
    case CONF_ABSENT: /* a new crawl */
        if (level == BY_CRAWL_CONF)
            r->err->text[0] = '\0';
        return level == BY_CRAWL_CONF;
    case CONF_WRONG:
        r->wrong = true;
        return false;
    default:
        return false;
    }
}

/* --config first: it may say which directory. */
static bool read_files(struct reader *r) {
    char path[4096];

    if ((r->a->command & (CRAWLING | ARGS_WHY)) == 0)
        return true;
    if (r->a->config != NULL && !read_file(r, r->a->config, BY_CONFIG))
        return false;
    conf_crawl_path(r->a, path);
    return read_file(r, path, BY_CRAWL_CONF);
}

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

static bool init(struct args *a, enum args_command command) {
    *a = (struct args){.command = command, .transfers = 256, .connect_timeout_ms = 30000};
    a->job.sort_bytes = 64 << 20;
    a->job.timeout_ms = 60000;
    a->job.attempts = 50;
    a->limit = 10;
    return options_init(&a->crawl) && (a->user_agent = strdup(a->crawl.user_agent)) != NULL &&
           (a->dir = strdup(ARGS_DIR_DEFAULT)) != NULL &&
           (a->listen = strdup("tcp://127.0.0.1:7700")) != NULL &&
           (a->http = strdup("127.0.0.1:7780")) != NULL;
}

/* The contact joins the user agent, as is the custom: trawl/0.1 (+https://example.org/bot). */
static bool make_user_agent(struct reader *r) {
    struct args *a = r->a;
    struct buf whole;

    buf_init(&whole, USER_AGENT_BYTES);
    buf_append_str(&whole, a->user_agent);
    if (a->contact != NULL)
        buf_printf(&whole, " (+%s)", a->contact);
    if (whole.failed || whole.len == 0) {
        buf_release(&whole);
        return wrong(r, "--user-agent, --contact", ": too long, or nothing at all");
    }
    free(a->crawl.user_agent);
    a->crawl.user_agent = buf_take(&whole);
    return true;
}

static bool is_ascii(const char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            return false;
    return true;
}

static bool check_words(struct reader *r) {
    const struct args_about *about = args_about(r->a->command);

    if (r->a->words.count >= about->words_min && r->a->words.count <= about->words_max)
        return true;
    if (about->words_max == 0)
        error_set(r->err, 0, "%.100s: trawl %s takes options only", r->a->words.items[0],
                  about->name);
    else
        error_set(r->err, 0, "accepted is: trawl %s [options] %s", about->name, about->words);
    r->wrong = true;
    return false;
}

static bool check_lease(struct reader *r) {
    const struct args *a = r->a;

    if (a->crawl.lease_ms < 3 * (uint64_t)a->crawl.heartbeat_ms) {
        error_set(r->err, 0,
                  "--lease %ums: too short for --heartbeat %ums; accepted is three heartbeats or "
                  "more",
                  a->crawl.lease_ms, a->crawl.heartbeat_ms);
        r->wrong = true;
        return false;
    }
    return true;
}

static bool check_crawl(struct reader *r) {
    struct args *a = r->a;

    if (!is_ascii(a->user_agent) || (a->contact != NULL && !is_ascii(a->contact)))
        return wrong(r, "--user-agent, --contact", ": accepted are printable ASCII characters");
    if (!check_lease(r))
        return false;
    struct scope *scope = scope_new(&a->crawl, r->err); /* says whether the patterns are right */
    r->wrong = scope == NULL;
    scope_free(scope);
    return !r->wrong;
}

static bool check(struct reader *r) {
    const struct args *a = r->a;

    if (a->tls_cert != NULL || a->tls_key != NULL || a->tls_ca != NULL)
        return wrong(r, "--tls-cert, --tls-key, --tls-ca",
                     ": TLS is not in this version; tcp:// on loopback is, and beyond it with "
                     "--insecure");
    if (a->command == ARGS_WORKER && a->master == NULL)
        return wrong(r, "--master ADDR",
                     " is needed: the master's address, such as "
                     "tcp://127.0.0.1:7700");
    return check_words(r) && ((a->command & CRAWLING) == 0 || check_crawl(r)) &&
           (a->command != ARGS_JOB || check_lease(r));
}

enum args_result args_read(struct args *a, enum args_command command, int argc, char **argv,
                           struct error *err) {
    struct reader r = {.a = a, .err = err};
    bool ok = init(a, command) || no_memory(&r);

    ok = ok && read_command_line(&r, argc, argv);
    if (ok && (a->help || a->man))
        return ARGS_OK;
    ok = ok && read_files(&r);
    if (!a->ip_connections_given && a->crawl.ip_connections < a->crawl.host_connections)
        a->crawl.ip_connections = a->crawl.host_connections;
    if (ok && check(&r) && make_user_agent(&r))
        return ARGS_OK;
    return r.wrong ? ARGS_WRONG : ARGS_FAILED;
}

void args_release(struct args *a) {
    char **texts[] = {&a->user_agent, &a->contact, &a->dir,    &a->seeds_file,
                      &a->listen,     &a->http,    &a->config, &a->tls_cert,
                      &a->tls_key,    &a->tls_ca,  &a->master, &a->name};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(*texts[i]);
        *texts[i] = NULL;
    }
    options_release(&a->crawl);
    string_list_release(&a->words);
    string_list_release(&a->job.inputs);
    string_list_release(&a->job.arguments);
    free(a->job.output);
    free(a->job.map);
    free(a->job.reduce);
}
