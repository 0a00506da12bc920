/* ocelli eval */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "environment.h"
#include "ocelli/models.h"
#include "ocelli/recipe.h"
#include "progress.h"

static const oc_flag flags[] = {
    OC_FLAG_DATA,
    OC_FLAG_WEIGHTS,
    OC_FLAG_MODEL,
    OC_FLAG_CLASSES,
    OC_FLAG_SIZE,
    {"--split", "NAME", "train, val or test; val unless given"},
    {"--batch-size", "N", "images at once; 64 unless given"},
    {"--save-logits", "FILE", "write every image's scores and label to a safetensors file"},
    OC_FLAG_JSON,
    OC_FLAG_RECIPE,
    OC_FLAG_SET,
    OC_FLAG_THREADS,
    OC_FLAG_CACHE,
    OC_FLAG_SKIP_BAD,
    OC_FLAG_END,
};

/* A measured number; a split without labels has none. */
static json_t *real_or_null(double value) {
    return value == value ? json_real(value) : json_null();
}

static oc_status print_json(const oc_evaluation *e, const oc_model *model, const char *weights, const char *data,
                            const char *split, oc_error *err) {
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:f}", "model", oc_model_name(model), "weights",
                  weights, "data", data, "split", split, "images", (json_int_t)e->images, "skipped",
                  (json_int_t)e->skipped, "loss", real_or_null(e->loss), "top1", real_or_null(e->top1), "top5",
                  real_or_null(e->top5), "images_per_second", e->images_per_second);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    if (!text) return oc_cli_fail(err, OC_E_MEMORY, NULL, "cannot write JSON: a path is not UTF-8?");
    puts(text);
    free(text);
    return OC_OK;
}

static void print_table(const oc_evaluation *e, const oc_model *model, const char *split) {
    printf("model      %s\nsplit      %s\nimages     %" PRId64 "\n", oc_model_name(model), split, e->images);
    if (e->skipped > 0) printf("left out   %" PRId64 "\n", e->skipped);
    if (e->top1 == e->top1) printf("top-1      %.4f\ntop-5      %.4f\nloss       %.4f\n", e->top1, e->top5, e->loss);
    printf("images/s   %.1f\n", e->images_per_second);
}

static oc_status run(const oc_args *args, oc_error *err) {
    oc_recipe *recipe = NULL;
    oc_dataset *dataset = NULL;
    oc_model *model = NULL;
    oc_evaluation evaluation;
    const char *data = NULL, *split = oc_args_text(args, "--split");
    oc_bar bar = oc_bar_make(oc_environment_stop_flag());
    oc_eval_options options = {.split = split ? split : "val",
                               .cache = oc_args_text(args, "--cache"),
                               .skip_bad = oc_args_has(args, "--skip-bad"),
                               .save_logits = oc_args_text(args, "--save-logits"),
                               .progress = oc_bar_progress(&bar),
                               .log = oc_bar_log(&bar)};
    oc_status status = oc_args_need(args, "--data", &data, err);
    if (status == OC_OK) status = oc_args_int(args, "--batch-size", 1, 65536, &options.batch_size, err);
    if (status == OC_OK) status = oc_args_threads(args, &options.threads, err);
    if (status == OC_OK) status = oc_cli_recipe(&recipe, args, err);
    if (status == OC_OK) {
        options.smoothing = strtod(oc_recipe_get(recipe, "loss.label_smoothing"), NULL);
        status = oc_cli_dataset(&dataset, data, recipe, err);
    }
    if (status == OC_OK) status = oc_cli_weights(&model, args, dataset, err);
    if (status == OC_OK) status = oc_evaluate(&evaluation, model, dataset, &options, err);
    oc_bar_clear(&bar);
    if (status == OC_OK && oc_args_has(args, "--json"))
        status = print_json(&evaluation, model, oc_args_text(args, "--weights"), data, options.split, err);
    else if (status == OC_OK)
        print_table(&evaluation, model, options.split);
    oc_model_destroy(&model);
    oc_dataset_destroy(&dataset);
    oc_recipe_destroy(&recipe);
    return status;
}

const oc_command oc_command_eval = {
    .name = "eval",
    .summary = "accuracy and loss of a weights file on a split of a data set",
    .usage = "--data PATH --weights FILE [--split val] [--json] [--save-logits FILE] ...",
    .example = "ocelli eval --data tiny-imagenet-200.zip --weights run/best.safetensors",
    .flags = flags,
    .computes = true,
    .run = run,
};
