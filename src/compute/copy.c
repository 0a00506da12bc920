/* Copies of a part of the channels or of the pixels, and back into zeros, by our own kernels (src/kernels/copy.h):
 * oneDNN's reorders take only parts that begin at whole blocks of channels, and no pixels apart from one another.
 * Conversions between f32 and bf16, of which oneDNN has good ones on some processors alone. */
#include "compute/copy.h"

#include "base/error.h"
#include "compute/internal.h"
#include "kernels/copy.h"

typedef struct copy {
    oc_primitive primitive;
    oc_slot from, to;
    oc_map from_map, to_map;
    int64_t step; /* shift of channels, or stride of pixels */
} copy;

static oc_status create(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                        const oc_primitive_type *type, oc_slot from, const oc_layout *from_layout, oc_slot to,
                        const oc_layout *to_layout, int64_t step, oc_error *err) {
    oc_status status = OC_OK;
    copy *made = NULL;
    oc_map from_map, to_map;
    *out = NULL;
    OC_TRY(oc_primitive_map(&from_map, from_layout, layer, what, err));
    OC_TRY(oc_primitive_map(&to_map, to_layout, layer, what, err));
    const oc_dtype dtype = from_layout->dtype == OC_F32 ? to_layout->dtype : from_layout->dtype;
    OC_TRY(oc_primitive_create(&made, type, engine, dtype, layer, what, err));
    *out = &made->primitive;
    made->from = from;
    made->to = to;
    made->from_map = from_map;
    made->to_map = to_map;
    made->step = step;
    made->primitive.layout[from] = *from_layout;
    made->primitive.layout[to] = *to_layout;
cleanup:
    return status;
}

static oc_status run(const oc_primitive *primitive, oc_task_fn task) {
    const oc_map *to = &((const copy *)primitive)->to_map;
    oc_primitive_for(primitive, to->images * to->blocks, 1, task);
    return OC_OK;
}

/* ---- Channels ---- */

static void slice_task(void *user, int64_t begin, int64_t end, int worker) {
    const copy *c = user;
    (void)worker;
    c->primitive.kernels->copy->channels(&c->to_map, c->primitive.data[c->to], &c->from_map, c->primitive.data[c->from],
                                         c->step, begin, end);
}

static oc_status slice_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    return run(primitive, slice_task);
}

static const oc_primitive_type slice_type = {.size = sizeof(copy), .execute = slice_execute};

oc_status oc_slice_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t begin,
                                  int64_t count, const oc_layout *src, oc_error *err) {
    oc_shape shape = src->shape;
    shape.dim[1] = count;
    const oc_layout dst = oc_layout_resized(src, &shape);
    return create(out, engine, layer, "slice forward", &slice_type, OC_SLOT_SRC, src, OC_SLOT_DST, &dst, begin, err);
}

oc_status oc_slice_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t begin,
                                   const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err) {
    return create(out, engine, layer, "slice backward", &slice_type, OC_SLOT_DIFF_DST, diff_dst, OC_SLOT_DIFF_SRC,
                  diff_src, -begin, err);
}

/* ---- Pixels ---- */

static void subsample_task(void *user, int64_t begin, int64_t end, int worker) {
    const copy *c = user;
    (void)worker;
    c->primitive.kernels->copy->subsample(&c->to_map, c->primitive.data[c->to], &c->from_map,
                                          c->primitive.data[c->from], c->step, begin, end);
}

static oc_status subsample_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    return run(primitive, subsample_task);
}

oc_status oc_subsample_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t stride,
                                      const oc_layout *src, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(copy), .execute = subsample_execute};
    oc_shape shape = src->shape;
    for (int i = 2; i < 4; i++) shape.dim[i] = (shape.dim[i] + stride - 1) / stride;
    const oc_layout dst = oc_layout_resized(src, &shape);
    return create(out, engine, layer, "subsampling forward", &type, OC_SLOT_SRC, src, OC_SLOT_DST, &dst, stride, err);
}

static void subsample_backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const copy *c = user;
    (void)worker;
    c->primitive.kernels->copy->subsample_backward(&c->to_map, c->primitive.data[c->to], &c->from_map,
                                                   c->primitive.data[c->from], c->step, begin, end);
}

static oc_status subsample_backward_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    return run(primitive, subsample_backward_task);
}

oc_status oc_subsample_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t stride,
                                       const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(copy), .execute = subsample_backward_execute};
    return create(out, engine, layer, "subsampling backward", &type, OC_SLOT_DIFF_DST, diff_dst, OC_SLOT_DIFF_SRC,
                  diff_src, stride, err);
}

/* ---- Conversions ---- */

static void conversion_task(void *user, int64_t begin, int64_t end, int worker) {
    const copy *c = user;
    const oc_primitive *p = &c->primitive;
    const oc_copy_kernels *kernels = p->kernels->copy;
    const oc_dtype from = p->layout[c->from].dtype, to = p->layout[c->to].dtype;
    (void)worker;
    if (from == to)
        kernels->channels(&c->to_map, p->data[c->to], &c->from_map, p->data[c->from], 0, begin, end);
    else if (to == OC_F32)
        kernels->widen(&c->to_map, p->data[c->to], &c->from_map, p->data[c->from], begin, end);
    else
        kernels->narrow(&c->to_map, p->data[c->to], &c->from_map, p->data[c->from], begin, end);
}

static oc_status conversion_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    return run(primitive, conversion_task);
}

oc_status oc_conversion_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                               const oc_layout *dst, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(copy), .execute = conversion_execute};
    return create(out, engine, layer, "reorder", &type, OC_SLOT_SRC, src, OC_SLOT_DST, dst, 0, err);
}
