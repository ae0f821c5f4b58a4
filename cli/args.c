#include "cli/args.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/buf.h"
#include "shared/limits.h"
#include "shared/netaddr.h"
#include "shared/parse.h"

enum kind {
    FLAG,
    TEXT,
    LIST,
    UINT32,
    UINT64,
    DURATION32,
    DURATION64,
    SIZE,
    CHOICE,
    RPC,
    HTTP,
    CIDR
};

enum {
    CRAWLING = ARGS_CRAWL | ARGS_MASTER,
    RUNNING = CRAWLING | ARGS_WORKER,
    ALL = 0x7f,
};

struct def {
    const char *name, *metavar, *fallback, *help;
    enum kind kind;
    int commands;
    size_t at;  /* in struct args */
    bool saved; /* in crawl.conf */
    uint64_t min, max;
    const char *const *choices;
};

#define AT(field) offsetof(struct args, field)

static const char *const scopes[] = {"host", "domain", "prefix", "any", NULL};
static const char *const follows[] = {"links", "all", NULL};
static const char *const obediences[] = {"obey", "ignore", NULL};
static const char *const log_formats[] = {"text", "json", NULL};
static const char *const formats[] = {"jsonl", "csv", "cdxj", "links", NULL};

enum { DAY_MS = 24 * 3600 * 1000 };

