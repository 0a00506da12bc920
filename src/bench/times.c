/* Timing steps, and telling what came of it. */
#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
#include "bench/run.h"

#define STEPS_LEAST 5
#define WARM_STEPS 2
#define WARM_SECONDS 0.3
#define PROFILED_STEPS 3
#define TIMED_SECONDS 5.0

oc_status oc_bench_noise(float **out, int64_t count, oc_error *err) {
    oc_random random;
    const oc_status status = oc_alloc(out, (size_t)count, sizeof **out, err);
    if (status != OC_OK) return status;
    oc_random_init(&random, 0, OC_RANDOM_TEST, 0, 0);
    for (int64_t i = 0; i < count; i++) (*out)[i] = (float)oc_random_normal(&random);
    return OC_OK;
}

/* Steps that are not timed; *count = as many timed ones as were asked for, or as take about TIMED_SECONDS. A few warm
 * steps of a small batch are over before the processor has its full clock rate. */
static oc_status warm(int64_t *count, const oc_bench_run *run, oc_plan *plan, oc_bench_step_fn step, void *user,
                      oc_error *err) {
    oc_status status = OC_OK;
    const int64_t asked = run->options->steps;
    const double begin = oc_clock_seconds();
    double last = 0;
    for (int i = 0; i < WARM_STEPS || (asked == 0 && oc_clock_seconds() - begin < WARM_SECONDS); i++) {
        const double start = oc_clock_seconds();
        OC_TRY(step(user, -1, err));
        OC_TRY(oc_plan_run_products(plan, err));
        last = oc_clock_seconds() - start;
    }
    const double fitting = TIMED_SECONDS / fmax(last, 1e-6);
    *count = asked > 0 ? asked : fitting < STEPS_LEAST ? STEPS_LEAST : (int64_t)fmin(fitting, OC_BENCH_STEPS_MOST);
    if (*count > OC_BENCH_STEPS_MOST) *count = OC_BENCH_STEPS_MOST;
cleanup:
    return status;
}

oc_status oc_bench_time(oc_bench_times *times, const oc_bench_run *run, oc_plan *plan, int64_t batch,
                        oc_bench_step_fn step, void *user, oc_error *err) {
    oc_status status = OC_OK;
    double *steps = NULL, *floors = NULL;
    *times = (oc_bench_times){.plan = plan, .batch = batch, .profiled = PROFILED_STEPS};
    OC_TRY(oc_alloc(&steps, OC_BENCH_STEPS_MOST, sizeof *steps, err));
    OC_TRY(oc_alloc(&floors, OC_BENCH_STEPS_MOST, sizeof *floors, err));
    OC_TRY(warm(&times->count, run, plan, step, user, err));
    const oc_usage begin = oc_usage_now();
    for (int64_t i = 0; i < times->count; i++) {
        /* Alternating, so that both see the same machine, and the floor numbers as ordinary as the step's. */
        const double start = oc_clock_seconds();
        OC_TRY(step(user, i, err));
        const double middle = oc_clock_seconds();
        OC_TRY(oc_plan_run_products(plan, err));
        steps[i] = middle - start;
        floors[i] = oc_clock_seconds() - middle;
    }
    const oc_usage end = oc_usage_now();
    times->usage = oc_usage_between(&begin, &end);
    times->step = oc_bench_spread(steps, times->count);
    times->floor = oc_bench_spread(floors, times->count);
    /* The single steps apart, since taking their times costs a little. */
    oc_plan_profile(plan, true);
    oc_plan_profile_reset(plan);
    for (int i = 0; i < PROFILED_STEPS; i++) OC_TRY(step(user, -1, err));
    oc_plan_profile(plan, false);
cleanup:
    oc_free(steps);
    oc_free(floors);
    return status;
}

static json_t *spread_json(const oc_spread *s) {
    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "median", s->median, "least", s->least, "q1", s->q1, "q3", s->q3,
                     "p99", s->p99);
}

/* Null for what the system does not tell. */
static json_t *known_json(double value) {
    return value < 0 ? json_null() : json_real(value);
}

static double flops_of(const oc_plan *plan) {
    double flops = 0;
    for (int i = 0; i < oc_plan_steps(plan); i++) flops += oc_plan_step_info(plan, i).flops;
    return flops;
}

oc_status oc_bench_judge(oc_bench_run *run, const char *part, const oc_evidence *evidence, oc_error *err) {
    char doubt[OC_DOUBTS_MOST][OC_DOUBT_SIZE];
    const int doubts = oc_trust_judge(evidence, doubt);
    for (int i = 0; i < doubts; i++)
        if (json_array_append_new(run->doubts, json_sprintf("%s: %s", part, doubt[i])) != 0)
            return oc_json_no_memory(err);
    return OC_OK;
}

oc_status oc_bench_tell(json_t **out, oc_bench_run *run, const char *part, oc_bench_times *times, oc_error *err) {
    oc_status status = OC_OK;
    const double batch = (double)times->batch, gflops = 1e-9 * flops_of(times->plan) / times->step.median;
    const oc_evidence evidence = {.step = times->step,
                                  .usage = times->usage,
                                  .threads = oc_team_threads(run->team),
                                  .processors = oc_usage_processors()};
    *out =
        json_pack("{s:I, s:I, s:f, s:f, s:f, s:o, s:o, s:f, s:f, s:I, s:o, s:o, s:o, s:o}", "batch_size",
                  (json_int_t)times->batch, "steps", (json_int_t)times->count, "images_per_second",
                  batch / times->step.median, "images_per_second_q1", batch / times->step.q3, "images_per_second_q3",
                  batch / times->step.q1, "step_seconds", spread_json(&times->step), "floor_seconds",
                  spread_json(&times->floor), "floor_share", times->floor.median / times->step.median, "gflops", gflops,
                  "memory_bytes", (json_int_t)times->memory, "cpu_share", known_json(oc_evidence_cpu_share(&evidence)),
                  "waited_share", known_json(oc_evidence_waited_share(&evidence)), "others",
                  known_json(oc_evidence_others(&evidence)), "operators", oc_bench_operators(times));
    if (!*out) return oc_json_no_memory(err);
    if (run->options->layers) OC_TRY(oc_json_put(*out, "layers", oc_bench_layers(times), err));
    OC_TRY(oc_bench_judge(run, part, &evidence, err));
cleanup:
    return status;
}
