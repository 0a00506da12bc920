/* Gates: a sigmoid, a feature map times a gate for each channel (scale), and the choice between two maps by a softmax
 * over two (select). The maps are passed over once, at the speed of memory; the gates are small, may lie in another
 * layout, and are first laid out as the map's channels are, with zeros for its padding.
 *
 * A gate's gradient is a sum over pixels: tiles of a few dozen are summed in single precision in a fixed order, tiles
 * in double precision. Each image's share of a block of channels is summed by one thread. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "compute/internal.h"
#include "compute/kernels.h"
#include "compute/vector.h"

#define TILE 64 /* pixels, or vectors of a plain layout */

#define LANES 8 /* channels at a time; pixels of a plain layout */
typedef float floats __attribute__((vector_size(4 * LANES)));
typedef float floats_at __attribute__((vector_size(4 * LANES), aligned(4), may_alias)); /* in memory, anywhere */

#define INLINE static inline __attribute__((always_inline))

static const floats_at *at(const float *data) {
    return (const floats_at *)data;
}

/* ---- Small tensors [N, C, 1, 1] beside a map ---- */

/* Where channel c of image n lies. */
static int64_t place(const oc_map *p, int64_t n, int64_t c) {
    return n * p->image_stride + c / p->block * p->block_stride + c % p->block;
}

/* The map's channels of one image, with its padding. */
static int64_t row_of(const oc_primitive *work) {
    return work->pixels.blocks * work->pixels.block;
}

/* The scratchpad: for each image and channel of the map a sum, and `sources − 1` gates. */
static double *sums_of(const oc_primitive *work, int64_t n) {
    return (double *)work->data[OC_SLOT_SCRATCHPAD] + n * row_of(work);
}

static float *gates_of(const oc_primitive *work, int index, int64_t n) {
    const int64_t all = work->pixels.images * row_of(work);
    return (float *)((double *)work->data[OC_SLOT_SCRATCHPAD] + all) + index * all + n * row_of(work);
}

static void run_images(const oc_primitive *work, oc_task_fn task) {
    oc_parallel_for(work->engine->team, work->pixels.images, 1, task, (void *)(uintptr_t)work);
}

static void run_blocks(const oc_primitive *work, oc_task_fn task) {
    oc_parallel_for(work->engine->team, work->pixels.images * work->pixels.blocks, 1, task, (void *)(uintptr_t)work);
}

static oc_status create(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                        void (*kernel)(const oc_primitive *work), int sources, const oc_layout *src,
                        const oc_layout *small, oc_error *err) {
    oc_status status = OC_OK;
    oc_map map, gate;
    *out = NULL;
    if (!oc_layout_map(src, &map)) return oc_layout_refuse(err, layer, what, src);
    if (!oc_layout_map(small, &gate)) return oc_layout_refuse(err, layer, what, small);
    OC_TRY(oc_primitive_own(out, engine, layer, what, kernel, err));
    oc_primitive *work = *out;
    work->pixels = map;
    work->dst_pixels = gate;
    work->sources = sources;
    for (int i = 0; i < sources - 1; i++) work->layout[OC_SLOT_SRC + i] = *src;
    work->layout[OC_SLOT_SRC + sources - 1] = *small;
    oc_shape scratch = oc_shape_make(1, map.images * row_of(work) * (2 + sources - 1));
    work->layout[OC_SLOT_SCRATCHPAD] = oc_layout_plain(OC_F32, &scratch);
cleanup:
    return status;
}

/* One image's share of one block of channels, as a task sees it: pointers into map, gates and sums. */
typedef struct part {
    int64_t map, channel, n; /* element of the map, first channel, image */
} part;

static part part_of(const oc_map *p, int64_t i) {
    int64_t n = i / p->blocks, cb = i % p->blocks;
    return (part){n * p->image_stride + cb * p->block_stride, cb * p->block, n};
}

/* ---- Scale ---- */

INLINE void scale_pixels(float *dst, const float *src, const float *gate, int64_t pixels, int64_t block) {
    for (int64_t p = 0; p < pixels; p++, dst += block, src += block) {
        int64_t c = 0;
        for (; c + LANES <= block; c += LANES) *(floats_at *)(dst + c) = *at(src + c) * *at(gate + c);
        for (; c < block; c++) dst[c] = src[c] * gate[c];
    }
}

OC_CLONES static void scale_forward(float *dst, const float *src, const float *gate, int64_t pixels, int64_t block) {
    if (block == LANES) {
        scale_pixels(dst, src, gate, pixels, LANES);
    } else if (block > 1) {
        scale_pixels(dst, src, gate, pixels, block);
    } else {
        const float g = *gate;
        OC_INDEPENDENT
        for (int64_t p = 0; p < pixels; p++) dst[p] = src[p] * g;
    }
}

