/* Plans: how they are made, and how they run. */
#include "graph/plan.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "graph/plan_internal.h"
#include "graph/rewrite.h"

oc_status oc_slab_create(oc_slab **out, oc_error *err) {
    return oc_alloc(out, 1, sizeof **out, err);
}

void oc_slab_destroy(oc_slab **slab) {
    if (!slab || !*slab) return;
    oc_free((*slab)->data);
    oc_free(*slab);
    *slab = NULL;
}

size_t oc_slab_bytes(const oc_slab *slab) {
    return slab->bytes;
}

oc_status oc_slab_reserve(oc_slab *slab, size_t bytes, oc_error *err) {
    if (bytes <= slab->bytes) return OC_OK;
    /* Freed first: two of them may be more than there is. */
    oc_free(slab->data);
    slab->data = NULL;
    slab->bytes = 0;
    slab->user = NULL;
    oc_status status = oc_alloc(&slab->data, bytes, 1, err);
    if (status == OC_OK) slab->bytes = bytes;
    return status;
}

void *oc_plan_at(const oc_plan *plan, oc_buffer buffer) {
    const oc_buffer_info *info = &plan->buffer[buffer];
    return (unsigned char *)plan->base[info->space] + info->offset;
}

/* Binds every operand that lies in `space` to memory from `base` on, if that has moved. */
static oc_status bind(oc_plan *plan, oc_space space, void *base, oc_error *err) {
    oc_status status = OC_OK;
    if (plan->base[space] == base) return OC_OK;
    plan->base[space] = base;
    for (int pass = 0; pass < OC_PASSES; pass++)
        for (int i = 0; i < plan->pass[pass].count; i++) {
            const oc_plan_step *step = &plan->pass[pass].step[i];
            for (int j = 0; j < step->operands; j++) {
                oc_buffer buffer = step->operand[j].buffer;
                if (plan->buffer[buffer].space == space)
                    OC_TRY(oc_primitive_bind(step->primitive, step->operand[j].slot, oc_plan_at(plan, buffer), err));
            }
        }
cleanup:
    if (status != OC_OK) plan->base[space] = NULL;
    return status;
}

static oc_status rewrite(oc_graph *graph, oc_plan_mode mode, oc_error *err) {
    typedef oc_status (*rewrite_fn)(oc_graph *, oc_error *);
    static const rewrite_fn train[] = {oc_rewrite_subsample,
                                       oc_rewrite_norm_relu,
                                       oc_rewrite_norm_pool,
                                       oc_rewrite_join,
                                       oc_rewrite_scale_join,
                                       oc_rewrite_mean,
                                       NULL};
    static const rewrite_fn infer[] = {oc_rewrite_drop,       oc_rewrite_subsample, oc_rewrite_fold,
                                       oc_rewrite_post,       oc_rewrite_norm_relu, oc_rewrite_join,
                                       oc_rewrite_scale_join, oc_rewrite_mean,      NULL};
    oc_status status = OC_OK;
    for (const rewrite_fn *fn = mode == OC_PLAN_TRAIN ? train : infer; *fn; fn++) OC_TRY((*fn)(graph, err));
cleanup:
    return status;
}

oc_status oc_plan_create(oc_plan **out, const oc_graph *graph, const oc_plan_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_plan *plan = NULL;
    *out = NULL;
    if (!graph->finished) return oc_fail(err, OC_E_USAGE, NULL, "a plan needs a finished graph");
    if (options->batch < 1 || options->batch > INT32_MAX)
        return oc_fail(err, OC_E_USAGE, "batch", "invalid batch size %lld", (long long)options->batch);
    OC_TRY(oc_alloc(&plan, 1, sizeof *plan, err));
    plan->options = *options;
    plan->src = plan->dst = plan->diff_dst = plan->draw = -1;
    oc_team_enter(options->team);
    OC_TRY(oc_engine_create(&plan->engine, options->team, err));
    OC_TRY(oc_graph_copy(&plan->graph, graph, err));
    OC_TRY(rewrite(plan->graph, options->mode, err));
    OC_TRY(oc_plan_lower(plan, err));
    plan->options.guide = (oc_plan_guide){0};
    OC_TRY(oc_plan_place(plan, err));
    OC_TRY(oc_alloc(&plan->own, plan->own_bytes, 1, err));
    OC_TRY(oc_slab_reserve(options->slab, plan->slab_bytes, err));
    OC_TRY(bind(plan, OC_SPACE_OWN, plan->own, err));
    options->slab->user = NULL; /* binding clears padding */
    OC_TRY(bind(plan, OC_SPACE_SLAB, options->slab->data, err));
    if (options->mode == OC_PLAN_INFER)
        OC_TRY(oc_alloc(&plan->statistics, oc_table_arena_size(graph->table), sizeof(float), err));
    *out = plan;
    plan = NULL;
cleanup:
    oc_plan_destroy(&plan);
    return status;
}

