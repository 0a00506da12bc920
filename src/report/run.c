/* What one folder tells of a run or an ensemble. */
#define _GNU_SOURCE 1
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "eval/statistics.h"
#include "recipe/recipe.h"
#include "record/about.h"
#include "record/record.h"
#include "report/report.h"

#define LOG_LIMIT ((size_t)64 << 20)
#define STEP_POINTS 200
#define WARNINGS_MOST 20

typedef struct reading {
    const char *folder;
    json_t *run;
    json_t *about;     /* run.json; an empty object where there is none */
    oc_recipe *recipe; /* NULL: none, or an ensemble */
    oc_metrics *rows;
    size_t count;
} reading;

/* ---- files of a folder ---- */

static oc_status path_of(char **out, const char *folder, const char *name, oc_error *err) {
    oc_free(*out);
    *out = NULL;
    return oc_path_join(out, folder, name, err);
}

static bool holds(const char *folder, const char *name) {
    char *path = NULL;
    const bool there = oc_path_join(&path, folder, name, NULL) == OC_OK && oc_path_exists(path);
    oc_free(path);
    return there;
}

oc_folder_kind oc_report_folder_kind(const char *path) {
    if (holds(path, "ensemble.json")) return OC_FOLDER_ENSEMBLE;
    if (holds(path, "recipe.yaml") || holds(path, "metrics.csv")) return OC_FOLDER_RUN;
    return OC_FOLDER_OTHER;
}

/* ---- what it is ---- */

/* `json`, borrowed, or null. */
static json_t *or_null(json_t *json) {
    return json ? json_incref(json) : json_null();
}

static json_t *text_or_null(const char *text) {
    return text ? oc_json_bytes(text) : json_null();
}

/* Copies keys of one object to another; null where one is absent. */
static oc_status copy(json_t *to, const json_t *from, const char *const *keys, oc_error *err) {
    oc_status status = OC_OK;
    for (; *keys; keys++) OC_TRY(oc_json_put(to, *keys, or_null(json_object_get(from, *keys)), err));
cleanup:
    return status;
}

static const char *setting(const reading *r, const char *key) {
    return r->recipe ? oc_recipe_get(r->recipe, key) : NULL;
}

static oc_status identity_add(reading *r, oc_error *err) {
    oc_status status = OC_OK;
    static const char *const facts[] = {"parameters", "macs", "size", "epochs", "steps", "peak_memory", "data", NULL};
    const char *seed = setting(r, "train.seed"), *model = setting(r, "model.name");
    OC_TRY(oc_json_put(r->run, "folder", oc_json_bytes(r->folder), err));
    OC_TRY(oc_json_put(r->run, "reason", json_null(), err));
    OC_TRY(copy(r->run, r->about, facts, err));
    OC_TRY(oc_json_put(r->run, "model", model ? json_string(model) : or_null(json_object_get(r->about, "model")), err));
    OC_TRY(oc_json_put(r->run, "seed", seed ? json_integer(oc_recipe_resolve(r->recipe).seed) : json_null(), err));
    /* Runs from before run.json. */
    if (r->recipe && !json_object_get(r->about, "epochs")) {
        OC_TRY(oc_json_put(r->run, "epochs", json_integer(oc_recipe_resolve(r->recipe).epochs), err));
        OC_TRY(oc_json_put(r->run, "size", json_integer(oc_recipe_resolve(r->recipe).size), err));
    }
cleanup:
    return status;
}

/* The first start tells the command, the last one the machine. */
static oc_status starts_add(reading *r, oc_error *err) {
    oc_status status = OC_OK;
    static const char *const facts[] = {"machine", "versions", NULL};
    const json_t *starts = json_object_get(r->about, "starts");
    const json_t *first = json_array_get(starts, 0);
    const size_t count = json_array_size(starts);
    OC_TRY(oc_json_put(r->run, "command", or_null(json_object_get(first, "command")), err));
    OC_TRY(oc_json_put(r->run, "started", or_null(json_object_get(first, "time")), err));
    OC_TRY(oc_json_put(r->run, "starts", json_integer((json_int_t)count), err));
    OC_TRY(copy(r->run, count > 0 ? json_array_get(starts, count - 1) : NULL, facts, err));
cleanup:
    return status;
}

