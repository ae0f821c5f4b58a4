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
    /* One HTTP response's header block, with the interim responses before it and the trailers behind it. curl keeps
       each line once more, with 100 bytes beside it; a fetch loop may have a thousand transfers. */
    LIMIT_HEADER_BYTES = 64 * 1024,
    LIMIT_HEADER_LINES = 256,
    /* Name and value of one cookie, one of its attributes (rfc6265bis §5.6), and all of a visit. */
    LIMIT_COOKIE_BYTES = 4096,
    LIMIT_COOKIE_ATTRIBUTE_BYTES = 1024,
    LIMIT_COOKIES = 180,
    LIMIT_COOKIES_BYTES = 32 * 1024,

    /* One message between master and worker, and what its decoding may take. */
    LIMIT_WIRE_BYTES = 16 << 20,
    LIMIT_ARENA_BYTES = 64 << 20,
    /* What nng is given, and the budget under which a message is built (proto/budget.h). */
    LIMIT_RPC_BYTES = LIMIT_WIRE_BYTES - 64,
    LIMIT_MESSAGE_BYTES = 15 << 20,
    /* Outcomes and link bytes in one exchange: more waits for the next. */
    LIMIT_EXCHANGE_OUTCOMES = 2048,
    LIMIT_EXCHANGE_LINK_BYTES = 4 << 20,
    /* Links in one exchange: the master takes about 3.5 us for each that is new, and answers no heartbeat meanwhile. */
    LIMIT_EXCHANGE_LINKS = 10000,
    /* URLs that an attachment names: the master looks each up, about 4 us. What is not named is let go. */
    LIMIT_ATTACH_ITEMS = 8192,
    /* URLs in one `ctl add`: about 10 us each. The command asks as often as it has to. */
    LIMIT_CONTROL_URLS = 1000,

    /* What an outcome may say of its URL. A worker keeps to it where the outcome is made, and the master cuts what is
       longer in the same way (proto/outcome.h). */
    LIMIT_REASON_BYTES = 512,
    LIMIT_MIME_BYTES = 256,      /* longer: no type is told */
    LIMIT_VALIDATOR_BYTES = 256, /* ETag, Last-Modified; longer: none */
    LIMIT_DIGEST_BYTES = 20,
    /* Outcomes of one URL that cannot be taken, after which it has failed: no honest worker makes one, but for what
       comes late from a process that has ended. */
    LIMIT_REFUSALS = 8,

    /* Visits that one fetch loop holds at once, and URLs outstanding in one visit. */
    LIMIT_LOOP_VISITS = 4096,
    LIMIT_HELD_VISITS =
        2 * LIMIT_LOOP_VISITS, /* those among them that are over and not yet buried */
    LIMIT_VISIT_ITEMS = 512,
    /* Records in one answer to a segment query; holes of a sealed segment. */
    LIMIT_SEGMENT_PAGE = 20000,
    LIMIT_SEGMENT_HOLES = 400000,
    /* What the core does at once, in tenths of a microsecond as shared/work.h counts them (master/turn.h): of what goes on
       in slices; of an answer, before nothing more goes down in it; of anything at all. */
    LIMIT_SLICE_WORK = 100000,
    LIMIT_GIVE_WORK = 350000,
    LIMIT_TURN_WORK = 500000,
    /* Origins that a status looks at one by one: of more it tells what the last round over them found. */
    LIMIT_SURVEY_ORIGINS = 10000,
    /* URLs that the visits of one fetch loop hold together; beyond, each visit gets few. */
    LIMIT_LOOP_ITEMS = 65536,
    LIMIT_LEAN_ITEMS = 16,
    /* Redirects in a row before the next target is excluded. */
    LIMIT_REDIRECT_HOPS = 20,
    /* Sitemap indexes inside each other. sitemaps.org allows one; some sites have two. */
    LIMIT_SITEMAP_NESTING = 5,
    /* Rests in a row, with no success in between, after which an origin is parked: with the pauses below that
       is after eight and a half minutes or more. */
    LIMIT_ORIGIN_FAILURES = 10,
    /* URLs of one origin that killed their workers again and again, after which it is parked. */
    LIMIT_ORIGIN_CULPRITS = 5,
    /* The same where robots.txt is answered with errors: half a minute or more. Where there is no answer at
       all, --retries counts. */
    LIMIT_ROBOTS_FAILURES = 6,
    /* Longest pause that a server can ask for, by Crawl-delay or Retry-After. */
    LIMIT_SERVER_DELAY_MS = 3600 * 1000,
    /* How long rules may be used: RFC 9309 §2.4 says not more than 24 hours. */
    LIMIT_ROBOTS_VALID_MS = 24 * 3600 * 1000,
    /* Redirects of robots.txt to other origins: RFC 9309 §2.3.1.2 asks for at least five. */
    LIMIT_ROBOTS_HOPS = 5,
    /* Encoded rules of one origin. */
    LIMIT_ROBOTS_ENCODED_BYTES = 1 << 20,
    /* So long a worker that is to end waits for a master that says nothing. */
    LIMIT_DRAIN_SILENCE_MS = 5000,
    /* And one that has failed, with its last word. */
    LIMIT_LAST_WORD_MS = 2000,
    /* Rules that the master keeps in memory, of all origins together; the crawldb has the others. */
    LIMIT_RULES_BYTES = 16 << 20,
    /* Grants in one answer; how soon and how late a loop with nothing to do asks again. */
    LIMIT_EXCHANGE_GRANTS = 256,
    LIMIT_POLL_MIN_MS = 10,
    LIMIT_POLL_MAX_MS = 100,
    LIMIT_POLL_TASKS_MS = 20, /* of a worker with a free slot while a job runs */
    /* What a worker says of a trouble of its own. */
    LIMIT_TROUBLE_BYTES = 240,
    /* A worker's name, and its fetch loops. */
    LIMIT_WORKER_NAME_BYTES = 64,
    LIMIT_WORKER_LOOPS = 1024,
    /* Names of workers that a master remembers, and their fetch loops at once. */
    LIMIT_WORKERS = 16384,
    LIMIT_SESSIONS = 65536,
    LIMIT_SEGMENT_NAME_BYTES = 128,

    /* A MapReduce job: its tasks, and the partitions of all map outputs together; how it is described; tasks that one
       worker runs at once, and where it is to be reached. */
    LIMIT_JOB_SPLITS = 65536,
    LIMIT_JOB_REDUCES = 4096,
    LIMIT_JOB_PARTITIONS = 8 << 20,
    LIMIT_JOB_SPEC_BYTES = 1 << 20,
    LIMIT_JOB_NAME_BYTES = 128,
    /* How often a task may fail, at the user's wish; by itself a job has 50. */
    LIMIT_JOB_ATTEMPTS = 1000000,
    LIMIT_WORKER_TASKS = 256,
    LIMIT_SERVE_BYTES = 255,
    /* What the program of one attempt may write to standard error, before it is left out of the log. */
    LIMIT_TASK_STDERR_BYTES = 1 << 20,
    /* What one attempt may report: counters, their names, and the name of a record. */
    LIMIT_TASK_COUNTERS = 256,
    LIMIT_JOB_COUNTERS = 1024,
    LIMIT_COUNTER_NAME_BYTES = 128,
    LIMIT_RECORD_NAME_BYTES = 16384,
    /* Records of one task that are skipped; jobs at once, and those over that are still told of. */
    LIMIT_TASK_SKIPS = 1000,
    LIMIT_JOBS_RUNNING = 100,
    LIMIT_JOBS_KEPT = 100,
    /* Task grants in one answer take so many bytes. */
    LIMIT_TASK_GRANT_BYTES = 4 << 20,
    /* First and longest rest after an origin failed; doubles in between, and up to a quarter is added. */
    LIMIT_BACKOFF_FIRST_MS = 1000,
    LIMIT_BACKOFF_MAX_MS = 300 * 1000,

    /* Connections that a master holds at once; of these, with who is not let in and is to be told so. */
    LIMIT_RPC_CONNECTIONS = 4096,
    LIMIT_RPC_STRANGERS = 16,
    /* Descriptors that a master uses, and how many of them are not for connections: the crawldb's, logs, pipes. */
    LIMIT_FILES = 65536,
    LIMIT_FILES_RESERVE = 1024,
    /* Names whose addresses one fetch loop remembers. */
    LIMIT_DNS_NAMES = 16384,
    /* A page with its content coding undone; more is not parsed. */
    LIMIT_DECODED_BYTES = 32 << 20,
};

#endif
