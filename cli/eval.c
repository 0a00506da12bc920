/* ocelli eval */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "environment.h"
#include "ocelli/eval.h"
#include "ocelli/models.h"
#include "ocelli/recipe.h"
#include "output.h"
#include "progress.h"

static const oc_flag flags[] = {
    OC_FLAG_DATA,
    OC_FLAG_WEIGHTS,
    OC_FLAG_MODEL,
    OC_FLAG_CLASSES,
    OC_FLAG_SIZE,
    OC_FLAG_STEM,
    OC_FLAG_NO_STEM_POOL,
    {"--split", "train|val|test|holdout", "which images; val unless given"},
    {"--batch-size", "N", "images at once; 64 unless given"},
    OC_FLAG_PRECISION,
    {"--tta", NULL, "average the scores of each image and its mirror image; takes twice as long"},
    {"--paired", "FILE.safetensors", "compare with these weights on the same images, by McNemar's test"},
    {"--save-logits", "FILE.safetensors", "write every image's scores and label"},
    OC_FLAG_JSON,
    OC_FLAG_RECIPE,
    OC_FLAG_SET,
    OC_FLAG_THREADS,
    OC_FLAG_CACHE,
    OC_FLAG_SKIP_BAD,
    OC_FLAG_END,
};

/* What was asked for, and what came of it. */
typedef struct result {
    const char *data, *split, *weights, *paired; /* paired: NULL when there is nothing to compare with */
    bool tta;
    oc_model *model, *other;
    oc_evaluation evaluation;
    oc_paired pair;
    int64_t *confusion; /* [classes, classes]; NULL unless JSON is printed */
} result;

/* ---- JSON ---- */

/* A measured number; a split without labels has none. */
static json_t *real_or_null(double value) {
    return value == value ? json_real(value) : json_null();
}

static json_t *json_classes(const oc_model *model) {
    json_t *list = json_array();
    for (size_t i = 0; i < oc_model_class_count(model); i++)
        json_array_append_new(list, json_string(oc_model_class(model, i)));
    return list;
}

static json_t *json_confusion(const result *r) {
    const size_t classes = oc_model_class_count(r->model);
    json_t *rows = json_array();
    for (size_t i = 0; i < classes; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < classes; j++)
            json_array_append_new(row, json_integer((json_int_t)r->confusion[i * classes + j]));
        json_array_append_new(rows, row);
    }
    return rows;
}

/* {code: share of its images that are guessed right}; null for a class without images. */
static json_t *json_per_class(const result *r) {
    const size_t classes = oc_model_class_count(r->model);
    json_t *each = json_object();
    for (size_t i = 0; i < classes; i++) {
        int64_t images = 0;
        for (size_t j = 0; j < classes; j++) images += r->confusion[i * classes + j];
        json_object_set_new(each, oc_model_class(r->model, i),
                            images > 0 ? json_real((double)r->confusion[i * classes + i] / (double)images)
                                       : json_null());
    }
    return each;
}

static json_t *json_paired(const result *r) {
    const oc_paired *p = &r->pair;
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:f}", "model", oc_model_name(r->other),
                     "weights", r->paired, "images", (json_int_t)p->images, "both", (json_int_t)p->both, "only_a",
                     (json_int_t)p->only_a, "only_b", (json_int_t)p->only_b, "neither", (json_int_t)p->neither, "top1",
                     real_or_null(p->b.top1), "top1_low", real_or_null(p->b.top1_low), "top1_high",
                     real_or_null(p->b.top1_high), "p", p->p);
}

static oc_status print_json(const result *r, oc_error *err) {
    const oc_evaluation *e = &r->evaluation;
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:o}", "model",
        oc_model_name(r->model), "weights", r->weights, "data", r->data, "split", r->split, "tta", (int)r->tta,
        "images", (json_int_t)e->images, "skipped", (json_int_t)e->skipped, "loss", real_or_null(e->loss), "top1",
        real_or_null(e->top1), "top1_low", real_or_null(e->top1_low), "top1_high", real_or_null(e->top1_high), "top5",
        real_or_null(e->top5), "calibration_error", real_or_null(e->calibration_error), "images_per_second",
        e->images_per_second, "trained_on", e->trained_on < 0 ? json_null() : json_integer((json_int_t)e->trained_on),
        "classes", json_classes(r->model), "per_class", json_per_class(r), "confusion", json_confusion(r));
    bool good = json && (!r->paired || json_object_set_new(json, "paired", json_paired(r)) == 0);
    char *text = good ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    if (!text) return oc_cli_fail(err, OC_E_MEMORY, NULL, "cannot write JSON: a path is not UTF-8?");
    puts(text);
    free(text);
    return OC_OK;
}

/* ---- the table ---- */

static void print_top1(const char *name, const oc_evaluation *e) {
    printf("%-18s %.4f (95 %%: %.4f to %.4f)\n", name, e->top1, e->top1_low, e->top1_high);
}

static void print_count(const char *name, int64_t count) {
    printf("%-18s %" PRId64 "\n", name, count);
}

