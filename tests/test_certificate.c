/* label: slow */
/* Certificates of parity: what stands in the folder, that its logits are those of the evaluation, and that its judge in
 * C, compiled by the system's compiler, lets pass what is right and names each mistake. The mistakes are made here
 * anew, by other code than that which the certificate is made with. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "data/image/decode.h"
#include "data/kept.h"
#include "eval/classifier.h"
#include "export/certificate/filter.h"
#include "models/model.h"
#include "ocelli/data.h"
#include "ocelli/export.h"
#include "ocelli/models.h"
#include "support/ensembles.h"
#include "support/temporary.h"
#include "tensor/safetensors.h"

#define SIZE 64
#define IMAGES 8

static char folder[256], target[320];

static const char *inside(char path[400], const char *name) {
    snprintf(path, 400, "%s/%s", target, name);
    return path;
}

static void certified(oc_model *model, const oc_dataset *dataset) {
    oc_error err = {0};
    if (oc_export_certificate(model, target, &(oc_certificate_options){dataset}, &err) != OC_OK)
        fail_msg("%s: %s", err.where, err.message);
}

static json_t *certificate(void) {
    char path[400];
    json_t *json = NULL;
    assert_int_equal(oc_json_read(&json, inside(path, "certificate.json"), NULL), OC_OK);
    return json;
}

/* The logits that a list of the certificate's has. */
static void logits_of(float out[IMAGES][TEST_CLASSES], const json_t *rows, const char *key) {
    for (size_t i = 0; i < IMAGES; i++) {
        const json_t *row = json_array_get(rows, i);
        if (key) row = json_object_get(row, key);
        assert_int_equal(json_array_size(row), TEST_CLASSES);
        for (size_t c = 0; c < TEST_CLASSES; c++) out[i][c] = (float)json_number_value(json_array_get(row, c));
    }
}

/* ---- What stands in it ---- */

