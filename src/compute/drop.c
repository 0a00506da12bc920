/* What is dropped in training: whole images (stochastic depth) or single elements. An image's numbers are a stream of
 * their own and elements take them in PyTorch's order, so that they depend on neither threads nor layouts. The
 * workspace holds a factor for each image, or a byte for each element. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "compute/internal.h"
#include "compute/kernels.h"
#include "compute/vector.h"

OC_CLONES static void multiply(float *dst, const float *src, float factor, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dst[i] = src[i] * factor;
}

/* A product in either case: an infinity that is dropped shows as NaN, as in PyTorch. */
OC_CLONES static void multiply_kept(float *dst, const float *src, const uint8_t *kept, float factor, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dst[i] = src[i] * (kept[i] ? factor : 0.0F);
}

/* Image n of `from` times its factors into `to`. */
static void apply(const oc_primitive *work, oc_slot to, oc_slot from, int64_t n) {
    const int64_t first = n * work->rows;
    float *dst = (float *)work->data[to] + first;
    const float *src = (const float *)work->data[from] + first;
    if (work->flag)
        multiply_kept(dst, src, (const uint8_t *)work->data[OC_SLOT_WORKSPACE] + first, (float)work->number[1],
                      work->rows);
    else
        multiply(dst, src, ((const float *)work->data[OC_SLOT_WORKSPACE])[n], work->rows);
}

static bool keeps(const oc_primitive *work, oc_random *random) {
    return (double)oc_random_u32(random) * 0x1p-32 >= work->number[0];
}

static void draw(const oc_primitive *work, int64_t n) {
    const oc_draw *key = work->data[OC_SLOT_DRAW];
    const oc_map *p = &work->pixels;
    oc_random random;
    oc_random_init(&random, key->seed, OC_RANDOM_DROP, (uint32_t)key->step, work->stream << 32 | (uint64_t)n);
    if (!work->flag) {
        ((float *)work->data[OC_SLOT_WORKSPACE])[n] = keeps(work, &random) ? (float)work->number[1] : 0;
        return;
    }
    uint8_t *image = (uint8_t *)work->data[OC_SLOT_WORKSPACE] + n * work->rows;
    if (p->channels % p->block) memset(image, 0, (size_t)work->rows);
    for (int64_t c = 0; c < p->channels; c++) {
        uint8_t *channel = image + c / p->block * p->block_stride + c % p->block;
        for (int64_t i = 0; i < p->h * p->w; i++) channel[i * p->block] = keeps(work, &random);
    }
}

static void forward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    (void)worker;
    for (int64_t n = begin; n < end; n++) {
        draw(work, n);
        apply(work, OC_SLOT_DST, OC_SLOT_SRC, n);
    }
}

static void forward_kernel(const oc_primitive *work) {
    oc_parallel_for(work->engine->team, work->count, 1, forward_task, (void *)(uintptr_t)work);
}

static void backward_task(void *user, int64_t begin, int64_t end, int worker) {
    (void)worker;
    for (int64_t n = begin; n < end; n++) apply(user, OC_SLOT_DIFF_SRC, OC_SLOT_DIFF_DST, n);
}

static void backward_kernel(const oc_primitive *work) {
    oc_parallel_for(work->engine->team, work->count, 1, backward_task, (void *)(uintptr_t)work);
}

/* Sees [N, C] in plain layout as a map of one pixel. */
static bool see(const oc_layout *layout, oc_map *out) {
    const oc_shape shape = oc_layout_shape(layout);
    const oc_layout plain = oc_layout_plain(OC_F32, &shape);
    if (shape.ndim != 2) return oc_layout_map(layout, out);
    *out = (oc_map){.images = shape.dim[0],
                    .channels = shape.dim[1],
                    .h = 1,
                    .w = 1,
                    .blocks = shape.dim[1],
                    .block = 1,
                    .image_stride = shape.dim[1],
                    .block_stride = 1};
    return oc_layout_equal(layout, &plain);
}

static oc_status create(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                        void (*kernel)(const oc_primitive *work), const oc_drop_spec *spec, const oc_layout *layout,
                        oc_error *err) {
    oc_status status = OC_OK;
    oc_map p;
    *out = NULL;
    if (!see(layout, &p)) return oc_layout_refuse(err, layer, what, layout);
    OC_TRY(oc_primitive_own(out, engine, layer, what, kernel, err));
    const int64_t floats = (int64_t)(oc_layout_bytes(layout) / sizeof(float));
    oc_shape workspace = oc_shape_make(1, spec->elements ? floats : p.images);
    (*out)->pixels = p;
    (*out)->count = p.images;
    (*out)->rows = floats / p.images;
    (*out)->flag = spec->elements;
    (*out)->stream = spec->stream;
    (*out)->number[0] = spec->p;
    (*out)->number[1] = 1 / (1 - spec->p);
    (*out)->layout[OC_SLOT_WORKSPACE] = oc_layout_plain(spec->elements ? OC_U8 : OC_F32, &workspace);
cleanup:
    return status;
}

oc_status oc_drop_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_drop_spec *spec,
                                 const oc_layout *layout, oc_error *err) {
    oc_status status = create(out, engine, layer, "dropping forward", forward_kernel, spec, layout, err);
    if (status != OC_OK) return status;
    oc_shape bytes = oc_shape_make(1, (int64_t)sizeof(oc_draw));
    (*out)->layout[OC_SLOT_DRAW] = oc_layout_plain(OC_U8, &bytes);
    (*out)->layout[OC_SLOT_SRC] = (*out)->layout[OC_SLOT_DST] = *layout;
    return OC_OK;
}

oc_status oc_drop_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_drop_spec *spec,
                                  const oc_layout *layout, oc_error *err) {
    oc_status status = create(out, engine, layer, "dropping backward", backward_kernel, spec, layout, err);
    if (status == OC_OK) (*out)->layout[OC_SLOT_DIFF_DST] = (*out)->layout[OC_SLOT_DIFF_SRC] = *layout;
    return status;
}
