/* Reports for tests. */
#define _GNU_SOURCE 1
#include "support/reports.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <cmocka.h>

#include "ocelli/recipe.h"
#include "support/bytes.h"

#define PATH_SIZE 600

/* ---- the JSON of a report ---- */

json_t *test_report(const char *const *paths, size_t count, const oc_report_options *options) {
    char *text = NULL;
    oc_error error = {0};
    json_error_t why;
    test_require(oc_report_json(&text, paths, count, options, &error), OC_OK, &error);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (!json) fail_msg("line %d, column %d: %s", why.line, why.column, why.text);
    oc_report_free(text);
    return json;
}

json_t *test_report_of(const test_world *world, const char *folder) {
    const oc_report_options options = {.threads = 2, .cache = world->cache};
    return test_report(&folder, 1, &options);
}

json_t *test_report_stored(const char *folder) {
    return test_report(&folder, 1, &(oc_report_options){.stored = true});
}

json_t *test_report_run(const json_t *report, size_t index) {
    json_t *run = json_array_get(json_object_get(report, "runs"), index);
    if (!run) fail_msg("there is no run %zu", index);
    return run;
}

json_t *test_report_named(const json_t *report, const char *name) {
    size_t i;
    json_t *run;
    json_array_foreach(json_object_get(report, "runs"), i,
                       run) if (strcmp(test_text(run, "name"), name) == 0) return run;
    fail_msg("there is no run called %s", name);
    return NULL;
}

json_t *test_at(const json_t *json, const char *path) {
    char part[128];
    const json_t *at = json;
    for (const char *from = path; *from;) {
        const size_t length = strcspn(from, "/");
        snprintf(part, sizeof part, "%.*s", (int)length, from);
        char *end;
        const long place = strtol(part, &end, 10);
        at = json_is_array(at) && end > part && !*end ? json_array_get(at, (size_t)place) : json_object_get(at, part);
        if (!at) fail_msg("%s: no %s", path, part);
        from += length + (from[length] == '/');
    }
    return (json_t *)(uintptr_t)at;
}

double test_real(const json_t *json, const char *path) {
    const json_t *value = test_at(json, path);
    if (!json_is_number(value) && !json_is_null(value)) fail_msg("%s is no number", path);
    return json_is_null(value) ? NAN : json_number_value(value);
}

int64_t test_integer(const json_t *json, const char *path) {
    const json_t *value = test_at(json, path);
    if (!json_is_integer(value)) fail_msg("%s is no whole number", path);
    return json_integer_value(value);
}

const char *test_text(const json_t *json, const char *path) {
    const char *text = json_string_value(test_at(json, path));
    if (!text) fail_msg("%s is no text", path);
    return text;
}

bool test_null(const json_t *json, const char *path) {
    return json_is_null(test_at(json, path));
}

void test_same_json(const json_t *is, const json_t *want, const char *where) {
    char inner[256];
    const char *key;
    size_t i;
    json_t *value;
    if (json_is_number(is) && json_is_number(want)) {
        const double a = json_number_value(is), b = json_number_value(want);
        if (!(fabs(a - b) <= 1e-8 * fabs(b))) fail_msg("%s is %.12g, not %.12g", where, a, b);
        return;
    }
    if (!is || !want || json_typeof(is) != json_typeof(want)) fail_msg("%s: of another kind, or not there", where);
    if (json_is_array(want)) {
        if (json_array_size(is) != json_array_size(want))
            fail_msg("%s: %zu items, not %zu", where, json_array_size(is), json_array_size(want));
        json_array_foreach((json_t *)(uintptr_t)want, i, value) {
            snprintf(inner, sizeof inner, "%s/%zu", where, i);
            test_same_json(json_array_get(is, i), value, inner);
        }
    } else if (json_is_object(want)) {
        if (json_object_size(is) != json_object_size(want)) fail_msg("%s: not the same keys", where);
        json_object_foreach((json_t *)(uintptr_t)want, key, value) {
            snprintf(inner, sizeof inner, "%s/%s", where, key);
            test_same_json(json_object_get(is, key), value, inner);
        }
    } else if (!json_equal(is, want)) {
        fail_msg("%s is another", where);
    }
}

void test_same_commit(const json_t *is) {
    if (oc_commit()[0])
        assert_string_equal(json_string_value(is), oc_commit());
    else
        assert_true(json_is_null(is));
}

