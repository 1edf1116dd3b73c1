/*
 * A threaded program that opens sessions: each thread has a handle of its own and ends after a few logins;
 * libpam unloads the module whenever no handle is left.
 *
 *   threads CONFDIR SERVICE USER ROUNDS THREADS opened|joined|refused|exempt
 *
 * Sessions that are joined are all in one namespace; those of exempt users are in the host's.
 *
 * Prints what is wrong, and at its end how many sessions were as they were expected.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <security/pam_appl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *confdir, *service, *user;
static char host[64];
static atomic_int as_expected;
static int expect_opened, expect_joined, expect_exempt;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char joined[64];

static int no_conversation(int n, const struct pam_message **m, struct pam_response **r, void *data) {
    (void)n, (void)m, (void)r, (void)data;
    return PAM_CONV_ERR;
}

static const struct pam_conv conversation = {no_conversation, NULL};

static void read_namespace(char *name) {
    memset(name, 0, 64);
    if (readlink("/proc/thread-self/ns/mnt", name, 63) < 0)
        perror("namespace");
}

static void expect(int holds, const char *what) {
    if (!holds)
        printf("wrong: %s\n", what);
}

static void compare(const char *namespace) {
    pthread_mutex_lock(&mutex);
    if (*joined)
        expect(!strcmp(namespace, joined), "all sessions are in one namespace");
    strcpy(joined, namespace);
    pthread_mutex_unlock(&mutex);
}

static void *login(void *unused) {
    pam_handle_t *handle = NULL;
    char before[64], after[64];
    read_namespace(before);
    expect(!strcmp(before, host), "a new thread begins in the host's namespace");
    expect(pam_start_confdir(service, user, &conversation, confdir, &handle) == PAM_SUCCESS, "start");
    int code = pam_open_session(handle, 0);
    read_namespace(after);
    if (expect_opened) {
        expect(code == PAM_SUCCESS, "open");
        expect(!strcmp(after, host) == expect_exempt, "the thread that opened is not in the host's namespace");
        if (expect_joined)
            compare(after);
        char directory[64] = "";
        expect(getcwd(directory, sizeof directory) && !strcmp(directory, "/usr"), "its directory stays");
        char closed[64];
        expect(pam_close_session(handle, 0) == PAM_SUCCESS, "close");
        read_namespace(closed);
        expect(!strcmp(after, closed), "the thread that closed is in the session's namespace");
        expect(getcwd(directory, sizeof directory) && !strcmp(directory, "/usr"), "and in its directory");
    } else {
        expect(code == PAM_PERM_DENIED, "a refused open");
        expect(!strcmp(after, host), "the thread whose open was refused is in the host's namespace");
    }
    as_expected += (code == PAM_SUCCESS) == expect_opened;
    expect(pam_end(handle, PAM_SUCCESS) == PAM_SUCCESS, "end");
    char directory[64] = "";
    read_namespace(after);
    expect(!strcmp(after, host), "the thread that ended its handle is in the host's namespace");
    expect(getcwd(directory, sizeof directory) && !strcmp(directory, "/usr"), "and in its directory");
    return unused;
}

int main(int count, char **arguments) {
    if (count != 7)
        return 2;
    confdir = arguments[1], service = arguments[2], user = arguments[3];
    int rounds = atoi(arguments[4]), width = atoi(arguments[5]);
    expect_joined = !strcmp(arguments[6], "joined");
    expect_exempt = !strcmp(arguments[6], "exempt");
    expect_opened = expect_joined || expect_exempt || !strcmp(arguments[6], "opened");
    read_namespace(host);
    expect(chdir("/usr") == 0, "there is a directory");
    while (rounds-- > 0) {
        pthread_t threads[width];
        char now[64];
        for (int i = 0; i < width; i++)
            pthread_create(&threads[i], NULL, login, NULL);
        for (int i = 0; i < width; i++)
            pthread_join(threads[i], NULL);
        read_namespace(now);
        expect(!strcmp(now, host), "the main thread stays in the host's namespace");
        char directory[64] = "";
        expect(getcwd(directory, sizeof directory) && !strcmp(directory, "/usr"), "and in its directory");
    }
    printf("%d %s\n", as_expected, arguments[6]);
    return 0;
}
