/* Kernels of our own. Plain loops: the compiler makes one version for each instruction set and the loader picks. They
 * do no arithmetic whose result could depend on the version (the build forbids contraction), and no sum runs across
 * threads. */
#include "compute/kernels.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "compute/internal.h"
#include "compute/vector.h"

/* A thread's smallest share, in floats: 64 KB. */
#define GRAIN ((int64_t)1 << 14)

static oc_status own(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                     void (*kernel)(const oc_primitive *work), const oc_layout *layout, oc_error *err) {
    oc_status status = oc_primitive_own(out, engine, layer, what, kernel, err);
    if (status == OC_OK) (*out)->count = (int64_t)(oc_layout_bytes(layout) / sizeof(float));
    return status;
}

/* Ranges start at whole cache lines, so that no two threads write to one. */
static void run_elements(const oc_primitive *work, oc_task_fn task) {
    oc_parallel_for(work->engine->team, (work->count + 15) / 16, GRAIN / 16, task, (void *)(uintptr_t)work);
}

static void elements(const oc_primitive *work, int64_t begin, int64_t end, int64_t *first, int64_t *count) {
    *first = begin * 16;
    *count = (end * 16 < work->count ? end * 16 : work->count) - *first;
}

OC_CLONES static void sum_2(float *dst, const float *a, const float *b, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dst[i] = a[i] + b[i];
}

OC_CLONES static void sum_3(float *dst, const float *a, const float *b, const float *c, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dst[i] = a[i] + b[i] + c[i];
}

static const float *source(const oc_primitive *work, int index, int64_t at) {
    return (const float *)work->data[OC_SLOT_SRC + index] + at;
}

static void sum_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    int64_t first, n;
    elements(work, begin, end, &first, &n);
    (void)worker;
    float *dst = work->data[OC_SLOT_DST];
    /* In stretches that stay in the nearest cache; dst may be a source that comes late, so results wait aside. */
    float sum[1024];
    for (int64_t at = first; at < first + n; at += 1024) {
        int64_t m = first + n - at < 1024 ? first + n - at : 1024;
        if (work->sources == 2) {
            sum_2(dst + at, source(work, 0, at), source(work, 1, at), m);
        } else if (work->sources == 3) {
            sum_3(dst + at, source(work, 0, at), source(work, 1, at), source(work, 2, at), m);
        } else {
            sum_2(sum, source(work, 0, at), source(work, 1, at), m);
            for (int i = 2; i < work->sources - 1; i++) sum_2(sum, sum, source(work, i, at), m);
            sum_2(dst + at, sum, source(work, work->sources - 1, at), m);
        }
    }
}

static void sum_kernel(const oc_primitive *work) {
    run_elements(work, sum_task);
}

oc_status oc_sum_create(oc_primitive **out, oc_engine *engine, const char *layer, int count, const oc_layout *layout,
                        oc_error *err) {
    oc_status status = own(out, engine, layer, "sum", sum_kernel, layout, err);
    if (status != OC_OK) return status;
    (*out)->sources = count;
    for (int i = 0; i < count; i++) (*out)->layout[OC_SLOT_SRC + i] = *layout;
    (*out)->layout[OC_SLOT_DST] = *layout;
    return OC_OK;
}

OC_CLONES static void relu_forward(float *dst, const float *src, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dst[i] = src[i] < 0 ? 0 : src[i];
}

static void relu_forward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    int64_t first, n;
    elements(work, begin, end, &first, &n);
    (void)worker;
    relu_forward((float *)work->data[OC_SLOT_DST] + first, (const float *)work->data[OC_SLOT_SRC] + first, n);
}

static void relu_forward_kernel(const oc_primitive *work) {
    run_elements(work, relu_forward_task);
}

oc_status oc_relu_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                 oc_error *err) {
    oc_status status = own(out, engine, layer, "ReLU forward", relu_forward_kernel, layout, err);
    if (status == OC_OK) (*out)->layout[OC_SLOT_SRC] = (*out)->layout[OC_SLOT_DST] = *layout;
    return status;
}

