/*
 * args: what a command was asked to do: its options (optdef.h) and words.
 *
 * What counts, from weak to strong: the default, DIR/crawl.conf (what the crawl was started with), --config
 * FILE, the command line. A list that is given in a stronger place replaces the weaker one whole.
 *
 * A wrong value is told with the option, the value and what is accepted.
 */
#ifndef TRAWL_CLI_ARGS_H
#define TRAWL_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "shared/log.h"
#include "shared/options.h"

#define ARGS_DIR_DEFAULT "./trawl-crawl"

enum args_command {
    ARGS_CRAWL = 1 << 0,
    ARGS_MASTER = 1 << 1,
    ARGS_WORKER = 1 << 2,
    ARGS_STATUS = 1 << 3,
    ARGS_CTL = 1 << 4,
    ARGS_EXPORT = 1 << 5,
    ARGS_VERIFY = 1 << 6,
    ARGS_WHY = 1 << 7,
    ARGS_JOB = 1 << 8,
    ARGS_SEARCH = 1 << 9,
};

enum args_format { FORMAT_JSONL, FORMAT_CSV, FORMAT_CDXJ, FORMAT_LINKS };

struct args {
    enum args_command command;
    struct options crawl; /* its user_agent is made of the two here */
    char *user_agent, *contact;
    bool ip_connections_given;
    char *dir, *seeds_file, *listen, *http, *config;
    char *tls_cert, *tls_key, *tls_ca;
    bool insecure;
    uint32_t workers, threads, transfers; /* workers, threads 0: by the number of cores */
    char *master, *name;                  /* NULL: not given */
    uint32_t tasks;                       /* 0: a worker that fetches */
    char *serve;                          /* NULL: not given */
    uint32_t connect_timeout_ms;
    bool quiet, verbose, json;
    uint32_t limit; /* results of a search */
    enum log_format log_format;
    enum args_format format;
    bool help, man;
    struct {
        struct string_list inputs;
        char *output, *map, *reduce;
        bool shell, no_backup;
        uint32_t reduces, timeout_ms, attempts; /* reduces 0: as many as workers */
        uint64_t sort_bytes, split_bytes;       /* split_bytes 0: by kind */
        struct string_list arguments;           /* what stands behind -- */
    } job;
    struct string_list words; /* what is not an option: URLs, a directory, verbs */
};

enum args_result { ARGS_OK, ARGS_WRONG, ARGS_FAILED };

/* Reads argv[1..] for `command`, with the configuration files. WRONG: bad usage (exit 2), FAILED: a file cannot
 * be read or no memory (exit 1); `err` has the line. args_release() in any case. */
enum args_result args_read(struct args *a, enum args_command command, int argc, char **argv,
                           struct error *err);
void args_release(struct args *a);

/* The commands, for help. */
struct args_about {
    enum args_command command;
    const char *name;
    const char *words; /* what may stand beside options */
    size_t words_min, words_max;
    const char *brief, *what;
};
enum { ARGS_COMMANDS = 10 };
extern const struct args_about args_commands[ARGS_COMMANDS];
const struct args_about *args_about(enum args_command command);

#endif