/* The images as a data set of one class, scored by the evaluation. */
static void check_evaluation(oc_model *model, const json_t *json) {
    char command[2048], path[400];
    oc_dataset *dataset = NULL;
    oc_safetensors *file = NULL;
    oc_evaluation evaluation;
    oc_error err = {0};
    float ours[IMAGES][TEST_CLASSES];
    snprintf(command, sizeof command,
             "rm -rf %s/set && mkdir -p %s/set/train/n1 %s/set/val/n1 && cp %s/*.png %s/set/train/n1 && "
             "cp %s/*.png %s/set/val/n1",
             folder, folder, folder, target, folder, target, folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/set", folder);
    if (oc_dataset_open(&dataset, path, NULL, &err) != OC_OK) fail_msg("%s", err.message);
    snprintf(command, sizeof command, "%s/logits", folder);
    snprintf(path, sizeof path, "%s/cache", folder);
    const oc_eval_options options = {.save_logits = command, .cache = path};
    if (oc_evaluate(&evaluation, model, dataset, &options, &err) != OC_OK) fail_msg("%s", err.message);
    assert_int_equal(oc_safetensors_open(&file, command, NULL), OC_OK);
    const oc_safetensors_view *logits = oc_safetensors_find(file, "logits");
    assert_int_equal(logits->size, sizeof ours);
    logits_of(ours, json_object_get(json, "images"), "logits");
    const float *theirs = (const float *)(const void *)logits->data;
    for (size_t i = 0; i < IMAGES; i++)
        for (size_t c = 0; c < TEST_CLASSES; c++) {
            float value;
            memcpy(&value, (const char *)theirs + (i * TEST_CLASSES + c) * sizeof value, sizeof value);
            assert_true(fabsf(value - ours[i][c]) < 1e-5F * (float)json_number_value(json_object_get(json, "largest")));
        }
    oc_safetensors_destroy(&file);
    oc_dataset_destroy(&dataset);
}

static void check_top(const json_t *entry) {
    const json_t *top = json_object_get(entry, "top"), *logits = json_object_get(entry, "logits");
    double total = 0, before = 2;
    for (size_t c = 0; c < TEST_CLASSES; c++) total += exp(json_number_value(json_array_get(logits, c)));
    assert_int_equal(json_array_size(top), TEST_CLASSES); /* five, but of four classes */
    for (size_t k = 0; k < TEST_CLASSES; k++) {
        const char *name = json_string_value(json_object_get(json_array_get(top, k), "class"));
        const double share = json_number_value(json_object_get(json_array_get(top, k), "probability"));
        size_t c = 0;
        while (c < TEST_CLASSES && strcmp(test_codes[c], name) != 0) c++;
        assert_true(c < TEST_CLASSES && share <= before);
        assert_true(fabs(share - exp(json_number_value(json_array_get(logits, c))) / total) < 1e-6);
        before = share;
    }
}

static void test_structure(void **state) {
    (void)state;
    static const char *const files[] = {"README.md", "model.onnx", "check.py", "check.c", "certificate.json"};
    char path[400], *before = NULL, *after = NULL;
    size_t size_before = 0, size_after = 0;
    for (int fit = OC_FIT_CROP; fit <= OC_FIT_LETTERBOX; fit++) {
        oc_model *model = test_network(test_codes, SIZE, 3);
        model->image.fit = (oc_fit)fit;
        model->image.background[1] = 90;
        const float mean[3] = {model->mean[0], model->mean[1], model->mean[2]};
        certified(model, NULL);
        assert_memory_equal(mean, model->mean, sizeof mean);
        json_t *json = certificate();
        const json_t *images = json_object_get(json, "images");
        assert_int_equal(test_folder_entries(target), 5 + IMAGES);
        for (size_t i = 0; i < IMAGES; i++) check_top(json_array_get(images, i));
        assert_int_equal(json_integer_value(json_object_get(json_array_get(images, 0), "width")), SIZE);
        assert_int_equal(json_integer_value(json_object_get(json_array_get(images, 0), "height")), SIZE);
        assert_true(json_array_size(json_object_get(json, "mistakes")) >= 12);
        check_evaluation(model, json);
        /* The same again, in the place of the first. */
        for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
            assert_int_equal(oc_file_read(&before, &size_before, inside(path, files[f]), SIZE_MAX / 2, NULL), OC_OK);
            assert_null(strstr(before, "{{"));
            if (f == 0) certified(model, NULL);
            assert_int_equal(oc_file_read(&after, &size_after, path, SIZE_MAX / 2, NULL), OC_OK);
            assert_int_equal(size_before, size_after);
            assert_memory_equal(before, after, size_after);
            oc_free(before);
            oc_free(after);
        }
        json_decref(json);
        oc_model_destroy(&model);
    }
}

static void test_refusals(void **state) {
    (void)state;
    oc_error err = {0};
    char path[400];
    oc_model *model = test_network(test_codes, SIZE, 3);
    oc_model *two =
        test_ensemble(OC_COMBINE_MEAN, test_network(test_codes, 32, 1), test_network(test_codes, 64, 2), NULL);
    assert_int_equal(oc_export_certificate(two, target, NULL, &err), OC_E_USAGE);
    assert_non_null(strstr(err.message, "one input"));
    assert_int_equal(mkdir(target, 0777), 0);
    assert_int_equal(oc_file_write_atomic(inside(path, "README.md"), "mine", 4, NULL), OC_OK);
    assert_int_equal(oc_export_certificate(model, target, NULL, &err), OC_E_EXISTS);
    assert_int_equal(test_folder_entries(target), 1);
    assert_int_equal(test_folder_entries(folder), 1);
    oc_model_destroy(&two);
    oc_model_destroy(&model);
}

/* ---- Filters ---- */

