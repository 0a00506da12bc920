/* Trees of files, links and pipes with any names, opened as a data set: everything in them is an image that is read or
 * is counted as left out.
 *
 * The input is a script of lines, the first byte of which says what to make in the current folder:
 *     /NAME          a folder, which becomes the current one
 *     <              back to the folder that it lies in
 *     =NAME:CONTENT  a file
 *     >NAME:TARGET   a symbolic link
 *     |NAME          a pipe
 * A backslash gives the next byte another meaning (see `escapes`), or takes one of ours from it. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/dataset.h"

#define FOLDERS_MOST 64 /* in each other that are read */
#define DEPTH_MOST 72   /* a few more folders in each other than are read */
#define ENTRIES_MOST 96 /* keeps an input fast */
#define LINKS_MOST 12   /* each may double the paths that there are */
#define WORD_SIZE 2048

/* ---- the script ---- */

static const struct {
    char letter;
    uint8_t size;
    const char *bytes;
} escapes[] = {{'n', 1, "\n"},
               {'t', 1, "\t"},
               {'0', 1, ""},
               {'J', 4, "\xff\xd8\xff\xe0"},
               {'P', 8, "\x89PNG\r\n\x1a\n"},
               {'G', 6, "GIF89a"},
               {'B', 18, "BM\x1a\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0"},
               {'T', 8, "II*\0\x08\0\0\0"},
               {'W', 12, "RIFF\x04\0\0\0WEBP"},
               {'A', 12,
                "\0\0\0\x18"
                "ftypavif"}};

typedef struct script {
    const uint8_t *at, *end;
} script;

/* Reads up to the end of the line, or to `stop`, which is passed over; what is longer than a word is cut. */
static size_t word_read(script *s, char stop, char word[WORD_SIZE + 1]) {
    size_t size = 0;
    while (s->at < s->end && *s->at != '\n') {
        const char *bytes = (const char *)s->at++;
        size_t length = 1;
        if (*bytes == stop) break;
        if (*bytes == '\\' && s->at < s->end) {
            bytes = (const char *)s->at++;
            for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
                if (escapes[i].letter != *bytes) continue;
                length = escapes[i].size;
                bytes = escapes[i].bytes;
                break;
            }
        }
        if (size + length > WORD_SIZE) continue;
        memcpy(word + size, bytes, length);
        size += length;
    }
    word[size] = '\0';
    return size;
}

/* ---- the tree ---- */

typedef struct tree {
    int folder[DEPTH_MOST + 1]; /* from the root to the current one */
    int depth, entries, links;
} tree;

/* Whether a link in the current folder stays in what is ours: the root and the two folders that it lies in. */
static bool is_inside(const tree *t, const char *target) {
    int up = 0;
    bool down = false;
    if (*target == '/') return strcmp(target, "/dev/null") == 0;
    while (*target) {
        const size_t length = strcspn(target, "/");
        const bool dots = length == 2 && memcmp(target, "..", 2) == 0;
        if (dots && (down || ++up > t->depth + 2)) return false;
        down |= !dots;
        target += length + (target[length] == '/');
    }
    return true;
}

static void file_make(int folder, const char *name, const char *content, size_t size) {
    const int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return;
    if (write(fd, content, size) != (ssize_t)size) abort();
    close(fd);
}

static void folder_enter(tree *t, const char *name) {
    if (t->depth == DEPTH_MOST) return;
    (void)mkdirat(t->folder[t->depth], name, 0700);
    const int fd = openat(t->folder[t->depth], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) t->folder[++t->depth] = fd;
}

