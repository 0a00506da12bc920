/* Where the time goes: rows by the kinds of operators, and by the single steps of a plan. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "bench/run.h"

#define KINDS_MOST 64

/* Sums of all operators of one kind, per step. */
typedef struct kind {
    const char *op;
    double seconds[OC_STEP_KINDS], all, flops;
} kind;

static int compare_kinds(const void *a, const void *b) {
    const kind *x = a, *y = b;
    return (x->all < y->all) - (x->all > y->all);
}

static size_t sum_kinds(kind *kinds, const oc_bench_times *times) {
    size_t count = 0;
    for (int i = 0; i < oc_plan_steps(times->plan); i++) {
        const oc_step_info step = oc_plan_step_info(times->plan, i);
        const double seconds = step.seconds / times->profiled;
        size_t k = 0;
        while (k < count && strcmp(kinds[k].op, step.op) != 0) k++;
        if (k == KINDS_MOST) continue;
        if (k == count) kinds[count++] = (kind){.op = step.op};
        kinds[k].seconds[step.kind] += seconds;
        kinds[k].all += seconds;
        kinds[k].flops += step.flops;
    }
    qsort(kinds, count, sizeof *kinds, compare_kinds);
    return count;
}

json_t *oc_bench_operators(const oc_bench_times *times) {
    kind kinds[KINDS_MOST];
    const size_t count = sum_kinds(kinds, times);
    double all = 0;
    json_t *list = json_array();
    for (size_t k = 0; k < count; k++) all += kinds[k].all;
    for (size_t k = 0; k < count; k++) {
        const kind *x = &kinds[k];
        if (x->all <= 0) continue; /* the batch itself */
        json_array_append_new(list,
                              json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "op", x->op, "seconds", x->all,
                                        "share", x->all / all, "gflops", 1e-9 * x->flops / x->all, "forward_seconds",
                                        x->seconds[OC_STEP_FORWARD] + x->seconds[OC_STEP_STATISTICS],
                                        "backward_data_seconds", x->seconds[OC_STEP_BACKWARD_DATA],
                                        "backward_weights_seconds", x->seconds[OC_STEP_BACKWARD_WEIGHTS],
                                        "reorder_seconds", x->seconds[OC_STEP_REORDER] + x->seconds[OC_STEP_REFRESH]));
    }
    return list;
}

static json_t *layer_json(const oc_step_info *step, double seconds) {
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:s, s:s, s:b}", "node", step->node, "layer",
                     step->layer, "op", step->op, "pass", oc_step_kind_text(step->kind), "what", step->what, "seconds",
                     seconds, "flops", step->flops, "gflops", 1e-9 * step->flops / seconds, "bytes", step->bytes,
                     "gigabytes_per_second", 1e-9 * step->bytes / seconds, "candidate", step->algorithm, "runner_up",
                     step->runner_up, "floor", step->product);
}

json_t *oc_bench_layers(const oc_bench_times *times) {
    json_t *list = json_array();
    for (int i = 0; i < oc_plan_steps(times->plan); i++) {
        const oc_step_info step = oc_plan_step_info(times->plan, i);
        /* Working copies of weights that do not change were made before. */
        if (step.seconds > 0) json_array_append_new(list, layer_json(&step, step.seconds / times->profiled));
    }
    return list;
}

static double real(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

/* A step's roof is the longer of the two times that its arithmetic and its bytes take by the measured rates (Williams,
 * Waterman and Patterson, CACM 2009). */
static oc_status rate_layer(json_t *row, const oc_machine *machine, oc_error *err) {
    oc_status status = OC_OK;
    const double arithmetic = oc_machine_flops_seconds(machine, real(row, "flops"));
    const double memory = oc_machine_bytes_seconds(machine, real(row, "bytes"));
    const bool by_memory = memory > arithmetic;
    OC_TRY(oc_json_put(row, "bound", json_string(by_memory ? "memory" : "arithmetic"), err));
    OC_TRY(oc_json_put(row, "bound_share", json_real((by_memory ? memory : arithmetic) / real(row, "seconds")), err));
cleanup:
    return status;
}

oc_status oc_bench_rate(json_t *part, const oc_machine *machine, oc_error *err) {
    oc_status status = OC_OK;
    json_t *row;
    size_t i;
    OC_TRY(oc_json_put(part, "peak_share", json_real(real(part, "gflops") / machine->peak), err));
    json_array_foreach(json_object_get(part, "layers"), i, row) OC_TRY(rate_layer(row, machine, err));
cleanup:
    return status;
}
