/* Gates. Each function is written once, and the compiler makes one of each kind. */
#include "kernels/gate.h"

#include "kernels/stored.h"

#define TILE 64 /* vectors */

typedef enum kind { SCALE, SELECT, JOIN } kind;

static kind kind_of(const oc_gate *g) {
    return g->join ? JOIN : g->b ? SELECT : SCALE;
}

/* The maps of an oc_gate, as they are stored. */
typedef struct maps {
    const oc_stored *a, *b, *diff_dst;
    oc_stored *dst, *diff_a, *diff_b;
    uint8_t *mask;
} maps;

static maps maps_of(const oc_gate *g) {
    return (maps){g->a, g->b, g->diff_dst, g->dst, g->diff_a, g->diff_b, g->mask};
}

/* ---- Forward ---- */

/* `count` vectors `stride` floats apart, from float `at` on. */
OC_INLINE void forward_lanes(const maps *g, const kind k, oc_floats s, oc_floats t, int64_t at, int64_t count,
                             int64_t stride) {
    for (int64_t p = 0, i = at; p < count; p++, i += stride) {
        oc_floats sum = oc_load_stored(g->a + i) * s;
        if (k == SELECT) sum += oc_load_stored(g->b + i) * t;
        if (k == JOIN) {
            sum += oc_load_stored(g->b + i);
            if (g->mask) oc_bytes_store(g->mask + i, (sum > 0) & 1);
            sum = oc_relu(sum);
        }
        oc_store_stored(g->dst + i, sum);
    }
}

/* The same of single floats: those that fill no vector. */
OC_INLINE void forward_channel(const maps *g, const kind k, float s, float t, int64_t at, int64_t count,
                               int64_t stride) {
    for (int64_t p = 0, i = at; p < count; p++, i += stride) {
        float sum = oc_widen(g->a[i]) * s;
        if (k == SELECT) sum += oc_widen(g->b[i]) * t;
        if (k == JOIN) {
            sum += oc_widen(g->b[i]);
            if (g->mask) g->mask[i] = sum > 0;
            if (sum < 0) sum = 0;
        }
        g->dst[i] = oc_narrow(sum);
    }
}

OC_INLINE void forward_part(const maps *g, const kind k, const float *s, const float *t, int64_t pixels,
                            int64_t block) {
    if (block == 1) {
        const int64_t whole = pixels / OC_LANES;
        const float of_b = k == SELECT ? *t : 0;
        forward_lanes(g, k, oc_broadcast(*s), oc_broadcast(of_b), 0, whole, OC_LANES);
        forward_channel(g, k, *s, of_b, whole * OC_LANES, pixels - whole * OC_LANES, 1);
        return;
    }
    int64_t c = 0;
    if (block == OC_LANES) { /* the common case, with a stride that the compiler knows */
        forward_lanes(g, k, oc_load(s), k == SELECT ? oc_load(t) : oc_load(s), 0, pixels, OC_LANES);
        return;
    }
    for (; c + OC_LANES <= block; c += OC_LANES)
        forward_lanes(g, k, oc_load(s + c), k == SELECT ? oc_load(t + c) : oc_load(s + c), c, pixels, block);
    for (; c < block; c++) forward_channel(g, k, s[c], k == SELECT ? t[c] : 0, c, pixels, block);
}

static void forward(const oc_gate *gate, const float *s, const float *t, int64_t pixels, int64_t block) {
    const maps g = maps_of(gate);
    switch (kind_of(gate)) {
    case SCALE:
        forward_part(&g, SCALE, s, t, pixels, block);
        break;
    case SELECT:
        forward_part(&g, SELECT, s, t, pixels, block);
        break;
    case JOIN:
        forward_part(&g, JOIN, s, t, pixels, block);
        break;
    }
}

/* ---- Backward ---- */

