#include "worker/job_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct job_input *job_input_new(const Trawl__Split *split, struct error *err) {
    struct job_input *in = NULL;
    char *path = strndup((const char *)split->path.data, split->path.len);

    if (path == NULL)
        error_set(err, ENOMEM, "the input's name");
    else if (strlen(path) != split->path.len)
        error_set(err, 0, "%s: a file's name has no NUL in it", path);
    else if (split->kind == TRAWL__INPUT_KIND__LINES)
        in = job_lines_new(path, split->from, split->to, err);
    else if (split->kind == TRAWL__INPUT_KIND__PAGES)
        in = job_pages_new(path, split->from, split->to, err);
    else
        error_set(err, 0, "%s: input of kind %d; there are lines and pages", path,
                  (int)split->kind);
    free(path);
    return in;
}

void job_input_free(struct job_input *in) {
    if (in != NULL)
        in->free(in);
}