/* The result [2] of four grey pixels in a row. */
static void halve(oc_filter filter, uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint8_t out[2]) {
    const uint8_t values[4] = {a, b, c, d};
    uint8_t pixels[12], halves[6];
    for (size_t i = 0; i < 12; i++) pixels[i] = values[i / 3];
    assert_int_equal(oc_filter_run(filter, pixels, 4, &(oc_box){0, 0, 4, 1}, 2, 1, halves, NULL), OC_OK);
    out[0] = halves[0];
    out[1] = halves[3];
}

static void test_filters(void **state) {
    (void)state;
    uint8_t out[2];
    halve(OC_FILTER_NEAREST, 10, 20, 30, 40, out);
    assert_true(out[0] == 20 && out[1] == 40);
    halve(OC_FILTER_ALIASED, 0, 100, 200, 10, out);
    assert_true(out[0] == 50 && out[1] == 105);
    /* Keys' cubic of -1/2 at 1/4, 1/4, 3/4 and 5/4: 0.8671875, 0.8671875, 0.2265625, -0.0703125. */
    halve(OC_FILTER_BICUBIC, 0, 0, 255, 255, out);
    assert_true(out[0] == 21 && out[1] == 234);
    /* Ocelli's own, but for values next to a half. */
    static uint8_t pixels[97 * 61 * 3], ours[80 * 50 * 3];
    oc_kept kept = {0};
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * i / 7 % 251);
    assert_int_equal(oc_kept_fill(&kept, &(oc_pixels){.data = pixels, .width = 97, .height = 61}, 40, NULL, NULL),
                     OC_OK);
    assert_true(kept.width == 80 && kept.height == 50);
    assert_int_equal(oc_filter_run(OC_FILTER_BILINEAR, pixels, 97, &(oc_box){0, 0, 97, 61}, 80, 50, ours, NULL), OC_OK);
    for (size_t i = 0; i < sizeof ours; i++) assert_true(abs(ours[i] - kept.pixels[i]) <= 1);
    oc_kept_free(&kept);
}

/* ---- The judge ---- */

typedef struct pictures {
    uint8_t *pixels[IMAGES];
    int64_t width[IMAGES], height[IMAGES];
} pictures;

static void read_pictures(pictures *p) {
    oc_decoder *decoder = NULL;
    assert_int_equal(oc_decoder_create(&decoder, NULL, NULL), OC_OK);
    for (size_t i = 0; i < IMAGES; i++) {
        char path[400], name[32], *data = NULL;
        size_t size = 0;
        oc_pixels pixels;
        snprintf(name, sizeof name, "image-%zu.png", i + 1);
        assert_int_equal(oc_file_read(&data, &size, inside(path, name), SIZE_MAX / 2, NULL), OC_OK);
        assert_int_equal(oc_decode(decoder, data, size, name, &pixels, NULL), OC_OK);
        p->width[i] = pixels.width;
        p->height[i] = pixels.height;
        p->pixels[i] = malloc((size_t)(pixels.width * pixels.height) * 3);
        assert_non_null(p->pixels[i]);
        memcpy(p->pixels[i], pixels.data, (size_t)(pixels.width * pixels.height) * 3);
        oc_free(data);
    }
    oc_decoder_destroy(&decoder);
}

/* The logits of the pictures, an image at a time. */
static void classify(float out[IMAGES][TEST_CLASSES], oc_model *model, const pictures *p) {
    oc_classifier *classifier = NULL;
    oc_error err = {0};
    if (oc_classifier_create(&classifier, model, NULL, &err) != OC_OK) fail_msg("%s", err.message);
    for (size_t i = 0; i < IMAGES; i++) {
        oc_classifier_item item = {.pixels = p->pixels[i], .width = p->width[i], .height = p->height[i]};
        oc_prediction best;
        assert_int_equal(oc_classifier_batch(classifier, &item, 1, &best, 1, &err), OC_OK);
        memcpy(out[i], oc_classifier_scores(classifier), sizeof out[i]);
    }
    oc_classifier_destroy(&classifier);
}

static bool is_there(const char *command) {
    char test[64];
    snprintf(test, sizeof test, "command -v %s >/dev/null 2>&1", command);
    return system(test) == 0;
}

