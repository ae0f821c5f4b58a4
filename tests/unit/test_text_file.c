/* text_file, seeds and configuration: files as editors write them. */
#include "cli/text_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/conf.h"
#include "cli/seeds.h"

static char path[] = "/tmp/test-text-file-XXXXXX";

static void write_file(const char *bytes, size_t len) {
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* "a\nb\n" in UTF-16, with its mark. */
static size_t utf16(const char *text, bool big, char *to) {
    size_t n = 0;

    to[n++] = (char)(big ? 0xfe : 0xff);
    to[n++] = (char)(big ? 0xff : 0xfe);
    for (; *text != '\0'; text++) {
        to[n++] = big ? '\0' : *text;
        to[n++] = big ? *text : '\0';
    }
    return n;
}

static void assert_seeds(const char *bytes, size_t len, const char *const *urls, size_t count) {
    struct string_list list = {0};
    struct error err = {0};

    write_file(bytes, len);
    assert_int_equal(seeds_read(path, &list, &err), 0);
    assert_int_equal(list.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(list.items[i], urls[i]);
    string_list_release(&list);
}

static void test_seeds(void **state) {
    static const char *const two[] = {"http://a/1", "http://a/2"};
    static const char *const files[] = {
        "http://a/1\nhttp://a/2\n",
        "http://a/1\r\nhttp://a/2",
        "http://a/1\rhttp://a/2\r",
        "\xef\xbb\xbfhttp://a/1\n\n\r\n  http://a/2\t\n",
        "\xef\xbb\xbfhttp://a/1\n\xef\xbb\xbfhttp://a/2\n", /* two files, joined */
        "\xc2\xa0http://a/1\xc2\xa0 \nhttp://a/2\f\n",
        "# one\nhttp://a/1 # not http://a/3\n\t# two\nhttp://a/2\t#\n",
    };
    char wide[200];

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        assert_seeds(files[i], strlen(files[i]), two, 2);
        assert_seeds(wide, utf16("http://a/1\r\nhttp://a/2\r\n", i % 2 == 0, wide), two, 2);
    }
    static const char *const odd[] = {"http://a/caf\xe9", "http://b\xc3\xbc.example/#x"};
    assert_seeds("http://a/caf\xe9\nhttp://b\xc3\xbc.example/#x\n", 36, odd, 2);
    assert_seeds("", 0, NULL, 0);
    assert_seeds("\xef\xbb\xbf", 3, NULL, 0);
}

static void test_no_text(void **state) {
    struct string_list list = {0};
    struct error err = {0};

    (void)state;
    write_file("http://a/1\0\n", 12);
    assert_int_equal(seeds_read(path, &list, &err), 1);
    assert_non_null(strstr(err.text, "NUL at byte 10"));
    string_list_release(&list);
}

static bool take(void *arg, const char *name, char *value) {
    struct buf *to = arg;

    return buf_printf(to, "%s=%s;", name, value);
}

static void test_conf(void **state) {
    static const char *const files[] = {"delay = 1s\nscope=any\n",
                                        "\xef\xbb\xbf"
                                        "delay=1s\r\n; x\r\nscope = any",
                                        "delay=1s\r#c\rscope=\"any\"\r"};
    struct error err = {0};
    struct buf got;
    char wide[200];

    (void)state;
    buf_init(&got, 1024);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        write_file(files[i], strlen(files[i]));
        buf_reset(&got);
        assert_int_equal(conf_read(path, take, &got, &err), CONF_OK);
        assert_string_equal(got.data, "delay=1s;scope=any;");
    }
    write_file(wide, utf16("delay=1s\r\nscope=any", false, wide));
    buf_reset(&got);
    assert_int_equal(conf_read(path, take, &got, &err), CONF_OK);
    assert_string_equal(got.data, "delay=1s;scope=any;");
    write_file("a=b\rbad\n", 8);
    assert_int_equal(conf_read(path, take, &got, &err), CONF_WRONG);
    assert_non_null(strstr(err.text, "line 2"));
    buf_release(&got);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_no_text),
        cmocka_unit_test(test_conf),
    };
    int fd = mkstemp(path);

    if (fd < 0)
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
