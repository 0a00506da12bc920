/* oc_ensemble_fit: from weights files to one weights file. */
#define _GNU_SOURCE 1
#include "ensemble/ensemble_fit.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "compute/engine.h"
#include "data/dataset.h"
#include "ensemble/score_cache.h"
#include "models/precision.h"
#include "record/about.h"
#include "train/run_folder.h"

#define DEFAULT_EPOCHS 20
#define DEFAULT_BATCH 64
#define DEFAULT_LR 1e-3
#define DEFAULT_SMOOTHING 0.01
/* The reference names none. On a generated data set with three members a constant rate gave the lower loss in all of
 * twelve pairs of fits (on 400 and on 2,000 images, from both starts), by 0.01 to 0.1 nats. */
#define SCHEDULE "constant"

#define BEST_FILE "best.safetensors"
#define REPORT_FILE "ensemble.json"
#define REPORT_ASIDE REPORT_FILE ".tmp.earlier" /* a temporary as any: a killed process' is removed */
#define SCORES_FOLDER "scores"

/* ---- what is asked for ---- */

static oc_status one_of(const char *value, const char *first, const char *second, const char *where, oc_error *err) {
    const char *const valid[] = {first, second};
    if (strcmp(value, first) == 0 || strcmp(value, second) == 0) return OC_OK;
    const char *nearest = oc_text_nearest(value, valid, 2);
    return oc_fail(err, OC_E_USAGE, where, "\"%.100s\" is not %s or %s%s%s%s", value, first, second,
                   nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

/* Which split is fitted on, and whether it is there. */
static oc_status fit_on_resolve(oc_ensemble_job *job, oc_error *err) {
    oc_status status = OC_OK;
    const bool held = oc_dataset_split(job->dataset, "holdout") != NULL;
    const char *asked = job->options.fit_on ? job->options.fit_on : held ? "holdout" : "train";
    OC_TRY(one_of(asked, "train", "holdout", "--fit-on", err));
    if (job->combine == OC_COMBINE_MEAN && job->options.prune == 0) return OC_OK; /* nothing is fitted */
    job->fit_on = strcmp(asked, "train") == 0 ? "train" : "holdout";
    if (oc_dataset_split(job->dataset, job->fit_on)) return OC_OK;
    const char *path = oc_dataset_path(job->dataset);
    if (strcmp(job->fit_on, "train") == 0)
        return oc_fail(err, OC_E_NOT_FOUND, path, "the data set has no training images to fit an ensemble on");
    return oc_fail(err, OC_E_NOT_FOUND, path,
                   oc_dataset_holdout(job->dataset) > 0
                       ? "what was held out of train are this data set's validation images, as it has no others: an "
                         "ensemble cannot be fitted on them too"
                       : "no images are held out: fit on holdout:0.1, say");
cleanup:
    return status;
}

static oc_status options_resolve(oc_ensemble_job *job, oc_error *err) {
    oc_status status = OC_OK;
    const oc_ensemble_options *o = &job->options;
    oc_precision precision; /* only to refuse a wrong one at once */
    if (job->members < OC_ENSEMBLE_LEAST || job->members > OC_ENSEMBLE_MOST)
        return oc_fail(err, OC_E_USAGE, NULL, "an ensemble has %d to %d members: %zu weights files given",
                       OC_ENSEMBLE_LEAST, OC_ENSEMBLE_MOST, job->members);
    if (!o->out || o->out[0] == '\0')
        return oc_fail(err, OC_E_USAGE, "--out", "an ensemble needs a folder to write to");
    if (o->prune != 0 && (o->prune < OC_ENSEMBLE_LEAST || o->prune > (int64_t)job->members))
        return oc_fail(err, OC_E_USAGE, "--prune", "%lld of %zu members cannot be kept: from %d to all",
                       (long long)o->prune, job->members, OC_ENSEMBLE_LEAST);
    if (o->epochs < 0 || o->epochs > INT32_MAX || o->batch_size < 0 || !(o->lr >= 0 && isfinite(o->lr)) ||
        !(o->smoothing >= 0 && o->smoothing < 1))
        return oc_fail(err, OC_E_USAGE, NULL, "epochs, batch_size, lr or smoothing is out of range");
    OC_TRY(oc_combine_find(&job->combine, o->method ? o->method : oc_combine_name(OC_COMBINE_STACK), "--method", err));
    OC_TRY(one_of(o->init ? o->init : "mean", "random", "mean", "--init", err));
    OC_TRY(oc_precision_find(&precision, o->precision, "--precision", err));
    job->fit = (oc_fit_options){.random = o->init && strcmp(o->init, "random") == 0,
                                .schedule = SCHEDULE,
                                .epochs = o->epochs ? o->epochs : DEFAULT_EPOCHS,
                                .batch_size = o->batch_size ? o->batch_size : DEFAULT_BATCH,
                                .lr = o->lr > 0 ? o->lr : DEFAULT_LR,
                                .smoothing = o->smoothing > 0 ? o->smoothing : DEFAULT_SMOOTHING,
                                .seed = o->seed,
                                .precision = o->precision,
                                .progress = &job->options.progress,
                                .log = &job->options.log};
    OC_TRY(fit_on_resolve(job, err));
    if (!oc_dataset_split(job->dataset, "val"))
        status = oc_fail(err, OC_E_NOT_FOUND, oc_dataset_path(job->dataset),
                         "the data set has no validation images to judge an ensemble by: %s",
                         oc_dataset_val_advice(job->dataset));
cleanup:
    return status;
}

/* A training run's folder is not for an ensemble, and no member may be overwritten. */
static oc_status folder_check(const oc_ensemble_job *job, oc_error *err) {
    oc_status status = OC_OK;
    const char *out = job->options.out;
    oc_run_folder run = {0};
    OC_TRY(oc_run_folder_name(&run, out, err));
    if (oc_path_exists(run.state) || oc_path_exists(run.recipe) || oc_path_exists(run.metrics)) {
        status = oc_fail(err, OC_E_EXISTS, out, "this folder holds a training run: choose another --out");
        goto cleanup;
    }
    for (size_t m = 0; m < job->members; m++) {
        if (!oc_path_same(run.best, job->path[m])) continue;
        status = oc_fail(err, OC_E_EXISTS, job->path[m], "this member would be overwritten: choose another --out");
        goto cleanup;
    }
cleanup:
    oc_run_folder_free(&run);
    return status;
}

/* Makes the folder this process' own, and removes what killed ones left in it. */
static oc_status folder_lock(oc_ensemble_job *job, oc_error *err) {
    oc_status status = OC_OK;
    const char *out = job->options.out;
    char *best = NULL, *json = NULL;
    OC_TRY(oc_path_join(&best, out, BEST_FILE, err));
    OC_TRY(oc_path_join(&json, out, REPORT_FILE, err));
    OC_TRY(oc_folder_create(out, err));
    status = oc_lock_create(&job->lock, out, err);
    if (status == OC_E_EXISTS)
        status = oc_fail(err, status, out,
                         "another process is writing to this folder: wait for it, or choose another --out");
    if (status != OC_OK) goto cleanup;
    OC_TRY(folder_check(job, err)); /* a run may have begun and ended here since it was looked at */
    OC_TRY(oc_file_remove_leftovers(best, err));
    OC_TRY(oc_file_remove_leftovers(json, err));
cleanup:
    oc_free(best);
    oc_free(json);
    return status;
}

/* ---- members ---- */

static oc_status members_open(oc_ensemble_job *job, oc_error *err) {
    oc_status status = OC_OK;
    oc_model *member[OC_ENSEMBLE_MOST] = {NULL};
    oc_names sorted = {0};
    for (size_t m = 0; m < job->members; m++)
        OC_TRY(oc_model_open(&member[m], job->path[m], NULL, NULL, 0, 0, NULL, err));
    OC_TRY(oc_ensemble_create(&job->whole, job->combine, member, job->path, job->members, err));
    const oc_names *classes = &job->whole->classes;
    job->classes = (int64_t)classes->count;
    OC_TRY(oc_alloc(&job->ordered, classes->count, sizeof *job->ordered, err));
    OC_TRY(oc_names_sorted(&sorted, classes, err));
    for (size_t c = 0; c < classes->count; c++) job->ordered[oc_names_find(&sorted, classes->item[c])] = (int32_t)c;
cleanup:
    for (size_t m = 0; m < OC_ENSEMBLE_MOST; m++) oc_model_destroy(&member[m]);
    oc_names_free(&sorted);
    return status;
}

/* Says which members know images of the fit split from their own training. */
static oc_status seen_report(const oc_ensemble_job *job, oc_error *err) {
    oc_status status = OC_OK;
    oc_text names = {0};
    size_t count = 0;
    for (size_t m = 0; m < job->members; m++) {
        const int64_t known = job->fitted.trained_on[m];
        if (known == 0) continue;
        OC_TRY(oc_text_printf(&names, err, "%s%s (", count++ ? ", " : "", job->path[m]));
        if (known > 0)
            OC_TRY(oc_text_printf(&names, err, "%lld of %lld)", (long long)known, (long long)job->fitted.images));
        else
            OC_TRY(oc_text_printf(&names, err, "it has no record and cannot tell)"));
    }
    if (count > 0)
        oc_log_line(&job->options.log, OC_LOG_WARN,
                    "fitted on images that %zu of the members were, or may have been, trained on, where they are "
                    "over-confident; better train them with data.holdout and fit on that share: %s",
                    count, names.data);
cleanup:
    oc_text_free(&names);
    return status;
}

/* ---- scores ---- */

/* Member m's scores into the job's order of classes. label: as places in it. */
static oc_status scores_order(float *dst, int32_t *label, const oc_ensemble_job *job, size_t m, const oc_scores *scores,
                              oc_error *err) {
    oc_status status = OC_OK;
    const int32_t *map = job->whole->ensemble->class_map[m];
    const int64_t classes = job->classes;
    int32_t *place = NULL; /* [member's classes] → the job's */
    OC_TRY(oc_alloc(&place, (size_t)classes, sizeof *place, err));
    for (int64_t c = 0; c < classes; c++) place[map[job->ordered[c]]] = (int32_t)c;
    for (int64_t i = 0; i < scores->images; i++) {
        const float *src = scores->logits + i * classes;
        float sum = 0; /* x − x is 0 for a finite x and NaN for any other */
        for (int64_t c = 0; c < classes; c++) {
            dst[i * classes + c] = src[map[job->ordered[c]]];
            sum += src[c] - src[c];
        }
        if (sum != 0 || scores->label[i] < 0) {
            status = oc_fail(err, sum != 0 ? OC_E_NON_FINITE : OC_E_FORMAT, job->path[m], "image %s %s",
                             scores->names.item[i], sum != 0 ? "has a score that is not finite" : "has no label");
            goto cleanup;
        }
        label[i] = place[scores->label[i]];
    }
cleanup:
    oc_free(place);
    return status;
}

static bool same_images(const oc_split_scores *a, const oc_scores *b, const int32_t *label) {
    bool same = a->images == b->images && memcmp(a->label, label, (size_t)a->images * sizeof *label) == 0;
    for (size_t i = 0; same && i < a->names.count; i++) same = strcmp(a->names.item[i], b->names.item[i]) == 0;
    return same;
}

static oc_status member_score(oc_split_scores *out, oc_ensemble_job *job, size_t m, const oc_score_cache *cache,
                              oc_error *err) {
    oc_status status = OC_OK;
    oc_scores scores = {0};
    float *ordered = NULL;
    int32_t *label = NULL;
    bool computed = false;
    OC_TRY(oc_score_cache_get(&scores, &computed, cache, job->whole->ensemble->member[m], job->path[m], err));
    oc_log_line(&job->options.log, OC_LOG_INFO, "%s: scores of %lld images of %s %s", job->path[m],
                (long long)scores.images, cache->eval.split, computed ? "computed" : "taken from the cache");
    OC_TRY(oc_alloc(&ordered, (size_t)(scores.images * job->classes), sizeof *ordered, err));
    OC_TRY(oc_alloc(&label, (size_t)scores.images, sizeof *label, err));
    OC_TRY(scores_order(ordered, label, job, m, &scores, err));
    if (m == 0) {
        out->images = scores.images;
        out->skipped = scores.skipped;
        out->names = scores.names;
        out->label = label;
        out->content = scores.content;
        scores.names = (oc_names){0};
        scores.content = NULL;
        label = NULL;
    } else if (!same_images(out, &scores, label)) {
        status = oc_fail(err, OC_E_MISMATCH, oc_dataset_path(job->dataset),
                         "the images of %s are not the same for all members: the data set has changed meanwhile",
                         cache->eval.split);
        goto cleanup;
    }
    out->seconds[m] = computed ? scores.seconds : NAN;
    out->trained_on[m] = scores.trained_on;
    out->score[m] = ordered;
    ordered = NULL;
cleanup:
    oc_scores_free(&scores);
    oc_free(ordered);
    oc_free(label);
    return status;
}

static oc_status split_score(oc_split_scores *out, oc_ensemble_job *job, const char *split, oc_error *err) {
    oc_status status = OC_OK;
    char *folder = NULL;
    oc_score_cache cache = {.dataset = job->dataset,
                            .eval = {.split = split,
                                     .precision = job->fit.precision,
                                     .threads = oc_team_threads(job->team),
                                     .cache = job->options.cache,
                                     .skip_bad = job->options.skip_bad,
                                     .progress = job->options.progress,
                                     .log = job->options.log}};
    OC_TRY(oc_path_join(&folder, job->options.out, SCORES_FOLDER, err));
    cache.folder = folder;
    if (oc_dataset_split(job->dataset, split))
        oc_dataset_report(job->dataset, oc_dataset_split(job->dataset, split), &job->options.log);
    for (size_t m = 0; m < job->members; m++) OC_TRY(member_score(out, job, m, &cache, err));
cleanup:
    oc_free(folder);
    return status;
}

static void split_free(oc_split_scores *scores) {
    for (size_t m = 0; m < OC_ENSEMBLE_MOST; m++) oc_free((float *)(uintptr_t)scores->score[m]);
    oc_free(scores->label);
    oc_free(scores->content);
    oc_names_free(&scores->names);
}

/* ---- the result ---- */

static oc_status trained_find(oc_ensemble_job *job, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t m = 0; m < job->members; m++)
        if (job->kept[m]) OC_TRY(oc_trained_join(&job->trained, &job->whole->ensemble->member[m]->trained, err));
    OC_TRY(oc_trained_add(&job->trained, job->fitted.content, (size_t)job->fitted.images, err));
cleanup:
    return status;
}

/* *out = the ensemble of the kept members, taken out of job->whole, with `combiner` in its own order of classes. */
static oc_status assemble(oc_model **out, oc_ensemble_job *job, const oc_combiner *combiner, oc_error *err) {
    oc_status status = OC_OK;
    oc_model *member[OC_ENSEMBLE_MOST] = {NULL};
    const char *label[OC_ENSEMBLE_MOST];
    oc_names sorted = {0};
    int32_t *place = NULL; /* [ensemble's classes] → the job's */
    size_t count = 0;
    for (size_t m = 0; m < job->members; m++) {
        if (!job->kept[m]) continue;
        label[count] = job->path[m];
        member[count++] = job->whole->ensemble->member[m];
        job->whole->ensemble->member[m] = NULL;
    }
    OC_TRY(oc_names_sorted(&sorted, &job->whole->classes, err));
    OC_TRY(oc_ensemble_create(out, job->combine, member, label, count, err));
    OC_TRY(oc_alloc(&place, (size_t)job->classes, sizeof *place, err));
    for (int64_t c = 0; c < job->classes; c++) place[c] = (int32_t)oc_names_find(&sorted, (*out)->classes.item[c]);
    oc_ensemble *e = (*out)->ensemble;
    const int64_t classes = job->classes, columns = (int64_t)count * classes;
    if (job->combine == OC_COMBINE_WEIGHTED) memcpy(e->weight, combiner->weight, count * sizeof *e->weight);
    for (int64_t c = 0; job->combine == OC_COMBINE_STACK && c < classes; c++) {
        e->bias[c] = combiner->bias[place[c]];
        for (int64_t column = 0; column < columns; column++)
            e->weight[c * columns + column] =
                combiner->weight[place[c] * columns + column / classes * classes + place[column % classes]];
    }
cleanup:
    for (size_t m = 0; m < count; m++) oc_model_destroy(&member[m]);
    if (status != OC_OK) oc_model_destroy(out);
    oc_names_free(&sorted);
    oc_free(place);
    return status;
}

/* Writes run.json. */
static oc_status about_write(const oc_ensemble_job *job, const oc_ensemble_report *report, oc_error *err) {
    oc_status status = OC_OK;
    oc_system system = {0};
    oc_about *about = NULL;
    const oc_dataset *dataset = job->dataset;
    const oc_split *train = oc_dataset_split(dataset, "train");
    oc_engine_machine(&system);
    oc_about_start start = {.command = job->options.command,
                            .system = &system,
                            .threads = oc_team_threads(job->team),
                            .model = oc_combine_name(job->combine),
                            .size = job->whole->size,
                            .data_path = oc_dataset_path(dataset),
                            .holdout = oc_dataset_holdout(dataset),
                            .validates_on = oc_dataset_validates_on(dataset),
                            .classes = (int64_t)oc_dataset_classes(dataset)->count,
                            .train = train ? train->count : 0,
                            .val = job->val.images,
                            .left_out = oc_dataset_left_out(dataset)};
    oc_ensemble_report_size(report, &start.parameters, &start.macs);
    OC_TRY(oc_about_create(&about, job->options.out, &start, err));
    OC_TRY(oc_about_memory(about, err));
cleanup:
    oc_about_destroy(&about);
    return status;
}

static oc_status result_write(oc_ensemble_job *job, const oc_combiner *combiner, const oc_ensemble_report *report,
                              oc_error *err) {
    oc_status status = OC_OK;
    oc_model *ensemble = NULL;
    char *best = NULL, *json = NULL, *aside = NULL;
    const char *text = oc_ensemble_report_json(report);
    OC_TRY(oc_path_join(&best, job->options.out, BEST_FILE, err));
    OC_TRY(oc_path_join(&json, job->options.out, REPORT_FILE, err));
    OC_TRY(oc_path_join(&aside, job->options.out, REPORT_ASIDE, err));
    OC_TRY(assemble(&ensemble, job, combiner, err));
    OC_TRY(oc_trained_join(&ensemble->trained, &job->trained, err));
    /* An earlier report is of earlier weights: it is not to lie beside the new ones, wherever this may end. */
    if (rename(json, aside) != 0 && errno != ENOENT) {
        status = oc_fail(err, OC_E_IO, json, "cannot rename this file");
        goto cleanup;
    }
    status = oc_model_save(ensemble, best, err);
    if (status != OC_OK) {
        (void)rename(aside, json);
        goto cleanup;
    }
    OC_TRY(oc_file_write_atomic(json, text, strlen(text), err));
    OC_TRY(about_write(job, report, err));
cleanup:
    if (aside) (void)unlink(aside);
    oc_model_destroy(&ensemble);
    oc_free(best);
    oc_free(json);
    oc_free(aside);
    return status;
}

oc_status oc_ensemble_fit(oc_ensemble_report **report, const oc_dataset *dataset, const char *const *weights,
                          size_t count, const oc_ensemble_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_ensemble_job *job = NULL;
    oc_ensemble_report *made = NULL;
    oc_combiner *combiner = NULL;
    oc_memory_peak_reset();
    OC_TRY(oc_alloc(&job, 1, sizeof *job, err));
    job->options = *options;
    job->dataset = dataset;
    job->path = weights;
    job->members = count;
    OC_TRY(options_resolve(job, err));
    OC_TRY(folder_check(job, err));
    OC_TRY(oc_team_create(&job->team, options->threads, err));
    oc_team_log(job->team, &options->log);
    job->fit.team = job->team;
    OC_TRY(members_open(job, err));
    OC_TRY(folder_lock(job, err));
    for (size_t m = 0; m < count; m++) job->kept[m] = true;
    if (job->fit_on) {
        OC_TRY(split_score(&job->fitted, job, job->fit_on, err));
        OC_TRY(seen_report(job, err));
    }
    OC_TRY(split_score(&job->val, job, "val", err));
    if (options->prune > 0) OC_TRY(oc_choice_prune(job, err));
    OC_TRY(oc_choice_fit(&combiner, job, job->kept, NULL, 0, err));
    OC_TRY(trained_find(job, err));
    OC_TRY(oc_ensemble_report_create(&made, job, combiner, err));
    OC_TRY(result_write(job, combiner, made, err));
    if (report) {
        *report = made;
        made = NULL;
    }
cleanup:
    oc_combiner_destroy(&combiner);
    oc_ensemble_report_destroy(&made);
    if (job) {
        split_free(&job->fitted);
        split_free(&job->val);
        oc_trained_free(&job->trained);
        oc_free(job->ordered);
        oc_model_destroy(&job->whole);
        oc_team_destroy(&job->team);
        oc_lock_destroy(&job->lock);
    }
    oc_free(job);
    return status;
}