/* Exit status of a shell command that names the test's folder as $F; its output in out[1024]. */
static int shell(const char *command, char out[1024]) {
    char line[2048];
    snprintf(line, sizeof line, "F=%s; %s", folder, command);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    out[fread(out, 1, 1023, pipe)] = '\0';
    const int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void judged(float logits[IMAGES][TEST_CLASSES], int expected, const char *says) {
    char path[400], out[1024];
    snprintf(path, sizeof path, "%s/logits.csv", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = IMAGES; i-- > 0;) { /* in another order than the certificate */
        fprintf(file, "somewhere/image-%zu.png", i + 1);
        for (size_t c = 0; c < TEST_CLASSES; c++) fprintf(file, ",%.9g", (double)logits[i][c]);
        fprintf(file, "\n");
    }
    fclose(file);
    const int status = shell("$F/check $F/logits.csv 2>&1", out);
    if (status != expected || !strstr(out, says)) fail_msg("not '%s' (%d), but (%d) %s", says, expected, status, out);
}

static void turn_channels(pictures *p) {
    for (size_t i = 0; i < IMAGES; i++)
        for (int64_t k = 0; k < p->width[i] * p->height[i]; k++) {
            const uint8_t red = p->pixels[i][3 * k];
            p->pixels[i][3 * k] = p->pixels[i][3 * k + 2];
            p->pixels[i][3 * k + 2] = red;
        }
}

/* Each image brought to the model's size by the pixel at the middle, after the crop that evaluation shows. */
static void nearest(pictures *p) {
    for (size_t i = 0; i < IMAGES; i++) {
        const int64_t side = oc_central_side(p->width[i], p->height[i], SIZE);
        uint8_t *small = malloc((size_t)SIZE * SIZE * 3);
        assert_non_null(small);
        for (int64_t y = 0; y < SIZE; y++)
            for (int64_t x = 0; x < SIZE; x++) {
                const int64_t row = (p->height[i] - side) / 2 + (2 * y + 1) * side / (2 * SIZE);
                const int64_t column = (p->width[i] - side) / 2 + (2 * x + 1) * side / (2 * SIZE);
                memcpy(small + 3 * (y * SIZE + x), p->pixels[i] + 3 * (row * p->width[i] + column), 3);
            }
        free(p->pixels[i]);
        p->pixels[i] = small;
        p->width[i] = p->height[i] = SIZE;
    }
}

static void set(float out[3], float a, float b, float c) {
    out[0] = a;
    out[1] = b;
    out[2] = c;
}

/* Weights with the ten bits of mantissa that float16 has. */
static void round_weights(oc_model *model) {
    const size_t count = test_arena_bytes(model) / sizeof(float);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &model->weights.arena[i], sizeof bits);
        bits = (bits + 0x1000U) & ~0x1fffU;
        memcpy(&model->weights.arena[i], &bits, sizeof bits);
    }
    model->weights.version++;
}

static void free_pictures(pictures *p) {
    for (size_t i = 0; i < IMAGES; i++) free(p->pixels[i]);
}

