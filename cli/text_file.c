#include "cli/text_file.h"

#include <errno.h>
#include <string.h>

#include "shared/charset.h"

enum { PIECE_BYTES = 64 * 1024 };

static bool read_all(struct buf *to, FILE *file) {
    size_t n;

    do {
        if (!buf_reserve(to, PIECE_BYTES)) {
            errno = to->len + PIECE_BYTES > to->cap_max ? EFBIG : ENOMEM;
            return false;
        }
        n = fread(to->data + to->len, 1, PIECE_BYTES, file);
        to->len += n;
    } while (n > 0);
    to->data[to->len] = '\0';
    return !ferror(file);
}

/* What the byte order mark says is undone. */
static bool decode(struct buf *text) {
    size_t mark;
    const struct charset *c = charset_from_bom(text->data, text->len, &mark);
    struct buf utf8;

    if (c == NULL)
        return true;
    buf_init(&utf8, text->cap_max);
    if ((c == charset_utf8() ? !buf_append(&utf8, text->data + mark, text->len - mark)
                             : !charset_decode(c, text->data + mark, text->len - mark, &utf8))) {
        buf_release(&utf8);
        errno = ENOMEM;
        return false;
    }
    buf_release(text);
    *text = utf8;
    return true;
}

bool text_file_read(struct text_file *t, FILE *file, const char *path, struct error *err) {
    *t = (struct text_file){.at = 0};
    buf_init(&t->text, TEXT_FILE_BYTES_MAX);
    if (!read_all(&t->text, file) || !decode(&t->text)) {
        error_set(err, errno, "cannot read %s", path);
        return false;
    }
    const char *nul = t->text.len == 0 ? NULL : memchr(t->text.data, '\0', t->text.len);
    if (nul == NULL)
        return true;
    error_set(err, 0,
              "%s: no text: there is a NUL at byte %zu; accepted is UTF-8, or UTF-16 with a byte "
              "order mark",
              path, (size_t)(nul - t->text.data));
    return false;
}

void text_file_release(struct text_file *t) {
    buf_release(&t->text);
}

char *text_file_line(struct text_file *t) {
    if (t->at >= t->text.len)
        return NULL;
    char *line = t->text.data + t->at, *end = line + strcspn(line, "\r\n");
    size_t close = *end == '\0' ? 0 : end[0] == '\r' && end[1] == '\n' ? 2 : 1;

    t->at += (size_t)(end - line) + close;
    *end = '\0';
    t->number++;
    return strncmp(line, "\xef\xbb\xbf", 3) == 0 ? line + 3 : line;
}
