/* told: what a run tells of itself: a trace, line by line, and the first promise that broke. */
#ifndef TRAWL_TESTS_SIM_TOLD_H
#define TRAWL_TESTS_SIM_TOLD_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* `trace` NULL: nobody listens. */
void told_note(FILE *trace, int64_t now_ms, const char *fmt, va_list args);
/* False: something else broke before, which counts. */
bool told_broken(char *why, size_t why_size, const char *fmt, va_list args);

#endif
