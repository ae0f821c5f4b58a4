/* audit_index: the lines of an index.cdxj against what was committed (audit.h). A line that is not there is no problem: the index
 * is written when a crawl ends. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/audit.h"
#include "shared/error.h"
#include "shared/parse.h"
#include "shared/warc_uri.h"

/* What a line says; texts are the JSON's. */
struct line {
    const char *url, *filename;
    uint64_t offset, length;
};

static bool number(const json_t *v, const char *key, uint64_t *n) {
    const char *text = json_string_value(json_object_get(v, key));

    return text != NULL && parse_uint(text, 0, INT64_MAX, n);
}

static bool read_line(const json_t *v, struct line *l) {
    l->url = json_string_value(json_object_get(v, "url"));
    l->filename = json_string_value(json_object_get(v, "filename"));
    return l->url != NULL && l->filename != NULL && number(v, "offset", &l->offset) &&
           number(v, "length", &l->length);
}

static bool is_committed(const struct audit *a, const struct line *l) {
    static const char ending[] = ".warc.gz";
    char name[AUDIT_NAME_BYTES];
    size_t len = strlen(l->filename), end = sizeof ending - 1;

    if (len <= end || len - end >= sizeof name || strcmp(l->filename + len - end, ending) != 0)
        return false;
    memcpy(name, l->filename, len - end);
    name[len - end] = '\0';
    const struct audit_segment *s = audit_segment_find(a, name);
    const struct audit_record *e = s != NULL ? audit_record_at(s, l->offset) : NULL;
    return e != NULL && e->length == l->length &&
           e->url_hash == warc_uri_hash(l->url, strlen(l->url));
}

/* `text`: SURT, date and JSON. */
static void check_line(struct audit *a, const char *path, uint64_t offset, const char *text) {
    const char *from = strchr(text, '{');
    json_t *v = from != NULL ? json_loads(from, 0, NULL) : NULL;
    struct line l;

    if (v == NULL || !read_line(v, &l))
        audit_problem(a, path, offset, 0, NULL, "a line that is none of an index");
    else if (!is_committed(a, &l))
        audit_problem(a, path, offset, 0, l.url, "a line that points to no committed record");
    json_decref(v);
}

void audit_index(struct audit *a, const char *path) {
    FILE *f = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    uint64_t offset = 0;
    ssize_t len;

    if (f == NULL && errno == ENOENT)
        return;
    while (f != NULL && (len = getline(&text, &size, f)) > 0) {
        check_line(a, path, offset, text);
        offset += (uint64_t)len;
    }
    if (f == NULL || ferror(f)) {
        struct error err;
        error_set(&err, errno, "cannot be read");
        audit_problem(a, path, offset, 0, NULL, err.text);
    }
    free(text);
    if (f != NULL)
        fclose(f);
}
