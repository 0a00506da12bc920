/* Memory: when each buffer is alive, and where it lies. */
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/plan_internal.h"

/* Moments: one for each step, in the order of the passes, and one between forward and backward in which the caller
 * reads scores and writes their gradient. */
static void touch(oc_plan *plan, oc_buffer buffer, int moment) {
    oc_buffer_info *info = &plan->buffer[buffer];
    if (info->last < 0) info->first = moment;
    info->last = moment;
}

static void lifetimes(oc_plan *plan) {
    int moment = 0;
    touch(plan, plan->src, moment++);
    for (int pass = 0; pass < OC_PASSES; pass++) {
        if (pass == OC_PASS_BACKWARD && plan->diff_dst >= 0) touch(plan, plan->diff_dst, moment++);
        for (int i = 0; i < plan->pass[pass].count; i++, moment++) {
            const oc_plan_step *step = &plan->pass[pass].step[i];
            for (int j = 0; j < step->operands; j++) touch(plan, step->operand[j].buffer, moment);
        }
    }
    /* The batch stays, so that a pass can be repeated; the scores stay for the caller. */
    touch(plan, plan->src, moment);
    touch(plan, plan->dst, moment);
    for (int i = 0; i < plan->buffers; i++)
        if (plan->buffer[i].use == OC_USE_COPIES && plan->buffer[i].last >= 0) {
            plan->buffer[i].first = 0;
            plan->buffer[i].last = moment;
        }
}

oc_buffer oc_plan_root(const oc_plan *plan, oc_buffer buffer) {
    while (plan->buffer[buffer].root != buffer) buffer = plan->buffer[buffer].root;
    return buffer;
}

static int by_first(const void *a, const void *b) {
    const oc_buffer_info *const *p = a, *const *q = b;
    if ((*p)->first != (*q)->first) return (*p)->first < (*q)->first ? -1 : 1;
    return (*p)->root < (*q)->root ? -1 : 1;
}

static int by_bytes(const void *a, const void *b) {
    const oc_buffer_info *const *p = a, *const *q = b;
    if ((*p)->bytes != (*q)->bytes) return (*p)->bytes > (*q)->bytes ? -1 : 1;
    if ((*p)->first != (*q)->first) return (*p)->first < (*q)->first ? -1 : 1;
    return (*p)->root < (*q)->root ? -1 : 1;
}

/* A buffer that comes to life as another of its size dies in the same step may take its place. */
static void merge(oc_plan *plan, oc_buffer_info *info) {
    for (int i = 0; i < info->overs && info->last > info->first; i++) {
        oc_buffer root = oc_plan_root(plan, info->over[i]);
        oc_buffer_info *under = &plan->buffer[root];
        if (under == info || under->space != OC_SPACE_SLAB || under->last != info->first || under->bytes != info->bytes)
            continue;
        info->root = root;
        under->last = info->last;
        return;
    }
}

static size_t round_up(size_t bytes) {
    return (bytes + OC_ALIGNMENT - 1) / OC_ALIGNMENT * OC_ALIGNMENT;
}

/* Lowest offset at which `info` meets none of the `count` placed ones alive at the same time. `placed` is in order of
 * offset; *where is the place to insert it at. */
static size_t lowest(oc_buffer_info *const *placed, int count, const oc_buffer_info *info, int *where) {
    size_t offset = 0;
    for (int i = 0; i < count; i++) {
        const oc_buffer_info *other = placed[i];
        if (other->last < info->first || other->first > info->last) continue;
        if (other->offset >= offset + info->bytes) break;
        size_t end = round_up(other->offset + other->bytes);
        if (end > offset) offset = end;
    }
    for (*where = count; *where > 0 && placed[*where - 1]->offset > offset; --*where)
        ;
    return offset;
}

oc_status oc_plan_place(oc_plan *plan, oc_error *err) {
    oc_status status = OC_OK;
    oc_buffer_info **list = NULL, **placed = NULL;
    int slab = 0, roots = 0;
    OC_TRY(oc_alloc(&list, (size_t)plan->buffers, sizeof(oc_buffer_info *), err));
    OC_TRY(oc_alloc(&placed, (size_t)plan->buffers, sizeof(oc_buffer_info *), err));
    lifetimes(plan);
    size_t total = 0;
    for (int i = 0; i < plan->buffers; i++) {
        oc_buffer_info *info = &plan->buffer[i];
        if (__builtin_add_overflow(total, info->bytes + OC_ALIGNMENT, &total)) {
            status = oc_fail(err, OC_E_MEMORY, NULL, "the plan's memory overflows: try a smaller batch");
            goto cleanup;
        }
        if (info->space == OC_SPACE_OWN) {
            info->offset = plan->own_bytes;
            plan->own_bytes += round_up(info->bytes);
        } else if (info->space == OC_SPACE_SLAB && info->last >= 0) {
            list[slab++] = info;
        }
    }
    qsort(list, (size_t)slab, sizeof(oc_buffer_info *), by_first);
    for (int i = 0; i < slab; i++) merge(plan, list[i]);
    for (int i = 0; i < slab; i++)
        if (list[i] == &plan->buffer[list[i]->root]) list[roots++] = list[i];
    /* The largest first, each as low as it goes. */
    qsort(list, (size_t)roots, sizeof(oc_buffer_info *), by_bytes);
    for (int i = 0; i < roots; i++) {
        int where;
        list[i]->offset = lowest(placed, i, list[i], &where);
        for (int j = i; j > where; j--) placed[j] = placed[j - 1];
        placed[where] = list[i];
        size_t end = round_up(list[i]->offset + list[i]->bytes);
        if (end > plan->slab_bytes) plan->slab_bytes = end;
    }
    for (int i = 0; i < plan->buffers; i++) plan->buffer[i].offset = plan->buffer[oc_plan_root(plan, i)].offset;
cleanup:
    oc_free(list);
    oc_free(placed);
    return status;
}
