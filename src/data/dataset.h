/* A data set: splits, classes by name, samples; read from a Tiny ImageNet folder, its zip, or class folders. */
#ifndef OC_DATA_DATASET_H
#define OC_DATA_DATASET_H

#include "base/text.h"
#include "ocelli/ocelli.h"

/* One image file. Samples of a split are sorted by (class name, file name), bytewise; test images by name. */
typedef struct oc_sample {
    char *name;    /* file name alone, as predictions and errors show it */
    char *path;    /* relative to the data set's root (inside the zip: the member's name) */
    int32_t label; /* place in the sorted class list; −1: unknown (test) */
} oc_sample;

typedef struct oc_split {
    const char *name; /* "train", "val", "holdout", "test" */
    oc_sample *sample;
    int64_t count;
    /* Entries of the class folders that one would take for images, but that are none that is read. */
    int64_t left_out;
    const char *left_out_first, *left_out_why; /* path and reason of the first; NULL: there are none */
} oc_split;

struct oc_dataset; /* opaque: ocelli.h's oc_dataset */

/* Every split's name, NULL-terminated, in the order in which they are listed. */
extern const char *const oc_split_names[];
/* NULL when the data set has no such split. */
const oc_split *oc_dataset_split(const oc_dataset *dataset, const char *name);
/* Warns, in one line, of what is left out of a split; says nothing where that is nothing. */
void oc_dataset_warn_left_out(const oc_dataset *dataset, const oc_split *split, const oc_log *log);
/* Sorted class codes; shared by all splits. */
const oc_names *oc_dataset_classes(const oc_dataset *dataset);
/* XXH3 over paths' names, folder times and counts (zip: size, time, central directory). */
uint64_t oc_dataset_fingerprint(const oc_dataset *dataset);
/* XXH3 over where the data set lies and how it was opened: two with the same identity and different fingerprints are
 * an older and a newer state of the same. */
uint64_t oc_dataset_identity(const oc_dataset *dataset);
/* Share of each training class that was left out of train on opening: val where the data set has no other, else the
 * split "holdout". */
double oc_dataset_holdout(const oc_dataset *dataset);
/* Path as given by the user. */
const char *oc_dataset_path(const oc_dataset *dataset);
/* Bytes of one sample's file into *data (freed with oc_free). Thread-safe. */
oc_status oc_dataset_read(const oc_dataset *dataset, const oc_sample *sample, uint8_t **data, size_t *size,
                          oc_error *err);

#endif