static void test_judge(void **state) {
    (void)state;
    char out[1024];
    float right[IMAGES][TEST_CLASSES], given[IMAGES][TEST_CLASSES];
    pictures p;
    if (!is_there("cc")) skip();
    oc_model *model = test_network(test_codes, SIZE, 3), *other = test_network(test_codes, SIZE, 3);
    certified(model, NULL);
    if (shell("cc -std=c99 -Wall -Wextra -Werror -pedantic -o $F/check $F/certificate/check.c 2>&1", out) != 0)
        fail_msg("%s", out);
    read_pictures(&p);
    classify(right, model, &p);
    judged(right, 0, "right: 8 images");
    /* 1. Blue, green, red. */
    turn_channels(&p);
    classify(given, model, &p);
    judged(given, 1, "blue, green, red");
    turn_channels(&p);
    /* 2. Values from 0 to 255. */
    for (int c = 0; c < 3; c++) {
        other->mean[c] = model->mean[c] / 255;
        other->std[c] = model->std[c] / 255;
    }
    classify(given, other, &p);
    judged(given, 1, "not divided by 255");
    /* 3. Other normalisations. */
    set(other->mean, 0.485F, 0.456F, 0.406F);
    set(other->std, 0.229F, 0.224F, 0.225F);
    classify(given, other, &p);
    judged(given, 1, "ImageNet's mean and std");
    set(other->mean, 0.5F, 0.5F, 0.5F);
    set(other->std, 0.5F, 0.5F, 0.5F);
    classify(given, other, &p);
    judged(given, 1, "mean 0.5 and std 0.5");
    set(other->mean, 0, 0, 0);
    set(other->std, 1, 1, 1);
    classify(given, other, &p);
    judged(given, 1, "no normalisation");
    memcpy(other->mean, model->mean, sizeof other->mean);
    memcpy(other->std, model->std, sizeof other->std);
    /* 5. Another way of making it square, in two steps as Ocelli does it. */
    other->image.fit = OC_FIT_SQUASH;
    classify(given, other, &p);
    judged(given, 1, "crop and squash are confused");
    other->image.fit = OC_FIT_CROP;
    /* 4. Another resize. */
    nearest(&p);
    classify(given, model, &p);
    judged(given, 1, "nearest pixel");
    /* 6. Another order. */
    for (size_t i = 0; i < IMAGES; i++)
        for (size_t c = 0; c < TEST_CLASSES; c++) given[i][c] = right[i][test_turn[c]];
    snprintf(out, sizeof out, "place 0 holds what is '%s' and should be '%s'", test_codes[test_turn[0]], test_codes[0]);
    judged(given, 1, out);
    /* 7. Rounded weights. */
    free_pictures(&p);
    read_pictures(&p);
    round_weights(other);
    classify(given, other, &p);
    judged(given, 1, "rounding");
    /* Others. */
    for (size_t i = 0; i < IMAGES; i++)
        for (size_t c = 0; c < TEST_CLASSES; c++) given[i][c] = 3 * right[i][(c + i) % TEST_CLASSES] + (float)i;
    judged(given, 1, "Unknown cause");
    for (size_t i = 0; i < IMAGES; i++)
        for (size_t c = 0; c < TEST_CLASSES; c++) given[i][c] = c == i % TEST_CLASSES;
    judged(given, 1, "probabilities");
    memcpy(given, right, sizeof given);
    given[7][1] += 0.01F * fabsf(given[7][1]) + 0.01F;
    judged(given, 1, "Images of the model's own size are right");
    given[7][1] = NAN;
    judged(given, 1, "no number");
    free_pictures(&p);
    oc_model_destroy(&other);
    oc_model_destroy(&model);
}

