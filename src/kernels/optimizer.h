/* Steps of optimizers over arrays of `n` >= 0 floats at any address, none of which overlap. Each element's step is the
 * same operations at every level, of which square root and division are exactly rounded and none is contracted, so
 * results are the same bits at all of them. */
#ifndef OC_KERNELS_OPTIMIZER_H
#define OC_KERNELS_OPTIMIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* AdamW with decoupled decay as torch.optim.AdamW orders it (Loshchilov & Hutter, "Decoupled Weight Decay
 * Regularization", ICLR 2019):
 *
 *     m += beta1_rest·(g − m)    v = beta2·v + beta2_rest·g²    p = decay·p − rate·m / (root_scale·√v + eps) */
typedef struct oc_adamw {
    float decay;      /* 1 − lr·weight decay */
    float beta1_rest; /* 1 − β₁ */
    float beta2;      /* β₂ */
    float beta2_rest; /* 1 − β₂ */
    float rate;       /* lr / (1 − β₁ᵗ) */
    float root_scale; /* 1 / √(1 − β₂ᵗ) */
    float eps;
} oc_adamw;

/* SGD as torch.optim.SGD: with d = g + decay·p and b = momentum·b + d,
 *
 *     p −= rate·b    or, by Nesterov's rule,    p −= rate·(d + momentum·b)    or, without momentum,    p −= rate·d */
typedef struct oc_sgd {
    float decay, rate, momentum;
    bool nesterov;
} oc_sgd;

struct oc_optimizer_kernels {
    /* Parameters p, gradients g, both moments. */
    void (*adamw)(float *p, const float *g, float *m, float *v, int64_t n, const oc_adamw *by);
    /* `buffer`: the average b, which starts at zero; NULL: without momentum. */
    void (*sgd)(float *p, const float *g, float *buffer, int64_t n, const oc_sgd *by);
};

#endif
