/* The data set's handle: opening, the holdout, the fingerprint, and what others ask of it. */
#define _GNU_SOURCE 1
#include "data/dataset.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/dataset_internal.h"
#include "data/image/decode.h"
#include "ocelli/data.h"

#define BLOCK_SIZE ((size_t)1 << 20)

/* Paths of 100,000 samples, each in memory of its own, would cost more than the texts. */
struct oc_text_block {
    oc_text_block *next;
    size_t used, size;
    char data[];
};

const char *const oc_split_names[OC_SPLIT_COUNT + 1] = {"train", "val", "holdout", "test", NULL};

static oc_status text_reserve(oc_dataset *dataset, size_t size, char **out, oc_error *err) {
    oc_text_block *block = dataset->block;
    if (!block || block->size - block->used < size) {
        const size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        const oc_status status = oc_alloc(&block, sizeof(*block) + room, 1, err);
        if (status != OC_OK) return status;
        block->size = room;
        block->next = dataset->block;
        dataset->block = block;
    }
    *out = block->data + block->used;
    block->used += size;
    return OC_OK;
}

oc_status oc_dataset_text(oc_dataset *dataset, const char *text, const char **out, oc_error *err) {
    const size_t size = strlen(text) + 1;
    char *own;
    oc_status status;
    OC_TRY(text_reserve(dataset, size, &own, err));
    memcpy(own, text, size);
    *out = own;
cleanup:
    return status;
}

/* *out = "folder/name" among the data set's texts, *own = where the name begins in it. */
static oc_status path_add(oc_dataset *dataset, const char *folder, const char *name, char **out, char **own,
                          oc_error *err) {
    const size_t folder_size = strlen(folder), name_size = strlen(name) + 1, slash = folder_size > 0 ? 1 : 0;
    char *path;
    oc_status status;
    OC_TRY(text_reserve(dataset, folder_size + slash + name_size, &path, err));
    memcpy(path, folder, folder_size);
    if (slash) path[folder_size] = '/';
    memcpy(path + folder_size + slash, name, name_size);
    *out = path;
    *own = path + folder_size + slash;
cleanup:
    return status;
}

/* The rest of `path` after a folder that it begins with. */
static const char *after(const char *path, const char *folder) {
    const size_t length = strlen(folder);
    return length > 0 ? path + length + 1 : path;
}

oc_status oc_dataset_add(oc_dataset *dataset, const oc_place *place, const char *folder, const oc_entry *file,
                         oc_error *err) {
    static const char images[] = "images/";
    oc_split *s = &dataset->split[place->split];
    char *path, *name;
    oc_status status;
    OC_TRY(path_add(dataset, folder, file->name, &path, &name, err));
    OC_TRY(oc_grow(&s->sample, &dataset->capacity[place->split], (size_t)s->count + 1, sizeof(*s->sample), err));
    const char *in_class = after(path, place->class_folder);
    if (strncasecmp(in_class, images, sizeof images - 1) == 0) in_class += sizeof images - 1;
    s->sample[s->count++] =
        (oc_sample){path, after(path, place->split_folder), in_class, name, file->state, place->label};
cleanup:
    return status;
}

oc_status oc_dataset_leave_out(oc_dataset *dataset, int split, int32_t label, const char *folder, const oc_entry *entry,
                               oc_unread why, oc_error *err) {
    oc_split *s = &dataset->split[split];
    char *path, *own;
    oc_status status;
    for (size_t i = 0; i < s->left_outs; i++)
        if (s->left_out[i].why == why && s->left_out[i].label == label) {
            s->left_out[i].count += entry->files;
            return OC_OK;
        }
    OC_TRY(path_add(dataset, folder, entry->name, &path, &own, err));
    OC_TRY(oc_grow(&s->left_out, &dataset->left_out_capacity[split], s->left_outs + 1, sizeof *s->left_out, err));
    s->left_out[s->left_outs++] = (oc_left_out){why, label, entry->files, path};
cleanup:
    return status;
}

