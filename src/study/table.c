/* The figures of a run, and the table of all, as CSV and as JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "eval/statistics.h"
#include "study/study.h"

static const char *const state_names[] = {"waiting", "running", "done", "failed"};

/* ---- Figures ----------------------------------------------------------------------------------------------------- */

oc_status oc_study_row_fill(oc_study_task *run, const char *out, int64_t validation, int64_t *epochs, oc_error *err) {
    oc_status status = OC_OK;
    oc_metrics *rows = NULL;
    size_t count = 0;
    char *folder = NULL, *path = NULL;
    OC_TRY(oc_path_join(&folder, out, run->name, err));
    OC_TRY(oc_path_join(&path, folder, "metrics.csv", err));
    *epochs = -1;
    if (oc_path_exists(path)) OC_TRY(oc_metrics_read(&rows, &count, path, err));
    const oc_metrics_figures f = oc_metrics_figures_of(rows, count);
    oc_study_row *row = &run->row;
    *epochs = f.epochs;
    row->top1 = f.top1;
    row->top1_low = row->top1_high = NAN;
    if (f.top1 >= 0) oc_wilson(llround(f.top1 * (double)validation), validation, &row->top1_low, &row->top1_high);
    row->best_epoch = f.best_epoch;
    row->roughness = f.roughness;
    row->seconds = f.seconds;
    row->images_per_second = f.images_per_second;
cleanup:
    oc_free(rows);
    oc_free(folder);
    oc_free(path);
    return status;
}

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

/* A field in quotes (RFC 4180). */
static oc_status add_quoted(oc_text *text, const char *value, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_text_append(text, "\"", 1, err));
    for (const char *c = value; *c; c++) {
        if (*c == '"') OC_TRY(oc_text_append(text, "\"", 1, err));
        OC_TRY(oc_text_append(text, c, 1, err));
    }
    OC_TRY(oc_text_append(text, "\"", 1, err));
cleanup:
    return status;
}

static oc_status add_count(oc_text *text, int64_t count, oc_error *err) {
    return count < 0 ? oc_text_append(text, ",", 1, err) : oc_text_printf(text, err, "%" PRId64 ",", count);
}

static oc_status add_real(oc_text *text, double value, oc_error *err) {
    char number[32] = "";
    if (isfinite(value)) oc_number_write(value, number);
    return oc_text_printf(text, err, "%s,", number);
}

static oc_status csv_text(const oc_study *study, oc_text *text, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_text_printf(text, err,
                          "name,run,seed,model,parameters,top1,top1_low,top1_high,best_epoch,roughness,seconds,"
                          "images_per_second,state,reason\n"));
    for (size_t i = 0; i < oc_study_count(study); i++) {
        const oc_study_row row = oc_study_row_at(study, i);
        OC_TRY(oc_text_printf(text, err, "%s,%s,", row.name, row.run));
        OC_TRY(add_count(text, row.seed, err));
        OC_TRY(oc_text_printf(text, err, "%s,", row.model));
        OC_TRY(add_count(text, row.parameters, err));
        OC_TRY(add_real(text, row.top1, err));
        OC_TRY(add_real(text, row.top1_low, err));
        OC_TRY(add_real(text, row.top1_high, err));
        OC_TRY(add_count(text, row.best_epoch, err));
        OC_TRY(add_real(text, row.roughness, err));
        OC_TRY(add_real(text, row.seconds, err));
        OC_TRY(add_real(text, row.images_per_second, err));
        OC_TRY(oc_text_printf(text, err, "%s,", state_names[row.state]));
        if (row.reason) OC_TRY(add_quoted(text, row.reason, err));
        OC_TRY(oc_text_append(text, "\n", 1, err));
    }
cleanup:
    return status;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *count_or_null(int64_t count) {
    return count >= 0 ? json_integer(count) : json_null();
}

static json_t *text_or_null(const char *text) {
    return text ? json_string(text) : json_null();
}

/* What row `index` is about, which study.json is believed by: the data, or of an ensemble what it was made of. */
static const char *row_key(const oc_study *study, size_t index) {
    return index < study->runs ? study->run[index].data : study->ensemble.key;
}

static json_t *row_json(const oc_study *study, size_t index) {
    const oc_study_row row = oc_study_row_at(study, index);
    return json_pack(
        "{s:s, s:s, s:o, s:s, s:b, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "name", row.name,
        "run", row.run, "seed", count_or_null(row.seed), "model", row.model, "ensemble", (int)row.ensemble, "changes",
        row.changes, "start", text_or_null(row.start), "state", state_names[row.state], "reason",
        text_or_null(row.reason), "parameters", count_or_null(row.parameters), "top1", oc_json_real(row.top1),
        "top1_low", oc_json_real(row.top1_low), "top1_high", oc_json_real(row.top1_high), "best_epoch",
        count_or_null(row.best_epoch), "roughness", oc_json_real(row.roughness), "seconds", oc_json_real(row.seconds),
        "images_per_second", oc_json_real(row.images_per_second), "data", row_key(study, index));
}

