/* Link header fields (RFC 8288): well-formed ones, and what is made of the others. */
#include "shared/link_field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* All links of a field: "target rel[ anchor]", a line each. */
static const char *read_all(const char *field) {
    static char text[1024];
    struct link_field f;
    struct link_field_link l;
    size_t at = 0;

    text[0] = '\0';
    link_field_init(&f, field, strlen(field));
    while (link_field_next(&f, &l)) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%.*s|%.*s%s%.*s\n", (int)l.target.len,
                               l.target.ptr, (int)l.rel.len, l.rel.ptr, l.has_anchor ? "|" : "",
                               l.has_anchor ? (int)l.anchor.len : 0,
                               l.has_anchor ? l.anchor.ptr : "");
        assert_true(at < sizeof text);
    }
    return text;
}

static void test_fields(void **state) {
    static const struct {
        const char *field, *links;
    } cases[] = {
        {"<a>; rel=next", "a|next\n"},
        {"<a>;rel=\"next prev\"", "a|next prev\n"},
        {" <a> ; REL = next , <b>; rel=prev", "a|next\nb|prev\n"},
        {"<a,b;c>; title=\"x, <y>; rel=no\"; rel=next", "a,b;c|next\n"},
        {"<a>; rel=next; rel=prev", "a|next\n"},
        {"<a>; rel=canonical; anchor=\"/other\"", "a|canonical|/other\n"},
        {"<a>; anchor", "a||\n"},
        {"<a>", "a|\n"},
        {"<>; rel=self", "|self\n"},
        {"<a>; title=\"q \\\" q\"; rel=next", "a|next\n"},
        {"<a>; rel=next; ; foo", "a|next\n"},
        {"a; rel=next, <b>; rel=prev", "b|prev\n"},
        {"<a; rel=next", ""},
        {"<a> rel=next, <b>; rel=prev", "a|\nb|prev\n"},
        {"<a>; rel=\"next", "a|next\n"},
        {", ,<a>; rel=next,,", "a|next\n"},
        {"", ""},
        {"<a>; rel=next ", "a|next\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(read_all(cases[i].field), cases[i].links);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
