/*
 * A program that opens sessions: it does the words of its command line in their order, and writes what it
 * finds to a report.
 *
 *   driver REPORT CONFDIR WORD...
 *
 * The report is in memory that forked children share, and written when the program ends, so that no
 * descriptor is needed on the way. The words are the table at the end.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <malloc.h>
#include <sched.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REPORT_SIZE (8 << 20)
/* The number from which descriptors of the driver's own are out of the way of those it gives away. */
#define OUT_OF_THE_WAY 200

extern char **environ;

static struct report {
    size_t length;
    char is_written;      /* a lock: children of a crowd write at once */
    int waiting, holding; /* children of a crowd */
    char text[REPORT_SIZE];
} *report;

static const char *confdir, *report_path, *service = "jns-host";
static pam_handle_t *handle, *other_handle;
static pid_t child;
static volatile sig_atomic_t children_that_ended;
static int home = -1, home_directory = -1;
static int listener = -1;
/* That of this child of a crowd, from 0. */
static int number = -1;

static void die(const char *what) {
    fprintf(stderr, "driver: %s: %s\n", what, strerror(errno));
    exit(99);
}

static void write_report(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (size_t done = 0; done < report->length;) {
        ssize_t count = write(fd, report->text + done, report->length - done);
        if (count < 0)
            _exit(98);
        done += count;
    }
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    va_list list;
    while (__atomic_test_and_set(&report->is_written, __ATOMIC_ACQUIRE))
        sched_yield();
    size_t room = REPORT_SIZE - report->length;
    va_start(list, format);
    int length = vsnprintf(report->text + report->length, room, format, list);
    va_end(list);
    if (length < 0 || (size_t)length >= room)
        die("the report is full");
    report->length += length;
    __atomic_clear(&report->is_written, __ATOMIC_RELEASE);
}

static int no_conversation(int n, const struct pam_message **m, struct pam_response **r, void *data) {
    (void)m, (void)r, (void)data;
    say("asked %d\n", n);
    return PAM_CONV_ERR;
}

static const struct pam_conv conversation = {no_conversation, NULL};

/* Transactions. */

static void start(const char *user) {
    say("start %d\n", pam_start_confdir(service, user, &conversation, confdir, &handle));
}

static void start_nobody(const char *unused) {
    (void)unused;
    start(NULL);
}

/* The user whose name ends in the number of this child of a crowd. */
static void start_numbered(const char *prefix) {
    char user[64];
    snprintf(user, sizeof user, "%s%d", prefix, number);
    start(user);
}

static void use_stack(const char *name) { service = name; }

static void set_user(const char *user) { say("user %d\n", pam_set_item(handle, PAM_USER, user)); }

static void set_tty(const char *tty) { say("tty %d\n", pam_set_item(handle, PAM_TTY, tty)); }

static void set_rhost(const char *rhost) { say("rhost %d\n", pam_set_item(handle, PAM_RHOST, rhost)); }

static void set_ruser(const char *ruser) { say("ruser %d\n", pam_set_item(handle, PAM_RUSER, ruser)); }

static void set_service(const char *service) { say("service %d\n", pam_set_item(handle, PAM_SERVICE, service)); }

static void open_session(const char *unused) {
    (void)unused;
    say("open %d\n", pam_open_session(handle, 0));
}

static void close_session(const char *unused) {
    (void)unused;
    say("close %d\n", pam_close_session(handle, 0));
}

static void end(const char *unused) {
    (void)unused;
    say("end %d\n", pam_end(handle, PAM_SUCCESS));
    handle = NULL;
}

/* From now on the words mean another transaction, which has to be started, and then the first one again. */
static void switch_handles(const char *unused) {
    pam_handle_t *last = handle;
    (void)unused;
    handle = other_handle;
    other_handle = last;
}

static void authenticate(const char *unused) {
    (void)unused;
    say("authenticate %d\n", pam_authenticate(handle, 0));
}

static void put_environment(const char *setting) {
    say("putenv %d\n", pam_putenv(handle, setting));
}

static void list_environment(const char *label) {
    char **list = pam_getenvlist(handle);
    for (char **variable = list; variable && *variable; variable++) {
        say("%s %s\n", label, *variable);
        free(*variable);
    }
    free(list);
}

/* What a process consists of, as lines "LABEL KEY VALUE". */