static const struct def defs[] = {
    {"dir", "DIR", "./trawl-crawl", "everything of the crawl, or of the worker, lives below it",
     TEXT, RUNNING | ARGS_STATUS | ARGS_CTL, AT(dir), false, 0, 0, NULL},
    {"workers", "N", "cores", "worker processes", UINT32, ARGS_CRAWL, AT(workers), true, 1, 1000,
     NULL},
    {"threads", "N", "cores, shared among local workers", "fetch loops in a worker", UINT32,
     RUNNING, AT(threads), true, 1, LIMIT_WORKER_LOOPS, NULL},
    {"transfers", "N", "256", "transfers at once in a fetch loop", UINT32, RUNNING, AT(transfers),
     true, 1, 65536, NULL},
    {"scope", "host|domain|prefix|any", "host", "which URLs are in scope, seen from the seeds",
     CHOICE, CRAWLING, AT(crawl.scope), true, 0, 0, scopes},
    {"follow", "links|all", "links", "pages and documents, or their images, scripts, styles too",
     CHOICE, CRAWLING, AT(crawl.follow), true, 0, 0, follows},
    {"include", "RE", "none", "a URL must match one of these patterns; repeatable", LIST, CRAWLING,
     AT(crawl.include), true, 0, 0, NULL},
    {"exclude", "RE", "none", "a URL must match none of these patterns; repeatable", LIST, CRAWLING,
     AT(crawl.exclude), true, 0, 0, NULL},
    {"seeds", "FILE", "none", "more URLs, one a line; - is standard input; # comments", TEXT,
     CRAWLING, AT(seeds_file), false, 0, 0, NULL},
    {"max-pages", "N", "none", "end after so many pages", UINT64, CRAWLING, AT(crawl.max_pages),
     true, 1, INT64_MAX, NULL},
    {"max-depth", "N", "none", "links away from a seed; 0: the seeds alone", UINT32, CRAWLING,
     AT(crawl.max_depth), true, 0, 1000000, NULL},
    {"max-time", "T", "none", "end after so long", DURATION64, CRAWLING, AT(crawl.max_time_ms),
     true, 1, PARSE_DURATION_MAX_MS, NULL},
    {"max-bytes", "SIZE", "none", "end after so many body bytes", SIZE, CRAWLING,
     AT(crawl.max_bytes), true, 1, PARSE_SIZE_MAX, NULL},
    {"max-pages-per-host", "N", "none", "no more pages from one origin", UINT64, CRAWLING,
     AT(crawl.max_pages_per_host), true, 1, INT64_MAX, NULL},
    {"delay", "T", "1s", "least time between two requests to an origin", DURATION32, CRAWLING,
     AT(crawl.delay_ms), true, 0, DAY_MS, NULL},
    {"host-connections", "N", "1", "connections to one origin at once", UINT32, CRAWLING,
     AT(crawl.host_connections), true, 1, 65536, NULL},
    {"ip-connections", "N", "4, or --host-connections if that is more",
     "connections to one address at once, over all origins", UINT32, CRAWLING,
     AT(crawl.ip_connections), true, 1, 65536, NULL},
    {"user-agent", "TEXT", "trawl/" TRAWL_VERSION, "what servers see", TEXT, CRAWLING,
     AT(crawl.user_agent), true, 0, 0, NULL},
    {"contact", "URL", "none",
     "where the owner of a server finds out about you; joins the user agent", TEXT, CRAWLING,
     AT(contact), true, 0, 0, NULL},
    {"robots", "obey|ignore", "obey", "robots.txt; ignore is for one's own sites", CHOICE, CRAWLING,
     AT(crawl.robots_ignore), true, 0, 0, obediences},
    {"allow-net", "CIDR", "none",
     "allow addresses outside the public internet, such as 127.0.0.0/8; repeatable", CIDR, CRAWLING,
     AT(crawl.allow_net), true, 0, 0, NULL},
    {"timeout", "T", "30s", "one exchange's limit", DURATION32, CRAWLING, AT(crawl.timeout_ms),
     true, 1, DAY_MS, NULL},
    {"max-body", "SIZE", "10MiB", "one body's cap; longer ones are cut", SIZE, CRAWLING,
     AT(crawl.max_body_bytes), true, 1, UINT64_C(1) << 40, NULL},
    {"retries", "N", "3", "attempts at a URL", UINT32, CRAWLING, AT(crawl.retries), true, 1, 100,
     NULL},
    {"listen", "ADDR", "tcp://127.0.0.1:7700", "where workers connect; port 0 picks a free one",
     RPC, CRAWLING, AT(listen), false, 0, 0, NULL},
    {"http", "ADDR", "127.0.0.1:7780", "status and metrics; off for none; port 0 picks a free one",
     HTTP, CRAWLING, AT(http), false, 0, 0, NULL},
    {"tls-cert", "FILE", "none", "not in this version", TEXT, RUNNING, AT(tls_cert), false, 0, 0,
     NULL},
    {"tls-key", "FILE", "none", "not in this version", TEXT, RUNNING, AT(tls_key), false, 0, 0,
     NULL},
    {"tls-ca", "FILE", "none", "not in this version", TEXT, RUNNING, AT(tls_ca), false, 0, 0, NULL},
    {"insecure", NULL, NULL, "let workers connect without TLS from beyond this machine", FLAG,
     RUNNING | ARGS_STATUS | ARGS_CTL, AT(insecure), false, 0, 0, NULL},
    {"heartbeat", "T", "1s", "how often workers report", DURATION32, CRAWLING,
     AT(crawl.heartbeat_ms), true, 10, DAY_MS, NULL},
    {"lease", "T", "10s", "how long a worker's silence may last; at least three heartbeats",
     DURATION32, CRAWLING, AT(crawl.lease_ms), true, 100, DAY_MS, NULL},
    {"warc-size", "SIZE", "1GiB", "when a segment is sealed", SIZE, CRAWLING, AT(crawl.warc_bytes),
     true, 4096, UINT64_C(1) << 44, NULL},
    {"warc-level", "N", "1", "gzip level of the archive, 1 to 12", UINT32, CRAWLING,
     AT(crawl.warc_level), true, 1, 12, NULL},
    {"keep", NULL, NULL, "stay up when the frontier is empty", FLAG, ARGS_MASTER, AT(crawl.keep),
     false, 0, 0, NULL},
    {"config", "FILE", "none", "the same names in a file, NAME = VALUE; the command line wins",
     TEXT, CRAWLING, AT(config), false, 0, 0, NULL},
    {"master", "ADDR", "tcp://127.0.0.1:7700", "the master's address", RPC,
     ARGS_WORKER | ARGS_STATUS | ARGS_CTL, AT(master), false, 0, 0, NULL},
    {"name", "NAME", "kept in the worker's directory", "the worker's name", TEXT, ARGS_WORKER,
     AT(name), false, 0, 0, NULL},
    {"connect-timeout", "T", "30s",
     "how long the first contact with the master may take; 0: for ever", DURATION32, ARGS_WORKER,
     AT(connect_timeout_ms), false, 0, DAY_MS, NULL},
    {"json", NULL, NULL, "as JSON", FLAG, ARGS_STATUS, AT(json), false, 0, 0, NULL},
    {"format", "jsonl|csv|cdxj|links", "jsonl", "what to write", CHOICE, ARGS_EXPORT, AT(format),
     false, 0, 0, formats},
    {"quiet", NULL, NULL, "no progress, warnings only", FLAG, RUNNING, AT(quiet), false, 0, 0,
     NULL},
    {"verbose", NULL, NULL, "more in the log", FLAG, RUNNING, AT(verbose), false, 0, 0, NULL},
    {"log-format", "text|json", "text", "how logs are written", CHOICE, RUNNING, AT(log_format),
     false, 0, 0, log_formats},
    {"help", NULL, NULL, "this text", FLAG, ALL, AT(help), false, 0, 0, NULL},
    {"man", NULL, NULL, NULL, FLAG, ALL, AT(man), false, 0, 0, NULL},
};

