#include "cli/optdef.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/limits.h"
#include "shared/netaddr.h"
#include "shared/parse.h"

enum {
    CRAWLING = ARGS_CRAWL | ARGS_MASTER,
    RUNNING = CRAWLING | ARGS_WORKER,
    ASKING = ARGS_STATUS | ARGS_CTL | ARGS_WHY | ARGS_JOB,
    ALL = 0x3ff,
    DAY_MS = 24 * 3600 * 1000,
};

static const char *const scopes[] = {"host", "domain", "prefix", "any", NULL};
static const char *const follows[] = {"links", "all", NULL};
static const char *const obediences[] = {"obey", "ignore", NULL};
static const char *const sitemaps[] = {"robots", "off", NULL};
static const char *const cookies[] = {"off", "visit", NULL};
static const char *const orders[] = {"ignore", "keep", NULL};
static const char *const log_formats[] = {"text", "json", NULL};
static const char *const formats[] = {"jsonl", "csv", "cdxj", "links", NULL};

#define AT(field) .at = offsetof(struct args, field)
#define GIVEN(field) .given_at = offsetof(struct args, field)

const struct optdef optdefs[] = {
    {"dir", "DIR", "./trawl-crawl", "everything of the crawl, or of the worker, lives below it",
     OPTDEF_TEXT, RUNNING | ASKING, AT(dir)},
    {"workers", "N", "cores", "worker processes", OPTDEF_UINT32, ARGS_CRAWL | ARGS_JOB, AT(workers),
     .saved = true, .min = 1, .max = 1000},
    {"threads", "N", "cores, shared among local workers", "fetch loops in a worker", OPTDEF_UINT32,
     RUNNING, AT(threads), .saved = true, .min = 1, .max = LIMIT_WORKER_LOOPS},
    {"transfers", "N", "256", "transfers at once in a fetch loop", OPTDEF_UINT32, RUNNING,
     AT(transfers), .saved = true, .min = 1, .max = 65536},
    {"scope", "host|domain|prefix|any", "host", "which URLs are in scope, seen from the seeds",
     OPTDEF_CHOICE, CRAWLING, AT(crawl.scope), .saved = true, .choices = scopes},
    {"follow", "links|all", "links", "pages and documents, or their images, scripts, styles too",
     OPTDEF_CHOICE, CRAWLING, AT(crawl.follow), .saved = true, .choices = follows},
    {"include", "RE", "none", "a URL must match one of these patterns; repeatable", OPTDEF_LIST,
     CRAWLING, AT(crawl.include), .saved = true},
    {"exclude", "RE", "none", "a URL must match none of these patterns; repeatable", OPTDEF_LIST,
     CRAWLING, AT(crawl.exclude), .saved = true},
    {"seeds", "FILE", "none", "more URLs, one a line; - is standard input; # comments", OPTDEF_TEXT,
     CRAWLING, AT(seeds_file)},
    {"sitemap", "URL", "none",
     "a sitemap, its index or a feed: the URLs in it that are in scope are crawled; repeatable",
     OPTDEF_LIST, CRAWLING, AT(crawl.sitemaps), .saved = true},
    {"sitemaps", "robots|off", "robots",
     "read the sitemaps that robots.txt names and links lead to, or only those of --sitemap",
     OPTDEF_EITHER, CRAWLING, AT(crawl.sitemaps_off), .saved = true, .choices = sitemaps},
    {"max-pages", "N", "none", "end after so many pages", OPTDEF_UINT64, CRAWLING,
     AT(crawl.max_pages), .saved = true, .min = 1, .max = INT64_MAX},
    {"max-depth", "N", "none", "links away from a seed; 0: the seeds alone", OPTDEF_UINT32,
     CRAWLING, AT(crawl.max_depth), .saved = true, .max = 1000000, GIVEN(crawl.max_depth_set)},
    {"max-time", "T", "none", "end after so long", OPTDEF_DURATION64, CRAWLING,
     AT(crawl.max_time_ms), .saved = true, .min = 1, .max = PARSE_DURATION_MAX_MS},
    {"max-bytes", "SIZE", "none", "end after so many body bytes", OPTDEF_SIZE, CRAWLING,
     AT(crawl.max_bytes), .saved = true, .min = 1, .max = PARSE_SIZE_MAX},
    {"max-pages-per-host", "N", "none", "no more pages from one origin", OPTDEF_UINT64, CRAWLING,
     AT(crawl.max_pages_per_host), .saved = true, .min = 1, .max = INT64_MAX},
    {"max-url-length", "N", "2048", "exclude longer URLs; 0: no limit", OPTDEF_UINT32, CRAWLING,
     AT(crawl.max_url_length), .saved = true, .max = LIMIT_URL_BYTES},
    {"max-path-depth", "N", "20", "exclude paths of more segments; 0: no limit", OPTDEF_UINT32,
     CRAWLING, AT(crawl.max_path_depth), .saved = true, .max = LIMIT_URL_BYTES},
    {"max-repeats", "N", "3",
     "exclude paths with one segment more often, wherever (/a/b/a/c/a); 0: no limit", OPTDEF_UINT32,
     CRAWLING, AT(crawl.max_repeats), .saved = true, .max = LIMIT_URL_BYTES},
    {"max-query-params", "N", "32", "exclude queries of more parameters; 0: no limit",
     OPTDEF_UINT32, CRAWLING, AT(crawl.max_query_params), .saved = true, .max = LIMIT_URL_BYTES},
    {"max-per-template", "N", "0",
     "exclude URLs when so many are known that differ only in numbers and ids (/cal/2024/05); "
     "0: no limit",
     OPTDEF_UINT32, CRAWLING, AT(crawl.max_per_template), .saved = true, .max = UINT32_MAX},
    {"query-order", "ignore|keep", "ignore",
     "exclude a URL when its parameters are known in another order, or keep all orders",
     OPTDEF_EITHER, CRAWLING, AT(crawl.query_order_keep), .saved = true, .choices = orders},
    {"strip-tracking", NULL, NULL, "take utm_*, gclid, fbclid and the like from the URLs of links",
     OPTDEF_FLAG, CRAWLING, AT(crawl.strip_tracking), .saved = true},
    {"delay", "T", "1s", "least time between two requests to an origin", OPTDEF_DURATION32,
     CRAWLING, AT(crawl.delay_ms), .saved = true, .max = DAY_MS},
    {"host-connections", "N", "1", "connections to one origin at once", OPTDEF_UINT32, CRAWLING,
     AT(crawl.host_connections), .saved = true, .min = 1, .max = 65536},
    {"ip-connections", "N", "4, or --host-connections if that is more",
     "connections to one address at once, over all origins", OPTDEF_UINT32, CRAWLING,
     AT(crawl.ip_connections), .saved = true, .min = 1, .max = 65536, GIVEN(ip_connections_given)},
    {"user-agent", "TEXT", "trawl/" TRAWL_VERSION, "what servers see", OPTDEF_TEXT, CRAWLING,
     AT(user_agent), .saved = true},
    {"contact", "URL", "none",
     "where the owner of a server finds out about you; joins the user agent", OPTDEF_TEXT, CRAWLING,
     AT(contact), .saved = true},
    {"recrawl", NULL, NULL,
     "crawl again all that a finished crawl in --dir knows, asking servers only for what has "
     "changed; amid that, resume",
     OPTDEF_FLAG, CRAWLING, AT(crawl.recrawl)},
    {"robots", "obey|ignore", "obey", "robots.txt; ignore is for one's own sites", OPTDEF_EITHER,
     CRAWLING, AT(crawl.robots_ignore), .saved = true, .choices = obediences},
    {"cookies", "visit|off", "off",
     "send an origin's cookies back to it until the visit ends, or send none", OPTDEF_EITHER,
     CRAWLING, AT(crawl.cookies), .saved = true, .choices = cookies},
    {"allow-net", "CIDR", "none",
     "allow addresses outside the public internet, such as 127.0.0.0/8; repeatable", OPTDEF_CIDR,
     CRAWLING, AT(crawl.allow_net), .saved = true},
    {"timeout", "T", "30s", "one exchange's limit", OPTDEF_DURATION32, CRAWLING,
     AT(crawl.timeout_ms), .saved = true, .min = 1, .max = DAY_MS},
    {"max-body", "SIZE", "10MiB",
     "one body's cap; longer ones are cut (a sitemap's is 50MiB at least)", OPTDEF_SIZE, CRAWLING,
     AT(crawl.max_body_bytes), .saved = true, .min = 1, .max = UINT64_C(1) << 40},
    {"retries", "N", "3", "attempts at a URL", OPTDEF_UINT32, CRAWLING, AT(crawl.retries),
     .saved = true, .min = 1, .max = 100},
    {"listen", "ADDR", "tcp://127.0.0.1:7700", "where workers connect; port 0 picks a free one",
     OPTDEF_LISTEN, CRAWLING, AT(listen)},
    {"http", "ADDR", "127.0.0.1:7780",
     "status page and metrics; off for none; port 0 picks a free one", OPTDEF_HTTP, CRAWLING,
     AT(http)},
    {"tls-cert", "FILE", "none", "not in this version", OPTDEF_TEXT, RUNNING, AT(tls_cert)},
    {"tls-key", "FILE", "none", "not in this version", OPTDEF_TEXT, RUNNING, AT(tls_key)},
    {"tls-ca", "FILE", "none", "not in this version", OPTDEF_TEXT, RUNNING, AT(tls_ca)},
    {"insecure", NULL, NULL, "let workers connect without TLS from beyond this machine",
     OPTDEF_FLAG, RUNNING | ASKING, AT(insecure)},
    {"heartbeat", "T", "1s", "how often workers report", OPTDEF_DURATION32, CRAWLING | ARGS_JOB,
     AT(crawl.heartbeat_ms), .saved = true, .min = 10, .max = DAY_MS},
    {"lease", "T", "10s", "how long a worker's silence may last; at least three heartbeats",
     OPTDEF_DURATION32, CRAWLING | ARGS_JOB, AT(crawl.lease_ms), .saved = true, .min = 100,
     .max = DAY_MS},
    {"warc-size", "SIZE", "1GiB", "when a segment is sealed", OPTDEF_SIZE, CRAWLING,
     AT(crawl.warc_bytes), .saved = true, .min = 4096, .max = UINT64_C(1) << 44},
    {"warc-level", "N", "1", "gzip level of the archive, 1 to 12", OPTDEF_UINT32, CRAWLING,
     AT(crawl.warc_level), .saved = true, .min = 1, .max = 12},
    {"keep", NULL, NULL, "stay up when the frontier is empty", OPTDEF_FLAG, ARGS_MASTER,
     AT(crawl.keep)},
    {"config", "FILE", "none", "the same names in a file, NAME = VALUE; the command line wins",
     OPTDEF_TEXT, CRAWLING, AT(config)},
    {"master", "ADDR", "that of the crawl in --dir, or tcp://127.0.0.1:7700",
     "the master's address; a worker has to be told", OPTDEF_DIAL, ARGS_WORKER | ASKING,
     AT(master)},
    {"name", "NAME", "kept in the worker's directory", "the worker's name", OPTDEF_TEXT,
     ARGS_WORKER, AT(name)},
    {"tasks", "N", "none: it fetches", "run so many MapReduce tasks at once, and fetch nothing",
     OPTDEF_UINT32, ARGS_WORKER, AT(tasks), .min = 1, .max = LIMIT_WORKER_TASKS},
    {"serve", "ADDR", "an address that leads to the master, and a free port",
     "with --tasks: where reducers fetch what its map tasks made", OPTDEF_LISTEN, ARGS_WORKER,
     AT(serve)},
    {"connect-timeout", "T", "30s",
     "how long the first contact with the master may take; 0: for ever", OPTDEF_DURATION32,
     ARGS_WORKER, AT(connect_timeout_ms), .max = DAY_MS},
    {"json", NULL, NULL, "as JSON", OPTDEF_FLAG, ARGS_STATUS | ARGS_WHY | ARGS_JOB | ARGS_SEARCH,
     AT(json)},
    {"limit", "N", "10", "how many pages to show, the best first", OPTDEF_UINT32, ARGS_SEARCH,
     AT(limit), .min = 1, .max = 10000},
    {"input", "DIR|FILE", "none",
     "a crawl's directory, a directory of files, an archive or a file; repeatable", OPTDEF_LIST,
     ARGS_JOB, AT(job.inputs)},
    {"output", "DIR", "DIR/jobs/NAME of a crawl, else ./NAME.out",
     "where part-NNNNN appear; new or empty", OPTDEF_TEXT, ARGS_JOB, AT(job.output)},
    {"map", "CMD", "none", "a command as map function: records in, KEY TAB VALUE out", OPTDEF_TEXT,
     ARGS_JOB, AT(job.map)},
    {"reduce", "CMD", "none", "and one as reduce function: sorted KEY TAB VALUE in, output out",
     OPTDEF_TEXT, ARGS_JOB, AT(job.reduce)},
    {"shell", NULL, NULL, "run them by sh -c", OPTDEF_FLAG, ARGS_JOB, AT(job.shell)},
    {"reduces", "R", "the number of workers", "reduce tasks, and so parts of the output",
     OPTDEF_UINT32, ARGS_JOB, AT(job.reduces), .min = 1, .max = LIMIT_JOB_REDUCES},
    {"sort-memory", "SIZE", "64MiB", "what a task may take for sorting; the rest goes to disk",
     OPTDEF_SIZE, ARGS_JOB, AT(job.sort_bytes), .min = 1 << 20, .max = UINT64_C(1) << 40},
    {"split-size", "SIZE", "32MiB of lines, 16MiB of archives", "what one map task reads",
     OPTDEF_SIZE, ARGS_JOB, AT(job.split_bytes), .min = 1, .max = PARSE_SIZE_MAX},
    {"task-timeout", "T", "60s", "how long a task may be at work without any progress",
     OPTDEF_DURATION32, ARGS_JOB, AT(job.timeout_ms), .min = 100, .max = DAY_MS},
    {"task-attempts", "N", "50", "how often a task may fail before its job does", OPTDEF_UINT32,
     ARGS_JOB, AT(job.attempts), .min = 1, .max = LIMIT_JOB_ATTEMPTS},
    {"no-backup", NULL, NULL, "start no second attempt at a task that takes long", OPTDEF_FLAG,
     ARGS_JOB, AT(job.no_backup)},
    {"format", "jsonl|csv|cdxj|links", "jsonl", "what to write", OPTDEF_CHOICE, ARGS_EXPORT,
     AT(format), .choices = formats},
    {"quiet", NULL, NULL, "no progress, warnings only", OPTDEF_FLAG, RUNNING | ARGS_JOB, AT(quiet)},
    {"verbose", NULL, NULL, "more in the log", OPTDEF_FLAG, RUNNING, AT(verbose)},
    {"log-format", "text|json", "text", "how logs are written", OPTDEF_CHOICE, RUNNING,
     AT(log_format), .choices = log_formats},
    {"help", NULL, NULL, "this text", OPTDEF_FLAG, ALL, AT(help)},
    {"man", NULL, NULL, NULL, OPTDEF_FLAG, ALL, AT(man)},
};

