/* The inside of a data set, shared by dataset.c (the handle) and dataset_scan.c (which fills it). */
#ifndef OC_DATA_DATASET_INTERNAL_H
#define OC_DATA_DATASET_INTERNAL_H

#include "data/dataset.h"
#include "data/source.h"

enum { OC_SPLIT_TRAIN, OC_SPLIT_VAL, OC_SPLIT_HOLDOUT, OC_SPLIT_TEST, OC_SPLIT_COUNT };
#define OC_SPLIT_ELSEWHERE OC_SPLIT_COUNT

/* Texts that live as long as the data set, many in one piece of memory. */
typedef struct oc_text_block oc_text_block;

struct oc_dataset {
    oc_source *source;
    oc_names classes; /* sorted */
    char **human;     /* [classes.count], NULL where words.txt has no name */
    oc_split split[OC_SPLIT_COUNT + 1];
    size_t capacity[OC_SPLIT_COUNT], left_out_capacity[OC_SPLIT_COUNT + 1];
    bool present[OC_SPLIT_COUNT];
    oc_text_block *block;
    int32_t alike;      /* a class that was found by a name of other bytes; −1: none */
    oc_names doubts;    /* what may have been meant otherwise, a sentence each */
    oc_names imageless; /* folders beside class folders that hold no images */
    bool *told;         /* whether what concerns the whole was told: reporting changes nothing else */
    double holdout;     /* as opened */
    bool test_as_val, without_words;
    uint64_t fingerprint, identity;
};

/* Where a sample's path has its parts: lengths of the split's and the class's folder in it. */
typedef struct oc_place {
    int split;
    int32_t label;
    const char *split_folder, *class_folder; /* paths; class_folder the longer one, or the same */
} oc_place;

/* Appends a sample: the file `name` in `folder`, a path that begins with those of `place`. OC_E_MEMORY. */
oc_status oc_dataset_add(oc_dataset *dataset, const oc_place *place, const char *folder, const oc_entry *file,
                         oc_error *err);

/* Counts the files of an entry that is no sample. */
oc_status oc_dataset_leave_out(oc_dataset *dataset, int split, int32_t label, const char *folder, const oc_entry *entry,
                               oc_unread why, oc_error *err);

/* Keeps a sentence, which begins with a name in the data set, to be told with it. */
oc_status oc_dataset_doubt(oc_dataset *dataset, oc_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Keeps a copy of a text as long as the data set. */
oc_status oc_dataset_text(oc_dataset *dataset, const char *text, const char **out, oc_error *err);

/* Adds a class; `folder` is where it was found. They come in bytewise order. OC_E_FORMAT for a name that is not UTF-8,
 * which weights files and reports are, or that is another class's but for the way its accents are written. */
oc_status oc_dataset_class_add(oc_dataset *dataset, const char *folder, const char *name, oc_error *err);
/* The class that a folder or a line means, or −1: of that name, or of one alike (oc_text_alike). */
int64_t oc_dataset_class_find(oc_dataset *dataset, const char *name);
/* Class folders against wnids.txt's lines, sorted: OC_E_FORMAT for a class without a folder, or a folder that is no
 * class. */
oc_status oc_dataset_classes_check(oc_dataset *dataset, const oc_names *listed, const oc_folder *train, oc_error *err);
/* OC_E_FORMAT: `code` is no class; `where` it stands. */
oc_status oc_dataset_class_unknown(oc_dataset *dataset, const char *where, const char *code, oc_error *err);

/* Recognises how the folders of dataset->source are arranged and fills classes, human names and splits, each in its
 * order. OC_E_IO, OC_E_FORMAT. */
oc_status oc_dataset_scan(oc_dataset *dataset, oc_error *err);

#endif
