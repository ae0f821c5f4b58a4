/* The log: levels, both formats, and that nothing from the web gets through unescaped. */
#include "shared/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_BYTES = 4 << 20, STAMP_BYTES = 24 };

static char path[] = "/tmp/trawl-log-XXXXXX";
static char text[TEXT_BYTES];

static int make_file(void **state) {
    (void)state;
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    return 0;
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

static void begin(enum log_format format, enum log_level level) {
    struct error err;

    assert_int_equal(truncate(path, 0), 0);
    if (!log_init(&(struct log_config){.path = path, .format = format, .level = level}, &err))
        fail_msg("%s", err.text);
}

/* What was logged since begin(), in `text`. */
static size_t finish(void) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    log_close();
    assert_true(fd >= 0);
    n = read(fd, text, TEXT_BYTES - 1);
    close(fd);
    assert_true(n >= 0);
    text[n] = '\0';
    return (size_t)n;
}

/* One line of text, without its time, is `expected`. */
static void assert_line(const char *expected) {
    size_t n = finish();

    assert_in_range(n, STAMP_BYTES + 1, TEXT_BYTES);
    assert_int_equal(text[n - 1], '\n');
    text[n - 1] = '\0';
    assert_string_equal(text + STAMP_BYTES + 1, expected);
}

static json_t *finish_json(void) {
    json_error_t error;

    finish();
    json_t *object = json_loads(text, 0, &error);
    if (object == NULL)
        fail_msg("%s in %s", error.text, text);
    return object;
}

