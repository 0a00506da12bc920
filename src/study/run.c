/* Running a study: each run an ordinary run folder that is resumed where it was left, then the ensemble. What a run
 * fails of is noted in its row, and the next one begins. */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "eval/statistics.h"
#include "models/build.h"
#include "ocelli/ensemble.h"
#include "study/study.h"
#include "train/normalisation.h"
#include "train/run_folder.h"

/* One call of oc_study_run. */
typedef struct call {
    oc_study *study;
    const oc_study_options *options;
    oc_study_data data;
    oc_lock *lock;        /* of options->out */
    oc_progress progress; /* the caller's, with the stop flag looked at */
    size_t failures, first_failed;
    oc_status failed; /* status of the first failure */
} call;

/* ---- Data sets --------------------------------------------------------------------------------------------------- */

void oc_study_data_close(oc_study_data *data) {
    for (size_t i = 0; i < data->count; i++) oc_dataset_destroy(&data->dataset[i]);
    data->count = 0;
}

static bool same_options(const oc_dataset_options *a, const oc_dataset_options *b) {
    return a->holdout == b->holdout && strcmp(a->val, b->val) == 0;
}

oc_status oc_study_data_get(oc_study_data *data, const oc_dataset_options *options, oc_dataset **out, oc_error *err) {
    for (size_t i = 0; i < data->count; i++)
        if (same_options(&data->options[i], options)) {
            *out = data->dataset[i];
            return OC_OK;
        }
    if (data->count == sizeof data->dataset / sizeof *data->dataset)
        return oc_fail(err, OC_E_USAGE, "data.holdout", "a study may have at most %zu different shares", data->count);
    oc_status status = oc_dataset_open(&data->dataset[data->count], data->path, options, err);
    if (status != OC_OK) return status;
    data->options[data->count] = *options;
    *out = data->dataset[data->count++];
    return OC_OK;
}

oc_dataset_options oc_study_ensemble_options(const oc_study *study) {
    return (oc_dataset_options){.holdout = study->ensemble.holdout, .val = study->run[0].values.validate_on};
}

int64_t oc_study_images(const oc_dataset *dataset, const char *name) {
    const oc_split *split = oc_dataset_split(dataset, name);
    return split ? split->count : 0;
}

/* Parameters of the run's model for the classes of its data. */
static oc_status count_parameters(oc_study_task *run, oc_error *err) {
    const oc_names *classes = oc_dataset_classes(run->dataset);
    oc_model *model = NULL;
    const oc_model_options options = oc_recipe_model_options(&run->values);
    oc_status status = oc_model_build(&model, run->values.model_name, (const char *const *)classes->item,
                                      classes->count, run->values.size, &options, err);
    if (status == OC_OK) run->row.parameters = (int64_t)oc_table_parameters(oc_graph_table(model->graph));
    oc_model_destroy(&model);
    return status;
}

oc_status oc_study_check_data(oc_study *study, oc_study_data *data, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < study->runs; i++) {
        oc_study_task *run = &study->run[i];
        size_t line = run->entry->name.line;
        oc_dataset *dataset = NULL;
        const oc_dataset_options options = oc_recipe_dataset_options(&run->values);
        OC_TRY(oc_study_data_get(data, &options, &dataset, err));
        run->dataset = dataset;
        OC_TRY(oc_normalisation_settle(run->recipe, oc_dataset_classes(dataset), err)); /* as the trainer will */
        run->values = oc_recipe_resolve(run->recipe);
        int64_t images = oc_study_images(dataset, "train");
        if (oc_study_images(dataset, "val") == 0)
            return oc_yaml_fail(study->path, line, err, "%s: the data set has no validation images: %s", run->name,
                                oc_dataset_val_advice(dataset));
        run->epoch_steps = images / run->values.batch_size;
        if (run->epoch_steps == 0)
            return oc_yaml_fail(study->path, line, err,
                                "%s: train.batch_size = %" PRId64 " is more than the %" PRId64 " training images",
                                run->name, run->values.batch_size, images);
        run->row.steps = run->epoch_steps * run->values.epochs;
        snprintf(run->data, sizeof run->data, "%016" PRIx64, oc_dataset_fingerprint(dataset));
        OC_TRY(count_parameters(run, err));
    }
