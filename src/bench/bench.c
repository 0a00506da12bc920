/* Measuring a model: the machine's rates before and after, and between them training and inference. */
#include "ocelli/bench.h"

#include <stdio.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "bench/run.h"
#include "models/precision.h"

/* The registry's model for that many classes, which are numbers, with its first weights. */
static oc_status make_model(oc_bench_run *run, const char *name, oc_error *err) {
    oc_status status = OC_OK;
    oc_names names = {0};
    for (int64_t i = 0; i < run->classes; i++) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)i);
        OC_TRY(oc_names_add(&names, text, err));
    }
    OC_TRY(oc_model_create(&run->model, name, (const char *const *)names.item, names.count, run->size, NULL, err));
    oc_model_init(run->model, 0);
cleanup:
    oc_names_free(&names);
    return status;
}

static oc_status open_run(oc_bench_run *run, const char *name, oc_error *err) {
    oc_status status = OC_OK;
    const oc_bench_options *options = run->options;
    run->batch = options->batch_size > 0 ? options->batch_size : 64;
    run->size = options->size > 0 ? options->size : 64;
    run->classes = options->classes > 0 ? options->classes : 200;
    run->doubts = json_array();
    oc_tune tune;
    OC_TRY(oc_tune_find(&tune, options->tune, "--tune", err));
    OC_TRY(oc_precision_find(&run->precision, options->precision, "--precision", err));
    OC_TRY(make_model(run, name, err));
    OC_TRY(oc_team_create(&run->team, options->threads, err));
    oc_team_log(run->team, &options->log);
    oc_team_enter(run->team);
    OC_TRY(oc_tuner_create(&run->tuner, tune, NULL, run->team, &options->log, err));
cleanup:
    return status;
}

static void close_run(oc_bench_run *run) {
    json_decref(run->doubts);
    oc_tuner_destroy(&run->tuner);
    oc_team_destroy(&run->team);
    oc_model_destroy(&run->model);
}

static oc_status tell_machine(json_t *to, oc_bench_run *run, oc_error *err) {
    const oc_machine *machine = &run->machine;
    const oc_evidence evidence = {.peak = machine->peak,
                                  .peak_low = machine->peak_low,
                                  .copy = machine->uncached,
                                  .copy_low = machine->uncached_low,
                                  .usage = machine->usage,
                                  .always_busy = true,
                                  .threads = oc_team_threads(run->team),
                                  .processors = oc_usage_processors()};
    const oc_status status = oc_bench_judge(run, "machine", &evidence, err);
    if (status != OC_OK) return status;
    return oc_json_put(to, "machine",
                       json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "peak_gflops", machine->peak, "peak_gflops_low",
                                 machine->peak_low, "copy_cached", machine->cached, "copy_cached_low",
                                 machine->cached_low, "copy_uncached", machine->uncached, "copy_uncached_low",
                                 machine->uncached_low),
                       err);
}

/* Measures one image and, where they are more, the batch. */
static oc_status measure_inference(json_t *to, oc_bench_run *run, oc_error *err) {
    oc_status status = OC_OK;
    json_t *list = json_array(), *one = NULL;
    const int64_t batches[] = {1, run->batch};
    for (int i = 0; i < (run->batch > 1 ? 2 : 1); i++) {
        OC_TRY(oc_bench_inference(&one, run, batches[i], err));
        if (json_array_append_new(list, one) != 0) OC_TRY(oc_json_no_memory(err));
    }
    OC_TRY(oc_json_put(to, "inference", json_incref(list), err));
cleanup:
    json_decref(list);
    return status;
}

/* Every part beside what the machine turned out to do. */
static oc_status rate_parts(json_t *of, const oc_machine *machine, oc_error *err) {
    oc_status status = OC_OK;
    json_t *training = json_object_get(of, "training"), *part;
    size_t i;
    if (training) OC_TRY(oc_bench_rate(training, machine, err));
    json_array_foreach(json_object_get(of, "inference"), i, part) OC_TRY(oc_bench_rate(part, machine, err));
cleanup:
    return status;
}

static oc_status measure(json_t *to, oc_bench_run *run, oc_error *err) {
    oc_status status = OC_OK;
    json_t *training;
    OC_TRY(oc_machine_measure(&run->machine, run->team, err));
    if (run->options->parts != OC_BENCH_INFER) {
        OC_TRY(oc_bench_training(&training, run, err));
        OC_TRY(oc_json_put(to, "training", training, err));
    }
    if (run->options->parts != OC_BENCH_TRAIN) OC_TRY(measure_inference(to, run, err));
    OC_TRY(oc_machine_measure(&run->machine, run->team, err));
    OC_TRY(tell_machine(to, run, err));
    OC_TRY(rate_parts(to, &run->machine, err));
cleanup:
    return status;
}

oc_status oc_bench_model(char **json, const char *model, const oc_bench_options *options, oc_error *err) {
    oc_status status = OC_OK;
    const oc_bench_options defaults = {0};
    oc_bench_run run = {.options = options ? options : &defaults};
    json_t *object = NULL;
    *json = NULL;
    OC_TRY(open_run(&run, model, err));
    oc_log_line(&run.options->log, OC_LOG_INFO, "%s: batch %lld on %d threads", model, (long long)run.batch,
                oc_team_threads(run.team));
    object = json_pack("{s:s, s:s, s:I, s:I, s:i, s:I}", "model", run.model->entry->name, "precision",
                       oc_precision_name(run.precision), "size", (json_int_t)run.size, "classes",
                       (json_int_t)run.classes, "threads", oc_team_threads(run.team), "parameters",
                       (json_int_t)oc_table_parameters(oc_graph_table(run.model->graph)));
    if (!object) OC_TRY(oc_json_no_memory(err));
    OC_TRY(measure(object, &run, err));
    OC_TRY(oc_json_put(object, "trusted", json_boolean(json_array_size(run.doubts) == 0), err));
    OC_TRY(oc_json_put(object, "doubts", json_incref(run.doubts), err));
    OC_TRY(oc_json_text(json, object, err));
cleanup:
    json_decref(object);
    close_run(&run);
    return status;
}

void oc_bench_free(char *json) {
    oc_free(json);
}
