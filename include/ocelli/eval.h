/* Predictions of many images: files and folders, and the contest's submission file. */
#ifndef OCELLI_EVAL_H
#define OCELLI_EVAL_H

#include "ocelli/ocelli.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Classifies image files and folders of them (recursively, names sorted bytewise), calling on_image for each in
 * order with its `top_k` predictions, or, for a file that cannot be read or decoded, with predictions NULL and the
 * reason. *failed = number of such files. OC_E_NOT_FOUND when a path is absent (before anything is classified) or no
 * image is found. */
typedef void (*oc_on_image)(void *user, const char *path, const oc_prediction *predictions, size_t top_k,
                            const oc_error *reason);
OC_API oc_status oc_predict_files(oc_classifier *classifier, const char *const *paths, size_t count, size_t top_k,
                                  oc_on_image on_image, void *user, int64_t *failed, oc_error *err);

/* Writes "id,pred" as pandas does: id = file name, pred = class code; rows of `splits` ("val,test") in that order, each
 * in data-set order. Atomic. A split that is absent is OC_E_NOT_FOUND. */
OC_API oc_status oc_predict_submission(oc_model *model, const oc_dataset *dataset, const char *splits, const char *path,
                                       const oc_eval_options *options, oc_error *err);

#ifdef __cplusplus
}
#endif

#endif
