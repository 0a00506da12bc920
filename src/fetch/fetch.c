/* Fetching an archive: what is there, the tries, and the check at the end. */
#define _POSIX_C_SOURCE 200809L
#include "ocelli/fetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/memory.h"
#include "fetch/digest.h"
#include "fetch/part.h"
#include "fetch/transfer.h"

#define TRIES 6
#define WAIT_SECONDS 1.0
#define WAIT_MOST 30.0
#define STALL_SECONDS 30
#define GLANCE_NANOSECONDS 50000000L
#define KEPT_SIZE 64
#define GAIN 100 /* a try has got on that brings this fraction of the file */

/* What a message counts. */
static double megabytes(int64_t bytes) {
    return (double)bytes * 1e-6;
}

/* A file of the archive's name that is there must be it. */
static oc_status check_there(const oc_archive *archive, const char *path, bool *there, const oc_progress *progress,
                             oc_error *err) {
    oc_status status = OC_OK;
    struct stat info;
    char digest[OC_DIGEST_SIZE] = "";
    *there = stat(path, &info) == 0;
    if (!*there) goto cleanup;
    if (!S_ISREG(info.st_mode)) {
        status = oc_fail(err, OC_E_EXISTS, path, "this is there and no file; remove it, or choose another folder");
        goto cleanup;
    }
    if (info.st_size != archive->bytes) {
        status = oc_fail(err, OC_E_EXISTS, path,
                         "this is there and not the file: it has %" PRId64 " bytes, not %" PRId64
                         "; remove it, or choose another folder",
                         (int64_t)info.st_size, archive->bytes);
        goto cleanup;
    }
    OC_TRY(oc_digest_file(digest, path, archive->bytes, progress, err));
    if (strcmp(digest, archive->md5) != 0)
        status = oc_fail(err, OC_E_EXISTS, path,
                         "this is there and not the file: its MD5 is %s, not %s; remove it, or choose another folder",
                         digest, archive->md5);
cleanup:
    return status;
}

/* False: the caller asked to stop meanwhile. */
static bool sleep_for(double seconds, const oc_archive *archive, const oc_part *part, const oc_progress *progress) {
    const double end = oc_clock_seconds() + seconds;
    do {
        if (!oc_progress_report(progress, "fetch", part->size, archive->bytes)) return false;
        nanosleep(&(struct timespec){.tv_nsec = GLANCE_NANOSECONDS}, NULL);
    } while (oc_clock_seconds() < end);
    return true;
}

static oc_status stopped(const oc_part *part, oc_error *err) {
    return oc_fail(err, OC_E_STOPPED, part->path, "stopped; %.1f MB are kept, and the same command goes on from there",
                   megabytes(part->size));
}

/* What a message says of a part that stays. */
static const char *kept(const oc_part *part, const oc_archive *archive, char text[KEPT_SIZE]) {
    text[0] = '\0';
    if (part->size > 0)
        snprintf(text, KEPT_SIZE, "%.1f of %.1f MB are kept: ", megabytes(part->size), megabytes(archive->bytes));
    return text;
}

/* Tries until the part is as long as the file. */
static oc_status bring(const oc_archive *archive, oc_part *part, const oc_fetch_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_transfer *transfer = NULL;
    oc_transfer_end end;
    /* What was lost again is no gain, so that a server whose every answer begins anew comes to an end, too. */
    int64_t reached = part->size;
    double wait = options->wait;
    char text[KEPT_SIZE];
    OC_TRY(oc_transfer_create(&transfer, archive, part, options, err));
    for (int tries = 1;; tries++) {
        OC_TRY(oc_transfer_try(transfer, &end, err));
        if (end.whole) break;
        if (part->size - reached > archive->bytes / GAIN) {
            reached = part->size;
            tries = 1;
            wait = options->wait;
        }
        if (tries >= options->tries) {
            status =
                oc_fail(err, OC_E_IO, options->url, "%s, and %d tries brought nothing more; %srun the same again later",
                        end.reason, tries, kept(part, archive, text));
            goto cleanup;
        }
        const double pause = end.wait > wait ? (end.wait < WAIT_MOST ? end.wait : WAIT_MOST) : wait;
        oc_log_line(&options->log, OC_LOG_WARN, "%s: at %.1f of %.1f MB: %s; again in %.3g s (%d of %d)", archive->file,
                    megabytes(part->size), megabytes(archive->bytes), end.reason, pause, tries, options->tries - 1);
        if (!sleep_for(pause, archive, part, &options->progress)) {
            status = OC_E_STOPPED;
            goto cleanup;
        }
        wait = 2 * wait < WAIT_MOST ? 2 * wait : WAIT_MOST;
    }
cleanup:
    oc_transfer_destroy(&transfer);
    return status == OC_E_STOPPED ? stopped(part, err) : status;
}

