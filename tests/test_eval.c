/* Evaluation, the classifier and predictions, over a small generated data set. What the library sums up is recomputed
 * here from the logits it saves. */
#define _GNU_SOURCE 1
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/memory.h"
#include "data/pack.h"
#include "eval/evaluator.h"
#include "models/model.h"
#include "ocelli/data.h"
#include "ocelli/eval.h"
#include "ocelli/models.h"
#include "support/bytes.h"
#include "support/temporary.h"
#include "tensor/safetensors.h"

#define CLASSES 3
#define SIZE 32
#define SEED 7

typedef struct fixture {
    char folder[256], data[300], cache[300];
    oc_dataset *dataset;
    oc_model *model, *reversed; /* the same weights for the classes in order, and in reversed order */
} fixture;

static fixture shared;

static int set_up_all(void **state) {
    fixture *f = &shared;
    oc_error err = {0};
    print_message("seed %d\n", SEED);
    test_temporary_create(f->folder, sizeof f->folder);
    snprintf(f->data, sizeof f->data, "%.255s/data", f->folder);
    snprintf(f->cache, sizeof f->cache, "%.255s/cache", f->folder);
    assert_int_equal(oc_data_demo(f->data, &(oc_demo_options){.classes = CLASSES, .per_class = 4, .seed = SEED}, &err),
                     OC_OK);
    assert_int_equal(oc_dataset_open(&f->dataset, f->data, NULL, &err), OC_OK);
    assert_int_equal(oc_dataset_class_count(f->dataset), CLASSES);
    const char *names[CLASSES], *backward[CLASSES];
    for (size_t i = 0; i < CLASSES; i++) backward[CLASSES - 1 - i] = names[i] = oc_dataset_class(f->dataset, i);
    assert_null(oc_dataset_class(f->dataset, CLASSES));
    assert_int_equal(oc_model_create(&f->model, "myresnet-tiny", names, CLASSES, SIZE, NULL, &err), OC_OK);
    assert_int_equal(oc_model_create(&f->reversed, "myresnet-tiny", backward, CLASSES, SIZE, NULL, &err), OC_OK);
    oc_model_init(f->model, SEED);
    oc_model_init(f->reversed, SEED);
    *state = f;
    return 0;
}

static int tear_down_all(void **state) {
    fixture *f = *state;
    oc_model_destroy(&f->model);
    oc_model_destroy(&f->reversed);
    oc_dataset_destroy(&f->dataset);
    test_temporary_remove(f->folder);
    return 0;
}

static const char *path_in(const fixture *f, const char *name) {
    static char path[2][600];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", f->folder, name);
    return path[turn];
}

static oc_eval_options options_of(const fixture *f, const char *split) {
    return (oc_eval_options){.split = split, .cache = f->cache, .batch_size = 4, .smoothing = 0.01};
}

/* ---- oc_evaluate ---- */

typedef struct saved {
    int64_t rows;
    float *logits;
    int32_t *labels;
    char *names, *classes;
} saved;

static saved read_saved(const char *path) {
    oc_safetensors *file = NULL;
    oc_error err = {0};
    saved s = {0};
    assert_int_equal(oc_safetensors_open(&file, path, &err), OC_OK);
    assert_int_equal(oc_safetensors_count(file), 3);
    const oc_safetensors_view *logits = oc_safetensors_find(file, "logits"),
                              *labels = oc_safetensors_find(file, "labels"),
                              *content = oc_safetensors_find(file, "content");
    assert_non_null(content);
    assert_int_equal(content->dtype, OC_I64);
    assert_non_null(logits);
    assert_non_null(labels);
    assert_int_equal(logits->dtype, OC_F32);
    assert_int_equal(labels->dtype, OC_I32);
    assert_int_equal(logits->shape.ndim, 2);
    assert_int_equal(logits->shape.dim[1], CLASSES);
    s.rows = logits->shape.dim[0];
    assert_int_equal(labels->shape.dim[0], s.rows);
    s.logits = malloc(logits->size);
    s.labels = malloc(labels->size);
    memcpy(s.logits, logits->data, logits->size);
    memcpy(s.labels, labels->data, labels->size);
    s.names = strdup(oc_safetensors_metadata(file, "names"));
    s.classes = strdup(oc_safetensors_metadata(file, "classes"));
    oc_safetensors_destroy(&file);
    return s;
}

static void free_saved(saved *s) {
    free(s->logits);
    free(s->labels);
    free(s->names);
    free(s->classes);
}

