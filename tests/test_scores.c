/* Scores of a split: of networks and ensembles, with and without mirror images; their figures, their comparison and
 * their file. */
#define _GNU_SOURCE 1
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "eval/classifier.h"
#include "eval/scores.h"
#include "eval/statistics.h"
#include "models/ensemble.h"
#include "support/images.h"
#include "support/temporary.h"

#define CLASSES 3
#define PER_CLASS 5
#define IMAGES (CLASSES * PER_CLASS)
#define SEED 7

static const char *const in_order[CLASSES] = {"ant", "bee", "cow"};
static const char *const turned[CLASSES] = {"cow", "ant", "bee"}; /* class c of in_order is at (c + 1) % 3 */

typedef struct fixture {
    char folder[256], cache[300];
    oc_dataset *dataset, *mirrored; /* the same images, each flipped left to right */
    oc_dataset *large; /* transparent images of 80×80, which packs for 32 and for 64 keep at different sizes */
} fixture;

static fixture shared;

static void write_dataset(oc_dataset **out, const char *root, int side, test_png_kind kind) {
    char path[512];
    oc_error err = {0};
    for (int c = 0; c < CLASSES; c++) {
        snprintf(path, sizeof path, "%.300s/train/%s/0.png", root, in_order[c]);
        test_png_write(path, side, side, c, kind);
        for (int i = 0; i < PER_CLASS; i++) {
            snprintf(path, sizeof path, "%.300s/val/%s/%s%d.png", root, in_order[c], in_order[c], i);
            test_png_write(path, side, side, 10 + c * PER_CLASS + i, kind);
        }
    }
    assert_int_equal(oc_dataset_open(out, root, NULL, &err), OC_OK);
}

static int set_up_all(void **state) {
    fixture *f = &shared;
    char root[300];
    print_message("seed %d\n", SEED);
    test_temporary_create(f->folder, sizeof f->folder);
    snprintf(f->cache, sizeof f->cache, "%.255s/cache", f->folder);
    snprintf(root, sizeof root, "%.255s/data", f->folder);
    write_dataset(&f->dataset, root, 32, TEST_PNG_RGB);
    snprintf(root, sizeof root, "%.255s/mirrored", f->folder);
    write_dataset(&f->mirrored, root, 32, TEST_PNG_MIRROR);
    snprintf(root, sizeof root, "%.255s/large", f->folder);
    write_dataset(&f->large, root, 80, TEST_PNG_RGBA);
    *state = f;
    return 0;
}

static int tear_down_all(void **state) {
    fixture *f = *state;
    oc_dataset_destroy(&f->dataset);
    oc_dataset_destroy(&f->mirrored);
    oc_dataset_destroy(&f->large);
    test_temporary_remove(f->folder);
    return 0;
}

static oc_model *model_create(const char *const *classes, int64_t size, uint64_t seed) {
    oc_model *model = NULL;
    oc_error err = {0};
    assert_int_equal(oc_model_create(&model, "myresnet-tiny", classes, CLASSES, size, NULL, &err), OC_OK);
    oc_model_init(model, seed);
    return model;
}

/* The model again, with its classes in the other order and the rows of its last layer likewise. */
static oc_model *model_turned(const oc_model *model) {
    oc_model *other = model_create(turned, model->size, 0);
    const oc_table *table = oc_graph_table(model->graph);
    const oc_tensor *weight = oc_table_find(table, "fc.1.weight"), *bias = oc_table_find(table, "fc.1.bias");
    assert_non_null(weight);
    assert_non_null(bias);
    memcpy(other->weights.arena, model->weights.arena, oc_table_arena_size(table) * sizeof(float));
    const size_t row = weight->count / CLASSES;
    for (size_t c = 0; c < CLASSES; c++) {
        const size_t to = (c + 1) % CLASSES;
        memcpy(other->weights.arena + weight->offset + to * row, model->weights.arena + weight->offset + c * row,
               row * sizeof(float));
        other->weights.arena[bias->offset + to] = model->weights.arena[bias->offset + c];
    }
    other->weights.version++;
    return other;
}

