/* A model's scores of every image of a split: what evaluation, comparison, submission and the fitting of ensembles all
 * start from. */
#ifndef OC_EVAL_SCORES_H
#define OC_EVAL_SCORES_H

#include "base/text.h"
#include "models/model.h"
#include "ocelli/eval.h"
#include "tensor/safetensors.h"

/* Rows in the order of the data set's split. Start from {0}; end with oc_scores_free. */
typedef struct oc_scores {
    int64_t images, classes;
    int64_t skipped;    /* images left out as undecodable */
    float *logits;      /* [images, classes] in the model's order of classes */
    int32_t *label;     /* [images]: place in the model's classes; −1: unknown */
    uint64_t *content;  /* [images]: XXH3-64 of each file's bytes */
    int64_t trained_on; /* how many of them the model was trained on (oc_trained_count) */
    oc_names names;     /* [images]: paths from the split's folder on */
    double seconds;     /* spent computing */
    int threads;        /* that computed; 0: read from a file */
} oc_scores;

/* Scores a split (options->split; NULL: "val") with a network or an ensemble: of an ensemble each member in turn, over
 * images prepared at its own size and normalisation, then combined. options->tta averages the scores of image and
 * mirror image, of each member before they are combined. Of `options` (may be NULL: zeros), confusion, save_logits and
 * smoothing are not looked at. All packs are opened before the first image is scored. OC_E_MISMATCH when
 * the data has classes that the model lacks; OC_E_USAGE for a name that is no split's, OC_E_NOT_FOUND for a split that
 * is absent; OC_E_NON_FINITE for weights that give an infinity or NaN in a layer or a score; OC_E_FORMAT, OC_E_STOPPED.
 */
oc_status oc_scores_compute(oc_scores *out, oc_model *model, const oc_dataset *dataset, const oc_eval_options *options,
                            oc_error *err);
void oc_scores_free(oc_scores *scores);

/* OC_E_USAGE for a name that is no split's of any data set; lists those that this one has, and the nearest. */
oc_status oc_scores_check_split(const oc_dataset *dataset, const char *name, oc_error *err);

/* The figures of scores over the labelled rows, NaN when there are none; the loss is with label `smoothing`. */
oc_evaluation oc_scores_evaluation(const oc_scores *scores, double smoothing);
/* Overwrites confusion [classes, classes]: labelled rows by class and guess. */
void oc_scores_confusion(const oc_scores *scores, int64_t *confusion);

/* Compares the scores of two models of the same images, whose orders of classes may differ; the figures a and b are
 * with `smoothing`. Rows without a label are left out. OC_E_MISMATCH when they are not of the same images. */
oc_status oc_scores_pair(oc_paired *out, const oc_scores *a, const oc_scores *b, double smoothing, oc_error *err);

/* The file of --save-logits: `logits` f32 [images, classes], `labels` i32 [images], `content` i64 [images], metadata
 * `model`, `classes`, `names`, and further `metadata` (NULL, 0: none). Atomic. */
oc_status oc_scores_write(const oc_scores *scores, const oc_model *model, const char *path, const oc_metadata *metadata,
                          size_t metadata_count, oc_error *err);

#endif
