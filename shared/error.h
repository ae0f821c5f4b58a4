/*
 * error: why something in the environment failed, as one line for a person.
 *
 * Functions that can fail because of the environment (disk, network, a bad option) return false or
 * -1 and fill a `struct error` of the caller's. The text names the thing that failed and, for bad
 * input, what is accepted. Expected outcomes (a dead host, a stale lease) are values, not errors;
 * bugs are assertions.
 */
#ifndef TRAWL_SHARED_ERROR_H
#define TRAWL_SHARED_ERROR_H

struct error {
    int errno_value; /* errno where there was one, else 0 */
    char text[512];  /* one line, no newline */
};

/* Formats `text`; keeps `errno_value` as given (0 for none; then nothing is appended). With an
 * errno
 * ": strerror" is appended. `err` may be NULL. */
void error_set(struct error *err, int errno_value, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
