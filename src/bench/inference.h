/* Measuring the forward pass of an evaluation, and what every measurement needs: a model without data, a median. */
#ifndef OC_BENCH_INFERENCE_H
#define OC_BENCH_INFERENCE_H

#include "compute/conv/tune.h"
#include "models/model.h"
#include "ocelli/bench.h"

/* The registry's model `name` for that many classes, which are numbers, with its first weights. OC_E_USAGE, as
 * oc_model_create. */
oc_status oc_bench_model_create(oc_model **out, const char *name, int64_t classes, int64_t size, oc_error *err);

/* What measures algorithms where the options ask for it, with the user's cache; else *out = NULL. OC_E_USAGE for an
 * unknown effort, OC_E_MEMORY. */
oc_status oc_bench_tuner_create(oc_tuner **out, const oc_bench_options *options, const oc_team *team, oc_error *err);

/* The value below which a share (0 to 1) of values[count >= 1] lies, the mean of two where it falls between them. Sorts
 * the values. */
double oc_bench_quantile(double *values, int64_t count, double share);

/* Seconds of one forward pass of a batch, from an input in memory to logits. */
typedef struct oc_inference_time {
    double median, p90; /* 90 % of the passes took at most p90 */
    int64_t steps;      /* timed */
} oc_inference_time;

/* Passes of `plan` (of mode OC_PLAN_INFER): a few that are not timed, then `steps` timed ones, or, where that is 0, as
 * many as take about two seconds, 20 at least and 1000 at most, after a third of a second to get warm. `count`: of
 * floats of its input. OC_E_COMPUTE, OC_E_MEMORY. */
oc_status oc_inference_measure(oc_inference_time *out, oc_plan *plan, oc_weights *weights, int64_t count, int64_t steps,
                               oc_error *err);

#endif