oc_status oc_dataset_doubt(oc_dataset *dataset, oc_error *err, const char *format, ...) {
    char *text = NULL;
    va_list args;
    oc_status status;
    va_start(args, format);
    const int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) return oc_fail(err, OC_E_MEMORY, dataset->source->path, "no memory for a warning");
    status = oc_names_add(&dataset->doubts, text, err);
    free(text);
    return status;
}

/* ---- holdout ---- */

/* A text's hash, the same in every way of Unicode to write it. */
static oc_status text_hash(uint64_t *hash, const char *text, uint64_t seed, oc_error *err) {
    char *composed = NULL;
    oc_status status;
    OC_TRY(oc_text_composed(&composed, text, err));
    if (composed) text = composed;
    *hash = XXH3_64bits_withSeed(text, strlen(text), seed);
cleanup:
    oc_free(composed);
    return status;
}

/* Whether an image of train is held out: its class and its place in it, hashed, against the share. Nothing else moves
 * it, and a larger share holds out all that a smaller one does. */
static oc_status is_held_out(bool *out, const oc_dataset *dataset, const oc_sample *sample, oc_error *err) {
    uint64_t hash;
    oc_status status;
    OC_TRY(text_hash(&hash, dataset->classes.item[sample->label], 0, err));
    OC_TRY(text_hash(&hash, sample->in_class, hash, err));
    *out = (double)(hash >> 11) * 0x1p-53 < dataset->holdout;
cleanup:
    return status;
}

/* A class of which the share leaves nothing to learn. */
static oc_status left_to_learn_check(const oc_dataset *dataset, oc_error *err) {
    const oc_split *train = &dataset->split[OC_SPLIT_TRAIN];
    int64_t next = 0;
    for (size_t c = 0; c < dataset->classes.count; c++) {
        const int64_t before = next;
        while (next < train->count && train->sample[next].label == (int32_t)c) next++;
        if (next == before)
            return oc_fail(err, OC_E_USAGE, "data.holdout",
                           "a share of %g leaves no image of the class %s to train on; take a smaller one, or give the "
                           "class more images",
                           dataset->holdout, dataset->classes.item[c]);
    }
    return OC_OK;
}

/* Moves the share from train to val, or, where there is one already, to holdout; all keep their order. */
static oc_status holdout_apply(oc_dataset *dataset, oc_error *err) {
    const int into = dataset->present[OC_SPLIT_VAL] ? OC_SPLIT_HOLDOUT : OC_SPLIT_VAL;
    oc_split *train = &dataset->split[OC_SPLIT_TRAIN], *held_out = &dataset->split[into];
    int64_t kept = 0;
    oc_status status = OC_OK;
    held_out->folder = train->folder;
    for (int64_t i = 0; i < train->count; i++) {
        bool held;
        OC_TRY(is_held_out(&held, dataset, &train->sample[i], err));
        if (!held) {
            train->sample[kept++] = train->sample[i];
            continue;
        }
        OC_TRY(oc_grow(&held_out->sample, &dataset->capacity[into], (size_t)held_out->count + 1,
                       sizeof(*held_out->sample), err));
        held_out->sample[held_out->count++] = train->sample[i];
    }
    train->count = kept;
    dataset->present[into] = held_out->count > 0;
    status = left_to_learn_check(dataset, err);
cleanup:
    return status;
}

/* ---- the handle ---- */

/* Everything that says what a split's pack holds, but for the files' bytes, for which their state stands. */
static uint64_t split_hash(const oc_dataset *dataset, const oc_split *split, XXH3_state_t *hash) {
    XXH3_64bits_reset(hash);
    for (size_t i = 0; i < dataset->classes.count; i++)
        XXH3_64bits_update(hash, dataset->classes.item[i], strlen(dataset->classes.item[i]) + 1);
    for (int64_t i = 0; i < split->count; i++) {
        XXH3_64bits_update(hash, split->sample[i].path, strlen(split->sample[i].path) + 1);
        XXH3_64bits_update(hash, &split->sample[i].label, sizeof split->sample[i].label);
        XXH3_64bits_update(hash, &split->sample[i].state, sizeof split->sample[i].state);
    }
    return XXH3_64bits_digest(hash);
}

