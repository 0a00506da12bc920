/* What a plan tells about itself: its choices, and where a number stopped being finite. */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/plan_internal.h"

static bool finite_floats(const float *data, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(data[i])) return false;
    return true;
}

/* Infinities and NaN have all bits of the exponent set. */
static bool finite_bf16(const uint16_t *data, size_t count) {
    for (size_t i = 0; i < count; i++)
        if ((data[i] & 0x7f80) == 0x7f80) return false;
    return true;
}

static bool finite_buffer(const oc_plan *plan, oc_buffer buffer) {
    const oc_buffer_info *info = &plan->buffer[buffer];
    const size_t count = info->bytes / oc_dtype_size(info->dtype);
    return info->dtype == OC_BF16 ? finite_bf16(oc_plan_at(plan, buffer), count)
                                  : finite_floats(oc_plan_at(plan, buffer), count);
}

/* Whether the node's output is complete after this step of the forward pass. */
static bool completes(const oc_steps *forward, int index) {
    if (forward->step[index].kind != OC_STEP_FORWARD) return false;
    for (int i = index + 1; i < forward->count; i++)
        if (forward->step[i].kind == OC_STEP_FORWARD && forward->step[i].node == forward->step[index].node)
            return false;
    return true;
}

/* Computes step by step with a look at each output before the next step, which may overwrite it; *layer = the name of
 * the first output that is not finite, or NULL. Running statistics are left alone. */
static oc_status run_checked(oc_plan *plan, const char **layer, oc_error *err) {
    const oc_steps *forward = &plan->pass[OC_PASS_FORWARD];
    oc_status status = OC_OK;
    *layer = finite_buffer(plan, plan->src) ? NULL : "input";
    for (int i = 0; i < forward->count && !*layer; i++) {
        const oc_plan_step *step = &forward->step[i];
        const oc_node *node = &plan->graph->node[step->node];
        if (step->kind == OC_STEP_STATISTICS) continue;
        OC_TRY(oc_primitive_execute(step->primitive, err));
        if (!completes(forward, i) || finite_buffer(plan, plan->value[step->node])) continue;
        *layer = node->name;
        if (node->name[0]) break;
        snprintf(plan->text, sizeof plan->text, "%s (node %d)", node->op->name, node->built);
        *layer = plan->text;
    }
cleanup:
    return status;
}

/* Activations that the backward pass does not need are overwritten during the forward pass, so that is run again. The
 * batch is still there. */
const char *oc_plan_non_finite(oc_plan *plan) {
    const char *layer = NULL;
    if (!plan->fresh) return NULL;
    oc_team_enter(plan->options.team);
    return run_checked(plan, &layer, NULL) == OC_OK ? layer : NULL;
}

oc_status oc_plan_forward_checked(oc_plan *plan, oc_weights *weights, oc_error *err) {
    const char *layer;
    oc_status status;
    assert(plan->options.mode == OC_PLAN_INFER);
    OC_TRY(oc_plan_prepare(plan, weights, err));
    OC_TRY(run_checked(plan, &layer, err));
    if (layer)
        status = oc_fail(err, OC_E_NON_FINITE, NULL,
                         "the output of layer \"%s\" is not finite: these weights are damaged, or their training "
                         "diverged; take others, best.safetensors of an earlier run, say",
                         layer);
cleanup:
    return status;
}

int oc_plan_slow_steps(const oc_plan *plan) {
    int slow = 0;
    for (int pass = 0; pass < OC_PASSES; pass++)
        for (int i = 0; i < plan->pass[pass].count; i++)
            slow += oc_primitive_is_slow(plan->pass[pass].step[i].primitive);
    return slow;
}

int oc_plan_rankings(const oc_plan *plan) {
    return plan->rankings;
}

const oc_plan_ranking *oc_plan_ranking_at(const oc_plan *plan, int index) {
    return &plan->ranking[index];
}

