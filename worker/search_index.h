/*
 * search_index: what the job `index` leaves and `trawl search` reads: one SQLite database a reduce task (part-NNNNN), in
 * which the table `pages` is FTS5's and `about` has one row. Pages of one part are in the order of their URLs. `copies` has the
 * URLs whose body was archived as that of another URL, then (`at`); what the other one has since is none of theirs.
 *
 * A part is recognised by its application_id, and its version is user_version.
 */
#ifndef TRAWL_WORKER_SEARCH_INDEX_H
#define TRAWL_WORKER_SEARCH_INDEX_H

enum {
    SEARCH_INDEX_ID = 0x5452574c, /* "TRWL" */
    SEARCH_INDEX_VERSION = 1,
    SEARCH_INDEX_TITLE = 0, /* columns of `pages` */
    SEARCH_INDEX_URL,
    SEARCH_INDEX_TEXT,
    SEARCH_INDEX_FETCHED, /* Unix time in milliseconds */
};

#define SEARCH_INDEX_SCHEMA                                                                        \
    "PRAGMA application_id = 0x5452574c; PRAGMA user_version = 1;"                                 \
    "CREATE TABLE about(part INTEGER NOT NULL, parts INTEGER NOT NULL, pages INTEGER NOT NULL);"   \
    "CREATE TABLE copies(url TEXT NOT NULL, of TEXT NOT NULL, at INTEGER NOT NULL);"               \
    "CREATE INDEX copies_of ON copies(of);"                                                        \
    "CREATE VIRTUAL TABLE pages USING fts5(title, url, text, fetched_at UNINDEXED,"                \
    " tokenize = 'unicode61 remove_diacritics 2');"

#endif
