/* Softmax cross-entropy with soft targets, and the counts of right guesses. */
#include "graph/loss.h"

#include <math.h>

#include "kernels/loss.h"

/* Rows whose results are kept until they are added up in order: the sum does not depend on who computed what. */
#define BLOCK 128

typedef struct row_result {
    double loss, top1, top5;
} row_result;

typedef struct block_task {
    const oc_loss_kernels *kernels;
    const float *logits;
    const oc_soft_labels *labels;
    int64_t classes, first; /* first row of the block */
    double smoothing;
    float *diff_logits;
    row_result result[BLOCK];
} block_task;

/* Whether fewer than `k` classes come before class `y`: higher scores, and equal ones of lower classes. A score that
 * is not a number is right nowhere. */
static bool is_among(const float *z, int64_t classes, int32_t y, int64_t k) {
    int64_t before = 0;
    if (isnan(z[y])) return false;
    for (int64_t c = 0; c < classes; c++) before += z[c] > z[y] || (z[c] == z[y] && c < y);
    return before < k;
}

static void compute_row(block_task *task, int64_t row) {
    const oc_soft_labels *labels = task->labels;
    const int64_t classes = task->classes;
    const float *z = task->logits + row * classes;
    const double lambda = labels->lambda, s = task->smoothing, uniform = s / (double)classes;
    const int32_t y1 = labels->label[row], y2 = labels->mixed ? labels->mixed[row] : y1;

    const oc_loss_row r = task->kernels->row(z, classes);
    /* −Σ q·log p with log p = z − maximum − log_sum and Σ q = 1. */
    const double target =
        (1 - s) * (lambda * (z[y1] - r.maximum) + (1 - lambda) * (z[y2] - r.maximum)) + uniform * r.sum;
    row_result *result = &task->result[row - task->first];
    result->loss = r.log_sum - target;
    result->top1 = lambda * is_among(z, classes, y1, 1) + (1 - lambda) * is_among(z, classes, y2, 1);
    result->top5 = lambda * is_among(z, classes, y1, 5) + (1 - lambda) * is_among(z, classes, y2, 5);

    if (!task->diff_logits) return;
    float *diff = task->diff_logits + row * classes;
    const double rows = (double)labels->rows;
    task->kernels->gradient(diff, z, classes, &r, uniform, rows);
    const int32_t right[] = {y1, y2};
    for (int i = 0; i < 2; i++) {
        const int32_t y = right[i];
        const double q = uniform + (1 - s) * (lambda * (y == y1) + (1 - lambda) * (y == y2));
        task->kernels->gradient(diff + y, z + y, 1, &r, q, rows);
    }
}

static void compute_rows(void *user, int64_t begin, int64_t end, int worker) {
    block_task *task = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++) compute_row(task, task->first + i);
}

void oc_loss_cross_entropy(const float *logits, const oc_soft_labels *labels, int64_t classes, double smoothing,
                           float *diff_logits, oc_score *score, oc_team *team) {
    block_task task = {.kernels = oc_kernels_now()->loss,
                       .logits = logits,
                       .labels = labels,
                       .classes = classes,
                       .smoothing = smoothing,
                       .diff_logits = diff_logits};
    for (; task.first < labels->rows; task.first += BLOCK) {
        const int64_t left = labels->rows - task.first, rows = left < BLOCK ? left : BLOCK;
        oc_parallel_for(team, rows, 1, compute_rows, &task);
        for (int64_t i = 0; i < rows; i++) {
            score->loss += task.result[i].loss;
            score->top1 += task.result[i].top1;
            score->top5 += task.result[i].top5;
        }
    }
    score->rows += labels->rows;
}
