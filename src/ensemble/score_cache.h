/* Scores kept in files, so that a second fit of an ensemble computes none. */
#ifndef OC_ENSEMBLE_SCORE_CACHE_H
#define OC_ENSEMBLE_SCORE_CACHE_H

#include "eval/scores.h"

typedef struct oc_score_cache {
    const char *folder; /* created where absent; no other process writes to it meanwhile */
    const oc_dataset *dataset;
    oc_eval_options eval; /* how scores are computed: split, threads, packed cache, callbacks */
} oc_score_cache;

/* *out (starts as {0}, ended with oc_scores_free) = the scores of network `model`, opened from the weights file at
 * `path`, of the split cache->eval.split: read from cache->folder where they are there, else computed and written
 * there, atomically. What a killed process left of writing the same is removed. *computed (may be NULL) = they were not
 * there.
 *
 * A file is named by XXH3-64 of the weights file's bytes, the data set's fingerprint, split, input size, precision,
 * threads and the versions of library and packs, so that scores of other weights or other data are not found. One that
 * is damaged, or whose classes, names or labels are not those of model and split, is logged and made again. What
 * oc_scores_compute fails with; OC_E_IO for a file that cannot be written, which leaves what was there. */
oc_status oc_score_cache_get(oc_scores *out, bool *computed, const oc_score_cache *cache, oc_model *model,
                             const char *path, oc_error *err);

#endif