static void say_link(const char *label, const char *key, const char *path) {
    char target[4096];
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length >= 0)
        say("%s %s %.*s\n", label, key, (int)length, target);
}

static void say_descriptor(const char *label, int fd) {
    char key[64], path[64];
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0)
        return;
    snprintf(key, sizeof key, "descriptor %d %x %x", fd, flags, fcntl(fd, F_GETFL));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    say_link(label, key, path);
}

/* By number where no descriptor is left to list them by. Faults are looked for under strace(1), where every call
   costs. */
static void say_descriptors(const char *label) {
    static _Alignas(struct dirent64) char entries[32768];
    int list = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int fd = 0; list < 0 && fd < 1024; fd++)
        say_descriptor(label, fd);
    ssize_t length = 0;
    while (list >= 0 && (length = getdents64(list, entries, sizeof entries)) > 0) {
        for (ssize_t at = 0; at < length; at += ((struct dirent64 *)(entries + at))->d_reclen) {
            const char *name = ((struct dirent64 *)(entries + at))->d_name;
            if (*name != '.' && atoi(name) != list)
                say_descriptor(label, atoi(name));
        }
    }
    if (length < 0)
        die("/proc/self/fd");
    if (list >= 0)
        close(list);
}

static void say_signals(const char *label) {
    for (int number = 1; number < 65; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0)
            say("%s signal %d %p %x\n", label, number, (void *)action.sa_handler, action.sa_flags);
    }
    struct itimerval timer;
    getitimer(ITIMER_REAL, &timer);
    say("%s timer %ld\n", label, (long)timer.it_value.tv_sec);
    say("%s sigchld %d\n", label, (int)children_that_ended);
}

/* The lines of a file of /proc; from "status" those that do not change by themselves. */
static void say_file(const char *label, const char *key, const char *path, int is_status) {
    static const char *const restless[] = {"Vm", "Rss", "FDSize", "State", "HugetlbPages", "voluntary",
                                           "nonvoluntary", "Cpus", "Mems", "Tgid", "Pid", "Ngid", "SigQ"};
    char line[8192];
    FILE *file = fopen(path, "re");
    if (!file)
        die(path);
    while (fgets(line, sizeof line, file)) {
        int skip = 0;
        for (size_t i = 0; is_status && i < sizeof restless / sizeof *restless; i++)
            skip |= !strncmp(line, restless[i], strlen(restless[i]));
        if (!skip)
            say("%s %s %s", label, key, line);
    }
    fclose(file);
}

static void say_namespaces(const char *label) {
    static const char *const kinds[] = {"mnt",    "net",  "ipc",  "uts",
                                        "pid",    "user", "time", "pid_for_children",
                                        "cgroup", "time_for_children"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char key[64], path[64];
        snprintf(key, sizeof key, "namespace %s", kinds[i]);
        snprintf(path, sizeof path, "/proc/thread-self/ns/%s", kinds[i]);
        say_link(label, key, path);
    }
}

static void say_directory(const char *label, const char *key, const char *path) {
    struct stat status;
    if (stat(path, &status) == 0)
        say("%s %s %lx:%lx\n", label, key, (long)status.st_dev, (long)status.st_ino);
}

static void say_limits(const char *label) {
    for (int kind = 0; kind < RLIM_NLIMITS; kind++) {
        struct rlimit limit;
        getrlimit(kind, &limit);
        say("%s limit %d %lx %lx\n", label, kind, (long)limit.rlim_cur, (long)limit.rlim_max);
    }
}

static void say_process(const char *label) {
    char name[16];
    prctl(PR_GET_NAME, name);
    say("%s name %s\n", label, name);
    say("%s dumpable %d\n", label, prctl(PR_GET_DUMPABLE));
    say("%s keepcaps %d\n", label, prctl(PR_GET_KEEPCAPS));
    say("%s securebits %d\n", label, prctl(PR_GET_SECUREBITS));
    int subreaper = 0, death = 0;
    prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
    prctl(PR_GET_PDEATHSIG, &death);
    say("%s subreaper %d death %d\n", label, subreaper, death);
    say("%s group %d session %d\n", label, getpgrp(), getsid(0));
    say("%s priority %d scheduler %d\n", label, getpriority(PRIO_PROCESS, 0), sched_getscheduler(0));
    say("%s personality %x\n", label, personality(0xffffffff));
    say("%s locale %s\n", label, setlocale(LC_ALL, NULL));
    siginfo_t info;
    int result = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
    say("%s children %s\n", label, result < 0 ? "none" : "some");
}