cleanup:
    return status;
}

/* ---- Noting ------------------------------------------------------------------------------------------------------ */

static bool stop_asked(const call *c) {
    return c->options->stop && *c->options->stop;
}

static bool on_progress(void *user, const char *what, int64_t done, int64_t total) {
    const call *c = user;
    return !stop_asked(c) && oc_progress_report(&c->options->progress, what, done, total);
}

/* Marks row `index` as failed. */
static oc_status note_failure(call *c, size_t index, const oc_error *why, oc_error *err) {
    char reason[sizeof why->where + sizeof why->message + 2];
    snprintf(reason, sizeof reason, "%s%s%s", why->where, why->where[0] ? ": " : "",
             why->message[0] ? why->message : oc_status_text(why->status));
    if (c->failures++ == 0) {
        c->first_failed = index;
        c->failed = why->status;
    }
    oc_log_line(&c->options->log, OC_LOG_WARN, "%s failed: %s", oc_study_row_at(c->study, index).name, reason);
    return oc_study_row_state(c->study, index, OC_STUDY_FAILED, reason, err);
}

static oc_status note_missing(call *c, size_t index, const char *needed, const char *what, oc_error *err) {
    oc_error why = {.status = OC_E_MISMATCH};
    snprintf(why.message, sizeof why.message, "%s %s failed", what, needed);
    return note_failure(c, index, &why, err);
}

static void tell(const call *c, size_t index, bool finished) {
    if (c->options->on_run) c->options->on_run(c->options->user, c->study, index, finished);
}

/* Before row `index` is worked on. */
static oc_status begin(call *c, size_t index, oc_error *err) {
    oc_status status = oc_study_row_state(c->study, index, OC_STUDY_RUNNING, NULL, err);
    if (status == OC_OK) tell(c, index, false);
    return status;
}

/* ---- A run ------------------------------------------------------------------------------------------------------- */

/* Skips the run when its own records, and the table of an earlier call that saw it end on this data, say that it is
 * finished with this very recipe. Anything less is left to the trainer to judge. */
static oc_status skip_finished(const call *c, size_t index, oc_error *err) {
    oc_status status = OC_OK;
    oc_study_task *run = &c->study->run[index];
    oc_run_folder folder = {0};
    oc_recipe *saved = NULL;
    char *path = NULL;
    int64_t epochs = -1;
    if (!run->confirmed || (run->start >= 0 && !c->study->run[run->start].skipped)) return OC_OK;
    OC_TRY(oc_path_join(&path, c->options->out, run->name, err));
    OC_TRY(oc_run_folder_name(&folder, path, err));
    OC_TRY(oc_recipe_create(&saved, err));
    run->skipped =
        oc_path_exists(folder.recipe) && oc_path_exists(folder.best) &&
        oc_recipe_load(saved, folder.recipe, NULL) == OC_OK &&
        oc_recipe_compare(saved, run->recipe, path, NULL) == OC_OK &&
        oc_study_row_fill(run, c->options->out, oc_study_images(run->dataset, "val"), &epochs, NULL) == OC_OK &&
        epochs == run->values.epochs;
    if (run->skipped) OC_TRY(oc_study_row_state(c->study, index, OC_STUDY_DONE, NULL, err));
cleanup:
    oc_recipe_destroy(&saved);
    oc_run_folder_free(&folder);
    oc_free(path);
    return status;
}

