/*
 * Memory runs out at the N-th allocation, for every N: page_extract() says so, leaks nothing, and
 * the same page can be used again. Skipped under sanitizers, which have an allocator of their own.
 */
#include "shared/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define OWN_ALLOCATOR 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_ALLOCATOR 1
#endif

#ifndef OWN_ALLOCATOR
/* Allocations until the one that fails; negative: none does. */
static int countdown = -1;

static bool fails_now(void) {
    return countdown >= 0 && countdown-- == 0;
}

void *__libc_malloc(size_t n);
void *__libc_realloc(void *p, size_t n);
void *malloc(size_t n);
void *realloc(void *p, size_t n);

void *malloc(size_t n) {
    return fails_now() ? NULL : __libc_malloc(n);
}

void *realloc(void *p, size_t n) {
    return fails_now() ? NULL : __libc_realloc(p, n);
}

static const char body[] =
    "<meta charset=windows-1252><base href='/b/'><title>x</title><link rel=canonical href=c>"
    "<style>a{b:url(c)}</style><img srcset='a, b'><a href='d?\xe9' title='&amp;'>"
    "<a href=e>text</a> <a href='e#f'>\xe9t\xe9</a>";

static enum page_result extract(struct page *p, const struct url *document) {
    struct page_input in = {
        .body = body,
        .body_len = sizeof body - 1,
        .content_type = "text/html; x=y",
        .content_type_len = 14,
        .document = document,
        .follow = PAGE_FOLLOW_ALL,
        .anchors = true,
    };

    return page_extract(p, &in);
}

static void test_every_allocation_fails(void **state) {
    struct url document;
    int n = 0;

    (void)state;
    url_init(&document);
    assert_int_equal(url_parse(&document, "http://h/", 9, NULL), URL_OK);
    for (enum page_result result = PAGE_NO_MEMORY; result != PAGE_OK; n++) {
        struct page p;
        page_init(&p);
        countdown = n;
        result = extract(&p, &document);
        /* What fails silently is an allocation that has a second try, none of the page's. */
        bool failed = countdown < 0;
        countdown = -1;
        if (result == PAGE_OK)
            assert_false(failed);
        assert_int_equal(extract(&p, &document), PAGE_OK);
        assert_int_equal(p.links.count, 5);
        assert_int_equal(p.anchors.count, 2);
        page_release(&p);
    }
    assert_true(n > 10);
    url_release(&document);
}
#else
static void test_every_allocation_fails(void **state) {
    (void)state;
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation_fails)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
