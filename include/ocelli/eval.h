/* Comparing two models, and predictions of many images: files and folders, and the contest's submission file. */
#ifndef OCELLI_EVAL_H
#define OCELLI_EVAL_H

#include "ocelli/ocelli.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Two models on the same images: how often each is right where the other is not. */
typedef struct oc_paired {
    oc_evaluation a, b;                    /* each alone */
    int64_t images;                        /* with a label: the sum of the next four */
    int64_t both, only_a, only_b, neither; /* images that they guess right */
    /* McNemar's exact test (Psychometrika 1947): how probable it is that only_a and only_b differ as much, or more, by
     * chance if both models are right equally often; 1 when neither is right alone. */
    double p;
} oc_paired;

/* Scores every image of the split with both models, which may differ in network, input size, normalisation and order of
 * classes, or be ensembles; classes are matched by name. Of `options` (NULL: zeros), save_logits and confusion are of
 * the first. OC_E_MISMATCH when either lacks a class of the data, OC_E_USAGE for a split without labels, and what
 * oc_evaluate returns. */
OC_API oc_status oc_evaluate_paired(oc_paired *out, oc_model *a, oc_model *b, const oc_dataset *dataset,
                                    const oc_eval_options *options, oc_error *err);

/* Receives what an image file is taken for: its `top_k` likeliest classes, or predictions NULL and the reason. All is
 * borrowed for the call only. */
typedef void (*oc_on_image)(void *user, const char *path, const oc_prediction *predictions, size_t top_k,
                            const oc_error *reason);

/* Classifies image files and folders of them (recursively, paths sorted bytewise; as in data sets the content decides
 * where a name does not), calling on_image for each in order with its `top_k` predictions, or, for a file that cannot
 * be read or decoded, or is an image in a format that is not read, with predictions NULL and the reason. *failed =
 * number of such files. OC_E_NOT_FOUND when a path is absent (before anything is classified) or no image is found. */
OC_API oc_status oc_predict_files(oc_classifier *classifier, const char *const *paths, size_t count, size_t top_k,
                                  oc_on_image on_image, void *user, int64_t *failed, oc_error *err);

/* Scores images as oc_evaluate does and writes "id,pred" as pandas does: id = file name, pred = class code; rows of
 * `splits` ("val,test") in that order, each in data-set order. Atomic. A split that is absent is OC_E_NOT_FOUND, one
 * that is named twice, or by a name that is no split's, OC_E_USAGE. */
OC_API oc_status oc_predict_submission(oc_model *model, const oc_dataset *dataset, const char *splits, const char *path,
                                       const oc_eval_options *options, oc_error *err);

#ifdef __cplusplus
}
#endif

#endif
