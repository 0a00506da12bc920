/* Writing files by plain system calls. All calls of a save go through the seam below, where a test can make any one
 * fail. */
#define _GNU_SOURCE 1
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

#ifdef OC_FAULT_INJECTION
#include "base/fault.h"
#endif

#define BUFFER_SIZE ((size_t)64 << 10)
#define WRITE_MOST ((size_t)64 << 20) /* a call; the kernel itself takes at most 2 GiB */
#define DISK_PIECE ((size_t)8 << 20)  /* that the disk is given while more is written */
#define TEMPORARY ".tmp."
#define LINKS_MOST 40 /* as the kernel's */

/* ---- the seam ---- */

#ifdef OC_FAULT_INJECTION
static struct {
    long nth, count;
    int error_number;
} fault;

void oc_fault_arm(long nth, int error_number) {
    fault.nth = nth;
    fault.count = 0;
    fault.error_number = error_number;
}

long oc_fault_count(void) {
    return fault.count;
}

/* Counts an operation; true when it is to fail, with errno set. `size`: of a write, which may become short. */
static bool fault_strikes(size_t *size) {
    if (++fault.count != fault.nth) return false;
    if (fault.error_number == 0) {
        if (size && *size > 1) *size = 1;
        return false;
    }
    errno = fault.error_number;
    return true;
}
#define FAULT(size) fault_strikes(size)
#else
#define FAULT(size) ((void)(size), false)
#endif

static int sys_open(const char *path, int flags) {
    if (FAULT((size_t *)NULL)) return -1;
    int fd;
    do fd = open(path, flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static ssize_t sys_write(int fd, const void *data, size_t size) {
    if (FAULT(&size)) return -1;
    return write(fd, data, size);
}

static int sys_fsync(int fd) {
    if (FAULT((size_t *)NULL)) return -1;
    int result;
    do result = fsync(fd);
    while (result != 0 && errno == EINTR);
    return result;
}

/* Has the system begin to bring a part of the file to the disk; a hint, which needs no seam. */
static void sys_begin_sync(int fd, size_t begin, size_t size) {
#ifdef SYNC_FILE_RANGE_WRITE
    (void)sync_file_range(fd, (off_t)begin, (off_t)size, SYNC_FILE_RANGE_WRITE);
#else
    (void)fd, (void)begin, (void)size;
#endif
}

static int sys_ftruncate(int fd, off_t size) {
    if (FAULT((size_t *)NULL)) return -1;
    int result;
    do result = ftruncate(fd, size);
    while (result != 0 && errno == EINTR);
    return result;
}

/* How a rename can be undone. */
typedef enum rename_kind {
    RENAME_SWAPPED, /* what was at the new name lies at the old one now */
    RENAME_FRESH,   /* there was nothing at the new name */
    RENAME_REPLACED /* it is gone: the file system cannot exchange two names */
} rename_kind;

static int sys_rename(const char *from, const char *to, rename_kind *kind) {
    if (FAULT((size_t *)NULL)) return -1;
    *kind = RENAME_SWAPPED;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) == 0) return 0;
    struct stat info;
    *kind = lstat(to, &info) != 0 && errno == ENOENT ? RENAME_FRESH : RENAME_REPLACED;
    return rename(from, to);
}

/* ---- errors ---- */

/* What a person can do about it. */
static const char *io_advice(int error_number) {
    switch (error_number) {
    case ENOSPC:
    case EDQUOT:
        return "; free some space and run again (a training run: with --resume)";
    case EFBIG:
        return "; raise the limit on file sizes (ulimit -f) and run again (a training run: with --resume)";
    case EACCES:
    case EPERM:
        return "; check the permissions";
    case EROFS:
        return "; choose a folder that can be written";
    case ENOENT:
        return "; its folder must exist";
    case EMFILE:
    case ENFILE:
        return "; raise the limit on open files (ulimit -n)";
    default:
        return "";
    }
}

oc_status oc_file_fail(oc_error *err, const char *path, const char *what, int error_number) {
    char text[128];
    return oc_fail(err, OC_E_IO, path, "cannot %s: %s%s", what, strerror_r(error_number, text, sizeof text),
                   io_advice(error_number));
}

