/* A data set: splits, classes by name, samples; read from a Tiny ImageNet folder, its zip, or class folders. */
#ifndef OC_DATA_DATASET_H
#define OC_DATA_DATASET_H

#include "base/text.h"
#include "data/kind.h"
#include "ocelli/ocelli.h"

/* One image file. Samples of a split are sorted by (class name, place in the class), bytewise; those without a label by
 * place. */
typedef struct oc_sample {
    char *path;           /* relative to the data set's root (of a zip: of what the members' names say) */
    const char *in_split; /* the end of the path: from the split's folder on */
    const char *in_class; /* … from the class's folder on, without a folder "images" that it begins with */
    const char *name;     /* … the file's name alone, as errors and predictions show it */
    uint64_t state;       /* as oc_entry has it */
    int32_t label;        /* place in the sorted class list; −1: unknown (test) */
} oc_sample;

/* What was found and is no sample, of one class and reason: together with the samples that is all that is there. */
typedef struct oc_left_out {
    oc_unread why;
    int32_t label; /* −1: of no class */
    int64_t count;
    const char *first; /* path of the first */
} oc_left_out;

typedef struct oc_split {
    const char *name;   /* "train", "val", "holdout", "test" */
    const char *folder; /* that it was read from, relative to the root */
    oc_sample *sample;
    int64_t count;
    oc_left_out *left_out;
    size_t left_outs;
    uint64_t fingerprint; /* XXH3 over the classes' names and every sample's path, label and state */
} oc_split;

struct oc_dataset; /* opaque: ocelli.h's oc_dataset */

/* Every split's name, NULL-terminated, in the order in which they are listed. */
extern const char *const oc_split_names[];
/* NULL when the data set has no such split. */
const oc_split *oc_dataset_split(const oc_dataset *dataset, const char *name);
/* What lies outside all splits; its name is "elsewhere", it has no samples. */
const oc_split *oc_dataset_elsewhere(const oc_dataset *dataset);
/* Entries left out of a split; with `expected` those alone that deserve a warning. */
int64_t oc_split_left_out(const oc_split *split, bool expected);
/* Of all splits and of what lies outside of them, what deserves a warning. */
int64_t oc_dataset_left_out(const oc_dataset *dataset);
/* Says what a person should know of a split that was read, each in one line: which folder it is where that is not
 * plain; warnings of what is left out of it and of the classes that have no image in it; with the first that is
 * told of since the data set was opened also what concerns the whole. */
void oc_dataset_report(const oc_dataset *dataset, const oc_split *split, const oc_log *log);
/* What can serve as validation images of a data set without, for the end of a message; static. */
const char *oc_dataset_val_advice(const oc_dataset *dataset);
/* Sorted class codes; shared by all splits. */
const oc_names *oc_dataset_classes(const oc_dataset *dataset);
/* XXH3 over those of all splits. */
uint64_t oc_dataset_fingerprint(const oc_dataset *dataset);
/* XXH3 over where the data set lies and how it was opened: two with the same identity and different fingerprints are
 * an older and a newer state of the same. */
uint64_t oc_dataset_identity(const oc_dataset *dataset);
/* Share of each training class that was left out of train on opening: val where the data set has no other, else the
 * split "holdout". */
double oc_dataset_holdout(const oc_dataset *dataset);
/* Which split of the folder validates, as opened: "val" or "test"; static. */
const char *oc_dataset_validates_on(const oc_dataset *dataset);
/* Path as given by the user. */
const char *oc_dataset_path(const oc_dataset *dataset);
/* Bytes of one sample's file into *data (freed with oc_free). Thread-safe. */
oc_status oc_dataset_read(const oc_dataset *dataset, const oc_sample *sample, uint8_t **data, size_t *size,
                          oc_error *err);

#endif