static void state(const char *label) {
    char path[4096];
    say_descriptors(label);
    say("%s cwd %s\n", label, getcwd(path, sizeof path) ? path : "?");
    say_directory(label, "cwd", ".");
    say_directory(label, "root", "/");
    say("%s environ %p\n", label, (void *)environ);
    for (char **variable = environ; variable && *variable; variable++)
        say("%s environ %p %s\n", label, (void *)*variable, *variable);
    say_signals(label);
    say_file(label, "status", "/proc/thread-self/status", 1);
    say_file(label, "mount", "/proc/thread-self/mountinfo", 0);
    say_namespaces(label);
    say_limits(label);
    say_process(label);
}

static void place(const char *label) {
    say_directory(label, "cwd", ".");
    say_link(label, "namespace mnt", "/proc/thread-self/ns/mnt");
}

static void mounts(const char *label) { say_file(label, "mount", "/proc/thread-self/mountinfo", 0); }

static void memory(const char *label) {
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%ld %ld", &pages, &resident) != 2)
        die("statm");
    fclose(file);
    say("%s resident %ld\n", label, resident * sysconf(_SC_PAGESIZE));
    say("%s allocated %zu\n", label, mallinfo2().uordblks + mallinfo2().hblkhd);
}

/* Hosts of many kinds. */

static void change_directory(const char *path) {
    if (chdir(path) < 0)
        die(path);
}

static void set_uids(const char *text) {
    int real, effective;
    if (sscanf(text, "%d,%d", &real, &effective) != 2 || setresuid(real, effective, 0) < 0)
        die("setresuid");
}

static void limit_descriptors(const char *number) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = atoi(number);
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        die("setrlimit");
}

static void drop_capability(const char *number) {
    struct { unsigned version; int pid; } header = {0x20080522, 0};
    struct { unsigned effective, permitted, inheritable; } data[2];
    int bit = atoi(number);
    if (syscall(SYS_capget, &header, data) < 0)
        die("capget");
    data[bit / 32].effective &= ~(1u << bit % 32);
    if (syscall(SYS_capset, &header, data) < 0)
        die("capset");
}

static void close_from(const char *first) { close_range(atoi(first), ~0u, 0); }

static void close_until(const char *last) { close_range(0, atoi(last), 0); }

/* Puts a socket of a client's on every free number; whatever the module writes there, the client reads. */
static void reuse_descriptors(const char *unused) {
    int pair[2];
    (void)unused;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
        die("socketpair");
    listener = fcntl(pair[0], F_DUPFD, OUT_OF_THE_WAY);
    int client = fcntl(pair[1], F_DUPFD, OUT_OF_THE_WAY);
    close(pair[0]);
    close(pair[1]);
    for (int fd = 0; fd < OUT_OF_THE_WAY; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            dup2(client, fd);
}

static void read_client(const char *label) {
    char text[4096];
    ssize_t length;
    while ((length = read(listener, text, sizeof text)) > 0)
        say("%s received %.*s\n", label, (int)length, text);
}

static void remember_home(const char *unused) {
    (void)unused;
    home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    home_directory = open(".", O_PATH | O_CLOEXEC);
    if (home < 0 || home_directory < 0)
        die("home");
}

static void go_home(const char *unused) {
    (void)unused;
    if (setns(home, CLONE_NEWNS) < 0 || fchdir(home_directory) < 0)
        die("setns");
}

/* How often a text is in memory that this process may write to. It is given with each character one too high, so
   that looking for it does not put it there. */
static int count_in(const unsigned char *bytes, size_t size, const char *shifted) {
    size_t length = strlen(shifted), same;
    int found = 0;
    for (size_t at = 0; at + length <= size; at++) {
        for (same = 0; same < length && bytes[at + same] + 1 == shifted[same]; same++)
            ;
        found += same == length;
    }
    return found;
}

static void scan(const char *shifted) {
    static unsigned char buffer[1 << 16];
    char line[4096], access[5];
    unsigned long from, until;
    int found = 0, memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps || memory < 0)
        die("/proc/self");
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %4s", &from, &until, access) != 3 || strncmp(access, "rw", 2))
            continue;
        /* What lies across two of the pieces is found in the second one. */
        for (unsigned long at = from; at < until; at += sizeof buffer / 2) {
            size_t size = until - at < sizeof buffer ? until - at : sizeof buffer;
            if (at <= (unsigned long)buffer && (unsigned long)buffer < at + size)
                continue;
            ssize_t count = pread(memory, buffer, size, at);
            found += count > 0 ? count_in(buffer, count, shifted) : 0;
        }
    }
    explicit_bzero(buffer, sizeof buffer);
    fclose(maps);
    close(memory);
    say("scan %d\n", found > 0);
}

