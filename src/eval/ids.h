/* How images are named in files for other programs: submissions and saved logits. */
#ifndef OC_EVAL_IDS_H
#define OC_EVAL_IDS_H

#include "data/dataset.h"

typedef enum oc_id_form {
    OC_ID_NAME,       /* the file's name alone, as Tiny ImageNet's contest wants it */
    OC_ID_PATH,       /* the path from the split's folder on */
    OC_ID_SPLIT_PATH, /* the same behind the split's name */
} oc_id_form;

/* *out = the shortest form that tells all images of the splits apart, one for the whole file; anything but the name is
 * logged. The splits are there. OC_E_MEMORY. */
oc_status oc_id_form_choose(oc_id_form *out, const oc_dataset *dataset, const char *const *splits, size_t count,
                            const oc_log *log, oc_error *err);

/* Adds an image's name in that form; `in_split`: its path from the split's folder on. OC_E_MEMORY. */
oc_status oc_id_add(oc_names *ids, oc_id_form form, const char *split, const char *in_split, oc_error *err);

#endif