/* Under the lock: fetches what is missing, checks it and gives it its name. */
static oc_status fetch(const oc_archive *archive, const char *path, const oc_fetch_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_part part = {0};
    char digest[OC_DIGEST_SIZE] = "";
    OC_TRY(oc_part_find(&part, path, err));
    if (part.size > archive->bytes) {
        oc_log_line(&options->log, OC_LOG_WARN, "%s is longer than the file: from the beginning", part.path);
        oc_part_remove(&part);
    }
    if (part.size > 0 && part.size < archive->bytes && part.validator[0])
        oc_log_line(&options->log, OC_LOG_INFO, "%s: %.1f of %.1f MB are there", archive->file, megabytes(part.size),
                    megabytes(archive->bytes));
    if (part.size < archive->bytes) OC_TRY(bring(archive, &part, options, err));
    OC_TRY(oc_digest_file(digest, part.path, archive->bytes, &options->progress, err));
    if (strcmp(digest, archive->md5) != 0) {
        oc_part_remove(&part);
        status = oc_fail(err, OC_E_MISMATCH, options->url,
                         "what came is not the file: its MD5 is %s, not %s, and it was removed; try again, or name "
                         "another address with --url",
                         digest, archive->md5);
        goto cleanup;
    }
    OC_TRY(oc_part_finish(&part, path, err));
cleanup:
    oc_part_free(&part);
    return status;
}

/* The lock of one archive, for in the folder others may be written to at the same time. */
static oc_status lock_archive(oc_lock **out, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    char *name = NULL;
    oc_error why = {0};
    const size_t size = strlen(path) + sizeof ".lock";
    OC_TRY(oc_alloc(&name, size, 1, err));
    snprintf(name, size, "%s.lock", path);
    status = oc_lock_create_file(out, name, &why);
    if (status == OC_E_EXISTS)
        status = oc_fail(err, status, path, "another process is fetching it; wait for that, or choose another folder");
    else if (status != OC_OK)
        status = oc_fail(err, status, why.where, "%s; choose a folder that can be written", why.message);
cleanup:
    oc_free(name);
    return status;
}

oc_status oc_fetch(bool *was_there, const oc_archive *archive, const char *folder, const oc_fetch_options *options,
                   oc_error *err) {
    oc_status status = OC_OK;
    oc_fetch_options own = options ? *options : (oc_fetch_options){0};
    oc_lock *lock = NULL;
    char *path = NULL;
    bool there = false;
    if (!own.url) own.url = archive->url;
    if (own.tries <= 0) own.tries = TRIES;
    if (own.wait <= 0) own.wait = WAIT_SECONDS;
    if (own.stall_seconds <= 0) own.stall_seconds = STALL_SECONDS;
    OC_TRY(oc_path_join(&path, folder, archive->file, err));
    /* A file that is right may lie in a folder that cannot be written. */
    OC_TRY(check_there(archive, path, &there, &own.progress, err));
    if (there) goto cleanup;
    OC_TRY(oc_folder_create(folder, err));
    OC_TRY(lock_archive(&lock, path, err));
    /* Another process may have got its lock and its file meanwhile. */
    OC_TRY(check_there(archive, path, &there, &own.progress, err));
    if (!there) OC_TRY(fetch(archive, path, &own, err));
cleanup:
    if (status == OC_OK && was_there) *was_there = there;
    oc_lock_destroy(&lock);
    oc_free(path);
    return status;
}
