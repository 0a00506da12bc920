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

/* Moves the source of one tie where its sign is not that of `want`, or hardly; true when it did. */
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
    /* Farther than need be: the statistics move with it. */
    *src = (float)(((want > 0 ? 2 : -2) * margin - shift) / slope + mean);
    return true;
}

/* Elements of one copy of the batch in a step's source. */
static int64_t copy_elements(const oc_plan_step *step, int copies) {
    oc_map p;
    assert_true(oc_layout_map(oc_primitive_layout(step->primitive, OC_SLOT_SRC), &p));
    return p.images / copies * p.channels * p.h * p.w;
}

/* Settles the step's ties, those of ReLU number `relu`, in each copy of the batch; how many it moved. */
static int settle_step(const oc_plan *plan, const oc_plan_step *step, const json_t *ties, int relu, double width,
                       int copies) {
    int moved = 0;
    for (size_t t = 0; t < json_array_size(ties); t++) {
        const json_t *tie = json_array_get(ties, t);
        if (json_integer_value(json_array_get(tie, 0)) != relu) continue;
        for (int c = 0; c < copies; c++)
            moved += settle(plan, step, json_integer_value(json_array_get(tie, 1)) + c * copy_elements(step, copies),
                            reference_number(json_array_get(tie, 2)), width);
    }
    return moved;
}

/* The step's ties have the signs that they should; how many there are. */
static size_t check_step(const oc_plan *plan, const oc_plan_step *step, const json_t *ties, int relu, int copies) {
    size_t seen = 0;
    for (size_t t = 0; t < json_array_size(ties); t++) {
        const json_t *tie = json_array_get(ties, t);
        if (json_integer_value(json_array_get(tie, 0)) != relu) continue;
        for (int c = 0; c < copies; c++, seen++) {
            const int64_t index = json_integer_value(json_array_get(tie, 1)) + c * copy_elements(step, copies);
            int64_t channel;
            if (shows_sign(&plan->graph->node[step->node]))
                assert_int_equal(*element(plan, step, OC_SLOT_DST, index, &channel) > 0,
                                 reference_number(json_array_get(tie, 2)) > 0);
        }
    }
    return seen;
}

/* A batch norm makes the statistics by which its ties are judged itself, and they move with what is settled. */
#define ROUNDS 5

int ties_settle(oc_plan *plan, const json_t *ties, double width, int copies) {
    const oc_steps *forward = &plan->pass[OC_PASS_FORWARD];
    int relu = 0, moved = 0;
    size_t seen = 0;
    for (int i = 0; i < forward->count; i++) {
        const oc_plan_step *step = &forward->step[i];
        if (step->kind == OC_STEP_STATISTICS) continue;
        const oc_node *node = &plan->graph->node[step->node];
        const bool watched = takes_relu(node) && completes(plan, step), norm = node->op == &oc_batch_norm_op;
        if (watched && norm) assert_int_equal(oc_primitive_execute(step->primitive, NULL), OC_OK);
        for (int round = 0; round < (norm ? ROUNDS : 1); round++) {
            const int more = watched ? settle_step(plan, step, ties, relu, width, copies) : 0;
            if (round > 0 && more == 0) break;
            moved += round == 0 ? more : 0;
            assert_int_equal(oc_primitive_execute(step->primitive, NULL), OC_OK);
        }
        if (watched) seen += check_step(plan, step, ties, relu, copies);
        relu += watched;
    }
    assert_int_equal(seen, json_array_size(ties) * (size_t)copies);
    return moved;
}