/* Loss and top-1 of saved logits, in plain double precision. */
static void recompute(const saved *s, double smoothing, double *loss, double *top1) {
    *loss = *top1 = 0;
    for (int64_t i = 0; i < s->rows; i++) {
        const float *row = s->logits + i * CLASSES;
        double sum = 0, mean = 0;
        int best = 0;
        for (int c = 0; c < CLASSES; c++) {
            sum += exp((double)row[c]);
            mean += (double)row[c] / CLASSES;
            if (row[c] > row[best]) best = c;
        }
        double q = (1 - smoothing) * (double)row[s->labels[i]] + smoothing * mean;
        *loss += (log(sum) - q) / (double)s->rows;
        *top1 += (best == s->labels[i]) / (double)s->rows;
    }
}

static void test_evaluate(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    oc_evaluation whole, parts;
    oc_eval_options options = options_of(f, "val");
    options.save_logits = path_in(f, "logits.safetensors");
    assert_int_equal(oc_evaluate(&parts, f->model, f->dataset, &options, &err), OC_OK);
    saved s = read_saved(options.save_logits);
    double loss, top1;
    recompute(&s, options.smoothing, &loss, &top1);
    /* 4 does not divide the images: the partial last batch counts, and only once. */
    assert_true(s.rows % options.batch_size != 0);
    assert_int_equal(parts.images, s.rows);
    assert_int_equal(parts.skipped, 0);
    assert_float_equal(parts.loss, loss, 1e-6);
    assert_float_equal(parts.top1, top1, 1e-12);
    assert_float_equal(parts.top5, 1, 1e-12); /* there are fewer than five classes */
    for (int64_t i = 1; i < s.rows; i++) assert_true(s.labels[i] >= s.labels[i - 1]);
    const oc_split *split = oc_dataset_split(f->dataset, "val");
    assert_int_equal(split->count, s.rows);
    assert_non_null(strstr(s.names, split->sample[0].name));
    options.batch_size = 64;
    options.save_logits = NULL;
    assert_int_equal(oc_evaluate(&whole, f->model, f->dataset, &options, &err), OC_OK);
    assert_float_equal(whole.loss, parts.loss, 1e-4);
    assert_int_equal(whole.images, parts.images);
    free_saved(&s);
}

/* A class is its name: a model that has the classes in another order is scored by names. */
static void test_classes_by_name(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    oc_evaluation evaluation;
    oc_eval_options options = options_of(f, "val");
    options.save_logits = path_in(f, "a.safetensors");
    assert_int_equal(oc_evaluate(&evaluation, f->model, f->dataset, &options, &err), OC_OK);
    saved a = read_saved(options.save_logits);
    options.save_logits = path_in(f, "b.safetensors");
    assert_int_equal(oc_evaluate(&evaluation, f->reversed, f->dataset, &options, &err), OC_OK);
    saved b = read_saved(options.save_logits);
    double loss, top1;
    recompute(&b, options.smoothing, &loss, &top1);
    assert_float_equal(evaluation.loss, loss, 1e-6);
    assert_float_equal(evaluation.top1, top1, 1e-12);
    assert_string_equal(a.names, b.names);
    assert_string_not_equal(a.classes, b.classes);
    assert_memory_equal(a.logits, b.logits, (size_t)a.rows * CLASSES * sizeof(float));
    for (int64_t i = 0; i < a.rows; i++) assert_int_equal(b.labels[i], CLASSES - 1 - a.labels[i]);
    free_saved(&a);
    free_saved(&b);
}

static void test_class_map(void **state) {
    (void)state;
    char *data_items[] = {"a", "b", "c"}, *model_items[] = {"c", "extra", "a", "b"}, *less[] = {"b"};
    char path[] = "some/weights";
    const oc_names data = {.item = data_items, .count = 3};
    const oc_model model = {.classes = {.item = model_items, .count = 4}};
    oc_model small = {.classes = {.item = less, .count = 1}};
    int32_t map[3];
    oc_error err = {0};
    assert_int_equal(oc_class_map(map, &data, &model, NULL, &err), OC_OK);
    assert_int_equal(map[0], 2);
    assert_int_equal(map[1], 3);
    assert_int_equal(map[2], 0);
    assert_int_equal(oc_class_map(map, &data, &small, NULL, &err), OC_E_MISMATCH);
    assert_non_null(strstr(err.message, "a, c"));
    assert_string_equal(err.where, "classes");
    small.path = path;
    assert_int_equal(oc_class_map(map, &data, &small, NULL, &err), OC_E_MISMATCH);
    assert_string_equal(err.where, path);
    /* Another way of Unicode is the same class; the same bytes come first. */
    char *accents[] = {"caf\xc3\xa9", "cafe\xcc\x81"}, *composed[] = {"b", "caf\xc3\xa9"};
    const oc_names one = {.item = accents + 1, .count = 1};
    small.classes = (oc_names){.item = composed, .count = 2};
    assert_int_equal(oc_class_map(map, &one, &small, NULL, &err), OC_OK);
    assert_int_equal(map[0], 1);
    small.classes.item = accents;
    assert_int_equal(oc_class_map(map, &one, &small, NULL, &err), OC_OK);
    assert_int_equal(map[0], 1);
}