INLINE void scale_vector(float *diff_src, const float *diff, const float *src, const floats *gate, floats *sum) {
    floats d = *at(diff);
    *sum += d * *at(src);
    *(floats_at *)diff_src = d * *gate;
}

/* `pixels` times LANES floats, `block` apart; sums += Σ diff·src. */
INLINE void scale_lanes(float *diff_src, const float *diff, const float *src, const float *gate, int64_t pixels,
                        int64_t block, double *sums) {
    floats sum[4] = {{0}}, g = *at(gate);
    int64_t p = 0, i = 0;
    for (; p + 4 <= pixels; p += 4)
        for (int k = 0; k < 4; k++, i += block) scale_vector(diff_src + i, diff + i, src + i, &g, &sum[k]);
    for (; p < pixels; p++, i += block) scale_vector(diff_src + i, diff + i, src + i, &g, &sum[0]);
    sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (int c = 0; c < LANES; c++) sums[c] += sum[0][c];
}

/* The same of one channel: those that fill no vector. */
INLINE void scale_channel(float *diff_src, const float *diff, const float *src, float gate, int64_t pixels,
                          int64_t block, double *sum) {
    for (int64_t i = 0; i < pixels * block; i += block) {
        float d = diff[i];
        *sum += (double)d * src[i];
        diff_src[i] = d * gate;
    }
}

OC_CLONES static void scale_backward(float *diff_src, const float *diff, const float *src, const float *gate,
                                     int64_t pixels, int64_t block, double *sums) {
    if (block == 1) {
        const float same[LANES] = {*gate, *gate, *gate, *gate, *gate, *gate, *gate, *gate};
        const int64_t whole = pixels / LANES;
        double lanes[LANES] = {0};
        for (int64_t v = 0; v < whole; v += TILE) {
            const int64_t i = v * LANES;
            scale_lanes(diff_src + i, diff + i, src + i, same, whole - v < TILE ? whole - v : TILE, LANES, lanes);
        }
        for (int i = 0; i < LANES; i++) *sums += lanes[i];
        const int64_t i = whole * LANES;
        scale_channel(diff_src + i, diff + i, src + i, *gate, pixels - i, 1, sums);
        return;
    }
    for (int64_t p = 0; p < pixels; p += TILE) {
        const int64_t i = p * block, count = pixels - p < TILE ? pixels - p : TILE;
        int64_t c = 0;
        for (; c + LANES <= block; c += LANES)
            scale_lanes(diff_src + i + c, diff + i + c, src + i + c, gate + c, count, block, sums + c);
        for (; c < block; c++)
            scale_channel(diff_src + i + c, diff + i + c, src + i + c, gate[c], count, block, sums + c);
    }
}

/* Gates into the map's order. */
static void scale_gather(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const float *from = work->data[OC_SLOT_SRC_1];
    (void)worker;
    for (int64_t n = begin; n < end; n++) {
        float *gate = gates_of(work, 0, n);
        memset(gate, 0, (size_t)row_of(work) * sizeof *gate);
        for (int64_t c = 0; c < work->pixels.channels; c++) gate[c] = from[place(&work->dst_pixels, n, c)];
    }
}

static void scale_forward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const oc_map *p = &work->pixels;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        part here = part_of(p, i);
        scale_forward((float *)work->data[OC_SLOT_DST] + here.map, (const float *)work->data[OC_SLOT_SRC] + here.map,
                      gates_of(work, 0, here.n) + here.channel, p->h * p->w, p->block);
    }
}

static void scale_forward_kernel(const oc_primitive *work) {
    run_images(work, scale_gather);
    run_blocks(work, scale_forward_task);
}

oc_status oc_scale_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                  const oc_layout *gate, oc_error *err) {
    oc_status status = create(out, engine, layer, "gate forward", scale_forward_kernel, 2, src, gate, err);
    if (status == OC_OK) (*out)->layout[OC_SLOT_DST] = *src;
    return status;
}

static void scale_backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const oc_map *p = &work->pixels;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        part here = part_of(p, i);
        double *sums = sums_of(work, here.n) + here.channel;
        memset(sums, 0, (size_t)p->block * sizeof *sums);
        scale_backward((float *)work->data[OC_SLOT_DIFF_SRC] + here.map,
                       (const float *)work->data[OC_SLOT_DIFF_DST] + here.map,
                       (const float *)work->data[OC_SLOT_SRC] + here.map, gates_of(work, 0, here.n) + here.channel,
                       p->h * p->w, p->block, sums);
    }
}

static void scale_scatter(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const oc_map *g = &work->dst_pixels;
    float *to = work->data[OC_SLOT_DIFF_SRC_1];
    (void)worker;
    for (int64_t n = begin; n < end; n++) {
        const double *sums = sums_of(work, n);
        for (int64_t c = 0; c < g->channels; c++) to[place(g, n, c)] = (float)sums[c];
        for (int64_t c = g->channels; c < g->blocks * g->block; c++) to[place(g, n, c)] = 0;
    }
}