/* ---- what is written to ---- */

/* *out = what `path` means to a write, freed with oc_free: where it is a symbolic link, the file that the link leads
 * to, there or not. */
static oc_status resolve_target(char **out, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    char *target = NULL, *next = NULL, link[PATH_MAX];
    ssize_t length;
    *out = NULL;
    OC_TRY(oc_strdup(&target, path, err));
    for (int links = 0; (length = readlink(target, link, sizeof link - 1)) >= 0; links++) {
        if (links == LINKS_MOST) {
            status = oc_file_fail(err, path, "follow the link", ELOOP);
            goto cleanup;
        }
        link[length] = '\0';
        /* A link is relative to the folder that it lies in. */
        char *slash = strrchr(target, '/');
        if (slash) slash[1] = '\0';
        OC_TRY(oc_path_join(&next, slash ? target : "", link, err));
        oc_free(target);
        target = next;
        next = NULL;
    }
    *out = target;
    target = NULL;
cleanup:
    oc_free(target);
    oc_free(next);
    return status;
}

/* The rename would put a file in the place of whatever is there. */
static oc_status check_replaceable(const char *path, oc_error *err) {
    struct stat info;
    if (stat(path, &info) != 0 || S_ISREG(info.st_mode)) return OC_OK;
    if (S_ISDIR(info.st_mode)) return oc_fail(err, OC_E_IO, path, "cannot write: this is a folder");
    return oc_fail(err, OC_E_IO, path, "cannot write: this is a device, a pipe or a socket, which no file replaces");
}

/* ---- writing ---- */

/* Writes all, going on after interruptions and short writes; *written counts even when it fails. */
static oc_status write_all(int fd, const void *data, size_t size, size_t *written, const char *path, oc_error *err) {
    const char *bytes = data;
    *written = 0;
    while (*written < size) {
        size_t left = size - *written;
        ssize_t n = sys_write(fd, bytes + *written, left < WRITE_MOST ? left : WRITE_MOST);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return oc_file_fail(err, path, "write", n < 0 ? errno : ENOSPC);
        *written += (size_t)n;
    }
    return OC_OK;
}

struct oc_file_writer {
    char *path, *target, *temporary; /* path: as given, for messages; target: what is replaced */
    int fd;                          /* −1 once closed */
    bool named;                      /* the temporary is there and to be removed */
    size_t size, begun;              /* of the file; of that, what is on its way to the disk */
    size_t used;
    char buffer[BUFFER_SIZE];
};

oc_status oc_file_temporary_name(char **name, const char *target, int attempt, oc_error *err) {
    oc_status status = OC_OK;
    const size_t size = strlen(target) + 64;
    struct timespec now;
    if (!*name) OC_TRY(oc_alloc(name, size, 1, err));
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(*name, size, "%s" TEMPORARY "%ld-%lx%03x", target, (long)getpid(), now.tv_nsec, (unsigned)attempt);
cleanup:
    return status;
}

oc_status oc_file_writer_create(oc_file_writer **out, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    oc_file_writer *writer = NULL;
    *out = NULL;
    OC_TRY(oc_alloc(&writer, 1, sizeof *writer, err));
    writer->fd = -1;
    OC_TRY(oc_strdup(&writer->path, path, err));
    OC_TRY(check_replaceable(path, err));
    OC_TRY(resolve_target(&writer->target, path, err));
    for (int i = 0; i < OC_FILE_NAME_TRIES && writer->fd < 0; i++) {
        OC_TRY(oc_file_temporary_name(&writer->temporary, writer->target, i, err));
        writer->fd = sys_open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL);
        if (writer->fd < 0 && errno != EEXIST) break;
    }
    if (writer->fd < 0) {
        status = oc_file_fail(err, path, "create", errno);
        goto cleanup;
    }
    writer->named = true;
    *out = writer;
    writer = NULL;
cleanup:
    oc_file_writer_destroy(&writer);
    return status;
}

