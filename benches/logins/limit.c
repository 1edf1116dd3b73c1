/*
 * A module that does what no module for private directories can leave out: a mount namespace of its own, into which
 * the host's mounts still travel, and a bind mount for each pair of its arguments, SOURCE TARGET.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <security/pam_modules.h>
#include <sys/mount.h>

int pam_sm_open_session(pam_handle_t *handle, int flags, int count, const char **arguments) {
    (void)handle, (void)flags;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return PAM_SESSION_ERR;
    for (int at = 0; at + 1 < count; at += 2)
        if (mount(arguments[at], arguments[at + 1], NULL, MS_BIND, NULL) < 0)
            return PAM_SESSION_ERR;
    return PAM_SUCCESS;
}

/* The namespace ends with its last process. */
int pam_sm_close_session(pam_handle_t *handle, int flags, int count, const char **arguments) {
    (void)handle, (void)flags, (void)count, (void)arguments;
    return PAM_SUCCESS;
}
