/* Elementwise primitives: sums, ReLU, residual joins, sigmoid. Padding stays zero in all of them; only sigmoid has to
 * see to that. */
#include "compute/elementwise.h"

#include <string.h>

#include "base/error.h"
#include "compute/internal.h"
#include "kernels/elementwise.h"

/* A thread's smallest share in lines: 64 KB of floats, or less where elements cost more. Shares begin at whole cache
 * lines, so that no two threads write to one. */
#define LINE 32 /* elements: a cache line of bfloat16, two of floats */
#define GRAIN 512
#define SIGMOID_GRAIN 32

typedef struct elementwise {
    oc_primitive primitive;
    int64_t count; /* elements, padding included */
    int sources;
    oc_map map; /* sigmoid */
} elementwise;

/* What a task works on: a stretch of elements. */
typedef struct stretch {
    const oc_elementwise_kernels *kernels;
    int64_t at, count;
} stretch;

static stretch stretch_of(const elementwise *e, int64_t begin, int64_t end) {
    const int64_t at = begin * LINE, last = end * LINE < e->count ? end * LINE : e->count;
    return (stretch){e->primitive.kernels->elementwise, at, last - at};
}

static void *place(const elementwise *e, oc_slot slot, int64_t at) {
    return oc_primitive_at(&e->primitive, slot, at);
}

static oc_status run(const oc_primitive *primitive, int64_t grain, oc_task_fn task) {
    oc_primitive_for(primitive, (((const elementwise *)primitive)->count + LINE - 1) / LINE, grain, task);
    return OC_OK;
}

/* With `layout` in the slots `first` … `first + sources − 1`. */
static oc_status create(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                        const oc_primitive_type *type, const oc_layout *layout, oc_slot first, int sources,
                        oc_error *err) {
    oc_status status = OC_OK;
    elementwise *made = NULL;
    *out = NULL;
    OC_TRY(oc_primitive_create(&made, type, engine, layout->dtype, layer, what, err));
    *out = &made->primitive;
    made->count = oc_layout_count(layout);
    made->sources = sources;
    for (int i = 0; i < sources; i++) made->primitive.layout[first + i] = *layout;
cleanup:
    return status;
}

static oc_status forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                                const oc_primitive_type *type, const oc_layout *layout, int sources, oc_error *err) {
    const oc_status status = create(out, engine, layer, what, type, layout, OC_SLOT_SRC, sources, err);
    if (status == OC_OK) (*out)->layout[OC_SLOT_DST] = *layout;
    return status;
}

/* Of the gradient: DIFF_DST, DIFF_SRC. */
static oc_status backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                                 const oc_primitive_type *type, const oc_layout *layout, oc_error *err) {
    const oc_status status = create(out, engine, layer, what, type, layout, OC_SLOT_DIFF_DST, 1, err);
    if (status == OC_OK) (*out)->layout[OC_SLOT_DIFF_SRC] = *layout;
    return status;
}

/* ---- Sums ---- */

static void sum_task(void *user, int64_t begin, int64_t end, int worker) {
    const elementwise *e = user;
    const stretch s = stretch_of(e, begin, end);
    (void)worker;
    /* In stretches that stay in the nearest cache; dst may be a source that comes late, so sums wait aside. */
    float sum[1024];
    for (int64_t at = s.at, n; at < s.at + s.count; at += n) {
        n = s.at + s.count - at < 1024 ? s.at + s.count - at : 1024;
        void *dst = place(e, OC_SLOT_DST, at);
        const void *a = place(e, OC_SLOT_SRC, at), *b = place(e, OC_SLOT_SRC_1, at);
        if (e->sources == 2) {
            s.kernels->sum_2(dst, a, b, n);
        } else if (e->sources == 3) {
            s.kernels->sum_3(dst, a, b, place(e, OC_SLOT_SRC_2, at), n);
        } else {
            s.kernels->sum_2(sum, a, b, n);
            for (int i = 2; i < e->sources - 1; i++)
                s.kernels->sum_2(sum, sum, place(e, (oc_slot)(OC_SLOT_SRC + i), at), n);
            s.kernels->sum_2(dst, sum, place(e, (oc_slot)(OC_SLOT_SRC + e->sources - 1), at), n);
        }
    }
}

static oc_status sum_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    return run(primitive, GRAIN, sum_task);
}

oc_status oc_sum_create(oc_primitive **out, oc_engine *engine, const char *layer, int count, const oc_layout *layout,
                        oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(elementwise), .execute = sum_execute};
    return forward_create(out, engine, layer, "sum", &type, layout, count, err);
}

/* ---- ReLU ---- */

static void relu_task(void *user, int64_t begin, int64_t end, int worker) {
    const elementwise *e = user;
    const stretch s = stretch_of(e, begin, end);
    (void)worker;
    s.kernels->relu(place(e, OC_SLOT_DST, s.at), place(e, OC_SLOT_SRC, s.at), s.count);
}

static oc_status relu_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    return run(primitive, GRAIN, relu_task);
}

oc_status oc_relu_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                 oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(elementwise), .execute = relu_execute};
    return forward_create(out, engine, layer, "ReLU forward", &type, layout, 1, err);
}

