/* What a report says of a run's best weights: every figure against the scores themselves, the images against those of
 * the data set, and when an evaluation that was kept is taken. */
#define _GNU_SOURCE 1
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "eval/scores.h"
#include "models/model.h"
#include "ocelli/data.h"
#include "ocelli/models.h"
#include "ocelli/recipe.h"
#include "report/report.h"
#include "support/bytes.h"
#include "support/file.h"
#include "support/images.h"
#include "support/reports.h"
#include "support/temporary.h"

#define CLASSES 8
#define PER_CLASS 40 /* and a fifth as many validation images */
#define IMAGES (CLASSES * PER_CLASS / 5)
#define SMOOTHING 0.1

static test_world world;
static char run_folder[320];

static int create_world(void **state) {
    (void)state;
    oc_error error = {0};
    const oc_demo_options options = {.classes = CLASSES, .per_class = PER_CLASS, .seed = 5, .threads = 2};
    test_temporary_create(world.folder, sizeof world.folder);
    snprintf(world.data, sizeof world.data, "%s/data", world.folder);
    snprintf(world.cache, sizeof world.cache, "%s/cache", world.folder);
    test_require(oc_data_demo(world.data, &options, &error), OC_OK, &error);
    test_require(oc_dataset_open(&world.dataset, world.data, NULL, &error), OC_OK, &error);
    test_require(test_run(&world, "run", "train.epochs=1 loss.label_smoothing=0.1", NULL, &error), OC_OK, &error);
    test_world_path(&world, "run", run_folder);
    return 0;
}

static int destroy_world(void **state) {
    (void)state;
    test_world_destroy(&world);
    return 0;
}

