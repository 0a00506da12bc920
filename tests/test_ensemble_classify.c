/* label: slow */
/* Classifying with ensembles: the whole is what its members say alone, the order of a member's classes changes nothing,
 * and the classes of a weights file are what a prediction says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eval/classifier.h"
#include "ocelli/eval.h"
#include "support/ensembles.h"
#include "support/images.h"
#include "support/temporary.h"

#define SEED 4711U
#define IMAGES 6

static char folder[256];

/* A file of the test's folder; the text is overwritten by the eighth call after. */
static const char *in_folder(const char *name) {
    static char paths[8][320];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static const char *image_path(int i) {
    char name[32];
    snprintf(name, sizeof name, "image%d.png", i);
    return in_folder(name);
}

/* Probabilities [IMAGES, TEST_CLASSES] of the images by the places of `test_codes`, and the likeliest class of each. */
typedef struct answers {
    float probability[IMAGES][TEST_CLASSES];
    const char *best[IMAGES];
} answers;

static size_t place_of(const char *code) {
    for (size_t c = 0; c < TEST_CLASSES; c++)
        if (strcmp(test_codes[c], code) == 0) return c;
    fail_msg("'%s' is no class of the test", code);
    return 0;
}

static void keep_answer(void *user, const char *path, const oc_prediction *predictions, size_t top_k,
                        const oc_error *reason) {
    answers *a = user;
    int i = -1;
    if (reason) fail_msg("%s: %s", path, reason->message);
    assert_int_equal(sscanf(strrchr(path, '/'), "/image%d.png", &i), 1);
    for (size_t k = 0; k < top_k; k++) a->probability[i][place_of(predictions[k].code)] = predictions[k].probability;
    a->best[i] = test_codes[place_of(predictions[0].code)];
}

/* Four images at once, so that the last batch is not full. */
static answers answers_of(oc_model *model) {
    answers a = {0};
    oc_classifier *classifier = NULL;
    oc_error err = {0};
    int64_t failed = -1;
    char texts[IMAGES][320];
    const char *paths[IMAGES];
    for (int i = 0; i < IMAGES; i++) {
        snprintf(texts[i], sizeof texts[i], "%s", image_path(i));
        paths[i] = texts[i];
    }
    if (oc_classifier_create(&classifier, model, &(oc_classifier_options){.batch = 4, .threads = 2}, &err) != OC_OK)
        fail_msg("%s", err.message);
    if (oc_predict_files(classifier, paths, IMAGES, TEST_CLASSES, keep_answer, &a, &failed, &err) != OC_OK)
        fail_msg("%s", err.message);
    assert_int_equal(failed, 0);
    oc_classifier_destroy(&classifier);
    return a;
}

static void destroyed_answers(answers *a, oc_model *model) {
    *a = answers_of(model);
    oc_model_destroy(&model);
}

/* The order of a member's classes changes nothing, to the bit; that of all classes changes no guess. */
static void test_class_order(void **state) {
    (void)state;
    for (int way = 0; way < OC_COMBINES; way++) {
        oc_model *straight = test_ensemble((oc_combine)way, test_network(test_codes, 32, SEED),
                                           test_network(test_codes, 32, SEED + 1), NULL);
        oc_model *turned =
            test_ensemble((oc_combine)way, test_network(test_codes, 32, SEED), test_network_turned(32, SEED + 1), NULL);
        oc_model *first =
            test_ensemble((oc_combine)way, test_network_turned(32, SEED), test_network(test_codes, 32, SEED + 1), NULL);
        test_combiner_fill(straight, SEED);
        test_combiner_fill(turned, SEED);
        test_combiner_fill(first, SEED);
        if (way == OC_COMBINE_STACK) { /* the same layer, for classes in the other order */
            const oc_ensemble *from = straight->ensemble, *to = first->ensemble;
            for (size_t c = 0; c < TEST_CLASSES; c++) {
                to->bias[c] = from->bias[test_turn[c]];
                for (size_t m = 0; m < 2; m++)
                    for (size_t k = 0; k < TEST_CLASSES; k++)
                        to->weight[c * 2 * TEST_CLASSES + m * TEST_CLASSES + k] =
                            from->weight[test_turn[c] * 2 * TEST_CLASSES + m * TEST_CLASSES + test_turn[k]];
            }
        }
        answers a, b, c;
        destroyed_answers(&a, straight);
        destroyed_answers(&b, turned);
        destroyed_answers(&c, first);
        bool differ = false;
        for (int i = 0; i < IMAGES; i++) {
            assert_memory_equal(a.probability[i], b.probability[i], sizeof a.probability[i]);
            assert_string_equal(a.best[i], b.best[i]);
            assert_string_equal(a.best[i], c.best[i]);
            for (size_t k = 0; k < TEST_CLASSES; k++) {
                assert_float_equal(a.probability[i][k], c.probability[i][k], 1e-6);
                differ |= a.probability[i][k] != a.probability[i][0];
            }
        }
        assert_true(differ);
    }
}

/* Members of other sizes and normalisations, each with images of its own: the whole is what the members say alone. */
static void test_members_alone(void **state) {
    (void)state;
    enum { MEMBERS = 6 };
    oc_model *member[MEMBERS];
    answers alone[MEMBERS];
    for (int m = 0; m < MEMBERS; m++) {
        /* The fifth wants its images as the first; the third and the fourth only in their size, the last only in what
         * is seen through them. */
        member[m] =
            m == 1 ? test_network_turned(64, SEED + 1) : test_network(test_codes, 32, SEED + (uint64_t)(m < 5 ? m : 4));
        if (m == 2) member[m]->mean[0] = 0.1F;
        if (m == 3) member[m]->std[1] = 0.5F;
        if (m == 5) memset(member[m]->image.background, 0, 3);
        alone[m] = answers_of(member[m]);
    }
    const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    oc_model *model = NULL;
    assert_int_equal(oc_ensemble_create(&model, OC_COMBINE_WEIGHTED, member, names, MEMBERS, NULL), OC_OK);
    test_combiner_fill(model, SEED);
    /* Evaluation leaves every statistic as it was. */
    float *before[MEMBERS];
    for (int m = 0; m < MEMBERS; m++) {
        oc_model *network = oc_model_network(model, (size_t)m);
        before[m] = malloc(test_arena_bytes(network));
        memcpy(before[m], network->weights.arena, test_arena_bytes(network));
    }
    const answers whole = answers_of(model);
    for (int m = 0; m < MEMBERS; m++) {
        const oc_model *network = oc_model_network(model, (size_t)m);
        assert_memory_equal(before[m], network->weights.arena, test_arena_bytes(network));
        free(before[m]);
    }
    for (int i = 0; i < IMAGES; i++) {
        for (size_t c = 0; c < TEST_CLASSES; c++) {
            double expected = 0;
            for (int m = 0; m < MEMBERS; m++)
                expected += (double)model->ensemble->weight[m] * (double)alone[m].probability[i][c];
            assert_float_equal(whole.probability[i][c], expected, 1e-5);
        }
    }
    assert_true(alone[0].probability[0][0] != alone[4].probability[0][0]);
    assert_true(alone[4].probability[0][0] == alone[5].probability[0][0]); /* an opaque image */
    assert_true(alone[4].probability[2][0] != alone[5].probability[2][0]);
    oc_model_destroy(&model);
}

/* A stack whose layer takes over the second member's scores says what that member says. */
static void test_stack_columns(void **state) {
    (void)state;
    oc_model *model =
        test_ensemble(OC_COMBINE_STACK, test_network(test_codes, 32, SEED), test_network_turned(32, SEED + 1), NULL);
    for (size_t c = 0; c < TEST_CLASSES; c++) model->ensemble->weight[c * 2 * TEST_CLASSES + TEST_CLASSES + c] = 1;
    const answers whole = answers_of(model), alone = answers_of(oc_model_network(model, 1));
    assert_memory_equal(whole.probability, alone.probability, sizeof whole.probability);
    oc_model_destroy(&model);
}

/* An image that is none is told, and the others are not touched by it. */
static void test_bad_image(void **state) {
    (void)state;
    oc_model *model =
        test_ensemble(OC_COMBINE_MEAN, test_network(test_codes, 32, SEED), test_network(test_codes, 64, SEED), NULL);
    const answers expected = answers_of(model);
    oc_classifier *classifier = NULL;
    oc_error err = {0};
    oc_classifier_item items[3] = {{.data = "no image", .size = 8, .where = "bytes"}};
    char first[320], second[320];
    oc_prediction predictions[3];
    snprintf(first, sizeof first, "%s", image_path(0));
    snprintf(second, sizeof second, "%s", image_path(1));
    items[1].path = first;
    items[2].path = second;
    assert_int_equal(oc_classifier_create(&classifier, model, &(oc_classifier_options){.batch = 3, .threads = 2}, &err),
                     OC_OK);
    assert_int_equal(oc_classifier_batch(classifier, items, 3, predictions, 1, &err), OC_OK);
    assert_int_equal(items[0].status, OC_E_FORMAT);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(items[i + 1].status, OC_OK);
        assert_string_equal(predictions[i + 1].code, expected.best[i]);
        assert_float_equal(predictions[i + 1].probability, expected.probability[i][place_of(expected.best[i])], 1e-6);
    }
    oc_classifier_destroy(&classifier);
    oc_model_destroy(&model);
}

