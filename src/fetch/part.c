/* The part of a file. The validator is gone before the bytes that it stands for are, and written before others come:
 * whenever the process is killed, it never stands beside bytes of another file. */
#define _GNU_SOURCE 1
#include "fetch/part.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

/* *out = path + suffix. */
static oc_status suffixed(char **out, const char *path, const char *suffix, oc_error *err) {
    oc_status status = OC_OK;
    const size_t size = strlen(path) + strlen(suffix) + 1;
    OC_TRY(oc_alloc(out, size, 1, err));
    snprintf(*out, size, "%s%s", path, suffix);
cleanup:
    return status;
}

/* A validator that is damaged counts as none. */
static oc_status read_validator(oc_part *part, oc_error *err) {
    oc_status status = OC_OK;
    char *text = NULL;
    size_t size = 0;
    oc_error absent = {0};
    status = oc_file_read(&text, &size, part->validator_path, OC_VALIDATOR_SIZE - 1, &absent);
    if (status == OC_E_NOT_FOUND || status == OC_E_FORMAT) return OC_OK;
    if (status != OC_OK) return oc_fail(err, status, absent.where, "%s", absent.message);
    if (strlen(text) == size && strcspn(text, "\r\n") == size)
        snprintf(part->validator, sizeof part->validator, "%s", text);
    oc_free(text);
    return OC_OK;
}

oc_status oc_part_find(oc_part *part, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    struct stat info;
    OC_TRY(suffixed(&part->path, path, ".part", err));
    OC_TRY(suffixed(&part->validator_path, part->path, ".validator", err));
    if (stat(part->path, &info) != 0) goto cleanup; /* what else is wrong, opening it will tell */
    if (!S_ISREG(info.st_mode)) {
        status = oc_fail(err, OC_E_FORMAT, part->path, "this is no regular file: remove it, or choose another folder");
        goto cleanup;
    }
    part->size = info.st_size;
    OC_TRY(read_validator(part, err));
    OC_TRY(oc_file_remove_leftovers(part->validator_path, err));
cleanup:
    return status;
}

oc_status oc_part_begin(oc_part *part, const char *validator, oc_error *err) {
    oc_status status = OC_OK;
    if (unlink(part->validator_path) != 0 && errno != ENOENT) {
        char text[128];
        status = oc_fail(err, OC_E_IO, part->validator_path, "cannot remove: %s; check the permissions",
                         strerror_r(errno, text, sizeof text));
        goto cleanup;
    }
    part->validator[0] = '\0';
    oc_file_appender_destroy(&part->file);
    OC_TRY(oc_file_appender_create(&part->file, part->path, 0, err));
    part->size = 0;
    if (validator[0]) OC_TRY(oc_file_write_atomic(part->validator_path, validator, strlen(validator), err));
    snprintf(part->validator, sizeof part->validator, "%s", validator);
cleanup:
    return status;
}

oc_status oc_part_append(oc_part *part, const void *data, size_t size, oc_error *err) {
    oc_status status = OC_OK;
    if (!part->file) OC_TRY(oc_file_appender_create(&part->file, part->path, (size_t)part->size, err));
    OC_TRY(oc_file_appender_write(part->file, data, size, err));
    part->size += (int64_t)size;
cleanup:
    return status;
}

oc_status oc_part_finish(oc_part *part, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    /* Of what an earlier call has brought, nobody knows whether it has reached the disk. */
    if (!part->file) OC_TRY(oc_file_appender_create(&part->file, part->path, (size_t)part->size, err));
    OC_TRY(oc_file_appender_sync(part->file, err));
    oc_file_appender_destroy(&part->file);
    /* A part that is complete needs none. */
    unlink(part->validator_path);
    OC_TRY(oc_file_rename(part->path, path, err));
cleanup:
    return status;
}

void oc_part_remove(oc_part *part) {
    oc_file_appender_destroy(&part->file);
    unlink(part->validator_path);
    unlink(part->path);
    part->validator[0] = '\0';
    part->size = 0;
}

void oc_part_free(oc_part *part) {
    oc_file_appender_destroy(&part->file);
    oc_free(part->path);
    oc_free(part->validator_path);
    *part = (oc_part){0};
}
