/* Pools by our own kernels (src/kernels/pool.h): they only move memory, for which oneDNN's need several times as long.
 */
#include "kernels/pool.h"

#include "base/error.h"
#include "compute/internal.h"
#include "compute/pool.h"

#define WINDOW_MAX 16 /* so that a place in a window is a byte */

typedef struct pool {
    oc_primitive primitive;
    oc_pool pool; /* of the mean of all pixels only the maps */
} pool;

static int64_t parts_of(const pool *p) {
    return p->pool.src.images * p->pool.src.blocks;
}

static const oc_pool_kernels *kernels_of(const pool *p) {
    return p->primitive.kernels->pool;
}

static oc_status create(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                        const oc_primitive_type *type, const oc_pool_spec *spec, oc_slot src_slot, const oc_layout *src,
                        oc_slot dst_slot, const oc_layout *dst, oc_error *err) {
    oc_status status = OC_OK;
    pool *made = NULL;
    oc_map from, to;
    *out = NULL;
    OC_TRY(oc_primitive_map(&from, src, layer, what, err));
    OC_TRY(oc_primitive_map(&to, dst, layer, what, err));
    if (spec->kernel > WINDOW_MAX)
        return oc_fail(err, OC_E_COMPUTE, layer, "%s: unsupported window, more than %d×%d", what, WINDOW_MAX,
                       WINDOW_MAX);
    OC_TRY(oc_primitive_create(&made, type, engine, src->dtype, layer, what, err));
    *out = &made->primitive;
    made->pool = (oc_pool){from, to, spec->kernel, spec->stride, spec->pad};
    made->primitive.layout[src_slot] = *src;
    made->primitive.layout[dst_slot] = *dst;
cleanup:
    return status;
}

/* ---- The largest ---- */

static void max_task(void *user, int64_t begin, int64_t end, int worker) {
    const pool *p = user;
    (void)worker;
    kernels_of(p)->max(&p->pool, p->primitive.data[OC_SLOT_SRC], p->primitive.data[OC_SLOT_DST],
                       p->primitive.data[OC_SLOT_WORKSPACE], begin, end);
}

static oc_status max_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    oc_primitive_for(primitive, parts_of((const pool *)primitive), 1, max_task);
    return OC_OK;
}

oc_status oc_pool_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                 const oc_layout *src, const oc_shape *dst, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(pool), .execute = max_execute};
    const oc_layout layout = oc_layout_resized(src, dst);
    const oc_status status =
        create(out, engine, layer, "max-pool forward", &type, spec, OC_SLOT_SRC, src, OC_SLOT_DST, &layout, err);
    if (status == OC_OK && spec->training)
        (*out)->layout[OC_SLOT_WORKSPACE] = oc_layout_vector(OC_U8, oc_layout_count(&layout));
    return status;
}

static void max_backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const pool *p = user;
    (void)worker;
    kernels_of(p)->max_backward(&p->pool, p->primitive.data[OC_SLOT_DIFF_DST], p->primitive.data[OC_SLOT_WORKSPACE],
                                p->primitive.data[OC_SLOT_DIFF_SRC], begin, end);
}

static oc_status max_backward_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    oc_primitive_for(primitive, parts_of((const pool *)primitive), 1, max_backward_task);
    return OC_OK;
}

oc_status oc_pool_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                  const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(pool), .execute = max_backward_execute};
    const oc_status status = create(out, engine, layer, "max-pool backward", &type, spec, OC_SLOT_DIFF_SRC, diff_src,
                                    OC_SLOT_DIFF_DST, diff_dst, err);
    if (status == OC_OK) (*out)->layout[OC_SLOT_WORKSPACE] = oc_layout_vector(OC_U8, oc_layout_count(diff_dst));
    return status;
}

/* ---- The mean of windows ---- */

static void average_task(void *user, int64_t begin, int64_t end, int worker) {
    const pool *p = user;
    (void)worker;
    kernels_of(p)->average(&p->pool, p->primitive.data[OC_SLOT_SRC], p->primitive.data[OC_SLOT_DST], begin, end);
}

