/*
 * A PAM module that knows the password: its argument, each character of which is one too high, so that the
 * password is not in memory before it is asked for.
 */
#include <security/pam_modules.h>
#include <string.h>

int pam_sm_authenticate(pam_handle_t *handle, int flags, int count, const char **arguments) {
    char password[128] = "";
    (void)flags;
    for (size_t at = 0; count > 0 && arguments[0][at] && at + 1 < sizeof password; at++)
        password[at] = arguments[0][at] - 1;
    int code = pam_set_item(handle, PAM_AUTHTOK, password);
    explicit_bzero(password, sizeof password);
    return code;
}

int pam_sm_setcred(pam_handle_t *handle, int flags, int count, const char **arguments) {
    (void)handle, (void)flags, (void)count, (void)arguments;
    return PAM_SUCCESS;
}
