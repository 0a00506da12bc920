/* A convolution algorithm is a row of one table (table.c): what it is called, what it can do, what that is estimated to
 * cost, and how its primitives are made. Adding one is a file here and a row there.
 *
 * A problem is one pass of one convolution with the layouts that its activations have. Slots: forward SRC, WEIGHTS,
 * BIAS (if `bias`), SRC_1 … (one for each OC_POST_ADD, in the layout of dst), DST; backward by data DIFF_DST, WEIGHTS,
 * DIFF_SRC; backward by weights SRC, DIFF_DST, DIFF_WEIGHTS, DIFF_BIAS (if `bias`). Weights are PyTorch's [OC, IC/G,
 * KH, KW] in plain layout; an algorithm that wants them otherwise makes a second primitive that packs them, slots
 * WEIGHTS and DST, and takes the packed layout in its own slot WEIGHTS. Gradients of weights leave plain. */
#ifndef OC_COMPUTE_CONV_ALGORITHM_H
#define OC_COMPUTE_CONV_ALGORITHM_H

#include "compute/conv/conv.h"

/* The largest error of a sum over 256 channels of normal numbers, of the largest value. */
typedef enum oc_conv_exactness {
    OC_CONV_DIRECT, /* 2.5e-7; where products are of bfloat16 what rounding their factors makes, 3e-3 */
    OC_CONV_FINE,   /* 4e-7: F(2×2, 3×3) */
    OC_CONV_COARSE, /* 1 to 2e-6: F(4×4, 3×3) */
    OC_CONV_HALF    /* 4 to 5e-3: F(2×2, 3×3) whose factors are rounded to bfloat16, after the transforms */
} oc_conv_exactness;

struct oc_conv_algorithm {
    const char *name;
    /* How exact it is; the chooser takes a less exact one only for many images, see conv.c. */
    oc_conv_exactness exactness;
    /* Whether it can compute the problem in just these layouts on this engine. */
    bool (*supports)(oc_engine *engine, const oc_conv_problem *problem);
    /* An estimate of its time, in the multiply-adds that the processor could do meanwhile at its peak. */
    double (*cost)(const oc_engine *engine, const oc_conv_problem *problem);
    /* Makes the primitive and, where it wants packed weights, the one that packs them; *pack is NULL otherwise, and for
     * the pass by weights. Only for a supported problem. */
    oc_status (*create)(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                        const oc_conv_problem *problem, oc_error *err);
};

extern const oc_conv_algorithm oc_conv_dnnl_direct, oc_conv_dnnl_winograd, oc_conv_widened, oc_conv_winograd_2,
    oc_conv_winograd_4, oc_conv_winograd_2_bf16, oc_conv_product, oc_conv_product_bf16, oc_conv_direct;

/* Every algorithm, NULL-terminated, the one that supports everything last. */
extern const oc_conv_algorithm *const oc_conv_algorithms[];

/* What the chooser compares: algorithm `a`'s estimate and the time of moving the problem's data. HUGE_VAL when it does
 * not support the problem, or not well enough. */
double oc_conv_cost(oc_engine *engine, const oc_conv_algorithm *a, const oc_conv_problem *problem);

/* Multiply-adds of one pass as the definition counts them, without those that fall on padding pixels taken off. */
double oc_conv_macs(const oc_conv_problem *problem);
/* Bytes of source, result and weights together. */
double oc_conv_bytes(const oc_conv_problem *problem);
/* Moving so many bytes, in multiply-adds. */
double oc_conv_moving(double bytes);
/* Whether so many bytes, used again and again, are taken to stay in the last cache. */
bool oc_conv_cached(double bytes);

/* Static text for messages and plans, "convolution backward by data". */
const char *oc_conv_what(oc_conv_pass pass);

/* The plain layouts of weights and of a bias. */
oc_layout oc_conv_weights_layout(const oc_conv_problem *problem);
oc_layout oc_conv_bias_layout(const oc_conv_problem *problem);

#endif