/* Trains the run in its folder to its end. */
static oc_status train(const call *c, oc_study_task *run, const char *folder, const char *weights, oc_error *err) {
    oc_trainer *trainer = NULL;
    const oc_study_options *given = c->options;
    const oc_train_options options = {.out = folder,
                                      .resume = true,
                                      .weights = weights,
                                      .threads = given->threads,
                                      .cache = given->cache,
                                      .skip_bad = given->skip_bad,
                                      .command = given->command,
                                      .stop = given->stop,
                                      .on_step = given->on_step,
                                      .user = given->user,
                                      .progress = c->progress,
                                      .log = given->log};
    int64_t epochs = -1;
    oc_status status = oc_trainer_create(&trainer, run->dataset, run->recipe, &options, err);
    if (status == OC_OK) {
        status = oc_trainer_run(trainer, err);
        /* Also what a run got done before it stopped or failed is worth showing. */
        oc_status filled = oc_study_row_fill(run, given->out, oc_study_images(run->dataset, "val"), &epochs,
                                             status == OC_OK ? err : NULL);
        if (status == OC_OK) status = filled;
    }
    oc_trainer_destroy(&trainer);
    return status;
}

/* One run, or the note why not. */
static oc_status do_run(call *c, size_t index, oc_error *err) {
    oc_status status = OC_OK;
    oc_study_task *run = &c->study->run[index];
    oc_run_folder start = {0};
    char *path = NULL, *start_path = NULL;
    oc_error why = {0};
    OC_TRY(oc_path_join(&path, c->options->out, run->name, err));
    if (run->start >= 0) {
        const oc_study_task *first = &c->study->run[run->start];
        if (first->row.state == OC_STUDY_FAILED) {
            status = note_missing(c, index, first->name, "its start", err);
            goto cleanup;
        }
        OC_TRY(oc_path_join(&start_path, c->options->out, first->name, err));
        OC_TRY(oc_run_folder_name(&start, start_path, err));
    }
    OC_TRY(begin(c, index, err));
    status = train(c, run, path, start.best, &why);
    if (status == OC_E_STOPPED) {
        (void)oc_study_row_state(c->study, index, OC_STUDY_WAITING, NULL, NULL);
        goto cleanup;
    }
    why.status = status;
    status = status == OC_OK ? oc_study_row_state(c->study, index, OC_STUDY_DONE, NULL, err)
                             : note_failure(c, index, &why, err);
    tell(c, index, true);
cleanup:
    oc_run_folder_free(&start);
    oc_free(path);
    oc_free(start_path);
    return status;
}

/* ---- The ensemble ------------------------------------------------------------------------------------------------ */

/* The members' weights files. */
static oc_status member_paths(const call *c, oc_names *paths, oc_error *err) {
    oc_status status = OC_OK;
    const oc_study_ensemble *ensemble = &c->study->ensemble;
    oc_run_folder folder = {0};
    char *path = NULL;
    for (size_t i = 0; i < ensemble->members; i++) {
        OC_TRY(oc_path_join(&path, c->options->out, c->study->run[ensemble->member[i]].name, err));
        OC_TRY(oc_run_folder_name(&folder, path, err));
        OC_TRY(oc_names_add(paths, folder.best, err));
        oc_run_folder_free(&folder);
        oc_free(path);
        path = NULL;
    }
cleanup:
    oc_run_folder_free(&folder);
    oc_free(path);
    return status;
}

/* Names what the ensemble is made of: settings, data, and which writing of which weights. */
static oc_status make_key(call *c, const oc_names *paths, oc_error *err) {
    oc_status status = OC_OK;
    oc_text text = {0};
    oc_study_ensemble *ensemble = &c->study->ensemble;
    const oc_study_join *join = &c->study->file.join;
    OC_TRY(oc_text_printf(&text, err, "%s %s %s %g %" PRId64 " %" PRId64 " %" PRId64 " %" PRIu64 " %g %g",
                          ensemble->row.model, join->init ? join->init : "", join->fit_on ? join->fit_on : "",
                          ensemble->holdout, join->prune, join->epochs, join->batch_size, join->seed, join->lr,
                          join->smoothing));
    for (size_t i = 0; i < paths->count; i++) {
        struct stat info = {0};
        (void)stat(paths->item[i], &info);
        const oc_study_task *run = &c->study->run[ensemble->member[i]];
        OC_TRY(oc_text_printf(&text, err, " %s %s %lld %lld.%ld", run->name, run->data, (long long)info.st_size,
                              (long long)info.st_mtim.tv_sec, (long)info.st_mtim.tv_nsec));
    }
    snprintf(ensemble->key, sizeof ensemble->key, "%016" PRIx64, (uint64_t)XXH3_64bits(text.data, text.size));
cleanup:
    oc_text_free(&text);
    return status;
}

