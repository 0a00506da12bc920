/* Fitting an ensemble of trained models: computing their scores once, joining them, and saying what each is worth. */
#ifndef OCELLI_ENSEMBLE_H
#define OCELLI_ENSEMBLE_H

#include "ocelli/ocelli.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is fitted, and how. All zero but `out`: the defaults that are named. */
typedef struct oc_ensemble_options {
    const char *out; /* run folder: best.safetensors (the ensemble), ensemble.json (the report), scores/ (the cache) */
    const char *method; /* "stack" (linear layer over the concatenated scores), "mean" (average of softmax), "weighted"
                         * (average with one weight a member); NULL: stack */
    /* Which images stack and weighted are fitted on: "train" (minus what `data` left out), or "holdout" (the images
     * that `data` was opened to leave out); NULL: holdout where there is one, else train. */
    const char *fit_on;
    const char *init; /* stack: "random" (uniform, ±1/√fan_in) or "mean" (the average of the members); NULL: mean */
    /* Keep this many members (2 or more), dropping one at a time: the one without which the rest have the lowest
     * cross-entropy on the images of fit_on, in two halves, each judged by what was fitted on the other. 0: all. */
    int64_t prune;
    /* stack and weighted: the reference's hyper-parameters where 0 */
    int64_t epochs;        /* 20 */
    int64_t batch_size;    /* 64 */
    double lr;             /* 1e-3 */
    double smoothing;      /* [0, 1): 0.01. Losses in the report are with it too */
    uint64_t seed;         /* of the order of images, and of init */
    const char *precision; /* of the members and of the fit, as in oc_eval_options; NULL: "fp32" */
    int threads;           /* 0: all */
    const char *cache;     /* packed cache's folder; NULL: the user's */
    bool skip_bad;         /* leave undecodable images out */
    const char *command;   /* how it was started, as typed, for run.json; may be NULL */
    oc_progress progress;  /* decoding, computing scores, fitting */
    oc_log log;            /* told what is worth knowing */
} oc_ensemble_options;

/* One member, or the whole, on the validation images. */
typedef struct oc_ensemble_member {
    const char *path, *model;   /* weights file as given, model's name */
    int64_t parameters, macs;   /* of one image */
    double top1, loss;          /* alone, on the validation images */
    double top1_low, top1_high; /* 95 % confidence interval of top1 */
    double gain;   /* top-1 of the ensemble minus that of the ensemble refitted without this member; pruned: 0 */
    double weight; /* weighted: its weight; else 1 / members; pruned: 0 */
    bool kept;     /* false: pruned */
    int64_t seen;  /* images that the ensemble was fitted on and the member trained on; -1: it has no record */
} oc_ensemble_member;

/* What an ensemble came to: owned texts and numbers. */
typedef struct oc_ensemble_report oc_ensemble_report;
/* How many members there are, those that were dropped included. */
OC_API size_t oc_ensemble_report_count(const oc_ensemble_report *report);
/* The member at `index`, which is less than the count, in the order in which they were given. Its texts are owned by
 * the report. */
OC_API oc_ensemble_member oc_ensemble_report_member(const oc_ensemble_report *report, size_t index);
/* Correlation (Pearson's, of being wrong, image by image) between two members' errors on the validation images. */
OC_API double oc_ensemble_report_correlation(const oc_ensemble_report *report, size_t a, size_t b);
/* The ensemble's figures on the validation images; best: the best member's place; p: of McNemar's test between them.
 * images_per_second: of its members one after the other; NaN where out/scores had the scores of one of them. */
OC_API oc_evaluation oc_ensemble_report_whole(const oc_ensemble_report *report, size_t *best, double *p);
/* What the ensemble takes: its kept members and what joins them; macs of one image. */
OC_API void oc_ensemble_report_size(const oc_ensemble_report *report, int64_t *parameters, int64_t *macs);
/* The same as JSON text, as in ensemble.json; owned by the report. */
OC_API const char *oc_ensemble_report_json(const oc_ensemble_report *report);
/* Takes NULL, sets NULL. */
OC_API void oc_ensemble_report_destroy(oc_ensemble_report **report);

/* Fits an ensemble of `count` weights files (2 … 64) on `dataset` and writes it to options->out. Members are matched by
 * class name; each member's scores are computed once and kept in out/scores, keyed by weights and data, so that a
 * second fit takes seconds. An existing ensemble in `out` is replaced only by a finished one. *report may be NULL: not
 * wanted. OC_E_USAGE (fewer members than two or more than 64, an ensemble among them, an option out of its range,
 * members to be dropped with fewer than two images to choose by), OC_E_NOT_FOUND (a weights file; a data set without
 * validation images, or without those of fit_on), OC_E_EXISTS (`out` holds a training run, a member would be
 * overwritten, another process is writing to `out`), OC_E_MISMATCH (different classes among the members or in the data,
 * a data set that changes meanwhile), OC_E_FORMAT (a damaged weights file, an image that cannot be decoded and
 * !skip_bad, or that has no label), OC_E_NON_FINITE (a member's score, the loss of the fit), OC_E_IO (a full disk),
 * OC_E_COMPUTE, OC_E_MEMORY, OC_E_STOPPED. */
OC_API oc_status oc_ensemble_fit(oc_ensemble_report **report, const oc_dataset *dataset, const char *const *weights,
                                 size_t count, const oc_ensemble_options *options, oc_error *err);

#ifdef __cplusplus
}
#endif

#endif