/* Makes what a line says; names that the system refuses are passed over. */
static void line_make(tree *t, script *s) {
    char name[WORD_SIZE + 1], content[WORD_SIZE + 1];
    const char what = (char)*s->at++;
    const bool has_content = what == '=' || what == '>';
    word_read(s, has_content ? ':' : '\n', name);
    const size_t size = has_content ? word_read(s, '\n', content) : 0;
    while (s->at < s->end && *s->at++ != '\n') continue;
    if (what == '<' && t->depth > 0) close(t->folder[t->depth--]);
    if (strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return;
    const int folder = t->folder[t->depth];
    if (t->entries++ >= ENTRIES_MOST) return;
    if (what == '/') folder_enter(t, name);
    if (what == '=') file_make(folder, name, content, size);
    if (what == '>' && is_inside(t, content) && t->links++ < LINKS_MOST) (void)!symlinkat(content, folder, name);
    if (what == '|') (void)!mkfifoat(folder, name, 0600);
}

/* Removes what lies in a folder, paths longer than the system takes included; closes it. */
static void folder_clear(int fd) {
    DIR *dir = fdopendir(fd);
    if (!dir) abort();
    for (const struct dirent *entry; (entry = readdir(dir));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        if (entry->d_type == DT_DIR) folder_clear(openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (unlinkat(fd, name, entry->d_type == DT_DIR ? AT_REMOVEDIR : 0) != 0) abort();
    }
    closedir(dir);
}

/* The folders that one lies in. */
typedef struct ancestors {
    dev_t device;
    ino_t inode;
    const struct ancestors *above;
} ancestors;

/* Entries as people count them: files, links and pipes; links to folders are entered, unless they lead back up, or what
 * they are in, or themselves, is hidden. What the system cannot list by its path, of that `length`, or lies too deep in
 * what is hidden, counts as one. Closes the folder. */
static int64_t entries_count(int fd, bool hidden, size_t length, int depth, const ancestors *above) {
    struct stat info;
    int64_t count = 0;
    DIR *dir = fdopendir(fd);
    if (!dir || fstat(fd, &info) != 0) abort();
    const ancestors here = {info.st_dev, info.st_ino, above};
    for (const struct dirent *entry; (entry = readdir(dir));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        const bool within = hidden || name[0] == '.' || strcmp(name, "__MACOSX") == 0;
        const size_t longer = length + 1 + strlen(name);
        bool enter = fstatat(fd, name, &info, within ? AT_SYMLINK_NOFOLLOW : 0) == 0 && S_ISDIR(info.st_mode) &&
                     longer < PATH_MAX && (!within || depth < FOLDERS_MOST);
        for (const ancestors *a = &here; enter && a; a = a->above)
            enter = a->inode != info.st_ino || a->device != info.st_dev;
        const int inner = enter ? openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        count += inner >= 0 ? entries_count(inner, within, longer, depth + 1, &here) : 1;
    }
    closedir(dir);
    return count;
}

/* ---- the target ---- */

static char temporary[256], root[300];

static void temporary_remove(void) {
    const int fd = open(temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    folder_clear(fd);
    rmdir(temporary);
}

static void temporary_create(void) {
    const char *parent = getenv("TMPDIR");
    snprintf(temporary, sizeof temporary, "%s/ocelli-fuzz-XXXXXX", parent ? parent : "/dev/shm");
    if (!mkdtemp(temporary) || atexit(temporary_remove) != 0) abort();
    snprintf(root, sizeof root, "%s/in", temporary);
    if (mkdir(root, 0700) != 0) abort();
    snprintf(root, sizeof root, "%s/in/set", temporary);
    if (mkdir(root, 0700) != 0) abort();
}

static int root_open(void) {
    const int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) abort();
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const oc_dataset_options options[] = {{0, NULL}, {0.3, NULL}, {0, "test"}};
    script s = {data, data + size};
    if (!*root) temporary_create();
    tree t = {.folder = {root_open()}};
    while (s.at < s.end) line_make(&t, &s);
    while (t.depth >= 0) close(t.folder[t.depth--]);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        oc_dataset *dataset = fuzz_dataset_open(root, &options[i]);
        if (dataset && fuzz_dataset_walk(dataset) != entries_count(root_open(), false, strlen(root), 0, NULL)) abort();
        oc_dataset_destroy(&dataset);
    }
    folder_clear(root_open());
    return 0;
}