static oc_eval_options options_of(const fixture *f, bool tta) {
    return (oc_eval_options){.cache = f->cache, .batch_size = 4, .smoothing = 0.01, .tta = tta};
}

static oc_scores scores_of(const fixture *f, oc_model *model, const oc_dataset *dataset, bool tta) {
    oc_scores scores = {0};
    oc_error err = {0};
    oc_eval_options options = options_of(f, tta);
    assert_int_equal(oc_scores_compute(&scores, model, dataset, &options, &err), OC_OK);
    assert_int_equal(scores.images, IMAGES);
    assert_int_equal(scores.classes, CLASSES);
    return scores;
}

static bool same_logits(const float *a, const float *b) {
    return memcmp(a, b, IMAGES * CLASSES * sizeof *a) == 0;
}

/* ---- what is computed ---- */

static void test_rows(void **state) {
    const fixture *f = *state;
    oc_model *model = model_create(turned, 32, SEED);
    oc_scores scores = scores_of(f, model, f->dataset, false);
    for (int i = 0; i < IMAGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s/%s%d.png", in_order[i / PER_CLASS], in_order[i / PER_CLASS], i % PER_CLASS);
        assert_string_equal(scores.names.item[i], name);
        assert_int_equal(scores.label[i], (i / PER_CLASS + 1) % CLASSES);
    }
    assert_int_equal(scores.names.count, IMAGES);
    assert_int_equal(scores.skipped, 0);
    assert_true(scores.seconds > 0);
    oc_scores_free(&scores);
    assert_null(scores.logits);
    oc_model_destroy(&model);
}

/* The average of two evaluations, one of them of mirrored images, to the bit. */
static void test_tta(void **state) {
    const fixture *f = *state;
    float average[IMAGES * CLASSES];
    oc_model *model = model_create(in_order, 32, SEED);
    oc_scores plain = scores_of(f, model, f->dataset, false), mirror = scores_of(f, model, f->mirrored, false);
    oc_scores tta = scores_of(f, model, f->dataset, true), other = scores_of(f, model, f->mirrored, true);
    for (int i = 0; i < IMAGES * CLASSES; i++) average[i] = (plain.logits[i] + mirror.logits[i]) / 2;
    assert_false(same_logits(plain.logits, mirror.logits));
    assert_true(same_logits(tta.logits, average));
    assert_true(same_logits(other.logits, average));
    oc_scores_free(&plain);
    oc_scores_free(&mirror);
    oc_scores_free(&tta);
    oc_scores_free(&other);
    oc_model_destroy(&model);
}

typedef struct steps {
    int64_t last, total;
    int calls, stop_at;
} steps;

static bool on_progress(void *user, const char *what, int64_t done, int64_t total) {
    steps *s = user;
    if (strcmp(what, "evaluate") != 0) return true;
    assert_true(done > s->last && done <= total);
    s->last = done;
    s->total = total;
    return ++s->calls != s->stop_at;
}