enum { DEFS = sizeof defs / sizeof defs[0] };

/* How strong the place is that a value came from. */
enum level { BY_DEFAULT, BY_CRAWL_CONF, BY_CONFIG, BY_COMMAND_LINE };

struct reader {
    struct args *a;
    enum level level, set[DEFS]; /* where each option was set */
    const char *file;            /* being read; NULL: the command line */
    struct error *err;
    bool wrong;
};

static const struct def *find_def(const char *name, size_t len, int commands) {
    for (size_t i = 0; i < DEFS; i++)
        if ((defs[i].commands & commands) != 0 && strlen(defs[i].name) == len &&
            memcmp(defs[i].name, name, len) == 0)
            return &defs[i];
    return NULL;
}

/* ---- one value -------------------------------------------------------------------------------------------- */

static void accepted(const struct def *d, char out[160]) {
    switch (d->kind) {
    case UINT32:
    case UINT64:
        snprintf(out, 160, "a number from %llu to %llu", (unsigned long long)d->min,
                 (unsigned long long)d->max);
        break;
    case DURATION32:
    case DURATION64:
        snprintf(out, 160, "%s%s", PARSE_DURATION_ACCEPTED, d->min > 1 ? ", not that short" : "");
        break;
    case SIZE:
        snprintf(out, 160, "%s", PARSE_SIZE_ACCEPTED);
        break;
    case RPC:
        snprintf(out, 160, "%s", PARSE_RPC_ADDRESS_ACCEPTED);
        break;
    case HTTP:
        snprintf(out, 160, "off, or %s", PARSE_HOST_PORT_ACCEPTED);
        break;
    case CIDR:
        snprintf(out, 160, "%s", NETADDR_CIDR_ACCEPTED);
        break;
    case CHOICE:
        snprintf(out, 160, "one of %s", d->metavar);
        break;
    default:
        snprintf(out, 160, "a value");
        break;
    }
}

static bool refuse(struct reader *r, const struct def *d, const char *value) {
    char what[160];

    accepted(d, what);
    if (r->file == NULL)
        error_set(r->err, 0, "--%s %.100s: not valid; accepted is %s", d->name, value, what);
    else
        error_set(r->err, 0, "%.150s: %s = %.100s: not valid; accepted is %s", r->file, d->name,
                  value, what);
    r->wrong = true;
    return false;
}

static bool set_text(struct reader *r, char **at, const char *value) {
    char *copy = strdup(value);

    if (copy == NULL) {
        error_set(r->err, 0, "out of memory");
        return false;
    }
    free(*at);
    *at = copy;
    return true;
}

static bool set_list(struct reader *r, const struct def *d, struct string_list *at,
                     const char *value) {
    if (r->set[d - defs] < r->level)
        string_list_release(at);
    if (string_list_add(at, value))
        return true;
    error_set(r->err, 0, "out of memory");
    return false;
}