OC_CLONES static void relu_backward(float *diff_src, const float *dst, const float *diff_dst, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) diff_src[i] = dst[i] > 0 ? diff_dst[i] : 0;
}

static void relu_backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    int64_t first, n;
    elements(work, begin, end, &first, &n);
    (void)worker;
    relu_backward((float *)work->data[OC_SLOT_DIFF_SRC] + first, (const float *)work->data[OC_SLOT_DST] + first,
                  (const float *)work->data[OC_SLOT_DIFF_DST] + first, n);
}

static void relu_backward_kernel(const oc_primitive *work) {
    run_elements(work, relu_backward_task);
}

oc_status oc_relu_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                  oc_error *err) {
    oc_status status = own(out, engine, layer, "ReLU backward", relu_backward_kernel, layout, err);
    if (status != OC_OK) return status;
    (*out)->layout[OC_SLOT_DST] = (*out)->layout[OC_SLOT_DIFF_DST] = (*out)->layout[OC_SLOT_DIFF_SRC] = *layout;
    return OC_OK;
}

OC_CLONES static void join_forward(float *dst, const float *a, const float *b, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        float s = a[i] + b[i];
        dst[i] = s < 0 ? 0 : s;
    }
}

OC_CLONES static void join_again(float *dst, const float *a, const float *b, const float *c, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        float s = a[i] + b[i];
        dst[i] = (s < 0 ? 0 : s) + c[i];
    }
}

OC_CLONES static void join_open(uint8_t *restrict open, const float *a, const float *b, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) open[i] = a[i] + b[i] > 0;
}

static void join_forward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    int64_t first, n;
    elements(work, begin, end, &first, &n);
    (void)worker;
    float *dst = (float *)work->data[OC_SLOT_DST] + first;
    const float *a = (const float *)work->data[OC_SLOT_SRC] + first;
    const float *b = (const float *)work->data[OC_SLOT_SRC_1] + first;
    const float *c = work->flag ? (const float *)work->data[OC_SLOT_SRC_2] + first : NULL;
    uint8_t *open = work->data[OC_SLOT_WORKSPACE] ? (uint8_t *)work->data[OC_SLOT_WORKSPACE] + first : NULL;
    /* In stretches that stay in the nearest cache between the two loops. */
    for (int64_t at = 0; at < n; at += 1024) {
        int64_t m = n - at < 1024 ? n - at : 1024;
        if (open) join_open(open + at, a + at, b + at, m);
        if (c)
            join_again(dst + at, a + at, b + at, c + at, m);
        else
            join_forward(dst + at, a + at, b + at, m);
    }
}

static void join_forward_kernel(const oc_primitive *work) {
    run_elements(work, join_forward_task);
}

static oc_layout open_layout(const oc_layout *layout) {
    oc_shape shape = oc_shape_make(1, (int64_t)(oc_layout_bytes(layout) / sizeof(float)));
    return oc_layout_plain(OC_U8, &shape);
}

oc_status oc_join_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, bool again, bool training,
                                 const oc_layout *layout, oc_error *err) {
    oc_status status = own(out, engine, layer, "residual join forward", join_forward_kernel, layout, err);
    if (status != OC_OK) return status;
    (*out)->flag = again;
    (*out)->layout[OC_SLOT_SRC] = (*out)->layout[OC_SLOT_SRC_1] = (*out)->layout[OC_SLOT_DST] = *layout;
    if (again) (*out)->layout[OC_SLOT_SRC_2] = *layout;
    if (training) (*out)->layout[OC_SLOT_WORKSPACE] = open_layout(layout);
    return OC_OK;
}

OC_CLONES static void join_backward(float *diff_src, const uint8_t *restrict open, const float *diff_dst, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) diff_src[i] = open[i] ? diff_dst[i] : 0;
}

static void join_backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    int64_t first, n;
    elements(work, begin, end, &first, &n);
    (void)worker;
    join_backward((float *)work->data[OC_SLOT_DIFF_SRC] + first, (const uint8_t *)work->data[OC_SLOT_WORKSPACE] + first,
                  (const float *)work->data[OC_SLOT_DIFF_DST] + first, n);
}

