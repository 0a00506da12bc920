/* Softmax cross-entropy with soft targets: the only loss; training, validation and evaluation all call it. */
#ifndef OC_GRAPH_LOSS_H
#define OC_GRAPH_LOSS_H

#include "base/parallel.h"

/* What a batch of scores is worth. Sums over the rows, so that batches add up. */
typedef struct oc_score {
    double loss; /* sum of the rows' losses, natural logarithm */
    double top1; /* λ·[argmax = y₁] + (1−λ)·[argmax = y₂]; ties: the lowest class */
    double top5; /* likewise, among the five highest (ties: lower classes first) */
    int64_t rows;
} oc_score;

/* Targets of a batch: y₁ = label[i] with weight lambda, y₂ = mixed[i] with 1 − lambda (mixed may be NULL when lambda
 * is 1). Classes in [0, classes). */
typedef struct oc_soft_labels {
    int64_t rows;
    double lambda;
    const int32_t *label, *mixed;
} oc_soft_labels;

/* Row i has target q = (1−s)(λ·onehot(y₁) + (1−λ)·onehot(y₂)) + s/classes and loss −Σ q log softmax(logits) (Szegedy
 * et al., CVPR 2016; Zhang et al., mixup, ICLR 2018).
 * logits [rows, classes], f32; diff_logits likewise, or NULL: gradient of the *mean* over the rows.
 * smoothing s in [0, 1). Adds to *score. Computed in double; deterministic whatever the team (NULL: one thread). */
void oc_loss_cross_entropy(const float *logits, const oc_soft_labels *labels, int64_t classes, double smoothing,
                           float *diff_logits, oc_score *score, oc_team *team);

#endif
