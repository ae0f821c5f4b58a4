/*
 * log: one line an event, to a file or standard error.
 *
 *     log_init(&(struct log_config){.path = "trawl.log", .format = LOG_TEXT, .level = LOG_INFO}, &err);
 *     log_info("lease", "worker %s lost", name);
 *     log_event(LOG_WARN, "fetch", "slow origin", log_str("origin", o), log_int("ms", ms));
 *     log_close();
 *
 *     text  2024-05-01T12:00:00.123Z WARN  fetch: slow origin origin=https://a.example ms=31000
 *     json  {"time":"2024-05-01T12:00:00.123Z","level":"warn","component":"fetch","message":"slow origin",...}
 *
 * Times are UTC (RFC 3339, milliseconds). Whatever stands in a message or a value may come from the web: control
 * bytes, backslashes and what is not valid UTF-8 come out as escapes (\n, \x1b, \u202e), so a line is always
 * one line and never a terminal command. Field values with a space, '"' or '=' are quoted in text. A line is cut at
 * LOG_LINE_BYTES, and says so (" ...", "cut":true).
 *
 * Any thread may log: a line is one write() to a descriptor opened with O_APPEND, without a lock or malloc().
 * log_init() and log_close() belong to main, before and after the threads. Before log_init() lines of
 * LOG_INFO and above go to standard error as text. A line that cannot be written is dropped and counted.
 */
#ifndef TRAWL_SHARED_LOG_H
#define TRAWL_SHARED_LOG_H

#include "shared/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_LINE_BYTES = 4096 };

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_config {
    const char *path; /* appended to; NULL: standard error */
    enum log_format format;
    enum log_level level; /* the least that is written */
};

bool log_init(const struct log_config *config, struct error *err);
void log_close(void);
void log_set_level(enum log_level level); /* any thread */
bool log_enabled(enum log_level level);
uint64_t log_dropped(void);
/* "debug" "info" "warn" "error" "off"; "text" "json". False: no such name. */
bool log_level_parse(const char *name, enum log_level *level);
bool log_format_parse(const char *name, enum log_format *format);

/* `component`: a short lower-case word, constant. */
#define log_debug(component, ...) log_message(LOG_DEBUG, component, __VA_ARGS__)
#define log_info(component, ...) log_message(LOG_INFO, component, __VA_ARGS__)
#define log_warn(component, ...) log_message(LOG_WARN, component, __VA_ARGS__)
#define log_error(component, ...) log_message(LOG_ERROR, component, __VA_ARGS__)
void log_message(enum log_level level, const char *component, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A key=value pair. Keys are constant words; values are copied out at once. */
struct log_field {
    const char *key; /* NULL ends the list */
    enum { LOG_FIELD_BYTES, LOG_FIELD_INT, LOG_FIELD_UINT } kind;
    const char *bytes;
    size_t len;
    int64_t i;
    uint64_t u;
};
struct log_field log_str(const char *key, const char *value); /* NULL: empty */
struct log_field log_bytes(const char *key, const void *value, size_t len);
struct log_field log_int(const char *key, int64_t value);
struct log_field log_uint(const char *key, uint64_t value);

/* A message with fields behind it. */
#define log_event(level, component, message, ...)                                                  \
    log_fields(level, component, message, (const struct log_field[]){__VA_ARGS__, {.key = NULL}})
void log_fields(enum log_level level, const char *component, const char *message,
                const struct log_field *fields);

#endif
