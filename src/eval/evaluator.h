/* Scoring a network's weights over a packed split: what the trainer's validation and oc_scores_compute share. */
#ifndef OC_EVAL_EVALUATOR_H
#define OC_EVAL_EVALUATOR_H

#include "data/batch.h"
#include "graph/loss.h"
#include "graph/plan.h"
#include "models/model.h"

typedef struct oc_evaluator oc_evaluator;

typedef struct oc_evaluator_options {
    int64_t batch_size;
    oc_precision precision;
    bool exact; /* of convolutions, as in oc_plan_options */
    double smoothing;
    float mean[3], std[3];
    /* Whose weights are run: numbers that are not finite are refused, in any layer for the first batch and in the
     * scores of every image. NULL: they are for the caller to find. */
    oc_model *checked;
    bool tta;      /* the average of each image's scores and its mirror image's */
    oc_team *team; /* borrowed, like slab */
    oc_slab *slab;
    bool yields; /* oc_plan_options: for an evaluation between the steps of a training that has the same slab */
} oc_evaluator_options;

/* Plans `graph` in INFER mode over `pack` (both borrowed). Nothing is allocated by a run. */
oc_status oc_evaluator_create(oc_evaluator **out, const oc_graph *graph, const oc_pack *pack,
                              const oc_evaluator_options *options, oc_error *err);
void oc_evaluator_destroy(oc_evaluator **evaluator);

/* Scores every image, the partial last batch included, once, in the pack's order. Images labelled −1 count in rows of
 * on_batch only. `score` may be NULL: not wanted. `on_batch` (may be NULL) sees each batch's logits [rows, classes] and
 * samples (places in the pack); false stops with OC_E_STOPPED. OC_E_NON_FINITE, naming layer or image, if the options
 * say so. */
typedef bool (*oc_on_logits)(void *user, const float *logits, const uint32_t *sample, int64_t rows, int64_t done,
                             int64_t total);
oc_status oc_evaluator_run(oc_evaluator *evaluator, oc_weights *weights, oc_score *score, oc_on_logits on_batch,
                           void *user, oc_error *err);

/* A forward pass of a network's plan for inference that refuses its weights if the output of a layer is not finite:
 * OC_E_NON_FINITE names file and layer. */
oc_status oc_model_forward_checked(oc_model *network, oc_plan *plan, oc_error *err);

/* Adds to *score what logits [rows, classes] are worth, by oc_loss_cross_entropy; rows labelled −1 are left out. */
void oc_score_labelled(const float *logits, const int32_t *label, int64_t rows, int64_t classes, double smoothing,
                       oc_score *score, oc_team *team);

/* The model's class for each class of the data set, by name, into map[data set's classes] (the trainer's and eval's one
 * way of joining). A name of other bytes that is the same text (oc_text_alike) is taken for the same, which `log` (may
 * be NULL) is told. OC_E_MISMATCH names the model's weights file, where it has one, and the classes of the data that
 * the model lacks. Classes that only the model knows are fine. */
oc_status oc_class_map(int32_t *map, const oc_names *data_classes, const oc_model *model, const oc_log *log,
                       oc_error *err);

#endif
