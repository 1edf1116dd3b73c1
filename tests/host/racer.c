/*
 * Opens sessions while the user whose they are exchanges two names for each other (renameat2(2)), and prints
 * how they ended.
 *
 *   racer CONFDIR MODULE ONE OTHER VICTIM PLACE SHOWN race SECONDS ENOUGH
 *   racer CONFDIR MODULE ONE OTHER VICTIM PLACE SHOWN step
 *
 * OTHER is a link of the user's, ONE a directory beside it or a pattern (glob(7)) for one that the module makes.
 * What lies under VICTIM is not the user's: a mount there, a change there, or its being seen at SHOWN ("-":
 * nowhere) is an attack that was won. An open that succeeds must have mounted something below PLACE.
 *
 * "race": a process of the user's exchanges them all the time, until SECONDS have passed or ENOUGH sessions
 * were won by it. "step": every session is traced. Before one of its system calls that look up a path that
 * could lead through the names they are exchanged, and back before a later one, for every such pair of calls.
 *
 * Printed is "CALLS calls" when stepping, and "COUNT opened COUNT refused COUNT strayed".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SERVICE "jns-host"
#define USER "alice"
#define ID 2001
/* What ONE and VICTIM hold, or what is made in them. */
#define ENTRY "t"

enum outcome { OPENED, REFUSED, STRAYED, OUTCOMES };

static const char *one, *other, *victim, *place, *shown;
static int real = -1, target = -1;
/* Whether ENTRY is missing at first, so that each session makes it. */
static int is_made, is_made_by_victory;
static struct stat victim_before, entry_before;
static int is_traced;
static pam_handle_t *handle;
static int counts[OUTCOMES];

static void die(const char *what) {
    fprintf(stderr, "racer: %s: %s\n", what, strerror(errno));
    exit(99);
}

static int no_conversation(int n, const struct pam_message **m, struct pam_response **r, void *data) {
    (void)n, (void)m, (void)r, (void)data;
    return PAM_CONV_ERR;
}

static int is_pattern(void) { return strchr(one, '*') != NULL; }

static void exchange_with(const char *name) { renameat2(AT_FDCWD, name, AT_FDCWD, other, RENAME_EXCHANGE); }

static void exchange(void) {
    glob_t found;
    if (!is_pattern()) {
        exchange_with(one);
    } else if (glob(one, GLOB_NOSORT, NULL, &found) == 0) {
        exchange_with(found.gl_pathv[0]);
        globfree(&found);
    }
}

/* What a session has to leave as it is. */

static void remember(void) {
    memset(&entry_before, 0, sizeof entry_before);
    if (fstat(target, &victim_before) < 0 || (fstatat(target, ENTRY, &entry_before, 0) < 0 && errno != ENOENT))
        die(victim);
}

static int differs(const struct stat *a, const struct stat *b) {
    return a->st_ino != b->st_ino || a->st_uid != b->st_uid || a->st_gid != b->st_gid || a->st_mode != b->st_mode ||
           a->st_nlink != b->st_nlink;
}

static int is_changed(void) {
    struct stat victim_then = victim_before, entry_then = entry_before;
    remember();
    return differs(&victim_then, &victim_before) || differs(&entry_then, &entry_before);
}

static int is_victim(const char *path) {
    struct stat status;
    if (stat(path, &status) < 0 || status.st_dev != victim_before.st_dev)
        return 0;
    return status.st_ino == victim_before.st_ino || status.st_ino == entry_before.st_ino;
}

static int is_below(const char *path, const char *directory) {
    size_t length = strlen(directory);
    return !strncmp(path, directory, length) && (!path[length] || path[length] == '/');
}

/* Mount points of this process at or below a directory. */
static int mounts_below(const char *directory) {
    char line[8192], point[4096];
    int found = 0;
    FILE *table = fopen("/proc/self/mountinfo", "re");
    if (!table)
        die("mountinfo");
    while (fgets(line, sizeof line, table))
        found += sscanf(line, "%*s %*s %*s %*s %4095s", point) == 1 && is_below(point, directory);
    fclose(table);
    return found;
}

/* Sessions. Each is opened in a process of its own, whose exit status is its outcome. */