json_t *test_json_read(const char *path) {
    json_error_t why;
    json_t *json = json_load_file(path, 0, &why);
    if (!json) fail_msg("%s: %s", path, why.text);
    return json;
}

void test_json_write(const char *path, const json_t *json) {
    if (json_dump_file(json, path, JSON_COMPACT | JSON_ENCODE_ANY) != 0) fail_msg("%s: not written", path);
}

/* ---- tables ---- */

test_table test_table_read(const char *path) {
    test_table table = {0};
    size_t size;
    char *text = (char *)test_bytes_read(path, &size), *rest = text, *line = strsep(&rest, "\n");
    for (char *field; (field = strsep(&line, ",")); table.columns++) {
        assert_true(table.columns < 24);
        snprintf(table.name[table.columns], sizeof *table.name, "%s", field);
    }
    table.value = malloc(size * sizeof *table.value + 1);
    while ((line = strsep(&rest, "\n")) && *line) {
        int column = 0;
        for (char *field; (field = strsep(&line, ",")); column++) {
            char *end;
            table.value[table.rows * table.columns + column] = *field ? strtod(field, &end) : NAN;
            if (*field && *end) fail_msg("%s: \"%s\" is no number", path, field);
        }
        assert_int_equal(column, table.columns);
        table.rows++;
    }
    free(text);
    return table;
}

void test_interval(double right, double all, double *low, double *high) {
    const double z = 1.959963984540054, p = right / all;
    const double middle = p + z * z / (2 * all), half = z * sqrt(p * (1 - p) / all + z * z / (4 * all * all));
    *low = (middle - half) / (1 + z * z / all);
    *high = (middle + half) / (1 + z * z / all);
}

/* ---- folders of records that nobody trained ---- */

/* A step of a generator of Lehmer's. */
static unsigned next_number(unsigned *seed) {
    *seed = (unsigned)((uint64_t)(*seed + 1) * 48271 % 2147483647);
    return *seed;
}

static void put(const char *folder, const char *name, const char *text) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    test_bytes_write(path, text, strlen(text));
}

static void tables_write(const char *folder, const test_made *m) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/metrics.csv", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("epoch,step,train_loss,train_top1,train_top5,val_loss,val_top1,val_top5,lr,images_per_second,seconds,"
          "elapsed_seconds,share_data,share_forward,share_backward,share_optimizer,share_validation\n",
          file);
    const double all = (double)m->classes * m->images;
    for (int e = 0; e <= m->epochs; e++) {
        const double part = m->epochs > 1 ? (double)e / (m->epochs - 1) : 1, rise = part > 1 ? 2 - part : part;
        const double top1 = floor(m->top1 * rise * all + 0.5) / all;
        fprintf(file, e ? "%d,%d,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,0.0123456789,0.312345678," : "%d,%d",
                e, e * m->steps, 5.29831737 - 3 * part, 0.6123456 * part, 0.812345678 * part, 5.29831737 - 2.8 * part,
                top1, 1.3 * top1, 0.001 * (1 - part / 2), 91.2345678 + e, 1100.12345 + e, 1234.56789 * e);
        if (e)
            fputs("0.512345678,0.0412345678,0.121728396\n", file);
        else
            fprintf(file, ",,,,5.29831737,%.9g,%.9g,,,30.25,30.25,0,0,0,0,1\n", top1, 1.3 * top1);
    }
    fclose(file);
    snprintf(path, sizeof path, "%s/steps.csv", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("step,loss,lr\n", file);
    for (int s = 1; s <= m->epochs * m->steps; s++)
        fprintf(file, "%d,%.9g,%.9g\n", s, 2 + 3.29831737 / (1 + s / 1000.0), 0.001 - 1e-9 * s);
    fclose(file);
}

