/* Winograd convolution (winograd.h): when to use it, and the forward pass and the backward pass by data, which are the
 * same kernel. */
#include <stdint.h>

#include "base/error.h"
#include "compute/kernels.h"
#include "compute/winograd.h"

/* Tiles in a chunk: V's and M's share of them stay in the second cache for few channels and in the third for many. */
#define CHUNK 96

static bool processor_can(void) {
#ifdef __x86_64__
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

/* Sees both maps as blocks of eight channels of equal height and width; false if they are not so. */
static bool maps_of(const oc_layout *src, const oc_layout *dst, oc_map *in, oc_map *out) {
    return oc_layout_map(src, in) && oc_layout_map(dst, out) && in->block == OC_LANES && out->block == OC_LANES &&
           in->images == out->images && in->h == out->h && in->w == out->w;
}

/* Measured on Zen 3 (AVX2), all passes together, against oneDNN 2.6.3's direct convolution at 75 to 95 % of the
 * processor's peak: 1.75 times as fast for 32 to 64 channels on 64×64 maps, 1.9 for 64 on 32×32, 2.1 for 128 to 256 on
 * 16×16 and for 256 on 8×8, 2.4 for 512 on 4×4, 2.2 on 2×2; 1.5 for 16 channels on 32×32. Two things eat the gain: the
 * transform of the kernels, where there are few tiles (1.3 with 32, 0.9 with 16), and tiles that hang over the edge
 * (1.2 to 1.3 on 5×5 maps, 1.1 to 1.3 on 3×3, the pass by data losing). */
#define CHANNELS_MIN 16
#define TILES_MIN 32
#define USEFUL_MIN 0.65 /* pixels of the map over pixels of the tiles */

bool oc_winograd_is_faster(const oc_conv_spec *spec, const oc_layout *src, const oc_layout *weights,
                           const oc_layout *dst) {
    oc_map in, out;
    const oc_shape kernel = oc_layout_shape(weights);
    if (!processor_can() || kernel.ndim != 4 || kernel.dim[2] != 3 || kernel.dim[3] != 3 || spec->stride != 1 ||
        spec->pad != 1 || spec->dilation != 1 || !maps_of(src, dst, &in, &out))
        return false;
    const int64_t tiles = oc_winograd_tiles(&in);
    return in.channels >= CHANNELS_MIN && out.channels >= CHANNELS_MIN && tiles >= TILES_MIN &&
           (double)(in.images * in.h * in.w) >= USEFUL_MIN * 4 * (double)tiles;
}

oc_status oc_winograd_work(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                           void (*kernel)(const oc_primitive *work), const oc_layout *src, const oc_layout *dst,
                           oc_error *err) {
    oc_map from, to;
    *out = NULL;
    if (!processor_can())
        return oc_fail(err, OC_E_COMPUTE, layer, "%s by Winograd's method needs a processor with AVX2 and FMA", what);
    if (!maps_of(src, dst, &from, &to)) return oc_layout_refuse(err, layer, what, src);
    oc_status status = oc_primitive_own(out, engine, layer, what, kernel, err);
    if (status != OC_OK) return status;
    (*out)->impl = "winograd";
    (*out)->pixels = from;
    (*out)->dst_pixels = to;
    return OC_OK;
}

oc_layout oc_winograd_floats(int64_t count) {
    const oc_shape shape = oc_shape_make(1, count);
    return oc_layout_plain(OC_F32, &shape);
}

oc_layout oc_winograd_plain_weights(int64_t oc, int64_t ic) {
    const oc_shape shape = oc_shape_make(4, oc, ic, 3, 3);
    return oc_layout_plain(OC_F32, &shape);
}

/* What the scratchpad holds, in floats: U, then for each worker four places of V and sixteen of M. Places and blocks of
 * columns are a little longer than what is in them, so that not all begin in the same set of a cache. */
typedef struct room {
    oc_winograd_filters kernels;
    int64_t u, column, v_place, m_place, worker;
} room;

static room room_of(const oc_primitive *work) {
    const oc_map *in = &work->pixels, *out = &work->dst_pixels;
    const bool turned = work->flag;
    room r = {{turned ? in->channels : out->channels, turned ? out->channels : in->channels, turned, 0}, 0, 0, 0, 0, 0};
    r.kernels.place = in->blocks * out->blocks * OC_LANES * OC_LANES + OC_WINOGRAD_GAP;
    r.u = OC_PLACES * r.kernels.place;
    r.column = (work->rows + OC_WINOGRAD_ROWS) * OC_LANES;
    r.v_place = in->blocks * r.column + OC_WINOGRAD_GAP;
    r.m_place = out->blocks * r.column + OC_WINOGRAD_GAP;
    r.worker = 4 * r.v_place + OC_PLACES * r.m_place;
    return r;
}

static void weights_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const room r = room_of(work);
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        oc_winograd_weights(&r.kernels, work->data[OC_SLOT_WEIGHTS], i / work->pixels.blocks, i % work->pixels.blocks,
                            work->data[OC_SLOT_SCRATCHPAD]);
}