static char *file_of(const char *name) {
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", run_folder, name);
    return path;
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

/* ---- Figures ----------------------------------------------------------------------------------------------------- */

/* What is known of each image, the long way. */
typedef struct seen {
    int64_t row;
    int label, guess;
    double sure, right; /* probability of the guess and of the label */
} seen;

static seen look(const oc_scores *s, int64_t row) {
    const float *logits = s->logits + row * s->classes;
    seen one = {.row = row, .label = s->label[row]};
    double sum = 0;
    for (int c = 0; c < s->classes; c++) {
        if (logits[c] > logits[one.guess]) one.guess = c;
        sum += exp((double)logits[c]);
    }
    one.sure = exp((double)logits[one.guess]) / sum;
    one.right = one.label < 0 ? 0 : exp((double)logits[one.label]) / sum;
    return one;
}

static int surest_first(const void *a, const void *b) {
    const seen *x = a, *y = b;
    if (x->sure != y->sure) return x->sure > y->sure ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

static void same_example(const json_t *example, const seen *one, const char *name) {
    const char *slash = strrchr(name, '/');
    assert_string_equal(test_text(example, "name"), slash ? slash + 1 : name);
    assert_int_equal(test_integer(example, "true"), one->label);
    assert_int_equal(test_integer(example, "guess"), one->guess);
    assert_float_equal(test_real(example, "probability"), one->sure, 1e-7);
    assert_float_equal(test_real(example, "probability_true"), one->right, 1e-7);
    assert_int_not_equal(one->label, one->guess);
}

/* All that the evaluation counts, against its scores. */
static void check_counts(const json_t *e, const oc_scores *s) {
    const int n = (int)s->classes;
    int64_t *confusion = calloc((size_t)n * (size_t)n, sizeof *confusion);
    int64_t bins[15] = {0}, hits[15] = {0};
    double sure[15] = {0};
    seen *wrong = calloc((size_t)s->images, sizeof *wrong);
    int wrongs = 0;
    for (int64_t i = 0; i < s->images; i++) {
        const seen one = look(s, i);
        if (one.label < 0) continue;
        confusion[one.label * n + one.guess]++;
        if (one.label != one.guess) wrong[wrongs++] = one;
        for (int b = 0; b < 15; b++) {
            if (!(one.sure > b / 15.0 && one.sure <= (b + 1) / 15.0)) continue;
            bins[b]++;
            hits[b] += one.label == one.guess;
            sure[b] += one.sure;
        }
    }
    qsort(wrong, (size_t)wrongs, sizeof *wrong, surest_first);

    size_t entry = 0;
    bool seen_class[64] = {0};
    for (int a = 0; a < n; a++) {
        int64_t count = 0;
        for (int b = 0; b < n; b++) {
            count += confusion[a * n + b];
            if (confusion[a * n + b] == 0) continue;
            const json_t *cell = json_array_get(test_at(e, "confusion"), entry++);
            assert_int_equal(test_integer(cell, "0"), a);
            assert_int_equal(test_integer(cell, "1"), b);
            assert_int_equal(test_integer(cell, "2"), confusion[a * n + b]);
        }
        assert_int_equal(json_integer_value(json_array_get(test_at(e, "count"), (size_t)a)), count);
        assert_int_equal(json_integer_value(json_array_get(test_at(e, "right"), (size_t)a)), confusion[a * n + a]);
        const json_int_t place = json_integer_value(json_array_get(test_at(e, "order"), (size_t)a));
        assert_in_range(place, 0, n - 1);
        assert_false(seen_class[place]);
        seen_class[place] = true;
    }
    assert_int_equal(json_array_size(test_at(e, "confusion")), entry);
    assert_int_equal(json_array_size(test_at(e, "order")), n);

    assert_int_equal(json_array_size(test_at(e, "reliability")), 15);
    for (size_t b = 0; b < 15; b++) {
        const json_t *bin = json_array_get(test_at(e, "reliability"), b);
        assert_float_equal(test_real(bin, "low"), (double)b / 15, 1e-8);
        assert_float_equal(test_real(bin, "high"), (double)(b + 1) / 15, 1e-8);
        assert_int_equal(test_integer(bin, "images"), bins[b]);
        if (bins[b] == 0) {
            assert_true(test_null(bin, "confidence") && test_null(bin, "accuracy"));
            continue;
        }
        assert_float_equal(test_real(bin, "confidence"), sure[b] / (double)bins[b], 1e-7);
        assert_float_equal(test_real(bin, "accuracy"), (double)hits[b] / (double)bins[b], 1e-8);
    }

    const size_t shown = wrongs < 24 ? (size_t)wrongs : 24;
    assert_int_equal(json_array_size(test_at(e, "wrong")), shown);
    for (size_t i = 0; i < shown; i++)
        same_example(json_array_get(test_at(e, "wrong"), i), &wrong[i], s->names.item[wrong[i].row]);

    /* The pairs: take the largest that is left, ten times; of equals the first. */
    size_t pair = 0;
    for (; pair < 10; pair++) {
        int a = -1, b = -1;
        int64_t most = 0;
        for (int x = 0; x < n; x++)
            for (int y = x + 1; y < n; y++)
                if (confusion[x * n + y] + confusion[y * n + x] > most) {
                    most = confusion[x * n + y] + confusion[y * n + x];
                    a = x;
                    b = y;
                }
        if (a < 0) break;
        const json_t *p = json_array_get(test_at(e, "pairs"), pair);
        assert_int_equal(test_integer(p, "a"), a);
        assert_int_equal(test_integer(p, "b"), b);
        assert_int_equal(test_integer(p, "images"), most);
        assert_int_equal(test_integer(p, "a_as_b"), confusion[a * n + b]);
        assert_int_equal(test_integer(p, "b_as_a"), confusion[b * n + a]);
        size_t examples = 0;
        for (int i = 0; i < wrongs && examples < 4; i++) {
            if (!(wrong[i].label == a && wrong[i].guess == b) && !(wrong[i].label == b && wrong[i].guess == a))
                continue;
            same_example(json_array_get(test_at(p, "examples"), examples++), &wrong[i], s->names.item[wrong[i].row]);
        }
        assert_int_equal(json_array_size(test_at(p, "examples")), examples);
        confusion[a * n + b] = confusion[b * n + a] = 0;
    }
    assert_int_equal(json_array_size(test_at(e, "pairs")), pair);
    free(confusion);
    free(wrong);
}

/* A report on the run, computed or kept; what is evaluated is what oc_evaluate and the scores say. */
static void test_figures(void **state) {
    (void)state;
    oc_error error = {0};
    oc_model *model = NULL;
    oc_evaluation whole;
    oc_scores scores = {0};
    int64_t confusion[CLASSES * CLASSES];
    assert_false(exists(file_of("evaluation.json")));
    json_t *report = test_report_of(&world, run_folder), *run = test_report_run(report, 0),
           *e = test_at(run, "evaluation");
    assert_true(test_null(run, "evaluation_missing"));
    assert_true(exists(file_of("evaluation.json")));

    test_require(oc_model_open(&model, file_of("best.safetensors"), NULL, NULL, 0, 0, NULL, &error), OC_OK, &error);
    oc_eval_options options = {
        .threads = 2, .cache = world.cache, .smoothing = SMOOTHING, .precision = "auto", .confusion = confusion};
    test_require(oc_evaluate(&whole, model, world.dataset, &options, &error), OC_OK, &error);
    test_require(oc_scores_compute(&scores, model, world.dataset, &options, &error), OC_OK, &error);
    assert_int_equal(test_integer(e, "images"), IMAGES);
    assert_int_equal(whole.images, IMAGES);
    assert_float_equal(test_real(e, "top1"), whole.top1, 1e-9);
    assert_float_equal(test_real(e, "top1_low"), whole.top1_low, 1e-8);
    assert_float_equal(test_real(e, "top1_high"), whole.top1_high, 1e-8);
    assert_float_equal(test_real(e, "top5"), whole.top5, 1e-8);
    assert_float_equal(test_real(e, "loss"), whole.loss, 1e-8);
    assert_float_equal(test_real(e, "calibration_error"), whole.calibration_error, 1e-8);
    double low, high;
    test_interval(whole.top1 * (double)whole.images, (double)whole.images, &low, &high);
    assert_float_equal(test_real(e, "top1_low"), low, 1e-8);
    assert_float_equal(test_real(e, "top1_high"), high, 1e-8);
    for (int a = 0; a < CLASSES; a++)
        for (int b = 0; b < CLASSES; b++) {
            int64_t images = 0;
            size_t i;
            json_t *cell;
            json_array_foreach(test_at(e, "confusion"), i,
                               cell) if (test_integer(cell, "0") == a && test_integer(cell, "1") == b) images =
                test_integer(cell, "2");
            assert_int_equal(images, confusion[a * CLASSES + b]);
        }
    check_counts(e, &scores);
    /* They are the weights of the best validation of the run. */
    assert_float_equal(test_real(e, "top1"), test_real(run, "best/top1"), 1e-8);
    assert_float_equal(test_real(e, "loss"), test_real(run, "best/loss"), 1e-5);
    for (size_t c = 0; c < CLASSES; c++) {
        const char *code = json_string_value(json_array_get(test_at(e, "classes"), c));
        assert_string_equal(code, oc_model_class(model, c));
        assert_string_equal(json_string_value(json_array_get(test_at(e, "class_names"), c)),
                            oc_dataset_class_name(world.dataset, code));
    }
    assert_true(json_array_size(test_at(e, "wrong")) == 24 && json_array_size(test_at(e, "pairs")) == 10);
    oc_scores_free(&scores);
    oc_model_destroy(&model);
    json_decref(report);
}

/* ---- Images ------------------------------------------------------------------------------------------------------ */

static int digit_of(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digits, c);
    if (!c || !at) fail_msg("%d is no digit of base64", c);
    return (int)(at - digits);
}

/* The file within a data URI. */
static test_file file_within(const char *uri) {
    static const char begin[] = "data:image/jpeg;base64,";
    assert_int_equal(strncmp(uri, begin, sizeof begin - 1), 0);
    const char *text = uri + sizeof begin - 1;
    const size_t length = strlen(text);
    assert_true(length > 0 && length % 4 == 0);
    test_file file = {malloc(length), 0};
    for (size_t i = 0; i < length; i += 4) {
        const bool two = text[i + 3] != '=', one = text[i + 2] != '=';
        const int group = digit_of(text[i]) << 18 | digit_of(text[i + 1]) << 12 |
                          (one ? digit_of(text[i + 2]) << 6 : 0) | (two ? digit_of(text[i + 3]) : 0);
        file.data[file.size++] = (unsigned char)(group >> 16);
        if (one) file.data[file.size++] = (unsigned char)(group >> 8 & 255);
        if (two) file.data[file.size++] = (unsigned char)(group & 255);
    }
    return file;
}

/* What is inlined is the image of that name, as well as a JPEG shows it. */
static void check_image(const json_t *example, const oc_pack *pack, double tolerance) {
    oc_image original = {0};
    for (int64_t i = 0; i < oc_pack_count(pack); i++) {
        const oc_image image = oc_pack_image(pack, i);
        const char *slash = strrchr(image.name, '/');
        if (strcmp(slash ? slash + 1 : image.name, test_text(example, "name")) == 0) original = image;
    }
    assert_non_null(original.pixels);
    assert_int_equal(test_integer(example, "width"), original.width);
    assert_int_equal(test_integer(example, "height"), original.height);
    oc_pixels image;
    test_file file = file_within(test_text(example, "image"));
    uint8_t *pixels = test_file_pixels(&file, NULL, &image);
    assert_int_equal(image.width, original.width);
    assert_int_equal(image.height, original.height);
    const int size = original.width * original.height * 3;
    double apart = 0;
    for (int i = 0; i < size; i++) apart += abs(pixels[i] - original.pixels[i]);
    if (apart / size > tolerance) fail_msg("%s is %.1f away", original.name, apart / size);
    free(pixels);
    free(file.data);
}

static void test_images(void **state) {
    (void)state;
    oc_error error = {0};
    oc_pack *pack = NULL;
    json_t *report = test_report_of(&world, run_folder), *e = test_at(test_report_run(report, 0), "evaluation"), *one,
           *pair;
    size_t i, j, images = 0;
    test_require(
        oc_pack_open(&pack, world.dataset, "val", &(oc_pack_options){.size = 32, .cache = world.cache}, &error), OC_OK,
        &error);
    json_array_foreach(test_at(e, "wrong"), i, one) {
        check_image(one, pack, 12);
        images++;
    }
    json_array_foreach(test_at(e, "pairs"), i, pair) json_array_foreach(test_at(pair, "examples"), j, one) {
        check_image(one, pack, 12);
        images++;
    }
    assert_true(images >= 34);
    oc_pack_destroy(&pack);
    json_decref(report);
}

/* Writes an image of noise, of which no JPEG is small, as a BMP. */
static void noise_write(const char *path, int side, unsigned seed) {
    const size_t size = 54 + (size_t)(side * side * 3);
    unsigned char *file = calloc(size, 1);
    static const unsigned char header[] = {'B', 'M', 0, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40};
    memcpy(file, header, sizeof header);
    for (int i = 0; i < 2; i++) {
        file[18 + 4 * i] = (unsigned char)(side & 255);
        file[19 + 4 * i] = (unsigned char)(side >> 8);
    }
    file[26] = 1;
    file[28] = 24;
    for (size_t i = 54; i < size; i++) {
        seed = seed * 1664525 + 1013904223;
        file[i] = (unsigned char)(seed >> 24);
    }
    for (int i = 0; i < 4; i++) file[2 + i] = (unsigned char)(size >> (8 * i) & 255);
    test_text_write(path, ""); /* makes the folders */
    test_bytes_write(path, file, size);
    free(file);
}

/* Of scores that are given: unlabelled rows, rows that are no numbers, classes in the model's order, and images that
 * are too many to inline. */
static void test_given_scores(void **state) {
    (void)state;
    enum { N = 4, EACH = 12, ALL = N * EACH };
    static const char *const codes[N] = {"a", "b", "c", "d"};
    char root[300], path[400];
    oc_error error = {0};
    oc_dataset *dataset = NULL;
    oc_pack *pack = NULL;
    snprintf(root, sizeof root, "%.255s/noise", world.folder);
    for (int c = 0; c < N; c++)
        for (int i = -1; i < EACH; i++) {
            snprintf(path, sizeof path, "%s/%s/%s/%s%02d.bmp", root, i < 0 ? "train" : "val", codes[c], codes[c],
                     i + 1);
            noise_write(path, 256, (unsigned)(c * EACH + i + 2));
        }
    test_require(oc_dataset_open(&dataset, root, NULL, &error), OC_OK, &error);
    test_require(oc_pack_open(&pack, dataset, "val", &(oc_pack_options){.size = 224, .cache = world.cache}, &error),
                 OC_OK, &error);
    assert_int_equal(oc_pack_count(pack), ALL);

    oc_names classes = {0};
    for (int c = N - 1; c >= 0; c--) test_require(oc_names_add(&classes, codes[c], &error), OC_OK, &error);
    float logits[ALL * N] = {0};
    int32_t label[ALL];
    oc_scores scores = {.images = ALL, .classes = N, .logits = logits, .label = label};
    for (int i = 0; i < ALL; i++) {
        const int c = oc_pack_image(pack, i).label;
        label[i] = i % 7 == 6 ? -1 : N - 1 - c;
        logits[i * N + (i * 5 + i / 3) % N] = 1 + (float)(i % 11) + (float)i / 1000;
        test_require(oc_names_add(&scores.names, oc_pack_image(pack, i).name, &error), OC_OK, &error);
    }
    const oc_figures_source source = {
        .scores = &scores, .classes = &classes, .dataset = dataset, .pack = pack, .smoothing = 0.05};
    json_t *e = NULL, *again = NULL, *one;
    test_require(oc_figures_json(&e, &source, &error), OC_OK, &error);
    test_require(oc_figures_json(&again, &source, &error), OC_OK, &error);
    assert_true(json_equal(e, again));
    check_counts(e, &scores);
    assert_int_equal(test_integer(e, "images"), ALL); /* also those without a label */
    assert_string_equal(test_text(e, "classes/0"), "d");
    assert_string_equal(test_text(e, "class_names/0"), "d"); /* there are no words */

    size_t bytes = 0, inlined = 0, nulls = 0, i, j;
    json_t *lists[11], *pair;
    size_t count = 0;
    json_array_foreach(test_at(e, "pairs"), i, pair) lists[count++] = test_at(pair, "examples");
    lists[count++] = test_at(e, "wrong");
    for (j = 0; j < count; j++) json_array_foreach(lists[j], i, one) {
            const bool none = test_null(one, "image");
            nulls += none;
            inlined += !none;
            if (!none) bytes += json_string_length(test_at(one, "image"));
            if (!none && inlined <= 2) check_image(one, pack, 60); /* their colours are halved; another is 85 away */
            assert_int_equal(test_integer(one, "width"), 256);
        }
    print_message("%zu bytes of %zu images inlined, %zu left out\n", bytes, inlined, nulls);
    assert_true(inlined >= 2 && nulls > 0);
    assert_true(bytes <= 600 * 1024 && bytes > 300 * 1024);
    json_decref(again);
    json_decref(e);

    /* Scores that are no numbers, and no image with a label. */
    logits[2 * N] = NAN;
    logits[9 * N + 1] = INFINITY;
    test_require(oc_figures_json(&e, &source, &error), OC_OK, &error);
    assert_true(test_null(e, "calibration_error"));
    char *text = NULL;
    test_require(oc_json_figures(&text, e, &error), OC_OK, &error);
    oc_report_free(text);
    json_decref(e);
    for (int k = 0; k < ALL; k++) label[k] = -1;
    test_require(oc_figures_json(&e, &source, &error), OC_OK, &error);
    assert_true(test_null(e, "top1") && test_null(e, "loss") && test_null(e, "top1_low"));
    assert_int_equal(json_array_size(test_at(e, "pairs")) + json_array_size(test_at(e, "wrong")) +
                         json_array_size(test_at(e, "confusion")),
                     0);
    json_decref(e);
    oc_names_free(&classes);
    oc_names_free(&scores.names);
    oc_pack_destroy(&pack);
    oc_dataset_destroy(&dataset);
}

/* ---- Keeping ----------------------------------------------------------------------------------------------------- */

/* Puts a figure into the evaluation that is kept, which no computing would give. */
static void mark(double top1) {
    json_t *kept = test_json_read(file_of("evaluation.json"));
    json_object_set_new(test_at(kept, "evaluation"), "top1", json_real(top1));
    test_json_write(file_of("evaluation.json"), kept);
    json_decref(kept);
}

/* Top-1 as a report has it, on another data set or as it was. */
static double top1_of(const oc_report_options *options) {
    const char *const path = run_folder;
    oc_report_options with = {.threads = 2, .cache = world.cache};
    if (options) {
        with = *options;
        with.cache = world.cache;
        with.threads = 2;
    }
    json_t *report = test_report(&path, 1, &with);
    const json_t *e = test_at(test_report_run(report, 0), "evaluation");
    const double top1 = json_is_null(e) ? -1 : test_real(e, "top1");
    json_decref(report);
    return top1;
}

static void test_kept(void **state) {
    (void)state;
    char link[400], other[400], text[800];
    const double top1 = top1_of(NULL);
    assert_true(top1 >= 0 && top1 < 1);
    mark(0.987654321);
    assert_float_equal(top1_of(NULL), 0.987654321, 1e-12); /* taken as it is */
    assert_float_equal(top1_of(&(oc_report_options){.stored = true}), 0.987654321, 1e-12);
    /* The data set may be named by another path. */
    assert_float_equal(top1_of(&(oc_report_options){.data = world.data}), 0.987654321, 1e-12);
    snprintf(link, sizeof link, "%s/linked", world.folder);
    assert_int_equal(symlink(world.data, link), 0);
    assert_float_equal(top1_of(&(oc_report_options){.data = link}), 0.987654321, 1e-12);
    /* Another one: computed, and then kept for this one. */
    snprintf(other, sizeof other, "%s/other", world.folder);
    snprintf(text, sizeof text, "cp -r %s %s", world.data, other);
    assert_int_equal(system(text), 0);
    assert_float_equal(top1_of(&(oc_report_options){.data = other}), top1, 1e-8);
    json_t *kept = test_json_read(file_of("evaluation.json"));
    assert_string_equal(test_text(kept, "data"), other);
    json_decref(kept);
    assert_float_equal(top1_of(NULL), top1, 1e-8);

    /* Of another form, of other weights, of nothing that is one. */
    mark(0.987654321);
    kept = test_json_read(file_of("evaluation.json"));
    json_object_set_new(kept, "form", json_integer(test_integer(kept, "form") + 1));
    test_json_write(file_of("evaluation.json"), kept);
    json_decref(kept);
    assert_float_equal(top1_of(&(oc_report_options){.stored = true}), -1, 0);
    assert_float_equal(top1_of(NULL), top1, 1e-8);
    mark(0.987654321);
    kept = test_json_read(file_of("evaluation.json"));
    json_object_set_new(kept, "weights", json_string("0123456789abcdef"));
    test_json_write(file_of("evaluation.json"), kept);
    json_decref(kept);
    assert_float_equal(top1_of(NULL), top1, 1e-8);
    static const char *const wrong[] = {"7", "null", "[]", "\"yes\""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        kept = test_json_read(file_of("evaluation.json"));
        json_object_set_new(kept, "evaluation", json_loads(wrong[i], JSON_DECODE_ANY, NULL));
        test_json_write(file_of("evaluation.json"), kept);
        json_decref(kept);
        assert_float_equal(top1_of(NULL), top1, 1e-8);
    }
    test_bytes_write(file_of("evaluation.json"), "{\"form\": 1", 10);
    assert_float_equal(top1_of(NULL), top1, 1e-8);

    /* When the weights have become others, which the very same name hides. */
    mark(0.987654321);
    size_t size;
    unsigned char *weights = test_bytes_read(file_of("best.safetensors"), &size);
    test_bytes_change(file_of("best.safetensors"), size - 3, 1);
    assert_true(top1_of(&(oc_report_options){.stored = true}) < 0);
    test_bytes_write(file_of("best.safetensors"), weights, size);
    free(weights);
    assert_float_equal(top1_of(NULL), 0.987654321, 1e-12);
    assert_int_equal(remove(file_of("evaluation.json")), 0);
}

typedef struct heard {
    char text[2000];
} heard;

static void on_log(void *user, oc_log_level level, const char *line) {
    heard *h = user;
    if (level == OC_LOG_WARN) snprintf(h->text + strlen(h->text), sizeof h->text - strlen(h->text), "%s\n", line);
}

/* A folder in which nothing can be kept is no reason against a report. */
static void test_not_kept(void **state) {
    (void)state;
    heard h = {0};
    (void)remove(file_of("evaluation.json"));
    assert_int_equal(mkdir(file_of("evaluation.json"), 0777), 0);
    assert_true(top1_of(&(oc_report_options){.log = {on_log, &h}}) >= 0);
    assert_non_null(strstr(h.text, "the evaluation is not kept"));
    assert_non_null(strstr(h.text, "evaluation.json"));
    assert_int_equal(rmdir(file_of("evaluation.json")), 0);
}

/* A caller that wants to stop. */
static bool refuse(void *user, const char *what, int64_t done, int64_t total) {
    (void)user, (void)what, (void)done, (void)total;
    return false;
}

/* The reason why there is no evaluation, which has the texts in it (NULL: none more). */
static void check_missing(const oc_report_options *options, const char *says, const char *names) {
    const char *const path = run_folder;
    heard h = {0};
    oc_report_options with = *options;
    with.cache = world.cache;
    with.threads = 2;
    with.log = (oc_log){on_log, &h};
    json_t *report = test_report(&path, 1, &with), *run = test_report_run(report, 0);
    assert_true(test_null(run, "evaluation"));
    const char *why = test_text(run, "evaluation_missing");
    if (!strstr(why, says)) fail_msg("\"%s\" does not say \"%s\"", why, says);
    if (names && !strstr(h.text, names)) fail_msg("\"%s\" does not name \"%s\"", h.text, names);
    json_decref(report);
    assert_false(exists(file_of("evaluation.json")));
}

static void test_missing(void **state) {
    (void)state;
    char aside[400], other[400];
    oc_error error = {0};
    const char *const path = run_folder;
    const oc_report_options none = {0};
    (void)remove(file_of("evaluation.json"));
    check_missing(&(oc_report_options){.stored = true}, "have not been evaluated yet", NULL);

    /* The data set is gone, or is another one with classes that the model does not know. */
    snprintf(aside, sizeof aside, "%s/aside", world.folder);
    assert_int_equal(rename(world.data, aside), 0);
    check_missing(&none, "there is no such folder", world.data);
    assert_true(top1_of(&(oc_report_options){.data = aside}) >= 0);
    assert_int_equal(remove(file_of("evaluation.json")), 0);
    assert_int_equal(rename(aside, world.data), 0);
    snprintf(other, sizeof other, "%s/unlike", world.folder);
    test_require(oc_data_demo(other, &(oc_demo_options){.classes = CLASSES + 1, .per_class = 4, .threads = 2}, &error),
                 OC_OK, &error);
    check_missing(&(oc_report_options){.data = other}, "n90000009", NULL);

    /* Nobody knows which it was. */
    assert_int_equal(rename(file_of("run.json"), aside), 0);
    check_missing(&none, "--data", NULL);
    assert_true(top1_of(&(oc_report_options){.data = world.data}) >= 0);
    assert_int_equal(remove(file_of("evaluation.json")), 0);
    assert_int_equal(rename(aside, file_of("run.json")), 0);

    /* Weights that are none, or none at all. */
    size_t size;
    unsigned char *weights = test_bytes_read(file_of("best.safetensors"), &size);
    for (size_t at = 0; at < size; at += size / 7 + 1) {
        test_bytes_write(file_of("best.safetensors"), weights, at);
        check_missing(&none, "", "best.safetensors");
    }
    assert_int_equal(remove(file_of("best.safetensors")), 0);
    check_missing(&none, "no best weights yet", NULL);
    test_bytes_write(file_of("best.safetensors"), weights, size);
    free(weights);

    /* Stopped: no report, and nothing kept. */
    char *json = NULL;
    const oc_report_options stopped = {.threads = 2, .cache = world.cache, .progress = {refuse, NULL}};
    assert_int_equal(oc_report_json(&json, &path, 1, &stopped, &error), OC_E_STOPPED);
    assert_null(json);
    assert_false(exists(file_of("evaluation.json")));
    snprintf(other, sizeof other, "%s/stopped.html", world.folder);
    assert_int_equal(oc_report_write(other, &path, 1, &stopped, &error), OC_E_STOPPED);
    assert_false(exists(other));
}

/* A run that held images out, or validates on its test images, is evaluated on those. */
static void test_other_splits(void **state) {
    (void)state;
    char command[2000], data[400], out[320];
    oc_error error = {0};
    oc_dataset *dataset = NULL;
    snprintf(data, sizeof data, "%s/one-level", world.folder);
    snprintf(
        command, sizeof command,
        "mkdir %s && for c in %s/train/*; do mkdir -p %s/$(basename $c) && cp $c/images/*_?.JPEG %s/$(basename $c); "
        "done",
        data, world.data, data, data);
    assert_int_equal(system(command), 0);
    test_require(oc_dataset_open(&dataset, data, &(oc_dataset_options){.holdout = 0.3}, &error), OC_OK, &error);
    oc_recipe *recipe = test_recipe_create("train.epochs=1 data.holdout=0.3");
    oc_train_options options = test_train_options(&world, test_world_path(&world, "held", out));
    oc_trainer *trainer = NULL;
    test_require(oc_trainer_create(&trainer, dataset, recipe, &options, &error), OC_OK, &error);
    test_require(oc_trainer_run(trainer, &error), OC_OK, &error);
    oc_trainer_destroy(&trainer);
    oc_recipe_destroy(&recipe);
    oc_dataset_destroy(&dataset);
    json_t *report = test_report_of(&world, out), *run = test_report_run(report, 0);
    if (test_null(run, "evaluation")) fail_msg("%s", test_text(run, "evaluation_missing"));
    assert_float_equal(test_real(run, "data/holdout"), 0.3, 1e-12);
    assert_int_equal(test_integer(run, "evaluation/images"), test_integer(run, "data/val"));
    assert_true(test_integer(run, "data/val") > 10 && test_integer(run, "data/val") < 40);
    assert_float_equal(test_real(run, "evaluation/top1"), test_real(run, "best/top1"), 1e-8);
    json_decref(report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),      cmocka_unit_test(test_images),   cmocka_unit_test(test_given_scores),
        cmocka_unit_test(test_kept),         cmocka_unit_test(test_not_kept), cmocka_unit_test(test_missing),
        cmocka_unit_test(test_other_splits),
    };
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