static void print_table(const result *r) {
    const oc_evaluation *e = &r->evaluation;
    printf("%-18s %s\n%-18s %s%s\n", "model", oc_model_name(r->model), "split", r->split,
           r->tta ? ", with mirror images" : "");
    print_count("images", e->images);
    if (e->skipped > 0) print_count("left out", e->skipped);
    if (e->trained_on > 0) print_count("trained on", e->trained_on);
    if (e->top1 == e->top1) {
        print_top1("top-1", e);
        printf("%-18s %.4f\n%-18s %.4f\n%-18s %.4f\n", "top-5", e->top5, "loss", e->loss, "calibration error",
               e->calibration_error);
    }
    printf("%-18s %.1f\n", "images/s", e->images_per_second);
    if (!r->paired) return;
    printf("\n%-18s %s, ", "paired with", oc_model_name(r->other));
    oc_cli_print(r->paired);
    putchar('\n');
    print_top1("its top-1", &r->pair.b);
    print_count("both right", r->pair.both);
    print_count("only the first", r->pair.only_a);
    print_count("only the second", r->pair.only_b);
    print_count("neither", r->pair.neither);
    printf("%-18s %.4g (McNemar's exact test)\n", "p", r->pair.p);
}

/* ---- the command ---- */

static oc_status evaluate(result *r, const oc_dataset *dataset, const oc_eval_options *options, oc_error *err) {
    if (!r->paired) return oc_evaluate(&r->evaluation, r->model, dataset, options, err);
    oc_status status = oc_evaluate_paired(&r->pair, r->model, r->other, dataset, options, err);
    r->evaluation = r->pair.a;
    return status;
}

static oc_status run(const oc_args *args, oc_error *err) {
    oc_recipe *recipe = NULL;
    oc_dataset *dataset = NULL;
    const bool json = oc_args_has(args, "--json");
    const char *split = oc_args_text(args, "--split");
    result r = {.split = split ? split : "val",
                .weights = oc_args_text(args, "--weights"),
                .paired = oc_args_text(args, "--paired"),
                .tta = oc_args_has(args, "--tta")};
    oc_bar bar = oc_bar_make(oc_environment_stop_flag());
    oc_eval_options options = {.split = r.split,
                               .cache = oc_args_text(args, "--cache"),
                               .skip_bad = oc_args_has(args, "--skip-bad"),
                               .tta = r.tta,
                               .save_logits = oc_args_text(args, "--save-logits"),
                               .progress = oc_bar_progress(&bar),
                               .log = oc_bar_log(&bar)};
    oc_status status = oc_args_need(args, "--data", &r.data, err);
    if (status == OC_OK) status = oc_cli_check_output(args, "--save-logits", err);
    if (status == OC_OK) status = oc_args_int(args, "--batch-size", 1, 65536, &options.batch_size, err);
    if (status == OC_OK) status = oc_args_threads(args, &options.threads, err);
    if (status == OC_OK) status = oc_cli_recipe(&recipe, args, err);
    if (status == OC_OK) {
        options.precision = oc_cli_precision(args, recipe);
        options.smoothing = strtod(oc_recipe_get(recipe, "loss.label_smoothing"), NULL);
        status = oc_cli_dataset(&dataset, r.data, recipe, false, err);
    }
    if (status == OC_OK) status = oc_cli_weights(&r.model, args, recipe, dataset, err);
    if (status == OC_OK && r.paired) status = oc_model_open(&r.other, r.paired, NULL, NULL, 0, 0, NULL, err);
    if (status == OC_OK && json) {
        const size_t classes = oc_model_class_count(r.model);
        options.confusion = r.confusion = calloc(classes * classes, sizeof *r.confusion);
        if (!r.confusion) status = oc_cli_fail(err, OC_E_MEMORY, NULL, "out of memory for the confusion matrix");
    }
    if (status == OC_OK) status = evaluate(&r, dataset, &options, err);
    oc_bar_clear(&bar);
    if (status == OC_OK && json)
        status = print_json(&r, err);
    else if (status == OC_OK)
        print_table(&r);
    free(r.confusion);
    oc_model_destroy(&r.other);
    oc_model_destroy(&r.model);
    oc_dataset_destroy(&dataset);
    oc_recipe_destroy(&recipe);
    return status;
}

const oc_command oc_command_eval = {
    .name = "eval",
    .summary = "accuracy, loss and calibration of a weights file on a split of a data set",
    .description = "Scores every image of a split with a weights file, of a network or of an ensemble, and prints "
                   "how good the guesses are: top-1 with its 95 % interval, top-5, loss and calibration error. With "
                   "--json there are the confusion of classes and the accuracy of each as well.\n\n"
                   "--paired tells whether a difference between two models is chance: both score the same images, "
                   "and McNemar's exact test looks at those that only one of them gets right.\n\n"
                   "A split without labels has no figures; its scores can still be kept by --save-logits. A weights "
                   "file that does not say its model or its classes, as those of other programs, needs --model and "
                   "--classes.",
    .usage = "--data PATH --weights FILE [--split val] [--tta] [--paired FILE] [--json] [--save-logits FILE]",
    .example = "ocelli eval --data tiny-imagenet-200.zip --weights run/best.safetensors",
    .docs = "docs/evaluation.md",
    .flags = flags,
    .computes = true,
    .run = run,
};