/* What a shell prints where this process is. */
static void run_shell(const char *script) {
    char line[8192];
    FILE *output = popen(script, "re");
    if (!output)
        die("popen");
    while (fgets(line, sizeof line, output))
        say("%s", line);
    say("status %d\n", pclose(output));
}

static void set_locale(const char *name) { setlocale(LC_ALL, name); }

static void ask_time(const char *label) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    say("%s milliseconds %ld\n", label, now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* Costs, in nanoseconds. */

static long long nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long nanoseconds_used(const struct rusage *used) {
    long long seconds = used->ru_utime.tv_sec + used->ru_stime.tv_sec;
    return (seconds * 1000000 + used->ru_utime.tv_usec + used->ru_stime.tv_usec) * 1000;
}

/* What this process and the children that it has waited for have used until now. */
static void say_cost(const char *label) {
    struct rusage children;
    getrusage(RUSAGE_CHILDREN, &children);
    long long used = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) + nanoseconds_used(&children);
    long long wall = nanoseconds(CLOCK_MONOTONIC);
    say("%s cpu %lld\n%s wall %lld\n", label, used, label, wall);
}

static void exists(const char *path) { say("exists %s %d\n", path, access(path, F_OK) == 0); }

static void make_directory(const char *path) {
    if (mkdir(path, 0755) < 0)
        die(path);
}

static void touch(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    say("touch %s %d\n", path, fd < 0 ? errno : 0);
    if (fd >= 0)
        close(fd);
}

static void empty(const char *path) {
    if (truncate(path, 0) < 0)
        die(path);
}

static void reap(int number) {
    while (waitpid(-1, NULL, WNOHANG) > 0)
        children_that_ended += number == SIGCHLD;
}

/* As daemons do that care for none of their children, or for every one. */
static void treat_children(const char *how) { signal(SIGCHLD, strcmp(how, "reap") ? SIG_IGN : reap); }

/* As programs do that end their sessions from a function for atexit(3): destructors of threads have run by then. */
static void close_at_exit(void) {
    close_session("");
    end("");
    write_report(report_path);
    _exit(0);
}

static void exit_now(const char *unused) {
    (void)unused;
    if (atexit(close_at_exit))
        die("atexit");
    exit(99);
}

/* Stays as it is until it is killed. */
static void hold(const char *unused) {
    (void)unused;
    __atomic_add_fetch(&report->holding, 1, __ATOMIC_SEQ_CST);
    if (number < 0) {
        say("holding\n");
        write_report(report_path);
    }
    for (;;)
        pause();
}

/* The table. Each word is NAME or NAME=VALUE. */

static const struct word {
    const char *name;
    void (*run)(const char *value);
} words[] = {
    {"start", start},
    {"start-nobody", start_nobody},
    {"start-numbered", start_numbered},
    {"stack", use_stack},
    {"user", set_user},
    {"tty", set_tty},
    {"rhost", set_rhost},
    {"ruser", set_ruser},
    {"service", set_service},
    {"authenticate", authenticate},
    {"open", open_session},
    {"close", close_session},
    {"end", end},
    {"exit", exit_now},
    {"switch", switch_handles},
    {"putenv", put_environment},
    {"environment", list_environment},
    {"state", state},
    {"place", place},
    {"mounts", mounts},
    {"memory", memory},
    {"chdir", change_directory},
    {"uids", set_uids},
    {"limit", limit_descriptors},
    {"drop", drop_capability},
    {"close-from", close_from},
    {"close-until", close_until},
    {"reuse", reuse_descriptors},
    {"client", read_client},
    {"remember-home", remember_home},
    {"go-home", go_home},
    {"scan", scan},
    {"sh", run_shell},
    {"children", treat_children},
    {"locale", set_locale},
    {"time", ask_time},
    {"cost", say_cost},
    {"hold", hold},
    {"exists", exists},
    {"mkdir", make_directory},
    {"touch", touch},
    {"empty", empty},
};