static const char *member(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static void levels(void **state) {
    enum log_level level = LOG_DEBUG;
    enum log_format format = LOG_TEXT;

    (void)state;
    begin(LOG_TEXT, LOG_WARN);
    log_info("a", "not this");
    log_warn("lease", "worker %s lost", "w1");
    assert_line("WARN  lease: worker w1 lost");
    begin(LOG_TEXT, LOG_OFF);
    log_error("a", "not this");
    assert_int_equal(finish(), 0);
    begin(LOG_TEXT, LOG_OFF);
    log_set_level(LOG_DEBUG);
    assert_true(log_enabled(LOG_DEBUG));
    log_debug("a", "this");
    assert_line("DEBUG a: this");
    assert_true(log_level_parse("error", &level));
    assert_int_equal(level, LOG_ERROR);
    assert_true(log_level_parse("off", &level));
    assert_false(log_level_parse("loud", &level));
    assert_true(log_format_parse("json", &format));
    assert_int_equal(format, LOG_JSON);
    assert_false(log_format_parse("xml", &format));
}

static void time_is_rfc3339(void **state) {
    static const char form[] = "0000-00-00T00:00:00.000Z ";

    (void)state;
    begin(LOG_TEXT, LOG_INFO);
    log_info("a", "b");
    finish();
    for (size_t i = 0; i < sizeof form - 1; i++) {
        if (form[i] == '0')
            assert_in_range(text[i], '0', '9');
        else
            assert_int_equal(text[i], form[i]);
    }
}

static void fields_in_text(void **state) {
    (void)state;
    begin(LOG_TEXT, LOG_INFO);
    log_event(LOG_INFO, "fetch", "slow", log_str("origin", "https://a.example"), log_int("ms", -5),
              log_uint("bytes", UINT64_MAX), log_str("why", "a \"b\""), log_str("none", NULL),
              log_str("eq", "a=b"));
    assert_line("INFO  fetch: slow origin=https://a.example ms=-5 bytes=18446744073709551615 "
                "why=\"a \\\"b\\\"\" none=\"\" eq=\"a=b\"");
}

static void escapes_in_text(void **state) {
    static const struct {
        const char *bytes, *shown;
    } cases[] = {
        {"plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
         "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"a\nb\r\tc", "a\\nb\\r\\tc"},
        {"\x1b]0;title\x07\x1b[2J", "\\x1b]0;title\\x07\\x1b[2J"},
        {"\x7f", "\\x7f"},
        {"C:\\x", "C:\\\\x"},
        {"\xc2\x9b"
         "31m",
         "\\u009b31m"}, /* C1: CSI */
        {"\xe2\x80\xae"
         "gpj",
         "\\u202egpj"},                                        /* right to left */
        {"\xe2\x80\xa8", "\\u2028"},                           /* line separator */
        {"\xf3\xa0\x81\x81", "\\U000e0041"},                   /* tag */
        {"\xff\xc3", "\\xff\\xc3"},                            /* no UTF-8 */
        {"\xc0\xaf\xed\xa0\x80", "\\xc0\\xaf\\xed\\xa0\\x80"}, /* overlong, surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},          /* beyond Unicode */
        {"\xe2\x82", "\\xe2\\x82"},                            /* cut short */
    };
    char expected[100];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(LOG_TEXT, LOG_INFO);
        log_info("a", "%s", cases[i].bytes);
        snprintf(expected, sizeof expected, "INFO  a: %s", cases[i].shown);
        assert_line(expected);
    }
    begin(LOG_TEXT, LOG_INFO);
    log_event(LOG_INFO, "a", "m", log_bytes("k", "\0\n", 2));
    assert_line("INFO  a: m k=\\x00\\n");
}

static void json_is_json(void **state) {
    (void)state;
    begin(LOG_JSON, LOG_INFO);
    log_event(LOG_WARN, "fetch", "odd \"page\"\n",
              log_str("url", "http://a/\x1b\xff\\ \xf3\xa0\x81\x81"), log_int("ms", -5),
              log_uint("bytes", INT64_MAX /* jansson's limit */));
    json_t *o = finish_json();
    assert_string_equal(member(o, "level"), "warn");
    assert_string_equal(member(o, "component"), "fetch");
    assert_string_equal(member(o, "message"), "odd \"page\"\n");
    assert_string_equal(member(o, "url"), "http://a/\x1b\\xff\\ \xf3\xa0\x81\x81");
    assert_int_equal(json_integer_value(json_object_get(o, "ms")), -5);
    assert_int_equal(strlen(member(o, "time")), STAMP_BYTES);
    assert_null(strchr(text, '\x1b'));
    json_decref(o);
}

/* Whatever the lengths: one line, whole escapes, valid JSON, and it says that it was cut. */
static void long_lines_are_cut(void **state) {
    static char value[3 * LOG_LINE_BYTES];

    (void)state;
    for (int i = 0; i < (int)sizeof value; i++)
        value[i] = "\xe2\x80\xae\xff\"a"[i % 6];
    for (int len = 0; len < (int)sizeof value; len += 7) {
        begin(LOG_JSON, LOG_INFO);
        if (len % 2 == 0)
            log_info("a", "%.*s", len, value);
        else
            log_event(LOG_INFO, "a", "m", log_bytes("before", value, (size_t)len % 4000),
                      log_int("n", INT64_MIN), log_bytes("value", value, (size_t)len),
                      log_uint("after", INT64_MAX));
        json_t *o = finish_json();
        size_t n = strlen(text);
        assert_in_range(n, 1, LOG_LINE_BYTES);
        assert_ptr_equal(strchr(text, '\n'), text + n - 1);
        if (len > LOG_LINE_BYTES)
            assert_true(json_is_true(json_object_get(o, "cut")));
        json_decref(o);
    }
    begin(LOG_TEXT, LOG_INFO);
    log_info("a", "%.*s", LOG_LINE_BYTES, value);
    size_t n = finish();
    assert_in_range(n, LOG_LINE_BYTES - 64, LOG_LINE_BYTES);
    assert_string_equal(text + n - 5, " ...\n");
}

static void *log_many(void *arg) {
    for (int i = 0; i < 2000; i++)
        log_event(LOG_INFO, "thread", "a line of some length", log_str("name", arg),
                  log_int("i", i));
    return NULL;
}

static void threads_do_not_mix_lines(void **state) {
    static char names[4][2] = {"a", "b", "c", "d"};
    pthread_t threads[4];
    int next[4] = {0};

    (void)state;
    begin(LOG_TEXT, LOG_INFO);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    finish();
    for (char *line = text, *end; *line != '\0'; line = end + 1) {
        char expected[100];

        end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        const char *name = strstr(line, "name=");
        assert_non_null(name);
        int thread = name[5] - 'a';
        assert_in_range(thread, 0, 3);
        snprintf(expected, sizeof expected, "INFO  thread: a line of some length name=%s i=%d",
                 names[thread], next[thread]++);
        assert_string_equal(line + STAMP_BYTES + 1, expected);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(next[i], 2000);
    assert_int_equal(log_dropped(), 0);
}

static void failures_are_told(void **state) {
    struct error err;

    (void)state;
    assert_false(log_init(&(struct log_config){.path = "/nowhere/log"}, &err));
    assert_string_equal(err.text, "cannot open the log /nowhere/log: No such file or directory");
    assert_true(log_init(&(struct log_config){.path = "/dev/full", .level = LOG_INFO}, &err));
    log_info("a", "lost");
    log_close();
    assert_int_equal(log_dropped(), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels),
        cmocka_unit_test(time_is_rfc3339),
        cmocka_unit_test(fields_in_text),
        cmocka_unit_test(escapes_in_text),
        cmocka_unit_test(json_is_json),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(threads_do_not_mix_lines),
        cmocka_unit_test(failures_are_told),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
