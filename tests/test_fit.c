/* label: quick */
/* How images become square: what is kept of them, what a batch shows, and that evaluation and classification see the
 * same. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "data/batch.h"
#include "data/dataset.h"
#include "data/kept.h"
#include "eval/scores.h"
#include "models/model.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/run.h"
#include "support/temporary.h"

#define SIZE 16

static oc_error error;

/* ---- what is kept ---- */

static const uint8_t red[3] = {200, 10, 20}, blue[3] = {30, 40, 220}, ground[3] = {1, 128, 254};

/* An image whose left (or, where it is higher than wide, upper) half is red and the other blue. */
static uint8_t *halves(int64_t width, int64_t height) {
    uint8_t *pixels = malloc((size_t)(width * height) * 3);
    assert_non_null(pixels);
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            memcpy(pixels + 3 * (y * width + x), (width >= height ? 2 * x < width : 2 * y < height) ? red : blue, 3);
    return pixels;
}

static void is_colour(const oc_kept *kept, int64_t x, int64_t y, const uint8_t colour[3]) {
    const uint8_t *p = kept->pixels + 3 * (y * kept->width + x);
    for (int c = 0; c < 3; c++)
        if (abs(p[c] - colour[c]) > 1)
            fail_msg("(%d, %d) of %dx%d is %d,%d,%d, not %d,%d,%d", (int)x, (int)y, kept->width, kept->height, p[0],
                     p[1], p[2], colour[0], colour[1], colour[2]);
}

static void test_kept(void **state) {
    (void)state;
    static const struct {
        oc_fit fit;
        int64_t size, width, height; /* of the input, of the image */
        int64_t kept_width, kept_height;
        int64_t inner_width, inner_height; /* of the image in it */
    } cases[] = {
        {OC_FIT_CROP, 16, 40, 20, 40, 20, 40, 20},      {OC_FIT_CROP, 16, 80, 40, 40, 20, 40, 20},
        {OC_FIT_SQUASH, 16, 40, 20, 20, 20, 20, 20},    {OC_FIT_SQUASH, 16, 20, 40, 20, 20, 20, 20},
        {OC_FIT_SQUASH, 64, 40, 20, 40, 40, 40, 40},    {OC_FIT_SQUASH, 64, 64, 64, 64, 64, 64, 64},
        {OC_FIT_LETTERBOX, 16, 40, 20, 20, 20, 20, 10}, {OC_FIT_LETTERBOX, 16, 20, 40, 20, 20, 10, 20},
        {OC_FIT_LETTERBOX, 64, 40, 20, 40, 40, 40, 20}, {OC_FIT_LETTERBOX, 64, 20, 41, 41, 41, 20, 41},
        {OC_FIT_LETTERBOX, 64, 64, 64, 64, 64, 64, 64}, {OC_FIT_LETTERBOX, 16, 300, 2, 20, 20, 20, 1},
        {OC_FIT_LETTERBOX, 16, 2, 3000, 20, 20, 1, 20},
    };
    oc_kept kept = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int64_t w = cases[i].width, h = cases[i].height;
        uint8_t *data = halves(w, h);
        const oc_pixels pixels = {.data = data, .width = w, .height = h};
        oc_image_options options = {.fit = cases[i].fit};
        memcpy(options.background, ground, sizeof ground);
        test_require(oc_kept_fill(&kept, &pixels, cases[i].size, &options, &error), OC_OK, &error);
        assert_int_equal(kept.width, cases[i].kept_width);
        assert_int_equal(kept.height, cases[i].kept_height);
        const int64_t iw = cases[i].inner_width, ih = cases[i].inner_height;
        const int64_t left = (kept.width - iw) / 2, top = (kept.height - ih) / 2;
        is_colour(&kept, left, top, red);
        is_colour(&kept, left + iw - 1, top + ih - 1, blue);
        if (w >= h && iw > 1) is_colour(&kept, left, top + ih - 1, red);
        if (left > 0) is_colour(&kept, left - 1, kept.height / 2, ground);
        if (left + iw < kept.width) is_colour(&kept, left + iw, kept.height / 2, ground);
        if (top > 0) is_colour(&kept, kept.width / 2, top - 1, ground);
        if (top + ih < kept.height) is_colour(&kept, kept.width / 2, top + ih, ground);
        if (iw == w && ih == h) /* nothing is scaled: the same bytes */
            for (int64_t y = 0; y < h; y++)
                assert_memory_equal(kept.pixels + 3 * ((top + y) * kept.width + left), data + 3 * y * w, (size_t)w * 3);
        free(data);
    }
    oc_kept_free(&kept);
}

