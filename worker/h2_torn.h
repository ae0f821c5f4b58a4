/*
 * h2_torn: streams of HTTP/2 that the server gave up without saying that their data ends. A body is whole with END_STREAM only
 * (RFC 9113 §8.1); a server may take back a stream "without error" (RST_STREAM with NO_ERROR) after that, and libcurl
 * 7.88 takes one before it for the end of the body, too, and does not tell.
 *
 * So what nghttp2 tells libcurl is listened to: this file stands in for the one function of nghttp2 by which libcurl asks to
 * be told of frames. Where libcurl brings an nghttp2 of its own, nothing is heard of, and nothing else changes.
 */
#ifndef TRAWL_WORKER_H2_TORN_H
#define TRAWL_WORKER_H2_TORN_H

/* In this thread, `torn` is called for each such stream; `stream_user` is what libcurl keeps with it, its easy handle: to be
 * compared, not to be used. NULL: nobody listens any more. */
void h2_torn_listen(void (*torn)(void *arg, const void *stream_user), void *arg);

#endif