static void join_backward_kernel(const oc_primitive *work) {
    run_elements(work, join_backward_task);
}

oc_status oc_join_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                  oc_error *err) {
    oc_status status = own(out, engine, layer, "residual join backward", join_backward_kernel, layout, err);
    if (status != OC_OK) return status;
    (*out)->layout[OC_SLOT_DIFF_DST] = (*out)->layout[OC_SLOT_DIFF_SRC] = *layout;
    (*out)->layout[OC_SLOT_WORKSPACE] = open_layout(layout);
    return OC_OK;
}

static oc_layout vector_layout(int64_t count) {
    oc_shape shape = oc_shape_make(1, count);
    return oc_layout_plain(OC_F32, &shape);
}

static void running_kernel(const oc_primitive *work) {
    const float *mean = work->data[OC_SLOT_MEAN], *variance = work->data[OC_SLOT_VARIANCE];
    float *running_mean = work->data[OC_SLOT_DST], *running_variance = work->data[OC_SLOT_DST_1];
    double momentum = work->number[0], unbiased = work->number[1];
    for (int64_t c = 0; c < work->count; c++) {
        running_mean[c] = (float)((1 - momentum) * running_mean[c] + momentum * mean[c]);
        running_variance[c] = (float)((1 - momentum) * running_variance[c] + momentum * (variance[c] * unbiased));
    }
}

oc_status oc_running_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t channels, double momentum,
                            int64_t count, oc_error *err) {
    oc_layout vector = vector_layout(channels);
    oc_status status = own(out, engine, layer, "running statistics", running_kernel, &vector, err);
    if (status != OC_OK) return status;
    (*out)->number[0] = momentum;
    (*out)->number[1] = (double)count / (double)(count - 1);
    (*out)->layout[OC_SLOT_MEAN] = (*out)->layout[OC_SLOT_VARIANCE] = vector;
    (*out)->layout[OC_SLOT_DST] = (*out)->layout[OC_SLOT_DST_1] = vector;
    return OC_OK;
}

static void fold_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const float *weights = work->data[OC_SLOT_WEIGHTS], *bias = work->data[OC_SLOT_BIAS];
    const float *scale = work->data[OC_SLOT_SCALE], *shift = work->data[OC_SLOT_SHIFT];
    const float *mean = work->data[OC_SLOT_MEAN], *variance = work->data[OC_SLOT_VARIANCE];
    float *scaled = work->data[OC_SLOT_DST], *folded = work->data[OC_SLOT_DST_1];
    int64_t row = work->count / work->rows;
    (void)worker;
    for (int64_t oc = begin; oc < end; oc++) {
        double f = scale[oc] / sqrt((double)variance[oc] + work->number[0]);
        folded[oc] = (float)(shift[oc] + ((work->flag ? bias[oc] : 0.0) - mean[oc]) * f);
        for (int64_t i = oc * row; i < (oc + 1) * row; i++) scaled[i] = (float)(weights[i] * f);
    }
}

static void fold_kernel(const oc_primitive *work) {
    oc_parallel_for(work->engine->team, work->rows, 16, fold_task, (void *)(uintptr_t)work);
}

oc_status oc_fold_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t oc, int64_t row, bool bias,
                         double epsilon, oc_error *err) {
    oc_layout vector = vector_layout(oc), weights = vector_layout(oc * row);
    oc_status status = own(out, engine, layer, "folding of batch norm", fold_kernel, &weights, err);
    if (status != OC_OK) return status;
    (*out)->rows = oc;
    (*out)->flag = bias;
    (*out)->number[0] = epsilon;
    (*out)->layout[OC_SLOT_WEIGHTS] = (*out)->layout[OC_SLOT_DST] = weights;
    (*out)->layout[OC_SLOT_SCALE] = (*out)->layout[OC_SLOT_SHIFT] = vector;
    (*out)->layout[OC_SLOT_MEAN] = (*out)->layout[OC_SLOT_VARIANCE] = (*out)->layout[OC_SLOT_DST_1] = vector;
    if (bias) (*out)->layout[OC_SLOT_BIAS] = vector;
    return OC_OK;
}
