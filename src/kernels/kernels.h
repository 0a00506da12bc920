/* The tables of our own kernels: loops over arrays, one table of functions for each instruction set and each storage of
 * feature maps. A family is one header (its contract) and one source, compiled for every level over lanes.h and, if it
 * concerns maps, for every storage over stored.h; its functions know arrays, counts and strides, and nothing of layers,
 * threads or oneDNN. Who calls them divides the work among threads, in such a way that the result does not depend on
 * how many there are.
 *
 * Maps are `void *` in the headers: arrays of float, or of bfloat16 (uint16_t) in the tables for that. All arithmetic
 * is in float, but for products of bfloat16 where the name says so, and whatever is no map (parameters, their
 * gradients, statistics, sums) is float in every table. */
#ifndef OC_KERNELS_KERNELS_H
#define OC_KERNELS_KERNELS_H

#include "base/cpu.h"

typedef struct oc_copy_kernels oc_copy_kernels;
typedef struct oc_direct_kernels oc_direct_kernels;
typedef struct oc_direct_weights_kernels oc_direct_weights_kernels;
typedef struct oc_elementwise_kernels oc_elementwise_kernels;
typedef struct oc_gate_kernels oc_gate_kernels;
typedef struct oc_im2col_kernels oc_im2col_kernels;
typedef struct oc_image_kernels oc_image_kernels;
typedef struct oc_loss_kernels oc_loss_kernels;
typedef struct oc_norm_kernels oc_norm_kernels;
typedef struct oc_optimizer_kernels oc_optimizer_kernels;
typedef struct oc_peak_kernels oc_peak_kernels;
typedef struct oc_pool_kernels oc_pool_kernels;
typedef struct oc_winograd_kernels oc_winograd_kernels;

/* How the numbers of maps lie in memory. */
typedef enum oc_storage { OC_STORAGE_F32, OC_STORAGE_BF16, OC_STORAGES } oc_storage;

/* One level's kernels for one storage. */
typedef struct oc_kernels {
    const char *name; /* of the instruction set they are compiled for */
    int lanes;        /* floats in a vector: channels in a block of activations */
    const oc_copy_kernels *copy;
    const oc_direct_kernels *direct;
    const oc_elementwise_kernels *elementwise;
    const oc_gate_kernels *gate;
    const oc_im2col_kernels *im2col;
    const oc_image_kernels *image;
    const oc_loss_kernels *loss;
    const oc_norm_kernels *norm;
    const oc_optimizer_kernels *optimizer;
    const oc_peak_kernels *peak;
    const oc_pool_kernels *pool;
    const oc_winograd_kernels *winograd;
    /* The same with products of bfloat16, for maps of it; NULL where the level does not multiply bfloat16. */
    const oc_direct_weights_kernels *direct_weights_bf16;
    const oc_im2col_kernels *im2col_bf16;
    const oc_winograd_kernels *winograd_bf16;
} oc_kernels;

/* The table of a level; running it needs a processor of that level. */
const oc_kernels *oc_kernels_at(oc_cpu_level level, oc_storage storage);

/* The table of oc_cpu_level_now() for arrays and maps of float: ask once and keep it. */
const oc_kernels *oc_kernels_now(void);

#endif
