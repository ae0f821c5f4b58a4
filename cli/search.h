/*
 * search: asks an index (worker/search_index.h).
 *
 *     struct search *s = search_open(dir, &err);
 *     search_ask(s, words, count, &err) and then s->pages, s->matches
 *     search_best(s, limit, show, arg, &err)           // show() for each page, the best first
 *     search_close(s);
 *
 * A page matches that has all words, in whatever columns. It is ranked by BM25 (Robertson and Zaragoza, "The Probabilistic
 * Relevance Framework", 2009; k1 1.2, b 0.75) with the logarithm of Lucene, which is never negative; a word in the title counts
 * five times, in the URL twice. How many pages there are, how long they are and how many have a word is counted over
 * all parts, so that scores do not depend on how many parts there are. Pages of the same score come in the order of their URLs.
 *
 * One owner. Files are only read.
 */
#ifndef TRAWL_CLI_SEARCH_H
#define TRAWL_CLI_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"

enum { SEARCH_WORDS_MAX = 64, SEARCH_COPIES_MAX = 20 };

/* Around a word in a snippet. No text of a page has such characters: page_text.h. */
#define SEARCH_MARK_BEGIN "\x01"
#define SEARCH_MARK_END "\x02"

struct search;

/* Valid during the call. From the web: title, url, snippet, copies. */
struct search_page {
    double score;
    const char *url, *title;
    const char *snippet; /* of the text, where the words are, if they are */
    int64_t fetched_at_ms;
    const char *const *copies; /* the first URLs that had the same body, sorted */
    size_t copy_count;
};

struct search_totals {
    uint64_t pages, matches;
};

/* `dir`: of a crawl, or the output of the job. NULL: `err`. */
struct search *search_open(const char *dir, struct error *err);
void search_close(struct search *s);
/* False: `err`; *wrong: it is the words. */
bool search_ask(struct search *s, char *const *words, size_t count, struct search_totals *totals,
                bool *wrong, struct error *err);
typedef void search_show(void *arg, size_t rank, const struct search_page *page);
bool search_best(struct search *s, size_t limit, search_show *show, void *arg, struct error *err);

#endif
