/*
 * The program under test for tests/differential/run.mjs: one question a line on standard input, one answer a line on
 * standard output, in the same order.
 *
 *     KIND HEX HEX ...          a word, then byte strings in hexadecimal digits, "-" for an empty one
 *     NAME=HEX NAME=HEX ...     what the parsers of the worker make of it
 *
 * Kinds:
 *     url INPUT BASE            url=      (absent: it is none)
 *     mime VALUE                mime=     as serialised
 *     charset LABEL             charset=
 *     text CHARSET BYTES        text=     in UTF-8
 *     refresh CONTENT           delay= url=
 *     response URL HEAD BODY    mime= redirect= excluded= canonical= link= ... : what a worker's harvest makes of it
 *
 * A line that is none of these ends it with exit 2: the questioner is ours.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/charset.h"
#include "shared/limits.h"
#include "shared/metarefresh.h"
#include "shared/mimetype.h"
#include "shared/options.h"
#include "shared/url.h"
#include "worker/agent.h"
#include "worker/harvest.h"
#include "worker/headers.h"
#include "worker/transfer.h"

enum { ARGS_MAX = 3, BODY_BYTES_MAX = 16 << 20 };

struct arg {
    char *p;
    size_t n;
};

static void bad_question(const char *why) {
    fprintf(stderr, "differential: %s\n", why);
    exit(2);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. */
static struct arg read_arg(char *text) {
    struct arg a = {text, 0};

    if (strcmp(text, "-") == 0)
        return a;
    for (; text[0] != '\0'; text += 2) {
        int high = hex_digit(text[0]), low = hex_digit(text[1]);
        if (high < 0 || low < 0)
            bad_question("not hexadecimal");
        a.p[a.n++] = (char)(high << 4 | low);
    }
    return a;
}

static void tell(const char *name, const char *p, size_t n) {
    printf("%s=", name);
    for (size_t i = 0; i < n; i++)
        printf("%02x", (unsigned char)p[i]);
    putchar(' ');
}

static void tell_text(const char *name, const char *text) {
    if (text != NULL)
        tell(name, text, strlen(text));
}

/* ---- one parser each ----------------------------------------------------------------------------- */

static void ask_url(const struct arg *args) {
    struct url base, url;

    url_init(&base);
    url_init(&url);
    if (url_parse(&base, args[1].p, args[1].n, NULL) == URL_OK &&
        url_parse(&url, args[0].p, args[0].n, &base) == URL_OK)
        tell("url", url.href, url.href_len);
    url_release(&base);
    url_release(&url);
}

static void ask_mime(const struct arg *args) {
    struct mimetype m;
    struct buf text;

    mimetype_init(&m);
    buf_init(&text, LIMIT_HEADER_BYTES);
    if (mimetype_parse(&m, args[0].p, args[0].n) == MIMETYPE_OK && mimetype_serialise(&m, &text))
        tell("mime", text.data, text.len);
    buf_release(&text);
    mimetype_release(&m);
}

static void ask_charset(const struct arg *args) {
    const struct charset *c = charset_by_label(args[0].p, args[0].n);

    tell_text("charset", c == NULL ? NULL : c->name);
}

static void ask_text(const struct arg *args) {
    const struct charset *c = charset_by_label(args[0].p, args[0].n);
    struct buf text;

    buf_init(&text, BODY_BYTES_MAX);
    if (c != NULL && charset_decode(c, args[1].p, args[1].n, &text))
        tell("text", text.len == 0 ? "" : text.data, text.len);
    buf_release(&text);
}

static void ask_refresh(const struct arg *args) {
    struct metarefresh m;
    char delay[16];

    if (!metarefresh_parse(&m, args[0].p, args[0].n))
        return;
    snprintf(delay, sizeof delay, "%u", m.delay_s);
    tell_text("delay", delay);
    if (m.url != NULL)
        tell("url", m.url, m.url_len);
}

/* ---- a whole response ---------------------------------------------------------------------------- */

static struct body_pool pool = {.dir_fd = -1, .bytes_max = 1 << 30};

/* As a transfer leaves it. `head` is whole, the empty line included. */
static void make_transfer(struct transfer *t, const struct arg *url, const struct arg *head,
                          const struct arg *body) {
    const char *status = head->n > 12 ? head->p + 9 : "200";

    *t = (struct transfer){.failure = AGENT_NO_FAILURE, .url = url->p, .url_len = url->n};
    buf_init(&t->head, LIMIT_HEADER_BYTES);
    buf_append(&t->head, head->p, head->n);
    headers_unfold(t->head.data, t->head.len); /* as transfer_header() looks at it */
    body_init(&t->body, &pool);
    body_reset(&t->body, BODY_BYTES_MAX);
    if (t->head.failed || body_append(&t->body, body->p, body->n) != BODY_OK)
        bad_question("too large a response");
    t->status = (uint32_t)strtoul(status, NULL, 10);
}

static void release_transfer(struct transfer *t) {
    buf_release(&t->head);
    body_release(&t->body);
}

static struct harvest *make_harvest(void) {
    struct harvest *h = harvest_new();
    struct harvest_options options = {.follow = FOLLOW_LINKS, .user_agent = "trawl/0"};

    if (h == NULL || !harvest_set_options(h, &options))
        bad_question("no memory");
    return h;
}

static void ask_response(const struct arg *args, struct harvest *h) {
    struct agent_outcome o;
    struct transfer t;

    make_transfer(&t, &args[0], &args[1], &args[2]);
    harvest_outcome(h, &t, &o);
    tell_text("mime", o.mime);
    if (o.redirect)
        tell("redirect", o.redirect_to, o.redirect_to_len);
    harvest_links(h, &t, &o);
    tell_text("excluded", o.excluded);
    tell_text("remark", o.remark);
    if (o.canonical.len > 0)
        tell("canonical", o.canonical.ptr, o.canonical.len);
    for (size_t i = 0; i < o.link_count; i++)
        tell("link", o.links[i].ptr, o.links[i].len);
    release_transfer(&t);
}

static void ask(char *line, struct harvest *h) {
    struct arg args[ARGS_MAX] = {{0}};
    char *save = NULL, *kind = strtok_r(line, " \n", &save), *word;
    size_t count = 0;

    for (; (word = strtok_r(NULL, " \n", &save)) != NULL; count++) {
        if (count == ARGS_MAX)
            bad_question("too many arguments");
        args[count] = read_arg(word);
    }
    if (kind == NULL)
        bad_question("an empty line");
    else if (strcmp(kind, "url") == 0 && count == 2)
        ask_url(args);
    else if (strcmp(kind, "mime") == 0 && count == 1)
        ask_mime(args);
    else if (strcmp(kind, "charset") == 0 && count == 1)
        ask_charset(args);
    else if (strcmp(kind, "text") == 0 && count == 2)
        ask_text(args);
    else if (strcmp(kind, "refresh") == 0 && count == 1)
        ask_refresh(args);
    else if (strcmp(kind, "response") == 0 && count == 3)
        ask_response(args, h);
    else
        bad_question("an unknown kind, or too few arguments");
}

int main(void) {
    struct harvest *h = make_harvest();
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0) {
        ask(line, h);
        putchar('\n');
        fflush(stdout);
    }
    free(line);
    harvest_free(h);
    return 0;
}