/* Each member over images of its own size and normalisation, gathered by name and combined. */
static void check_ensemble(const fixture *f, const char *cache, oc_combine combine, bool tta) {
    oc_error err = {0};
    oc_model *member[] = {model_create(in_order, 32, 1), model_create(turned, 64, 2), model_create(turned, 32, 3)};
    static float gathered[3][IMAGES * CLASSES], expected[IMAGES * CLASSES];
    const float *gathered_rows[] = {gathered[0], gathered[1], gathered[2]};
    oc_scores alone[3];
    oc_model *ensemble = NULL;
    for (int c = 0; c < 3; c++) {
        member[2]->mean[c] = 0.4F;
        member[2]->std[c] = 0.3F;
    }
    for (int m = 0; m < 3; m++) alone[m] = scores_of(f, member[m], f->large, tta);
    assert_int_equal(
        oc_ensemble_create(&ensemble, combine, member, (const char *const[]){"one", "two", "three"}, 3, &err), OC_OK);
    if (combine == OC_COMBINE_STACK) {
        for (int i = 0; i < 3 * CLASSES * CLASSES; i++) ensemble->ensemble->weight[i] = (float)((i * 7) % 5 - 2) / 4;
        for (int c = 0; c < CLASSES; c++) ensemble->ensemble->bias[c] = 0.1F * (float)c;
    }
    oc_scores whole = {0};
    oc_eval_options options = options_of(f, tta);
    options.cache = cache;
    assert_int_equal(oc_scores_compute(&whole, ensemble, f->large, &options, &err), OC_OK);
    assert_int_equal(whole.images, IMAGES);
    for (int i = 0; i < IMAGES; i++) {
        assert_int_equal(whole.label[i], i / PER_CLASS); /* its order of classes is the first member's */
        for (int c = 0; c < CLASSES; c++) {
            const int there = (c + 1) % CLASSES;
            gathered[0][i * CLASSES + c] = alone[0].logits[i * CLASSES + c];
            gathered[1][i * CLASSES + c] = alone[1].logits[i * CLASSES + there];
            gathered[2][i * CLASSES + c] = alone[2].logits[i * CLASSES + there];
        }
    }
    oc_ensemble_combine(ensemble, gathered_rows, IMAGES, expected);
    assert_true(same_logits(whole.logits, expected));

    steps s = {0};
    options.progress = (oc_progress){on_progress, &s};
    oc_scores again = {0};
    assert_int_equal(oc_scores_compute(&again, ensemble, f->large, &options, &err), OC_OK);
    assert_int_equal(s.last, 3 * IMAGES);
    assert_int_equal(s.total, 3 * IMAGES);
    oc_scores_free(&again);
    /* In the middle of the second member. */
    s = (steps){.stop_at = 6};
    assert_int_equal(oc_scores_compute(&again, ensemble, f->large, &options, &err), OC_E_STOPPED);
    assert_null(again.logits);

    for (int m = 0; m < 3; m++) oc_scores_free(&alone[m]);
    oc_scores_free(&whole);
    oc_model_destroy(&ensemble);
}

static void test_ensemble(void **state) {
    const fixture *f = *state;
    char cache[300];
    snprintf(cache, sizeof cache, "%.255s/packs", f->folder);
    check_ensemble(f, cache, OC_COMBINE_STACK, false);
    assert_int_equal(test_folder_entries(cache), 2); /* one for 32 and one for 64 */
    check_ensemble(f, cache, OC_COMBINE_MEAN, true);
}

/* Members of one size that read images in other ways do not share a pack. */
static void test_readings(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    oc_model *member[] = {model_create(in_order, 32, 1), model_create(in_order, 32, 1)}, *ensemble = NULL;
    memset(member[1]->image.background, 9, 3);
    oc_scores alone[] = {scores_of(f, member[0], f->large, false), scores_of(f, member[1], f->large, false)};
    const float *gathered[] = {alone[0].logits, alone[1].logits};
    float expected[IMAGES * CLASSES];
    assert_false(same_logits(alone[0].logits, alone[1].logits));
    assert_int_equal(
        oc_ensemble_create(&ensemble, OC_COMBINE_MEAN, member, (const char *const[]){"one", "two"}, 2, &err), OC_OK);
    oc_scores whole = scores_of(f, ensemble, f->large, false);
    oc_ensemble_combine(ensemble, gathered, IMAGES, expected);
    assert_true(same_logits(whole.logits, expected));
    for (int m = 0; m < 2; m++) oc_scores_free(&alone[m]);
    oc_scores_free(&whole);
    oc_model_destroy(&ensemble);
}