static const struct {
    oc_slot slot;
    const char *text;
} shown[] = {
    {OC_SLOT_SRC, "src"},           {OC_SLOT_WEIGHTS, "weights"},   {OC_SLOT_DIFF_WEIGHTS, "diff_weights"},
    {OC_SLOT_DIFF_DST, "diff_dst"}, {OC_SLOT_DIFF_SRC, "diff_src"}, {OC_SLOT_DST, "dst"},
};

typedef struct writer {
    char *data;
    size_t used, capacity;
} writer;

static oc_status write_text(writer *to, const char *text, oc_error *err) {
    size_t length = strlen(text);
    oc_status status = oc_grow(&to->data, &to->capacity, to->used + length + 1, 1, err);
    if (status != OC_OK) return status;
    memcpy(to->data + to->used, text, length + 1);
    to->used += length;
    return OC_OK;
}

static oc_status write_memory(writer *to, const oc_plan *plan, oc_error *err) {
    oc_status status = OC_OK;
    char line[256];
    const oc_plan_memory memory = oc_plan_memory_of(plan);
    snprintf(line, sizeof line, "memory, most at %s %s: %zu bytes", memory.layer, memory.kind, memory.live);
    OC_TRY(write_text(to, line, err));
    for (int use = 0; use < OC_USES; use++) {
        snprintf(line, sizeof line, ", %s %zu", oc_plan_use_text((oc_plan_use)use), memory.used[use]);
        OC_TRY(write_text(to, line, err));
    }
    OC_TRY(write_text(to, "\n", err));
cleanup:
    return status;
}

oc_status oc_plan_describe(const oc_plan *plan, char **out, oc_error *err) {
    oc_status status = OC_OK;
    writer to = {0};
    char line[512], layout[96];
    *out = NULL;
    char version[24];
    snprintf(line, sizeof line,
             "batch %" PRId64 ", %s, %s, %s, oneDNN %s, %d threads, slab %zu bytes, working copies %zu bytes\n",
             plan->options.batch, plan->options.mode == OC_PLAN_TRAIN ? "training" : "inference",
             plan->options.precision == OC_PRECISION_BF16 ? "bf16" : "fp32", oc_cpu_level_name(oc_cpu_level_now()),
             oc_engine_dnnl_version(version, sizeof version), oc_team_threads(plan->options.team), plan->slab_bytes,
             plan->own_bytes);
    OC_TRY(write_text(&to, line, err));
    OC_TRY(write_memory(&to, plan, err));
    for (int pass = 0; pass < OC_PASSES; pass++)
        for (int i = 0; i < plan->pass[pass].count; i++) {
            const oc_plan_step *step = &plan->pass[pass].step[i];
            const oc_node *node = &plan->graph->node[step->node];
            const char *algorithm = oc_primitive_algorithm(step->primitive);
            const char *implementation = oc_primitive_implementation(step->primitive);
            snprintf(line, sizeof line, "%s: %s: %s: %s", oc_node_layer(node), oc_step_kind_text(step->kind),
                     oc_primitive_what(step->primitive), algorithm);
            OC_TRY(write_text(&to, line, err));
            if (algorithm != implementation) {
                snprintf(line, sizeof line, " (%s)", implementation);
                OC_TRY(write_text(&to, line, err));
            }
            if (oc_primitive_is_slow(step->primitive)) OC_TRY(write_text(&to, ", slow", err));
            for (size_t j = 0; j < sizeof shown / sizeof *shown; j++) {
                const oc_layout *l = oc_primitive_layout(step->primitive, shown[j].slot);
                if (oc_layout_absent(l)) continue;
                snprintf(line, sizeof line, ", %s %s", shown[j].text, oc_layout_text(l, layout, sizeof layout));
                OC_TRY(write_text(&to, line, err));
            }
            OC_TRY(write_text(&to, "\n", err));
        }
    *out = to.data;
    to.data = NULL;
cleanup:
    oc_free(to.data);
    return status;
}
