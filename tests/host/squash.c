/*
 * squash PATH: PATH is shown as a file system would show it that knows no root. Nothing in it is uid 0's, and
 * who has that uid can make nothing there; everybody else is who they are.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

static void check(int failed, const char *what) {
    if (failed) {
        perror(what);
        exit(1);
    }
}

static void write_map(const char *file, pid_t process) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", process, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    check(fd < 0 || dprintf(fd, "1 1 65534\n") < 0 || close(fd) < 0, path);
}

int main(int count, char **arguments) {
    int ready[2];
    char byte, path[64];
    check(count != 2 || pipe2(ready, O_CLOEXEC) < 0, "squash");
    pid_t child = fork();
    if (child == 0) {
        check(unshare(CLONE_NEWUSER) < 0 || write(ready[1], "", 1) != 1, "unshare");
        pause();
    }
    check(child < 0 || read(ready[0], &byte, 1) != 1, "fork");
    write_map("uid_map", child);
    write_map("gid_map", child);
    snprintf(path, sizeof path, "/proc/%d/ns/user", child);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = open(path, O_RDONLY | O_CLOEXEC)};
    int tree = open_tree(AT_FDCWD, arguments[1], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    check(tree < 0, "open_tree");
    check(mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0, "mount_setattr");
    check(move_mount(tree, "", AT_FDCWD, arguments[1], MOVE_MOUNT_F_EMPTY_PATH) < 0, "move_mount");
    kill(child, SIGKILL);
    return 0;
}
