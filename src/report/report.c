/* Reports: which folders there are, what they tell, and what they have in common. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "recipe/recipe.h"
#include "report/page.h"
#include "report/report.h"

#define DEPTH_MOST 3         /* of folders below one that is named */
#define EVALUATED_MOST 8     /* of more runs the best ones are shown in detail: fifty are to make a page of 1.5 MB */
#define MANY 12              /* runs whose curves have all their points */
#define IMAGES_MOST 4000000u /* bytes of images inlined, of all runs together */

typedef struct report {
    const oc_report_options *options;
    json_t *runs, *left_out; /* lists */
} report;

/* ---- finding the runs ---- */

static oc_status leave_out(report *r, const char *folder, const char *reason, oc_error *err) {
    json_t *one = json_pack("{s:o, s:o}", "folder", oc_json_bytes(folder), "reason", oc_json_bytes(reason));
    return json_array_append_new(r->left_out, one) == 0 ? OC_OK : oc_json_no_memory(err);
}

/* Adds the run in a folder. *added (may be NULL) = it, borrowed. */
static oc_status run_add(report *r, const char *folder, const char *name, json_t **added, oc_error *err) {
    oc_status status = OC_OK;
    oc_error why = {0};
    json_t *run = NULL;
    status = oc_report_run(&run, folder, &why);
    if (status == OC_E_MEMORY) return oc_fail(err, status, why.where, "%s", why.message);
    if (status != OC_OK) {
        oc_log_line(&r->options->log, OC_LOG_WARN, "%s: %s: left out", why.where, why.message);
        return leave_out(r, folder, why.message, err);
    }
    OC_TRY(oc_json_put_bytes(run, "name", name, err));
    if (json_array_append(r->runs, run) != 0) status = oc_json_no_memory(err);
    if (added) *added = run;
cleanup:
    json_decref(run);
    return status;
}

static oc_status child_name(char **out, const char *prefix, const char *name, oc_error *err) {
    return prefix[0] ? oc_path_join(out, prefix, name, err) : oc_strdup(out, name, err);
}

/* What the study knows of an ensemble's time, which its folder does not tell. */
static oc_status figures_add(json_t *run, const json_t *row, oc_error *err) {
    oc_status status = OC_OK;
    static const char *const figures[] = {"seconds", "images_per_second"};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        json_t *known = json_object_get(row, figures[i]);
        if (!known || !json_is_null(json_object_get(run, figures[i]))) continue;
        OC_TRY(oc_json_put(run, figures[i], json_incref(known), err));
    }
cleanup:
    return status;
}

/* The rows of a study in their order. */
static oc_status study_add(report *r, const char *folder, const char *prefix, const json_t *study, oc_error *err) {
    oc_status status = OC_OK;
    char *path = NULL, *name = NULL;
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(study, "rows"), i, row) {
        const char *own = json_string_value(json_object_get(row, "name")),
                   *state = json_string_value(json_object_get(row, "state"));
        const bool failed = state && strcmp(state, "failed") == 0;
        json_t *run = NULL;
        if (!own || strchr(own, '/')) continue;
        oc_free(path);
        oc_free(name);
        path = name = NULL;
        OC_TRY(oc_path_join(&path, folder, own, err));
        OC_TRY(child_name(&name, prefix, own, err));
        const char *reason = json_string_value(json_object_get(row, "reason"));
        if (oc_report_folder_kind(path) != OC_FOLDER_OTHER)
            OC_TRY(run_add(r, path, name, &run, err));
        else if (failed)
            OC_TRY(leave_out(r, path, reason ? reason : "failed", err));
        if (run) OC_TRY(figures_add(run, row, err));
        if (!run || !failed) continue;
        OC_TRY(oc_json_put(run, "state", json_string("failed"), err));
        if (reason) OC_TRY(oc_json_put_bytes(run, "reason", reason, err));
    }
cleanup:
    oc_free(path);
    oc_free(name);
    return status;
}

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static oc_status folder_add(report *r, const char *folder, const char *prefix, int depth, oc_error *err);