static enum outcome open_session(void) {
    int before = mounts_below(place);
    int code = pam_open_session(handle, 0);
    if (is_traced)
        raise(SIGSTOP);
    if (mounts_below(victim) || (strcmp(shown, "-") && is_victim(shown)))
        return STRAYED;
    if (code != PAM_SUCCESS)
        return REFUSED;
    int landed = mounts_below(place) > before;
    pam_close_session(handle, 0);
    return landed ? OPENED : STRAYED;
}

static enum outcome judge(int status) {
    if (!WIFEXITED(status) || WEXITSTATUS(status) >= OUTCOMES) {
        fprintf(stderr, "racer: a session ended with status %x\n", status);
        exit(98);
    }
    enum outcome outcome = is_changed() ? STRAYED : (enum outcome)WEXITSTATUS(status);
    counts[outcome]++;
    return outcome;
}

static void put_back_link(void) {
    glob_t found;
    remove(other);
    if (symlink(victim, other) < 0 || lchown(other, ID, ID) < 0)
        die(other);
    unlinkat(real, ENTRY, 0);
    if (glob(one, GLOB_NOSORT, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            remove(found.gl_pathv[i]);
        globfree(&found);
    }
}

/* The names as they were at first. */
static void put_back(void) {
    struct stat status;
    if (is_pattern())
        put_back_link();
    else if (lstat(one, &status) == 0 && S_ISLNK(status.st_mode))
        exchange();
}

/* Takes away what the last session has made, so that the next one makes it again. */
static void reset(void) {
    if (is_made)
        unlinkat(real, ENTRY, AT_REMOVEDIR);
    if (is_made_by_victory)
        unlinkat(target, ENTRY, AT_REMOVEDIR);
    remember();
}

/* At random. */

static pid_t start_exchanging(void) {
    pid_t parent = getpid(), process = fork();
    if (process)
        return process;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setresgid(ID, ID, ID) < 0 || setresuid(ID, ID, ID) < 0)
        die("the user");
    /* Changing ids clears it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent)
        exchange();
    _exit(0);
}

static time_t now(void) {
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) < 0)
        die("the clock");
    return time.tv_sec;
}

static void race(int seconds, int enough) {
    pid_t process = start_exchanging();
    time_t end = now() + seconds;
    while (now() < end && counts[STRAYED] < enough) {
        int status;
        reset();
        pid_t session = fork();
        if (session == 0)
            _exit(open_session());
        waitpid(session, &status, 0);
        judge(status);
    }
    kill(process, SIGKILL);
    waitpid(process, NULL, 0);
}

/* At every pair of calls. */

/* Calls that look up a path, and which of their arguments it is. */
static const struct call {
    unsigned number;
    int argument;
} calls[] = {
    {SYS_openat, 1},     {SYS_openat2, 1},  {SYS_open_tree, 1},  {SYS_move_mount, 3}, {SYS_mount, 1},
    {SYS_umount2, 0},    {SYS_mkdirat, 1},  {SYS_mknodat, 1},    {SYS_unlinkat, 1},   {SYS_renameat2, 1},
    {SYS_fchownat, 1},   {SYS_fchmodat, 1}, {SYS_faccessat, 1},  {SYS_readlinkat, 1}, {SYS_statx, 1},
    {SYS_newfstatat, 1}, {SYS_chdir, 0},    {SYS_chroot, 0},
#ifdef SYS_open
    {SYS_open, 0},       {SYS_stat, 0},     {SYS_lstat, 0},      {SYS_access, 0},     {SYS_mkdir, 0},
    {SYS_rmdir, 0},      {SYS_rename, 0},   {SYS_unlink, 0},     {SYS_readlink, 0},   {SYS_chown, 0},
    {SYS_lchown, 0},     {SYS_chmod, 0},    {SYS_renameat, 1},
#endif
};
#define CALLS (sizeof calls / sizeof *calls)

/* Has this process stopped at those calls alone (seccomp(2)), so that it need not be at all others. */
static void stop_at_calls(void) {
    struct sock_filter filter[2 * CALLS + 2];
    size_t length = 0;
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < CALLS; i++) {
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {length, filter};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        die("PR_SET_SECCOMP");
}

static int path_argument(unsigned long number) {
    for (size_t i = 0; i < CALLS; i++)
        if (calls[i].number == number)
            return calls[i].argument;
    return -1;
}

/* Whether a path could lead through the names: one that is relative, or has the beginning that they have. An empty
   one stands for the descriptor. */
static int could_pass_names(pid_t process, unsigned long path) {
    long word = ptrace(PTRACE_PEEKDATA, process, path, 0);
    const char *text = (const char *)&word;
    return *text && (*text != '/' || !strncmp(text, one, strcspn(one + 1, "/") + 1));
}

static int is_worth_a_stop(pid_t process) {
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, process, sizeof info, &info) < 0)
        die("PTRACE_GET_SYSCALL_INFO");
    int argument = info.op == PTRACE_SYSCALL_INFO_SECCOMP ? path_argument(info.seccomp.nr) : -1;
    return argument >= 0 && could_pass_names(process, info.seccomp.args[argument]);
}

