/* What both sources of the direct convolution (direct.h) share: which channels and pixels meet. */
#ifndef OC_KERNELS_DIRECT_PARTS_H
#define OC_KERNELS_DIRECT_PARTS_H

#include "kernels/direct.h"
#include "kernels/stored.h"

#define OC_TAPS 256 /* of a filter's row or column; longer ones go by elements */

extern const oc_direct_weights_kernels OC_DIRECT_WEIGHTS;

/* The map that is read and the one that is written. */
OC_INLINE const oc_map *oc_from_of(const oc_direct *c) {
    return c->data ? &c->dst : &c->src;
}

OC_INLINE const oc_map *oc_to_of(const oc_direct *c) {
    return c->data ? &c->src : &c->dst;
}

/* Channels of a group in the map that is read, and in the one that is written. */
OC_INLINE int64_t oc_inputs_of(const oc_direct *c) {
    return oc_from_of(c)->channels / c->groups;
}

OC_INLINE int64_t oc_outputs_of(const oc_direct *c) {
    return oc_to_of(c)->channels / c->groups;
}

OC_INLINE int64_t oc_channel_at(const oc_map *map, int64_t c) {
    return c / map->block * map->block_stride + c % map->block;
}

OC_INLINE int64_t oc_floor_divide(int64_t a, int64_t b) {
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/* Which pixel of the map that is read tap k meets at pixel p of the other; −1: none. */
OC_INLINE int64_t oc_met(const oc_direct *c, int64_t k, int64_t p, int64_t read) {
    int64_t at = c->data ? p + c->pad - k * c->dilation : p * c->stride + k * c->dilation - c->pad;
    if (c->data) {
        if (at < 0 || at % c->stride) return -1;
        at /= c->stride;
    }
    return at < read ? at : -1;
}

#if defined OC_LEVEL_AVX512
OC_INLINE oc_floats oc_permute(oc_floats v, oc_ints index) {
    return (oc_floats)_mm512_permutexvar_ps((__m512i)index, (__m512)v);
}
#elif defined OC_LEVEL_AVX2
OC_INLINE oc_floats oc_permute(oc_floats v, oc_ints index) {
    return (oc_floats)_mm256_permutevar8x32_ps((__m256)v, (__m256i)index);
}
#else
OC_INLINE oc_floats oc_permute(oc_floats v, oc_ints index) {
    oc_floats to;
    for (int l = 0; l < OC_LANES; l++) to[l] = v[index[l]];
    return to;
}
#endif

/* For each lane, the place of input i of its group. */
OC_INLINE oc_ints oc_lane_inputs(int64_t inputs, int64_t i) {
    oc_ints index;
    for (int l = 0; l < OC_LANES; l++) index[l] = (int32_t)(l / inputs * inputs + i);
    return index;
}

#endif
