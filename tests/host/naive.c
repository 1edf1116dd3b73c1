/*
 * A PAM session module that trusts paths: it looks where they lead, and then uses them again. Attacks that cannot
 * be won against it are too weak to show anything about another module.
 *
 *   naive.so at=PATH from=DIRECTORY [temporary] [keep=NAME]
 *
 * In a namespace of its own the session sees DIRECTORY at PATH, and the entry NAME of PATH in it. Whichever of the
 * two directories is missing is made and given to the user, with "temporary" under another name at first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <security/pam_modules.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH 4096
/* A name as pam_jns gives it to what is not ready yet. */
#define TEMPORARY ".jns-naive"

/* Whether nobody but root has made a link on the way. */
static int is_roots_way(const char *path) {
    char way[LENGTH], target[LENGTH], led[2 * LENGTH];
    struct stat status;
    for (size_t end = 1; path[end - 1]; end++) {
        if (path[end] && path[end] != '/')
            continue;
        snprintf(way, sizeof way, "%.*s", (int)end, path);
        if (lstat(way, &status) < 0)
            return errno == ENOENT;
        if (!S_ISLNK(status.st_mode))
            continue;
        ssize_t length = readlink(way, target, sizeof target);
        if (status.st_uid != 0 || length < 0)
            return 0;
        snprintf(led, sizeof led, "%.*s%s", (int)length, target, path + end);
        return is_roots_way(led);
    }
    return 1;
}

static int is_directory(const char *path) {
    struct stat status;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    int is = descriptor >= 0 && fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode);
    if (descriptor >= 0)
        close(descriptor);
    return is;
}

static int make(const char *path, const struct passwd *user, int is_temporary) {
    char first[LENGTH];
    snprintf(first, sizeof first, "%s", path);
    if (is_temporary)
        snprintf(strrchr(first, '/') + 1, sizeof TEMPORARY, TEMPORARY);
    if (mkdir(first, 0755) < 0 && errno != EEXIST)
        return -1;
    if (chown(first, user->pw_uid, user->pw_gid) < 0)
        return -1;
    return is_temporary ? rename(first, path) : 0;
}

static int prepare(const char *path, const struct passwd *user, int is_temporary) {
    if (!is_roots_way(path))
        return -1;
    if (access(path, F_OK) < 0 && make(path, user, is_temporary) < 0)
        return -1;
    return is_directory(path) ? 0 : -1;
}

static int keep(const char *at, const char *from, const char *name) {
    char entry[LENGTH], shown[LENGTH];
    snprintf(entry, sizeof entry, "%s/%s", at, name);
    snprintf(shown, sizeof shown, "%s/%s", from, name);
    if (!is_roots_way(entry) || !is_directory(entry))
        return -1;
    if (mkdir(shown, 0755) < 0 && errno != EEXIST)
        return -1;
    return mount(entry, shown, NULL, MS_BIND, NULL);
}

static const char *argument(const char *name, int count, const char **arguments) {
    for (int i = 0; i < count; i++)
        if (!strncmp(arguments[i], name, strlen(name)))
            return arguments[i] + strlen(name);
    return NULL;
}

int pam_sm_open_session(pam_handle_t *handle, int flags, int count, const char **arguments) {
    const char *at = argument("at=", count, arguments), *from = argument("from=", count, arguments);
    const char *name = argument("keep=", count, arguments), *login = NULL;
    int is_temporary = argument("temporary", count, arguments) != NULL;
    (void)flags;
    if (!at || !from || pam_get_user(handle, &login, NULL) != PAM_SUCCESS)
        return PAM_SERVICE_ERR;
    const struct passwd *user = getpwnam(login);
    if (!user || unshare(CLONE_NEWNS) < 0)
        return PAM_SESSION_ERR;
    if (prepare(from, user, is_temporary) < 0 || prepare(at, user, is_temporary) < 0)
        return PAM_SESSION_ERR;
    if (name && keep(at, from, name) < 0)
        return PAM_SESSION_ERR;
    return mount(from, at, NULL, MS_BIND | MS_REC, NULL) < 0 ? PAM_SESSION_ERR : PAM_SUCCESS;
}

int pam_sm_close_session(pam_handle_t *handle, int flags, int count, const char **arguments) {
    (void)handle, (void)flags, (void)count, (void)arguments;
    return PAM_SUCCESS;
}
