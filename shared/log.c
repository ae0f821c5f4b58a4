#include "shared/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/utc.h"

/* Kept free at a line's end: closing quotes, the mark of a cut line, the newline. */
enum { LINE_TAIL = 32 };

struct line {
    char bytes[LOG_LINE_BYTES];
    size_t len;
    bool json, cut;
};

static struct {
    int fd;
    bool owned; /* fd is ours to close */
    enum log_format format;
    atomic_int level;
    atomic_uint_fast64_t dropped;
} out = {.fd = STDERR_FILENO, .format = LOG_TEXT, .level = LOG_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};
static const char *const level_labels[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
static const char *const format_names[] = {"text", "json"};

/* ---- a line ---------------------------------------------------------------------------------------------- */

/* Appends it whole, or not at all and the line is cut here. */
static bool put(struct line *l, const char *p, size_t n) {
    if (l->cut || l->len + n > sizeof l->bytes - LINE_TAIL) {
        l->cut = true;
        return false;
    }
    memcpy(l->bytes + l->len, p, n);
    l->len += n;
    return true;
}

static void put_str(struct line *l, const char *s) {
    put(l, s, strlen(s));
}

/* Into the tail, which has room for it. */
static void put_tail(struct line *l, const char *s) {
    size_t n = strlen(s);

    memcpy(l->bytes + l->len, s, n);
    l->len += n;
}

/* Length of the valid UTF-8 sequence at p (Unicode, table 3-7); 0: none. */
static size_t utf8_len(const unsigned char *p, size_t n, uint32_t *code) {
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (len == 0 || len > n || p[0] > 0xf4)
        return 0;
    *code = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (p[i] & 0x3f);
    }
    if ((len == 3 && *code < 0x800) || (len == 4 && *code < 0x10000) || *code > 0x10ffff ||
        (*code >= 0xd800 && *code <= 0xdfff))
        return 0;
    return len;
}

/* Controls, and what changes how the text around it is shown: line separators, direction overrides, invisible
 * format characters. */
