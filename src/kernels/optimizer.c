/* Steps of optimizers. */
#include "kernels/optimizer.h"

#include "kernels/parts.h"

/* Up to a vector of elements. */
OC_INLINE void adamw_some(float *p, const float *g, float *m, float *v, int lanes, const oc_adamw *by) {
    const oc_floats gradient = oc_load_some(g, lanes);
    oc_floats first = oc_load_some(m, lanes), second = oc_load_some(v, lanes);
    first += by->beta1_rest * (gradient - first);
    second = by->beta2 * second + by->beta2_rest * (gradient * gradient);
    const oc_floats step = first / (oc_sqrt(second) * by->root_scale + by->eps);
    oc_store_some(m, first, lanes);
    oc_store_some(v, second, lanes);
    oc_store_some(p, oc_load_some(p, lanes) * by->decay - by->rate * step, lanes);
}

static void adamw(float *p, const float *g, float *m, float *v, int64_t n, const oc_adamw *by) {
    int64_t i = 0;
    for (; i + OC_LANES <= n; i += OC_LANES) adamw_some(p + i, g + i, m + i, v + i, OC_LANES, by);
    if (i < n) adamw_some(p + i, g + i, m + i, v + i, (int)(n - i), by);
}

static void sgd(float *p, const float *g, float *buffer, int64_t n, const oc_sgd *by) {
    const float decay = by->decay, rate = by->rate, momentum = by->momentum;
    if (!buffer) {
        OC_INDEPENDENT
        for (int64_t i = 0; i < n; i++) p[i] -= rate * (g[i] + decay * p[i]);
    } else if (by->nesterov) {
        OC_INDEPENDENT
        for (int64_t i = 0; i < n; i++) {
            const float gradient = g[i] + decay * p[i];
            buffer[i] = momentum * buffer[i] + gradient;
            p[i] -= rate * (gradient + momentum * buffer[i]);
        }
    } else {
        OC_INDEPENDENT
        for (int64_t i = 0; i < n; i++) {
            buffer[i] = momentum * buffer[i] + (g[i] + decay * p[i]);
            p[i] -= rate * buffer[i];
        }
    }
}

const oc_optimizer_kernels OC_OPTIMIZER_KERNELS = {.adamw = adamw, .sgd = sgd};