/* Mean and range of best top-1 over the seeds of an entry; NULL: out of memory. */
static json_t *summary_json(const oc_study *study, const oc_study_entry *entry) {
    double sum = 0, low = INFINITY, high = -INFINITY;
    int64_t count = 0;
    for (size_t i = 0; i < study->runs; i++) {
        const oc_study_task *run = &study->run[i];
        if (run->entry != entry || !isfinite(run->row.top1)) continue;
        sum += run->row.top1;
        low = fmin(low, run->row.top1);
        high = fmax(high, run->row.top1);
        count++;
    }
    return json_pack("{s:s, s:I, s:o, s:o, s:o}", "run", entry->name.text, "seeds", (json_int_t)count, "top1_mean",
                     oc_json_real(count > 0 ? sum / (double)count : NAN), "top1_min", oc_json_real(low), "top1_max",
                     oc_json_real(high));
}

/* Takes over the members; false: out of memory. */
static bool append(json_t *list, json_t *item) {
    return item && json_array_append_new(list, item) == 0;
}

const char *oc_study_json(oc_study *study) {
    json_t *rows = json_array(), *summary = json_array(), *whole = NULL;
    bool good = rows && summary;
    for (size_t i = 0; good && i < oc_study_count(study); i++) good = append(rows, row_json(study, i));
    for (size_t i = 0; good && i < study->file.entries; i++)
        if (study->file.entry[i].seeds > 0) good = append(summary, summary_json(study, &study->file.entry[i]));
    if (good) whole = json_pack("{s:O, s:O}", "rows", rows, "summary", summary);
    char *text = NULL;
    if (whole && oc_json_text(&text, whole, NULL) == OC_OK) {
        oc_free(study->json);
        study->json = text;
    }
    json_decref(whole);
    json_decref(rows);
    json_decref(summary);
    return text;
}

/* ---- Files ------------------------------------------------------------------------------------------------------- */

oc_status oc_study_table_write(oc_study *study, const char *out, oc_error *err) {
    oc_status status = OC_OK;
    char *csv = NULL, *json = NULL;
    oc_text text = {0};
    OC_TRY(oc_path_join(&csv, out, OC_STUDY_CSV, err));
    OC_TRY(oc_path_join(&json, out, OC_STUDY_JSON, err));
    OC_TRY(csv_text(study, &text, err));
    OC_TRY(oc_file_write_atomic(csv, text.data, text.size, err));
    const char *table = oc_study_json(study);
    if (!table) {
        status = oc_fail(err, OC_E_MEMORY, json, "out of memory for JSON");
        goto cleanup;
    }
    OC_TRY(oc_file_write_atomic(json, table, strlen(table), err));
cleanup:
    oc_text_free(&text);
    oc_free(csv);
    oc_free(json);
    return status;
}

static double real_of(const json_t *row, const char *key) {
    const json_t *value = json_object_get(row, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* Takes one row of an earlier table over, where it says that what this study has under the name is done. */
static void recall(oc_study *study, const json_t *row) {
    const char *name = json_string_value(json_object_get(row, "name"));
    const char *state = json_string_value(json_object_get(row, "state"));
    const char *key = json_string_value(json_object_get(row, "data"));
    if (!name || !state || !key || !key[0] || strcmp(state, state_names[OC_STUDY_DONE]) != 0) return;
    for (size_t i = 0; i < study->runs; i++)
        if (strcmp(study->run[i].name, name) == 0) study->run[i].confirmed = strcmp(study->run[i].data, key) == 0;
    oc_study_ensemble *ensemble = &study->ensemble;
    if (!study->joined || strcmp(ensemble->row.name, name) != 0) return;
    snprintf(ensemble->earlier, sizeof ensemble->earlier, "%s", key);
    ensemble->figures = ensemble->row;
    ensemble->figures.parameters = (int64_t)json_integer_value(json_object_get(row, "parameters"));
    ensemble->figures.top1 = real_of(row, "top1");
    ensemble->figures.top1_low = real_of(row, "top1_low");
    ensemble->figures.top1_high = real_of(row, "top1_high");
    ensemble->figures.seconds = real_of(row, "seconds");
    ensemble->figures.images_per_second = real_of(row, "images_per_second");
}

oc_status oc_study_table_recall(oc_study *study, const char *out, oc_error *err) {
    oc_status status = OC_OK;
    char *path = NULL;
    json_t *table = NULL;
    OC_TRY(oc_path_join(&path, out, OC_STUDY_JSON, err));
    if (oc_path_exists(path) && oc_json_read(&table, path, NULL) == OC_OK) {
        const json_t *rows = json_object_get(table, "rows");
        for (size_t i = 0; i < json_array_size(rows); i++) recall(study, json_array_get(rows, i));
    }
cleanup:
    json_decref(table);
    oc_free(path);
    return status;
}