static void test_refuses(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    oc_scores scores = {0};
    oc_model *model = model_create(in_order, 32, SEED), *other = NULL;
    oc_eval_options options = options_of(f, false);
    /* No split's name, and one of a split that this data set lacks. */
    options.split = "nowhere";
    assert_int_equal(oc_scores_compute(&scores, model, f->dataset, &options, &err), OC_E_USAGE);
    assert_non_null(strstr(err.message, "only train, val"));
    options.split = "holdout";
    assert_int_equal(oc_scores_compute(&scores, model, f->dataset, &options, &err), OC_E_NOT_FOUND);
    options.split = NULL;
    options.batch_size = -1;
    assert_int_equal(oc_scores_compute(&scores, model, f->dataset, &options, &err), OC_E_USAGE);
    options.batch_size = 0;
    assert_int_equal(
        oc_model_create(&other, "myresnet-tiny", (const char *const[]){"ant", "bee", "cat"}, 3, 32, NULL, &err), OC_OK);
    assert_int_equal(oc_scores_compute(&scores, other, f->dataset, &options, &err), OC_E_MISMATCH);
    assert_non_null(strstr(err.message, "cow"));
    /* Of two models, either must fit, and that the second does not is told before the first is scored. */
    oc_paired paired;
    steps s = {0};
    options.progress = (oc_progress){on_progress, &s};
    assert_int_equal(oc_evaluate_paired(&paired, model, other, f->dataset, &options, &err), OC_E_MISMATCH);
    assert_int_equal(oc_evaluate_paired(&paired, other, model, f->dataset, &options, &err), OC_E_MISMATCH);
    assert_int_equal(s.calls, 0);
    assert_null(scores.logits);
    oc_model_destroy(&other);
    oc_model_destroy(&model);
}

/* ---- figures ---- */

/* Scores of images "0", "1", … with the labels given. */
static oc_scores scores_make(const float *logits, const int32_t *label, int images, int classes) {
    oc_scores scores = {.images = images, .classes = classes};
    oc_error err = {0};
    assert_int_equal(oc_alloc(&scores.logits, (size_t)(images * classes), sizeof(float), &err), OC_OK);
    assert_int_equal(oc_alloc(&scores.label, (size_t)images, sizeof(int32_t), &err), OC_OK);
    memcpy(scores.logits, logits, (size_t)(images * classes) * sizeof *logits);
    memcpy(scores.label, label, (size_t)images * sizeof *label);
    for (int i = 0; i < images; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        assert_int_equal(oc_names_add(&scores.names, name, &err), OC_OK);
    }
    return scores;
}

static void test_ties(void **state) {
    (void)state;
    /* All equal: the lowest class is the guess and the five lowest are among five. */
    static const float logits[7 * 7] = {0};
    static const int32_t label[] = {0, 1, 4, 5, 6, -1, 0};
    int64_t confusion[7 * 7];
    oc_scores scores = scores_make(logits, label, 7, 7);
    const oc_evaluation e = oc_scores_evaluation(&scores, 0);
    assert_int_equal(e.images, 7);
    assert_float_equal(e.top1, 2.0 / 6, 1e-12);
    assert_float_equal(e.top5, 4.0 / 6, 1e-12);
    assert_float_equal(e.loss, log(7), 1e-12);
    assert_float_equal(e.calibration_error, fabs(2.0 / 6 - 1.0 / 7), 1e-12);
    double low, high;
    oc_wilson(2, 6, &low, &high);
    assert_true(e.top1_low == low && e.top1_high == high);
    for (int i = 0; i < 49; i++) confusion[i] = -1;
    oc_scores_confusion(&scores, confusion);
    for (int i = 0; i < 49; i++)
        assert_int_equal(confusion[i], i % 7 != 0 ? 0 : i == 0 ? 2 : i / 7 == 2 || i / 7 == 3 ? 0 : 1);
    oc_scores_free(&scores);
}

static void test_unlabelled(void **state) {
    (void)state;
    static const float logits[] = {1, 2, 3, 4};
    static const int32_t label[] = {-1, -1};
    int64_t confusion[4] = {9, 9, 9, 9};
    oc_scores scores = scores_make(logits, label, 2, 2);
    const oc_evaluation e = oc_scores_evaluation(&scores, 0);
    assert_true(isnan(e.top1) && isnan(e.top5) && isnan(e.loss) && isnan(e.top1_low) && isnan(e.top1_high) &&
                isnan(e.calibration_error));
    oc_scores_confusion(&scores, confusion);
    for (int i = 0; i < 4; i++) assert_int_equal(confusion[i], 0);
    oc_scores_free(&scores);
}

