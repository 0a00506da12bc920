/* A folder that one process at a time may write to: an advisory lock on the folder itself. */
#define _GNU_SOURCE 1
#include "base/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

struct oc_claim {
    int file;
};

oc_status oc_claim_create(oc_claim **out, const char *folder, oc_error *err) {
    oc_status status = OC_OK;
    oc_claim *claim = NULL;
    *out = NULL;
    OC_TRY(oc_alloc(&claim, 1, sizeof *claim, err));
    claim->file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (claim->file < 0) {
        char text[128];
        status = oc_fail(err, OC_E_IO, folder, "cannot open this folder: %s", strerror_r(errno, text, sizeof text));
        goto cleanup;
    }
    int locked;
    do locked = flock(claim->file, LOCK_EX | LOCK_NB);
    while (locked != 0 && errno == EINTR);
    if (locked != 0 && errno == EWOULDBLOCK) {
        status = oc_fail(err, OC_E_EXISTS, folder, "another process is writing to this folder");
        goto cleanup;
    }
    if (locked == 0) {
        *out = claim;
        claim = NULL;
    }
cleanup:
    oc_claim_destroy(&claim);
    return status;
}

void oc_claim_destroy(oc_claim **claim) {
    if (!claim || !*claim) return;
    if ((*claim)->file >= 0) close((*claim)->file);
    oc_free(*claim);
    *claim = NULL;
}
