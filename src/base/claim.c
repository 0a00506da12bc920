/* A place that one process at a time may write to: an advisory lock on a folder itself, or on a file made for it. */
#define _GNU_SOURCE 1
#include "base/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

struct oc_claim {
    int file;
    char *made; /* the lock file, to be removed; NULL: the folder itself is locked */
};

/* *locked = false: the file system has no such locks. */
static oc_status claim_lock(const oc_claim *claim, const char *place, bool *locked, oc_error *err) {
    int result;
    do result = flock(claim->file, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    *locked = result == 0;
    if (result != 0 && errno == EWOULDBLOCK)
        return oc_fail(err, OC_E_EXISTS, place, "another process is writing to this folder");
    return OC_OK;
}

oc_status oc_claim_create(oc_claim **out, const char *folder, oc_error *err) {
    oc_status status = OC_OK;
    oc_claim *claim = NULL;
    bool locked;
    *out = NULL;
    OC_TRY(oc_alloc(&claim, 1, sizeof *claim, err));
    claim->file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (claim->file < 0) {
        char text[128];
        status = oc_fail(err, OC_E_IO, folder, "cannot open this folder: %s", strerror_r(errno, text, sizeof text));
        goto cleanup;
    }
    OC_TRY(claim_lock(claim, folder, &locked, err));
    if (locked) {
        *out = claim;
        claim = NULL;
    }
cleanup:
    oc_claim_destroy(&claim);
    return status;
}

/* True when `path` still is the file that is open: its last owner may have removed it before the lock was had. */
static bool is_there(int file, const char *path) {
    struct stat open_file, named;
    return fstat(file, &open_file) == 0 && stat(path, &named) == 0 && open_file.st_dev == named.st_dev &&
           open_file.st_ino == named.st_ino;
}

oc_status oc_claim_create_file(oc_claim **out, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    oc_claim *claim = NULL;
    char *made = NULL;
    bool locked;
    *out = NULL;
    OC_TRY(oc_alloc(&claim, 1, sizeof *claim, err));
    claim->file = -1;
    OC_TRY(oc_strdup(&made, path, err));
    do {
        if (claim->file >= 0) close(claim->file);
        /* Reading is enough for a lock, also of a file that another user has left behind. */
        claim->file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0666);
        if (claim->file < 0) {
            char text[128];
            status = oc_fail(err, OC_E_IO, path, "cannot make this file: %s", strerror_r(errno, text, sizeof text));
            goto cleanup;
        }
        OC_TRY(claim_lock(claim, path, &locked, err));
    } while (locked && !is_there(claim->file, path));
    if (locked) {
        claim->made = made;
        made = NULL;
        *out = claim;
        claim = NULL;
    } else {
        unlink(path);
    }
cleanup:
    oc_claim_destroy(&claim);
    oc_free(made);
    return status;
}

void oc_claim_destroy(oc_claim **claim) {
    if (!claim || !*claim) return;
    /* Removed while it is still locked, so that nobody's new file is. */
    if ((*claim)->made) unlink((*claim)->made);
    oc_free((*claim)->made);
    if ((*claim)->file >= 0) close((*claim)->file);
    oc_free(*claim);
    *claim = NULL;
}