const size_t optdef_count = sizeof optdefs / sizeof optdefs[0];
_Static_assert(sizeof optdefs / sizeof optdefs[0] <= OPTDEF_MAX, "raise OPTDEF_MAX");

const struct optdef *optdef_find(const char *name, size_t len, int commands) {
    for (size_t i = 0; i < optdef_count; i++)
        if ((optdefs[i].commands & commands) != 0 && strlen(optdefs[i].name) == len &&
            memcmp(optdefs[i].name, name, len) == 0)
            return &optdefs[i];
    return NULL;
}

static void *place(const struct optdef *d, struct args *a) {
    return (char *)a + d->at;
}

static const void *const_place(const struct optdef *d, const struct args *a) {
    return (const char *)a + d->at;
}

/* ---- text in --------------------------------------------------------------------------------------------- */

void optdef_accepted(const struct optdef *d, char out[OPTDEF_ACCEPTED_BYTES]) {
    const char *text = NULL;

    switch (d->kind) {
    case OPTDEF_FLAG:
        text = "yes or no";
        break;
    case OPTDEF_TEXT:
    case OPTDEF_LIST:
        text = "text without control characters";
        break;
    case OPTDEF_CIDR:
        text = NETADDR_CIDR_ACCEPTED;
        break;
    case OPTDEF_UINT32:
    case OPTDEF_UINT64:
        snprintf(out, OPTDEF_ACCEPTED_BYTES, "a number from %llu to %llu",
                 (unsigned long long)d->min, (unsigned long long)d->max);
        return;
    case OPTDEF_DURATION32:
    case OPTDEF_DURATION64:
        snprintf(out, OPTDEF_ACCEPTED_BYTES, "%s; from %llums to %llums", PARSE_DURATION_ACCEPTED,
                 (unsigned long long)d->min, (unsigned long long)d->max);
        return;
    case OPTDEF_SIZE:
        snprintf(out, OPTDEF_ACCEPTED_BYTES, "%s; from %llu", PARSE_SIZE_ACCEPTED,
                 (unsigned long long)d->min);
        return;
    case OPTDEF_CHOICE:
    case OPTDEF_EITHER:
        snprintf(out, OPTDEF_ACCEPTED_BYTES, "one of %s", d->metavar);
        return;
    case OPTDEF_DIAL:
    case OPTDEF_LISTEN:
        text = PARSE_RPC_ADDRESS_ACCEPTED;
        break;
    case OPTDEF_HTTP:
        snprintf(out, OPTDEF_ACCEPTED_BYTES, "off, or %s", PARSE_HOST_PORT_ACCEPTED);
        return;
    }
    snprintf(out, OPTDEF_ACCEPTED_BYTES, "%s", text);
}

