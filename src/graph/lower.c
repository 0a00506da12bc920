/* Lowering: what operators use to turn themselves into steps and buffers. */
#include "graph/lower.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "compute/elementwise.h"
#include "compute/pool.h"
#include "compute/reorder.h"
#include "graph/plan_internal.h"

static bool failed(oc_lower *lower, oc_status status) {
    if (lower->status == OC_OK) lower->status = status;
    return lower->status != OC_OK;
}

static int place_of(const oc_lower *lower, const oc_node *node) {
    return (int)(node - lower->plan->graph->node);
}

oc_lowered *oc_lower_node(oc_lower *lower, const oc_node *node) {
    return &lower->value[place_of(lower, node)].lowered;
}

oc_engine *oc_lower_engine(const oc_lower *lower) {
    return lower->plan->engine;
}

bool oc_lower_training(const oc_lower *lower) {
    return lower->plan->options.mode == OC_PLAN_TRAIN;
}

bool oc_lower_exact(const oc_lower *lower) {
    return lower->plan->options.exact;
}

int64_t oc_lower_batch(const oc_lower *lower) {
    return lower->plan->options.batch;
}

const char *oc_node_layer(const oc_node *node) {
    return node->name[0] ? node->name : node->op->name;
}

oc_shape oc_lower_shape(const oc_lower *lower, const oc_node *node) {
    oc_shape shape = {.ndim = node->dst.ndim + 1, .dim = {oc_lower_batch(lower)}};
    for (int i = 0; i < node->dst.ndim; i++) shape.dim[i + 1] = node->dst.dim[i];
    return shape;
}

/* ---- Buffers and steps ---- */

static oc_buffer buffer_add(oc_lower *lower, oc_space space, size_t bytes, size_t offset) {
    oc_plan *plan = lower->plan;
    if (failed(lower, oc_grow(&plan->buffer, &plan->buffer_capacity, (size_t)plan->buffers + 1, sizeof *plan->buffer,
                              lower->err)))
        return -1;
    plan->buffer[plan->buffers] =
        (oc_buffer_info){.space = space, .bytes = bytes, .offset = offset, .last = -1, .root = plan->buffers};
    return plan->buffers++;
}

static oc_buffer slab_add(oc_lower *lower, const oc_layout *layout, oc_plan_use use) {
    const oc_buffer buffer = buffer_add(lower, OC_SPACE_SLAB, oc_layout_bytes(layout), 0);
    if (buffer >= 0) lower->plan->buffer[buffer].use = use;
    return buffer;
}

oc_buffer oc_lower_buffer(oc_lower *lower, const oc_layout *layout) {
    const oc_buffer buffer =
        slab_add(lower, layout, lower->pass == OC_PASS_BACKWARD ? OC_USE_GRADIENTS : OC_USE_ACTIVATIONS);
    if (buffer >= 0) lower->plan->buffer[buffer].dtype = layout->dtype;
    return buffer;
}

oc_dtype oc_lower_dtype(const oc_lower *lower, const oc_shape *shape) {
    const bool pixels = shape->dim[2] * shape->dim[3] > 1;
    return lower->plan->options.precision == OC_PRECISION_BF16 && pixels ? OC_BF16 : OC_F32;
}

oc_buffer oc_lower_workspace(oc_lower *lower, const oc_primitive *primitive) {
    const oc_layout *layout = oc_primitive_layout(primitive, OC_SLOT_WORKSPACE);
    return oc_layout_absent(layout) ? -1 : slab_add(lower, layout, OC_USE_WORKSPACES);
}

oc_layout oc_lower_blocked(const oc_lower *lower, const oc_shape *shape) {
    return oc_layout_blocked(oc_lower_dtype(lower, shape), shape, oc_engine_block(lower->plan->engine));
}

oc_buffer oc_lower_own(oc_lower *lower, const oc_layout *layout) {
    if (lower->plan->options.yields) return slab_add(lower, layout, OC_USE_COPIES);
    return buffer_add(lower, OC_SPACE_OWN, oc_layout_bytes(layout), 0);
}

