/* The data set's handle: opening, the holdout, the fingerprint, and what others ask of it. */
#define _GNU_SOURCE 1
#include "data/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/dataset_internal.h"
#include "data/decode.h"
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

oc_status oc_dataset_add(oc_dataset *dataset, int split, const char *folder, const char *name, int32_t label,
                         oc_error *err) {
    oc_split *s = &dataset->split[split];
    char *path, *own;
    oc_status status;
    OC_TRY(path_add(dataset, folder, name, &path, &own, err));
    OC_TRY(oc_grow(&s->sample, &dataset->capacity[split], (size_t)s->count + 1, sizeof(*s->sample), err));
    s->sample[s->count++] = (oc_sample){own, path, label};
cleanup:
    return status;
}

oc_status oc_dataset_leave_out(oc_dataset *dataset, int split, const char *folder, const char *name, const char *why,
                               oc_error *err) {
    oc_split *s = &dataset->split[split];
    char *path, *own;
    if (s->left_out++ > 0) return OC_OK;
    const oc_status status = path_add(dataset, folder, name, &path, &own, err);
    if (status != OC_OK) return status;
    s->left_out_first = path;
    s->left_out_why = why;
    return OC_OK;
}

/* ---- holdout ---- */

/* Of a class with `count` images, how many are left out of train. */
static int64_t holdout_share(int64_t count, double share) {
    if (count < 2) return 0;
    const int64_t held = llround(share * (double)count);
    return held < 1 ? 1 : held >= count ? count - 1 : held;
}

/* Moves a random share of each class from train to val, or, where there is one already, to holdout; all keep their
 * order. The permutation of a class is the same for every share, which takes its first images: a smaller share is part
 * of a larger one, so that two models that left out different shares have both not seen those of the smaller. */
static oc_status holdout_apply(oc_dataset *dataset, oc_error *err) {
    const int into = dataset->present[OC_SPLIT_VAL] ? OC_SPLIT_HOLDOUT : OC_SPLIT_VAL;
    oc_split *train = &dataset->split[OC_SPLIT_TRAIN], *held_out = &dataset->split[into];
    uint32_t *order = NULL;
    bool *held = NULL;
    int64_t kept = 0;
    oc_status status;
    OC_TRY(oc_alloc(&order, (size_t)train->count, sizeof(*order), err));
    OC_TRY(oc_alloc(&held, (size_t)train->count, sizeof(*held), err));
    for (int64_t begin = 0, end; begin < train->count; begin = end) {
        oc_random random;
        for (end = begin; end < train->count && train->sample[end].label == train->sample[begin].label;) end++;
        oc_random_init(&random, 0, OC_RANDOM_HOLDOUT, (uint32_t)train->sample[begin].label, 0);
        oc_random_permutation(&random, order, (uint32_t)(end - begin));
        const int64_t share = holdout_share(end - begin, dataset->holdout);
        for (int64_t i = 0; i < share; i++) held[begin + order[i]] = true;
    }
    for (int64_t i = 0; i < train->count; i++) {
        if (!held[i]) {
            train->sample[kept++] = train->sample[i];
            continue;
        }
        OC_TRY(oc_grow(&held_out->sample, &dataset->capacity[into], (size_t)held_out->count + 1,
                       sizeof(*held_out->sample), err));
        held_out->sample[held_out->count++] = train->sample[i];
    }
    train->count = kept;
    dataset->present[into] = held_out->count > 0;
cleanup:
    oc_free(order);
    oc_free(held);
    return status;
}

/* ---- the handle ---- */

/* Every sample's path and label, so that what a pack holds is a function of the fingerprint and the files' bytes. */
static void samples_hash(const oc_dataset *dataset, XXH3_state_t *hash) {
    for (size_t i = 0; i < dataset->classes.count; i++)
        XXH3_64bits_update(hash, dataset->classes.item[i], strlen(dataset->classes.item[i]) + 1);
    for (int s = 0; s < OC_SPLIT_COUNT; s++) {
        const oc_split *split = &dataset->split[s];
        if (s == OC_SPLIT_HOLDOUT && !dataset->present[s]) continue;
        XXH3_64bits_update(hash, &split->count, sizeof split->count);
        for (int64_t i = 0; i < split->count; i++) {
            XXH3_64bits_update(hash, split->sample[i].path, strlen(split->sample[i].path) + 1);
            XXH3_64bits_update(hash, &split->sample[i].label, sizeof split->sample[i].label);
        }
    }
}

static uint64_t identity_hash(const char *path, const oc_dataset_options *options) {
    char *real = realpath(path, NULL);
    const char *text = real ? real : path;
    uint64_t hash = XXH3_64bits(text, strlen(text));
    hash = XXH3_64bits_withSeed(&options->holdout, sizeof options->holdout, hash);
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
    OC_TRY(oc_alloc(&dataset, 1, sizeof(*dataset), err));
    for (int s = 0; s < OC_SPLIT_COUNT; s++) dataset->split[s].name = oc_split_names[s];
    hash = XXH3_createState();
    if (!hash) {
        status = oc_fail(err, OC_E_MEMORY, path, "no memory for a checksum");
        goto cleanup;
    }
    XXH3_64bits_reset(hash);
    OC_TRY(oc_source_open(&dataset->source, path, err));
    OC_TRY(oc_dataset_scan(dataset, hash, err));
    dataset->holdout = options->holdout;
    if (dataset->present[OC_SPLIT_TRAIN] && dataset->holdout > 0) OC_TRY(holdout_apply(dataset, err));
    samples_hash(dataset, hash);
    OC_TRY(dataset->source->ops->hash(dataset->source, hash, err));
    dataset->fingerprint = XXH3_64bits_digest(hash);
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
    for (int s = 0; s < OC_SPLIT_COUNT; s++) oc_free(d->split[s].sample);
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

void oc_dataset_warn_left_out(const oc_dataset *dataset, const oc_split *split, const oc_log *log) {
    if (split->left_out > 0)
        oc_log_line(log, OC_LOG_WARN, "%s: left out of %s: %lld that cannot be read as images, the first is %s (%s)",
                    dataset->source->path, split->name, (long long)split->left_out, split->left_out_first,
                    split->left_out_why);
}

uint64_t oc_dataset_fingerprint(const oc_dataset *dataset) {
    return dataset->fingerprint;
}

uint64_t oc_dataset_identity(const oc_dataset *dataset) {
    return dataset->identity;
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