/* So that a value fits on a line of crawl.conf, and cannot be two. */
static bool is_plain(const char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static enum optdef_result set_text(char **at, const char *value) {
    char *copy = strdup(value);

    if (copy == NULL)
        return OPTDEF_NO_MEMORY;
    free(*at);
    *at = copy;
    return OPTDEF_OK;
}

static bool cidr_valid(const char *value) {
    struct netaddr_policy policy;

    netaddr_policy_init(&policy);
    bool ok = netaddr_policy_allow(&policy, value, NULL);
    netaddr_policy_release(&policy);
    return ok;
}

static bool address_valid(const struct optdef *d, const char *value) {
    struct parse_address address;

    switch (d->kind) {
    case OPTDEF_DIAL:
        return parse_rpc_address(value, PARSE_DIAL, &address);
    case OPTDEF_LISTEN:
        return parse_rpc_address(value, PARSE_LISTEN, &address);
    default:
        return strcmp(value, "off") == 0 || parse_host_port(value, PARSE_LISTEN, &address);
    }
}

static bool parse_number(const struct optdef *d, const char *value, uint64_t *n) {
    switch (d->kind) {
    case OPTDEF_DURATION32:
    case OPTDEF_DURATION64:
        return parse_duration_ms(value, n) && *n >= d->min && *n <= d->max;
    case OPTDEF_SIZE:
        return parse_size(value, n) && *n >= d->min && *n <= d->max;
    default:
        return parse_uint(value, d->min, d->max, n);
    }
}

static bool set_number(const struct optdef *d, void *at, const char *value) {
    uint64_t n;

    if (!parse_number(d, value, &n))
        return false;
    if (d->kind == OPTDEF_UINT32 || d->kind == OPTDEF_DURATION32)
        *(uint32_t *)at = (uint32_t)n;
    else
        *(uint64_t *)at = n;
    return true;
}

static bool set_choice(const struct optdef *d, void *at, const char *value) {
    unsigned i = 0;

    while (d->choices[i] != NULL && strcmp(d->choices[i], value) != 0)
        i++;
    if (d->choices[i] == NULL)
        return false;
    if (d->kind == OPTDEF_EITHER)
        *(bool *)at = i == 1;
    else
        memcpy(at, &i, sizeof i);
    return true;
}

static bool set_flag(bool *at, const char *value) {
    *at = strcmp(value, "yes") == 0;
    return *at || strcmp(value, "no") == 0;
}

static enum optdef_result set_value(const struct optdef *d, void *at, const char *value) {
    switch (d->kind) {
    case OPTDEF_FLAG:
        return set_flag(at, value) ? OPTDEF_OK : OPTDEF_WRONG;
    case OPTDEF_TEXT:
        return set_text(at, value);
    case OPTDEF_CIDR:
        if (!cidr_valid(value))
            return OPTDEF_WRONG;
        return string_list_add(at, value) ? OPTDEF_OK : OPTDEF_NO_MEMORY;
    case OPTDEF_LIST:
        return string_list_add(at, value) ? OPTDEF_OK : OPTDEF_NO_MEMORY;
    case OPTDEF_CHOICE:
    case OPTDEF_EITHER:
        return set_choice(d, at, value) ? OPTDEF_OK : OPTDEF_WRONG;
    case OPTDEF_DIAL:
    case OPTDEF_LISTEN:
    case OPTDEF_HTTP:
        return address_valid(d, value) ? set_text(at, value) : OPTDEF_WRONG;
    default:
        return set_number(d, at, value) ? OPTDEF_OK : OPTDEF_WRONG;
    }
}

enum optdef_result optdef_set(const struct optdef *d, struct args *a, const char *value) {
    /* Paths and programs of a job are in no file of ours. */
    if (d->commands != ARGS_JOB && !is_plain(value))
        return OPTDEF_WRONG;
    enum optdef_result result = set_value(d, place(d, a), value);
    if (result == OPTDEF_OK && d->given_at != 0)
        *(bool *)((char *)a + d->given_at) = true;
    return result;
}

void optdef_clear(const struct optdef *d, struct args *a) {
    if (d->kind == OPTDEF_LIST || d->kind == OPTDEF_CIDR)
        string_list_release(place(d, a));
}

/* ---- text out -------------------------------------------------------------------------------------------- */

static uint64_t number(const struct optdef *d, const struct args *a) {
    if (d->kind == OPTDEF_UINT32 || d->kind == OPTDEF_DURATION32)
        return *(const uint32_t *)const_place(d, a);
    return *(const uint64_t *)const_place(d, a);
}

size_t optdef_values(const struct optdef *d, const struct args *a) {
    switch (d->kind) {
    case OPTDEF_LIST:
    case OPTDEF_CIDR:
        return ((const struct string_list *)const_place(d, a))->count;
    case OPTDEF_TEXT:
    case OPTDEF_DIAL:
    case OPTDEF_LISTEN:
    case OPTDEF_HTTP:
        return *(char *const *)const_place(d, a) != NULL;
    case OPTDEF_FLAG:
    case OPTDEF_CHOICE:
    case OPTDEF_EITHER:
        return 1;
    default: /* 0 where it is out of range: not limited, or by the number of cores */
        if (d->given_at != 0)
            return *(const bool *)((const char *)a + d->given_at);
        return number(d, a) >= d->min;
    }
}

bool optdef_print(const struct optdef *d, const struct args *a, size_t index, struct buf *out) {
    const void *at = const_place(d, a);
    unsigned choice;

    switch (d->kind) {
    case OPTDEF_LIST:
    case OPTDEF_CIDR:
        return buf_append_str(out, ((const struct string_list *)at)->items[index]);
    case OPTDEF_TEXT:
    case OPTDEF_DIAL:
    case OPTDEF_LISTEN:
    case OPTDEF_HTTP:
        return buf_append_str(out, *(char *const *)at);
    case OPTDEF_FLAG:
        return buf_append_str(out, *(const bool *)at ? "yes" : "no");
    case OPTDEF_EITHER:
        return buf_append_str(out, d->choices[*(const bool *)at]);
    case OPTDEF_CHOICE:
        memcpy(&choice, at, sizeof choice);
        return buf_append_str(out, d->choices[choice]);
    case OPTDEF_DURATION32:
    case OPTDEF_DURATION64:
        return buf_printf(out, "%llums", (unsigned long long)number(d, a));
    default:
        return buf_printf(out, "%llu", (unsigned long long)number(d, a));
    }
}
