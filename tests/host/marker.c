/*
 * A module that does nothing but a system call that is easily found in a trace: its first argument is what it
 * looks for when a session is opened, the second when it is closed, the third when the handle ends. In a stack it
 * stands before and after the module under test: what lies between is that module's doing. What modules keep with a
 * handle ends in the opposite order.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <security/pam_modules.h>
#include <sys/syscall.h>
#include <unistd.h>

static int mark(int count, const char **arguments, int which) {
    if (count > which)
        syscall(SYS_faccessat, AT_FDCWD, arguments[which], F_OK);
    return PAM_IGNORE;
}

static void mark_end(pam_handle_t *handle, void *path, int status) {
    (void)handle, (void)status;
    syscall(SYS_faccessat, AT_FDCWD, (const char *)path, F_OK);
}

int pam_sm_open_session(pam_handle_t *handle, int flags, int count, const char **arguments) {
    (void)flags;
    if (count > 2)
        pam_set_data(handle, arguments[2], (void *)arguments[2], mark_end);
    return mark(count, arguments, 0);
}

int pam_sm_close_session(pam_handle_t *handle, int flags, int count, const char **arguments) {
    (void)handle, (void)flags;
    return mark(count, arguments, 1);
}
