/* Ocelli: train image classifiers on ordinary CPUs, and classify with them.
 *
 *     oc_dataset *data = NULL;  oc_recipe *recipe = NULL;  oc_trainer *trainer = NULL;  oc_error error;
 *     oc_recipe_create(&recipe, &error);
 *     oc_recipe_set(recipe, "model.name", "myresnet-small", "model.name", &error);
 *     oc_dataset_open(&data, "tiny-imagenet-200", NULL, &error);
 *     oc_trainer_create(&trainer, data, recipe, &(oc_train_options){.out = "run"}, &error);
 *     oc_trainer_run(trainer, &error);
 *
 * Every handle is made by a …_create or …_open into *out and released by …_destroy(&handle), which allows NULL and
 * sets it to NULL. Handles are not shared between threads; inside, each uses a team of threads of its own. Strings
 * passed in are borrowed for the call only unless said otherwise. Statuses: see ocelli/base.h. */
#ifndef OCELLI_OCELLI_H
#define OCELLI_OCELLI_H

#include "ocelli/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Data sets -------------------------------------------------------------------------------------------------- */

/* Images in classes, opened from a folder or a zip file. */
typedef struct oc_dataset oc_dataset;

/* What of a data set is left out or read otherwise. All zero: the defaults that are named. */
typedef struct oc_dataset_options {
    /* [0, 1): share of each training class that is left out of `train`; 0: none. The images become `val` when the data
     * set has none, else the split `holdout`, on which an ensemble can be fitted. Whether an image is, its class and
     * its place in the class's folder decide, and nothing else: adding, removing and renaming others does not move it,
     * and those of a smaller share are among those of a larger one. */
    double holdout;
    const char *val; /* which split validates: "val" (also NULL), or "test", for a data set without val */
    /* Whether what needs no human names of classes leaves words.txt unread: in Tiny ImageNet it has 82,000, of which to
     * unpack and parse takes a fifth of the time of opening the zip. oc_dataset_class_name then gives codes. */
    bool without_words;
} oc_dataset_options;

/* Opens a Tiny ImageNet folder as distributed or a folder of class folders (with train and val, or one level), or
 * either as a .zip, in the forms that docs/data.md lists. `options` NULL: zeros. Reads names and the state of every
 * file, and the first bytes of those whose names do not tell what they are; no pixels. OC_E_NOT_FOUND, OC_E_IO,
 * OC_E_FORMAT (which file and line). */
OC_API oc_status oc_dataset_open(oc_dataset **out, const char *path, const oc_dataset_options *options, oc_error *err);
/* Takes NULL, sets NULL. */
OC_API void oc_dataset_destroy(oc_dataset **dataset);

/* How an image that is not square becomes square: its middle alone, the whole pressed together, or the whole within a
 * square of the background. */
typedef enum oc_fit { OC_FIT_CROP, OC_FIT_SQUASH, OC_FIT_LETTERBOX } oc_fit;

/* How an image file becomes what a model sees; the recipe's keys data.<name>. A weights file keeps them, so that images
 * are read for it as they were in training. */
typedef struct oc_image_options {
    bool exif;             /* turned as the orientation says that the file states, as every viewer does */
    uint8_t background[3]; /* RGB: what pixels that are not opaque are composited on, and what fills a letterbox */
    oc_fit fit;            /* how it becomes square */
} oc_image_options;
/* The recipe's defaults. */
#define OC_IMAGE_OPTIONS_DEFAULT                                                                                       \
    { true, {255, 255, 255}, OC_FIT_CROP }

/* ---- Recipes: every setting of a run, in one table (ocelli/recipe.h) -------------------------------------------- */

/* The settings of a run. */
typedef struct oc_recipe oc_recipe;
/* All defaults: the reference recipe. */
OC_API oc_status oc_recipe_create(oc_recipe **out, oc_error *err);
/* Takes NULL, sets NULL. */
OC_API void oc_recipe_destroy(oc_recipe **recipe);
/* Sets what a YAML file states; other keys stay. OC_E_USAGE with where = "file:line". The recipe is untouched on an
 * error. */
OC_API oc_status oc_recipe_load(oc_recipe *recipe, const char *path, oc_error *err);
/* Sets one key from text. `where` names the source in errors ("--set optimizer.lr"). OC_E_USAGE: unknown key (with
 * the nearest), wrong type, out of range. */
OC_API oc_status oc_recipe_set(oc_recipe *recipe, const char *key, const char *value, const char *where, oc_error *err);

/* ---- Training --------------------------------------------------------------------------------------------------- */

/* A run: model, plans, optimizer, and the folder that records it. */
typedef struct oc_trainer oc_trainer;