static bool is_dangerous(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0xad || code == 0x061c ||
           (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
           (code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe0fff);
}

/* One unit of the input as it is shown: `shown` gets it, NUL-terminated. Returns the bytes taken. */
static size_t escape(const struct line *l, const unsigned char *p, size_t n, bool quoted,
                     char shown[16]) {
    uint32_t code = 0;
    size_t len = utf8_len(p, n, &code);

    if (len == 0) {
        snprintf(shown, 16, l->json ? "\\\\x%02x" : "\\x%02x", p[0]);
        return 1;
    }
    if (code == '\n')
        snprintf(shown, 16, "\\n");
    else if (code == '\r')
        snprintf(shown, 16, "\\r");
    else if (code == '\t')
        snprintf(shown, 16, "\\t");
    else if (code == '\\' || (code == '"' && quoted))
        snprintf(shown, 16, "\\%c", (char)code);
    else if (is_dangerous(code) && code > 0xffff && l->json)
        snprintf(shown, 16, "\\u%04x\\u%04x", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
    else if (is_dangerous(code) && code > 0xffff)
        snprintf(shown, 16, "\\U%08x", code);
    else if (is_dangerous(code))
        snprintf(shown, 16, code < 0x80 && !l->json ? "\\x%02x" : "\\u%04x", code);
    else {
        memcpy(shown, p, len);
        shown[len] = '\0';
    }
    return len;
}

static void put_escaped(struct line *l, const void *bytes, size_t n, bool quoted) {
    const unsigned char *p = bytes;
    char shown[16];

    for (size_t at = 0; at < n && !l->cut;) {
        at += escape(l, p + at, n - at, quoted, shown);
        put_str(l, shown);
    }
}

static void put_time(struct line *l) {
    struct timespec now;
    char text[UTC_RFC3339_SIZE];

    clock_gettime(CLOCK_REALTIME, &now);
    utc_rfc3339((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, text);
    put_str(l, text);
}

static void begin(struct line *l, enum log_level level, const char *component, const char *message,
                  size_t message_len) {
    l->json = out.format == LOG_JSON;
    if (l->json) {
        put_str(l, "{\"time\":\"");
        put_time(l);
        put_str(l, "\",\"level\":\"");
        put_str(l, level_names[level]);
        put_str(l, "\",\"component\":\"");
        put_escaped(l, component, strlen(component), true);
        put_str(l, "\",\"message\":\"");
        put_escaped(l, message, message_len, true);
        put_tail(l, "\"");
    } else {
        put_time(l);
        put_str(l, " ");
        put_str(l, level_labels[level]);
        put_str(l, " ");
        put_escaped(l, component, strlen(component), false);
        put_str(l, ": ");
        put_escaped(l, message, message_len, false);
    }
}

static void put_field(struct line *l, const struct log_field *f) {
    char number[32];
    bool quoted = l->json;

    if (f->kind == LOG_FIELD_BYTES && !l->json) {
        quoted = f->len == 0;
        for (size_t i = 0; i < f->len && !quoted; i++)
            quoted = f->bytes[i] == ' ' || f->bytes[i] == '"' || f->bytes[i] == '=';
    }
    /* So that a number is there whole, and a quote is opened only if it can be closed. */
    if (l->len + strlen(f->key) + sizeof number > sizeof l->bytes - LINE_TAIL) {
        l->cut = true;
        return;
    }
    put_str(l, l->json ? ",\"" : " ");
    put_str(l, f->key);
    put_str(l, l->json ? "\":" : "=");
    if (f->kind == LOG_FIELD_BYTES) {
        put_str(l, quoted ? "\"" : "");
        put_escaped(l, f->bytes, f->len, quoted);
        put_tail(l, quoted ? "\"" : "");
        return;
    }
    if (f->kind == LOG_FIELD_INT)
        snprintf(number, sizeof number, "%lld", (long long)f->i);
    else
        snprintf(number, sizeof number, "%llu", (unsigned long long)f->u);
    put_str(l, number);
}

static void end(struct line *l) {
    ssize_t n;

    if (l->json)
        put_tail(l, l->cut ? ",\"cut\":true}" : "}");
    else if (l->cut)
        put_tail(l, " ...");
    put_tail(l, "\n");
    do
        n = write(out.fd, l->bytes, l->len);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)l->len)
        atomic_fetch_add(&out.dropped, 1);
}

/* ---- the interface --------------------------------------------------------------------------------------- */

bool log_init(const struct log_config *config, struct error *err) {
    int fd = STDERR_FILENO;

    if (config->path != NULL) {
        fd = open(config->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
        if (fd < 0) {
            error_set(err, errno, "cannot open the log %s", config->path);
            return false;
        }
    }
    log_close();
    out.fd = fd;
    out.owned = config->path != NULL;
    out.format = config->format;
    log_set_level(config->level);
    return true;
}

void log_close(void) {
    if (out.owned)
        close(out.fd);
    out.fd = STDERR_FILENO;
    out.owned = false;
}

void log_set_level(enum log_level level) {
    atomic_store_explicit(&out.level, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level) {
    return level < LOG_OFF && (int)level >= atomic_load_explicit(&out.level, memory_order_relaxed);
}

uint64_t log_dropped(void) {
    return atomic_load(&out.dropped);
}

static bool parse(const char *name, const char *const *names, int count, int *found) {
    for (int i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) {
            *found = i;
            return true;
        }
    return false;
}

bool log_level_parse(const char *name, enum log_level *level) {
    int found;

    if (!parse(name, level_names, LOG_OFF + 1, &found))
        return false;
    *level = (enum log_level)found;
    return true;
}

bool log_format_parse(const char *name, enum log_format *format) {
    int found;

    if (!parse(name, format_names, LOG_JSON + 1, &found))
        return false;
    *format = (enum log_format)found;
    return true;
}

void log_message(enum log_level level, const char *component, const char *fmt, ...) {
    char message[LOG_LINE_BYTES];
    struct line l;
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, fmt);
    int n = vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    l.len = 0;
    l.cut = false;
    /* A longer one does not fit anyway: put_escaped() then meets the line's end and cuts it. */
    begin(&l, level, component, message, n < 0 ? 0 : strnlen(message, sizeof message));
    end(&l);
}

void log_fields(enum log_level level, const char *component, const char *message,
                const struct log_field *fields) {
    struct line l;

    if (!log_enabled(level))
        return;
    l.len = 0;
    l.cut = false;
    begin(&l, level, component, message, strlen(message));
    for (; fields->key != NULL && !l.cut; fields++)
        put_field(&l, fields);
    end(&l);
}

struct log_field log_str(const char *key, const char *value) {
    return log_bytes(key, value, value == NULL ? 0 : strlen(value));
}

struct log_field log_bytes(const char *key, const void *value, size_t len) {
    return (struct log_field){.key = key, .kind = LOG_FIELD_BYTES, .bytes = value, .len = len};
}

struct log_field log_int(const char *key, int64_t value) {
    return (struct log_field){.key = key, .kind = LOG_FIELD_INT, .i = value};
}

struct log_field log_uint(const char *key, uint64_t value) {
    return (struct log_field){.key = key, .kind = LOG_FIELD_UINT, .u = value};
}
