#include "shared/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void error_set(struct error *err, int errno_value, const char *fmt, ...) {
    va_list args;
    char reason[128];

    if (err == NULL)
        return;
    err->errno_value = errno_value;
    va_start(args, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    if (errno_value == 0 || n < 0 || (size_t)n >= sizeof err->text)
        return;
    const char *why = strerror_r(errno_value, reason, sizeof reason);
    snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", why);
}