/* In bfloat16 the loss is another in the third digit. */
static void test_evaluate_bf16(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    oc_evaluation exact, rounded;
    oc_eval_options options = options_of(f, "val");
    options.precision = "fp32";
    assert_int_equal(oc_evaluate(&exact, f->model, f->dataset, &options, &err), OC_OK);
    options.precision = "bf16";
    assert_int_equal(oc_evaluate(&rounded, f->model, f->dataset, &options, &err), OC_OK);
    assert_true(rounded.loss != exact.loss);
    assert_true(fabs(rounded.loss / exact.loss - 1) < 0.01);
}

static void test_evaluate_refuses(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    oc_evaluation evaluation;
    oc_eval_options options = options_of(f, "nowhere");
    assert_int_equal(oc_evaluate(&evaluation, f->model, f->dataset, &options, &err), OC_E_USAGE);
    assert_non_null(strstr(err.message, "\"nowhere\", only train, val, test"));
    options = options_of(f, "trian");
    assert_int_equal(oc_evaluate(&evaluation, f->model, f->dataset, &options, &err), OC_E_USAGE);
    assert_non_null(strstr(err.message, "did you mean train?"));
    /* One that this data set lacks is another matter. */
    options = options_of(f, "holdout");
    assert_int_equal(oc_evaluate(&evaluation, f->model, f->dataset, &options, &err), OC_E_NOT_FOUND);
    options = options_of(f, "val");
    options.precision = "fp23";
    assert_int_equal(oc_evaluate(&evaluation, f->model, f->dataset, &options, &err), OC_E_USAGE);
    assert_non_null(strstr(err.message, "did you mean fp32?"));
    options = options_of(f, "test");
    assert_int_equal(oc_evaluate(&evaluation, f->model, f->dataset, &options, &err), OC_E_USAGE);
    /* Logits of unlabelled images can be had all the same. */
    options.save_logits = path_in(f, "test.safetensors");
    assert_int_equal(oc_evaluate(&evaluation, f->model, f->dataset, &options, &err), OC_OK);
    assert_true(isnan(evaluation.loss) && isnan(evaluation.top1) && isnan(evaluation.top5));
    assert_true(isnan(evaluation.top1_low) && isnan(evaluation.top1_high) && isnan(evaluation.calibration_error));
    saved s = read_saved(options.save_logits);
    for (int64_t i = 0; i < s.rows; i++) assert_int_equal(s.labels[i], -1);
    free_saved(&s);
    oc_model *other = NULL;
    const char *const names[] = {"x", "y"};
    assert_int_equal(oc_model_create(&other, "myresnet-tiny", names, 2, SIZE, NULL, &err), OC_OK);
    options = options_of(f, "val");
    assert_int_equal(oc_evaluate(&evaluation, other, f->dataset, &options, &err), OC_E_MISMATCH);
    assert_non_null(strstr(err.message, oc_dataset_class(f->dataset, 0)));
    /* Opened from a file, it is told by that; of two, too. */
    const char *file = path_in(f, "other.safetensors");
    oc_paired pair;
    assert_int_equal(oc_model_save(other, file, &err), OC_OK);
    oc_model_destroy(&other);
    assert_int_equal(oc_model_open(&other, file, NULL, NULL, 0, 0, NULL, &err), OC_OK);
    assert_int_equal(oc_evaluate(&evaluation, other, f->dataset, &options, &err), OC_E_MISMATCH);
    assert_string_equal(err.where, file);
    assert_int_equal(oc_evaluate_paired(&pair, f->model, other, f->dataset, &options, &err), OC_E_MISMATCH);
    assert_string_equal(err.where, file);
    oc_model_destroy(&other);
}