/* The disk works beside whoever writes a large file, so that there is little left for the sync at the end. */
static oc_status writer_put(oc_file_writer *writer, const void *data, size_t size, oc_error *err) {
    size_t written;
    const oc_status status = write_all(writer->fd, data, size, &written, writer->path, err);
    writer->size += written;
    if (writer->size - writer->begun >= DISK_PIECE) {
        sys_begin_sync(writer->fd, writer->begun, writer->size - writer->begun);
        writer->begun = writer->size;
    }
    return status;
}

static oc_status writer_flush(oc_file_writer *writer, oc_error *err) {
    const size_t used = writer->used;
    writer->used = 0;
    return writer_put(writer, writer->buffer, used, err);
}

oc_status oc_file_writer_write(oc_file_writer *writer, const void *data, size_t size, oc_error *err) {
    oc_status status = OC_OK;
    if (size == 0) return OC_OK;
    if (size > BUFFER_SIZE - writer->used) OC_TRY(writer_flush(writer, err));
    if (size >= BUFFER_SIZE) {
        OC_TRY(writer_put(writer, data, size, err));
    } else {
        memcpy(writer->buffer + writer->used, data, size);
        writer->used += size;
    }
cleanup:
    return status;
}

/* Syncs the folder that holds `target`, so that a rename in it outlives a power cut; `path` names it in errors. */
oc_status oc_file_sync_folder(const char *target, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    char *folder = NULL;
    int fd = -1;
    OC_TRY(oc_strdup(&folder, target, err));
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = '\0';
    fd = sys_open(slash ? folder : ".", O_RDONLY | O_DIRECTORY);
    /* A file system that cannot sync folders says EINVAL: there is nothing more to do then. */
    if (fd < 0 || (sys_fsync(fd) != 0 && errno != EINVAL)) status = oc_file_fail(err, path, "sync the folder", errno);
cleanup:
    if (fd >= 0) close(fd);
    oc_free(folder);
    return status;
}

oc_status oc_file_writer_commit(oc_file_writer *writer, oc_error *err) {
    oc_status status = OC_OK;
    rename_kind kind = RENAME_REPLACED;
    OC_TRY(writer_flush(writer, err));
    if (sys_fsync(writer->fd) != 0) {
        status = oc_file_fail(err, writer->path, "sync to the disk", errno);
        goto cleanup;
    }
    int closed = close(writer->fd);
    writer->fd = -1;
    if (closed != 0 && errno != EINTR) {
        status = oc_file_fail(err, writer->path, "close", errno);
        goto cleanup;
    }
    if (sys_rename(writer->temporary, writer->target, &kind) != 0) {
        status = oc_file_fail(err, writer->path, "rename the new file to its name", errno);
        goto cleanup;
    }
    writer->named = kind == RENAME_SWAPPED;
    status = oc_file_sync_folder(writer->target, writer->path, err);
    if (status != OC_OK) {
        /* Undone without the seam: this is the way back, not a part of the save. */
        if (kind == RENAME_SWAPPED && rename(writer->temporary, writer->target) == 0) writer->named = false;
        if (kind == RENAME_FRESH) (void)unlink(writer->target);
    }
cleanup:
    return status;
}

void oc_file_writer_destroy(oc_file_writer **writer) {
    if (!writer || !*writer) return;
    oc_file_writer *w = *writer;
    if (w->fd >= 0) close(w->fd);
    if (w->named) unlink(w->temporary);
    oc_free(w->temporary);
    oc_free(w->target);
    oc_free(w->path);
    oc_free(w);
    *writer = NULL;
}

oc_status oc_file_write_atomic(const char *path, const void *data, size_t size, oc_error *err) {
    oc_status status = OC_OK;
    oc_file_writer *writer = NULL;
    OC_TRY(oc_file_writer_create(&writer, path, err));
    OC_TRY(oc_file_writer_write(writer, data, size, err));
    OC_TRY(oc_file_writer_commit(writer, err));
cleanup:
    oc_file_writer_destroy(&writer);
    return status;
}

oc_status oc_file_rename(const char *from, const char *to, oc_error *err) {
    rename_kind kind = RENAME_REPLACED;
    if (sys_rename(from, to, &kind) != 0) return oc_file_fail(err, to, "rename the new file to its name", errno);
    if (kind == RENAME_SWAPPED) unlink(from);
    return oc_file_sync_folder(to, to, err);
}

