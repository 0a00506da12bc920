/* How a data set's folders are to be understood: which of them hold the splits, and which the classes. Decided by the
 * tree alone, which oc_folder_look has seen. */
#ifndef OC_DATA_DATASET_ARRANGE_H
#define OC_DATA_DATASET_ARRANGE_H

#include "data/dataset_internal.h"

#define OC_WNIDS "wnids.txt"
#define OC_ANNOTATIONS "val_annotations.txt"

enum { OC_ROLE_TRAIN, OC_ROLE_VAL, OC_ROLE_TEST, OC_ROLES };

typedef struct oc_arrangement {
    const oc_folder *base;             /* that holds the splits' folders, or the classes' */
    const oc_folder *split[OC_ROLES];  /* where its class folders or images lie; NULL: there is none */
    const oc_folder *second[OC_ROLES]; /* another folder that is called like it */
    bool splits;                       /* false: one level of class folders, in `base` */
} oc_arrangement;

/* Finds it, from the root inwards. OC_E_FORMAT where there are several. */
oc_status oc_arrangement_find(oc_dataset *dataset, const oc_folder *root, oc_arrangement *out, oc_error *err);

/* The folder "images" in it, in any case of letters, or NULL; whether a folder is called so. */
const oc_folder *oc_folder_images(const oc_folder *folder);
bool oc_folder_is_images(const oc_folder *folder);
/* True for a folder that holds folders with images and no images itself: not one class but several. */
bool oc_folder_holds_classes(const oc_folder *folder);
/* Whether a folder is called as one that holds a split. */
bool oc_folder_is_split_like(const oc_folder *folder);

/* The folders in `base`, each of which is about to become a class: OC_E_FORMAT where one plainly holds classes or
 * splits; where it may, or may not, that is told with the data set. */
oc_status oc_class_folders_check(oc_dataset *dataset, const oc_folder *base, oc_error *err);

#endif