/* Mistakes in the CSV file, its header, and a function that is linked in. */
static void test_judge_reads(void **state) {
    (void)state;
    char path[400], out[1024];
    float right[IMAGES][TEST_CLASSES];
    if (!is_there("cc")) skip();
    static const char yours[] = "#include <stdio.h>\n"
                                "int classify(const char *path, float *logits);\n"
                                "int classify(const char *path, float *logits) {\n"
                                "    char name[4096];\n"
                                "    snprintf(name, sizeof name, \"%s.txt\", path);\n"
                                "    FILE *file = fopen(name, \"r\");\n"
                                "    int i = 0;\n"
                                "    while (file && i < 4 && fscanf(file, \"%f\", &logits[i]) == 1) i++;\n"
                                "    return i == 4 && fclose(file) == 0 ? 0 : 1;\n"
                                "}\n";
    /* Names that mean something to C and to CSV files. */
    const char *const codes[TEST_CLASSES] = {"plain", "with, comma", "with \"quotes\" and \\n\?\?/",
                                             "\xc3\xa9t\xc3\xa9"};
    oc_model *model = test_network(codes, SIZE, 4);
    certified(model, NULL);
    json_t *json = certificate();
    logits_of(right, json_object_get(json, "images"), "logits");
    json_decref(json);
    if (shell("cc -std=c99 -Wall -Wextra -Werror -o $F/check $F/certificate/check.c 2>&1", out) != 0)
        fail_msg("%s", out);
    assert_int_equal(shell("printf 'image-1.png,1,2,3\\n' >$F/a.csv; $F/check $F/a.csv 2>&1", out), 2);
    assert_non_null(strstr(out, "the line of image-1.png has not 4 numbers"));
    assert_int_equal(shell("printf 'image-1.png,1,2,3,4,5\\n' >$F/a.csv; $F/check $F/a.csv 2>&1", out), 2);
    assert_int_equal(shell("printf 'image-1.png,1,2,x,4\\n' >$F/a.csv; $F/check $F/a.csv 2>&1", out), 2);
    assert_int_equal(shell("printf 'image-1.png,1,2,3,4\\n' >$F/a.csv; $F/check $F/a.csv 2>&1", out), 2);
    assert_non_null(strstr(out, "no line begins with image-2.png"));
    assert_int_equal(shell("printf 'name,plain,b,c,d\\n' >$F/a.csv; $F/check $F/a.csv 2>&1", out), 2);
    assert_non_null(strstr(out, "does not name the 4 classes"));
    assert_int_equal(shell("$F/check $F/nowhere.csv 2>&1", out), 2);
    assert_int_equal(shell("$F/check 2>&1", out), 2);
    /* The header's order counts. */
    snprintf(path, sizeof path, "%s/logits.csv", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "\xef\xbb\xbfimage, \"with, comma\",\xc3\xa9t\xc3\xa9, plain ,\"with \"\"quotes\"\" and \\n\?\?/\"\r\n");
    for (size_t i = 0; i < IMAGES; i++)
        fprintf(file, "image-%zu.png,%.9g,%.9g, %.9g ,\"%.9g\"\r\n", i + 1, (double)right[i][1], (double)right[i][3],
                (double)right[i][0], (double)right[i][2]);
    fclose(file);
    if (shell("$F/check $F/logits.csv 2>&1", out) != 0) fail_msg("%s", out);
    /* A function. */
    snprintf(path, sizeof path, "%s/yours.c", folder);
    assert_int_equal(oc_file_write_atomic(path, yours, sizeof yours - 1, NULL), OC_OK);
    for (size_t i = 0; i < IMAGES; i++) {
        snprintf(path, sizeof path, "%s/image-%zu.png.txt", folder, i + 1);
        file = fopen(path, "w");
        assert_non_null(file);
        for (size_t c = 0; c < TEST_CLASSES; c++) fprintf(file, "%.9g\n", (double)right[i][c]);
        fclose(file);
    }
    if (shell("cc -DCLASSIFY -Wall -o $F/linked $F/certificate/check.c $F/yours.c 2>&1", out) != 0) fail_msg("%s", out);
    if (shell("$F/linked $F 2>&1", out) != 0) fail_msg("%s", out);
    assert_int_equal(shell("rm $F/image-3.png.txt; $F/linked $F 2>&1", out), 2);
    assert_non_null(strstr(out, "image-3.png"));
    oc_model_destroy(&model);
}

static int enter(void **state) {
    (void)state;
    test_temporary_create(folder, sizeof folder);
    snprintf(target, sizeof target, "%s/certificate", folder);
    return 0;
}

static int leave(void **state) {
    (void)state;
    test_temporary_remove(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_structure, enter, leave),
                                       cmocka_unit_test_setup_teardown(test_refusals, enter, leave),
                                       cmocka_unit_test(test_filters),
                                       cmocka_unit_test_setup_teardown(test_judge, enter, leave),
                                       cmocka_unit_test_setup_teardown(test_judge_reads, enter, leave)};
    return cmocka_run_group_tests_name("certificate", tests, NULL, NULL);
}