/* Where a run is. Counts from 0. */
typedef struct oc_train_status {
    int64_t epoch, epochs;                  /* the one being worked on */
    int64_t step, steps;                    /* done, and the schedule's length */
    int64_t step_in_epoch, steps_per_epoch; /* done, and in all */
    double loss;                            /* of the last step */
    double train_loss, train_top1;          /* averages of this epoch so far */
    double val_loss, val_top1, val_top5;    /* of the last validation; NaN before the first */
    double best_top1;                       /* NaN before the first */
    double lr;                              /* learning rate of the last step */
    double images_per_second;               /* over this epoch */
    double data_share;                      /* of this epoch's time spent preparing batches, [0, 1] */
    double seconds, eta_seconds;            /* of the whole run; estimate to its end */
    bool validating;                        /* in the middle of a validation */
} oc_train_status;

/* Where and how a run is trained. All zero but `out`: the defaults that are named. */
typedef struct oc_train_options {
    const char *out;          /* run folder; created. OC_E_EXISTS when it holds a run and !resume, or when another
                                 process is training in it */
    bool resume;              /* continue the run in `out` */
    const char *weights;      /* start from a weights file instead of random, but for the last layer where the file has
                                 it for other classes; may be NULL */
    int64_t max_steps;        /* stop after this step; 0: none */
    double max_seconds;       /* stop once the run, what was before resumes included, has taken this; 0: none */
    int64_t save_every;       /* state every this many steps; 0: at each epoch's end only */
    int threads;              /* 0: all processors */
    const char *cache;        /* packed cache's folder; NULL: the user's */
    bool skip_bad;            /* leave undecodable images out */
    const char *tune;         /* how the algorithms of convolutions in training are chosen: "off" (NULL): by estimate;
                                 "quick", "full": by measuring a few, or all, of them here, what a run that is resumed
                                 need not do again */
    const char *plan;         /* of a new run: plan.txt of another, whose algorithms to take; may be NULL */
    const char *command;      /* how the run was started, as typed, for run.json; may be NULL */
    const volatile int *stop; /* set by a signal handler: finish the step, save, return OC_E_STOPPED; may be NULL  */
    void (*on_step)(void *user, const oc_train_status *status); /* after each step and during validation; may be NULL */
    void (*on_epoch)(void *user, const oc_train_status *status); /* after each validation; may be NULL */
    void *user;                                                  /* given to on_step and on_epoch */
    oc_progress progress;                                        /* decoding into the cache */
    oc_log log; /* while a step takes very long, that is said from another thread, but beside no other callback */
} oc_train_options;

/* Prepares a run: packs the data if needed, builds model and plans, opens or resumes the run folder. `dataset` is
 * borrowed until destroy; `recipe` is copied. Nothing in `out` is changed before every check has passed. */
OC_API oc_status oc_trainer_create(oc_trainer **out, const oc_dataset *dataset, const oc_recipe *recipe,
                                   const oc_train_options *options, oc_error *err);
/* Trains to the end or to a limit, with validation, records and checkpoints; saves. OC_OK also at max_steps and
 * max_seconds; OC_E_STOPPED when asked to stop; OC_E_NON_FINITE with step, layer and samples. */
OC_API oc_status oc_trainer_run(oc_trainer *trainer, oc_error *err);
/* One step (and, where due, the validation and save around it); *done = nothing is left to do. */
OC_API oc_status oc_trainer_step(oc_trainer *trainer, bool *done, oc_error *err);
/* Where the run is now. */
OC_API oc_train_status oc_trainer_status(const oc_trainer *trainer);
/* Takes NULL, sets NULL. */
OC_API void oc_trainer_destroy(oc_trainer **trainer);

/* ---- Models and weights ----------------------------------------------------------------------------------------- */

/* A network, or an ensemble, with its weights and classes. */
typedef struct oc_model oc_model;

/* Variants of a model, as timm names them. All zero: as the model's row in the registry says. */
typedef struct oc_model_options {
    const char *stem;  /* "3x3" (stride 1), "7x7" (stride 2), "deep" (three 3×3, stride 2); NULL or "own": the row's */
    bool no_stem_pool; /* no max-pool behind the stem: for small images */
    double drop_path;  /* [0, 1): stochastic depth of the last block, rising linearly from 0 at the first */
    double dropout;    /* [0, 1): before the last linear layer */
} oc_model_options;

/* A model by name for `count` class codes (copied, in order), input 3 × size × size, all weights zero. `options` NULL:
 * zeros. OC_E_USAGE for an unknown name or stem (lists the valid ones), an option that the model does not have, or a
 * size it cannot take. */
OC_API oc_status oc_model_create(oc_model **out, const char *name, const char *const *classes, size_t count,
                                 int64_t size, const oc_model_options *options, oc_error *err);
/* A model, or an ensemble, from a weights file. A file without metadata needs `name` and `classes` (else NULL, 0):
 * without them it is OC_E_USAGE, with the path as its `where`; its size is taken to be 64 when `size` is 0, its variant
 * what `options` (may be NULL) say. Arguments that contradict the metadata, and tensors that do not fit: OC_E_MISMATCH.
 * Damaged files, and weights that are no finite numbers: OC_E_FORMAT. */
