/* The inside of fitting an ensemble, shared by the file that leads through it (ensemble_fit.c), the one that fits and
 * judges choices of members (ensemble_choice.c), and the report (ensemble_report.c).
 *
 * All scores are kept in bytewise order of the class names and not in any member's own: numbers are then added up in
 * the same order whichever member comes first, and the result does not depend on how members number their classes. */
#ifndef OC_ENSEMBLE_ENSEMBLE_FIT_H
#define OC_ENSEMBLE_ENSEMBLE_FIT_H

#include "base/lock.h"
#include "ensemble/combiner.h"
#include "eval/scores.h"
#include "models/ensemble.h"
#include "ocelli/ensemble.h"

/* Scores of all members on the images of a split. */
typedef struct oc_split_scores {
    int64_t images, skipped;
    const float *score[OC_ENSEMBLE_MOST]; /* each [images, classes]; owned */
    int32_t *label;                       /* [images] */
    uint64_t *content;                    /* [images] as oc_scores has it */
    int64_t trained_on[OC_ENSEMBLE_MOST]; /* of the images, those that each member was trained on; -1: it cannot tell */
    oc_names names;                       /* [images] */
    double seconds[OC_ENSEMBLE_MOST];     /* each member spent computing; NaN where the cache had its scores */
} oc_split_scores;

typedef struct oc_ensemble_job {
    oc_ensemble_options options; /* as given */
    oc_combine combine;
    oc_fit_options fit; /* of options, what is 0 there resolved */
    const char *fit_on; /* split that is fitted or pruned on; NULL: none is needed */
    const oc_dataset *dataset;
    const char *const *path; /* [members] as given */
    size_t members;
    int64_t classes;
    oc_team *team;
    oc_lock *lock;    /* of options.out */
    oc_model *whole;  /* the ensemble of all members */
    int32_t *ordered; /* [classes]: place in whole's classes of each in bytewise order */
    bool kept[OC_ENSEMBLE_MOST];
    oc_split_scores fitted, val;
    oc_trained trained; /* what the kept members were trained on, and the images of the fit */
} oc_ensemble_job;

/* ---- choices of members: use[members] ---- */

/* *out = a combiner of the members in `use`, fitted on `rows` images of the fit split, row[]; NULL, 0: all of them.
 * Where nothing is to be fitted (mean) none are looked at. */
oc_status oc_choice_fit(oc_combiner **out, const oc_ensemble_job *job, const bool *use, const uint32_t *row,
                        int64_t rows, oc_error *err);
/* Scores the validation images by the members in `use` joined (combiner NULL: by the only one, as it is): the figures
 * (no trained_on), and right[images] (may be NULL): whether each is classified rightly. images_per_second is NaN where
 * the cache had the scores of one of them. */
oc_status oc_choice_evaluate(oc_evaluation *out, bool *right, const oc_ensemble_job *job, const bool *use,
                             const oc_combiner *combiner, oc_error *err);
/* Drops members from job->kept until options.prune are left; see oc_ensemble_options. OC_E_USAGE when members are to be
 * dropped and the fit split has fewer than two images to choose them by. */
oc_status oc_choice_prune(oc_ensemble_job *job, oc_error *err);

/* ---- the report ---- */

/* Judges each member, the whole (`combiner`, of the kept ones) and the whole without each. The caller destroys. */
oc_status oc_ensemble_report_create(oc_ensemble_report **out, const oc_ensemble_job *job, const oc_combiner *combiner,
                                    oc_error *err);

#endif
