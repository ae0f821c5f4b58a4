/* args: the command line, crawl.conf and --config, what wins, what is refused, and that nothing changes on resume. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/args.h"
#include "cli/conf.h"
#include "cli/help.h"
#include "cli/optdef.h"

enum { WORDS_MAX = 32 };

static char dir[64];

static int make_dir(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/trawl-args.XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_dir(void **state) {
    char path[100];

    (void)state;
    snprintf(path, sizeof path, "%s/crawl.conf", dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/other.conf", dir);
    unlink(path);
    return rmdir(dir);
}

/* Reads the words, up to a NULL. */
static enum args_result read_args(struct args *a, enum args_command command, struct error *err,
                                  ...) {
    char *argv[WORDS_MAX] = {"trawl"};
    int argc = 1;
    va_list words;
    char *word;

    va_start(words, err);
    while ((word = va_arg(words, char *)) != NULL && argc < WORDS_MAX)
        argv[argc++] = word;
    va_end(words);
    return args_read(a, command, argc, argv, err);
}

static void write_file(const char *name, const char *text) {
    char path[100];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void test_defaults(void **state) {
    struct args a;
    struct error err;

    (void)state;
    assert_int_equal(
        read_args(&a, ARGS_CRAWL, &err, "--dir", dir, "http://example.org/", (char *)NULL),
        ARGS_OK);
    assert_int_equal(a.crawl.delay_ms, 1000);
    assert_int_equal(a.crawl.scope, SCOPE_HOST);
    assert_int_equal(a.crawl.max_body_bytes, 10 << 20);
    assert_int_equal(a.crawl.ip_connections, 4);
    assert_int_equal(a.transfers, 256);
    assert_string_equal(a.crawl.user_agent, "trawl/" TRAWL_VERSION);
    assert_string_equal(a.listen, "tcp://127.0.0.1:7700");
    assert_string_equal(a.http, "127.0.0.1:7780");
    assert_false(a.crawl.max_depth_set);
    assert_int_equal(a.words.count, 1);
    args_release(&a);
}

static void test_values(void **state) {
    struct args a;
    struct error err;

    (void)state;
    assert_int_equal(read_args(&a, ARGS_CRAWL, &err, "--dir", dir, "--delay=250ms", "--scope",
                               "any", "--max-depth", "0", "--include", "a", "--include", "b",
                               "--robots", "ignore", "--host-connections", "9", "--contact",
                               "https://example.org/bot", "--max-body", "64KiB", "--", "--x",
                               (char *)NULL),
                     ARGS_OK);
    assert_int_equal(a.crawl.delay_ms, 250);
    assert_int_equal(a.crawl.scope, SCOPE_ANY);
    assert_true(a.crawl.max_depth_set);
    assert_int_equal(a.crawl.max_depth, 0);
    assert_int_equal(a.crawl.include.count, 2);
    assert_true(a.crawl.robots_ignore);
    assert_int_equal(a.crawl.ip_connections, 9); /* follows host_connections */
    assert_string_equal(a.crawl.user_agent, "trawl/" TRAWL_VERSION " (+https://example.org/bot)");
    assert_int_equal(a.crawl.max_body_bytes, 65536);
    assert_string_equal(a.words.items[0], "--x");
    args_release(&a);
}

static void test_wrong(void **state) {
    static const struct {
        const char *option, *value, *said;
    } rows[] = {
        {"--delay", "banana", "500ms"},
        {"--delay", "-1s", "--delay -1s"},
        {"--delay", "2000000000s", "--delay"},
        {"--scope", "planet", "host|domain|prefix|any"},
        {"--workers", "0", "from 1"},
        {"--workers", "many", "many"},
        {"--max-pages", "1e9", "1e9"},
        {"--max-body", "12Q", "KiB"},
        {"--allow-net", "10.0.0.0/33", "10.0.0.0/33"},
        {"--listen", "nowhere", "tcp://"},
        {"--http", "nowhere", "off"},
        {"--log-format", "xml", "text|json"},
        {"--include", "(", "--include"},
        {"--user-agent", "a\nrobots = ignore", "control characters"},
        {"--user-agent", "\xc3\xbc", "ASCII"},
        {"--lease", "2s", "three heartbeats"},
        {"--tls-cert", "x", "not in this version"},
        {"--no-such-option", "1", "no such option"},
        {"--name", "w1", "no such option"}, /* a worker's */
        {"-x", "1", "no such option"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct args a;
        struct error err = {0};
        assert_int_equal(read_args(&a, ARGS_CRAWL, &err, "--dir", dir, rows[i].option,
                                   rows[i].value, (char *)NULL),
                         ARGS_WRONG);
        assert_non_null(strstr(err.text, rows[i].said));
        args_release(&a);
    }
}

static void test_missing(void **state) {
    struct args a;
    struct error err = {0};

    (void)state;
    assert_int_equal(read_args(&a, ARGS_CRAWL, &err, "--delay", (char *)NULL), ARGS_WRONG);
    assert_non_null(strstr(err.text, "--delay needs a value"));
    args_release(&a);
    assert_int_equal(read_args(&a, ARGS_CRAWL, &err, "--quiet=yes", (char *)NULL), ARGS_WRONG);
    args_release(&a);
    assert_int_equal(read_args(&a, ARGS_WORKER, &err, (char *)NULL), ARGS_WRONG);
    assert_non_null(strstr(err.text, "--master"));
    args_release(&a);
    assert_int_equal(read_args(&a, ARGS_STATUS, &err, "word", (char *)NULL), ARGS_WRONG);
    args_release(&a);
    assert_int_equal(read_args(&a, ARGS_EXPORT, &err, (char *)NULL), ARGS_WRONG);
    assert_non_null(strstr(err.text, "DIR"));
    args_release(&a);
    assert_int_equal(read_args(&a, ARGS_EXPORT, &err, "a", "b", (char *)NULL), ARGS_WRONG);
    args_release(&a);
}

static void test_who_wins(void **state) {
    struct args a;
    struct error err = {0};
    char config[100];

    (void)state;
    write_file("crawl.conf", "# kept\ndelay = 1ms\ntimeout = 2ms\nretries = 7\nexclude = one\n");
    write_file("other.conf",
               "; mine\n\n  timeout =  3ms  \nretries=8\nexclude = two\nexclude = 3\n");
    snprintf(config, sizeof config, "%s/other.conf", dir);
    assert_int_equal(read_args(&a, ARGS_MASTER, &err, "--dir", dir, "--config", config, "--retries",
                               "9", (char *)NULL),
                     ARGS_OK);
    assert_int_equal(a.crawl.delay_ms, 1);
    assert_int_equal(a.crawl.timeout_ms, 3);
    assert_int_equal(a.crawl.retries, 9);
    assert_int_equal(a.crawl.exclude.count, 2);
    assert_string_equal(a.crawl.exclude.items[0], "two");
    args_release(&a);
}

static void test_bad_files(void **state) {
    static const struct {
        const char *text, *said;
    } rows[] = {
        {"delay = banana\n", "delay = banana"},
        {"delay\n", "line 1"},
        {"\n= 3\n", "line 2"},
        {"speed = 3\n", "speed"},
        {"config = x\n", "config"},
        {"[crawl]\n", "line 1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct args a;
        struct error err = {0};
        char config[100];
        write_file("other.conf", rows[i].text);
        snprintf(config, sizeof config, "%s/other.conf", dir);
        assert_int_equal(
            read_args(&a, ARGS_CRAWL, &err, "--dir", dir, "--config", config, (char *)NULL),
            ARGS_WRONG);
        assert_non_null(strstr(err.text, rows[i].said));
        assert_non_null(strstr(err.text, "other.conf"));
        args_release(&a);
    }
    struct args a;
    struct error err = {0};
    assert_int_equal(read_args(&a, ARGS_CRAWL, &err, "--config", "/nonexistent/file", (char *)NULL),
                     ARGS_FAILED);
    args_release(&a);
}

/* Every option, as its text. */
static void dump(const struct args *a, struct buf *out) {
    buf_init(out, 1 << 20);
    for (size_t i = 0; i < optdef_count; i++)
        for (size_t k = 0; optdefs[i].saved && k < optdef_values(&optdefs[i], a); k++) {
            buf_printf(out, "%s=", optdefs[i].name);
            assert_true(optdef_print(&optdefs[i], a, k, out));
            buf_append_char(out, '\n');
        }
    assert_false(out->failed);
}

/* A crawl that is resumed has the options that it was started with, whatever they are. */
static void test_saved_and_read(void **state) {
    struct args a, again;
    struct error err = {0};
    struct buf first, second;
    char pattern[1000];

    (void)state;
    memset(pattern, 'x', sizeof pattern - 1);
    pattern[sizeof pattern - 1] = '\0';
    assert_int_equal(read_args(&a, ARGS_CRAWL, &err, "--dir", dir, "--include",
                               "foo ;bar # = \"x\" ", "--include", "\"quoted\"", "--include", " ",
                               "--exclude", pattern, "--max-depth", "0", "--max-time", "90s",
                               "--max-bytes", "3GiB", "--robots", "ignore", "--scope", "domain",
                               "--user-agent", "me/1 (a; b) ; c", "--contact", "mailto:me@x.org",
                               "--allow-net", "127.0.0.0/8", "--workers", "3", (char *)NULL),
                     ARGS_OK);
    assert_false(conf_crawl_exists(&a));
    assert_true(conf_save(&a, &err));
    assert_true(conf_crawl_exists(&a));
    assert_int_equal(read_args(&again, ARGS_CRAWL, &err, "--dir", dir, (char *)NULL), ARGS_OK);
    dump(&a, &first);
    dump(&again, &second);
    assert_string_equal(first.data, second.data);
    assert_string_equal(a.crawl.user_agent, again.crawl.user_agent);
    assert_true(again.crawl.max_depth_set);
    assert_int_equal(again.crawl.max_time_ms, 90000);
    assert_int_equal(again.crawl.ip_connections, 4);
    buf_release(&first);
    buf_release(&second);
    args_release(&a);
    args_release(&again);
}

/* What a command knows, its help names. */
static void test_help_names_all(void **state) {
    (void)state;
    for (size_t c = 0; c < ARGS_COMMANDS; c++) {
        char *text = NULL, *man = NULL;
        size_t len;
        FILE *f = open_memstream(&text, &len);
        help_command(args_commands[c].command, f);
        fclose(f);
        f = open_memstream(&man, &len);
        help_command_man(args_commands[c].command, f);
        fclose(f);
        for (size_t i = 0; i < optdef_count; i++) {
            char name[40];
            bool shown = (optdefs[i].commands & (int)args_commands[c].command) != 0 &&
                         optdefs[i].help != NULL;
            snprintf(name, sizeof name, "  --%s ", optdefs[i].name);
            assert_int_equal(strstr(text, name) != NULL, shown);
        }
        assert_non_null(strstr(man, ".SH OPTIONS"));
        free(text);
        free(man);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_values, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_wrong, make_dir, remove_dir),
        cmocka_unit_test(test_missing),
        cmocka_unit_test_setup_teardown(test_who_wins, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_bad_files, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_saved_and_read, make_dir, remove_dir),
        cmocka_unit_test(test_help_names_all),
    };

    return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