static oc_status recipe_add(reading *r, oc_error *err) {
    oc_status status = OC_OK;
    char *text = NULL;
    json_t *settings = r->recipe ? json_object() : json_null();
    const oc_recipe_key *key;
    for (size_t i = 0; r->recipe && (key = oc_recipe_key_at(i)); i++)
        OC_TRY(oc_json_put(settings, key->key, oc_json_bytes(oc_recipe_get(r->recipe, key->key)), err));
    if (json_object_set(r->run, "recipe", settings) != 0) {
        status = oc_json_no_memory(err);
        goto cleanup;
    }
    if (r->recipe) OC_TRY(oc_recipe_text(r->recipe, &text, err));
    OC_TRY(oc_json_put(r->run, "recipe_yaml", text_or_null(text), err));
cleanup:
    json_decref(settings);
    oc_free(text);
    return status;
}

/* ---- how it went ---- */

/* The columns of metrics.csv that are no whole numbers. */
static const struct {
    const char *name;
    size_t place;
} columns[] = {{"train_loss", offsetof(oc_metrics, train_loss)},
               {"train_top1", offsetof(oc_metrics, train_top1)},
               {"train_top5", offsetof(oc_metrics, train_top5)},
               {"val_loss", offsetof(oc_metrics, val_loss)},
               {"val_top1", offsetof(oc_metrics, val_top1)},
               {"val_top5", offsetof(oc_metrics, val_top5)},
               {"lr", offsetof(oc_metrics, lr)},
               {"images_per_second", offsetof(oc_metrics, images_per_second)},
               {"seconds", offsetof(oc_metrics, seconds)},
               {"elapsed_seconds", offsetof(oc_metrics, elapsed_seconds)},
               {"share_data", offsetof(oc_metrics, share_data)},
               {"share_forward", offsetof(oc_metrics, share_forward)},
               {"share_backward", offsetof(oc_metrics, share_backward)},
               {"share_optimizer", offsetof(oc_metrics, share_optimizer)},
               {"share_validation", offsetof(oc_metrics, share_validation)}};

static oc_status metrics_add(const reading *r, oc_error *err) {
    oc_status status = OC_OK;
    json_t *metrics = json_object(), *epoch = json_array(), *step = json_array();
    bool good = metrics && epoch && step;
    for (size_t i = 0; good && i < r->count; i++)
        good = json_array_append_new(epoch, json_integer(r->rows[i].epoch)) == 0 &&
               json_array_append_new(step, json_integer(r->rows[i].step)) == 0;
    good = good && json_object_set(metrics, "epoch", epoch) == 0 && json_object_set(metrics, "step", step) == 0;
    for (size_t c = 0; good && c < sizeof columns / sizeof *columns; c++) {
        json_t *values = json_array();
        for (size_t i = 0; i < r->count; i++) {
            double value;
            memcpy(&value, (const char *)&r->rows[i] + columns[c].place, sizeof value);
            json_array_append_new(values, oc_json_real(value));
        }
        good = json_array_size(values) == r->count && json_object_set_new(metrics, columns[c].name, values) == 0;
    }
    if (!good || json_object_set(r->run, "metrics", metrics) != 0) status = oc_json_no_memory(err);
    json_decref(metrics);
    json_decref(epoch);
    json_decref(step);
    return status;
}