static void scale_backward_kernel(const oc_primitive *work) {
    run_images(work, scale_gather);
    run_blocks(work, scale_backward_task);
    run_images(work, scale_scatter);
}

oc_status oc_scale_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                   const oc_layout *gate, oc_error *err) {
    oc_status status = create(out, engine, layer, "gate backward", scale_backward_kernel, 2, src, gate, err);
    if (status != OC_OK) return status;
    (*out)->layout[OC_SLOT_DIFF_DST] = (*out)->layout[OC_SLOT_DIFF_SRC] = *src;
    (*out)->layout[OC_SLOT_DIFF_SRC_1] = *gate;
    return OC_OK;
}

/* ---- Select ---- */

/* The share of the first of two scores, and of the second: neither overflows, and the smaller keeps its digits. */
static void shares(float first, float second, double *s, double *rest) {
    double d = (double)first - second, e = exp(-fabs(d)), larger = 1 / (1 + e), smaller = e / (1 + e);
    *s = d < 0 ? smaller : larger;
    *rest = d < 0 ? larger : smaller;
}

INLINE void select_pixels(float *dst, const float *a, const float *b, const float *s, const float *rest, int64_t pixels,
                          int64_t block) {
    for (int64_t p = 0; p < pixels; p++, dst += block, a += block, b += block) {
        int64_t c = 0;
        for (; c + LANES <= block; c += LANES)
            *(floats_at *)(dst + c) = *at(a + c) * *at(s + c) + *at(b + c) * *at(rest + c);
        for (; c < block; c++) dst[c] = a[c] * s[c] + b[c] * rest[c];
    }
}

OC_CLONES static void select_forward(float *dst, const float *a, const float *b, const float *s, const float *rest,
                                     int64_t pixels, int64_t block) {
    if (block == LANES) {
        select_pixels(dst, a, b, s, rest, pixels, LANES);
    } else if (block > 1) {
        select_pixels(dst, a, b, s, rest, pixels, block);
    } else {
        const float of_a = *s, of_b = *rest;
        OC_INDEPENDENT
        for (int64_t p = 0; p < pixels; p++) dst[p] = a[p] * of_a + b[p] * of_b;
    }
}

/* What the backward pass goes over. */
typedef struct select_maps {
    float *diff_a, *diff_b;
    const float *diff, *a, *b;
} select_maps;

INLINE select_maps select_at(const select_maps *maps, int64_t i) {
    return (select_maps){maps->diff_a + i, maps->diff_b + i, maps->diff + i, maps->a + i, maps->b + i};
}

INLINE void select_vector(const select_maps *m, int64_t i, const floats *of_a, const floats *of_b, floats *sum) {
    floats d = *at(m->diff + i);
    *sum += d * (*at(m->a + i) - *at(m->b + i));
    *(floats_at *)(m->diff_a + i) = d * *of_a;
    *(floats_at *)(m->diff_b + i) = d * *of_b;
}

/* `pixels` times LANES floats, `block` apart; sums += Σ diff·(a − b). */
INLINE void select_lanes(select_maps m, const float *s, const float *rest, int64_t pixels, int64_t block,
                         double *sums) {
    floats sum[4] = {{0}}, of_a = *at(s), of_b = *at(rest);
    int64_t p = 0;
    for (; p + 4 <= pixels; p += 4)
        for (int k = 0; k < 4; k++) select_vector(&m, (p + k) * block, &of_a, &of_b, &sum[k]);
    for (; p < pixels; p++) select_vector(&m, p * block, &of_a, &of_b, &sum[0]);
    sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (int i = 0; i < LANES; i++) sums[i] += sum[0][i];
}

/* The same of one channel: those that fill no vector. */
INLINE void select_channel(select_maps m, float s, float rest, int64_t pixels, int64_t block, double *sum) {
    for (int64_t i = 0; i < pixels * block; i += block) {
        float d = m.diff[i];
        *sum += (double)d * ((double)m.a[i] - m.b[i]);
        m.diff_a[i] = d * s;
        m.diff_b[i] = d * rest;
    }
}

