/* A model's scores of every image of a split: what evaluation, comparison, submission and the fitting of ensembles all
 * start from. */
#ifndef OC_EVAL_SCORES_H
#define OC_EVAL_SCORES_H

#include "base/text.h"
#include "models/model.h"

/* Rows in the order of the data set's split. Start from {0}; end with oc_scores_free. */
typedef struct oc_scores {
    int64_t images, classes;
    int64_t skipped; /* images left out as undecodable */
    float *logits;   /* [images, classes] in the model's order of classes */
    int32_t *label;  /* [images]: place in the model's classes; −1: unknown */
    oc_names names;  /* [images]: file names as in the data set, a test's too */
    double seconds;  /* spent computing */
} oc_scores;

/* Scores a split (options->split) with a network or an ensemble: of an ensemble each member in turn, over images
 * prepared at its own size and normalisation, then combined. options->tta averages the scores of image and mirror
 * image, of each member. Of `options`, confusion and save_logits are not looked at. OC_E_MISMATCH when the data has
 * classes that the model lacks; OC_E_NOT_FOUND, OC_E_FORMAT, OC_E_STOPPED. */
oc_status oc_scores_compute(oc_scores *out, oc_model *model, const oc_dataset *dataset, const oc_eval_options *options,
                            oc_error *err);
void oc_scores_free(oc_scores *scores);

/* The file of --save-logits: `logits` f32 [images, classes], `labels` i32 [images], metadata `model`, `classes`,
 * `names`, and further `metadata`. Atomic. */
oc_status oc_scores_write(const oc_scores *scores, const oc_model *model, const char *path, oc_error *err);

#endif