static void fingerprints_find(oc_dataset *dataset, XXH3_state_t *hash) {
    uint64_t all[OC_SPLIT_COUNT];
    for (int s = 0; s < OC_SPLIT_COUNT; s++)
        all[s] = dataset->split[s].fingerprint = split_hash(dataset, &dataset->split[s], hash);
    dataset->fingerprint = XXH3_64bits(all, sizeof all);
}

static uint64_t identity_hash(const char *path, const oc_dataset_options *options) {
    char *real = realpath(path, NULL);
    const char *text = real ? real : path;
    uint64_t hash = XXH3_64bits(text, strlen(text));
    hash = XXH3_64bits_withSeed(&options->holdout, sizeof options->holdout, hash);
    if (options->val) hash = XXH3_64bits_withSeed(options->val, strlen(options->val), hash);
    free(real);
    return hash;
}

oc_status oc_dataset_open(oc_dataset **out, const char *path, const oc_dataset_options *options, oc_error *err) {
    const oc_dataset_options none = {0};
    oc_dataset *dataset = NULL;
    XXH3_state_t *hash = NULL;
    oc_status status;
    if (!options) options = &none;
    if (!(options->holdout >= 0 && options->holdout < 1))
        return oc_fail(err, OC_E_USAGE, "data.holdout", "%g is not a share of at least 0 and below 1",
                       options->holdout);
    if (options->val && strcmp(options->val, "val") != 0 && strcmp(options->val, "test") != 0)
        return oc_fail(err, OC_E_USAGE, "data.val", "\"%s\" is neither val nor test", options->val);
    OC_TRY(oc_alloc(&dataset, 1, sizeof(*dataset), err));
    OC_TRY(oc_alloc(&dataset->told, 1, sizeof(*dataset->told), err));
    for (int s = 0; s <= OC_SPLIT_COUNT; s++) {
        dataset->split[s].name = s < OC_SPLIT_COUNT ? oc_split_names[s] : "elsewhere";
        dataset->split[s].folder = "";
    }
    hash = XXH3_createState();
    if (!hash) {
        status = oc_fail(err, OC_E_MEMORY, path, "no memory for a checksum");
        goto cleanup;
    }
    OC_TRY(oc_source_open(&dataset->source, path, err));
    dataset->holdout = options->holdout;
    dataset->alike = -1;
    dataset->without_words = options->without_words;
    dataset->test_as_val = options->val && strcmp(options->val, "test") == 0;
    OC_TRY(oc_dataset_scan(dataset, err));
    if (dataset->present[OC_SPLIT_TRAIN] && dataset->holdout > 0) OC_TRY(holdout_apply(dataset, err));
    fingerprints_find(dataset, hash);
    dataset->identity = identity_hash(path, options);
    *out = dataset;
    dataset = NULL;
cleanup:
    XXH3_freeState(hash);
    oc_dataset_destroy(&dataset);
    return status;
}

void oc_dataset_destroy(oc_dataset **dataset) {
    oc_dataset *d = *dataset;
    if (!d) return;
    oc_source_destroy(&d->source);
    for (size_t i = 0; d->human && i < d->classes.count; i++) oc_free(d->human[i]);
    oc_free(d->human);
    oc_names_free(&d->classes);
    oc_names_free(&d->doubts);
    oc_free(d->told);
    oc_names_free(&d->imageless);
    for (int s = 0; s <= OC_SPLIT_COUNT; s++) {
        oc_free(d->split[s].sample);
        oc_free(d->split[s].left_out);
    }
    while (d->block) {
        oc_text_block *next = d->block->next;
        oc_free(d->block);
        d->block = next;
    }
    oc_free(d);
    *dataset = NULL;
}

