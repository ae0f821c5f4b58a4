#include "proto/socket_owner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { ANSWER_BYTES = 8192, ANSWER_S = 1, LINE_BYTES = 512 };

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

/* An IPv4 address as such, however it is written. */
static struct socket_end plain(const struct socket_end *e) {
    struct socket_end p = *e;

    if (e->len == 16 && memcmp(e->address, mapped, sizeof mapped) == 0) {
        memcpy(p.address, e->address + sizeof mapped, 4);
        p.len = 4;
    }
    if (p.len == 4)
        memset(p.address + 4, 0, sizeof p.address - 4);
    return p;
}

static bool same(const struct socket_end *a, const struct socket_end *b) {
    struct socket_end x = plain(a), y = plain(b);

    return x.len == y.len && x.port == y.port && memcmp(x.address, y.address, x.len) == 0;
}

/* ---- sock_diag -------------------------------------------------------------------------------------------- */

struct question {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
};

static struct question question_of(const struct socket_end *theirs, const struct socket_end *ours) {
    struct socket_end from = plain(theirs), to = plain(ours);
    struct question q = {.head = {.nlmsg_len = sizeof q,
                                  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                                  .nlmsg_flags = NLM_F_REQUEST},
                         .body = {.sdiag_family = from.len == 4 ? AF_INET : AF_INET6,
                                  .sdiag_protocol = IPPROTO_TCP,
                                  .idiag_states = UINT32_MAX}};

    memcpy(q.body.id.idiag_src, from.address, from.len);
    memcpy(q.body.id.idiag_dst, to.address, to.len);
    q.body.id.idiag_sport = htons(from.port);
    q.body.id.idiag_dport = htons(to.port);
    q.body.id.idiag_cookie[0] = q.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return q;
}

static struct socket_end end_of(const struct inet_diag_msg *m, const __be32 *address, __be16 port) {
    struct socket_end e = {.len = m->idiag_family == AF_INET ? 4 : 16, .port = ntohs(port)};

    memcpy(e.address, address, e.len);
    return e;
}

/* The kernel answers with a listening socket where there is no connection: what it says is compared. */
static enum socket_owner_result read_answer(const void *bytes, size_t len,
                                            const struct socket_end *theirs,
                                            const struct socket_end *ours, uid_t *uid) {
    const struct nlmsghdr *head = bytes;

    if (len < sizeof *head || head->nlmsg_len > len)
        return SOCKET_OWNER_UNTOLD;
    if (head->nlmsg_type == NLMSG_ERROR && len >= NLMSG_LENGTH(sizeof(struct nlmsgerr))) {
        const struct nlmsgerr *e = NLMSG_DATA(head);
        return e->error == -ENOENT ? SOCKET_OWNER_NONE : SOCKET_OWNER_UNTOLD;
    }
    if (head->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        head->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
        return SOCKET_OWNER_UNTOLD;
    const struct inet_diag_msg *m = NLMSG_DATA(head);
    struct socket_end source = end_of(m, m->id.idiag_src, m->id.idiag_sport),
                      target = end_of(m, m->id.idiag_dst, m->id.idiag_dport);
    if (m->idiag_state != TCP_ESTABLISHED || m->idiag_inode == 0 || !same(&source, theirs) ||
        !same(&target, ours))
        return SOCKET_OWNER_NONE;
    *uid = m->idiag_uid;
    return SOCKET_OWNER_FOUND;
}

static enum socket_owner_result by_diag(const struct socket_end *theirs,
                                        const struct socket_end *ours, uid_t *uid) {
    _Alignas(struct nlmsghdr) unsigned char answer[ANSWER_BYTES];
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    const struct timeval patience = {.tv_sec = ANSWER_S};
    const struct question q = question_of(theirs, ours);
    enum socket_owner_result result = SOCKET_OWNER_UNTOLD;
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd < 0)
        return SOCKET_OWNER_UNTOLD;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (sendto(fd, &q, sizeof q, 0, (const struct sockaddr *)&kernel, sizeof kernel) ==
        (ssize_t)sizeof q) {
        ssize_t n;
        do
            n = recv(fd, answer, sizeof answer, 0);
        while (n < 0 && errno == EINTR);
        if (n > 0)
            result = read_answer(answer, (size_t)n, theirs, ours, uid);
    }
    close(fd);
    return result;
}

/* ---- /proc/net -------------------------------------------------------------------------------------------- */

/* "0100007F:1E14", or 32 digits: words of four bytes, each in the machine's order. */
static bool read_end(const char *text, struct socket_end *e) {
    size_t digits = strspn(text, "0123456789ABCDEFabcdef");

    if ((digits != 8 && digits != 32) || text[digits] != ':')
        return false;
    *e = (struct socket_end){.len = digits / 2};
    for (size_t i = 0; i < digits / 8; i++) {
        char word[9] = "";
        memcpy(word, text + 8 * i, 8);
        uint32_t n = (uint32_t)strtoul(word, NULL, 16);
        memcpy(e->address + 4 * i, &n, sizeof n);
    }
    e->port = (uint16_t)strtoul(text + digits + 1, NULL, 16);
    return true;
}

/* sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ... The line is cut up. */
enum { FIELD_LOCAL = 1, FIELD_REMOTE, FIELD_STATE, FIELD_UID = 7, FIELD_INODE = 9, FIELDS };

static bool read_line(char *line, const struct socket_end *theirs, const struct socket_end *ours,
                      uid_t *uid) {
    char *fields[FIELDS], *rest = line;
    struct socket_end from, to;

    for (size_t i = 0; i < FIELDS; i++) {
        fields[i] = strtok_r(i == 0 ? line : NULL, " \n", &rest);
        if (fields[i] == NULL)
            return false;
    }
    if (strtoul(fields[FIELD_STATE], NULL, 16) != TCP_ESTABLISHED ||
        strtoul(fields[FIELD_INODE], NULL, 10) == 0 || !read_end(fields[FIELD_LOCAL], &from) ||
        !read_end(fields[FIELD_REMOTE], &to) || !same(&from, theirs) || !same(&to, ours))
        return false;
    *uid = (uid_t)strtoul(fields[FIELD_UID], NULL, 10);
    return true;
}

static enum socket_owner_result by_table(const char *path, const struct socket_end *theirs,
                                         const struct socket_end *ours, uid_t *uid) {
    char line[LINE_BYTES];
    enum socket_owner_result result = SOCKET_OWNER_NONE;
    FILE *f = fopen(path, "re");

    if (f == NULL)
        return SOCKET_OWNER_UNTOLD;
    while (result == SOCKET_OWNER_NONE && fgets(line, sizeof line, f) != NULL)
        if (read_line(line, theirs, ours, uid))
            result = SOCKET_OWNER_FOUND;
    fclose(f);
    return result;
}

enum socket_owner_result socket_owner_by_proc(const struct socket_end *theirs,
                                              const struct socket_end *ours, uid_t *uid) {
    static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
    enum socket_owner_result result = SOCKET_OWNER_UNTOLD;

    for (size_t i = 0; i < 2 && result != SOCKET_OWNER_FOUND; i++) {
        enum socket_owner_result one = by_table(tables[i], theirs, ours, uid);
        if (one != SOCKET_OWNER_UNTOLD)
            result = one;
    }
    return result;
}

enum socket_owner_result socket_owner(const struct socket_end *theirs,
                                      const struct socket_end *ours, uid_t *uid) {
    enum socket_owner_result result = by_diag(theirs, ours, uid);

    return result == SOCKET_OWNER_UNTOLD ? socket_owner_by_proc(theirs, ours, uid) : result;
}

/* ---- trust ------------------------------------------------------------------------------------------------ */

static unsigned long read_number(const char *path, unsigned long otherwise) {
    char text[32];
    FILE *f = fopen(path, "re");

    if (f == NULL)
        return otherwise;
    if (fgets(text, sizeof text, f) != NULL)
        otherwise = strtoul(text, NULL, 10);
    fclose(f);
    return otherwise;
}

/* Does our user namespace have a number for each user there is? The first one has. */
static bool sees_all_users(void) {
    unsigned long from, to, count;
    FILE *f = fopen("/proc/self/uid_map", "re");
    bool all = f != NULL && fscanf(f, "%lu %lu %lu", &from, &to, &count) == 3 && from == 0 &&
               to == 0 && count == UINT32_MAX;

    if (f != NULL)
        fclose(f);
    return all;
}

enum { OVERFLOW_UID = 65534 };

/* Whoever has no number here is shown as `shared_uid`. */
static pthread_once_t prepared = PTHREAD_ONCE_INIT;
static bool all_users;
static uid_t shared_uid;

static void read_namespace(void) {
    all_users = sees_all_users();
    shared_uid = (uid_t)read_number("/proc/sys/kernel/overflowuid", OVERFLOW_UID);
}

void socket_owner_prepare(void) {
    pthread_once(&prepared, read_namespace);
}

bool socket_owner_is_us(uid_t uid) {
    socket_owner_prepare();
    if (uid == shared_uid && !all_users)
        return false;
    return uid == 0 || uid == geteuid();
}

enum socket_trust socket_owner_trust(const struct socket_end *theirs, const struct socket_end *ours,
                                     char *whose, size_t whose_size) {
    struct passwd entry, *found = NULL;
    char text[1024];
    uid_t uid;

    switch (socket_owner(theirs, ours, &uid)) {
    case SOCKET_OWNER_NONE:
        snprintf(whose, whose_size, "nobody on this machine");
        return SOCKET_GONE;
    case SOCKET_OWNER_UNTOLD:
        snprintf(whose, whose_size, "somebody whom the kernel does not tell");
        return SOCKET_STRANGE;
    default:
        break;
    }
    if (socket_owner_is_us(uid))
        return SOCKET_TRUSTED;
    if (getpwuid_r(uid, &entry, text, sizeof text, &found) == 0 && found != NULL)
        snprintf(whose, whose_size, "user %.64s (%u)", entry.pw_name, (unsigned)uid);
    else
        snprintf(whose, whose_size, "user %u", (unsigned)uid);
    return SOCKET_STRANGE;
}
