#include "cli/seeds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/limits.h"
#include "shared/url.h"

static bool is_url(const char *text) {
    struct url u;

    url_init(&u);
    bool ok = url_parse(&u, text, strlen(text), NULL) == URL_OK && url_is_http(&u);
    url_release(&u);
    return ok;
}

bool seeds_check(const char *url, struct error *err) {
    if (is_url(url))
        return true;
    error_set(err, 0, "%.200s: not a URL to crawl; accepted is http://HOST/... or https://HOST/...",
              url);
    return false;
}

static char *trim(char *line) {
    line += strspn(line, " \t");
    size_t len = strlen(line);
    while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL)
        len--;
    line[len] = '\0';
    return line;
}

static int add_line(char *line, struct string_list *to, const char *path, unsigned number,
                    struct error *err) {
    const char *text = trim(line);

    if (text[0] == '\0' || text[0] == '#')
        return 0;
    if (strlen(text) > LIMIT_URL_BYTES || !is_url(text)) {
        error_set(err, 0,
                  "%.200s:%u: %.200s: not a URL to crawl; accepted is http://HOST/... or "
                  "https://HOST/..., at most %d bytes",
                  path, number, text, LIMIT_URL_BYTES);
        return 2;
    }
    if (string_list_add(to, text))
        return 0;
    error_set(err, ENOMEM, "cannot keep the seeds");
    return 1;
}

int seeds_read(const char *path, struct string_list *to, struct error *err) {
    char *line = NULL;
    size_t size = 0;
    unsigned number = 0;
    int code = 0;
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");

    if (f == NULL) {
        error_set(err, errno, "cannot read %s", path);
        return 1;
    }
    while (code == 0 && getline(&line, &size, f) >= 0)
        code = add_line(line, to, path, ++number, err);
    if (code == 0 && ferror(f)) {
        error_set(err, errno, "cannot read %s", path);
        code = 1;
    }
    free(line);
    if (f != stdin)
        fclose(f);
    return code;
}