const oc_split *oc_dataset_split(const oc_dataset *dataset, const char *name) {
    for (int s = 0; s < OC_SPLIT_COUNT; s++)
        if (dataset->present[s] && strcmp(oc_split_names[s], name) == 0) return &dataset->split[s];
    return NULL;
}

const oc_names *oc_dataset_classes(const oc_dataset *dataset) {
    return &dataset->classes;
}

size_t oc_dataset_class_count(const oc_dataset *dataset) {
    return dataset->classes.count;
}

const char *oc_dataset_class(const oc_dataset *dataset, size_t index) {
    return index < dataset->classes.count ? dataset->classes.item[index] : NULL;
}

const char *oc_dataset_class_name(const oc_dataset *dataset, const char *code) {
    const int64_t place = oc_names_find(&dataset->classes, code);
    return place >= 0 && dataset->human[place] ? dataset->human[place] : code;
}

const oc_split *oc_dataset_elsewhere(const oc_dataset *dataset) {
    return &dataset->split[OC_SPLIT_ELSEWHERE];
}

const char *oc_dataset_val_advice(const oc_dataset *dataset) {
    const oc_split *test = &dataset->split[OC_SPLIT_TEST];
    return test->count > 0 && test->sample[0].label >= 0 ? "take the images of test, which have classes, with --set "
                                                           "data.val=test, or hold some of train out with "
                                                           "--set data.holdout=0.1"
                                                         : "hold some of train out with --set data.holdout=0.1";
}

/* ---- what a person should know ---- */

#define NAMED_CLASSES 5  /* classes that are named before the rest is only counted */
#define NAMED_FOLDERS 20 /* likewise folders that may have been meant as classes */

int64_t oc_split_left_out(const oc_split *split, bool expected) {
    int64_t count = 0;
    for (size_t i = 0; i < split->left_outs; i++)
        if (!expected || oc_unread_reasons[split->left_out[i].why].expected) count += split->left_out[i].count;
    return count;
}

int64_t oc_dataset_left_out(const oc_dataset *dataset) {
    int64_t count = oc_split_left_out(oc_dataset_elsewhere(dataset), true);
    for (int i = 0; oc_split_names[i]; i++) {
        const oc_split *split = oc_dataset_split(dataset, oc_split_names[i]);
        if (split) count += oc_split_left_out(split, true);
    }
    return count;
}

static oc_status left_out_report(const oc_dataset *dataset, const oc_split *split, const oc_log *log) {
    oc_text text = {0};
    oc_status status = OC_OK;
    for (int why = 0; why < OC_UNREAD_COUNT; why++) {
        const char *first = NULL;
        int64_t count = 0;
        if (!oc_unread_reasons[why].expected) continue;
        for (size_t i = 0; i < split->left_outs; i++) {
            if (split->left_out[i].why != (oc_unread)why) continue;
            if (!first) first = split->left_out[i].first;
            count += split->left_out[i].count;
        }
        if (count > 0)
            OC_TRY(oc_text_printf(&text, NULL, "; %lld (%s), the first is %s", (long long)count,
                                  oc_unread_reasons[why].text, first));
    }
    if (text.size > 0)
        oc_log_line(log, OC_LOG_WARN, "%s: not read %s %s: %s", dataset->source->path,
                    split == oc_dataset_elsewhere(dataset) ? "and lying" : "in", split->name, text.data + 2);
cleanup:
    oc_text_free(&text);
    return status;
}

