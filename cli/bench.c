/* ocelli bench */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "ocelli/bench.h"
#include "ocelli/models.h"
#include "progress.h"

static const oc_flag flags[] = {
    {"--model", "NAME", "which model; may be repeated; all unless given"},
    {"--batch-size", "N", "images in a step; 64 unless given"},
    {"--size", "N", "input height and width; 64 unless given"},
    {"--classes", "N", "classes; 200 unless given"},
    OC_FLAG_PRECISION,
    OC_FLAG_TUNE,
    {"--steps", "N", "timed steps; as many as take a few seconds unless given"},
    {"--infer", NULL, "inference alone: how long one image takes, and images/s in batches"},
    {"--no-data", NULL, "compute on one batch in memory, without preparing images"},
    OC_FLAG_THREADS,
    OC_FLAG_JSON,
    OC_FLAG_END,
};

static double real(json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

static void print_head(json_t *result) {
    printf("%s, batch %.0f of 3x%.0fx%.0f, %.0f threads, %s\n", json_string_value(json_object_get(result, "model")),
           real(result, "batch_size"), real(result, "size"), real(result, "size"), real(result, "threads"),
           json_string_value(json_object_get(result, "precision")));
}

static const char winograd_note[] =
    "             (counted as direct convolutions, of which Winograd's method does fewer)";

static void print_table(json_t *result) {
    json_t *seconds = json_object_get(result, "seconds"), *operators = json_object_get(result, "operators");
    static const char *const parts[] = {"data", "forward", "loss", "backward", "optimizer"};
    double step = real(seconds, "step");
    print_head(result);
    printf("  training   %8.1f images/s (median of %.0f steps)  %.1f GFLOP/s, %.1f %% of the measured peak of %.1f\n",
           real(result, "images_per_second"), real(result, "steps"), real(result, "gflops"),
           100 * real(result, "peak_share"), real(result, "peak_gflops"));
    if (real(result, "peak_share") > 1) puts(winograd_note);
    printf("  inference  %8.1f images/s\n", real(result, "inference_images_per_second"));
    printf("  a step     %8.2f ms:", 1e3 * step);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        printf("%s %s %.1f %%", i ? "," : "", parts[i], 100 * real(seconds, parts[i]) / step);
    printf("\n  %-16s %7s %9s %9s %9s %9s %9s\n", "operator", "share", "forward", "b.data", "b.weights", "reorder",
           "GFLOP/s");
    for (size_t i = 0; i < json_array_size(operators); i++) {
        json_t *op = json_array_get(operators, i);
        printf("  %-16s %5.1f %% %7.2fms %7.2fms %7.2fms %7.2fms %9.1f\n", json_string_value(json_object_get(op, "op")),
               100 * real(op, "share"), 1e3 * real(op, "forward_seconds"), 1e3 * real(op, "backward_data_seconds"),
               1e3 * real(op, "backward_weights_seconds"), 1e3 * real(op, "reorder_seconds"), real(op, "gflops"));
    }
}

static void print_inference(json_t *result) {
    print_head(result);
    printf("  one image  %8.3f ms (median of %.0f), 90 %% of them within %.3f ms\n",
           1e3 * real(result, "latency_seconds"), real(result, "latency_steps"),
           1e3 * real(result, "latency_p90_seconds"));
    printf("  inference  %8.1f images/s (median of %.0f steps)  %.1f GFLOP/s, %.1f %% of the measured peak of %.1f\n",
           real(result, "inference_images_per_second"), real(result, "inference_steps"),
           real(result, "inference_gflops"), 100 * real(result, "inference_peak_share"), real(result, "peak_gflops"));
    if (real(result, "inference_peak_share") > 1) puts(winograd_note);
}

/* What is measured, and how it is printed. */
typedef struct measurement {
    oc_status (*measure)(char **json, const char *model, const oc_bench_options *options, oc_error *err);
    void (*print)(json_t *result);
} measurement;

static const measurement whole = {oc_bench_model, print_table}, inference = {oc_bench_inference, print_inference};

/* Measures one model and prints the table, or keeps the JSON. */
static oc_status bench_one(const measurement *what, const char *name, const oc_bench_options *options, json_t *results,
                           oc_error *err) {
    char *text = NULL;
    oc_status status = what->measure(&text, name, options, err);
    if (status != OC_OK) return status;
    json_t *result = json_loads(text, 0, NULL);
    oc_bench_free(text);
    if (!result) return oc_cli_fail(err, OC_E_MEMORY, NULL, "out of memory for JSON");
    if (results) {
        json_array_append_new(results, result);
        return OC_OK;
    }
    what->print(result);
    fflush(stdout);
    json_decref(result);
    return OC_OK;
}

static oc_status bench_chosen(const measurement *what, const oc_args *args, const oc_bench_options *options,
                              json_t *results, oc_error *err) {
    const char *name;
    oc_status status = OC_OK;
    for (size_t i = 0; status == OC_OK && (name = oc_args_nth(args, "--model", i)); i++)
        status = bench_one(what, name, options, results, err);
    return status;
}

/* Whether the model takes no images of this size, or cannot be trained in such batches. */
static bool is_passed_over(oc_status status, const oc_error *err) {
    return oc_cli_is_about_size(status, err) || (status == OC_E_USAGE && strcmp(err->where, "--batch-size") == 0);
}

/* A model that cannot is told and passed over; what no model can is an error. */
static oc_status bench_all(const measurement *what, const oc_bench_options *options, json_t *results, oc_error *err) {
    const char *name;
    oc_status status = OC_OK;
    bool any = false;
    for (size_t i = 0; (name = oc_models_name(i)); i++) {
        status = bench_one(what, name, options, results, err);
        if (status != OC_OK && !is_passed_over(status, err)) return status;
        if (status == OC_OK)
            any = true;
        else
            fprintf(stderr, "ocelli: warning: left out: %s\n", err->message);
    }
    return any ? OC_OK : status;
}

static oc_status run(const oc_args *args, oc_error *err) {
    oc_bar bar = oc_bar_make(NULL);
    oc_bench_options options = {.precision = oc_args_text(args, "--precision"),
                                .tune = oc_args_text(args, "--tune"),
                                .augment = !oc_args_has(args, "--no-data"),
                                .log = oc_bar_log(&bar)};
    json_t *results = oc_args_has(args, "--json") ? json_array() : NULL;
    const measurement *what = oc_args_has(args, "--infer") ? &inference : &whole;
    oc_status status = OC_OK;
    if (what == &inference && oc_args_has(args, "--no-data"))
        status = oc_cli_fail(err, OC_E_USAGE, "--no-data", "is for training: --infer prepares no images");
    if (status == OC_OK) status = oc_args_int(args, "--batch-size", 1, 65536, &options.batch_size, err);
    if (status == OC_OK) status = oc_args_size(args, &options.size, err);
    if (status == OC_OK) status = oc_args_int(args, "--classes", 1, 100000, &options.classes, err);
    if (status == OC_OK) status = oc_args_int(args, "--steps", 1, 1000, &options.steps, err);
    if (status == OC_OK) status = oc_args_threads(args, &options.threads, err);
    if (status == OC_OK)
        status = oc_args_has(args, "--model") ? bench_chosen(what, args, &options, results, err)
                                              : bench_all(what, &options, results, err);
    if (status == OC_OK && results) {
        char *text = json_dumps(results, JSON_COMPACT | JSON_REAL_PRECISION(9));
        if (text) puts(text);
        if (!text) status = oc_cli_fail(err, OC_E_MEMORY, NULL, "out of memory for JSON");
        free(text);
    }
    json_decref(results);
    return status;
}

const oc_command oc_command_bench = {
    .name = "bench",
    .summary = "measures training and inference of models beside this machine's peak",
    .usage = "[--model NAME]... [--infer] [--batch-size N] [--steps N] [--json]",
    .example = "ocelli bench --model myresnet-small",
    .flags = flags,
    .computes = true,
    .run = run,
};
