/* Where a plan's bytes are at the moment when most of them are in use. */
#include "graph/plan_internal.h"

const char *oc_plan_use_text(oc_plan_use use) {
    static const char *const text[] = {"activations", "gradients", "workspaces",
                                       "scratchpads", "filters",   "working copies"};
    return text[use];
}

static bool is_alive(const oc_buffer_info *info, int moment) {
    return info->space == OC_SPACE_SLAB && info->last >= 0 && info->first <= moment && moment <= info->last;
}

static size_t live_at(const oc_plan *plan, int moment) {
    size_t bytes = 0;
    for (int i = 0; i < plan->buffers; i++)
        if (plan->buffer[i].root == i && is_alive(&plan->buffer[i], moment)) bytes += plan->buffer[i].bytes;
    return bytes;
}

/* What a place is used for: by the one among the buffers sharing it that began last. */
static oc_plan_use use_at(const oc_plan *plan, oc_buffer root, int moment) {
    const oc_buffer_info *latest = &plan->buffer[root];
    for (int i = 0; i < plan->buffers; i++) {
        const oc_buffer_info *info = &plan->buffer[i];
        if (is_alive(info, moment) && info->first > latest->first && oc_plan_root(plan, i) == root) latest = info;
    }
    return latest->use;
}

/* The step of a moment, which are counted as in plan_place.c; NULL where the caller has its turn. */
static const oc_plan_step *step_at(const oc_plan *plan, int moment) {
    int begin = 1;
    for (int pass = 0; pass < OC_PASSES; pass++) {
        begin += pass == OC_PASS_BACKWARD && plan->diff_dst >= 0;
        if (moment >= begin && moment < begin + plan->pass[pass].count) return &plan->pass[pass].step[moment - begin];
        begin += plan->pass[pass].count;
    }
    return NULL;
}

oc_plan_memory oc_plan_memory_of(const oc_plan *plan) {
    oc_plan_memory memory = {.slab = plan->slab_bytes, .own = plan->own_bytes, .layer = "", .kind = ""};
    int last = 0, peak = 0;
    for (int i = 0; i < plan->buffers; i++)
        if (plan->buffer[i].last > last) last = plan->buffer[i].last;
    for (int moment = 0; moment <= last; moment++) {
        const size_t bytes = live_at(plan, moment);
        if (bytes <= memory.live) continue;
        memory.live = bytes;
        peak = moment;
    }
    for (int i = 0; i < plan->buffers; i++)
        if (plan->buffer[i].root == i && is_alive(&plan->buffer[i], peak))
            memory.used[use_at(plan, i, peak)] += plan->buffer[i].bytes;
    const oc_plan_step *step = step_at(plan, peak);
    if (step) {
        memory.layer = oc_node_layer(&plan->graph->node[step->node]);
        memory.kind = oc_step_kind_text(step->kind);
    }
    return memory;
}