OC_INLINE oc_floats backward_vector(const maps *g, const kind k, oc_floats s, oc_floats t, int64_t i) {
    oc_floats diff = oc_load_stored(g->diff_dst + i);
    oc_floats share = oc_load_stored(g->a + i);
    if (k == JOIN) diff = (oc_floats)((oc_ints)diff & (oc_bytes_load(g->mask + i) != 0));
    if (k == SELECT) share -= oc_load_stored(g->b + i);
    share *= diff;
    oc_store_stored(g->diff_a + i, diff * s);
    if (k == SELECT) oc_store_stored(g->diff_b + i, diff * t);
    if (k == JOIN && g->diff_b) oc_store_stored(g->diff_b + i, diff);
    return share;
}

/* `count` (at most TILE) vectors; sums[OC_LANES] += their shares. */
OC_INLINE void backward_tile(const maps *g, const kind k, oc_floats s, oc_floats t, int64_t at, int64_t count,
                             int64_t stride, double *sums) {
    oc_floats sum[4] = {{0}};
    int64_t p = 0, i = at;
    for (; p + 4 <= count; p += 4)
        for (int c = 0; c < 4; c++, i += stride) sum[c] += backward_vector(g, k, s, t, i);
    for (; p < count; p++, i += stride) sum[0] += backward_vector(g, k, s, t, i);
    sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (int c = 0; c < OC_LANES; c++) sums[c] += (double)sum[0][c];
}

OC_INLINE void backward_lanes(const maps *g, const kind k, oc_floats s, oc_floats t, int64_t at, int64_t count,
                              int64_t stride, double *sums) {
    for (int64_t p = 0; p < count; p += TILE)
        backward_tile(g, k, s, t, at + p * stride, count - p < TILE ? count - p : TILE, stride, sums);
}

OC_INLINE void backward_channel(const maps *g, const kind k, float s, float t, int64_t at, int64_t count,
                                int64_t stride, double *sum) {
    for (int64_t p = 0, i = at; p < count; p++, i += stride) {
        const float diff = k == JOIN && !g->mask[i] ? 0 : oc_widen(g->diff_dst[i]);
        const double a = oc_widen(g->a[i]);
        *sum += (double)diff * (k == SELECT ? a - (double)oc_widen(g->b[i]) : a);
        g->diff_a[i] = oc_narrow(diff * s);
        if (k == SELECT) g->diff_b[i] = oc_narrow(diff * t);
        if (k == JOIN && g->diff_b) g->diff_b[i] = oc_narrow(diff);
    }
}

OC_INLINE void backward_part(const maps *g, const kind k, const float *s, const float *t, int64_t pixels, int64_t block,
                             double *sums) {
    if (block == 1) {
        const int64_t whole = pixels / OC_LANES;
        const float of_b = k == SELECT ? *t : 0;
        double lanes[OC_LANES] = {0};
        backward_lanes(g, k, oc_broadcast(*s), oc_broadcast(of_b), 0, whole, OC_LANES, lanes);
        for (int i = 0; i < OC_LANES; i++) *sums += lanes[i];
        backward_channel(g, k, *s, of_b, whole * OC_LANES, pixels - whole * OC_LANES, 1, sums);
        return;
    }
    int64_t c = 0;
    for (; c + OC_LANES <= block; c += OC_LANES)
        backward_lanes(g, k, oc_load(s + c), k == SELECT ? oc_load(t + c) : oc_load(s + c), c, pixels, block, sums + c);
    for (; c < block; c++) backward_channel(g, k, s[c], k == SELECT ? t[c] : 0, c, pixels, block, sums + c);
}

static void backward(const oc_gate *gate, const float *s, const float *t, int64_t pixels, int64_t block, double *sums) {
    const maps g = maps_of(gate);
    switch (kind_of(gate)) {
    case SCALE:
        backward_part(&g, SCALE, s, t, pixels, block, sums);
        break;
    case SELECT:
        backward_part(&g, SELECT, s, t, pixels, block, sums);
        break;
    case JOIN:
        backward_part(&g, JOIN, s, t, pixels, block, sums);
        break;
    }
}

const oc_gate_kernels OC_GATE_KERNELS = {.forward = forward, .backward = backward};