/* A run that is told to stop says so; the sums cover what was seen. */
static bool stop_at_once(void *user, const char *what, int64_t done, int64_t total) {
    (void)user;
    return strcmp(what, "evaluate") != 0 || done > total;
}

static void test_evaluate_stops(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    oc_evaluation evaluation;
    oc_eval_options options = options_of(f, "val");
    options.progress = (oc_progress){.fn = stop_at_once};
    assert_int_equal(oc_evaluate(&evaluation, f->model, f->dataset, &options, &err), OC_E_STOPPED);
}

/* ---- the classifier ---- */

static void softmax(const float *logits, double *p) {
    double sum = 0;
    for (int c = 0; c < CLASSES; c++) sum += p[c] = exp((double)logits[c]);
    for (int c = 0; c < CLASSES; c++) p[c] /= sum;
}

/* Pixels, an encoded file and the evaluation of the packed image are the same thing. */
static void test_classifier_agrees(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    oc_evaluation evaluation;
    oc_eval_options options = options_of(f, "val");
    options.save_logits = path_in(f, "same.safetensors");
    assert_int_equal(oc_evaluate(&evaluation, f->model, f->dataset, &options, &err), OC_OK);
    saved s = read_saved(options.save_logits);
    oc_team *team = NULL;
    oc_pack *pack = NULL;
    oc_classifier *classifier = NULL;
    assert_int_equal(oc_team_create(&team, 2, &err), OC_OK);
    oc_pack_options pack_options = {.size = 64, .cache = f->cache, .team = team};
    assert_int_equal(oc_pack_open(&pack, f->dataset, "val", &pack_options, &err), OC_OK);
    assert_int_equal(
        oc_classifier_create(&classifier, f->model, &(oc_classifier_options){.batch = 2, .threads = 2}, &err), OC_OK);
    const oc_split *split = oc_dataset_split(f->dataset, "val");
    for (int64_t i = 0; i < s.rows; i += 5) {
        oc_prediction pixels[CLASSES], encoded[CLASSES];
        double expected[CLASSES];
        oc_image image = oc_pack_image(pack, i); /* 64×64, as in the file */
        uint8_t *bytes;
        size_t size;
        assert_int_equal(
            oc_classifier_pixels(classifier, image.pixels, image.width, image.height, pixels, CLASSES, &err), OC_OK);
        assert_int_equal(oc_dataset_read(f->dataset, &split->sample[i], &bytes, &size, &err), OC_OK);
        assert_int_equal(oc_classifier_encoded(classifier, bytes, size, "image", encoded, CLASSES, &err), OC_OK);
        oc_free(bytes);
        softmax(s.logits + i * CLASSES, expected);
        for (int k = 0; k < CLASSES; k++) {
            assert_int_equal(pixels[k].class_index, encoded[k].class_index);
            assert_true(pixels[k].probability == encoded[k].probability);
            assert_string_equal(pixels[k].code, oc_model_class(f->model, (size_t)pixels[k].class_index));
            assert_true(k == 0 || pixels[k].probability <= pixels[k - 1].probability);
            /* The pack for 32 pixels keeps 64×64 images at 40, and so does the classifier. */
            assert_float_equal(pixels[k].probability, expected[pixels[k].class_index], 1e-5);
        }
    }
    oc_classifier_destroy(&classifier);
    oc_pack_destroy(&pack);
    oc_team_destroy(&team);
    free_saved(&s);
}

/* In bf16 guesses are near those in fp32, and not the same. */
static void test_classifier_precision(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    oc_prediction guesses[3][CLASSES];
    static const char *const precisions[] = {"fp32", "bf16", "auto"};
    static const uint8_t pixels[2][2][3] = {{{255, 0, 0}, {0, 90, 0}}, {{0, 0, 200}, {30, 60, 90}}};
    float most = 0;
    oc_classifier *classifier = NULL;
    for (int i = 0; i < 3; i++) {
        const oc_classifier_options options = {.precision = precisions[i], .threads = 1};
        assert_int_equal(oc_classifier_create(&classifier, f->model, &options, &err), OC_OK);
        assert_int_equal(oc_classifier_pixels(classifier, &pixels[0][0][0], 2, 2, guesses[i], CLASSES, &err), OC_OK);
        oc_classifier_destroy(&classifier);
    }
    for (int k = 0; k < CLASSES; k++)
        for (int other = 0; other < CLASSES; other++) {
            if (guesses[1][other].class_index != guesses[0][k].class_index) continue;
            const float distance = guesses[1][other].probability - guesses[0][k].probability;
            most = distance > most ? distance : -distance > most ? -distance : most;
        }
    assert_true(most > 0 && most < 0.02f);
    assert_memory_equal(guesses[2], guesses[0], sizeof guesses[0]);
    assert_int_equal(oc_classifier_create(&classifier, f->model, &(oc_classifier_options){.precision = "fp8"}, &err),
                     OC_E_USAGE);
    assert_non_null(strstr(err.message, "\"fp8\": the precisions are auto, fp32, bf16"));
}

