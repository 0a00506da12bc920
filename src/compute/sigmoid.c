/* Sigmoid, of small tensors: in double precision, so that it is exact to the last bit but one. */
#include <math.h>
#include <stdint.h>

#include "base/error.h"
#include "compute/internal.h"
#include "compute/kernels.h"
#include "compute/vector.h"

/* A thread's smallest share. */
#define GRAIN 1024

static void forward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const float *src = work->data[OC_SLOT_SRC];
    float *dst = work->data[OC_SLOT_DST];
    (void)worker;
    for (int64_t i = begin; i < end; i++) dst[i] = (float)(1 / (1 + exp(-(double)src[i])));
}

/* Channels that are only padding: what reads them expects zeros, not sigmoid(0). */
static void clear_padding(float *dst, const oc_map *p) {
    const int64_t used = p->channels % p->block;
    if (!used) return;
    for (int64_t n = 0; n < p->images; n++) {
        float *last = dst + n * p->image_stride + (p->blocks - 1) * p->block_stride;
        for (int64_t i = 0; i < p->h * p->w; i++)
            for (int64_t c = used; c < p->block; c++) last[i * p->block + c] = 0;
    }
}

static void forward_kernel(const oc_primitive *work) {
    oc_parallel_for(work->engine->team, work->count, GRAIN, forward_task, (void *)(uintptr_t)work);
    if (work->flag) clear_padding(work->data[OC_SLOT_DST], &work->pixels);
}

OC_CLONES static void backward(float *diff_src, const float *dst, const float *diff_dst, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) diff_src[i] = diff_dst[i] * (dst[i] * (1 - dst[i]));
}

static void backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    (void)worker;
    backward((float *)work->data[OC_SLOT_DIFF_SRC] + begin, (const float *)work->data[OC_SLOT_DST] + begin,
             (const float *)work->data[OC_SLOT_DIFF_DST] + begin, end - begin);
}

static void backward_kernel(const oc_primitive *work) {
    oc_parallel_for(work->engine->team, work->count, GRAIN, backward_task, (void *)(uintptr_t)work);
}

oc_status oc_sigmoid_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                    oc_error *err) {
    oc_status status = oc_primitive_own(out, engine, layer, "sigmoid forward", forward_kernel, err);
    if (status != OC_OK) return status;
    (*out)->count = (int64_t)(oc_layout_bytes(layout) / sizeof(float));
    (*out)->flag = oc_layout_map(layout, &(*out)->pixels);
    (*out)->layout[OC_SLOT_SRC] = (*out)->layout[OC_SLOT_DST] = *layout;
    return OC_OK;
}

oc_status oc_sigmoid_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                     oc_error *err) {
    oc_status status = oc_primitive_own(out, engine, layer, "sigmoid backward", backward_kernel, err);
    if (status != OC_OK) return status;
    (*out)->count = (int64_t)(oc_layout_bytes(layout) / sizeof(float));
    (*out)->layout[OC_SLOT_DST] = (*out)->layout[OC_SLOT_DIFF_DST] = (*out)->layout[OC_SLOT_DIFF_SRC] = *layout;
    return OC_OK;
}
