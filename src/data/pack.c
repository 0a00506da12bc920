/* Opening packs: where they lie, whether they still hold what the data set has, and what is asked of an open one. */
#define _GNU_SOURCE 1
#include "data/pack.h"

#include <assert.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/cache_folder.h"
#include "base/error.h"
#include "base/image_options.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/image/decode.h"
#include "data/kept.h"
#include "data/pack_format.h"

#define LISTED_BAD 20 /* bad files that are named before the rest is only counted */
#define SUFFIX ".ocpack"
#define LOCK "packs.lock"
#define STEM_READING 4  /* hyphens in and about the part of a stem that says how images are read */
#define VERSION_PLACE 6 /* of its digits in the magic */
#define NAMED_CLASSES 5 /* classes that are named before the rest is only counted */

/* ---- where it lies ---- */

/* "<data set's own name>-<split>-<size>-<how images are read>-": what all generations of a pack begin with. Images are
 * read "upright" or as "stored", on a background in hexadecimal digits, and fitted in the way of that name. */
static oc_status pack_stem(oc_text *out, const oc_dataset *dataset, const char *split, int64_t size,
                           const oc_image_options *given, oc_error *err) {
    const oc_image_options image = given ? *given : (oc_image_options)OC_IMAGE_OPTIONS_DEFAULT;
    char *real = realpath(oc_dataset_path(dataset), NULL);
    const char *path = real ? real : oc_dataset_path(dataset), *slash = strrchr(path, '/');
    const char *name = slash && slash[1] ? slash + 1 : path;
    size_t length = strlen(name);
    oc_status status;
    if (length > 4 && strcmp(name + length - 4, ".zip") == 0) length -= 4;
    for (size_t i = 0; i < length && i < 100; i++) {
        const char c = name[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                           c == '_' || (c == '.' && i > 0);
        OC_TRY(oc_text_append(out, plain ? &c : "_", 1, err));
    }
    status = oc_text_printf(out, err, "-%s-%lld-%s-%02x%02x%02x-%s-", split, (long long)size,
                            image.exif ? "upright" : "stored", image.background[0], image.background[1],
                            image.background[2], oc_fit_name(image.fit));
cleanup:
    free(real);
    return status;
}

/* ---- is it whole ---- */

static oc_status damaged(const oc_pack *pack, const char *what, oc_error *err) {
    return oc_fail(err, OC_E_FORMAT, pack->path, "damaged cache: %s", what);
}

/* Reads and checks the trailer of the mapped file. */
static oc_status trailer_check(oc_pack *pack, oc_error *err) {
    oc_pack_trailer *t = &pack->trailer;
    const size_t size = pack->file.size;
    if (size < sizeof(*t)) return damaged(pack, "cut off", err);
    memcpy(t, pack->file.data + size - sizeof(*t), sizeof(*t));
    if (memcmp(t->magic, OC_PACK_MAGIC, sizeof t->magic) != 0 || t->file_size != size)
        return damaged(pack, "cut off, or of another version", err);
    if (t->sum != XXH3_64bits(t, offsetof(oc_pack_trailer, sum))) return damaged(pack, "its trailer has changed", err);
    return OC_OK;
}

/* Checks the index, so that no later access needs a check. */
static oc_status index_check(oc_pack *pack, oc_error *err) {
    const oc_pack_trailer *t = &pack->trailer;
    const uint64_t size = pack->file.size - sizeof(*t); /* of everything before the trailer */
    if (t->index_offset > size || t->index_offset % 64 != 0 || t->data_size > t->index_offset)
        return damaged(pack, "its index lies outside", err);
    const uint64_t room = size - t->index_offset;
    if (t->count > room / sizeof(oc_pack_entry) || t->skipped > room / sizeof(oc_pack_skip) || t->texts_size > room ||
        t->count * sizeof(oc_pack_entry) + t->skipped * sizeof(oc_pack_skip) + t->texts_size != room)
        return damaged(pack, "its index has another size", err);
    const uint8_t *index = pack->file.data + t->index_offset;
    if (t->index_sum != XXH3_64bits(index, room)) return damaged(pack, "its index has changed", err);
    pack->entry = (const oc_pack_entry *)(const void *)index;
    pack->skip = (const oc_pack_skip *)(const void *)(pack->entry + t->count);
    pack->texts = (const char *)(pack->skip + t->skipped);
    if (t->count + t->skipped > 0 && (t->texts_size == 0 || pack->texts[t->texts_size - 1] != '\0'))
        return damaged(pack, "its names have no end", err);
    for (uint64_t i = 0; i < t->count; i++) {
        const oc_pack_entry *e = &pack->entry[i];
        if (e->width < 1 || e->height < 1 || e->width > OC_IMAGE_SIDE_LIMIT || e->height > OC_IMAGE_SIDE_LIMIT ||
            e->offset > t->data_size || (uint64_t)e->width * (uint64_t)e->height * 3 > t->data_size - e->offset ||
            e->name >= t->texts_size)
            return damaged(pack, "an image lies outside", err);
    }
    for (uint64_t i = 0; i < t->skipped; i++)
        if (pack->skip[i].reason >= t->texts_size) return damaged(pack, "a reason lies outside", err);
    return OC_OK;
}

/* Opens the file at `path` if it is whole. */
static oc_status pack_load(oc_pack **out, const char *path, oc_error *err) {
    oc_pack *pack = NULL;
    oc_status status;
    OC_TRY(oc_alloc(&pack, 1, sizeof(*pack), err));
    OC_TRY(oc_strdup(&pack->path, path, err));
    OC_TRY(oc_mapping_open(&pack->file, path, err));
    OC_TRY(trailer_check(pack, err));
    OC_TRY(index_check(pack, err));
    *out = pack;
    pack = NULL;
cleanup:
    oc_pack_destroy(&pack);
    return status;
}

/* ---- is it fresh ---- */

/* True when the pack is of this state of the split. Its name has said so already, but files that could not be decoded
 * may have been replaced without a trace in their folder. */
static bool is_fresh(const oc_pack *pack, const oc_dataset *dataset, const oc_split *split) {
    const oc_pack_trailer *t = &pack->trailer;
    if (t->fingerprint != split->fingerprint || t->count + t->skipped != (uint64_t)split->count) return false;
    for (uint64_t i = 0; i < t->skipped; i++) {
        const oc_pack_skip *skip = &pack->skip[i];
        if (skip->sample >= (uint64_t)split->count ||
            skip->content != oc_pack_content(dataset, &split->sample[skip->sample]))
            return false;
    }
    return true;
}

/* Opens the pack at `path` if it is whole and fresh: *out stays NULL when it must be made, which is then logged (`log`
 * may be NULL) unless there is none. Other failures are errors. */
static oc_status pack_find(oc_pack **out, const oc_dataset *dataset, const oc_split *split, const char *path,
                           const oc_log *log, oc_error *err) {
    oc_error reason = {0};
    const oc_status status = pack_load(out, path, &reason);
    if (status == OC_E_NOT_FOUND) return OC_OK;
    if (status == OC_E_FORMAT) {
        oc_log_line(log, OC_LOG_WARN, "%s: %s; making it again", path, reason.message);
        return OC_OK;
    }
    if (status != OC_OK) return oc_fail(err, status, reason.where, "%s", reason.message);
    if (!is_fresh(*out, dataset, split)) {
        oc_log_line(log, OC_LOG_INFO, "%s: the data set has changed; making the cache again", path);
        oc_pack_destroy(out);
    }
    return OC_OK;
}

/* Whether a file ends as a pack of an earlier version does, whose trailer began as today's and was no larger. */
static bool is_earlier_version(const char *path) {
    static const char magic[] = OC_PACK_MAGIC;
    oc_mapping file = {0};
    bool earlier = false;
    if (oc_mapping_open(&file, path, NULL) != OC_OK) return false;
    for (size_t back = sizeof magic - 1; !earlier && back <= sizeof(oc_pack_trailer) && back <= file.size; back++) {
        const uint8_t *at = file.data + file.size - back;
        earlier = memcmp(at, magic, VERSION_PLACE) == 0 && memcmp(at, magic, sizeof magic - 1) < 0;
    }
    oc_mapping_close(&file);
    return earlier;
}

/* Removes packs of earlier states of the same data set, and those of its name that an earlier version made, which
 * nobody reads any more. Who has one mapped keeps it. */
static void generations_remove(const oc_pack *fresh, const char *folder, const char *stem, const oc_log *log) {
    const size_t stem_size = strlen(stem), suffix_size = strlen(SUFFIX);
    size_t kind_size = stem_size; /* of "<data set's own name>-<split>-<size>-" */
    for (int parts = 0; kind_size > 0 && parts < STEM_READING; kind_size--) parts += stem[kind_size - 1] == '-';
    kind_size++;
    DIR *dir = opendir(folder);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        const size_t size = strlen(entry->d_name);
        oc_pack *old = NULL;
        char *path = NULL;
        if (strncmp(entry->d_name, stem, kind_size) != 0 || size < suffix_size ||
            strcmp(entry->d_name + size - suffix_size, SUFFIX) != 0 ||
            oc_path_join(&path, folder, entry->d_name, NULL) != OC_OK || strcmp(path, fresh->path) == 0) {
            oc_free(path);
            continue;
        }
        if (strncmp(entry->d_name, stem, stem_size) == 0 && pack_load(&old, path, NULL) == OC_OK) {
            if (old->trailer.identity == fresh->trailer.identity && unlink(path) == 0)
                oc_log_line(log, OC_LOG_INFO, "%s: removed, the data set has changed since", path);
        } else if (is_earlier_version(path) && unlink(path) == 0) {
            oc_log_line(log, OC_LOG_INFO, "%s: removed, it is of an earlier version", path);
        }
        oc_pack_destroy(&old);
        oc_free(path);
    }
    if (dir) closedir(dir);
}