static oc_status steps_add(const reading *r, oc_error *err) {
    oc_status status = OC_OK;
    char *path = NULL;
    oc_step_mean *means = NULL;
    size_t count = 0;
    json_t *step = json_array(), *loss = json_array(), *lr = json_array();
    bool good = step && loss && lr;
    OC_TRY(path_of(&path, r->folder, "steps.csv", err));
    if (oc_path_exists(path)) OC_TRY(oc_steps_read(&means, &count, STEP_POINTS, path, err));
    for (size_t i = 0; good && i < count; i++)
        good = json_array_append_new(step, json_integer(means[i].step)) == 0 &&
               json_array_append_new(loss, oc_json_real(means[i].loss)) == 0 &&
               json_array_append_new(lr, oc_json_real(means[i].lr)) == 0;
    json_t *all = good ? json_pack("{s:O, s:O, s:O}", "step", step, "loss", loss, "lr", lr) : NULL;
    OC_TRY(oc_json_put(r->run, "steps_sampled", all, err));
    OC_TRY(oc_json_put(r->run, "steps_done", count > 0 ? json_integer(means[count - 1].step) : json_integer(0), err));
cleanup:
    json_decref(step);
    json_decref(loss);
    json_decref(lr);
    oc_free(means);
    oc_free(path);
    return status;
}

/* `row` of the best validation; of how many images top-1 is a share, the interval needs. */
static json_t *best_json(const oc_metrics *row, int64_t images) {
    double low = NAN, high = NAN;
    if (images > 0) oc_wilson(llround(row->val_top1 * (double)images), images, &low, &high);
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "epoch", (json_int_t)row->epoch, "top1",
                     oc_json_real(row->val_top1), "top1_low", oc_json_real(low), "top1_high", oc_json_real(high),
                     "top5", oc_json_real(row->val_top5), "loss", oc_json_real(row->val_loss), "images",
                     images > 0 ? json_integer(images) : json_null());
}

static oc_status course_add(const reading *r, oc_error *err) {
    oc_status status = OC_OK;
    const oc_metrics_figures f = oc_metrics_figures_of(r->rows, r->count);
    const json_int_t images = json_integer_value(json_object_get(json_object_get(r->about, "data"), "val"));
    const json_int_t epochs = json_integer_value(json_object_get(r->run, "epochs"));
    const oc_metrics *best = NULL;
    for (size_t i = 0; i < r->count && !best; i++)
        if (r->rows[i].epoch == f.best_epoch && isfinite(r->rows[i].val_top1)) best = &r->rows[i];
    const char *state = oc_lock_held(r->folder) ? "running" : epochs > 0 && f.epochs >= epochs ? "finished" : "stopped";
    OC_TRY(oc_json_put(r->run, "state", json_string(state), err));
    OC_TRY(oc_json_put(r->run, "epochs_done", json_integer(f.epochs > 0 ? f.epochs : 0), err));
    OC_TRY(oc_json_put(r->run, "seconds", oc_json_real(f.seconds), err));
    OC_TRY(oc_json_put(r->run, "images_per_second", oc_json_real(f.images_per_second), err));
    OC_TRY(oc_json_put(r->run, "best", best ? best_json(best, images) : json_null(), err));
    OC_TRY(metrics_add(r, err));
    OC_TRY(steps_add(r, err));
cleanup:
    return status;
}

/* The warnings of log.txt. */
static oc_status warnings_add(const reading *r, oc_error *err) {
    oc_status status = OC_OK;
    char *path = NULL, *text = NULL;
    size_t size = 0;
    json_t *list = json_array();
    OC_TRY(path_of(&path, r->folder, "log.txt", err));
    if (oc_path_exists(path)) OC_TRY(oc_file_read(&text, &size, path, LOG_LIMIT, err));
    for (char *line, *rest = text; (line = strsep(&rest, "\n")) && json_array_size(list) < WARNINGS_MOST;) {
        if (strncmp(line, OC_LOG_WARNING, sizeof OC_LOG_WARNING - 1) != 0) continue;
        if (json_array_append_new(list, oc_json_bytes(line + sizeof OC_LOG_WARNING - 1)) != 0) {
            status = oc_json_no_memory(err);
            goto cleanup;
        }
    }
    if (json_object_set(r->run, "warnings", list) != 0) status = oc_json_no_memory(err);
cleanup:
    json_decref(list);
    oc_free(path);
    oc_free(text);
    return status;
}

/* ---- ensembles ---- */

