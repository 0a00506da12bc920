/* Checking a model against reference numbers (tests/data, scripts/reference_numbers.py): what the test of whole models
 * and that of single cases share. Each check returns the number of fields that are farther off than the reference's own
 * tolerance allows, and prints how far each is; what the reference has no field for fails the test. */
#ifndef OC_TESTS_SUPPORT_GOLDEN_H
#define OC_TESTS_SUPPORT_GOLDEN_H

#include "base/json.h"
#include "models/model.h"

/* Everything one check works with. */
typedef struct golden {
    const json_t *json; /* borrowed, as are the two below */
    const json_t *tolerance, *ties;
    oc_model *model;
    oc_team *team;
    oc_slab *slab;
    const oc_table *table;
    int64_t batch, classes, size;
    int copies; /* of the reference's batch in this one, see golden_repeat */
    float *input, *gradients;
    int32_t *labels, *mixed;
} golden;

/* The model that the reference names, in the variant that it names, its weights zero, and the batch. `ties` NULL: none
 * is settled. */
void golden_open(golden *g, const json_t *json, const json_t *ties);
void golden_close(golden *g);

/* Fills every tensor by the formula. */
void golden_fill(golden *g);

/* Scores in evaluation. */
int golden_check_evaluation(const golden *g);

/* As many training steps as there are losses: the losses, and of the first step scores, running statistics and
 * gradients, which are all there (`every`) or some of them. Ties are settled in the first step: what is left are
 * errors. One step is AdamW on targets mixed with those of the reversed batch. */
int golden_check_training(golden *g, bool every);

/* What scores in evaluation and the first training step are off by, relative to the largest value or to the norm. */
typedef struct golden_errors {
    double evaluation, logits, loss;
    double norm;                 /* of all gradients */
    double tensor_norm, element; /* the worst tensor's norm; the worst element of those in the reference */
} golden_errors;

/* Makes the batch one of `copies` times the reference's: the statistics of batch norm, the scores, the loss and the
 * gradients of such a batch are those of the one, and a larger batch has more algorithms to choose from. */
void golden_repeat(golden *g, int copies);

/* The errors of an evaluation and of the first training step, ties settled; `exact` as in oc_plan_options. Running
 * statistics move. */
golden_errors golden_measure(golden *g, bool exact);
/* One training pass in a precision, on the same batch and targets: the mean loss; `gradients` is an arena like the
 * weights'. Running statistics are moved. */
double golden_gradients(golden *g, oc_precision precision, float *gradients);
/* Whether a training plan in a precision names the algorithm. */
bool golden_plan_has(const golden *g, oc_precision precision, const char *algorithm);

#endif
