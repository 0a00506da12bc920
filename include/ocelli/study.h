/* Studies: a list of named runs, trained one after the other, and the table that compares them. */
#ifndef OCELLI_STUDY_H
#define OCELLI_STUDY_H

#include "ocelli/ocelli.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A study file, and what its runs came to. */
typedef struct oc_study oc_study;

/* Reads a study file (docs/study.md) and checks it. OC_E_USAGE with "file:line": an unknown key (with the nearest), a
 * value that the recipe refuses, a model or size that is not there, a name twice, a run that builds on itself or on one
 * that is not there. Trains nothing. */
OC_API oc_status oc_study_open(oc_study **out, const char *path, oc_error *err);
/* Takes NULL, sets NULL. */
OC_API void oc_study_destroy(oc_study **study);

/* Where and how a study is run. */
typedef struct oc_study_options {
    const char *out;     /* folder of the runs: out/<run> or out/<run>-seed<n>, out/<ensemble>, out/study.{csv,json} */
    int threads;         /* 0: all */
    const char *cache;   /* packed cache's folder; NULL: the user's */
    bool skip_bad;       /* leave undecodable images out */
    const char *command; /* how it was started, as typed, for each run's run.json; may be NULL */
    const volatile int *stop; /* as in oc_train_options */
    oc_progress progress;     /* decoding, and what ensembles take */
    oc_log log;               /* told what is worth knowing */
    /* Before and after each run (a row of the table so far), and after each step of one; any may be NULL. */
    void (*on_run)(void *user, const oc_study *study, size_t run, bool finished);
    void (*on_step)(void *user, const oc_train_status *status); /* see on_run */
    void *user;                                                 /* given to both */
} oc_study_options;

/* How far a row of the table is. */
typedef enum oc_study_state { OC_STUDY_WAITING, OC_STUDY_RUNNING, OC_STUDY_DONE, OC_STUDY_FAILED } oc_study_state;

/* A row of the table; NaN and −1 where not known (yet). Texts are owned by the study. */
typedef struct oc_study_row {
    const char *name, *model; /* "mixup-seed1", "seresnet18"; of an ensemble its method */
    const char *run;          /* the name in the file, "mixup", which the rows of several seeds share */
    int64_t seed;             /* of `seeds`; −1: the file lists none */
    const char *changes;      /* what it changes in the base recipe, "data.augment=false mixup.alpha=0"; of an ensemble
                               * its members */
    const char *start;        /* row whose best weights it starts from; NULL: none */
    bool ensemble;            /* not a run but what joins runs */
    int64_t steps;            /* of the whole run, by oc_study_estimate and oc_study_run */
    oc_study_state state;     /* how far it is */
    const char *reason;       /* why it failed; NULL otherwise */
    int64_t parameters;       /* numbers that are learnt */
    double top1, top1_low, top1_high; /* best on validation, with its 95 % interval */
    int64_t best_epoch;               /* after which top1 was best */
    double roughness; /* mean absolute second difference of validation top-1 over the epochs (that before the first step
                       * left out): 0 for a straight curve */
    double seconds, images_per_second; /* that it took; in training */
    double estimate;                   /* seconds still needed, by oc_study_estimate */
} oc_study_row;
/* How many rows the table has. */
OC_API size_t oc_study_count(const oc_study *study);
/* The row at `index`, which is less than oc_study_count. */
OC_API oc_study_row oc_study_row_at(const oc_study *study, size_t index);

/* The table as JSON text, as in study.json: {"rows": [{a row's fields}], "summary": [{"run", "seeds", "top1_mean",
 * "top1_min", "top1_max"} of each run with seeds]}. Owned by the study until its next call; NULL: out of memory. */
OC_API const char *oc_study_json(oc_study *study);

/* Measures a few training steps and a part of the validation of each kind of run (runs that differ only in epochs,
 * seed, hold-out, schedule and the numbers of loss and AdamW are of one kind) on the data set, without leaving anything
 * in `out`, and fills `steps` and `estimate` of every row: for what is begun, of what is left. Writing the states is
 * not in it. Of the data set it makes the packed cache. OC_E_STOPPED; OC_E_USAGE as oc_study_run. */
OC_API oc_status oc_study_estimate(oc_study *study, const char *data, const oc_study_options *options, oc_error *err);

/* Runs what is not finished and resumes what was begun; a run that fails is noted and the others go on (those that
 * start from it, and the ensemble of it, fail with it). study.csv and study.json are written after each run. OC_OK when
 * all are done, else, after all, the status of the first failure, which the message names: what oc_trainer_run or
 * oc_ensemble_fit returned, with OC_E_MISMATCH for their OC_E_USAGE. OC_E_STOPPED when asked to stop. Before anything
 * is trained: OC_E_USAGE with the run's "file:line" for what the data set cannot do (no validation images, a batch
 * larger than its training images), what oc_dataset_open returns, OC_E_EXISTS when another process is running a study
 * in `out`; at any time OC_E_IO, OC_E_MEMORY of the table's files. `data`: path of the data set. */
OC_API oc_status oc_study_run(oc_study *study, const char *data, const oc_study_options *options, oc_error *err);

#ifdef __cplusplus
}
#endif

#endif