oc_status oc_file_check_writable(const char *path, oc_error *err) {
    oc_file_writer *writer = NULL;
    const oc_status status = oc_file_writer_create(&writer, path, err);
    oc_file_writer_destroy(&writer);
    return status;
}

oc_status oc_file_remove_leftovers(const char *path, oc_error *err) {
    oc_status status = OC_OK;
    char *folder = NULL, *leftover = NULL;
    DIR *entries = NULL;
    OC_TRY(resolve_target(&folder, path, err));
    char *slash = strrchr(folder, '/');
    const char *name = slash ? slash + 1 : folder;
    size_t length = strlen(name), folder_length = slash ? (size_t)(slash - folder) + 1 : 0;
    OC_TRY(oc_alloc(&leftover, folder_length + NAME_MAX + 1, 1, err));
    memcpy(leftover, folder, folder_length);
    entries = opendir(folder_length ? leftover : ".");
    if (!entries) {
        if (errno != ENOENT) status = oc_file_fail(err, path, "list its folder", errno);
        goto cleanup;
    }
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        const char *rest = entry->d_name + length;
        if (strncmp(entry->d_name, name, length) != 0 || strncmp(rest, TEMPORARY, strlen(TEMPORARY)) != 0) continue;
        snprintf(leftover + folder_length, NAME_MAX + 1, "%s", entry->d_name);
        if (unlink(leftover) != 0 && errno != ENOENT) {
            status = oc_file_fail(err, leftover, "remove", errno);
            goto cleanup;
        }
    }
cleanup:
    if (entries) closedir(entries);
    oc_free(leftover);
    oc_free(folder);
    return status;
}

/* ---- appending ---- */

struct oc_file_appender {
    char *path;
    int fd;
    size_t size;
};

oc_status oc_file_appender_create(oc_file_appender **out, const char *path, size_t size, oc_error *err) {
    oc_status status = OC_OK;
    oc_file_appender *appender = NULL;
    struct stat info;
    *out = NULL;
    OC_TRY(oc_alloc(&appender, 1, sizeof *appender, err));
    appender->fd = -1;
    OC_TRY(oc_strdup(&appender->path, path, err));
    appender->fd = sys_open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK);
    if (appender->fd < 0 || fstat(appender->fd, &info) != 0) {
        status = oc_file_fail(err, path, "open for appending", errno);
        goto cleanup;
    }
    if (!S_ISREG(info.st_mode) || (uint64_t)info.st_size < size) {
        status = oc_fail(err, OC_E_FORMAT, path,
                         "this is not the file it was: it should be a file of at least %zu bytes", size);
        goto cleanup;
    }
    if ((uint64_t)info.st_size > size && sys_ftruncate(appender->fd, (off_t)size) != 0) {
        status = oc_file_fail(err, path, "cut to its saved length", errno);
        goto cleanup;
    }
    appender->size = size;
    *out = appender;
    appender = NULL;
cleanup:
    oc_file_appender_destroy(&appender);
    return status;
}

oc_status oc_file_appender_write(oc_file_appender *appender, const void *data, size_t size, oc_error *err) {
    size_t written;
    oc_status status = write_all(appender->fd, data, size, &written, appender->path, err);
    if (status == OC_OK) {
        appender->size += size;
    } else if (written > 0) {
        /* Whole lines only, as far as the full disk lets us. */
        (void)!ftruncate(appender->fd, (off_t)appender->size);
    }
    return status;
}

size_t oc_file_appender_size(const oc_file_appender *appender) {
    return appender->size;
}

oc_status oc_file_appender_sync(oc_file_appender *appender, oc_error *err) {
    return sys_fsync(appender->fd) == 0 ? OC_OK : oc_file_fail(err, appender->path, "sync to the disk", errno);
}

void oc_file_appender_destroy(oc_file_appender **appender) {
    if (!appender || !*appender) return;
    if ((*appender)->fd >= 0) close((*appender)->fd);
    oc_free((*appender)->path);
    oc_free(*appender);
    *appender = NULL;
}
