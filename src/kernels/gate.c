/* Gates. Each function is written once, for one source or two, and the compiler makes both. */
#include "kernels/gate.h"

#include <stdbool.h>

#include "kernels/stored.h"

#define TILE 64 /* vectors */

/* The maps of an oc_gate, as they are stored. */
typedef struct maps {
    const oc_stored *a, *b, *diff_dst;
    oc_stored *dst, *diff_a, *diff_b;
} maps;

static maps maps_of(const oc_gate *g) {
    return (maps){g->a, g->b, g->diff_dst, g->dst, g->diff_a, g->diff_b};
}

/* ---- Forward ---- */

/* `count` vectors `stride` floats apart, from float `at` on. */
OC_INLINE void forward_lanes(const maps *g, bool two, oc_floats s, oc_floats t, int64_t at, int64_t count,
                             int64_t stride) {
    for (int64_t p = 0, i = at; p < count; p++, i += stride) {
        oc_floats sum = oc_load_stored(g->a + i) * s;
        if (two) sum += oc_load_stored(g->b + i) * t;
        oc_store_stored(g->dst + i, sum);
    }
}

/* The same of single floats: those that fill no vector. */
OC_INLINE void forward_channel(const maps *g, bool two, float s, float t, int64_t at, int64_t count, int64_t stride) {
    for (int64_t p = 0, i = at; p < count; p++, i += stride) {
        float sum = oc_widen(g->a[i]) * s;
        if (two) sum += oc_widen(g->b[i]) * t;
        g->dst[i] = oc_narrow(sum);
    }
}

OC_INLINE void forward_part(const maps *g, bool two, const float *s, const float *t, int64_t pixels, int64_t block) {
    if (block == 1) {
        const int64_t whole = pixels / OC_LANES;
        const float of_b = two ? *t : 0;
        forward_lanes(g, two, oc_broadcast(*s), oc_broadcast(of_b), 0, whole, OC_LANES);
        forward_channel(g, two, *s, of_b, whole * OC_LANES, pixels - whole * OC_LANES, 1);
        return;
    }
    int64_t c = 0;
    if (block == OC_LANES) { /* the common case, with a stride that the compiler knows */
        forward_lanes(g, two, oc_load(s), two ? oc_load(t) : oc_load(s), 0, pixels, OC_LANES);
        return;
    }
    for (; c + OC_LANES <= block; c += OC_LANES)
        forward_lanes(g, two, oc_load(s + c), two ? oc_load(t + c) : oc_load(s + c), c, pixels, block);
    for (; c < block; c++) forward_channel(g, two, s[c], two ? t[c] : 0, c, pixels, block);
}

static void forward(const oc_gate *gate, const float *s, const float *t, int64_t pixels, int64_t block) {
    const maps g = maps_of(gate);
    if (g.b)
        forward_part(&g, true, s, t, pixels, block);
    else
        forward_part(&g, false, s, t, pixels, block);
}

/* ---- Backward ---- */

OC_INLINE oc_floats backward_vector(const maps *g, bool two, oc_floats s, oc_floats t, int64_t i) {
    const oc_floats diff = oc_load_stored(g->diff_dst + i);
    oc_floats share = oc_load_stored(g->a + i);
    if (two) share -= oc_load_stored(g->b + i);
    share *= diff;
    oc_store_stored(g->diff_a + i, diff * s);
    if (two) oc_store_stored(g->diff_b + i, diff * t);
    return share;
}

/* `count` (at most TILE) vectors; sums[OC_LANES] += their shares. */
OC_INLINE void backward_tile(const maps *g, bool two, oc_floats s, oc_floats t, int64_t at, int64_t count,
                             int64_t stride, double *sums) {
    oc_floats sum[4] = {{0}};
    int64_t p = 0, i = at;
    for (; p + 4 <= count; p += 4)
        for (int k = 0; k < 4; k++, i += stride) sum[k] += backward_vector(g, two, s, t, i);
    for (; p < count; p++, i += stride) sum[0] += backward_vector(g, two, s, t, i);
    sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (int c = 0; c < OC_LANES; c++) sums[c] += (double)sum[0][c];
}

OC_INLINE void backward_lanes(const maps *g, bool two, oc_floats s, oc_floats t, int64_t at, int64_t count,
                              int64_t stride, double *sums) {
    for (int64_t p = 0; p < count; p += TILE)
        backward_tile(g, two, s, t, at + p * stride, count - p < TILE ? count - p : TILE, stride, sums);
}

OC_INLINE void backward_channel(const maps *g, bool two, float s, float t, int64_t at, int64_t count, int64_t stride,
                                double *sum) {
    for (int64_t p = 0, i = at; p < count; p++, i += stride) {
        const float diff = oc_widen(g->diff_dst[i]);
        const double a = oc_widen(g->a[i]);
        *sum += (double)diff * (two ? a - (double)oc_widen(g->b[i]) : a);
        g->diff_a[i] = oc_narrow(diff * s);
        if (two) g->diff_b[i] = oc_narrow(diff * t);
    }
}

OC_INLINE void backward_part(const maps *g, bool two, const float *s, const float *t, int64_t pixels, int64_t block,
                             double *sums) {
    if (block == 1) {
        const int64_t whole = pixels / OC_LANES;
        const float of_b = two ? *t : 0;
        double lanes[OC_LANES] = {0};
        backward_lanes(g, two, oc_broadcast(*s), oc_broadcast(of_b), 0, whole, OC_LANES, lanes);
        for (int i = 0; i < OC_LANES; i++) *sums += lanes[i];
        backward_channel(g, two, *s, of_b, whole * OC_LANES, pixels - whole * OC_LANES, 1, sums);
        return;
    }
    int64_t c = 0;
    for (; c + OC_LANES <= block; c += OC_LANES)
        backward_lanes(g, two, oc_load(s + c), two ? oc_load(t + c) : oc_load(s + c), c, pixels, block, sums + c);
    for (; c < block; c++) backward_channel(g, two, s[c], two ? t[c] : 0, c, pixels, block, sums + c);
}

static void backward(const oc_gate *gate, const float *s, const float *t, int64_t pixels, int64_t block, double *sums) {
    const maps g = maps_of(gate);
    if (g.b)
        backward_part(&g, true, s, t, pixels, block, sums);
    else
        backward_part(&g, false, s, t, pixels, block, sums);
}

const oc_gate_kernels OC_GATE_KERNELS = {.forward = forward, .backward = backward};