void oc_lower_step(oc_lower *lower, const oc_node *node, oc_step_kind kind, oc_primitive **primitive,
                   const oc_operand *operands, int count) {
    oc_steps *steps = &lower->plan->pass[kind == OC_STEP_REFRESH ? OC_PASS_REFRESH : lower->pass];
    oc_plan_step step = {.node = place_of(lower, node), .kind = kind, .primitive = *primitive};
    const oc_layout *scratchpad = oc_primitive_layout(*primitive, OC_SLOT_SCRATCHPAD);
    *primitive = NULL;
    for (int i = 0; i < count && i < OC_STEP_OPERANDS; i++)
        if (operands[i].buffer >= 0) step.operand[step.operands++] = operands[i];
    if (!oc_layout_absent(scratchpad) && step.operands < OC_STEP_OPERANDS)
        step.operand[step.operands++] =
            (oc_operand){OC_SLOT_SCRATCHPAD, slab_add(lower, scratchpad, OC_USE_SCRATCHPADS)};
    if (failed(lower, oc_grow(&steps->step, &steps->capacity, (size_t)steps->count + 1, sizeof step, lower->err))) {
        oc_primitive_destroy(&step.primitive);
        return;
    }
    steps->step[steps->count++] = step;
}

void oc_lower_map(oc_lower *lower, const oc_node *node, oc_primitive **primitive) {
    oc_operand operand[] = {{OC_SLOT_SRC, oc_lower_src(lower, node, 0)},
                            {OC_SLOT_DST, oc_lower_dst(lower, node, oc_primitive_layout(*primitive, OC_SLOT_DST))}};
    oc_lower_step(lower, node, OC_STEP_FORWARD, primitive, operand, 2);
}

void oc_lower_map_backward(oc_lower *lower, const oc_node *node, oc_primitive **primitive) {
    const oc_layout *layout = oc_lower_src_layout(lower, node, 0);
    oc_buffer diff_src = oc_lower_buffer(lower, layout);
    oc_operand operand[] = {{OC_SLOT_DIFF_DST, oc_lower_diff_dst(lower, node)}, {OC_SLOT_DIFF_SRC, diff_src}};
    oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, primitive, operand, 2);
    oc_lower_diff_src(lower, node, 0, layout, diff_src);
}

void oc_lower_in_place(oc_lower *lower, oc_buffer dst, oc_buffer src) {
    if (lower->status != OC_OK || dst < 0 || src < 0) return;
    oc_buffer_info *info = &lower->plan->buffer[dst];
    if (info->overs < OC_IN_PLACE_MAX) info->over[info->overs++] = src;
}

oc_buffer oc_lower_draw(oc_lower *lower) {
    oc_plan *plan = lower->plan;
    if (plan->draw < 0) plan->draw = buffer_add(lower, OC_SPACE_OWN, sizeof(oc_draw), 0);
    return plan->draw;
}

/* ---- Values in several layouts ---- */

static oc_buffer variant_find(const oc_variants *variants, int of, const oc_layout *layout) {
    for (int i = 0; i < variants->count; i++)
        if (variants->item[i].of == of && oc_layout_equal(&variants->item[i].layout, layout))
            return variants->item[i].buffer;
    return -1;
}

static void variant_add(oc_lower *lower, oc_variants *variants, int of, const oc_layout *layout, oc_buffer buffer) {
    if (failed(lower, oc_grow(&variants->item, &variants->capacity, (size_t)variants->count + 1, sizeof *variants->item,
                              lower->err)))
        return;
    variants->item[variants->count++] = (oc_variant){of, *layout, buffer};
}

static void reorder(oc_lower *lower, const oc_node *node, oc_step_kind kind, const oc_layout *from, oc_buffer src,
                    const oc_layout *to, oc_buffer dst) {
    oc_primitive *primitive = NULL;
    if (lower->status != OC_OK) return;
    if (failed(lower, oc_reorder_create(&primitive, lower->plan->engine, oc_node_layer(node), from, to, lower->err)))
        return;
    oc_lower_step(lower, node, kind, &primitive, (oc_operand[]){{OC_SLOT_SRC, src}, {OC_SLOT_DST, dst}}, 2);
}

