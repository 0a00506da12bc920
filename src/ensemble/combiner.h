/* Fitting what joins scores (models/ensemble.h), on scores alone: no network is looked at. */
#ifndef OC_ENSEMBLE_COMBINER_H
#define OC_ENSEMBLE_COMBINER_H

#include "base/parallel.h"
#include "models/ensemble.h"

/* What a combiner is fitted on: the scores of some members, all in one order of classes. Borrowed. */
typedef struct oc_fit_set {
    const float *const *score; /* [members], each [images, classes] */
    size_t members;            /* >= 1 */
    int64_t classes;
    const int32_t *label; /* [images], in [0, classes) */
    const uint32_t *row;  /* [rows]: the images that take part */
    int64_t rows;         /* >= 1 */
} oc_fit_set;

typedef struct oc_fit_options {
    bool random;          /* stack: starts random, else as the average of the members' scores */
    const char *schedule; /* stack: as the recipe's schedule.name */
    int64_t epochs, batch_size;
    double lr, smoothing;
    uint64_t seed;
    const char *precision; /* stack: as the recipe's train.precision; NULL: "fp32" */
    oc_team *team;
    const oc_progress *progress;
    const oc_log *log; /* NULL: none */
} oc_fit_options;

typedef struct oc_combiner {
    oc_combine combine;
    size_t members;
    int64_t classes;
    float *weight, *bias; /* as oc_ensemble's; owned, NULL where the kind has none */
} oc_combiner;

/* Elements of weight and of bias. */
size_t oc_combiner_weights(oc_combine combine, size_t members, int64_t classes);
size_t oc_combiner_biases(oc_combine combine, int64_t classes);

/* *out = a combiner fitted on `set`; the caller destroys it.
 * stack: the reference's training: AdamW, decay 0.01 on the weight, cross-entropy with smoothing, shuffled by
 * (seed, epoch), the last partial batch dropped; a function of set, options and the team's size.
 * weighted: the weights that minimise the mean of −log Σ_m w_m p_m(y), to within 1e-9 nats of the optimum before they
 * are rounded to float: by Newton's steps within w >= 0 (sequential quadratic programming; Kim, Carbonetto, Stephens &
 * Anitescu, JCGS 2020), a few where members differ, some dozens where they hardly do. Where 1,000 do not suffice, or
 * rounding ends the descent, the log is warned of how far off the optimum may be, and the weights are the best so far.
 * mean: nothing.
 * Stack asks options->progress before each epoch, weighted before each step.
 * OC_E_NON_FINITE, OC_E_STOPPED, OC_E_MEMORY, OC_E_COMPUTE. */
oc_status oc_combiner_fit(oc_combiner **out, oc_combine combine, const oc_fit_set *set, const oc_fit_options *options,
                          oc_error *err);
void oc_combiner_destroy(oc_combiner **combiner);

/* dst [rows, classes] = the joined scores of score[m] [rows, classes]. Bits do not depend on the team. */
void oc_combiner_apply(const oc_combiner *combiner, const float *const *score, int64_t rows, float *dst, oc_team *team);

#endif
