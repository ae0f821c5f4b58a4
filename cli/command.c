#include "cli/command.h"

#include <stdio.h>

#include "cli/screen.h"

int command_fail(int code, const struct error *err) {
    fputs("trawl: ", stderr);
    screen_text(stderr, err->text);
    fputc('\n', stderr);
    return code;
}
