/*
 * A module that mounts for the session, as pam_mount does: a tmpfs on the directory of its argument, which it unmounts
 * when the session is closed.
 */
#include <security/pam_modules.h>
#include <sys/mount.h>

int pam_sm_open_session(pam_handle_t *handle, int flags, int count, const char **arguments) {
    (void)handle, (void)flags;
    if (count < 1 || mount("mounter", arguments[0], "tmpfs", 0, "size=1M") < 0)
        return PAM_SESSION_ERR;
    return PAM_SUCCESS;
}

int pam_sm_close_session(pam_handle_t *handle, int flags, int count, const char **arguments) {
    (void)handle, (void)flags;
    return count < 1 || umount(arguments[0]) < 0 ? PAM_SESSION_ERR : PAM_SUCCESS;
}
