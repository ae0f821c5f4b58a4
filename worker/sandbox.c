#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shared/log.h"

/* Of later headers than Debian 12's; landlock(7) has the versions. */
enum {
    ACCESS_REFER = 1 << 13,    /* version 2 */
    ACCESS_TRUNCATE = 1 << 14, /* version 3 */
    ACCESS_VERSION_1 = (1 << 13) - 1,
    ACCESS_READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
    ACCESS_OF_FILES =
        LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE,
    ACCESS_OWN = ACCESS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
                 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                 LANDLOCK_ACCESS_FS_REMOVE_DIR | ACCESS_REFER | ACCESS_TRUNCATE,
};

/* Read by the C library, OpenSSL, ICU and c-ares, some of it late. Those that are not there are no matter. Not /etc/ssl
 * or /etc/pki as a whole: they have the machine's private keys, too. */
static const char *const readable[] = {
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/localtime",
    "/run/systemd/resolve",
    "/proc/self",
    "/proc/sys",
    "/sys/devices/system",
    "/dev/null",
    "/dev/urandom",
    "/dev/random",
};

enum { FCHMODAT2 = 452 }; /* on all machines; Debian 12's libseccomp does not know it */

static const int refused[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(listen),
#ifndef __SANITIZE_ADDRESS__ /* LeakSanitizer stops and traces its own process */
    SCMP_SYS(ptrace),
    SCMP_SYS(tkill),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(rt_tgsigqueueinfo),
    SCMP_SYS(pidfd_send_signal),
#endif
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(syslog),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(personality),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setreuid),
    SCMP_SYS(setregid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(capset),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(chmod),
    SCMP_SYS(fchmodat),
    FCHMODAT2,
    SCMP_SYS(setxattr),
    SCMP_SYS(lsetxattr),
    SCMP_SYS(removexattr),
    SCMP_SYS(lremovexattr),
    SCMP_SYS(chown),
    SCMP_SYS(lchown),
    SCMP_SYS(fchownat),
    SCMP_SYS(link),
    SCMP_SYS(symlink),
    SCMP_SYS(symlinkat),
};

/* Flags of clone() that make a namespace, which unshare() is not the only way to. */
static const uint64_t namespaces[] = {
    CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWNET,    CLONE_NEWPID,
    CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP,
};

/* Requests of ioctl() that type into the terminal the worker was started from: the user's shell would run it. */
static const uint64_t typing[] = {TIOCSTI, TIOCLINUX};

/* ---- files ---------------------------------------------------------------------------------------- */

static uint64_t handled(long version) {
    return ACCESS_VERSION_1 | (version >= 2 ? ACCESS_REFER : 0) |
           (version >= 3 ? ACCESS_TRUNCATE : 0);
}

static bool allow_beneath(int ruleset, int fd, uint64_t access) {
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    struct stat st;

    if (fstat(fd, &st) != 0)
        return false;
    if (!S_ISDIR(st.st_mode))
        rule.allowed_access &= ACCESS_OF_FILES;
    return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

static bool allow_path(int ruleset, const char *path, uint64_t access) {
    int fd = path == NULL || path[0] == '\0' ? -1 : open(path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return true;
    bool ok = allow_beneath(ruleset, fd, access);
    close(fd);
    return ok;
}

static bool allow_all(int ruleset, const struct sandbox_config *config, uint64_t access) {
    const int own[] = {config->dir_fd, config->archive_fd, config->home_fd};
    bool ok = true;

    for (size_t i = 0; i < sizeof own / sizeof own[0] && ok; i++)
        ok = own[i] < 0 || allow_beneath(ruleset, own[i], ACCESS_OWN & access);
    for (size_t i = 0; i < sizeof readable / sizeof readable[0] && ok; i++)
        ok = allow_path(ruleset, readable[i], ACCESS_READ);
    return ok && allow_path(ruleset, getenv("SSL_CERT_FILE"), ACCESS_READ) &&
           allow_path(ruleset, getenv("SSL_CERT_DIR"), ACCESS_READ);
}

static bool restrict_files(const struct sandbox_config *config) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (version < 1)
        return false;
    struct landlock_ruleset_attr attr = {.handled_access_fs = handled(version)};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (ruleset < 0)
        return false;
    bool ok = allow_all(ruleset, config, attr.handled_access_fs) &&
              syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    int saved = errno;
    close(ruleset);
    errno = saved;
    return ok;
}

/* ---- calls ---------------------------------------------------------------------------------------- */

/* The flags of clone3() are in memory, where no filter looks: without it the C library takes clone(). */
static int refuse_namespaces(scmp_filter_ctx filter) {
    int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

    for (size_t i = 0; i < sizeof namespaces / sizeof namespaces[0] && rc == 0; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
    return rc;
}

/* The kernel looks at the lower half of a request alone. */
static int refuse_typing(scmp_filter_ctx filter) {
    int rc = 0;

    for (size_t i = 0; i < sizeof typing / sizeof typing[0] && rc == 0; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                              SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, typing[i]));
    return rc;
}

/* What abort() and the threads of a process send is for the process itself. */
static int refuse_signals(scmp_filter_ctx filter) {
    struct scmp_arg_cmp others = SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid(), 0);
    int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1, others);

    return rc != 0 ? rc
                   : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(kill), 1, others);
}

static bool refuse_calls(void) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int rc = filter == NULL ? -ENOMEM : 0;

    /* Those that this machine does not have count as refused. */
    for (size_t i = 0; i < sizeof refused / sizeof refused[0] && rc == 0; i++)
        if (refused[i] >= 0)
            rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
    if (rc == 0)
        rc = refuse_namespaces(filter);
    if (rc == 0)
        rc = refuse_typing(filter);
    if (rc == 0)
        rc = refuse_signals(filter);
    if (rc == 0)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree */
    if (rc == 0)
        rc = seccomp_load(filter);
    if (filter != NULL)
        seccomp_release(filter);
    errno = -rc;
    return rc == 0;
}

void sandbox_enter(const struct sandbox_config *config) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        log_warn("sandbox", "cannot give up new privileges: %m");
    if (config->allow_exec)
        return;
    if (!restrict_files(config))
        log_warn("sandbox", "no landlock (%m): files are not out of the worker's reach");
    if (!refuse_calls())
        log_warn("sandbox", "no seccomp (%m): no system call is refused");
}