OC_CLONES static void select_backward(const select_maps *maps, const float *s, const float *rest, int64_t pixels,
                                      int64_t block, double *sums) {
    if (block == 1) {
        const float of_a[LANES] = {*s, *s, *s, *s, *s, *s, *s, *s};
        const float of_b[LANES] = {*rest, *rest, *rest, *rest, *rest, *rest, *rest, *rest};
        const int64_t whole = pixels / LANES;
        double lanes[LANES] = {0};
        for (int64_t v = 0; v < whole; v += TILE)
            select_lanes(select_at(maps, v * LANES), of_a, of_b, whole - v < TILE ? whole - v : TILE, LANES, lanes);
        for (int i = 0; i < LANES; i++) *sums += lanes[i];
        select_channel(select_at(maps, whole * LANES), *s, *rest, pixels - whole * LANES, 1, sums);
        return;
    }
    for (int64_t p = 0; p < pixels; p += TILE) {
        const int64_t count = pixels - p < TILE ? pixels - p : TILE;
        int64_t c = 0;
        for (; c + LANES <= block; c += LANES)
            select_lanes(select_at(maps, p * block + c), s + c, rest + c, count, block, sums + c);
        for (; c < block; c++) select_channel(select_at(maps, p * block + c), s[c], rest[c], count, block, sums + c);
    }
}

static void select_gather(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const float *scores = work->data[OC_SLOT_SRC_2];
    const int64_t channels = work->pixels.channels;
    (void)worker;
    for (int64_t n = begin; n < end; n++) {
        float *s = gates_of(work, 0, n), *rest = gates_of(work, 1, n);
        memset(s, 0, (size_t)row_of(work) * sizeof *s);
        memset(rest, 0, (size_t)row_of(work) * sizeof *rest);
        for (int64_t c = 0; c < channels; c++) {
            double of_a, of_b;
            shares(scores[place(&work->dst_pixels, n, c)], scores[place(&work->dst_pixels, n, channels + c)], &of_a,
                   &of_b);
            s[c] = (float)of_a;
            rest[c] = (float)of_b;
        }
    }
}

static void select_forward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const oc_map *p = &work->pixels;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        part here = part_of(p, i);
        select_forward((float *)work->data[OC_SLOT_DST] + here.map, (const float *)work->data[OC_SLOT_SRC] + here.map,
                       (const float *)work->data[OC_SLOT_SRC_1] + here.map, gates_of(work, 0, here.n) + here.channel,
                       gates_of(work, 1, here.n) + here.channel, p->h * p->w, p->block);
    }
}

static void select_forward_kernel(const oc_primitive *work) {
    run_images(work, select_gather);
    run_blocks(work, select_forward_task);
}

oc_status oc_select_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                   const oc_layout *scores, oc_error *err) {
    oc_status status = create(out, engine, layer, "selection forward", select_forward_kernel, 3, src, scores, err);
    if (status == OC_OK) (*out)->layout[OC_SLOT_DST] = *src;
    return status;
}

static void select_backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const oc_map *p = &work->pixels;
    const select_maps whole = {work->data[OC_SLOT_DIFF_SRC], work->data[OC_SLOT_DIFF_SRC_1],
                               work->data[OC_SLOT_DIFF_DST], work->data[OC_SLOT_SRC], work->data[OC_SLOT_SRC_1]};
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        part here = part_of(p, i);
        double *sums = sums_of(work, here.n) + here.channel;
        select_maps maps = select_at(&whole, here.map);
        memset(sums, 0, (size_t)p->block * sizeof *sums);
        select_backward(&maps, gates_of(work, 0, here.n) + here.channel, gates_of(work, 1, here.n) + here.channel,
                        p->h * p->w, p->block, sums);
    }
}

/* Through the softmax: ∂s/∂t₀ = s·(1 − s) = −∂s/∂t₁. */
static void select_scatter(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const oc_map *g = &work->dst_pixels;
    const float *scores = work->data[OC_SLOT_SRC_2];
    float *to = work->data[OC_SLOT_DIFF_SRC_2];
    const int64_t channels = work->pixels.channels;
    (void)worker;
    for (int64_t n = begin; n < end; n++) {
        const double *sums = sums_of(work, n);
        for (int64_t c = 0; c < channels; c++) {
            double of_a, of_b;
            const int64_t first = place(g, n, c), second = place(g, n, channels + c);
            shares(scores[first], scores[second], &of_a, &of_b);
            to[first] = (float)(of_a * of_b * sums[c]);
            to[second] = -to[first];
        }
        for (int64_t c = g->channels; c < g->blocks * g->block; c++) to[place(g, n, c)] = 0;
    }
}

static void select_backward_kernel(const oc_primitive *work) {
    run_images(work, select_gather);
    run_blocks(work, select_backward_task);
    run_images(work, select_scatter);
}

oc_status oc_select_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                    const oc_layout *scores, oc_error *err) {
    oc_status status = create(out, engine, layer, "selection backward", select_backward_kernel, 3, src, scores, err);
    if (status != OC_OK) return status;
    (*out)->layout[OC_SLOT_DIFF_DST] = (*out)->layout[OC_SLOT_DIFF_SRC] = *src;
    (*out)->layout[OC_SLOT_DIFF_SRC_1] = *src;
    (*out)->layout[OC_SLOT_DIFF_SRC_2] = *scores;
    return OC_OK;
}
