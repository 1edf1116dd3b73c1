/* A FUSE server with directories whose names begin with `d`, and a program. It answers each request after as many
 * milliseconds as /run/server-delay says, and none while that says -1; /run/server-requests has a line for each. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static const char program[] = "#!/bin/sh\nexit 0\n";
enum { PROGRAM = 2, DIRECTORIES = 100 };

static char in[1 << 20];
static char out[1 << 16];

static void delay(void)
{
    for (;;) {
        int milliseconds = 0;
        FILE *said = fopen("/run/server-delay", "r");
        if (said) {
            if (fscanf(said, "%d", &milliseconds) != 1) milliseconds = -1;
            fclose(said);
        }
        if (milliseconds >= 0) {
            usleep(milliseconds * 1000);
            return;
        }
        usleep(10000);
    }
}

static void describe(struct fuse_attr *attr, unsigned long node)
{
    attr->ino = node;
    attr->nlink = 1;
    attr->mode = node == PROGRAM ? S_IFREG | 0755 : S_IFDIR | 0755;
    attr->size = node == PROGRAM ? sizeof program - 1 : 0;
}

static unsigned long node_of(const char *name)
{
    if (!strcmp(name, "program")) return PROGRAM;
    return name[0] == 'd' ? DIRECTORIES + strtoul(name + 1, NULL, 10) : 0;
}

/* Returns the length of the answer, or the negative number of an error. */
static int answer(const struct fuse_in_header *header, const char *request, char *body)
{
    switch (header->opcode) {
    case FUSE_INIT: {
        struct fuse_init_out *init = (void *)body;
        init->major = FUSE_KERNEL_VERSION;
        init->minor = FUSE_KERNEL_MINOR_VERSION;
        init->max_write = 4096;
        return sizeof *init;
    }
    case FUSE_LOOKUP: {
        struct fuse_entry_out *entry = (void *)body;
        entry->nodeid = node_of(request);
        describe(&entry->attr, entry->nodeid);
        return entry->nodeid ? (int)sizeof *entry : -ENOENT;
    }
    case FUSE_GETATTR: {
        struct fuse_attr_out *attr = (void *)body;
        describe(&attr->attr, header->nodeid);
        return sizeof *attr;
    }
    case FUSE_OPEN:
    case FUSE_OPENDIR:
        return sizeof(struct fuse_open_out);
    case FUSE_READ: {
        const struct fuse_read_in *read = (const void *)request;
        if (read->offset >= sizeof program - 1) return 0;
        strcpy(body, program + read->offset);
        return strlen(body);
    }
    case FUSE_STATFS:
        return sizeof(struct fuse_statfs_out);
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
        return 0;
    default:
        return -ENOSYS;
    }
}

static void serve(int device)
{
    struct fuse_in_header *header = (void *)in;
    struct fuse_out_header *answered = (void *)out;
    int length;
    if (read(device, in, sizeof in) < 0) {
        if (errno == ENODEV) exit(0);
        return;
    }
    if (header->opcode == FUSE_FORGET || header->opcode == FUSE_BATCH_FORGET || header->opcode == FUSE_INTERRUPT)
        return;
    FILE *requests = fopen("/run/server-requests", "a");
    fprintf(requests, "%u\n", header->opcode);
    fclose(requests);
    delay();
    memset(out, 0, sizeof out);
    length = answer(header, in + sizeof *header, out + sizeof *answered);
    answered->unique = header->unique;
    answered->error = length < 0 ? length : 0;
    answered->len = sizeof *answered + (length < 0 ? 0 : length);
    /* Whoever has asked may be gone. */
    if (write(device, out, answered->len) < 0 && errno != ENOENT) exit(1);
}

int main(int argc, char **argv)
{
    char options[100];
    int device = open("/dev/fuse", O_RDWR);
    sprintf(options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device);
    if (argc != 2 || device < 0 || mount("none", argv[1], "fuse", 0, options)) return 1;
    serve(device);
    if (fork()) return 0;
    for (;;) serve(device);
}