/* `buffer`, in layout `from`, in layout `to`; made once and remembered in `variants` under `of`. */
static oc_buffer as(oc_lower *lower, const oc_node *node, oc_variants *variants, int of, const oc_layout *from,
                    oc_buffer buffer, const oc_layout *to) {
    if (oc_layout_equal(from, to)) return buffer;
    oc_buffer found = variant_find(variants, of, to);
    if (found >= 0) return found;
    found = oc_lower_buffer(lower, to);
    reorder(lower, node, OC_STEP_REORDER, from, buffer, to, found);
    variant_add(lower, variants, of, to, found);
    return found;
}

const oc_layout *oc_lower_src_layout(const oc_lower *lower, const oc_node *node, int index) {
    return &lower->value[node->input[index]].layout;
}

oc_buffer oc_lower_src(oc_lower *lower, const oc_node *node, int index) {
    return lower->plan->value[node->input[index]];
}

oc_layout oc_lower_src_f32(const oc_lower *lower, const oc_node *node, int index) {
    oc_layout layout = *oc_lower_src_layout(lower, node, index);
    layout.dtype = OC_F32;
    return layout;
}

oc_buffer oc_lower_src_as(oc_lower *lower, const oc_node *node, int index, const oc_layout *layout) {
    int value = node->input[index];
    return as(lower, node, &lower->values, value, &lower->value[value].layout, lower->plan->value[value], layout);
}

oc_buffer oc_lower_dst(oc_lower *lower, const oc_node *node, const oc_layout *layout) {
    oc_buffer buffer = oc_lower_buffer(lower, layout);
    oc_lower_dst_view(lower, node, layout, buffer);
    return buffer;
}

void oc_lower_dst_view(oc_lower *lower, const oc_node *node, const oc_layout *layout, oc_buffer buffer) {
    lower->value[place_of(lower, node)].layout = *layout;
    lower->plan->value[place_of(lower, node)] = buffer;
}

const oc_layout *oc_lower_dst_layout(const oc_lower *lower, const oc_node *node) {
    return &lower->value[place_of(lower, node)].layout;
}

/* ---- Weights and their gradients ---- */

static const oc_tensor *tensor_of(const oc_lower *lower, const oc_node *node, int index) {
    return oc_table_at(lower->plan->graph->table, node->tensor[index]);
}

oc_buffer oc_lower_tensor(oc_lower *lower, const oc_node *node, int index) {
    const oc_tensor *tensor = tensor_of(lower, node, index);
    return buffer_add(lower, OC_SPACE_WEIGHTS, tensor->count * sizeof(float), tensor->offset * sizeof(float));
}

oc_buffer oc_lower_gradient(oc_lower *lower, const oc_node *node, int index) {
    const oc_tensor *tensor = tensor_of(lower, node, index);
    return buffer_add(lower, OC_SPACE_GRADIENTS, tensor->count * sizeof(float), tensor->offset * sizeof(float));
}

oc_buffer oc_lower_pack(oc_lower *lower, const oc_node *node, oc_primitive **pack, oc_buffer weights) {
    const bool training = oc_lower_training(lower);
    const oc_layout *layout = oc_primitive_layout(*pack, OC_SLOT_DST);
    const oc_buffer packed = training ? slab_add(lower, layout, OC_USE_FILTERS) : oc_lower_own(lower, layout);
    const oc_operand operand[] = {{OC_SLOT_WEIGHTS, weights}, {OC_SLOT_DST, packed}};
    oc_lower_step(lower, node, training ? OC_STEP_REORDER : OC_STEP_REFRESH, pack, operand, 2);
    return packed;
}

/* ---- Gradients of values ---- */

bool oc_lower_wants_diff(const oc_lower *lower, const oc_node *node, int index) {
    return lower->plan->wants_diff[node->input[index]];
}