static void chunk_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const oc_map *in = &work->pixels, *out = &work->dst_pixels;
    const float *src = work->data[work->flag ? OC_SLOT_DIFF_DST : OC_SLOT_SRC];
    oc_finish finish = {.posts = work->posts, .post = work->post};
    if (!oc_layout_absent(&work->layout[OC_SLOT_BIAS])) finish.bias = work->data[OC_SLOT_BIAS];
    for (int i = 0; i < OC_POSTS_MAX; i++) finish.added[i] = work->data[OC_SLOT_SRC_1 + i];
    float *dst = work->data[work->flag ? OC_SLOT_DIFF_SRC : OC_SLOT_DST];
    const room r = room_of(work);
    float *u = work->data[OC_SLOT_SCRATCHPAD], *v = u + r.u + worker * r.worker, *m = v + 4 * r.v_place;
    const int64_t u_block = in->blocks * OC_LANES * OC_LANES, all = oc_winograd_tiles(in);
    for (int64_t chunk = begin; chunk < end; chunk++) {
        const int64_t first = chunk * work->rows, last = all - first < work->rows ? all : first + work->rows;
        const oc_tiles from = {in, first, last}, to = {out, first, last};
        const int64_t rows = (last - first + OC_WINOGRAD_ROWS - 1) / OC_WINOGRAD_ROWS * OC_WINOGRAD_ROWS;
        for (int row = 0; row < 4; row++) {
            for (int64_t b = 0; b < in->blocks; b++)
                oc_winograd_source(&from, src, b, row, v + b * r.column, r.v_place, rows);
            for (int j = 0; j < 4; j++)
                oc_winograd_multiply(
                    (oc_matrix){m + (4 * row + j) * r.m_place, r.column}, (oc_matrix){v + j * r.v_place, r.column},
                    (oc_matrix){u + (4 * row + j) * r.kernels.place, u_block}, rows, in->blocks, out->blocks);
        }
        for (int64_t b = 0; b < out->blocks; b++) oc_winograd_result(&to, m + b * r.column, r.m_place, &finish, b, dst);
    }
}

static void kernel(const oc_primitive *work) {
    oc_team *team = work->engine->team;
    void *user = (void *)(uintptr_t)work;
    oc_parallel_for(team, work->pixels.blocks * work->dst_pixels.blocks, 1, weights_task, user);
    oc_parallel_for(team, work->count, 1, chunk_task, user);
}

/* Chunks of equal sizes, as many for each thread. */
static void divide(oc_primitive *work) {
    const int64_t all = oc_winograd_tiles(&work->pixels), threads = oc_team_threads(work->engine->team);
    const int64_t rounds = (all + threads * CHUNK - 1) / (threads * CHUNK), chunks = threads * rounds;
    const int64_t even = (all + chunks - 1) / chunks;
    work->rows = (even + OC_WINOGRAD_ROWS - 1) / OC_WINOGRAD_ROWS * OC_WINOGRAD_ROWS;
    work->count = (all + work->rows - 1) / work->rows;
    const room r = room_of(work);
    work->layout[OC_SLOT_SCRATCHPAD] = oc_winograd_floats(r.u + threads * r.worker);
}

oc_status oc_winograd_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_conv_spec *spec,
                                     const oc_layout *src, bool bias, const oc_layout *dst, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_winograd_work(out, engine, layer, "convolution forward", kernel, src, dst, err));
    (*out)->layout[OC_SLOT_SRC] = *src;
    (*out)->layout[OC_SLOT_DST] = *dst;
    (*out)->layout[OC_SLOT_WEIGHTS] = oc_winograd_plain_weights((*out)->dst_pixels.channels, (*out)->pixels.channels);
    if (bias) (*out)->layout[OC_SLOT_BIAS] = oc_winograd_floats((*out)->dst_pixels.channels);
    (*out)->posts = spec->posts;
    for (int i = 0, adds = 0; i < spec->posts; i++) {
        (*out)->post[i] = spec->post[i];
        if (spec->post[i] == OC_POST_ADD) (*out)->layout[OC_SLOT_SRC_1 + adds++] = *dst;
    }
    divide(*out);
cleanup:
    return status;
}

oc_status oc_winograd_backward_data_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                           const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_winograd_work(out, engine, layer, "convolution backward by data", kernel, diff_dst, diff_src, err));
    (*out)->flag = true;
    (*out)->layout[OC_SLOT_DIFF_DST] = *diff_dst;
    (*out)->layout[OC_SLOT_DIFF_SRC] = *diff_src;
    (*out)->layout[OC_SLOT_WEIGHTS] = oc_winograd_plain_weights((*out)->pixels.channels, (*out)->dst_pixels.channels);
    divide(*out);
cleanup:
    return status;
}
