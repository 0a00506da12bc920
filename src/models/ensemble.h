/* An ensemble: several networks and what joins their scores, as one model and one weights file, whose tensors are
 * `models.<i>.<tensor>` and the combiner's `clf.…`.
 *
 * Members may differ in network, input size, normalisation and order of classes. Their scores are first gathered into
 * the ensemble's order of classes, by name, and only then joined, so that a member's own order cannot matter. */
#ifndef OC_MODELS_ENSEMBLE_H
#define OC_MODELS_ENSEMBLE_H

#include "models/model.h"

/* How scores are joined. The result is scores again: its softmax are the ensemble's probabilities. */
typedef enum oc_combine {
    OC_COMBINE_STACK,    /* a linear layer over the concatenated scores */
    OC_COMBINE_MEAN,     /* log of the average of the members' softmax */
    OC_COMBINE_WEIGHTED, /* the same, with a weight for each member */
    OC_COMBINES
} oc_combine;
/* "stack", "mean", "weighted". */
const char *oc_combine_name(oc_combine combine);
/* OC_E_USAGE for an unknown name, listing the valid ones. `where` names the source in the error. */
oc_status oc_combine_find(oc_combine *out, const char *name, const char *where, oc_error *err);

#define OC_ENSEMBLE_LEAST 2
#define OC_ENSEMBLE_MOST 64

typedef struct oc_ensemble {
    oc_combine combine;
    size_t members;
    oc_model **member;   /* [members] networks, owned */
    int32_t **class_map; /* [members][classes]: the ensemble's class → place in the member's scores; owned */
    /* The combiner, owned: stack [classes, members × classes] ("clf.weight"; column m × classes + c is member m's score
     * of the ensemble's class c) and bias [classes] ("clf.bias"); weighted [members] ("clf.weight", not negative,
     * sum 1) and no bias; mean neither. */
    float *weight, *bias;
    oc_table *table; /* every tensor by its name in the weights file, in the file's order; owned. Offsets: unused */
    float **data;    /* [tensors of the table] elements of each, in a member's arena or the combiner; owned list */
    oc_names layer_names; /* of all members' layers in turn, as oc_model_layer tells them */
} oc_ensemble;

/* An ensemble of `count` (2 … 64) networks, which it takes over, also on failure (their places become NULL), all zero
 * in its combiner; its classes are those of the first, in that order, and it is trained on what each of them is.
 * OC_E_USAGE for fewer, more or an ensemble among
 * them; OC_E_MISMATCH for different sets of classes, naming `label[m]` (a path, say) and what is only in each. */
oc_status oc_ensemble_create(oc_model **out, oc_combine combine, oc_model **member, const char *const *label,
                             size_t count, oc_error *err);
void oc_ensemble_destroy(oc_ensemble **ensemble);

/* The networks behind a model's scores: an ensemble's members, or just the model itself. */
size_t oc_model_networks(const oc_model *model);
oc_model *oc_model_network(oc_model *model, size_t index);

/* dst [rows, classes] = a member's scores src [rows, classes] in the ensemble's order of classes. Of a network, which
 * is its own only member: a copy. */
void oc_ensemble_gather(const oc_model *model, size_t member, const float *src, int64_t rows, float *dst);

/* dst [rows, classes] = the joined scores of gathered member scores src[m] [rows, classes]. Deterministic, in double;
 * each row depends on its own scores only. Of a network: a copy of src[0]. */
void oc_ensemble_combine(const oc_model *model, const float *const *src, int64_t rows, float *dst);

/* log Σ exp of a row of scores, in double; classes >= 1. The row's softmax is exp(score − that). */
double oc_log_sum_exp(const float *row, int64_t classes);

#endif
