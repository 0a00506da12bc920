/* The inside of a trainer, shared by the files that set it up (trainer.c, its images trainer_data.c, its plans
 * trainer_plans.c) and the one that runs it (trainer_run.c). */
#ifndef OC_TRAIN_TRAINER_H
#define OC_TRAIN_TRAINER_H

#include "compute/conv/tune.h"
#include "eval/evaluator.h"
#include "recipe/recipe.h"
#include "record/about.h"
#include "record/record.h"
#include "train/checkpoint.h"
#include "train/confusion.h"
#include "train/run_folder.h"
#include "train/step.h"
#include "train/watchdog.h"

#define OC_TRAINER_ARENAS (2 + OC_OPTIMIZER_MAX_STATE) /* weights, average, moments */

/* The notes in a state, which a resumed run must agree with. */
enum { OC_ABOUT_RECIPE, OC_ABOUT_THREADS, OC_ABOUT_DATA, OC_ABOUT_START, OC_ABOUT_IMAGES, OC_TRAINER_ABOUT };

struct oc_trainer {
    /* As given. Texts of `options` are not kept; its callbacks and stop flag are. */
    oc_train_options options;
    const oc_dataset *dataset; /* borrowed */
    oc_recipe *recipe;
    oc_recipe_values values; /* of `recipe` */
    oc_tune tune;
    char *choices; /* the text of options.plan; NULL without it */

    /* Owned parts. Plans share the slab, everything shares the team. */
    oc_team *team;
    oc_slab *slab;
    oc_pack *train_pack, *val_pack;
    oc_batcher *batcher;
    oc_model *model;
    oc_train_step step; /* what a training step needs */
    oc_evaluator *evaluator;
    oc_confusion confusion; /* of the validation that goes on, or the last */
    oc_run_folder folder;
    oc_about *about_run;   /* run.json; NULL likewise */
    oc_record *record;     /* NULL while nothing in the folder has been touched */
    oc_watchdog *watchdog; /* tells of steps that take too long; NULL likewise */
    oc_text early;         /* lines that log.txt is to have, once there is one */

    /* The state: these arenas and the position, with notes on what they belong to. */
    oc_state_arena arenas[OC_TRAINER_ARENAS];
    size_t arena_count;
    char *about[OC_TRAINER_ABOUT];
    char fingerprint[17]; /* of the images of OC_ABOUT_DATA */
    bool given_start;     /* the run begins, and with weights from a file */
    oc_position position;

    int64_t epoch_steps, total_steps; /* steps an epoch; steps of all epochs */
    int64_t limit;                    /* where this call ends: total_steps or max_steps */
    bool unsaved;                     /* the position has moved since the last save */
    bool validating;
    oc_status failed;  /* the failure after which no step is possible any more, or OC_OK */
    double mark;       /* clock up to which the seconds are counted */
    double validation; /* seconds of the last validation */
};

/* *trainer->about[which] = formatted text. OC_E_MEMORY. */
oc_status oc_trainer_note(oc_trainer *trainer, int which, oc_error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A note of the state, or NULL. */
const char *oc_trainer_note_of(const oc_checkpoint *state, int which);
/* OC_E_MISMATCH where a note is not what the state (NULL: none, which agrees) says; `what` the note is of. */
oc_status oc_trainer_note_check(const oc_trainer *trainer, const oc_checkpoint *state, int which, const char *what,
                                oc_error *err);

/* What the names of the images suffice to refuse. */
oc_status oc_trainer_check_splits(const oc_trainer *trainer, oc_error *err);
/* Opens the packs, and notes what the model is trained on. OC_E_MISMATCH where the state is of other images. */
oc_status oc_trainer_open_data(oc_trainer *trainer, const oc_checkpoint *state, oc_error *err);

/* Settles the recipe's precision and makes the batcher, the training step and the evaluator. A run that goes on from
 * `state` computes as it did before, where this machine can. */
oc_status oc_trainer_open_plans(oc_trainer *trainer, const oc_checkpoint *state, oc_error *err);

/* One line to the caller's log and to log.txt, where it waits until there is a run folder. */
void oc_trainer_log(oc_trainer *trainer, oc_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* True when the validation before the first step or after a whole epoch is still to be done. */
bool oc_trainer_validation_due(const oc_trainer *trainer);

/* Has steps that take longer than `limits` said in the log, in place of the limits before. Not within a step. */
oc_status oc_trainer_watch(oc_trainer *trainer, const oc_watchdog_limits *limits, oc_error *err);

/* Adds the seconds since the last call to the epoch's and the run's. */
void oc_trainer_account(oc_trainer *trainer);

/* OC_E_NON_FINITE naming the first tensor of weights, average or moments that holds an infinity or NaN: numbers that no
 * run can go on from. */
oc_status oc_trainer_check_finite(const oc_trainer *trainer, oc_error *err);

/* Writes last.safetensors, then the state, which commits everything before it. Checks
 * with oc_trainer_check_finite first, so that the last good state stays. */
oc_status oc_trainer_save(oc_trainer *trainer, oc_error *err);

#endif