/* The order of a model's classes changes no figure. */
static void test_permuted(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    oc_model *model = model_create(in_order, 32, SEED), *other = model_turned(model);
    int64_t confusion[CLASSES][CLASSES], turned_confusion[CLASSES][CLASSES];
    oc_evaluation a, b;
    oc_eval_options options = options_of(f, false);
    options.confusion = &confusion[0][0];
    assert_int_equal(oc_evaluate(&a, model, f->dataset, &options, &err), OC_OK);
    options.confusion = &turned_confusion[0][0];
    assert_int_equal(oc_evaluate(&b, other, f->dataset, &options, &err), OC_OK);
    assert_true(a.top1 == b.top1 && a.top5 == b.top5 && a.top1_low == b.top1_low && a.top1_high == b.top1_high);
    assert_float_equal(a.loss, b.loss, 1e-5);
    assert_float_equal(a.calibration_error, b.calibration_error, 1e-5);
    int64_t sum = 0, diagonal = 0;
    for (int i = 0; i < CLASSES; i++) {
        int64_t row = 0;
        for (int j = 0; j < CLASSES; j++) {
            assert_int_equal(confusion[i][j], turned_confusion[(i + 1) % CLASSES][(j + 1) % CLASSES]);
            row += confusion[i][j];
        }
        assert_int_equal(row, PER_CLASS);
        sum += row;
        diagonal += confusion[i][i];
    }
    assert_int_equal(sum, a.images);
    assert_float_equal((double)diagonal / (double)sum, a.top1, 1e-12);
    assert_true(a.top1 < 1); /* or the matrix would show nothing */

    oc_paired pair;
    assert_int_equal(oc_evaluate_paired(&pair, model, other, f->dataset, &options, &err), OC_OK);
    assert_int_equal(pair.images, IMAGES);
    assert_int_equal(pair.both, diagonal);
    assert_int_equal(pair.only_a + pair.only_b, 0);
    assert_int_equal(pair.neither, IMAGES - diagonal);
    assert_true(pair.p == 1);
    /* The matrix is the first model's. */
    assert_memory_equal(turned_confusion, confusion, sizeof confusion);
    oc_model_destroy(&model);
    oc_model_destroy(&other);
}

/* ---- two models ---- */

static void test_pair(void **state) {
    (void)state;
    oc_error err = {0};
    /* Classes x, y of the first are places 1, 0 of the second. Right: both, only a, only a, only b, neither; one row
     * has no label. */
    static const float a_logits[] = {1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 5, 0};
    static const float b_logits[] = {0, 1, 0, 1, 1, 0, 0, 1, 1, 0, 5, 0};
    static const int32_t a_label[] = {0, 1, 0, 0, 0, -1}, b_label[] = {1, 0, 1, 1, 1, -1};
    oc_scores a = scores_make(a_logits, a_label, 6, 2), b = scores_make(b_logits, b_label, 6, 2);
    oc_paired pair;
    assert_int_equal(oc_scores_pair(&pair, &a, &b, 0, &err), OC_OK);
    assert_int_equal(pair.images, 5);
    assert_int_equal(pair.both, 1);
    assert_int_equal(pair.only_a, 2);
    assert_int_equal(pair.only_b, 1);
    assert_int_equal(pair.neither, 1);
    assert_float_equal(pair.a.top1, 0.6, 1e-12);
    assert_float_equal(pair.b.top1, 0.4, 1e-12);
    assert_float_equal(pair.p, 1, 1e-12); /* 2 · (1 + 3) / 2³ */
    oc_paired swapped;
    assert_int_equal(oc_scores_pair(&swapped, &b, &a, 0, &err), OC_OK);
    assert_int_equal(swapped.only_a, 1);
    assert_int_equal(swapped.only_b, 2);
    assert_true(swapped.p == pair.p);
    /* A score that is not a number is right nowhere. */
    a.logits[0] = a.logits[1] = NAN;
    assert_int_equal(oc_scores_pair(&pair, &a, &b, 0, &err), OC_OK);
    assert_int_equal(pair.both, 0);
    assert_int_equal(pair.only_b, 2);
    /* Not the same images. */
    b.names.item[3][0] = '9';
    assert_int_equal(oc_scores_pair(&pair, &a, &b, 0, &err), OC_E_MISMATCH);
    b.names.item[3][0] = '3';
    b.images = 5;
    assert_int_equal(oc_scores_pair(&pair, &a, &b, 0, &err), OC_E_MISMATCH);
    oc_scores_free(&a);
    oc_scores_free(&b);
}