static void relu_backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const elementwise *e = user;
    const stretch s = stretch_of(e, begin, end);
    (void)worker;
    s.kernels->relu_backward(place(e, OC_SLOT_DIFF_SRC, s.at), place(e, OC_SLOT_DST, s.at),
                             place(e, OC_SLOT_DIFF_DST, s.at), s.count);
}

static oc_status relu_backward_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    return run(primitive, GRAIN, relu_backward_task);
}

oc_status oc_relu_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                  oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(elementwise), .execute = relu_backward_execute};
    const oc_status status = backward_create(out, engine, layer, "ReLU backward", &type, layout, err);
    if (status == OC_OK) (*out)->layout[OC_SLOT_DST] = *layout;
    return status;
}

/* ---- Residual joins ---- */

static void join_task(void *user, int64_t begin, int64_t end, int worker) {
    const elementwise *e = user;
    const stretch s = stretch_of(e, begin, end);
    (void)worker;
    s.kernels->join(place(e, OC_SLOT_DST, s.at), place(e, OC_SLOT_WORKSPACE, s.at), place(e, OC_SLOT_SRC, s.at),
                    place(e, OC_SLOT_SRC_1, s.at), e->sources > 2 ? place(e, OC_SLOT_SRC_2, s.at) : NULL, s.count);
}

static oc_status join_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    return run(primitive, GRAIN, join_task);
}

oc_status oc_join_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, bool again, bool training,
                                 const oc_layout *layout, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(elementwise), .execute = join_execute};
    const oc_status status =
        forward_create(out, engine, layer, "residual join forward", &type, layout, again ? 3 : 2, err);
    if (status == OC_OK && training)
        (*out)->layout[OC_SLOT_WORKSPACE] = oc_layout_vector(OC_U8, oc_layout_count(layout));
    return status;
}

static void join_backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const elementwise *e = user;
    const stretch s = stretch_of(e, begin, end);
    (void)worker;
    s.kernels->join_backward(place(e, OC_SLOT_DIFF_SRC, s.at), place(e, OC_SLOT_WORKSPACE, s.at),
                             place(e, OC_SLOT_DIFF_DST, s.at), s.count);
}

static oc_status join_backward_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    return run(primitive, GRAIN, join_backward_task);
}

oc_status oc_join_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                  oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(elementwise), .execute = join_backward_execute};
    const oc_status status = backward_create(out, engine, layer, "residual join backward", &type, layout, err);
    if (status == OC_OK) (*out)->layout[OC_SLOT_WORKSPACE] = oc_layout_vector(OC_U8, oc_layout_count(layout));
    return status;
}

/* ---- Sigmoid ---- */

static void sigmoid_task(void *user, int64_t begin, int64_t end, int worker) {
    const elementwise *e = user;
    const stretch s = stretch_of(e, begin, end);
    (void)worker;
    s.kernels->sigmoid(place(e, OC_SLOT_DST, s.at), place(e, OC_SLOT_SRC, s.at), s.count);
}

/* Channels that are only padding: what reads them expects zeros, not sigmoid(0). */
static void clear_padding(const elementwise *e) {
    const oc_map *m = &e->map;
    const int64_t used = m->channels % m->block;
    const size_t bytes = (size_t)(m->block - used) * oc_dtype_size(e->primitive.layout[OC_SLOT_DST].dtype);
    for (int64_t n = 0; used && n < m->images; n++) {
        const int64_t last = n * m->image_stride + (m->blocks - 1) * m->block_stride;
        for (int64_t i = 0; i < m->h * m->w; i++) memset(place(e, OC_SLOT_DST, last + i * m->block + used), 0, bytes);
    }
}

static oc_status sigmoid_execute(const oc_primitive *primitive, oc_error *err) {
    const elementwise *e = (const elementwise *)primitive;
    (void)err;
    run(primitive, SIGMOID_GRAIN, sigmoid_task);
    if (e->map.block > 1) clear_padding(e);
    return OC_OK;
}

oc_status oc_sigmoid_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                    oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(elementwise), .execute = sigmoid_execute};
    const oc_status status = forward_create(out, engine, layer, "sigmoid forward", &type, layout, 1, err);
    if (status == OC_OK) (void)oc_layout_map(layout, &((elementwise *)*out)->map);
    return status;
}

static void sigmoid_backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const elementwise *e = user;
    const stretch s = stretch_of(e, begin, end);
    (void)worker;
    s.kernels->sigmoid_backward(place(e, OC_SLOT_DIFF_SRC, s.at), place(e, OC_SLOT_DST, s.at),
                                place(e, OC_SLOT_DIFF_DST, s.at), s.count);
}

static oc_status sigmoid_backward_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    return run(primitive, SIGMOID_GRAIN, sigmoid_backward_task);
}

oc_status oc_sigmoid_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                     oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(elementwise), .execute = sigmoid_backward_execute};
    const oc_status status = backward_create(out, engine, layer, "sigmoid backward", &type, layout, err);
    if (status == OC_OK) (*out)->layout[OC_SLOT_DST] = *layout;
    return status;
}
