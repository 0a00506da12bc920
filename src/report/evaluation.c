/* The evaluation of a run's best weights, kept in its folder as evaluation.json: {"form", "weights": XXH3-64 of the
 * file's bytes, "data": path, "evaluation": EVALUATION}. */
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "models/ensemble.h"
#include "report/report.h"

#define FILE_NAME "evaluation.json"
#define FORM 1 /* changes with what is kept */
#define KEY_SIZE 17

/* ---- data sets ---- */

struct oc_report_dataset {
    char *path, *val;
    double holdout;
    oc_dataset *dataset;
};

void oc_report_data_close(oc_report_data *data) {
    for (size_t i = 0; i < data->count; i++) {
        oc_free(data->set[i].path);
        oc_free(data->set[i].val);
        oc_dataset_destroy(&data->set[i].dataset);
    }
    oc_free(data->set);
    *data = (oc_report_data){0};
}

static oc_status dataset_get(oc_dataset **out, oc_report_data *data, const char *path, double holdout, const char *val,
                             oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < data->count; i++) {
        const struct oc_report_dataset *set = &data->set[i];
        if (strcmp(set->path, path) != 0 || set->holdout != holdout || strcmp(set->val, val) != 0) continue;
        *out = set->dataset;
        return OC_OK;
    }
    OC_TRY(oc_grow(&data->set, &data->capacity, data->count + 1, sizeof *data->set, err));
    struct oc_report_dataset *set = &data->set[data->count];
    OC_TRY(oc_dataset_open(&set->dataset, path, &(oc_dataset_options){.holdout = holdout, .val = val}, err));
    set->holdout = holdout;
    data->count++;
    OC_TRY(oc_strdup(&set->path, path, err));
    OC_TRY(oc_strdup(&set->val, val, err));
    *out = set->dataset;
cleanup:
    return status;
}

/* ---- evaluating ---- */

typedef struct evaluating {
    const oc_report_options *options;
    oc_report_data *data;
    json_t *run;
    char *weights, *kept; /* best.safetensors, evaluation.json */
    char key[KEY_SIZE];
    const char *data_path; /* where the images are */
} evaluating;

static const char *text_of(const json_t *object, const char *key, const char *otherwise) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : otherwise;
}

/* A setting of the run's recipe, which ensembles have not. */
static const char *setting(const evaluating *e, const char *key, const char *otherwise) {
    return text_of(json_object_get(e->run, "recipe"), key, otherwise);
}

/* Label smoothing of the losses that the run records. */
static double smoothing_of(const evaluating *e) {
    const json_t *ensemble = json_object_get(json_object_get(e->run, "ensemble"), "smoothing");
    if (json_is_number(ensemble)) return json_number_value(ensemble);
    char *end;
    return oc_number_read(setting(e, "loss.label_smoothing", "0.01"), &end);
}

static oc_status compute(json_t **out, const evaluating *e, oc_error *err) {
    oc_status status = OC_OK;
    oc_model *model = NULL;
    oc_dataset *dataset = NULL;
    oc_pack *pack = NULL;
    oc_scores scores = {0};
    const json_t *data = json_object_get(e->run, "data");
    oc_eval_options options = {.split = "val",
                               .precision = setting(e, "train.precision", NULL),
                               .threads = e->options->threads,
                               .cache = e->options->cache,
                               .skip_bad = e->options->skip_bad,
                               .progress = e->options->progress,
                               .log = e->options->log};
    OC_TRY(oc_model_open(&model, e->weights, NULL, NULL, 0, 0, NULL, err));
    OC_TRY(dataset_get(&dataset, e->data, e->data_path, json_number_value(json_object_get(data, "holdout")),
                       text_of(data, "validates_on", "val"), err));
    OC_TRY(oc_scores_compute(&scores, model, dataset, &options, err));
    const oc_model *network = oc_model_network(model, 0);
    const oc_pack_options packing = {.size = network->size,
                                     .image = &network->image,
                                     .cache = e->options->cache,
                                     .skip_bad = e->options->skip_bad,
                                     .log = e->options->log};
    OC_TRY(oc_pack_open(&pack, dataset, "val", &packing, err));
    if (oc_pack_count(pack) != scores.images) {
        status = oc_fail(err, OC_E_MISMATCH, e->data_path, "the data set has changed meanwhile");
        goto cleanup;
    }
    const oc_figures_source source = {
        .scores = &scores, .classes = &model->classes, .dataset = dataset, .pack = pack, .smoothing = smoothing_of(e)};
    OC_TRY(oc_figures_json(out, &source, err));
cleanup:
    oc_scores_free(&scores);
    oc_pack_destroy(&pack);
    oc_model_destroy(&model);
    return status;
}

