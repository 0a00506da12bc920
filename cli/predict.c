/* ocelli predict */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "environment.h"
#include "ocelli/data.h"
#include "ocelli/eval.h"
#include "ocelli/models.h"
#include "ocelli/recipe.h"
#include "output.h"
#include "progress.h"

static const oc_flag flags[] = {
    OC_FLAG_WEIGHTS,
    {"--top-k", "N", "guesses an image; 5 unless given"},
    {"--format", "table|csv|json", "how they are printed; table unless given"},
    OC_FLAG_WORDS,
    {"--data", "PATH", "a data set, for human names, or to predict for a submission"},
    {"--submission", "FILE.csv", "write \"id,pred\" rows for the splits of --data"},
    {"--tta", NULL, "for the submission: average the scores of each image and its mirror image"},
    {"--split", "val,test|val|test", "splits of the submission, separated by commas; val,test unless given"},
    OC_FLAG_MODEL,
    OC_FLAG_CLASSES,
    OC_FLAG_SIZE,
    OC_FLAG_STEM,
    OC_FLAG_NO_STEM_POOL,
    {"--batch-size", "N", "images at once; 32 unless given"},
    OC_FLAG_RECIPE,
    OC_FLAG_SET,
    OC_FLAG_PRECISION,
    OC_FLAG_THREADS,
    {"--cache", "DIR", "for the submission: where decoded images are kept; $XDG_CACHE_HOME/ocelli unless given"},
    {"--skip-bad", NULL, "leave out images that cannot be read: go on with a submission, and exit with 0 after others"},
    OC_FLAG_END,
};

/* How predictions are printed. */
typedef struct printer printer;
typedef struct output_format {
    const char *name;
    void (*begin)(printer *p);
    void (*image)(printer *p, const char *path, const oc_prediction *predictions, size_t top_k);
    void (*end)(printer *p);
} output_format;

struct printer {
    const output_format *format;
    oc_words words;
    json_t *json;
    oc_error error; /* of the output itself */
};

static void nothing(printer *p) {
    (void)p;
}

static void table_image(printer *p, const char *path, const oc_prediction *predictions, size_t top_k) {
    oc_cli_print(path);
    putchar('\n');
    for (size_t k = 0; k < top_k; k++) {
        const char *code = predictions[k].code, *name = oc_words_name(&p->words, code);
        printf("  %6.2f %%  ", 100.0 * predictions[k].probability);
        oc_cli_print(code);
        if (strcmp(name, code) != 0) {
            fputs("  ", stdout);
            oc_cli_print(name);
        }
        putchar('\n');
    }
}

static void print_field(printer *p, const char *text) {
    const size_t size = oc_csv_field(NULL, 0, text) + 1;
    char *field = malloc(size);
    if (field) {
        oc_csv_field(field, size, text);
        fputs(field, stdout);
    } else {
        oc_cli_fail(&p->error, OC_E_MEMORY, NULL, "out of memory for CSV");
    }
    free(field);
}

static void csv_begin(printer *p) {
    (void)p;
    puts("image,rank,class,name,probability");
}

static void csv_image(printer *p, const char *path, const oc_prediction *predictions, size_t top_k) {
    for (size_t k = 0; k < top_k; k++) {
        print_field(p, path);
        printf(",%zu,", k + 1);
        print_field(p, predictions[k].code);
        putchar(',');
        print_field(p, oc_words_name(&p->words, predictions[k].code));
        printf(",%.6g\n", predictions[k].probability);
    }
}

static void json_begin(printer *p) {
    p->json = json_array();
}

/* A path need not be UTF-8, JSON must. */
static json_t *json_text(const char *text) {
    json_t *json = json_string(text);
    return json ? json : json_string("?");
}