static oc_status children_add(report *r, const char *folder, const char *prefix, int depth, oc_error *err) {
    oc_status status = OC_OK;
    struct dirent **list = NULL;
    char *path = NULL, *name = NULL;
    const int count = scandir(folder, &list, is_visible, by_bytes);
    for (int i = 0; i < count && depth < DEPTH_MOST; i++) {
        oc_free(path);
        oc_free(name);
        path = name = NULL;
        OC_TRY(oc_path_join(&path, folder, list[i]->d_name, err));
        if (!oc_path_is_folder(path)) continue;
        OC_TRY(child_name(&name, prefix, list[i]->d_name, err));
        OC_TRY(folder_add(r, path, name, depth + 1, err));
    }
cleanup:
    for (int i = 0; i < count; i++) free(list[i]);
    free(list);
    oc_free(path);
    oc_free(name);
    return status;
}

/* Adds what a folder is, or what is in it. Runs are named from `prefix` on. */
static oc_status folder_add(report *r, const char *folder, const char *prefix, int depth, oc_error *err) {
    oc_status status = OC_OK;
    json_t *study = NULL;
    char *path = NULL;
    if (oc_report_folder_kind(folder) != OC_FOLDER_OTHER) return run_add(r, folder, prefix, NULL, err);
    OC_TRY(oc_path_join(&path, folder, "study.json", err));
    if (oc_path_exists(path) && oc_json_read(&study, path, NULL) == OC_OK)
        OC_TRY(study_add(r, folder, prefix, study, err));
    else
        OC_TRY(children_add(r, folder, prefix, depth, err));
cleanup:
    json_decref(study);
    oc_free(path);
    return status;
}

/* *out = what a path ends in, "runs" of "../runs/"; freed with oc_free. */
static oc_status end_of_path(char **out, const char *path, oc_error *err) {
    char *real = realpath(path, NULL);
    const char *whole = real ? real : path, *slash = strrchr(whole, '/');
    const oc_status status = oc_strdup(out, slash && slash[1] ? slash + 1 : whole, err);
    free(real);
    return status;
}

/* Adds what a path of the caller means; of several, what one holds is named with the path. */
static oc_status path_add(report *r, const char *path, bool alone, oc_error *err) {
    oc_status status = OC_OK;
    char *end = NULL;
    const size_t before = json_array_size(r->runs) + json_array_size(r->left_out);
    if (!oc_path_exists(path)) return oc_fail(err, OC_E_NOT_FOUND, path, "this folder does not exist");
    if (!oc_path_is_folder(path))
        return oc_fail(err, OC_E_NOT_FOUND, path, "this is a file: name the folder of a run, an ensemble or a study");
    OC_TRY(end_of_path(&end, path, err));
    OC_TRY(folder_add(r, path, alone && oc_report_folder_kind(path) == OC_FOLDER_OTHER ? "" : end, 0, err));
    if (json_array_size(r->runs) + json_array_size(r->left_out) == before)
        status = oc_fail(err, OC_E_NOT_FOUND, path,
                         "no run is in this folder (recipe.yaml, metrics.csv), no ensemble "
                         "(ensemble.json), no study (study.json)");
cleanup:
    oc_free(end);
    return status;
}

/* ---- what they have in common ---- */

static const char *name_of(const json_t *run) {
    return json_string_value(json_object_get(run, "name"));
}

/* A run that was named twice, by whatever paths, is there once. */
static oc_status repeated_drop(report *r, oc_error *err) {
    oc_status status = OC_OK;
    size_t count = json_array_size(r->runs);
    const size_t all = count;
    char **real = NULL; /* NULL where there is no telling */
    OC_TRY(oc_alloc(&real, count, sizeof *real, err));
    for (size_t i = 0; i < count;) {
        size_t same = 0;
        real[i] = realpath(json_string_value(json_object_get(json_array_get(r->runs, i), "folder")), NULL);
        while (same < i && !(real[i] && real[same] && strcmp(real[same], real[i]) == 0)) same++;
        if (same == i) {
            i++;
            continue;
        }
        free(real[i]);
        real[i] = NULL;
        json_array_remove(r->runs, i);
        count--;
    }
cleanup:
    for (size_t i = 0; real && i < all; i++) free(real[i]);
    oc_free(real);
    return status;
}

