#include "cli/seeds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/text_file.h"
#include "shared/limits.h"
#include "shared/url.h"

static bool is_url(const char *text) {
    struct url u;

    url_init(&u);
    bool ok = url_parse_octets(&u, text, strlen(text), NULL) == URL_OK && url_is_http(&u);
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

/* Behind a blank, '#' begins a comment. */
static void cut_comment(char *line) {
    for (char *p = line; *p != '\0'; p++)
        if (*p == '#' && (p == line || p[-1] == ' ' || p[-1] == '\t')) {
            *p = '\0';
            return;
        }
}

/* The length of the blank at `p`; a no-break space comes along from what was copied. */
static size_t blank_length(const char *p) {
    return *p != '\0' && strchr(" \t\r\n\f\v", *p) != NULL ? 1
           : strncmp(p, "\xc2\xa0", 2) == 0                ? 2
                                                           : 0;
}

static char *trim(char *line) {
    char *end;

    while (blank_length(line) > 0)
        line += blank_length(line);
    end = line;
    for (char *p = line; *p != '\0';) {
        size_t blank = blank_length(p);
        p += blank > 0 ? blank : 1;
        end = blank > 0 ? end : p;
    }
    *end = '\0';
    return line;
}

static int add_line(char *line, struct string_list *to, const char *path, unsigned number,
                    struct error *err) {
    cut_comment(line);
    const char *text = trim(line);

    if (text[0] == '\0')
        return 0;
    /* The URL parser would join what a tab separates. */
    if (strlen(text) > LIMIT_URL_BYTES || strchr(text, '\t') != NULL || !is_url(text)) {
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

static int read_lines(struct text_file *t, struct string_list *to, const char *path,
                      struct error *err) {
    char *line;
    int code = 0;

    while (code == 0 && (line = text_file_line(t)) != NULL)
        code = add_line(line, to, path, t->number, err);
    return code;
}

int seeds_read(const char *path, struct string_list *to, struct error *err) {
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    struct text_file t;

    if (f == NULL) {
        error_set(err, errno, "cannot read %s", path);
        return 1;
    }
    int code = text_file_read(&t, f, path, err) ? read_lines(&t, to, path, err) : 1;
    text_file_release(&t);
    if (f != stdin)
        fclose(f);
    return code;
}
