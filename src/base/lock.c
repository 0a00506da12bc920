/* A place that one process at a time may write to: an advisory lock on a folder itself, or on a file made for it. */
#define _GNU_SOURCE 1
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

struct oc_lock {
    int file;
    char *made; /* the lock file, to be removed; NULL: the folder itself is locked */
};

/* *locked = false: the file system has no such locks. */
static oc_status lock_try(const oc_lock *lock, const char *place, bool *locked, oc_error *err) {
    int result;
    do result = flock(lock->file, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    *locked = result == 0;
    if (result != 0 && errno == EWOULDBLOCK)
        return oc_fail(err, OC_E_EXISTS, place, "another process is writing to this folder");
    return OC_OK;
}

oc_status oc_lock_create(oc_lock **out, const char *folder, oc_error *err) {
    oc_status status = OC_OK;
    oc_lock *lock = NULL;
    bool locked;
    *out = NULL;
    OC_TRY(oc_alloc(&lock, 1, sizeof *lock, err));
    lock->file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock->file < 0) {
        char text[128];
        status = oc_fail(err, OC_E_IO, folder, "cannot open this folder: %s", strerror_r(errno, text, sizeof text));
        goto cleanup;
    }
    OC_TRY(lock_try(lock, folder, &locked, err));
    if (locked) {
        *out = lock;
        lock = NULL;
    }
cleanup:
    oc_lock_destroy(&lock);
    return status;
}

/* True when `path` still is the file that is open: its last owner may have removed it before the lock was had. */
static bool is_there(int file, const char *path) {
    struct stat open_file, named;
    return fstat(file, &open_file) == 0 && stat(path, &named) == 0 && open_file.st_dev == named.st_dev &&
           open_file.st_ino == named.st_ino;
}

oc_status oc_lock_create_file(oc_lock **out, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    oc_lock *lock = NULL;
    char *made = NULL;
    bool locked;
    *out = NULL;
    OC_TRY(oc_alloc(&lock, 1, sizeof *lock, err));
    lock->file = -1;
    OC_TRY(oc_strdup(&made, path, err));
    do {
        if (lock->file >= 0) close(lock->file);
        /* Reading is enough for a lock, also of a file that another user has left behind. */
        lock->file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0666);
        if (lock->file < 0) {
            char text[128];
            status = oc_fail(err, OC_E_IO, path, "cannot make this file: %s", strerror_r(errno, text, sizeof text));
            goto cleanup;
        }
        OC_TRY(lock_try(lock, path, &locked, err));
    } while (locked && !is_there(lock->file, path));
    if (locked) {
        lock->made = made;
        made = NULL;
        *out = lock;
        lock = NULL;
    } else {
        unlink(path);
    }
cleanup:
    oc_lock_destroy(&lock);
    oc_free(made);
    return status;
}

bool oc_lock_held(const char *folder) {
    struct stat info;
    FILE *locks = NULL;
    char line[256];
    bool held = false;
    if (stat(folder, &info) != 0 || !(locks = fopen("/proc/locks", "re"))) return false;
    /* "1: FLOCK  ADVISORY  WRITE 4242 08:01:131073 0 EOF". The device is not compared: some file systems show another
     * one here than stat does. */
    while (!held && fgets(line, sizeof line, locks)) {
        const char *colon = strrchr(line, ':');
        held =
            colon && strstr(line, " FLOCK ") && strstr(line, " WRITE ") && strtoull(colon + 1, NULL, 10) == info.st_ino;
    }
    fclose(locks);
    return held;
}

void oc_lock_destroy(oc_lock **lock) {
    if (!lock || !*lock) return;
    /* Removed while it is still locked, so that nobody's new file is. */
    if ((*lock)->made) unlink((*lock)->made);
    oc_free((*lock)->made);
    if ((*lock)->file >= 0) close((*lock)->file);
    oc_free(*lock);
    *lock = NULL;
}