static bool parse_number(const struct def *d, const char *value, uint64_t *n) {
    switch (d->kind) {
    case DURATION32:
    case DURATION64:
        return parse_duration_ms(value, n) && *n >= d->min && *n <= d->max;
    case SIZE:
        return parse_size(value, n) && *n >= d->min && *n <= d->max;
    default:
        return parse_uint(value, d->min, d->max, n);
    }
}

static bool set_choice(struct reader *r, const struct def *d, void *at, const char *value) {
    for (unsigned i = 0; d->choices[i] != NULL; i++) {
        if (strcmp(d->choices[i], value) != 0)
            continue;
        if (d->choices == obediences)
            *(bool *)at = i == 1;
        else
            memcpy(at, &i, sizeof i);
        return true;
    }
    return refuse(r, d, value);
}

static bool set_address(struct reader *r, const struct def *d, char **at, const char *value) {
    struct parse_address address;
    enum parse_address_use use = strcmp(d->name, "master") == 0 ? PARSE_DIAL : PARSE_LISTEN;

    if (d->kind == HTTP && strcmp(value, "off") == 0)
        return set_text(r, at, value);
    if (d->kind == HTTP ? !parse_host_port(value, use, &address)
                        : !parse_rpc_address(value, use, &address))
        return refuse(r, d, value);
    return set_text(r, at, value);
}

static bool set_cidr(struct reader *r, const struct def *d, struct string_list *at,
                     const char *value) {
    struct netaddr_policy policy;
    bool ok;

    netaddr_policy_init(&policy);
    ok = netaddr_policy_allow(&policy, value, NULL);
    netaddr_policy_release(&policy);
    return ok ? set_list(r, d, at, value) : refuse(r, d, value);
}

static bool set_number(struct reader *r, const struct def *d, void *at, const char *value) {
    uint64_t n;

    if (!parse_number(d, value, &n))
        return refuse(r, d, value);
    if (d->kind == UINT32 || d->kind == DURATION32)
        *(uint32_t *)at = (uint32_t)n;
    else
        *(uint64_t *)at = n;
    return true;
}

static bool set_flag(struct reader *r, const struct def *d, bool *at, const char *value) {
    *at = value == NULL || strcmp(value, "yes") == 0;
    if (value == NULL || *at || strcmp(value, "no") == 0)
        return true;
    return refuse(r, d, value);
}

static bool set(struct reader *r, const struct def *d, const char *value) {
    void *at = (char *)r->a + d->at;
    bool ok;

    if (r->set[d - defs] > r->level)
        return true;
    switch (d->kind) {
    case FLAG:
        ok = set_flag(r, d, at, value);
        break;
    case TEXT:
        ok = set_text(r, at, value);
        break;
    case LIST:
        ok = set_list(r, d, at, value);
        break;
    case CHOICE:
        ok = set_choice(r, d, at, value);
        break;
    case RPC:
    case HTTP:
        ok = set_address(r, d, at, value);
        break;
    case CIDR:
        ok = set_cidr(r, d, at, value);
        break;
    default:
        ok = set_number(r, d, at, value);
        break;
    }
    r->set[d - defs] = r->level;
    if (ok && strcmp(d->name, "max-depth") == 0)
        r->a->crawl.max_depth_set = true;
    if (ok && strcmp(d->name, "ip-connections") == 0)
        r->a->ip_connections_given = true;
    return ok;
}

/* ---- the command line --------------------------------------------------------------------------------------- */

static bool unknown(struct reader *r, const char *arg) {
    error_set(r->err, 0, "%.100s: no such option; see --help", arg);
    r->wrong = true;
    return false;
}

