/* Rows of class scores. */
#include "kernels/loss.h"

#include <math.h>

#include "kernels/lanes.h"

static oc_loss_row row(const float *z, int64_t n) {
    oc_loss_row r = {.maximum = -INFINITY};
    double exp_sum = 0;
    for (int64_t c = 0; c < n; c++)
        if (z[c] > r.maximum) r.maximum = z[c];
    for (int64_t c = 0; c < n; c++) {
        r.sum += z[c] - r.maximum;
        exp_sum += exp(z[c] - r.maximum);
    }
    r.log_sum = log(exp_sum);
    return r;
}

static void gradient(float *diff, const float *z, int64_t n, const oc_loss_row *row, double target, double rows) {
    for (int64_t c = 0; c < n; c++) diff[c] = (float)((exp(z[c] - row->maximum - row->log_sum) - target) / rows);
}

const oc_loss_kernels OC_LOSS_KERNELS = {.row = row, .gradient = gradient};