static oc_status average_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    oc_primitive_for(primitive, parts_of((const pool *)primitive), 1, average_task);
    return OC_OK;
}

oc_status oc_average_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                    const oc_layout *src, const oc_shape *dst, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(pool), .execute = average_execute};
    const oc_layout layout = oc_layout_resized(src, dst);
    return create(out, engine, layer, "average-pool forward", &type, spec, OC_SLOT_SRC, src, OC_SLOT_DST, &layout, err);
}

static void average_backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const pool *p = user;
    (void)worker;
    kernels_of(p)->average_backward(&p->pool, p->primitive.data[OC_SLOT_DIFF_DST], p->primitive.data[OC_SLOT_DIFF_SRC],
                                    begin, end);
}

static oc_status average_backward_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    oc_primitive_for(primitive, parts_of((const pool *)primitive), 1, average_backward_task);
    return OC_OK;
}

oc_status oc_average_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                     const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(pool), .execute = average_backward_execute};
    return create(out, engine, layer, "average-pool backward", &type, spec, OC_SLOT_DIFF_SRC, diff_src,
                  OC_SLOT_DIFF_DST, diff_dst, err);
}

/* ---- The mean of all pixels ---- */

static const oc_pool_spec no_windows = {0};

oc_layout oc_mean_layout(const oc_layout *src) {
    const oc_shape shape = oc_shape_make(4, src->shape.dim[0], src->shape.dim[1], (int64_t)1, (int64_t)1);
    oc_layout dst = oc_layout_resized(src, &shape);
    dst.dtype = OC_F32;
    return dst;
}

static void mean_task(void *user, int64_t begin, int64_t end, int worker) {
    const pool *p = user;
    (void)worker;
    kernels_of(p)->mean(&p->pool.src, p->primitive.data[OC_SLOT_SRC], &p->pool.dst, p->primitive.data[OC_SLOT_DST],
                        begin, end);
}

static oc_status mean_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    oc_primitive_for(primitive, parts_of((const pool *)primitive), 1, mean_task);
    return OC_OK;
}

oc_status oc_mean_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                 oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(pool), .execute = mean_execute};
    const oc_layout dst = oc_mean_layout(src);
    return create(out, engine, layer, "mean over pixels forward", &type, &no_windows, OC_SLOT_SRC, src, OC_SLOT_DST,
                  &dst, err);
}

static void mean_of_sum_task(void *user, int64_t begin, int64_t end, int worker) {
    const pool *p = user;
    void *const *data = p->primitive.data;
    (void)worker;
    kernels_of(p)->mean_of_sum(&p->pool.src, data[OC_SLOT_SRC], data[OC_SLOT_SRC_1], &p->pool.dst, data[OC_SLOT_DST],
                               begin, end);
}

static oc_status mean_of_sum_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    oc_primitive_for(primitive, parts_of((const pool *)primitive), 1, mean_of_sum_task);
    return OC_OK;
}

oc_status oc_mean_of_sum_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(pool), .execute = mean_of_sum_execute};
    const oc_layout dst = oc_mean_layout(src);
    const oc_status status = create(out, engine, layer, "mean of a sum over pixels forward", &type, &no_windows,
                                    OC_SLOT_SRC, src, OC_SLOT_DST, &dst, err);
    if (status == OC_OK) (*out)->layout[OC_SLOT_SRC_1] = *src;
    return status;
}

static void mean_backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const pool *p = user;
    (void)worker;
    kernels_of(p)->mean_backward(&p->pool.dst, p->primitive.data[OC_SLOT_DIFF_DST], &p->pool.src,
                                 p->primitive.data[OC_SLOT_DIFF_SRC], begin, end);
}

static oc_status mean_backward_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    oc_primitive_for(primitive, parts_of((const pool *)primitive), 1, mean_backward_task);
    return OC_OK;
}

oc_status oc_mean_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *diff_src,
                                  const oc_layout *diff_dst, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(pool), .execute = mean_backward_execute};
    return create(out, engine, layer, "mean over pixels backward", &type, &no_windows, OC_SLOT_DIFF_SRC, diff_src,
                  OC_SLOT_DIFF_DST, diff_dst, err);
}