/* One option at argv[*i], with its value, which may be the next word. */
static bool read_option(struct reader *r, int argc, char **argv, int *i) {
    const char *arg = argv[*i], *name = arg + 2, *value = NULL;
    size_t len = strcspn(name, "=");
    const struct def *d = find_def(name, len, (int)r->a->command);

    if (d == NULL)
        return unknown(r, arg);
    if (name[len] == '=')
        value = name + len + 1;
    if (d->kind == FLAG && value != NULL) {
        error_set(r->err, 0, "--%s takes no value", d->name);
        r->wrong = true;
        return false;
    }
    if (d->kind != FLAG && value == NULL) {
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
        if (options && strcmp(arg, "--") == 0) {
            options = false;
        } else if (options && strcmp(arg, "-h") == 0) {
            r->a->help = true;
        } else if (options && strncmp(arg, "--", 2) == 0) {
            if (!read_option(r, argc, argv, &i))
                return false;
        } else if (options && arg[0] == '-' && arg[1] != '\0') {
            return unknown(r, arg);
        } else if (!string_list_add(&r->a->words, arg)) {
            error_set(r->err, 0, "out of memory");
            return false;
        }
    }
    return true;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static int on_line(void *arg, const char *section, const char *name, const char *value) {
    struct reader *r = arg;
    const struct def *d = find_def(name, strlen(name), CRAWLING);

    (void)section;
    if (r->err->text[0] != '\0')
        return 0;
    if (d == NULL || strcmp(name, "config") == 0) {
        error_set(r->err, 0, "%.200s: %.100s: no such option", r->file, name);
        r->wrong = true;
        return 0;
    }
    return set(r, d, value);
}

static bool read_file(struct reader *r, const char *path, enum level level, bool must_exist) {
    FILE *f = fopen(path, "re");
    int line;

    if (f == NULL) {
        if (errno == ENOENT && !must_exist)
            return true;
        error_set(r->err, errno, "cannot read %s", path);
        return false;
    }
    r->level = level;
    r->file = path;
    line = ini_parse_file(f, on_line, r);
    fclose(f);
    if (line != 0 && r->err->text[0] == '\0') {
        error_set(r->err, 0, "%s: line %d is not of the form NAME = VALUE", path, line);
        r->wrong = true;
    }
    return line == 0;
}

static void conf_path(const struct args *a, char path[4096]) {
    snprintf(path, 4096, "%s/crawl.conf", a->dir);
}

bool args_crawl_exists(const struct args *a) {
    char path[4096];

    conf_path(a, path);
    return access(path, F_OK) == 0;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

static bool init(struct args *a, enum args_command command) {
    *a = (struct args){.command = command, .transfers = 256, .connect_timeout_ms = 30000};
    return options_init(&a->crawl) && (a->dir = strdup("./trawl-crawl")) != NULL &&
           (a->listen = strdup("tcp://127.0.0.1:7700")) != NULL &&
           (a->http = strdup("127.0.0.1:7780")) != NULL;
}

/* The contact joins the user agent, as is the custom: trawl/0.1 (+https://example.org/bot). */
static bool add_contact(struct args *a) {
    struct buf agent;

    if (a->contact == NULL)
        return true;
    buf_init(&agent, 4096);
    if (!buf_printf(&agent, "%s (+%s)", a->crawl.user_agent, a->contact)) {
        buf_release(&agent);
        return false;
    }
    free(a->crawl.user_agent);
    a->crawl.user_agent = buf_take(&agent);
    return true;
}

static bool printable(const char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            return false;
    return true;
}

static bool check(struct reader *r) {
    struct args *a = r->a;

    r->wrong = true;
    if (a->crawl.lease_ms < 3 * a->crawl.heartbeat_ms) {
        error_set(r->err, 0,
                  "--lease %ums: too short for --heartbeat %ums; accepted is three heartbeats or "
                  "more",
                  a->crawl.lease_ms, a->crawl.heartbeat_ms);
        return false;
    }
    if (!printable(a->crawl.user_agent) || (a->contact != NULL && !printable(a->contact))) {
        error_set(r->err, 0, "--user-agent, --contact: accepted are printable ASCII characters");
        return false;
    }
    if (a->tls_cert != NULL || a->tls_key != NULL || a->tls_ca != NULL) {
        error_set(r->err, 0,
                  "--tls-cert, --tls-key, --tls-ca: TLS is not in this version; tcp:// on loopback "
                  "is, and beyond it with --insecure");
        return false;
    }
    r->wrong = false;
    return true;
}

static enum args_result finish(struct reader *r, bool ok) {
    if (ok)
        return ARGS_OK;
    return r->wrong ? ARGS_WRONG : ARGS_FAILED;
}

enum args_result args_read(struct args *a, enum args_command command, int argc, char **argv,
                           struct error *err) {
    struct reader r = {.a = a, .err = err};
    char path[4096];

    err->text[0] = '\0';
    if (!init(a, command)) {
        error_set(err, 0, "out of memory");
        return ARGS_FAILED;
    }
    if (!read_command_line(&r, argc, argv))
        return finish(&r, false);
    if (a->help || a->man)
        return ARGS_OK;
    if ((command & CRAWLING) != 0) {
        conf_path(a, path);
        if (!read_file(&r, path, BY_CRAWL_CONF, false) ||
            (a->config != NULL && !read_file(&r, a->config, BY_CONFIG, true)))
            return finish(&r, false);
    }
    if (!a->ip_connections_given && a->crawl.ip_connections < a->crawl.host_connections)
        a->crawl.ip_connections = a->crawl.host_connections;
    return finish(&r, check(&r) && add_contact(a));
}

void args_release(struct args *a) {
    char **texts[] = {&a->dir,      &a->seeds_file, &a->listen, &a->http,   &a->config, &a->contact,
                      &a->tls_cert, &a->tls_key,    &a->tls_ca, &a->master, &a->name};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(*texts[i]);
        *texts[i] = NULL;
    }
    options_release(&a->crawl);
    string_list_release(&a->words);
}

/* ---- saving ---------------------------------------------------------------------------------------------------------- */

/* The user agent as it was given, without the contact. */
static void save_text(FILE *f, const struct args *a, const struct def *d, const char *text) {
    int len = (int)strlen(text);

    if (a->contact != NULL && d->at == AT(crawl.user_agent))
        len -= (int)strlen(a->contact) + 4;
    fprintf(f, "%s = %.*s\n", d->name, len, text);
}

static void save_one(FILE *f, const struct args *a, const struct def *d) {
    const void *at = (const char *)a + d->at;
    unsigned choice;

    switch (d->kind) {
    case TEXT:
        if (*(char *const *)at != NULL)
            save_text(f, a, d, *(char *const *)at);
        break;
    case LIST:
    case CIDR:
        for (size_t i = 0; i < ((const struct string_list *)at)->count; i++)
            fprintf(f, "%s = %s\n", d->name, ((const struct string_list *)at)->items[i]);
        break;
    case CHOICE:
        if (d->choices == obediences)
            choice = *(const bool *)at;
        else
            memcpy(&choice, at, sizeof choice);
        fprintf(f, "%s = %s\n", d->name, d->choices[choice]);
        break;
    case UINT32:
        fprintf(f, "%s = %u\n", d->name, *(const uint32_t *)at);
        break;
    case DURATION32:
        fprintf(f, "%s = %ums\n", d->name, *(const uint32_t *)at);
        break;
    case DURATION64:
        fprintf(f, "%s = %llums\n", d->name, (unsigned long long)*(const uint64_t *)at);
        break;
    default:
        fprintf(f, "%s = %llu\n", d->name, (unsigned long long)*(const uint64_t *)at);
        break;
    }
}

/* Options that are not limits at all are left out: there is no text for "none". */
static bool unset(const struct args *a, const struct def *d) {
    const char *at = (const char *)a + d->at;

    if (d->at == AT(crawl.max_depth))
        return !a->crawl.max_depth_set;
    if (d->at == AT(crawl.ip_connections))
        return !a->ip_connections_given;
    if (d->min == 0)
        return false;
    if (d->kind == UINT32 || d->kind == DURATION32)
        return *(const uint32_t *)(const void *)at == 0;
    return (d->kind == UINT64 || d->kind == DURATION64 || d->kind == SIZE) &&
           *(const uint64_t *)(const void *)at == 0;
}

bool args_save(const struct args *a, struct error *err) {
    char path[4096], tmp[4104];
    FILE *f;
    bool ok;

    conf_path(a, path);
    snprintf(tmp, sizeof tmp, "%s.tmp", path);
    f = fopen(tmp, "we");
    if (f == NULL) {
        error_set(err, errno, "cannot write %s", tmp);
        return false;
    }
    fprintf(f, "; The options of this crawl. Run trawl again on its directory to resume.\n");
    for (size_t i = 0; i < DEFS; i++)
        if (defs[i].saved && !unset(a, &defs[i]))
            save_one(f, a, &defs[i]);
    ok = fflush(f) == 0 && fsync(fileno(f)) == 0;
    ok = fclose(f) == 0 && ok;
    if (ok && rename(tmp, path) == 0)
        return true;
    error_set(err, errno, "cannot write %s", path);
    unlink(tmp);
    return false;
}

/* ---- help --------------------------------------------------------------------------------------------------------------- */

struct about {
    enum args_command command;
    const char *name, *words, *what;
};

static const struct about abouts[] = {
    {ARGS_CRAWL, "crawl", "[URL...]",
     "Crawl on this machine: one master and several worker processes, until the frontier is empty "
     "or a limit is reached. Run again on the same --dir, it resumes."},
    {ARGS_MASTER, "master", "[URL...]",
     "A master alone; workers connect to it with `trawl worker`. It ends when the frontier is "
     "empty "
     "or a limit is reached."},
    {ARGS_WORKER, "worker", "",
     "A worker alone. What to crawl and how politely comes from the master. It reconnects by "
     "itself, "
     "and exits when the crawl is done."},
    {ARGS_STATUS, "status", "", "What a running crawl does."},
    {ARGS_CTL, "ctl", "pause|resume|stop|add URL...|drain WORKER|forget WORKER",
     "Steer a running crawl. drain: that worker finishes and leaves. forget: that worker's disk is "
     "gone; what only it had is fetched again."},
    {ARGS_EXPORT, "export", "DIR", "The crawl's outcome on standard output."},
    {ARGS_VERIFY, "verify", "DIR",
     "Audit the archive against the crawldb; exit 0 only when they agree."},
};

static const struct about *about(enum args_command command) {
    size_t i = 0;

    while (abouts[i].command != command)
        i++;
    return &abouts[i];
}

void args_help(enum args_command command, FILE *to) {
    const struct about *b = about(command);

    fprintf(to, "usage: trawl %s [options] %s\n\n%s\n\noptions:\n", b->name, b->words, b->what);
    for (size_t i = 0; i < DEFS; i++) {
        const struct def *d = &defs[i];
        char left[80];
        if ((d->commands & (int)command) == 0 || d->help == NULL)
            continue;
        snprintf(left, sizeof left, "--%s%s%s", d->name, d->metavar == NULL ? "" : " ",
                 d->metavar == NULL ? "" : d->metavar);
        fprintf(to, "  %-34s %s", left, d->help);
        if (d->fallback != NULL)
            fprintf(to, " [%s]", d->fallback);
        fputc('\n', to);
    }
    fprintf(to, "\nDurations: 500ms, 10s, 5m, 2h. Sizes: 64KiB, 10MiB, 1GiB.\n");
}

void args_man(enum args_command command, FILE *to) {
    const struct about *b = about(command);

    fprintf(to, ".TH TRAWL-%s 1 \"\" \"trawl %s\" \"User Commands\"\n", b->name, TRAWL_VERSION);
    fprintf(to, ".SH NAME\ntrawl-%s \\- a command of trawl, the distributed web crawler\n",
            b->name);
    fprintf(to, ".SH SYNOPSIS\n.B trawl %s\n[options] %s\n.SH DESCRIPTION\n%s\n.SH OPTIONS\n",
            b->name, b->words, b->what);
    for (size_t i = 0; i < DEFS; i++) {
        const struct def *d = &defs[i];
        if ((d->commands & (int)command) == 0 || d->help == NULL)
            continue;
        fprintf(to, ".TP\n.B \\-\\-%s %s\n%s", d->name, d->metavar == NULL ? "" : d->metavar,
                d->help);
        if (d->fallback != NULL)
            fprintf(to, " (default: %s)", d->fallback);
        fputc('\n', to);
    }
    fprintf(to, ".SH EXIT STATUS\n0 done, or stopped cleanly; 1 something failed; 2 wrong usage; "
                "130 interrupted twice.\n.SH SEE ALSO\n.BR trawl (1)\n");
}