/* ---- keeping ---- */

/* *out = the kept evaluation if it is of these weights, and of this data set where one was asked for; NULL otherwise.
 */
static void kept_read(json_t **out, const evaluating *e) {
    json_t *root = NULL;
    *out = NULL;
    if (oc_json_read(&root, e->kept, NULL) != OC_OK) return;
    if (json_is_object(json_object_get(root, "evaluation")) &&
        json_integer_value(json_object_get(root, "form")) == FORM &&
        strcmp(text_of(root, "weights", ""), e->key) == 0 &&
        (!e->options->data || strcmp(text_of(root, "data", ""), e->options->data) == 0 ||
         oc_path_same(text_of(root, "data", ""), e->options->data)))
        *out = json_incref(json_object_get(root, "evaluation"));
    json_decref(root);
}

/* A folder that cannot be written to is no reason against a report. */
static oc_status kept_write(const evaluating *e, json_t *evaluation, oc_error *err) {
    oc_status status = OC_OK;
    oc_error why = {0};
    char *text = NULL;
    json_t *root = json_pack("{s:i, s:s, s:o, s:O}", "form", FORM, "weights", e->key, "data",
                             oc_json_bytes(e->data_path), "evaluation", evaluation);
    if (!root) return oc_json_no_memory(err);
    OC_TRY(oc_json_figures(&text, root, err));
    if (oc_file_write_atomic(e->kept, text, strlen(text), &why) != OC_OK)
        oc_log_line(&e->options->log, OC_LOG_WARN, "%s: %s: the evaluation is not kept", why.where, why.message);
cleanup:
    json_decref(root);
    oc_free(text);
    return status;
}

static oc_status key_make(evaluating *e, oc_error *err) {
    oc_mapping file = {0};
    oc_status status = oc_mapping_open(&file, e->weights, err);
    if (status != OC_OK) return status;
    snprintf(e->key, sizeof e->key, "%016llx",
             (unsigned long long)(file.size > 0 ? XXH3_64bits(file.data, file.size) : 0));
    oc_mapping_close(&file);
    return OC_OK;
}

/* *out = the evaluation, or NULL and *missing (static, or of *err) why there is none. */
static oc_status get(json_t **out, const char **missing, evaluating *e, oc_error *err) {
    oc_status status = OC_OK;
    *missing = NULL;
    if (!oc_path_exists(e->weights)) {
        *missing = "there are no best weights yet";
        return OC_OK;
    }
    OC_TRY(key_make(e, err));
    kept_read(out, e);
    if (*out) return OC_OK;
    if (e->options->stored) {
        *missing = "the best weights have not been evaluated yet: ocelli report does";
        return OC_OK;
    }
    if (!e->data_path) {
        *missing = "it is not recorded which data set the run was on: name it with --data";
        return OC_OK;
    }
    OC_TRY(compute(out, e, err));
    OC_TRY(kept_write(e, *out, err));
cleanup:
    return status;
}

oc_status oc_report_evaluate(json_t *run, oc_report_data *data, const oc_report_options *options, oc_error *err) {
    oc_status status = OC_OK;
    evaluating e = {.options = options, .data = data, .run = run};
    json_t *evaluation = NULL;
    const char *missing = NULL, *folder = json_string_value(json_object_get(run, "folder"));
    oc_error why = {0};
    e.data_path = options->data ? options->data : text_of(json_object_get(run, "data"), "path", NULL);
    OC_TRY(oc_path_join(&e.weights, folder, "best.safetensors", err));
    OC_TRY(oc_path_join(&e.kept, folder, FILE_NAME, err));
    status = get(&evaluation, &missing, &e, &why);
    if (status == OC_E_STOPPED || status == OC_E_MEMORY) {
        status = oc_fail(err, status, why.where, "%s", why.message);
        goto cleanup;
    }
    if (status != OC_OK) {
        oc_log_line(&options->log, OC_LOG_WARN, "%s: its best weights are not evaluated: %s%s%s", folder, why.where,
                    why.where[0] ? ": " : "", why.message);
        missing = why.message;
    }
    OC_TRY(oc_json_put(run, "evaluation", evaluation ? json_incref(evaluation) : json_null(), err));
    OC_TRY(oc_json_put(run, "evaluation_missing", missing ? oc_json_bytes(missing) : json_null(), err));
cleanup:
    json_decref(evaluation);
    oc_free(e.weights);
    oc_free(e.kept);
    return status;
}
