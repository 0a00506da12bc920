/* How a tensor lies in memory: data type, sizes and order, wrapping oneDNN's memory descriptor, which stays inside
 * this folder. A value type: copy it freely. */
#ifndef OC_COMPUTE_LAYOUT_H
#define OC_COMPUTE_LAYOUT_H

#include "tensor/tensor.h"

/* All zero: absent. */
typedef struct oc_layout {
    _Alignas(8) unsigned char opaque[768];
} oc_layout;

/* Row-major (PyTorch's contiguous) layout of a shape of 1 … OC_MAX_DIMS sizes >= 1; dtype OC_F32, OC_BF16, OC_I32,
 * OC_I8 or OC_U8. */
oc_layout oc_layout_plain(oc_dtype dtype, const oc_shape *shape);

/* "You choose": only for arguments of primitives' creation. */
oc_layout oc_layout_any(oc_dtype dtype, const oc_shape *shape);

/* The layout in which dense convolutions are fastest on this processor: channels in blocks of one vector, nChw16c with
 * AVX-512 and nChw8c without. Shape [N, C, H, W]. */
oc_layout oc_layout_blocked(oc_dtype dtype, const oc_shape *shape);

bool oc_layout_absent(const oc_layout *layout);
bool oc_layout_equal(const oc_layout *a, const oc_layout *b);

/* Bytes, padding of blocked dimensions included; 0 for an absent one. */
size_t oc_layout_bytes(const oc_layout *layout);

/* The logical sizes. */
oc_shape oc_layout_shape(const oc_layout *layout);

/* "f32 aBcd8b" into text[size]; returns text. Lower case dimensions in order of their strides, then the inner blocks,
 * as oneDNN's format tags are written. */
const char *oc_layout_text(const oc_layout *layout, char *text, size_t size);

#endif
