/* What the parts of a measurement share, and what each of them gives. */
#ifndef OC_BENCH_RUN_H
#define OC_BENCH_RUN_H

#include <jansson.h>

#include "bench/peak.h"
#include "bench/timing.h"
#include "bench/trust.h"
#include "compute/conv/tune.h"
#include "graph/plan.h"
#include "models/model.h"
#include "ocelli/bench.h"

#define OC_BENCH_STEPS_MOST 1000

/* Of one model. */
typedef struct oc_bench_run {
    const oc_bench_options *options;
    int64_t batch, size, classes; /* as given, or as they are unless given */
    oc_precision precision;
    oc_model *model;
    oc_team *team;
    oc_tuner *tuner; /* NULL: algorithms are chosen by estimate */
    oc_machine machine;
    json_t *doubts; /* texts: why not to trust what was measured */
} oc_bench_run;

/* One step, made anew each time; `index` counts the timed ones from 0, −1 for one that is not. */
typedef oc_status (*oc_bench_step_fn)(void *user, int64_t index, oc_error *err);

/* Steps on a plan, timed. */
typedef struct oc_bench_times {
    const oc_plan *plan; /* holds the times of its steps, over `profiled` executions */
    int64_t batch, count;
    int profiled;
    oc_spread step, floor; /* seconds of a step, and of the bare floor right behind it (oc_plan_run_products) */
    oc_usage usage;        /* meanwhile */
    int64_t memory;        /* bytes that the process had at most, for the caller to fill in; 0: unknown */
} oc_bench_times;

/* Some steps that are not timed, then options->steps that are, or as many as take a few seconds with their floors, and
 * in the end some that are profiled. Whatever step(user, …) computes on is `plan`. Its statuses. */
oc_status oc_bench_time(oc_bench_times *times, const oc_bench_run *run, oc_plan *plan, int64_t batch,
                        oc_bench_step_fn step, void *user, oc_error *err);

/* What the numbers cast doubt on, as "training: …" for a part of that name, into run->doubts. OC_E_MEMORY. */
oc_status oc_bench_judge(oc_bench_run *run, const char *part, const oc_evidence *evidence, oc_error *err);

/* What `times` say of `part` ("training"), as a new object (docs/bench.md), and doubts about them into run->doubts.
 * OC_E_MEMORY. */
oc_status oc_bench_tell(json_t **out, oc_bench_run *run, const char *part, oc_bench_times *times, oc_error *err);

/* The parts: a new object each. Their statuses are those of oc_bench_model. */
oc_status oc_bench_training(json_t **out, oc_bench_run *run, oc_error *err);
oc_status oc_bench_inference(json_t **out, oc_bench_run *run, int64_t batch, oc_error *err);

/* Rows by the kinds of operators, and by single steps, of a profiled plan: new lists. NULL without memory. */
json_t *oc_bench_operators(const oc_bench_times *times);
json_t *oc_bench_layers(const oc_bench_times *times);

/* Adds to a part, and to each of its layers, how it stands beside the machine's rates, which are known only when they
 * have been measured behind it, too. OC_E_MEMORY. */
oc_status oc_bench_rate(json_t *part, const oc_machine *machine, oc_error *err);

/* *out = `count` standard normal numbers, the same each time, freed with oc_free. OC_E_MEMORY. */
oc_status oc_bench_noise(float **out, int64_t count, oc_error *err);

#endif