void oc_lower_diff_src(oc_lower *lower, const oc_node *node, int index, const oc_layout *layout, oc_buffer buffer) {
    if (oc_lower_wants_diff(lower, node, index))
        variant_add(lower, &lower->contributions, node->input[index], layout, buffer);
}

/* Sums up to OC_SUM_MAX gradients into a new buffer, which may take the place of any of them. */
static oc_buffer sum(oc_lower *lower, const oc_node *node, const oc_layout *layout, const oc_buffer *part, int parts) {
    oc_primitive *primitive = NULL;
    if (lower->status != OC_OK ||
        failed(lower, oc_sum_create(&primitive, lower->plan->engine, oc_node_layer(node), parts, layout, lower->err)))
        return -1;
    oc_operand operand[OC_SUM_MAX + 1];
    for (int i = 0; i < parts; i++) operand[i] = (oc_operand){(oc_slot)(OC_SLOT_SRC + i), part[i]};
    oc_buffer dst = oc_lower_buffer(lower, layout);
    operand[parts] = (oc_operand){OC_SLOT_DST, dst};
    oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &primitive, operand, parts + 1);
    for (int i = parts - 1; i >= 0; i--) oc_lower_in_place(lower, dst, part[i]);
    return dst;
}

static bool is_mean(const oc_lower_value *of, const oc_variant *contribution) {
    return !oc_shape_equal(&contribution->layout.shape, &of->layout.shape);
}

static oc_buffer as_mean(oc_lower *lower, const oc_node *node, const oc_lower_value *of, const oc_variant *c) {
    const oc_layout layout = oc_mean_layout(&of->layout);
    if (oc_layout_equal(&c->layout, &layout)) return c->buffer;
    const oc_buffer mean = oc_lower_buffer(lower, &layout);
    reorder(lower, node, OC_STEP_REORDER, &c->layout, c->buffer, &layout, mean);
    return mean;
}

/* What a contribution adds, as a map in the value's layout. */
static oc_buffer as_map(oc_lower *lower, const oc_node *node, const oc_lower_value *of, const oc_variant *c) {
    oc_primitive *primitive = NULL;
    if (oc_layout_equal(&c->layout, &of->layout)) return c->buffer;
    oc_buffer map = oc_lower_buffer(lower, &of->layout);
    if (!is_mean(of, c)) {
        reorder(lower, node, OC_STEP_REORDER, &c->layout, c->buffer, &of->layout, map);
        return map;
    }
    const oc_layout layout = oc_mean_layout(&of->layout);
    const oc_buffer mean = as_mean(lower, node, of, c);
    if (failed(lower, oc_mean_backward_create(&primitive, lower->plan->engine, oc_node_layer(node), &of->layout,
                                              &layout, lower->err)))
        return -1;
    oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &primitive,
                  (oc_operand[]){{OC_SLOT_DIFF_DST, mean}, {OC_SLOT_DIFF_SRC, map}}, 2);
    return map;
}

/* The sum of what the users of a value added, but for contribution `without`; −1 for none. */
static oc_buffer gather(oc_lower *lower, const oc_node *node, int without) {
    int value = place_of(lower, node), parts = 0;
    const oc_lower_value *of = &lower->value[value];
    oc_buffer part[OC_SUM_MAX];
    for (int i = 0; i < lower->contributions.count && lower->status == OC_OK; i++) {
        const oc_variant c = lower->contributions.item[i];
        if (c.of != value || i == without) continue;
        if (parts == OC_SUM_MAX) {
            part[0] = sum(lower, node, &of->layout, part, parts);
            parts = 1;
        }
        part[parts++] = as_map(lower, node, of, &c);
    }
    return parts == 0 ? -1 : parts == 1 ? part[0] : sum(lower, node, &of->layout, part, parts);
}

oc_buffer oc_lower_diff_dst(oc_lower *lower, const oc_node *node) {
    oc_lower_value *state = &lower->value[place_of(lower, node)];
    if (state->diff < 0) state->diff = gather(lower, node, -1);
    return state->diff;
}

