#include "worker/h2_torn.h"

#include <dlfcn.h>
#include <nghttp2/nghttp2.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef void set_callback(nghttp2_session_callbacks *, nghttp2_on_frame_recv_callback);

static _Thread_local struct {
    void (*torn)(void *arg, const void *stream_user);
    void *arg;
} listener;

/* libcurl's: always the same. */
static _Atomic(nghttp2_on_frame_recv_callback) theirs;

void h2_torn_listen(void (*torn)(void *arg, const void *stream_user), void *arg) {
    listener.torn = torn;
    listener.arg = arg;
}

/* A request has no body: its stream is closed on both sides, and forgotten, with the END_STREAM of the answer. One that is still
 * known has had none. */
static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    void *stream_user = frame->hd.type != NGHTTP2_RST_STREAM
                            ? NULL
                            : nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    if (stream_user != NULL && listener.torn != NULL)
        listener.torn(listener.arg, stream_user);
    return atomic_load(&theirs)(session, frame, user);
}

/* The name is nghttp2's, so that libcurl's call comes here. */
void nghttp2_session_callbacks_set_on_frame_recv_callback(nghttp2_session_callbacks *callbacks,
                                                          nghttp2_on_frame_recv_callback wanted) {
    nghttp2_on_frame_recv_callback none = NULL;
    set_callback *real;

    *(void **)&real = dlsym(RTLD_NEXT, __func__);
    if (real == NULL)
        return;
    bool ours = atomic_compare_exchange_strong(&theirs, &none, wanted) || none == wanted;
    real(callbacks, ours ? on_frame : wanted);
}