OC_API oc_status oc_model_open(oc_model **out, const char *path, const char *name, const char *const *classes,
                               size_t count, int64_t size, const oc_model_options *options, oc_error *err);
/* What was overlooked in the weights file that the model was opened from, one line ("its tensors' names begin with
 * \"module.\", …"); "" where nothing was. Owned by the model. */
OC_API const char *oc_model_note(const oc_model *model);
/* Writes a weights file, atomically. */
OC_API oc_status oc_model_save(const oc_model *model, const char *path, oc_error *err);
/* Takes NULL, sets NULL. */
OC_API void oc_model_destroy(oc_model **model);

/* ---- Classifying ------------------------------------------------------------------------------------------------ */

/* A model made ready to classify. */
typedef struct oc_classifier oc_classifier;

/* One guess. `code` is the class's name, owned by the model; a data set's words.txt says what it means in words
 * (oc_dataset_class_name, ocelli/data.h). */
typedef struct oc_prediction {
    int32_t class_index; /* place in the model's classes */
    float probability;   /* by the softmax */
    const char *code;    /* the class's name */
} oc_prediction;

/* What there is to be room for. All zero: the defaults that are named. */
typedef struct oc_classifier_options {
    int64_t batch;         /* images that there is room for at once; 0: 1 */
    const char *precision; /* number format of activations: "fp32" (NULL, and "auto", mean that) or "bf16" */
    int threads;           /* 0: all */
} oc_classifier_options;

/* Takes `model`, which must outlive it. `options` NULL: zeros. OC_E_USAGE for a batch or a precision that is none. */
OC_API oc_status oc_classifier_create(oc_classifier **out, oc_model *model, const oc_classifier_options *options,
                                      oc_error *err);
/* What of the environment was overruled or made its threads fewer, as one line ("OMP_THREAD_LIMIT=1: 1 thread instead
 * of 2"); "" where nothing did. The classifier's. */
OC_API const char *oc_classifier_note(const oc_classifier *classifier);
/* Takes NULL, sets NULL. */
OC_API void oc_classifier_destroy(oc_classifier **classifier);
/* The `top_k` likeliest classes (1 … classes) of one decoded image, pixels [height, width, 3] RGB uint8. */
OC_API oc_status oc_classifier_pixels(oc_classifier *classifier, const uint8_t *pixels, int64_t width, int64_t height,
                                      oc_prediction *predictions, size_t top_k, oc_error *err);
/* The same of an image file's bytes, in any format that is read. `where` names it in errors. */
OC_API oc_status oc_classifier_encoded(oc_classifier *classifier, const void *data, size_t size, const char *where,
                                       oc_prediction *predictions, size_t top_k, oc_error *err);

/* ---- Evaluating ------------------------------------------------------------------------------------------------- */

/* Figures over the labelled images; loss to calibration_error are NaN where there are none. */
typedef struct oc_evaluation {
    int64_t images, skipped;    /* scored, and left out since they cannot be decoded */
    double loss;                /* mean cross-entropy with `smoothing` */
    double top1, top5;          /* shares that are right, and that are among the five likeliest, [0, 1] */
    double top1_low, top1_high; /* 95 % confidence interval of top1 (Wilson's score interval) */
    double calibration_error; /* expected calibration error over 15 equal bins of confidence (Guo et al., ICML 2017) */
    double images_per_second; /* at which they were scored */
    /* Of the images, those that the model is recorded to be trained on, for which it tells nothing of new ones; -1: its
     * weights file has no record of them. */
    int64_t trained_on;
} oc_evaluation;

/* What is evaluated, and how. All zero: the defaults that are named. */
typedef struct oc_eval_options {
    const char *split;     /* NULL: "val" */
    int64_t batch_size;    /* 0: 64 */
    const char *precision; /* number format of activations: "fp32" (NULL, and "auto", mean that) or "bf16" */
    int threads;           /* 0: all */
    double smoothing;      /* label smoothing in the loss, [0, 1) */
    const char *cache;     /* NULL: the user's */
    bool skip_bad;         /* leave undecodable images out */
    /* Average the scores (before softmax) of each image and its mirror image; of an ensemble, those of each member. */
    bool tta;
    const char *save_logits; /* safetensors file to write: logits [N, classes], labels [N]; may be NULL */
    int64_t *confusion;   /* [classes, classes] to fill: images by class and guess, in the model's order; may be NULL */
    oc_progress progress; /* decoding, and computing scores */
    oc_log log;           /* told what is worth knowing */
} oc_eval_options;

/* Over every image of the split, classes matched by name: a class of the data that the model does not know is
 * OC_E_MISMATCH. A split without labels is OC_E_USAGE, unless its scores are saved (save_logits). So is a name that is
 * no split's; a split that is absent is OC_E_NOT_FOUND. */
OC_API oc_status oc_evaluate(oc_evaluation *out, oc_model *model, const oc_dataset *dataset,
                             const oc_eval_options *options, oc_error *err);

#ifdef __cplusplus
}
#endif

#endif
