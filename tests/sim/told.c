#include "tests/sim/told.h"

void told_note(FILE *trace, int64_t now_ms, const char *fmt, va_list args) {
    if (trace == NULL)
        return;
    fprintf(trace, "%9.3f ", (double)now_ms / 1000);
    vfprintf(trace, fmt, args);
    fputc('\n', trace);
}

bool told_broken(char *why, size_t why_size, const char *fmt, va_list args) {
    if (why[0] != '\0')
        return false;
    vsnprintf(why, why_size, fmt, args);
    return true;
}