static void test_classifier_refuses(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    oc_classifier *classifier = NULL;
    oc_prediction predictions[CLASSES + 1];
    static const uint8_t pixel[3] = {255, 0, 0};
    assert_int_equal(
        oc_classifier_create(&classifier, f->model, &(oc_classifier_options){.batch = -1, .threads = 1}, &err),
        OC_E_USAGE);
    assert_int_equal(oc_classifier_create(&classifier, f->model, &(oc_classifier_options){.threads = 1}, &err), OC_OK);
    assert_int_equal(oc_classifier_pixels(classifier, pixel, 1, 1, predictions, CLASSES, &err), OC_OK);
    assert_int_equal(oc_classifier_pixels(classifier, pixel, 0, 1, predictions, CLASSES, &err), OC_E_USAGE);
    assert_int_equal(oc_classifier_pixels(classifier, pixel, 1, 1, predictions, CLASSES + 1, &err), OC_E_USAGE);
    assert_int_equal(oc_classifier_pixels(classifier, pixel, 1, 1, predictions, 0, &err), OC_E_USAGE);
    assert_int_equal(oc_classifier_encoded(classifier, "GIF89a", 6, "some.gif", predictions, 1, &err), OC_E_FORMAT);
    assert_string_equal(err.where, "some.gif");
    assert_int_equal(oc_classifier_encoded(classifier, "", 0, "empty.jpeg", predictions, 1, &err), OC_E_FORMAT);
    oc_classifier_destroy(&classifier);
    assert_null(classifier);
    oc_classifier_destroy(&classifier);
}

/* ---- predictions of files ---- */

typedef struct seen {
    char names[64][64];
    int count, bad;
} seen;

static void on_image(void *user, const char *path, const oc_prediction *predictions, size_t top_k,
                     const oc_error *reason) {
    seen *s = user;
    assert_true((predictions == NULL) == (reason != NULL));
    if (!predictions && !reason) return;
    assert_int_equal(top_k, 2);
    assert_true(s->count < 64);
    snprintf(s->names[s->count++], sizeof s->names[0], "%s", strrchr(path, '/') + 1);
    if (!predictions) {
        s->bad++;
        assert_int_equal(reason->status, OC_E_FORMAT);
        assert_string_equal(reason->where, path);
        return;
    }
    assert_true(predictions[0].probability >= predictions[1].probability);
    assert_in_range(predictions[0].class_index, 0, CLASSES - 1);
}

static void test_predict_files(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    oc_classifier *classifier = NULL;
    int64_t failed = -1;
    const oc_split *split = oc_dataset_split(f->dataset, "val");
    uint8_t *bytes;
    size_t size;
    char folder[600], inner[620], path[700];
    snprintf(folder, sizeof folder, "%s/photos", f->folder);
    snprintf(inner, sizeof inner, "%s/m", folder);
    assert_int_equal(mkdir(folder, 0777), 0);
    assert_int_equal(mkdir(inner, 0777), 0);
    assert_int_equal(oc_dataset_read(f->dataset, &split->sample[0], &bytes, &size, &err), OC_OK);
    static const char *const good[] = {"b.jpg", "m/x.JPEG", "Z.jpeg", "noext"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, good[i]);
        test_bytes_write(path, bytes, size);
    }
    snprintf(path, sizeof path, "%s/cut.jpg", folder);
    test_bytes_write(path, bytes, size / 2);
    snprintf(path, sizeof path, "%s/notes.txt", folder);
    test_bytes_write(path, "no image", 8);
    snprintf(path, sizeof path, "%s/old.heic", folder);
    test_bytes_write(path, "no matter", 9);
    oc_free(bytes);
    /* Two at once: the folder's four images need more than one batch. */
    assert_int_equal(oc_classifier_create(&classifier, f->model, &(oc_classifier_options){.batch = 2}, &err), OC_OK);
    seen s = {0};
    const char *const paths[] = {folder, path_in(f, "photos/b.jpg")};
    assert_int_equal(oc_predict_files(classifier, paths, 2, 2, on_image, &s, &failed, &err), OC_OK);
    static const char *const order[] = {"Z.jpeg", "b.jpg", "cut.jpg", "x.JPEG", "noext", "old.heic", "b.jpg"};
    assert_int_equal(s.count, 7);
    for (int i = 0; i < 7; i++) assert_string_equal(s.names[i], order[i]);
    assert_int_equal(failed, 2);
    assert_int_equal(s.bad, 2);
    /* What is not there is told before anything is classified. */
    const char *const absent[] = {folder, "/nonexistent/photo.jpg"};
    s = (seen){0};
    assert_int_equal(oc_predict_files(classifier, absent, 2, 2, on_image, &s, &failed, &err), OC_E_NOT_FOUND);
    assert_string_equal(err.where, absent[1]);
    assert_int_equal(s.count, 0);
    oc_classifier_destroy(&classifier);
}