static char logged[2000];

static void on_log(void *user, oc_log_level level, const char *line) {
    (void)user;
    if (level == OC_LOG_WARN) snprintf(logged, sizeof logged, "%s", line);
}

static void test_cropped(void **state) {
    (void)state;
    static const struct {
        int64_t width, height, size;
        double share;
        bool warns;
    } cases[] = {
        {30, 30, 64, 0, false},
        {30, 40, 64, 0.25, false},
        {40, 30, 64, 0.25, false},
        {64, 64, 64, 0, false},
        {64, 70, 64, 6.0 / 70, false},
        {20, 60, 64, 2.0 / 3, true},
        {200, 200, 32, 0.36, false},           /* it is a square */
        {640, 480, 32, 1 - 0.64 * 0.75, true}, /* 1.25 · 32 = 40 high and 53 wide, of which 32 × 32 is shown */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        oc_cropped cropped = {0};
        for (int k = 0; k < 3; k++) oc_cropped_add(&cropped, cases[i].width, cases[i].height, cases[i].size);
        assert_float_equal(oc_cropped_share(&cropped), cases[i].share, 0.005);
        logged[0] = '\0';
        oc_cropped_warn(&cropped, "val", &(oc_log){on_log, NULL});
        assert_true((logged[0] != '\0') == cases[i].warns);
    }
    assert_non_null(strstr(logged, "middle of each image of val alone, on average nothing of 52 %"));
    assert_non_null(strstr(logged, "data.fit=squash or letterbox"));
    assert_true(oc_cropped_share(&(oc_cropped){0}) == 0);
}

/* ---- batches, evaluation, classification ---- */

static char folder[256];

static const char *in_folder(const char *name) {
    static char path[2][400];
    static int next;
    next = !next;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

/* Classes that only the ends of wide images tell apart: green at the left, or at the right. A BMP of 24 bits. */
static void image_write(const char *name, bool right) {
    enum { WIDTH = 60, HEIGHT = 20, HEADER = 54 };
    unsigned char file[HEADER + WIDTH * HEIGHT * 3] = {
        'B', 'M', [10] = HEADER, [14] = 40, [18] = WIDTH, [22] = HEIGHT, [26] = 1, [28] = 24};
    memset(file + HEADER, 128, sizeof file - HEADER);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = right ? WIDTH - 8 : 0; x < (right ? WIDTH : 8); x++)
            memcpy(file + HEADER + 3 * (y * WIDTH + x), (uint8_t[3]){0, 255, 0}, 3);
    test_text_write(in_folder(name), ""); /* makes the folders */
    test_bytes_write(in_folder(name), file, sizeof file);
}

static int enter(void **state) {
    (void)state;
    char name[60];
    test_temporary_create(folder, sizeof folder);
    for (int i = 0; i < 6; i++)
        for (int right = 0; right < 2; right++) {
            snprintf(name, sizeof name, "data/%s/%s/%d.bmp", i < 4 ? "train" : "val", right ? "right" : "left", i);
            image_write(name, right);
        }
    return 0;
}

static int leave(void **state) {
    (void)state;
    test_temporary_remove(folder);
    return 0;
}

