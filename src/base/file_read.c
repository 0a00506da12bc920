/* Reading and mapping files, folders, paths. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

static oc_status read_fail(oc_error *err, const char *path, const char *what, int error_number) {
    char text[128];
    bool absent = error_number == ENOENT || error_number == ENOTDIR;
    return oc_fail(err, absent ? OC_E_NOT_FOUND : OC_E_IO, path, "cannot %s: %s", what,
                   strerror_r(error_number, text, sizeof text));
}

/* Opens a regular file of at most `limit` bytes. */
static oc_status open_regular(int *out, size_t *size, const char *path, size_t limit, oc_error *err) {
    struct stat info;
    /* O_NONBLOCK: a named pipe must be refused, not waited for. */
    int fd;
    do fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) return read_fail(err, path, "open", errno);
    oc_status status = OC_OK;
    if (fstat(fd, &info) != 0)
        status = read_fail(err, path, "open", errno);
    else if (S_ISDIR(info.st_mode))
        status = oc_fail(err, OC_E_FORMAT, path, "this is a folder, not a file");
    else if (!S_ISREG(info.st_mode))
        status = oc_fail(err, OC_E_FORMAT, path, "this is not a regular file");
    else if ((uint64_t)info.st_size > limit)
        status = oc_fail(err, OC_E_FORMAT, path, "too large: %lld bytes, at most %zu are expected here",
                         (long long)info.st_size, limit);
    if (status != OC_OK) {
        close(fd);
        return status;
    }
    *out = fd;
    *size = (size_t)info.st_size;
    return OC_OK;
}

/* Reads up to `size` bytes from where `fd` stands; *got of them, fewer at the file's end. */
static oc_status read_up_to(int fd, char *data, size_t size, size_t *got, const char *path, oc_error *err) {
    for (*got = 0; *got < size;) {
        const ssize_t n = read(fd, data + *got, size - *got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return read_fail(err, path, "read", errno);
        if (n == 0) break;
        *got += (size_t)n;
    }
    return OC_OK;
}

oc_status oc_file_read(char **data, size_t *size, const char *path, size_t limit, oc_error *err) {
    oc_status status = OC_OK;
    int fd = -1;
    char *text = NULL;
    size_t expected = 0, got = 0;
    *data = NULL;
    *size = 0;
    OC_TRY(open_regular(&fd, &expected, path, limit < PTRDIFF_MAX ? limit : PTRDIFF_MAX, err));
    OC_TRY(oc_alloc(&text, expected + 1, 1, err));
    OC_TRY(read_up_to(fd, text, expected, &got, path, err));
    text[got] = '\0';
    *data = text;
    *size = got;
    text = NULL;
cleanup:
    if (fd >= 0) close(fd);
    oc_free(text);
    return status;
}

oc_status oc_file_peek(const char *path, void *data, size_t size, size_t *got, oc_error *err) {
    int fd = -1;
    size_t whole;
    *got = 0;
    oc_status status = open_regular(&fd, &whole, path, PTRDIFF_MAX, err);
    if (status != OC_OK) return status;
    status = read_up_to(fd, data, size, got, path, err);
    close(fd);
    return status;
}

oc_status oc_mapping_open(oc_mapping *out, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    int fd = -1;
    size_t size = 0;
    *out = (oc_mapping){0};
    OC_TRY(open_regular(&fd, &size, path, PTRDIFF_MAX, err));
    if (size > 0) {
        void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED) {
            status = read_fail(err, path, "map", errno);
            goto cleanup;
        }
        *out = (oc_mapping){.data = data, .size = size};
    }
cleanup:
    if (fd >= 0) close(fd);
    return status;
}

void oc_mapping_close(oc_mapping *mapping) {
    if (mapping->data) munmap((void *)(uintptr_t)mapping->data, mapping->size);
    *mapping = (oc_mapping){0};
}

oc_status oc_folder_create(const char *path, oc_error *err) {
    oc_status status = OC_OK;
    char *prefix = NULL;
    OC_TRY(oc_strdup(&prefix, path, err));
    for (char *end = prefix; *end;) {
        while (*end == '/') end++;
        while (*end && *end != '/') end++;
        char next = *end;
        *end = '\0';
        int error_number = mkdir(prefix, 0777) == 0 ? 0 : errno;
        if (error_number != 0 && !oc_path_is_folder(prefix)) {
            char text[128];
            status = oc_fail(err, OC_E_IO, prefix, "cannot create this folder: %s",
                             strerror_r(error_number, text, sizeof text));
            goto cleanup;
        }
        *end = next;
    }
cleanup:
    oc_free(prefix);
    return status;
}

bool oc_path_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

bool oc_path_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool oc_path_same(const char *a, const char *b) {
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

bool oc_path_inside(const char *path, const char *folder) {
    char *file = realpath(path, NULL), *root = realpath(folder, NULL);
    size_t length = root ? strlen(root) : 0;
    if (length == 1) length = 0; /* "/" ends in its own slash */
    const bool inside = file && root && strncmp(file, root, length) == 0 && file[length] == '/' && file[length + 1];
    free(file);
    free(root);
    return inside;
}

oc_status oc_path_join(char **out, const char *a, const char *b, oc_error *err) {
    size_t a_size = b[0] == '/' ? 0 : strlen(a), b_size = strlen(b);
    bool slash = a_size > 0 && a[a_size - 1] != '/';
    oc_status status = oc_alloc(out, a_size + slash + b_size + 1, 1, err);
    if (status != OC_OK) return status;
    memcpy(*out, a, a_size);
    if (slash) (*out)[a_size] = '/';
    memcpy(*out + a_size + slash, b, b_size);
    return OC_OK;
}