/* ---- one maker at a time ---- */

/* Locks the making of packs in the cache folder, which may serve something else as well; *lock = NULL where the file
 * system has no locks: then two processes may both make the pack, and the second one's file, of the same bytes,
 * replaces the first's. */
static oc_status lock_wait(oc_lock **lock, const char *folder, const oc_pack_options *options, oc_error *err) {
    const struct timespec pause = {0, 100 * 1000 * 1000};
    oc_status status;
    char *file = NULL;
    bool told = false;
    OC_TRY(oc_path_join(&file, folder, LOCK, err));
    while ((status = oc_lock_create_file(lock, file, err)) == OC_E_EXISTS) {
        if (!told) oc_log_line(&options->log, OC_LOG_INFO, "%s: waiting for another process to finish it", folder);
        told = true;
        if (!oc_progress_report(&options->progress, "wait for the cache", 0, 1)) {
            status = oc_fail(err, OC_E_STOPPED, folder, "stopped while waiting for the cache");
            break;
        }
        nanosleep(&pause, NULL);
    }
cleanup:
    oc_free(file);
    return status;
}

static oc_status pack_make(oc_pack **out, const oc_dataset *dataset, const oc_split *split, const char *folder,
                           const char *path, const char *stem, const oc_pack_options *options, oc_error *err) {
    oc_status status;
    oc_lock *lock = NULL;
    OC_TRY(lock_wait(&lock, folder, options, err));
    /* Another process may have made it meanwhile. */
    OC_TRY(pack_find(out, dataset, split, path, &options->log, err));
    if (*out) goto cleanup;
    if (lock) OC_TRY(oc_file_remove_leftovers(path, err));
    oc_log_line(&options->log, OC_LOG_INFO, "decoding %lld images of %s into %s", (long long)split->count, split->name,
                path);
    OC_TRY(oc_pack_make(dataset, split, path, options, err));
    OC_TRY(pack_load(out, path, err));
    generations_remove(*out, folder, stem, &options->log);
cleanup:
    oc_lock_destroy(&lock);
    return status;
}

