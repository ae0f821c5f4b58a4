/* limits: every bound of the program in one place. Sizes in bytes unless the name says otherwise.
 */
#ifndef TRAWL_SHARED_LIMITS_H
#define TRAWL_SHARED_LIMITS_H

#include <stddef.h>

enum {
    /* One URL, in and out. Browsers and sitemaps.org stop at 2,048 to 65,536; longer ones are
       traps. */
    LIMIT_URL_BYTES = 8192,
    /* robots.txt: RFC 9309 §2.5 asks for at least 500 KiB; the rest is ignored. */
    LIMIT_ROBOTS_BYTES = 500 * 1024,
    /* Distinct links taken from one page; more are counted and reported, not followed. */
    LIMIT_PAGE_LINKS = 100000,
    /* One HTTP response's header block. */
    LIMIT_HEADER_BYTES = 256 * 1024,
};

#endif