/* Where two runs have one name, both are given their folder's path for one. */
static oc_status names_part(report *r, oc_error *err) {
    const size_t count = json_array_size(r->runs);
    for (size_t i = 0; i < count; i++) {
        json_t *a = json_array_get(r->runs, i);
        bool shared = false;
        for (size_t j = i + 1; j < count; j++) {
            json_t *b = json_array_get(r->runs, j);
            if (strcmp(name_of(a), name_of(b)) != 0) continue;
            shared = true;
            if (json_object_set(b, "name", json_object_get(b, "folder")) != 0) return oc_json_no_memory(err);
        }
        if (shared && json_object_set(a, "name", json_object_get(a, "folder")) != 0) return oc_json_no_memory(err);
    }
    return OC_OK;
}

/* *out = the keys of recipes that are not the same in all runs that have one. */
static oc_status differences_find(json_t **out, const report *r, oc_error *err) {
    const oc_recipe_key *key;
    *out = json_array();
    if (!*out) return oc_json_no_memory(err);
    for (size_t k = 0; (key = oc_recipe_key_at(k)); k++) {
        const char *first = NULL;
        bool same = true;
        for (size_t i = 0; i < json_array_size(r->runs); i++) {
            const char *value =
                json_string_value(json_object_get(json_object_get(json_array_get(r->runs, i), "recipe"), key->key));
            if (!value) continue;
            same = same && (!first || strcmp(first, value) == 0);
            first = value;
        }
        if (!same && json_array_append_new(*out, json_string(key->key)) != 0) return oc_json_no_memory(err);
    }
    return OC_OK;
}

/* ---- details ---- */

/* A run's place among all by best top-1; of equals the earlier one is before. */
static size_t rank_of(const report *r, size_t index) {
    const size_t count = json_array_size(r->runs);
    size_t before = 0;
    double top1[2];
    for (size_t i = 0; i < count; i++) {
        const size_t places[] = {index, i};
        for (int k = 0; k < 2; k++) {
            const json_t *best = json_object_get(json_array_get(r->runs, places[k]), "best");
            const json_t *value = json_object_get(best, "top1");
            top1[k] = json_is_number(value) ? json_number_value(value) : -1;
        }
        before += top1[1] > top1[0] || (top1[1] == top1[0] && i < index);
    }
    return before;
}

/* Takes the images out of a list of examples that are beyond what may be inlined. */
static void examples_limit(json_t *examples, size_t *bytes) {
    size_t i;
    json_t *example;
    json_array_foreach(examples, i, example) {
        const size_t size = json_string_length(json_object_get(example, "image"));
        if (*bytes + size > IMAGES_MOST)
            json_object_set_new(example, "image", json_null());
        else
            *bytes += size;
    }
}

static void images_limit(json_t *evaluation, size_t *bytes) {
    size_t i;
    json_t *pair;
    examples_limit(json_object_get(evaluation, "wrong"), bytes);
    json_array_foreach(json_object_get(evaluation, "pairs"), i, pair)
        examples_limit(json_object_get(pair, "examples"), bytes);
}

/* Makes of a list of numbers one of the means of `length` each; null where one of them is null. */
static json_t *list_thinned(const json_t *list, size_t length) {
    const size_t count = json_array_size(list);
    json_t *thinned = json_array();
    for (size_t i = 0; thinned && i < count; i += length) {
        double sum = 0;
        size_t in_it = 0;
        for (; in_it < length && i + in_it < count; in_it++) {
            const json_t *number = json_array_get(list, i + in_it);
            sum += json_is_number(number) ? json_number_value(number) : NAN;
        }
        json_array_append_new(thinned, oc_json_real(sum / (double)in_it));
    }
    return thinned;
}

/* Curves of many runs together are drawn, and inlined, with fewer points each. */
static oc_status steps_thin(report *r, oc_error *err) {
    oc_status status = OC_OK;
    const size_t count = json_array_size(r->runs), length = (count + MANY - 1) / MANY;
    for (size_t i = 0; i < count && length > 1; i++) {
        json_t *sampled = json_object_get(json_array_get(r->runs, i), "steps_sampled");
        json_t *step = json_object_get(sampled, "step"), *last = json_array();
        const size_t points = json_array_size(step);
        if (!json_is_object(sampled)) {
            json_decref(last);
            continue;
        }
        for (size_t k = 0; last && k < points; k += length) {
            const size_t end = k + length < points ? k + length : points;
            json_array_append(last, json_array_get(step, end - 1));
        }
        OC_TRY(oc_json_put(sampled, "step", last, err));
        OC_TRY(oc_json_put(sampled, "loss", list_thinned(json_object_get(sampled, "loss"), length), err));
        OC_TRY(oc_json_put(sampled, "lr", list_thinned(json_object_get(sampled, "lr"), length), err));
    }
cleanup:
    return status;
}