oc_diff_parts oc_lower_diff_parts(oc_lower *lower, const oc_node *node) {
    const int value = place_of(lower, node);
    int mean = -1;
    for (int i = 0; i < lower->contributions.count && mean < 0; i++) {
        const oc_variant *c = &lower->contributions.item[i];
        if (c->of == value && is_mean(&lower->value[value], c)) mean = i;
    }
    if (mean < 0) return (oc_diff_parts){.map = oc_lower_diff_dst(lower, node), .mean = -1};
    const oc_variant c = lower->contributions.item[mean];
    const oc_lower_value *of = &lower->value[value];
    return (oc_diff_parts){.map = gather(lower, node, mean),
                           .mean = as_mean(lower, node, of, &c),
                           .mean_layout = oc_mean_layout(&of->layout)};
}

/* ---- The passes ---- */

static oc_status lower_forward(oc_lower *lower, oc_error *err) {
    oc_status status = OC_OK;
    oc_plan *plan = lower->plan;
    const oc_graph *graph = plan->graph;
    lower->pass = OC_PASS_FORWARD;
    for (int i = 0; i < graph->nodes; i++) {
        OC_TRY(graph->node[i].op->forward(lower, &graph->node[i], err));
        OC_TRY(lower->status);
    }
    /* Logits leave in plain layout. */
    const oc_node *last = &graph->node[graph->output];
    oc_shape shape = oc_lower_shape(lower, last);
    oc_layout plain = oc_layout_plain(OC_F32, &shape);
    plan->src = plan->value[graph->input];
    plan->dst = as(lower, last, &lower->values, graph->output, &lower->value[graph->output].layout,
                   plan->value[graph->output], &plain);
    if (plan->options.mode == OC_PLAN_TRAIN) {
        plan->diff_dst = oc_lower_buffer(lower, &plain);
        variant_add(lower, &lower->contributions, graph->output, &plain, plan->diff_dst);
    }
    OC_TRY(lower->status);
cleanup:
    return status;
}

static oc_status lower_backward(oc_lower *lower, oc_error *err) {
    oc_status status = OC_OK;
    const oc_plan *plan = lower->plan;
    lower->pass = OC_PASS_BACKWARD;
    for (int i = plan->graph->nodes - 1; i >= 0; i--) {
        const oc_node *node = &plan->graph->node[i];
        if (!plan->wants_diff[i]) continue;
        OC_TRY(node->op->backward(lower, node, err));
        OC_TRY(lower->status);
    }
cleanup:
    return status;
}

oc_status oc_plan_lower(oc_plan *plan, oc_error *err) {
    oc_status status = OC_OK;
    oc_lower lower = {.plan = plan, .err = err, .unheeded = {.limit = 5}};
    size_t nodes = (size_t)plan->graph->nodes;
    OC_TRY(oc_alloc(&plan->value, nodes, sizeof *plan->value, err));
    OC_TRY(oc_alloc(&plan->wants_diff, nodes, sizeof *plan->wants_diff, err));
    OC_TRY(oc_alloc(&lower.value, nodes, sizeof *lower.value, err));
    for (size_t i = 0; i < nodes; i++) {
        const oc_node *node = &plan->graph->node[i];
        plan->wants_diff[i] = node->tensors > 0;
        for (int j = 0; j < node->inputs; j++) plan->wants_diff[i] |= plan->wants_diff[node->input[j]];
        lower.value[i].diff = plan->value[i] = -1;
        lower.value[i].lowered = (oc_lowered){.src = -1, .workspace = -1, .mean = -1, .variance = -1};
    }
    OC_TRY(lower_forward(&lower, err));
    if (plan->options.mode == OC_PLAN_TRAIN) OC_TRY(lower_backward(&lower, err));
    OC_TRY(oc_plan_tell_unheeded(plan, &lower.unheeded, err));
cleanup:
    oc_text_list_free(&lower.unheeded);
    oc_free(lower.value);
    oc_free(lower.values.item);
    oc_free(lower.contributions.item);
    return status;
}