/* Progress of what should not have begun. */
static bool never(void *user, const char *what, int64_t done, int64_t total) {
    (void)user;
    fail_msg("%s: %lld of %lld", what, (long long)done, (long long)total);
    return false;
}

static void test_submission(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    oc_evaluation evaluation;
    oc_eval_options options = options_of(f, NULL);
    const char *path = path_in(f, "submission.csv");
    assert_int_equal(oc_predict_submission(f->reversed, f->dataset, "val,test", path, &options, &err), OC_OK);
    size_t size;
    char *csv = (char *)test_bytes_read(path, &size), *rest = csv;
    assert_string_equal(strsep(&rest, "\n"), "id,pred");
    oc_eval_options saving = options_of(f, "val");
    saving.save_logits = path_in(f, "submitted.safetensors");
    assert_int_equal(oc_evaluate(&evaluation, f->reversed, f->dataset, &saving, &err), OC_OK);
    saved s = read_saved(saving.save_logits);
    const oc_split *val = oc_dataset_split(f->dataset, "val"), *test = oc_dataset_split(f->dataset, "test");
    for (int64_t i = 0; i < val->count; i++) {
        char expected[256];
        int best = 0;
        for (int c = 1; c < CLASSES; c++)
            if (s.logits[i * CLASSES + c] > s.logits[i * CLASSES + best]) best = c;
        snprintf(expected, sizeof expected, "%s,%s", val->sample[i].name, oc_model_class(f->reversed, (size_t)best));
        assert_string_equal(strsep(&rest, "\n"), expected);
    }
    for (int64_t i = 0; i < test->count; i++) {
        const char *line = strsep(&rest, "\n");
        size_t length = strlen(test->sample[i].name);
        assert_memory_equal(line, test->sample[i].name, length);
        assert_int_equal(line[length], ',');
    }
    assert_string_equal(rest, "");
    free_saved(&s);

    /* What cannot be is told at once, and leaves the file that is there. */
    options.progress = (oc_progress){.fn = never};
    assert_int_equal(oc_predict_submission(f->model, f->dataset, "val,nowhere", path, &options, &err), OC_E_USAGE);
    assert_non_null(strstr(err.message, "nowhere"));
    assert_int_equal(oc_predict_submission(f->model, f->dataset, "val,holdout", path, &options, &err), OC_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "holdout"));
    assert_int_equal(oc_predict_submission(f->model, f->dataset, "val,test,val", path, &options, &err), OC_E_USAGE);
    assert_non_null(strstr(err.message, "\"val\" is named twice"));
    assert_int_equal(oc_predict_submission(f->model, f->dataset, "val", f->folder, &options, &err), OC_E_IO);
    saving.progress = options.progress;
    saving.save_logits = f->folder;
    assert_int_equal(oc_evaluate(&evaluation, f->model, f->dataset, &saving, &err), OC_E_IO);
    size_t after;
    char *again = (char *)test_bytes_read(path, &after);
    assert_int_equal(after, size);
    free(again);
    free(csv);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_evaluate),
        cmocka_unit_test(test_classes_by_name),
        cmocka_unit_test(test_class_map),
        cmocka_unit_test(test_evaluate_refuses),
        cmocka_unit_test(test_evaluate_bf16),
        cmocka_unit_test(test_evaluate_stops),
        cmocka_unit_test(test_classifier_precision),
        cmocka_unit_test(test_classifier_agrees),
        cmocka_unit_test(test_classifier_refuses),
        cmocka_unit_test(test_predict_files),
        cmocka_unit_test(test_submission),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
