/* How a tensor lies in memory: data type, sizes and order. A value type of our own: copy it freely. Where oneDNN
 * computes, src/compute/dnnl turns it into a descriptor. */
#ifndef OC_COMPUTE_LAYOUT_H
#define OC_COMPUTE_LAYOUT_H

#include "kernels/map.h"
#include "tensor/tensor.h"

typedef enum oc_order {
    OC_ORDER_PLAIN,         /* row-major: PyTorch's contiguous */
    OC_ORDER_BLOCKED,       /* [N, C, H, W] with channels in blocks, which are innermost: oneDNN's nChw8c and the like.
                               The last block is filled up with zeros. */
    OC_ORDER_CHANNELS_LAST, /* [N, C, H, W] stored as N, H, W, C */
    OC_ORDER_PACKED         /* a filter as one algorithm wants it; only that algorithm knows how it lies */
} oc_order;

/* All zero: absent. */
typedef struct oc_layout {
    oc_shape shape; /* the logical sizes; ndim 0: absent */
    oc_dtype dtype;
    oc_order order;
    int64_t block;       /* BLOCKED: channels in a block */
    const char *packing; /* PACKED: the algorithm's name for it, static */
    size_t bytes;        /* PACKED: its size */
} oc_layout;

/* Row-major layout of a shape of 1 … OC_MAX_DIMS sizes >= 1. */
oc_layout oc_layout_plain(oc_dtype dtype, const oc_shape *shape);
/* The same of one dimension. */
oc_layout oc_layout_vector(oc_dtype dtype, int64_t count);
/* Channels in blocks of `block` (>= 1; 1 is the plain layout). Shape [N, C, H, W]. */
oc_layout oc_layout_blocked(oc_dtype dtype, const oc_shape *shape, int64_t block);
/* Channels last. Shape [N, C, H, W]. */
oc_layout oc_layout_channels_last(oc_dtype dtype, const oc_shape *shape);
/* A filter of `shape` packed into `bytes` (>= 1) bytes; `packing` is static. */
oc_layout oc_layout_packed(const char *packing, const oc_shape *shape, size_t bytes);

bool oc_layout_absent(const oc_layout *layout);
bool oc_layout_equal(const oc_layout *a, const oc_layout *b);

/* Bytes, padding of blocks included; 0 for an absent one. */
size_t oc_layout_bytes(const oc_layout *layout);
/* Elements, padding of blocks included. Not for packed ones. */
int64_t oc_layout_count(const oc_layout *layout);

/* "f32 aBcd8b" into text[size]; returns text. Lower case dimensions from the outermost on, then the block, as oneDNN's
 * format tags are written; a packed one by its name. */
const char *oc_layout_text(const oc_layout *layout, char *text, size_t size);

/* Sees [N, C, H, W], or [N, C] as maps of one pixel, of f32 or bf16 as kernels do; false for any other shape or type,
 * and for packed ones. */
bool oc_layout_map(const oc_layout *layout, oc_map *out);

/* `layout` [N, C, H, W] with the sizes of `shape`, in the same order. */
oc_layout oc_layout_resized(const oc_layout *layout, const oc_shape *shape);

#endif