/* What of an ensemble stands where runs have it. */
static oc_status ensemble_add(reading *r, oc_error *err) {
    oc_status status = OC_OK;
    char *path = NULL;
    json_t *ensemble = NULL;
    static const char *const sizes[] = {"parameters", "macs", NULL};
    static const char *const figures[] = {"top1", "top1_low", "top1_high", "top5", "loss", "images", NULL};
    static const char *const absent[] = {"epochs_done", "seconds", "images_per_second", "metrics", "steps_sampled",
                                         "steps_done",  NULL};
    OC_TRY(path_of(&path, r->folder, "ensemble.json", err));
    OC_TRY(oc_json_read(&ensemble, path, err));
    const json_t *whole = json_object_get(ensemble, "ensemble");
    if (!json_is_object(whole) || !json_is_array(json_object_get(ensemble, "members"))) {
        status = oc_fail(err, OC_E_FORMAT, path, "this is not the report of an ensemble");
        goto cleanup;
    }
    json_t *best = json_object();
    OC_TRY(oc_json_put(r->run, "best", best, err));
    OC_TRY(oc_json_put(best, "epoch", json_null(), err));
    OC_TRY(copy(best, whole, figures, err));
    OC_TRY(copy(r->run, whole, sizes, err));
    OC_TRY(copy(r->run, NULL, absent, err));
    OC_TRY(oc_json_put(r->run, "model", or_null(json_object_get(ensemble, "method")), err));
    OC_TRY(oc_json_put(r->run, "seed", or_null(json_object_get(ensemble, "seed")), err));
    OC_TRY(oc_json_put(r->run, "epochs", json_null(), err));
    OC_TRY(oc_json_put(r->run, "steps", json_null(), err));
    OC_TRY(oc_json_put(r->run, "state", json_string(oc_lock_held(r->folder) ? "running" : "finished"), err));
    OC_TRY(oc_json_put(r->run, "ensemble", json_incref(ensemble), err));
cleanup:
    json_decref(ensemble);
    oc_free(path);
    return status;
}

/* ---- the folder ---- */

static oc_status records_read(reading *r, oc_folder_kind kind, oc_error *err) {
    oc_status status = OC_OK;
    char *path = NULL;
    OC_TRY(path_of(&path, r->folder, OC_ABOUT_FILE, err));
    if (oc_path_exists(path)) OC_TRY(oc_json_read(&r->about, path, err));
    if (!json_is_object(r->about)) {
        json_decref(r->about);
        r->about = json_object();
    }
    if (kind == OC_FOLDER_ENSEMBLE) goto cleanup;
    OC_TRY(path_of(&path, r->folder, "recipe.yaml", err));
    if (oc_path_exists(path)) {
        OC_TRY(oc_recipe_create(&r->recipe, err));
        OC_TRY(oc_recipe_load(r->recipe, path, err));
    }
    OC_TRY(path_of(&path, r->folder, "metrics.csv", err));
    if (oc_path_exists(path)) OC_TRY(oc_metrics_read(&r->rows, &r->count, path, err));
cleanup:
    oc_free(path);
    return status;
}

oc_status oc_report_run(json_t **out, const char *folder, oc_error *err) {
    oc_status status = OC_OK;
    const oc_folder_kind kind = oc_report_folder_kind(folder);
    reading r = {.folder = folder, .run = json_object()};
    OC_TRY(records_read(&r, kind, err));
    OC_TRY(oc_json_put(r.run, "kind", json_string(kind == OC_FOLDER_ENSEMBLE ? "ensemble" : "run"), err));
    OC_TRY(identity_add(&r, err));
    OC_TRY(starts_add(&r, err));
    OC_TRY(recipe_add(&r, err));
    OC_TRY(warnings_add(&r, err));
    if (kind == OC_FOLDER_ENSEMBLE) {
        OC_TRY(ensemble_add(&r, err));
    } else {
        OC_TRY(oc_json_put(r.run, "ensemble", json_null(), err));
        OC_TRY(course_add(&r, err));
    }
    *out = r.run;
    r.run = NULL;
cleanup:
    json_decref(r.run);
    json_decref(r.about);
    oc_recipe_destroy(&r.recipe);
    oc_free(r.rows);
    return status;
}