/* What a weights file calls its classes is what a prediction says, whatever else they might be called or sorted by. */
static void test_classes_of_the_file(void **state) {
    (void)state;
    const char *turned[TEST_CLASSES];
    for (size_t i = 0; i < TEST_CLASSES; i++) turned[i] = test_codes[test_turn[i]];
    oc_model *plain = test_network(test_codes, 32, SEED), *renamed = test_network(turned, 32, SEED), *back = NULL;
    const answers a = answers_of(plain);
    assert_int_equal(oc_model_save(renamed, in_folder("renamed"), NULL), OC_OK);
    oc_model_destroy(&renamed);
    assert_int_equal(oc_model_open(&back, in_folder("renamed"), NULL, NULL, 0, 0, NULL, NULL), OC_OK);
    const answers b = answers_of(back);
    for (int i = 0; i < IMAGES; i++) {
        /* The weights are the same: score c, which was of test_codes[c], is now of test_codes[test_turn[c]]. */
        assert_string_equal(b.best[i], test_codes[test_turn[place_of(a.best[i])]]);
        for (size_t c = 0; c < TEST_CLASSES; c++) assert_true(b.probability[i][test_turn[c]] == a.probability[i][c]);
    }
    oc_model_destroy(&back);
    oc_model_destroy(&plain);
}

static int set_up(void **state) {
    (void)state;
    print_message("seed %u\n", SEED);
    test_temporary_create(folder, sizeof folder);
    /* One is smaller than either input size, one is larger than both and not square. */
    for (int i = 0; i < IMAGES; i++)
        test_png_write(image_path(i), 24 + 20 * i, i == 5 ? 200 : 24 + 20 * i, i * 37,
                       i == 2 ? TEST_PNG_RGBA : TEST_PNG_RGB);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    test_temporary_remove(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_order),         cmocka_unit_test(test_members_alone),
        cmocka_unit_test(test_stack_columns),       cmocka_unit_test(test_bad_image),
        cmocka_unit_test(test_classes_of_the_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
