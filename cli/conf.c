#include "cli/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/optdef.h"
#include "cli/text_file.h"
#include "shared/buf.h"
#include "shared/io.h"

/* Takes the blanks off both ends, in place. */
static char *trim(char *text) {
    size_t len;

    text += strspn(text, " \t");
    len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        len--;
    text[len] = '\0';
    return text;
}

/* NAME and VALUE of a line, which is taken apart. False: it is not of the form. */
static bool split(char *line, char **name, char **value) {
    char *equals = strchr(line, '=');

    if (equals == NULL)
        return false;
    *equals = '\0';
    *name = trim(line);
    *value = trim(equals + 1);
    size_t len = strlen(*value);
    if (len >= 2 && **value == '"' && (*value)[len - 1] == '"') {
        (*value)[len - 1] = '\0';
        ++*value;
    }
    return **name != '\0';
}

static enum conf_result read_lines(struct text_file *t, const char *path,
                                   bool (*line)(void *arg, const char *name, char *value),
                                   void *arg, struct error *err) {
    char *text;

    while ((text = text_file_line(t)) != NULL) {
        bool fits = strlen(text) < CONF_LINE_BYTES;
        char *start = trim(text), *name, *value;
        if (*start == '\0' || *start == '#' || *start == ';')
            continue;
        if (!fits || !split(start, &name, &value)) {
            error_set(err, 0, "%s: line %u is not of the form NAME = VALUE", path, t->number);
            return CONF_WRONG;
        }
        if (!line(arg, name, value))
            return CONF_STOPPED;
    }
    return CONF_OK;
}

enum conf_result conf_read(const char *path, bool (*line)(void *arg, const char *name, char *value),
                           void *arg, struct error *err) {
    FILE *f = fopen(path, "re");
    struct text_file t;

    if (f == NULL) {
        enum conf_result result = errno == ENOENT ? CONF_ABSENT : CONF_FAILED;
        error_set(err, errno, "cannot read %s", path);
        return result;
    }
    enum conf_result result =
        text_file_read(&t, f, path, err) ? read_lines(&t, path, line, arg, err) : CONF_FAILED;
    text_file_release(&t);
    fclose(f);
    return result;
}

void conf_crawl_path(const struct args *a, char path[4096]) {
    snprintf(path, 4096, "%s/crawl.conf", a->dir);
}

bool conf_crawl_exists(const struct args *a) {
    char path[4096];

    conf_crawl_path(a, path);
    return access(path, F_OK) == 0;
}

static void save_line(FILE *f, const struct optdef *d, const char *value) {
    size_t len = strlen(value);
    bool quoted = len == 0 || strchr(" \t\"", value[0]) != NULL || value[len - 1] == ' ';

    fprintf(f, quoted ? "%s = \"%s\"\n" : "%s = %s\n", d->name, value);
}

static bool save_all(FILE *f, const struct args *a) {
    struct buf value;
    bool ok = true;

    fprintf(f, "# The options of this crawl. Run trawl again on its directory to resume.\n");
    buf_init(&value, CONF_LINE_BYTES / 2);
    for (size_t i = 0; i < optdef_count && ok; i++) {
        const struct optdef *d = &optdefs[i];
        size_t count = d->saved ? optdef_values(d, a) : 0;
        for (size_t k = 0; k < count && ok; k++) {
            buf_reset(&value);
            ok = optdef_print(d, a, k, &value);
            if (ok)
                save_line(f, d, value.len == 0 ? "" : value.data);
        }
    }
    buf_release(&value);
    if (!ok)
        errno = EOVERFLOW;
    return ok;
}

bool conf_save(const struct args *a, struct error *err) {
    char path[4096], tmp[4104];
    bool ok;

    conf_crawl_path(a, path);
    snprintf(tmp, sizeof tmp, "%s.tmp", path);
    FILE *f = fopen(tmp, "we");
    if (f == NULL) {
        error_set(err, errno, "cannot write %s", tmp);
        return false;
    }
    ok = save_all(f, a) && fflush(f) == 0;
    if (!ok)
        error_set(err, errno, "cannot write %s", tmp);
    if (fclose(f) != 0 && ok) {
        error_set(err, errno, "cannot write %s", tmp);
        ok = false;
    }
    if (ok && !io_rename(tmp, path)) {
        error_set(err, errno, "cannot write %s", path);
        ok = false;
    }
    if (!ok)
        unlink(tmp);
    return ok;
}