static void run_word(const char *text) {
    const char *value = strchrnul(text, '=');
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *name = words[i].name;
        if (strlen(name) == (size_t)(value - text) && !memcmp(name, text, value - text)) {
            words[i].run(*value ? value + 1 : value);
            return;
        }
    }
    errno = EINVAL;
    die(text);
}

static char **run(char **next, char **last);

/* Where the words of a child end. */
static char **join(char **next) {
    while (strcmp(*next, "join"))
        next++;
    return next;
}

/* Runs the words in a child, and says what it took from its start to its end, with the end itself. */
static void measure(char **words, char **last) {
    struct rusage used;
    int status;
    long long begun = nanoseconds(CLOCK_MONOTONIC);
    child = fork();
    if (child == 0) {
        run(words, last);
        _exit(0);
    }
    wait4(child, &status, 0, &used);
    long long wall = nanoseconds(CLOCK_MONOTONIC) - begun;
    say("child %d\ntransaction cpu %lld\ntransaction wall %lld\n", status, nanoseconds_used(&used), wall);
}

static void run_in_crowd(int own_number, const int *gate, char **words, char **last) {
    char none;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    number = own_number;
    close(gate[1]);
    __atomic_add_fetch(&report->waiting, 1, __ATOMIC_SEQ_CST);
    if (read(gate[0], &none, 1) != 0)
        die("the gate");
    close(gate[0]);
    run(words, last);
    _exit(0);
}

/* Runs the words in as many children at once, and says how long it took until each of them had ended or held. The
   gate is a pipe that ends for all of them in one moment. */
static void crowd(int size, char **words, char **last) {
    int gate[2], ended = 0, failed = 0, status;
    report->waiting = report->holding = 0;
    if (pipe(gate) < 0)
        die("pipe");
    for (int each = 0; each < size; each++) {
        pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid == 0)
            run_in_crowd(each, gate, words, last);
    }
    while (__atomic_load_n(&report->waiting, __ATOMIC_SEQ_CST) < size)
        usleep(1000);
    long long begun = nanoseconds(CLOCK_MONOTONIC);
    close(gate[1]);
    while (ended + __atomic_load_n(&report->holding, __ATOMIC_SEQ_CST) < size) {
        pid_t pid = waitpid(-1, &status, WNOHANG);
        ended += pid > 0;
        failed += pid > 0 && status != 0;
        if (pid == 0)
            usleep(200);
    }
    say("crowd wall %lld\ncrowd failed %d\n", nanoseconds(CLOCK_MONOTONIC) - begun, failed);
    close(gate[0]);
}

/* "fork WORD... join" runs the words in a child, "measure WORD... join" says what that costs, "crowd N WORD... join"
   runs them in N children at once; "repeat N WORD... again" runs them N times. */
static char **run(char **next, char **last) {
    while (next < last && strcmp(*next, "join") && strcmp(*next, "again")) {
        if (!strcmp(*next, "fork")) {
            child = fork();
            if (child == 0) {
                run(next + 1, last);
                _exit(0);
            }
            int status;
            waitpid(child, &status, 0);
            say("child %d\n", status);
            next = join(next);
        } else if (!strcmp(*next, "measure")) {
            measure(next + 1, last);
            next = join(next);
        } else if (!strcmp(*next, "crowd")) {
            crowd(atoi(next[1]), next + 2, last);
            next = join(next);
        } else if (!strcmp(*next, "repeat")) {
            char **body = next + 2;
            for (int left = atoi(next[1]); left > 0; left--)
                next = run(body, last);
        } else {
            run_word(*next);
        }
        next++;
    }
    return next;
}

static void child_ended(int number) { children_that_ended += number == SIGCHLD; }

int main(int count, char **arguments) {
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED || count < 3)
        die("usage: driver REPORT CONFDIR WORD...");
    signal(SIGCHLD, child_ended);
    report_path = arguments[1], confdir = arguments[2];
    run(arguments + 3, arguments + count);
    write_report(report_path);
    _exit(0);
}
