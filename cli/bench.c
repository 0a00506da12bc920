/* ocelli bench */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "ocelli/bench.h"
#include "ocelli/models.h"
#include "progress.h"

static const oc_flag flags[] = {
    {"--model", "MODEL", "which model; may be repeated; all unless given"},
    {"--batch-size", "N", "images in a step; 64 unless given"},
    {"--size", "N", "input height and width; 64 unless given"},
    {"--classes", "N", "classes; 200 unless given"},
    OC_FLAG_PRECISION,
    OC_FLAG_TUNE,
    {"--steps", "N", "timed steps; as many as take a few seconds unless given"},
    {"--train", NULL, "training alone"},
    {"--infer", NULL, "inference alone, of one image and in batches"},
    {"--layers", NULL, "a row for each layer and pass: time, rate, bytes, candidate, what bounds it"},
    {"--no-data", NULL, "compute on one batch in memory, without preparing images"},
    OC_FLAG_THREADS,
    OC_FLAG_JSON,
    OC_FLAG_END,
};

static double real(json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

static double inner(json_t *object, const char *outer, const char *key) {
    return real(json_object_get(object, outer), key);
}

static const char *text(json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

/* Speed, rate and memory of a part, and how near to its bare floor it comes. */
static void print_part(const char *name, json_t *part) {
    const double step = inner(part, "step_seconds", "median"), floor = inner(part, "floor_seconds", "median");
    printf("  %-10s %8.1f images/s (quartiles %.1f to %.1f; %.0f steps), %.1f GFLOP/s, %.1f %% of the peak, %.0f MiB\n",
           name, real(part, "images_per_second"), real(part, "images_per_second_q1"),
           real(part, "images_per_second_q3"), real(part, "steps"), real(part, "gflops"),
           100 * real(part, "peak_share"), real(part, "memory_bytes") / (1 << 20));
    if (real(part, "peak_share") > 1)
        puts("             (counted as direct convolutions, of which Winograd's method does fewer)");
    printf("  %-10s %8.1f images/s: the step runs at %.1f %% of it, and takes %.3f times as long\n", "bare floor",
           real(part, "batch_size") / floor, 100 * real(part, "floor_share"), step / floor);
}

static void print_step(json_t *training) {
    static const char *const parts[] = {"data", "forward", "loss", "backward", "optimizer"};
    const double step = inner(training, "step_seconds", "median");
    printf("  a step     %8.2f ms:", 1e3 * step);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        printf("%s %s %.1f %%", i ? "," : "", parts[i], 100 * inner(training, "part_seconds", parts[i]) / step);
    putchar('\n');
}

static void print_latency(json_t *part) {
    printf("  latency    %8.3f ms for %.0f image%s (median of %.0f passes), 99 %% of them within %.3f ms\n",
           1e3 * inner(part, "step_seconds", "median"), real(part, "batch_size"),
           real(part, "batch_size") > 1 ? "s" : "", real(part, "steps"), 1e3 * inner(part, "step_seconds", "p99"));
}

static void print_operators(json_t *part) {
    json_t *op;
    size_t i;
    printf("  %-16s %7s %9s %9s %9s %9s %9s\n", "operator", "share", "forward", "b.data", "b.weights", "reorder",
           "GFLOP/s");
    json_array_foreach(json_object_get(part, "operators"), i, op)
        printf("  %-16s %5.1f %% %7.2fms %7.2fms %7.2fms %7.2fms %9.1f\n", text(op, "op"), 100 * real(op, "share"),
               1e3 * real(op, "forward_seconds"), 1e3 * real(op, "backward_data_seconds"),
               1e3 * real(op, "backward_weights_seconds"), 1e3 * real(op, "reorder_seconds"), real(op, "gflops"));
}

/* The layer's name; where it has none, its operator and its place, as there are many of a kind. */
static const char *layer_name(json_t *row, char *name, size_t size) {
    const char *layer = text(row, "layer");
    if (strcmp(layer, text(row, "op")) != 0) return layer;
    snprintf(name, size, "%s (node %.0f)", layer, real(row, "node"));
    return name;
}

static void print_layers(json_t *part) {
    char name[96];
    json_t *row;
    size_t i;
    printf("  %-28s %-16s %9s %9s %9s %7s  %-10s %6s  %s\n", "layer", "pass", "ms", "GFLOP/s", "MB", "GB/s", "bound by",
           "of it", "candidate (runner-up)");
    json_array_foreach(json_object_get(part, "layers"), i, row) {
        const char *second = text(row, "runner_up");
        printf("  %-28s %-16s %9.3f %9.1f %9.2f %7.1f  %-10s %4.0f %%  %s", layer_name(row, name, sizeof name),
               text(row, "pass"), 1e3 * real(row, "seconds"), real(row, "gflops"), 1e-6 * real(row, "bytes"),
               real(row, "gigabytes_per_second"), text(row, "bound"), 100 * real(row, "bound_share"),
               text(row, "candidate"));
        if (second[0]) printf(" (%s)", second);
        putchar('\n');
    }
}

static void print_tables(json_t *part) {
    print_operators(part);
    if (json_object_get(part, "layers")) print_layers(part);
}

static void print_result(json_t *result) {
    json_t *training = json_object_get(result, "training"), *part;
    json_t *doubts = json_object_get(result, "doubts");
    size_t i;
    printf("%s, 3x%.0fx%.0f, %.0f threads, %s\n", text(result, "model"), real(result, "size"), real(result, "size"),
           real(result, "threads"), text(result, "precision"));
    printf("  machine    %8.1f GFLOP/s of fused multiply-adds; copies %.1f GB/s in the caches, %.1f beyond\n",
           inner(result, "machine", "peak_gflops"), inner(result, "machine", "copy_cached"),
           inner(result, "machine", "copy_uncached"));
    if (training) {
        printf("training, batch %.0f\n", real(training, "batch_size"));
        print_part("training", training);
        print_step(training);
        print_tables(training);
    }
    json_array_foreach(json_object_get(result, "inference"), i, part) {
        printf("inference, batch %.0f\n", real(part, "batch_size"));
        print_part("inference", part);
        print_latency(part);
        print_tables(part);
    }
    json_array_foreach(doubts, i, part) printf("  not to be trusted: %s\n", json_string_value(part));
}

/* Measures one model and prints the tables, or keeps the JSON. */
static oc_status bench_one(const char *name, const oc_bench_options *options, json_t *results, oc_error *err) {
    char *json = NULL;
    oc_status status = oc_bench_model(&json, name, options, err);
    if (status != OC_OK) return status;
    json_t *result = json_loads(json, 0, NULL);
    oc_bench_free(json);
    if (!result) return oc_cli_fail(err, OC_E_MEMORY, NULL, "out of memory for JSON");
    if (results) {
        json_array_append_new(results, result);
        return OC_OK;
    }
    print_result(result);
    fflush(stdout);
    json_decref(result);
    return OC_OK;
}

static oc_status bench_chosen(const oc_args *args, const oc_bench_options *options, json_t *results, oc_error *err) {
    const char *name;
    oc_status status = OC_OK;
    for (size_t i = 0; status == OC_OK && (name = oc_args_nth(args, "--model", i)); i++)
        status = bench_one(name, options, results, err);
    return status;
}

/* Whether the model takes no images of this size, or cannot be trained in such batches. */
static bool is_passed_over(oc_status status, const oc_error *err) {
    return oc_cli_is_about_size(status, err) || (status == OC_E_USAGE && strcmp(err->where, "--batch-size") == 0);
}

/* A model that cannot is told and passed over; what no model can is an error. */
static oc_status bench_all(const oc_bench_options *options, json_t *results, oc_error *err) {
    const char *name;
    oc_status status = OC_OK;
    bool any = false;
    for (size_t i = 0; (name = oc_models_name(i)); i++) {
        status = bench_one(name, options, results, err);
        if (status != OC_OK && !is_passed_over(status, err)) return status;
        if (status == OC_OK)
            any = true;
        else
            fprintf(stderr, "ocelli: warning: left out: %s\n", err->message);
    }
    return any ? OC_OK : status;
}

static oc_status choose_parts(const oc_args *args, oc_bench_parts *parts, oc_error *err) {
    const bool train = oc_args_has(args, "--train"), infer = oc_args_has(args, "--infer");
    if (train && infer)
        return oc_cli_fail(err, OC_E_USAGE, "--train", "excludes --infer; both are measured unless one is given");
    if (infer && oc_args_has(args, "--no-data"))
        return oc_cli_fail(err, OC_E_USAGE, "--no-data", "is for training: --infer prepares no images");
    *parts = train ? OC_BENCH_TRAIN : infer ? OC_BENCH_INFER : OC_BENCH_ALL;
    return OC_OK;
}

static oc_status run(const oc_args *args, oc_error *err) {
    oc_bar bar = oc_bar_make(NULL);
    oc_bench_options options = {.precision = oc_args_text(args, "--precision"),
                                .tune = oc_args_text(args, "--tune"),
                                .augment = !oc_args_has(args, "--no-data"),
                                .layers = oc_args_has(args, "--layers"),
                                .log = oc_bar_log(&bar)};
    json_t *results = oc_args_has(args, "--json") ? json_array() : NULL;
    oc_status status = choose_parts(args, &options.parts, err);
    if (status == OC_OK) status = oc_args_int(args, "--batch-size", 1, 65536, &options.batch_size, err);
    if (status == OC_OK) status = oc_args_size(args, &options.size, err);
    if (status == OC_OK) status = oc_args_int(args, "--classes", 1, 100000, &options.classes, err);
    if (status == OC_OK) status = oc_args_int(args, "--steps", 1, 1000, &options.steps, err);
    if (status == OC_OK) status = oc_args_threads(args, &options.threads, err);
    if (status == OC_OK)
        status = oc_args_has(args, "--model") ? bench_chosen(args, &options, results, err)
                                              : bench_all(&options, results, err);
    if (status == OC_OK && results) {
        char *json = json_dumps(results, JSON_COMPACT | JSON_REAL_PRECISION(9));
        if (json) puts(json);
        if (!json) status = oc_cli_fail(err, OC_E_MEMORY, NULL, "out of memory for JSON");
        free(json);
    }
    json_decref(results);
    return status;
}

const oc_command oc_command_bench = {
    .name = "bench",
    .summary = "measures training and inference of models beside this machine's peak",
    .description = "Measures training and inference of models on this machine, beside what the machine can do. No "
                   "number is a bare time: each stands beside the machine's measured peak, and beside a floor of the "
                   "same convolutions alone that is measured in the same run. What makes the numbers doubtful, as "
                   "other programs that run meanwhile, is said below them.",
    .usage = "[--model MODEL]... [--train|--infer] [--batch-size N] [--steps N] [--layers] [--json]",
    .example = "ocelli bench --model myresnet-small",
    .docs = "docs/bench.md",
    .flags = flags,
    .computes = true,
    .run = run,
};