static pid_t start_traced(void) {
    pid_t process = fork();
    if (process == 0) {
        is_traced = 1;
        if (ptrace(PTRACE_TRACEME) < 0)
            die("PTRACE_TRACEME");
        raise(SIGSTOP);
        stop_at_calls();
        _exit(open_session());
    }
    waitpid(process, NULL, 0);
    if (ptrace(PTRACE_SETOPTIONS, process, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL) < 0)
        die("PTRACE_SETOPTIONS");
    return process;
}

/* A session for which the names are exchanged before the call of the number FROM, and back before UNTIL. How many
   such calls there were is returned. */
static int step(int from, int until) {
    int status, number = 0, signal = 0, is_open = 0;
    reset();
    pid_t process = start_traced();
    for (;;) {
        ptrace(PTRACE_CONT, process, 0, signal);
        signal = 0;
        if (waitpid(process, &status, 0) < 0 || !WIFSTOPPED(status))
            break;
        if (WSTOPSIG(status) == SIGSTOP)
            is_open = 1;
        else if (status >> 8 != (SIGTRAP | PTRACE_EVENT_SECCOMP << 8))
            signal = WSTOPSIG(status);
        else if (!is_open && is_worth_a_stop(process) && ++number && (number == from || number == until))
            exchange();
    }
    put_back();
    judge(status);
    return number;
}

static void step_all(void) {
    int calls = step(0, 0);
    if (counts[OPENED] != 1) {
        fprintf(stderr, "racer: a session that nobody disturbed did not open\n");
        exit(97);
    }
    for (int from = 1; from <= calls; from++)
        for (int until = from + 1; until <= calls + 1; until++)
            step(from, until);
    printf("%d calls\n", calls);
}

/* So that not every session has to load it again. */
static void load(const char *path) {
    if (strchr(path, '/') && !dlopen(path, RTLD_NOW)) {
        fprintf(stderr, "racer: %s\n", dlerror());
        exit(96);
    }
}

/* The directory in which the sessions find ENTRY, or make it, while nobody exchanges anything. */
static int open_real(void) {
    char *path = strdup(one);
    const char *directory = is_pattern() ? dirname(path) : path;
    int opened = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0)
        die(directory);
    free(path);
    return opened;
}

static int holds_entry(int directory) {
    struct stat status;
    return fstatat(directory, ENTRY, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

int main(int count, char **arguments) {
    static const struct pam_conv conversation = {no_conversation, NULL};
    if (count < 9)
        die("usage: racer CONFDIR MODULE ONE OTHER VICTIM PLACE SHOWN race SECONDS ENOUGH | step");
    load(arguments[2]);
    one = arguments[3], other = arguments[4], victim = arguments[5], place = arguments[6], shown = arguments[7];
    real = open_real();
    target = open(victim, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (target < 0)
        die(victim);
    is_made = !holds_entry(real);
    is_made_by_victory = !holds_entry(target);
    if (pam_start_confdir(SERVICE, USER, &conversation, arguments[1], &handle) != PAM_SUCCESS)
        die("pam_start");
    if (count > 10)
        race(atoi(arguments[9]), atoi(arguments[10]));
    else
        step_all();
    put_back();
    reset();
    printf("%d opened %d refused %d strayed\n", counts[OPENED], counts[REFUSED], counts[STRAYED]);
    return 0;
}