/* Whether the two classes differ in a batch that is not augmented: the ends of the images are seen. */
static void test_what_is_seen(void **state) {
    (void)state;
    oc_dataset *dataset = NULL;
    oc_team *team = NULL;
    char cache[400];
    snprintf(cache, sizeof cache, "%s", in_folder("cache"));
    test_require(oc_dataset_open(&dataset, in_folder("data"), NULL, &error), OC_OK, &error);
    test_require(oc_team_create(&team, 2, &error), OC_OK, &error);
    for (int fit = OC_FIT_CROP; fit <= OC_FIT_LETTERBOX; fit++) {
        oc_pack *pack = NULL;
        oc_batcher *batcher = NULL;
        oc_targets targets;
        oc_image_options image = OC_IMAGE_OPTIONS_DEFAULT;
        image.fit = (oc_fit)fit;
        const oc_pack_options options = {.size = SIZE, .image = &image, .cache = cache, .team = team};
        test_require(oc_pack_open(&pack, dataset, "val", &options, &error), OC_OK, &error);
        assert_int_equal(oc_pack_fit(pack), fit);
        /* 60 × 20 is kept so, of which 16 × 16 is shown */
        const oc_cropped cropped = oc_pack_cropped(pack);
        assert_float_equal(oc_cropped_share(&cropped), fit == OC_FIT_CROP ? 1 - 256.0 / 1200 : 0, 1e-9);
        const oc_batch_options batch = {.batch_size = 4, .size = SIZE, .std = {1, 1, 1}};
        static float dst[4][3][SIZE][SIZE];
        test_require(oc_batcher_create(&batcher, pack, &batch, team, &error), OC_OK, &error);
        oc_batcher_fill(batcher, 0, 0, dst[0][0][0], &targets);
        const bool differ = memcmp(dst[0], dst[2], sizeof dst[0]) != 0; /* left, left, right, right */
        assert_true(differ == (fit != OC_FIT_CROP));
        const int row = SIZE / 2;
        if (differ) {
            assert_true(dst[0][0][row][0] < 0.1F && dst[0][1][row][0] > 0.9F && dst[2][0][row][0] > 0.4F);
            assert_true(dst[2][0][row][SIZE - 1] < 0.1F && dst[2][1][row][SIZE - 1] > 0.9F);
        }
        const float above = dst[0][0][0][0];
        assert_true(fit == OC_FIT_LETTERBOX ? above > 0.99F : above < 0.6F); /* the white background, or the image */
        oc_batcher_destroy(&batcher);
        oc_pack_destroy(&pack);
    }
    oc_team_destroy(&team);
    oc_dataset_destroy(&dataset);
}

/* Whatever the fit, an image is classified by itself as in an evaluation. */
static void test_alike(void **state) {
    (void)state;
    const char *const classes[] = {"left", "right"};
    oc_dataset *dataset = NULL;
    char cache[400];
    snprintf(cache, sizeof cache, "%s", in_folder("cache"));
    test_require(oc_dataset_open(&dataset, in_folder("data"), NULL, &error), OC_OK, &error);
    for (int fit = OC_FIT_CROP; fit <= OC_FIT_LETTERBOX; fit++) {
        oc_model *model = NULL;
        oc_classifier *classifier = NULL;
        oc_scores scores = {0};
        test_require(oc_model_create(&model, "myresnet-tiny", classes, 2, 32, NULL, &error), OC_OK, &error);
        oc_model_init(model, 3);
        model->image.fit = (oc_fit)fit;
        const oc_eval_options options = {.cache = cache, .threads = 2};
        test_require(oc_scores_compute(&scores, model, dataset, &options, &error), OC_OK, &error);
        const bool differ = fabsf(scores.logits[0] - scores.logits[4]) > 1e-4F;
        assert_true(differ == (fit != OC_FIT_CROP));
        test_require(oc_classifier_create(&classifier, model, &(oc_classifier_options){.threads = 2}, &error), OC_OK,
                     &error);
        const oc_split *val = oc_dataset_split(dataset, "val");
        for (int64_t i = 0; i < val->count; i++) {
            uint8_t *bytes = NULL;
            size_t size;
            oc_prediction predictions[2];
            test_require(oc_dataset_read(dataset, &val->sample[i], &bytes, &size, &error), OC_OK, &error);
            test_require(oc_classifier_encoded(classifier, bytes, size, "image", predictions, 2, &error), OC_OK,
                         &error);
            oc_free(bytes);
            const float *row = scores.logits + 2 * i;
            const double p = 1 / (1 + exp((double)(row[1] - row[0]))); /* of the first class */
            assert_float_equal(predictions[predictions[0].class_index == 0 ? 0 : 1].probability, p, 1e-5);
        }
        oc_classifier_destroy(&classifier);
        oc_scores_free(&scores);
        oc_model_destroy(&model);
    }
    oc_dataset_destroy(&dataset);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept), cmocka_unit_test(test_cropped),
                                       cmocka_unit_test(test_what_is_seen), cmocka_unit_test(test_alike)};
    return cmocka_run_group_tests(tests, enter, leave);
}
