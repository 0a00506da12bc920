/* One row of class scores in double precision; `n` >= 1 floats at any address. */
#ifndef OC_KERNELS_LOSS_H
#define OC_KERNELS_LOSS_H

#include <stdint.h>

#include "kernels/kernels.h"

/* Of scores z: their maximum (−∞ when none is a number), Σ (z − maximum), and log Σ e^(z − maximum). */
typedef struct oc_loss_row {
    double maximum, sum, log_sum;
} oc_loss_row;

struct oc_loss_kernels {
    /* Sums in order, so that they are the same bits at every level. */
    oc_loss_row (*row)(const float *z, int64_t n);
    /* diff = (softmax(z) − target) / rows, for targets that are the same for each class. */
    void (*gradient)(float *diff, const float *z, int64_t n, const oc_loss_row *row, double target, double rows);
};

#endif