/* ---- the handle ---- */

/* Warns of classes that have lost all their images of the split: they are neither learnt nor judged. */
static oc_status emptied_report(const oc_pack *pack, const oc_dataset *dataset, const oc_split *split,
                                const oc_log *log, oc_error *err) {
    const oc_names *classes = oc_dataset_classes(dataset);
    enum { NO_IMAGE, LOST, KEPT } *state = NULL;
    oc_text_list lost = {.limit = NAMED_CLASSES};
    oc_status status;
    OC_TRY(oc_alloc(&state, classes->count, sizeof *state, err));
    for (int64_t i = 0; i < split->count; i++)
        if (split->sample[i].label >= 0) state[split->sample[i].label] = LOST;
    for (uint64_t i = 0; i < pack->trailer.count; i++)
        if (pack->entry[i].label >= 0 && (size_t)pack->entry[i].label < classes->count)
            state[pack->entry[i].label] = KEPT;
    for (size_t i = 0; i < classes->count; i++)
        if (state[i] == LOST) OC_TRY(oc_text_list_add(&lost, err, "%s", classes->item[i]));
    OC_TRY(oc_text_list_close(&lost, err));
    if (lost.count > 0)
        oc_log_line(log, OC_LOG_WARN, "no image that can be decoded is left in %s of the class%s %s", split->name,
                    lost.count > 1 ? "es" : "", lost.text.data);
cleanup:
    oc_free(state);
    oc_text_list_free(&lost);
    return status;
}