void oc_plan_destroy(oc_plan **plan) {
    if (!plan || !*plan) return;
    oc_slab *slab = (*plan)->options.slab;
    if (slab && slab->user == *plan) slab->user = NULL; /* another plan may come to lie where this one does */
    for (int pass = 0; pass < OC_PASSES; pass++) {
        for (int i = 0; i < (*plan)->pass[pass].count; i++)
            oc_primitive_destroy(&(*plan)->pass[pass].step[i].primitive);
        oc_free((*plan)->pass[pass].step);
    }
    oc_engine_destroy(&(*plan)->engine);
    oc_graph_destroy(&(*plan)->graph);
    oc_free((*plan)->buffer);
    oc_free((*plan)->value);
    oc_free((*plan)->wants_diff);
    oc_free((*plan)->own);
    oc_free((*plan)->statistics);
    oc_free((*plan)->ranking);
    oc_free(*plan);
    *plan = NULL;
}

/* Takes the slab, which may have been moved by another plan, and used. */
static oc_status take_slab(oc_plan *plan, oc_error *err) {
    oc_slab *slab = plan->options.slab;
    if (slab->user != plan && plan->options.yields) plan->fresh = false;
    slab->user = plan;
    return bind(plan, OC_SPACE_SLAB, slab->data, err);
}

/* Binding also clears the padding of blocked layouts, which can lie where the batch is, so the caller's pointers are
 * given out only after it. */
static void *in_slab(oc_plan *plan, oc_buffer buffer) {
    return take_slab(plan, NULL) == OC_OK ? oc_plan_at(plan, buffer) : NULL;
}

float *oc_plan_src(oc_plan *plan) {
    return in_slab(plan, plan->src);
}

const float *oc_plan_dst(const oc_plan *plan) {
    return oc_plan_at(plan, plan->dst);
}

float *oc_plan_diff_dst(oc_plan *plan) {
    return oc_plan_at(plan, plan->diff_dst);
}

void oc_plan_set_draw(oc_plan *plan, uint64_t seed, int64_t step) {
    if (plan->draw >= 0) *(oc_draw *)oc_plan_at(plan, plan->draw) = (oc_draw){seed, step};
}

static oc_status run(oc_plan *plan, oc_pass pass, oc_error *err) {
    oc_status status = OC_OK;
    const unsigned mode = oc_team_flush(plan->options.team);
    for (int i = 0; i < plan->pass[pass].count; i++) {
        oc_plan_step *step = &plan->pass[pass].step[i];
        double start = plan->profile ? oc_clock_seconds() : 0;
        OC_TRY(oc_primitive_execute(step->primitive, err));
        if (plan->profile) step->seconds += oc_clock_seconds() - start;
    }
cleanup:
    oc_team_restore(plan->options.team, mode);
    return status;
}

/* Training moves running statistics without a new version, and in inference they are part of the working copies. */
static bool statistics_moved(oc_plan *plan, const oc_weights *weights) {
    bool moved = false;
    if (!plan->statistics) return false;
    for (size_t i = 0; i < oc_table_count(plan->graph->table); i++) {
        const oc_tensor *tensor = oc_table_at(plan->graph->table, i);
        const float *now = weights->arena + tensor->offset;
        float *seen = plan->statistics + tensor->offset;
        if (tensor->parameter || memcmp(now, seen, tensor->count * sizeof *now) == 0) continue;
        memcpy(seen, now, tensor->count * sizeof *now);
        moved = true;
    }
    return moved;
}

/* Brings bases and working copies up to date. */
oc_status oc_plan_prepare(oc_plan *plan, const oc_weights *weights, oc_error *err) {
    oc_status status = OC_OK;
    bool moved = plan->base[OC_SPACE_WEIGHTS] != weights->arena;
    oc_team_enter(plan->options.team);
    OC_TRY(take_slab(plan, err));
    OC_TRY(bind(plan, OC_SPACE_WEIGHTS, weights->arena, err));
    moved |= statistics_moved(plan, weights);
    if (!plan->fresh || moved || plan->version != weights->version) {
        plan->fresh = false;
        OC_TRY(run(plan, OC_PASS_REFRESH, err));
        plan->version = weights->version;
        plan->fresh = true;
    }
cleanup:
    return status;
}

oc_status oc_plan_forward(oc_plan *plan, oc_weights *weights, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_plan_prepare(plan, weights, err));
    OC_TRY(run(plan, OC_PASS_FORWARD, err));
cleanup:
    return status;
}

oc_status oc_plan_backward(oc_plan *plan, const oc_weights *weights, float *gradients, oc_error *err) {
    oc_status status = OC_OK;
    if (plan->options.mode != OC_PLAN_TRAIN)
        return oc_fail(err, OC_E_USAGE, NULL, "a plan for inference has no backward pass");
    OC_TRY(oc_plan_prepare(plan, weights, err));
    OC_TRY(bind(plan, OC_SPACE_GRADIENTS, gradients, err));
    OC_TRY(run(plan, OC_PASS_BACKWARD, err));
cleanup:
    return status;
}