/* Fits it and fills its row. */
static oc_status fit(call *c, const oc_names *paths, oc_error *err) {
    oc_status status = OC_OK;
    oc_study_ensemble *ensemble = &c->study->ensemble;
    const oc_study_join *join = &c->study->file.join;
    const oc_study_options *given = c->options;
    oc_ensemble_report *report = NULL;
    oc_dataset *dataset = NULL;
    char *folder = NULL;
    double began = oc_clock_seconds();
    OC_TRY(oc_path_join(&folder, given->out, ensemble->row.name, err));
    const oc_dataset_options opened = oc_study_ensemble_options(c->study);
    OC_TRY(oc_study_data_get(&c->data, &opened, &dataset, err));
    const oc_ensemble_options options = {.out = folder,
                                         .method = join->method,
                                         .fit_on = join->fit_on,
                                         .init = join->init,
                                         .prune = join->prune,
                                         .epochs = join->epochs,
                                         .batch_size = join->batch_size,
                                         .lr = join->lr,
                                         .smoothing = join->smoothing,
                                         .seed = join->seed,
                                         .threads = given->threads,
                                         .cache = given->cache,
                                         .skip_bad = given->skip_bad,
                                         .command = given->command,
                                         .progress = c->progress,
                                         .log = given->log};
    OC_TRY(oc_ensemble_fit(&report, dataset, (const char *const *)paths->item, paths->count, &options, err));
    size_t best = 0;
    double p = 0;
    const oc_evaluation whole = oc_ensemble_report_whole(report, &best, &p);
    oc_study_row *row = &ensemble->row;
    row->top1 = whole.top1;
    row->top1_low = whole.top1_low;
    row->top1_high = whole.top1_high;
    row->images_per_second = whole.images_per_second;
    row->seconds = oc_clock_seconds() - began;
    int64_t macs = 0;
    oc_ensemble_report_size(report, &row->parameters, &macs);
cleanup:
    oc_ensemble_report_destroy(&report);
    oc_free(folder);
    return status;
}

static oc_status do_ensemble(call *c, oc_error *err) {
    oc_status status = OC_OK;
    oc_study_ensemble *ensemble = &c->study->ensemble;
    size_t index = c->study->runs;
    oc_names paths = {0};
    oc_error why = {0};
    oc_run_folder folder = {0};
    char *path = NULL;
    for (size_t i = 0; i < ensemble->members; i++) {
        const oc_study_task *run = &c->study->run[ensemble->member[i]];
        if (run->row.state == OC_STUDY_FAILED) return note_missing(c, index, run->name, "its member", err);
    }
    OC_TRY(member_paths(c, &paths, err));
    OC_TRY(make_key(c, &paths, err));
    OC_TRY(oc_path_join(&path, c->options->out, ensemble->row.name, err));
    OC_TRY(oc_run_folder_name(&folder, path, err));
    if (strcmp(ensemble->earlier, ensemble->key) == 0 && oc_path_exists(folder.best)) {
        ensemble->row = ensemble->figures;
        status = oc_study_row_state(c->study, index, OC_STUDY_DONE, NULL, err);
        goto cleanup;
    }
    OC_TRY(begin(c, index, err));
    status = fit(c, &paths, &why);
    if (status == OC_E_STOPPED) {
        (void)oc_study_row_state(c->study, index, OC_STUDY_WAITING, NULL, NULL);
        goto cleanup;
    }
    why.status = status;
    status = status == OC_OK ? oc_study_row_state(c->study, index, OC_STUDY_DONE, NULL, err)
                             : note_failure(c, index, &why, err);
    tell(c, index, true);
cleanup:
    oc_names_free(&paths);
    oc_run_folder_free(&folder);
    oc_free(path);
    return status;
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

/* All rows anew: what an earlier call on this handle noted is read again from the folders. */
static oc_status forget(oc_study *study, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < oc_study_count(study); i++)
        OC_TRY(oc_study_row_state(study, i, OC_STUDY_WAITING, NULL, err));
    for (size_t i = 0; i < study->runs; i++) study->run[i].confirmed = study->run[i].skipped = false;
    study->ensemble.earlier[0] = '\0';
cleanup:
    return status;
}

