/* The steps of a plan as measurements see them: their times, what they have to do, and those of the bare floor alone.
 */
#include <assert.h>

#include "base/error.h"
#include "graph/plan_internal.h"

const char *oc_step_kind_text(oc_step_kind kind) {
    static const char *const text[OC_STEP_KINDS] = {"refresh",       "forward",          "statistics",
                                                    "backward data", "backward weights", "reorder"};
    return text[kind];
}

void oc_plan_profile(oc_plan *plan, bool on) {
    plan->profile = on;
}

void oc_plan_profile_reset(oc_plan *plan) {
    for (int pass = 0; pass < OC_PASSES; pass++)
        for (int i = 0; i < plan->pass[pass].count; i++) plan->pass[pass].step[i].seconds = 0;
}

int oc_plan_steps(const oc_plan *plan) {
    int steps = 0;
    for (int pass = 0; pass < OC_PASSES; pass++) steps += plan->pass[pass].count;
    return steps;
}

static bool uses(const oc_plan_step *step, oc_slot slot) {
    return !oc_layout_absent(oc_primitive_layout(step->primitive, slot));
}

/* Of what such a node lowers to, the operation itself uses a filter or makes its gradient in a pass; sums of gradients
 * do not, and packing is of another kind. */
static bool is_product(const oc_plan *plan, const oc_plan_step *step) {
    const bool passes =
        step->kind == OC_STEP_FORWARD || step->kind == OC_STEP_BACKWARD_DATA || step->kind == OC_STEP_BACKWARD_WEIGHTS;
    return passes && plan->graph->node[step->node].op->macs != NULL &&
           (uses(step, OC_SLOT_WEIGHTS) || uses(step, OC_SLOT_DIFF_WEIGHTS));
}

/* Each of the three passes of a product multiplies as often as the forward pass. */
static double flops_of(const oc_plan *plan, const oc_plan_step *step) {
    const oc_node *node = &plan->graph->node[step->node];
    if (!is_product(plan, step)) return 0;
    return 2.0 * (double)node->op->macs(plan->graph, node) * (double)plan->options.batch;
}

static double bytes_of(const oc_plan_step *step) {
    double bytes = 0;
    for (int i = 0; i < step->operands; i++)
        if (step->operand[i].slot != OC_SLOT_SCRATCHPAD)
            bytes += (double)oc_layout_bytes(oc_primitive_layout(step->primitive, step->operand[i].slot));
    return bytes;
}

/* What would have done a convolution's pass else; "" for other steps, and where there was no choice. */
static const char *runner_up(const oc_plan *plan, const oc_plan_step *step) {
    static const oc_step_kind kinds[] = {OC_STEP_FORWARD, OC_STEP_BACKWARD_DATA, OC_STEP_BACKWARD_WEIGHTS};
    for (int i = 0; is_product(plan, step) && i < plan->rankings; i++) {
        const oc_plan_ranking *r = &plan->ranking[i];
        if (r->node == step->node && kinds[r->pass] == step->kind && r->ranking.count > 1)
            return oc_conv_algorithm_name(r->ranking.candidate[1].algorithm);
    }
    return "";
}

oc_step_info oc_plan_step_info(const oc_plan *plan, int index) {
    int pass = 0;
    while (index >= plan->pass[pass].count) index -= plan->pass[pass++].count;
    const oc_plan_step *step = &plan->pass[pass].step[index];
    const oc_node *node = &plan->graph->node[step->node];
    return (oc_step_info){
        .node = node->built,
        .layer = oc_node_layer(node),
        .op = node->op->name,
        .kind = step->kind,
        .what = oc_primitive_what(step->primitive),
        .algorithm = oc_primitive_algorithm(step->primitive),
        .runner_up = runner_up(plan, step),
        .product = is_product(plan, step),
        .seconds = step->seconds,
        .flops = flops_of(plan, step),
        .bytes = bytes_of(step),
    };
}

oc_status oc_plan_run_products(oc_plan *plan, oc_error *err) {
    oc_status status = OC_OK;
    assert(plan->fresh);
    oc_team_enter(plan->options.team);
    for (int pass = OC_PASS_FORWARD; pass < OC_PASSES; pass++)
        for (int i = 0; i < plan->pass[pass].count; i++) {
            const oc_plan_step *step = &plan->pass[pass].step[i];
            if (is_product(plan, step)) OC_TRY(oc_primitive_execute(step->primitive, err));
        }
cleanup:
    return status;
}