static void json_image(printer *p, const char *path, const oc_prediction *predictions, size_t top_k) {
    json_t *list = json_array();
    for (size_t k = 0; k < top_k; k++)
        json_array_append_new(list, json_pack("{s:o, s:o, s:f}", "class", json_text(predictions[k].code), "name",
                                              json_text(oc_words_name(&p->words, predictions[k].code)), "probability",
                                              (double)predictions[k].probability));
    if (json_array_append_new(p->json, json_pack("{s:o, s:o}", "image", json_text(path), "predictions", list)) != 0)
        oc_cli_fail(&p->error, OC_E_MEMORY, NULL, "out of memory for JSON");
}

static void json_end(printer *p) {
    char *text = p->json ? json_dumps(p->json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    if (text)
        puts(text);
    else
        oc_cli_fail(&p->error, OC_E_MEMORY, NULL, "out of memory for JSON");
    free(text);
}

static const output_format formats[] = {
    {"table", nothing, table_image, nothing},
    {"csv", csv_begin, csv_image, nothing},
    {"json", json_begin, json_image, json_end},
};

static oc_status find_format(const output_format **out, const char *name, oc_error *err) {
    const char *names[3];
    for (size_t i = 0; i < 3; i++) {
        names[i] = formats[i].name;
        *out = &formats[i];
        if (!name || strcmp(formats[i].name, name) == 0) return OC_OK;
    }
    const char *nearest = oc_text_nearest(name, names, 3);
    return oc_cli_fail(err, OC_E_USAGE, "--format", "\"%s\" is not table, csv or json%s%s%s", name,
                       nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static void on_image(void *user, const char *path, const oc_prediction *predictions, size_t top_k,
                     const oc_error *reason) {
    printer *p = user;
    if (predictions) {
        p->format->image(p, path, predictions, top_k);
        return;
    }
    fflush(stdout);
    fprintf(stderr, "ocelli: warning: %s: %s\n", reason->where[0] ? reason->where : path, reason->message);
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static oc_status predict_images(const oc_args *args, oc_model *model, printer *p, oc_classifier_options *options,
                                oc_error *err) {
    oc_classifier *classifier = NULL;
    int64_t top_k = (int64_t)oc_model_class_count(model), failed = 0;
    size_t count = oc_args_words(args);
    const char *const *paths = oc_args_word(args);
    if (top_k > 5) top_k = 5;
    oc_status status = find_format(&p->format, oc_args_text(args, "--format"), err);
    if (status == OC_OK) status = oc_args_int(args, "--top-k", 1, (int64_t)oc_model_class_count(model), &top_k, err);
    if (status == OC_OK) status = oc_args_threads(args, &options->threads, err);
    if (status == OC_OK) status = oc_words_read(&p->words, args, err);
    /* A single image need not wait for the rest of a batch. */
    if (options->batch == 0) options->batch = count == 1 && !is_folder(paths[0]) ? 1 : 32;
    if (status == OC_OK) status = oc_classifier_create(&classifier, model, options, err);
    if (status == OC_OK) {
        const char *note = oc_classifier_note(classifier);
        if (note[0]) fprintf(stderr, "threads: %s\n", note);
        p->format->begin(p);
        status = oc_predict_files(classifier, paths, count, (size_t)top_k, on_image, p, &failed, err);
        if (status == OC_OK) p->format->end(p);
    }
    if (status == OC_OK && p->error.status != OC_OK) {
        *err = p->error;
        status = err->status;
    }
    if (status == OC_OK && failed > 0 && !oc_args_has(args, "--skip-bad"))
        status =
            oc_cli_fail(err, OC_E_FORMAT, NULL,
                        "%lld of the images could not be classified (they are named above); --skip-bad goes without",
                        (long long)failed);
    json_decref(p->json);
    oc_words_free(&p->words);
    oc_classifier_destroy(&classifier);
    return status;
}

static oc_status predict_submission(const oc_args *args, oc_model *model, const oc_dataset *dataset,
                                    const oc_classifier_options *given, oc_error *err) {
    const char *splits = oc_args_text(args, "--split"), *path = oc_args_text(args, "--submission");
    oc_bar bar = oc_bar_make(oc_environment_stop_flag());
    oc_eval_options options = {.batch_size = given->batch,
                               .precision = given->precision,
                               .cache = oc_args_text(args, "--cache"),
                               .skip_bad = oc_args_has(args, "--skip-bad"),
                               .tta = oc_args_has(args, "--tta"),
                               .progress = oc_bar_progress(&bar),
                               .log = oc_bar_log(&bar)};
    oc_status status = oc_args_threads(args, &options.threads, err);
    if (status == OC_OK)
        status = oc_predict_submission(model, dataset, splits ? splits : "val,test", path, &options, err);
    oc_bar_clear(&bar);
    if (status == OC_OK) {
        fputs("predictions in ", stdout);
        oc_cli_print(path);
        putchar('\n');
    }
    return status;
}

/* Flags that mean something only with a submission, and those that mean something only without. */
static oc_status check_kind(const oc_args *args, bool submission, oc_error *err) {
    static const struct {
        const char *flag;
        bool submission;
    } kinds[] = {{"--tta", true},    {"--split", true},   {"--cache", true},
                 {"--top-k", false}, {"--format", false}, {"--words", false}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].submission != submission && oc_args_has(args, kinds[i].flag))
            return oc_cli_fail(err, OC_E_USAGE, kinds[i].flag, "is %s",
                               submission ? "for images, not for a --submission" : "for a --submission only");
    return OC_OK;
}

static oc_status run(const oc_args *args, oc_error *err) {
    const char *data = oc_args_text(args, "--data"), *weights;
    const bool submission = oc_args_has(args, "--submission");
    oc_classifier_options options = {0};
    oc_recipe *recipe = NULL;
    oc_dataset *dataset = NULL;
    oc_model *model = NULL;
    oc_status status = oc_args_need(args, "--weights", &weights, err);
    if (status == OC_OK && submission && !data)
        status = oc_cli_fail(err, OC_E_USAGE, "--data", "is needed for a submission");
    if (status == OC_OK && submission && oc_args_words(args) > 0)
        status = oc_cli_fail(err, OC_E_USAGE, oc_args_word(args)[0], "a submission is of splits of the data set alone");
    if (status == OC_OK) status = check_kind(args, submission, err);
    if (status == OC_OK) status = oc_cli_check_output(args, "--submission", err);
    if (status == OC_OK && !submission && oc_args_words(args) == 0)
        status = oc_cli_fail(err, OC_E_USAGE, "predict", "name images or folders, or ask for a --submission");
    if (status == OC_OK) status = oc_args_int(args, "--batch-size", 1, 65536, &options.batch, err);
    if (status == OC_OK) status = oc_cli_recipe(&recipe, args, err);
    if (status == OC_OK) options.precision = oc_cli_precision(args, recipe);
    if (status == OC_OK && data) status = oc_cli_dataset(&dataset, data, recipe, true, err);
    if (status == OC_OK) status = oc_cli_weights(&model, args, recipe, dataset, err);
    printer p = {.words = {.dataset = dataset}};
    if (status == OC_OK)
        status = submission ? predict_submission(args, model, dataset, &options, err)
                            : predict_images(args, model, &p, &options, err);
    oc_model_destroy(&model);
    oc_dataset_destroy(&dataset);
    oc_recipe_destroy(&recipe);
    return status;
}

const oc_command oc_command_predict = {
    .name = "predict",
    .summary = "classifies images and folders of them, or writes the submission file of a data set",
    .description = "Classifies images, or all images of folders, and prints the likeliest classes of each with their "
                   "probabilities. With --submission it writes instead what it sees in the splits of a data set as a "
                   "CSV file with the columns id and pred.\n\n"
                   "What is printed are the codes of classes, and where --words or --data tells them, their names "
                   "for people.",
    .usage = "--weights FILE [--top-k 5] [--format table|csv|json] IMAGE|DIR... or --weights FILE --data PATH "
             "--submission FILE",
    .example = "ocelli predict --weights run/best.safetensors --data tiny-imagenet-200.zip photo.jpeg",
    .docs = "docs/evaluation.md",
    .flags = flags,
    .computes = true,
    .most = 1000000,
    .words = "IMAGE|DIR",
    .run = run,
};