/* Evaluates the best runs, from the best on. */
static oc_status evaluate(report *r, oc_error *err) {
    oc_status status = OC_OK;
    oc_report_data data = {0};
    const size_t count = json_array_size(r->runs);
    size_t *place = NULL, bytes = 0; /* place[rank] */
    OC_TRY(oc_alloc(&place, count, sizeof *place, err));
    for (size_t i = 0; i < count; i++) place[rank_of(r, i)] = i;
    for (size_t rank = 0; rank < count; rank++) {
        json_t *run = json_array_get(r->runs, place[rank]);
        if (rank >= EVALUATED_MOST) {
            OC_TRY(oc_json_put(run, "recipe_yaml", json_null(), err)); /* its settings stay in "recipe" */
            OC_TRY(oc_json_put(run, "evaluation", json_null(), err));
            OC_TRY(oc_json_put(run, "evaluation_missing",
                               json_string("of this many runs only the eight best are shown in detail: make a report "
                                           "of this one alone"),
                               err));
            continue;
        }
        OC_TRY(oc_report_evaluate(run, &data, r->options, err));
        images_limit(json_object_get(run, "evaluation"), &bytes);
    }
cleanup:
    oc_report_data_close(&data);
    oc_free(place);
    return status;
}

/* ---- the whole ---- */

static oc_status title_make(char **out, const char *const *paths, size_t count, const report *r, oc_error *err) {
    oc_text text = {0};
    if (count == 1) return end_of_path(out, paths[0], err);
    const oc_status status = oc_text_printf(&text, err, "%zu runs", json_array_size(r->runs));
    *out = text.data;
    return status;
}

oc_status oc_report_json(char **json, const char *const *paths, size_t count, const oc_report_options *options,
                         oc_error *err) {
    oc_status status = OC_OK;
    const oc_report_options defaults = {0};
    report r = {.options = options ? options : &defaults, .runs = json_array(), .left_out = json_array()};
    json_t *root = NULL, *differences = NULL;
    char *title = NULL;
    *json = NULL;
    if (count == 0) {
        status = oc_fail(err, OC_E_USAGE, NULL, "a report needs the folder of a run");
        goto cleanup;
    }
    for (size_t i = 0; i < count; i++) OC_TRY(path_add(&r, paths[i], count == 1, err));
    OC_TRY(repeated_drop(&r, err));
    OC_TRY(names_part(&r, err));
    OC_TRY(differences_find(&differences, &r, err));
    OC_TRY(steps_thin(&r, err));
    OC_TRY(evaluate(&r, err));
    OC_TRY(title_make(&title, paths, count, &r, err));
    root = json_pack("{s:{s:s, s:o}, s:o, s:O, s:O, s:O}", "ocelli", "version", oc_version(), "commit",
                     oc_commit()[0] ? json_string(oc_commit()) : json_null(), "title", oc_json_bytes(title), "runs",
                     r.runs, "differences", differences, "left_out", r.left_out);
    OC_TRY(oc_json_figures(json, root, err));
cleanup:
    json_decref(root);
    json_decref(differences);
    json_decref(r.runs);
    json_decref(r.left_out);
    oc_free(title);
    return status;
}

void oc_report_free(char *json) {
    oc_free(json);
}

oc_status oc_report_write(const char *path, const char *const *paths, size_t count, const oc_report_options *options,
                          oc_error *err) {
    oc_status status = OC_OK;
    char *json = NULL;
    oc_text page = {0};
    OC_TRY(oc_file_check_writable(path, err));
    OC_TRY(oc_report_json(&json, paths, count, options, err));
    OC_TRY(oc_page_fill(&page, oc_page_report, oc_page_report_size, json, false, err));
    OC_TRY(oc_file_write_atomic(path, page.data, page.size, err));
cleanup:
    oc_report_free(json);
    oc_text_free(&page);
    return status;
}
