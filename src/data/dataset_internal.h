/* The inside of a data set, shared by dataset.c (the handle) and dataset_scan.c (which fills it). */
#ifndef OC_DATA_DATASET_INTERNAL_H
#define OC_DATA_DATASET_INTERNAL_H

#include "data/dataset.h"
#include "data/source.h"

enum { OC_SPLIT_TRAIN, OC_SPLIT_VAL, OC_SPLIT_HOLDOUT, OC_SPLIT_TEST, OC_SPLIT_COUNT };

/* Texts that live as long as the data set, many in one piece of memory. */
typedef struct oc_text_block oc_text_block;

struct oc_dataset {
    oc_source *source;
    oc_names classes; /* sorted */
    char **human;     /* [classes.count], NULL where words.txt has no name */
    oc_split split[OC_SPLIT_COUNT];
    size_t capacity[OC_SPLIT_COUNT];
    bool present[OC_SPLIT_COUNT];
    oc_text_block *block;
    double holdout; /* as opened */
    uint64_t fingerprint, identity;
};

/* Appends a sample named `name` in `folder` to a split. */
oc_status oc_dataset_add(oc_dataset *dataset, int split, const char *folder, const char *name, int32_t label,
                         oc_error *err);

/* Counts an entry of a class folder that is none of the split's images; `why` is static. */
oc_status oc_dataset_leave_out(oc_dataset *dataset, int split, const char *folder, const char *name, const char *why,
                               oc_error *err);

/* Recognises how the folders of dataset->source are arranged and fills classes, human names and splits, each in its
 * order. Folder times go into `hash`. OC_E_IO, OC_E_FORMAT. */
oc_status oc_dataset_scan(oc_dataset *dataset, XXH3_state_t *hash, oc_error *err);

#endif
