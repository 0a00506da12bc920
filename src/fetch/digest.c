/* MD5 of files, by libmd. */
#define _GNU_SOURCE 1
#include "fetch/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <md5.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

#define PIECE ((size_t)1 << 20)

_Static_assert(OC_DIGEST_SIZE == MD5_DIGEST_STRING_LENGTH, "the digits of libmd");

oc_status oc_digest_file(char digest[OC_DIGEST_SIZE], const char *path, int64_t bytes, const oc_progress *progress,
                         oc_error *err) {
    oc_status status = OC_OK;
    uint8_t *piece = NULL;
    MD5_CTX sum;
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    OC_TRY(oc_alloc(&piece, PIECE, 1, err));
    MD5Init(&sum);
    for (int64_t done = 0; file < 0 || done < bytes;) {
        const ssize_t got = file < 0 ? -1 : read(file, piece, PIECE);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            char text[128];
            status = oc_fail(err, OC_E_IO, path, "cannot read: %s",
                             got < 0 ? strerror_r(errno, text, sizeof text) : "it became shorter");
            goto cleanup;
        }
        MD5Update(&sum, piece, (size_t)got);
        done += got;
        if (!oc_progress_report(progress, "check", done < bytes ? done : bytes, bytes)) {
            status = oc_fail(err, OC_E_STOPPED, path, "stopped while it was checked; the same command goes on");
            goto cleanup;
        }
    }
    MD5End(&sum, digest);
cleanup:
    if (file >= 0) close(file);
    oc_free(piece);
    return status;
}