/* Weights that overflow within: a ReLU makes zeros of what is not a number, and the scores look like any others. */
static void test_not_finite(void **state) {
    const fixture *f = *state;
    oc_model *model = model_create(in_order, 32, SEED);
    oc_scores scores = {0};
    oc_error err = {0};
    oc_eval_options options = options_of(f, false);
    const oc_table *table = oc_graph_table(model->graph);
    const oc_tensor *first = oc_table_find(table, "conv1.1.weight"), *second = oc_table_find(table, "conv2.0.weight");
    for (size_t i = 0; i < first->count; i++) model->weights.arena[first->offset + i] = 1e30F;
    for (size_t i = 0; i < second->count; i++) model->weights.arena[second->offset + i] = i % 2 ? 1e30F : -1e30F;
    model->weights.version++;
    assert_int_equal(oc_scores_compute(&scores, model, f->dataset, &options, &err), OC_E_NON_FINITE);
    if (!strstr(err.message, "the output of layer \"")) fail_msg("%s", err.message);
    assert_null(scores.logits);

    oc_classifier *classifier = NULL;
    oc_prediction prediction;
    uint8_t pixels[32 * 32 * 3];
    memset(pixels, 100, sizeof pixels);
    assert_int_equal(oc_classifier_create(&classifier, model, &(oc_classifier_options){.batch = 2}, &err), OC_OK);
    assert_int_equal(oc_classifier_pixels(classifier, pixels, 32, 32, &prediction, 1, &err), OC_E_NON_FINITE);
    oc_classifier_destroy(&classifier);
    oc_model_destroy(&model);
}

/* ---- the file ---- */

static void test_write(void **state) {
    const fixture *f = *state;
    oc_error err = {0};
    char path[300];
    snprintf(path, sizeof path, "%.255s/scores", f->folder);
    oc_model *model = model_create(in_order, 32, SEED);
    oc_scores scores = scores_of(f, model, f->dataset, false);
    assert_int_equal(oc_scores_write(&scores, model, path, &(oc_metadata){"key", "value"}, 1, &err), OC_OK);
    oc_safetensors *file = NULL;
    assert_int_equal(oc_safetensors_open(&file, path, &err), OC_OK);
    assert_string_equal(oc_safetensors_metadata(file, "key"), "value");
    assert_string_equal(oc_safetensors_metadata(file, "model"), "myresnet-tiny");
    assert_string_equal(oc_safetensors_metadata(file, "classes"), "[\"ant\",\"bee\",\"cow\"]");
    assert_non_null(strstr(oc_safetensors_metadata(file, "names"), "\"bee/bee4.png\",\"cow/cow0.png\""));
    const oc_safetensors_view *logits = oc_safetensors_find(file, "logits"),
                              *labels = oc_safetensors_find(file, "labels");
    assert_int_equal(logits->size, IMAGES * CLASSES * sizeof(float));
    assert_memory_equal(logits->data, scores.logits, logits->size);
    assert_int_equal(labels->size, IMAGES * sizeof(int32_t));
    assert_memory_equal(labels->data, scores.label, labels->size);
    oc_safetensors_destroy(&file);
    oc_scores_free(&scores);
    oc_model_destroy(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),     cmocka_unit_test(test_tta),   cmocka_unit_test(test_ensemble),
        cmocka_unit_test(test_refuses),  cmocka_unit_test(test_ties),  cmocka_unit_test(test_unlabelled),
        cmocka_unit_test(test_permuted), cmocka_unit_test(test_pair),  cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_readings), cmocka_unit_test(test_write),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