static void about_write(const char *folder, const test_made *m) {
    char path[PATH_SIZE];
    json_t *machine =
        json_pack("{s:s, s:s, s:i, s:I, s:s}", "processor", "Some processor of 2.20 GHz", "instructions", "avx512_bf16",
                  "threads", 2, "memory", (json_int_t)8 << 30, "system", "Linux 6.1.0, glibc 2.36");
    json_t *versions = json_pack("{s:s, s:s, s:s, s:s}", "ocelli", "0.1.0", "commit", "b5c4f7e564", "onednn", "2.6.3",
                                 "compiler", "gcc 12.2.0");
    json_t *start = json_pack("{s:i, s:s, s:s, s:o, s:o}", "step", 0, "time", "2026-01-31T12:00:00Z", "command",
                              "ocelli study study.yaml --data tiny-imagenet-200 --out study", "machine", machine,
                              "versions", versions);
    json_t *data = json_pack("{s:s, s:s, s:f, s:s, s:i, s:i, s:i, s:i}", "path", "/nowhere/tiny-imagenet-200",
                             "fingerprint", "0123456789abcdef", "holdout", 0.0, "validates_on", "val", "classes",
                             m->classes, "train", m->steps * 64, "val", m->classes * m->images, "left_out", 0);
    json_t *about = json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:o, s:i, s:[o]}", "model", "seresnet18", "parameters",
                              11361544, "macs", 456789012, "size", 64, "epochs", m->epochs, "steps",
                              m->epochs * m->steps, "data", data, "peak_memory", 612000000, "starts", start);
    assert_non_null(about);
    snprintf(path, sizeof path, "%s/run.json", folder);
    test_json_write(path, about);
    json_decref(about);
}

static json_t *examples_make(const test_made *m, int count, int label, int guess, double probability) {
    json_t *list = json_array();
    char *image = m->example ? malloc(m->example + 1) : NULL;
    if (image) {
        memset(image, 'A', m->example);
        memcpy(image, "data:image/jpeg;base64,", 23);
        image[m->example] = '\0';
    }
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:f, s:f, s:i, s:i, s:o}", "name", "val_1234.JPEG",
                                              "true", label, "guess", guess, "probability", probability,
                                              "probability_true", 0.0123456789, "width", 64, "height", 64, "image",
                                              image ? json_string(image) : json_null()));
    free(image);
    return list;
}

/* As of a model that gets half of the images right and guesses, for the others, one of some thirty classes. */
static json_t *evaluation_make(const test_made *m) {
    unsigned seed = m->seed;
    json_t *classes = json_array(), *names = json_array(), *order = json_array(), *right = json_array(),
           *count = json_array(), *confusion = json_array(), *bins = json_array(), *pairs = json_array();
    int *row = calloc((size_t)m->classes, sizeof *row);
    int64_t all_right = 0;
    char text[80];
    for (int c = 0; c < m->classes; c++) {
        snprintf(text, sizeof text, "n%08d", 1443537 + c);
        json_array_append_new(classes, json_string(text));
        snprintf(text, sizeof text, "thing number %d, Res communis numerata %d", c, c);
        json_array_append_new(names, json_string(text));
        json_array_append_new(order, json_integer((c * 7 + 3) % m->classes));
        memset(row, 0, (size_t)m->classes * sizeof *row);
        for (int i = 0; i < m->images; i++) {
            const bool hit = next_number(&seed) % 1000 < 500;
            row[hit ? (unsigned)c : (unsigned)(c + 1 + next_number(&seed) % 30) % (unsigned)m->classes]++;
        }
        all_right += row[c];
        json_array_append_new(right, json_integer(row[c]));
        json_array_append_new(count, json_integer(m->images));
        for (int g = 0; g < m->classes; g++)
            if (row[g]) json_array_append_new(confusion, json_pack("[i, i, i]", c, g, row[g]));
    }
    for (int b = 0; b < 15; b++)
        json_array_append_new(bins, json_pack("{s:f, s:f, s:i, s:f, s:f}", "low", b / 15.0, "high", (b + 1) / 15.0,
                                              "images", 100 + b, "confidence", (b + 0.512345678) / 15, "accuracy",
                                              (b + 0.412345678) / 15));
    for (int p = 0; p < 10 && m->classes > 2; p++) {
        json_t *examples = examples_make(m, 4, p % m->classes, (p + 1) % m->classes, 0.912345678);
        json_array_append_new(pairs, json_pack("{s:i, s:i, s:i, s:i, s:i, s:o}", "a", p % m->classes, "b",
                                               (p + 1) % m->classes, "images", 21 - p, "a_as_b", 15 - p, "b_as_a", 6,
                                               "examples", examples));
    }
    free(row);
    const double all = (double)m->classes * m->images;
    double low, high;
    test_interval((double)all_right, all, &low, &high);
    json_t *evaluation =
        json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "images",
                  (json_int_t)all, "top1", (double)all_right / all, "top1_low", low, "top1_high", high, "top5",
                  0.761234567, "loss", 2.12345678, "calibration_error", 0.0312345678, "classes", classes, "class_names",
                  names, "order", order, "right", right, "count", count, "confusion", confusion, "reliability", bins,
                  "pairs", pairs, "wrong", examples_make(m, 24, 0, 1, 0.981234567));
    assert_non_null(evaluation);
    return evaluation;
}