/* Names the files that were left out, and refuses unless that is wanted. */
static oc_status skipped_report(const oc_pack *pack, const oc_dataset *dataset, const oc_split *split,
                                const oc_pack_options *options, oc_error *err) {
    const uint64_t skipped = pack->trailer.skipped;
    for (uint64_t i = 0; i < skipped && i < LISTED_BAD; i++)
        oc_log_line(&options->log, OC_LOG_WARN, "%s/%s: %s", oc_dataset_path(dataset),
                    split->sample[pack->skip[i].sample].path, pack->texts + pack->skip[i].reason);
    if (skipped > LISTED_BAD)
        oc_log_line(&options->log, OC_LOG_WARN, "and %llu more", (unsigned long long)(skipped - LISTED_BAD));
    if (skipped > 0 && !options->skip_bad) {
        const oc_pack_skip *first = &pack->skip[0];
        return oc_fail(
            err, OC_E_FORMAT, oc_dataset_path(dataset),
            "%llu of the %lld images of %s cannot be decoded, the first is %s (%s); mend them, or leave them "
            "out with --skip-bad",
            (unsigned long long)skipped, (long long)split->count, split->name, split->sample[first->sample].path,
            pack->texts + first->reason);
    }
    if (skipped > 0)
        oc_log_line(&options->log, OC_LOG_WARN, "%llu of the %lld images of %s are left out",
                    (unsigned long long)skipped, (long long)split->count, split->name);
    if (pack->trailer.count == 0)
        return oc_fail(err, OC_E_FORMAT, oc_dataset_path(dataset), "no image of %s can be decoded", split->name);
    if (skipped > 0) return emptied_report(pack, dataset, split, &options->log, err);
    return OC_OK;
}