/* Makes the folder this process' own. Runs and ensemble lock theirs below it. */
static oc_status folder_lock(call *c, oc_error *err) {
    const char *out = c->options->out;
    oc_status status = oc_folder_create(out, err);
    if (status != OC_OK) return status;
    status = oc_lock_create(&c->lock, out, err);
    if (status != OC_E_EXISTS) return status;
    return oc_fail(err, status, out,
                   "another process is running a study in this folder: wait for it, or choose another --out");
}

static oc_status prepare(call *c, oc_error *err) {
    oc_status status = OC_OK;
    const char *out = c->options->out;
    char *csv = NULL, *json = NULL;
    OC_TRY(forget(c->study, err));
    OC_TRY(oc_study_check_data(c->study, &c->data, err));
    OC_TRY(folder_lock(c, err));
    OC_TRY(oc_path_join(&csv, out, OC_STUDY_CSV, err));
    OC_TRY(oc_path_join(&json, out, OC_STUDY_JSON, err));
    OC_TRY(oc_file_remove_leftovers(csv, err));
    OC_TRY(oc_file_remove_leftovers(json, err));
    OC_TRY(oc_study_table_recall(c->study, out, err));
    for (size_t i = 0; i < c->study->runs; i++) OC_TRY(skip_finished(c, i, err));
cleanup:
    oc_free(csv);
    oc_free(json);
    return status;
}

/* What the whole comes to. */
static oc_status conclude(const call *c, oc_error *err) {
    if (c->failures == 0) return OC_OK;
    const oc_study_row first = oc_study_row_at(c->study, c->first_failed);
    /* Usage errors are of the file and were told before anything was trained. */
    oc_status status = c->failed == OC_E_USAGE ? OC_E_MISMATCH : c->failed;
    return oc_fail(err, status, c->study->path, "%zu of %zu failed; %s%s: %s", c->failures, oc_study_count(c->study),
                   c->failures > 1 ? "the first, " : "", first.name, first.reason);
}

oc_status oc_study_run(oc_study *study, const char *data, const oc_study_options *options, oc_error *err) {
    if (!options || !options->out || options->out[0] == '\0')
        return oc_fail(err, OC_E_USAGE, "--out", "a study needs a folder to write to");
    oc_status status = OC_OK;
    call c = {.study = study, .options = options, .data = {.path = data}};
    c.progress = (oc_progress){.fn = on_progress, .user = &c};
    OC_TRY(prepare(&c, err));
    for (size_t i = 0; i < oc_study_count(study) && status == OC_OK; i++) {
        if (i < study->runs && study->run[i].skipped) continue;
        if (stop_asked(&c)) status = OC_E_STOPPED;
        if (status == OC_OK) status = i < study->runs ? do_run(&c, i, err) : do_ensemble(&c, err);
        if (status == OC_OK) status = oc_study_table_write(study, options->out, err);
    }
    if (status != OC_OK && status != OC_E_STOPPED) goto cleanup;
    oc_status written = oc_study_table_write(study, options->out, err);
    if (written != OC_OK) status = written;
    if (status == OC_E_STOPPED)
        status = oc_fail(err, OC_E_STOPPED, options->out, "stopped, everything saved: the same command goes on");
    if (status == OC_OK) status = conclude(&c, err);
cleanup:
    oc_lock_destroy(&c.lock);
    oc_study_data_close(&c.data);
    return status;
}