/* Classes without an image in a split whose images have classes. */
static oc_status classes_report(const oc_dataset *dataset, const oc_split *split, const oc_log *log) {
    oc_text_list missing = {.limit = NAMED_CLASSES};
    bool *has = NULL;
    oc_status status = OC_OK;
    if (split->count == 0 || split->sample[0].label < 0) return OC_OK;
    OC_TRY(oc_alloc(&has, dataset->classes.count, sizeof *has, NULL));
    for (int64_t i = 0; i < split->count; i++) has[split->sample[i].label] = true;
    for (size_t c = 0; c < dataset->classes.count; c++)
        if (!has[c]) OC_TRY(oc_text_list_add(&missing, NULL, "%s", dataset->classes.item[c]));
    OC_TRY(oc_text_list_close(&missing, NULL));
    if (missing.count > 0)
        oc_log_line(log, OC_LOG_WARN, "%s: no image in %s of the class%s %s", dataset->source->path, split->name,
                    missing.count > 1 ? "es" : "", missing.text.data);
cleanup:
    oc_text_list_free(&missing);
    oc_free(has);
    return status;
}

/* What concerns the whole data set. */
static oc_status whole_report(const oc_dataset *dataset, const oc_log *log) {
    const char *path = dataset->source->path;
    const oc_names *imageless = &dataset->imageless;
    oc_text_list names = {.limit = NAMED_FOLDERS};
    oc_status status = OC_OK;
    for (size_t i = 0; i < dataset->doubts.count; i++)
        oc_log_line(log, OC_LOG_WARN, "%s: %s", path, dataset->doubts.item[i]);
    if (dataset->alike >= 0)
        oc_log_line(log, OC_LOG_WARN,
                    "%s: classes (%s, say) are written in two ways of Unicode, with and without composed accents: they "
                    "are taken for the same",
                    path, dataset->classes.item[dataset->alike]);
    for (size_t i = 0; i < imageless->count; i++) OC_TRY(oc_text_list_add(&names, NULL, "%s", imageless->item[i]));
    OC_TRY(oc_text_list_close(&names, NULL));
    if (imageless->count > 0)
        oc_log_line(log, OC_LOG_WARN, "%s: no image in the folder%s %s beside the classes: not taken for %s", path,
                    imageless->count > 1 ? "s" : "", names.text.data, imageless->count > 1 ? "classes" : "a class");
    status = left_out_report(dataset, oc_dataset_elsewhere(dataset), log);
cleanup:
    oc_text_list_free(&names);
    return status;
}

void oc_dataset_report(const oc_dataset *dataset, const oc_split *split, const oc_log *log) {
    const char *path = dataset->source->path;
    if (*split->folder && strcmp(split->folder, split->name) != 0)
        oc_log_line(log, OC_LOG_INFO, "%s: %s is %s%s", path, split->name,
                    split == &dataset->split[OC_SPLIT_HOLDOUT] ? "held out of " : "the folder ", split->folder);
    /* Without memory for a warning the work itself will say so. */
    const bool told = *dataset->told;
    *dataset->told = true;
    if (!told && whole_report(dataset, log) != OC_OK) return;
    if (left_out_report(dataset, split, log) == OC_OK) classes_report(dataset, split, log);
}

uint64_t oc_dataset_fingerprint(const oc_dataset *dataset) {
    return dataset->fingerprint;
}

uint64_t oc_dataset_identity(const oc_dataset *dataset) {
    return dataset->identity;
}

const char *oc_dataset_validates_on(const oc_dataset *dataset) {
    return dataset->test_as_val ? "test" : "val";
}

double oc_dataset_holdout(const oc_dataset *dataset) {
    return dataset->holdout;
}

const char *oc_dataset_path(const oc_dataset *dataset) {
    return dataset->source->path;
}

oc_status oc_dataset_read(const oc_dataset *dataset, const oc_sample *sample, uint8_t **data, size_t *size,
                          oc_error *err) {
    char *bytes = NULL;
    const oc_status status =
        dataset->source->ops->read(dataset->source, sample->path, OC_IMAGE_FILE_LIMIT, &bytes, size, err);
    *data = (uint8_t *)bytes;
    return status;
}