oc_status oc_pack_open(oc_pack **out, const oc_dataset *dataset, const char *split, const oc_pack_options *options,
                       oc_error *err) {
    const oc_split *s = oc_dataset_split(dataset, split);
    oc_pack *pack = NULL;
    oc_text stem = {0}, name = {0};
    char *folder = NULL, *path = NULL;
    oc_status status;
    assert(options->size >= 1);
    if (!s)
        return oc_fail(err, OC_E_NOT_FOUND, oc_dataset_path(dataset), "the data set has no split %s%s%s", split,
                       strcmp(split, "val") == 0 ? ": " : "",
                       strcmp(split, "val") == 0       ? oc_dataset_val_advice(dataset)
                       : strcmp(split, "holdout") == 0 ? ": it is what data.holdout leaves out of train where there is "
                                                         "a val"
                                                       : "");
    OC_TRY(oc_cache_folder(&folder, options->cache, err));
    OC_TRY(oc_folder_create(folder, err));
    OC_TRY(pack_stem(&stem, dataset, split, options->size, options->image, err));
    OC_TRY(oc_text_printf(&name, err, "%s%016llx" SUFFIX, stem.data, (unsigned long long)s->fingerprint));
    OC_TRY(oc_path_join(&path, folder, name.data, err));
    OC_TRY(pack_find(&pack, dataset, s, path, NULL, err));
    if (!pack) OC_TRY(pack_make(&pack, dataset, s, folder, path, stem.data, options, err));
    OC_TRY(skipped_report(pack, dataset, s, options, err));
    pack->fit = options->image ? options->image->fit : OC_FIT_CROP;
    *out = pack;
    pack = NULL;
cleanup:
    if (status == OC_E_IO && folder && !(options->cache && *options->cache)) {
        const oc_error why = err ? *err : (oc_error){0};
        oc_fail(err, status, why.where, "%s; another folder for the packed cache (this is %s) is given by --cache DIR",
                why.message, folder);
    }
    oc_pack_destroy(&pack);
    oc_text_free(&stem);
    oc_text_free(&name);
    oc_free(folder);
    oc_free(path);
    return status;
}

void oc_pack_destroy(oc_pack **pack) {
    if (!*pack) return;
    oc_mapping_close(&(*pack)->file);
    oc_free((*pack)->path);
    oc_free(*pack);
    *pack = NULL;
}

int64_t oc_pack_count(const oc_pack *pack) {
    return (int64_t)pack->trailer.count;
}

oc_image oc_pack_image(const oc_pack *pack, int64_t index) {
    assert(index >= 0 && index < (int64_t)pack->trailer.count);
    const oc_pack_entry *e = &pack->entry[index];
    return (oc_image){.pixels = pack->file.data + e->offset,
                      .width = e->width,
                      .height = e->height,
                      .label = e->label,
                      .content = e->content,
                      .name = pack->texts + e->name};
}

oc_status oc_pack_contents(uint64_t **out, const oc_pack *pack, oc_error *err) {
    const oc_status status = oc_alloc(out, (size_t)pack->trailer.count + 1, sizeof **out, err);
    for (uint64_t i = 0; status == OC_OK && i < pack->trailer.count; i++) (*out)[i] = pack->entry[i].content;
    return status;
}

const char *oc_pack_version(void) {
    return OC_PACK_MAGIC;
}

oc_fit oc_pack_fit(const oc_pack *pack) {
    return pack->fit;
}

oc_cropped oc_pack_cropped(const oc_pack *pack) {
    oc_cropped cropped = {0};
    for (uint64_t i = 0; pack->fit == OC_FIT_CROP && i < pack->trailer.count; i++)
        oc_cropped_add(&cropped, pack->entry[i].width, pack->entry[i].height, pack->trailer.size);
    return cropped;
}

oc_moments oc_pack_moments(const oc_pack *pack) {
    return pack->trailer.moments;
}

void oc_pack_prefetch(const oc_pack *pack, const uint32_t *index, int64_t count) {
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    for (int64_t i = 0; i < count; i++) {
        const oc_pack_entry *e = &pack->entry[index[i]];
        const uint64_t begin = e->offset / page * page;
        const uint64_t end = e->offset + (uint64_t)e->width * (uint64_t)e->height * 3;
        /* The mapping is read-only; madvise only takes its address as one that could be written. */
        madvise((void *)(uintptr_t)(pack->file.data + begin), end - begin, MADV_WILLNEED);
    }
}

int64_t oc_pack_skipped(const oc_pack *pack) {
    return (int64_t)pack->trailer.skipped;
}