void test_made_evaluation(const char *folder, const json_t *evaluation, const char *data) {
    char path[PATH_SIZE], key[20];
    size_t size;
    snprintf(path, sizeof path, "%s/best.safetensors", folder);
    unsigned char *weights = test_bytes_read(path, &size);
    snprintf(key, sizeof key, "%016llx", (unsigned long long)XXH3_64bits(weights, size));
    free(weights);
    json_t *kept = json_pack("{s:i, s:s, s:s, s:O}", "form", 1, "weights", key, "data", data, "evaluation", evaluation);
    assert_non_null(kept);
    snprintf(path, sizeof path, "%s/evaluation.json", folder);
    test_json_write(path, kept);
    json_decref(kept);
}

static void ensemble_write(const char *folder, const test_made *m) {
    char path[PATH_SIZE];
    json_t *members = json_array(), *correlation = json_array();
    for (int a = 0; a < 6; a++) {
        json_t *row = json_array();
        for (int b = 0; b < 6; b++) json_array_append_new(row, json_real(a == b ? 1 : 0.412345678901234567));
        json_array_append_new(correlation, row);
        json_array_append_new(members, json_pack("{s:s, s:s, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:n, s:b, s:n}",
                                                 "weights", "runs/seresnet18/best.safetensors", "model", "seresnet18",
                                                 "parameters", 11361544, "macs", 456789012, "top1", 0.5123456789,
                                                 "top1_low", 0.50, "top1_high", 0.52, "loss", 2.12345678901, "gain",
                                                 0.0112345678901, "weight", "kept", 1, "seen"));
    }
    const double all = (double)m->classes * m->images;
    double low, high;
    test_interval(m->top1 * all, all, &low, &high);
    json_t *whole = json_pack("{s:i, s:i, s:n, s:i, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:f}", "images", (int)all,
                              "skipped", 0, "trained_on", "parameters", 98803504, "macs", (json_int_t)3000000000,
                              "top1", m->top1, "top1_low", low, "top1_high", high, "top5", 0.8, "loss", 1.7,
                              "calibration_error", 0.02, "best_member", 5, "p", 1e-12);
    json_t *root =
        json_pack("{s:s, s:s, s:i, s:f, s:s, s:i, s:i, s:f, s:i, s:o, s:o, s:o}", "method", "stack", "fit_on",
                  "holdout:0.1", "fit_images", 10000, "smoothing", 0.01, "init", "mean", "epochs", 20, "batch_size", 64,
                  "lr", 0.001, "seed", 3, "ensemble", whole, "members", members, "correlation", correlation);
    assert_non_null(root);
    snprintf(path, sizeof path, "%s/ensemble.json", folder);
    test_json_write(path, root);
    json_decref(root);
}

void test_made_write(const char *folder, const test_made *m) {
    char path[PATH_SIZE], text[200];
    oc_error error = {0};
    assert_true(mkdir(folder, 0777) == 0);
    if (m->ensemble) {
        ensemble_write(folder, m);
    } else {
        snprintf(text, sizeof text, "model.name=seresnet18 data.size=64 train.epochs=%d train.seed=%u", m->epochs,
                 m->seed);
        oc_recipe *recipe = test_recipe_create(text);
        snprintf(path, sizeof path, "%s/recipe.yaml", folder);
        test_require(oc_recipe_save(recipe, path, &error), OC_OK, &error);
        oc_recipe_destroy(&recipe);
        tables_write(folder, m);
        put(folder, "log.txt", "ocelli 0.1.0: begun\nwarning: 3 files are no images\n");
    }
    about_write(folder, m);
    snprintf(text, sizeof text, "weights %u", m->seed);
    put(folder, "best.safetensors", text);
    if (m->unevaluated) return;
    json_t *evaluation = evaluation_make(m);
    test_made_evaluation(folder, evaluation, "/nowhere/tiny-imagenet-200");
    json_decref(evaluation);
}
