/* Settling ties: the steps of a forward pass are run one by one, and before one that takes a ReLU its source is
 * nudged. */
#include "support/ties.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "compute/internal.h"
#include "graph/ops/add.h"
#include "graph/ops/batch_norm.h"
#include "graph/ops/scale.h"
#include "graph/plan_internal.h"
#include "support/reference.h"

static bool takes_relu(const oc_node *node) {
    return node->op == &oc_relu_op || (node->op == &oc_batch_norm_op && ((oc_batch_norm_node *)node->attr)->relu) ||
           (node->op == &oc_add_op && ((oc_add_node *)node->attr)->relu) ||
           (node->op == &oc_scale_op && ((oc_scale_node *)node->attr)->join);
}

/* What is added behind the ReLU, or a pool, hides its sign. */
static bool shows_sign(const oc_node *node) {
    return !(node->op == &oc_add_op && node->inputs > 2) &&
           !(node->op == &oc_batch_norm_op && ((oc_batch_norm_node *)node->attr)->pooled);
}

/* What a step has in a slot; NULL: nothing. */
static float *operand(const oc_plan *plan, const oc_plan_step *step, oc_slot slot) {
    for (int i = 0; i < step->operands; i++)
        if (step->operand[i].slot == slot) return oc_plan_at(plan, step->operand[i].buffer);
    return NULL;
}

/* Whether the step writes its node's value. */
static bool completes(const oc_plan *plan, const oc_plan_step *step) {
    const float *dst = operand(plan, step, OC_SLOT_DST);
    return dst && dst == (const float *)oc_plan_at(plan, plan->value[step->node]) && step->kind == OC_STEP_FORWARD;
}

/* Element `index` of the shape [N, C, H, W] of a slot's layout, and its channel. */
static float *element(const oc_plan *plan, const oc_plan_step *step, oc_slot slot, int64_t index, int64_t *channel) {
    oc_map p;
    assert_true(oc_layout_map(oc_primitive_layout(step->primitive, slot), &p));
    const int64_t area = p.h * p.w, n = index / (area * p.channels), c = index / area % p.channels;
    assert_true(n < p.images);
    *channel = c;
    return operand(plan, step, slot) + n * p.image_stride + c / p.block * p.block_stride + index % area * p.block +
           c % p.block;
}

/* The gate of the element's image and channel. */
static double gate_of(const oc_plan *plan, const oc_plan_step *step, int64_t index) {
    const oc_shape *map = &oc_primitive_layout(step->primitive, OC_SLOT_SRC)->shape;
    int64_t channel;
    return *element(plan, step, OC_SLOT_SRC_1, index / (map->dim[2] * map->dim[3]), &channel);
}

/* Moves the source of one tie where its sign is not that of `want`; true when it did. */
static bool settle(const oc_plan *plan, const oc_plan_step *step, int64_t index, double want, double width) {
    int64_t c;
    float *src = element(plan, step, OC_SLOT_SRC, index, &c);
    double slope = 1, mean = 0, shift = 0; /* value before the ReLU = (src − mean) · slope + shift */
    const oc_op *op = plan->graph->node[step->node].op;
    if (op == &oc_batch_norm_op) {
        slope = operand(plan, step, OC_SLOT_SCALE)[c] /
                sqrt(operand(plan, step, OC_SLOT_VARIANCE)[c] + OC_BATCH_NORM_EPSILON);
        mean = operand(plan, step, OC_SLOT_MEAN)[c];
        shift = operand(plan, step, OC_SLOT_SHIFT)[c];
    } else if (op == &oc_add_op) {
        shift = *element(plan, step, OC_SLOT_SRC_1, index, &c);
    } else if (op == &oc_scale_op) {
        slope = gate_of(plan, step, index);
        shift = *element(plan, step, OC_SLOT_SRC_2, index, &c);
    }
    const double value = (*src - mean) * slope + shift;
    if (fabs(value - want) > width)
        fail_msg("element %lld at %s is %g, not %g", (long long)index, oc_node_layer(&plan->graph->node[step->node]),
                 value, want);
    /* As far from zero as rounding of what is computed from may be off. */
    const double margin = 4e-7 * ((fabs((double)*src) + fabs(mean)) * fabs(slope) + fabs(shift));
    if (want > 0 ? value > margin : value < -margin) return false;
    *src = (float)(((want > 0 ? margin : -margin) - shift) / slope + mean);
    return (value > 0) != (want > 0);
}

/* Elements of one copy of the batch in a slot's layout. */
static int64_t copy_elements(const oc_plan_step *step, oc_slot slot, int copies) {
    oc_map p;
    assert_true(oc_layout_map(oc_primitive_layout(step->primitive, slot), &p));
    return p.images / copies * p.channels * p.h * p.w;
}

int ties_settle(oc_plan *plan, const json_t *ties, double width, int copies) {
    const oc_steps *forward = &plan->pass[OC_PASS_FORWARD];
    int relu = 0, moved = 0;
    size_t seen = 0;
    for (int i = 0; i < forward->count; i++) {
        const oc_plan_step *step = &forward->step[i];
        if (step->kind == OC_STEP_STATISTICS) continue;
        const bool watched = takes_relu(&plan->graph->node[step->node]) && completes(plan, step);
        for (int pass = 0; pass < 2; pass++) {
            for (size_t t = 0; watched && t < json_array_size(ties) * (size_t)copies; t++) {
                const json_t *tie = json_array_get(ties, t / (size_t)copies);
                if (json_integer_value(json_array_get(tie, 0)) != relu) continue;
                const int64_t index = json_integer_value(json_array_get(tie, 1)) +
                                      (int64_t)(t % (size_t)copies) * copy_elements(step, OC_SLOT_SRC, copies);
                const double want = reference_number(json_array_get(tie, 2));
                int64_t channel;
                if (pass == 0)
                    moved += settle(plan, step, index, want, width);
                else if (shows_sign(&plan->graph->node[step->node]))
                    assert_int_equal(*element(plan, step, OC_SLOT_DST, index, &channel) > 0, want > 0);
                seen += (size_t)pass;
            }
            if (pass == 0) assert_int_equal(oc_primitive_execute(step->primitive, NULL), OC_OK);
        }
        relu += watched;
    }
    assert_int_equal(seen, json_array_size(ties) * (size_t)copies);
    return moved;
}
