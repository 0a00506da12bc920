/* Measuring models: the quantiles, what is told of inference, and the batch that inference takes and training does
 * not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "bench/inference.h"
#include "ocelli/bench.h"
#include "support/run.h"

static void test_quantiles(void **state) {
    (void)state;
    double one[] = {3}, two[] = {5, 1}, eleven[] = {11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6};
    assert_true(oc_bench_quantile(one, 1, 0.5) == 3 && oc_bench_quantile(one, 1, 0.9) == 3);
    assert_true(oc_bench_quantile(two, 2, 0.5) == 3);
    assert_true(fabs(oc_bench_quantile(two, 2, 0.9) - 4.6) < 1e-12);
    assert_true(oc_bench_quantile(eleven, 11, 0.5) == 6 && oc_bench_quantile(eleven, 11, 0.9) == 10);
    assert_true(oc_bench_quantile(eleven, 11, 0) == 1 && oc_bench_quantile(eleven, 11, 1) == 11);
}

static double real(const json_t *json, const char *key) {
    const json_t *value = json_object_get(json, key);
    if (!json_is_number(value)) fail_msg("no number %s", key);
    return json_number_value(value);
}

static json_t *measure_inference(const char *model, const oc_bench_options *options) {
    char *text = NULL;
    oc_error err = {0};
    test_require(oc_bench_inference(&text, model, options, &err), OC_OK, &err);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    oc_bench_free(text);
    assert_string_equal(json_string_value(json_object_get(json, "model")), model);
    assert_true(real(json, "latency_seconds") > 0);
    assert_true(real(json, "latency_p90_seconds") >= real(json, "latency_seconds"));
    assert_true(real(json, "inference_gflops") > 0 && real(json, "peak_gflops") > 0);
    /* Nothing of it is about training. */
    assert_null(json_object_get(json, "images_per_second"));
    assert_null(json_object_get(json, "seconds"));
    return json;
}

static void test_inference(void **state) {
    (void)state;
    const oc_bench_options options = {.batch_size = 6, .size = 32, .classes = 3, .threads = 2};
    json_t *json = measure_inference("myresnet-tiny", &options);
    assert_true(real(json, "batch_size") == 6 && real(json, "size") == 32 && real(json, "classes") == 3);
    /* Enough for a 90th percentile to mean something. */
    assert_true(real(json, "latency_steps") >= 20 && real(json, "inference_steps") >= 20);
    assert_true(fabs(real(json, "inference_peak_share") * real(json, "peak_gflops") / real(json, "inference_gflops") -
                     1) < 1e-6);
    json_decref(json);
}

/* Each channel of an attention's batch norm has as many values as the batch has images. */
static void test_batch_of_one(void **state) {
    (void)state;
    const oc_bench_options options = {.batch_size = 1, .size = 32, .classes = 3, .steps = 3, .threads = 2};
    char *text = NULL;
    oc_error err = {0};
    test_require(oc_bench_model(&text, "skresnet18", &options, &err), OC_E_USAGE, &err);
    assert_null(text);
    assert_string_equal(err.where, "--batch-size");
    test_says(&err, "skresnet18 cannot be trained in batches of 1 (");
    test_says(&err, "one value a channel");
    test_says(&err, "--infer");
    json_t *json = measure_inference("skresnet18", &options);
    assert_true(real(json, "latency_steps") == 3 && real(json, "inference_steps") == 3);
    assert_true(fabs(real(json, "inference_images_per_second") * real(json, "latency_seconds") - 1) < 1e-6);
    json_decref(json);
}

/* Training and, beside it, inference in the same batches. */
static void test_training(void **state) {
    (void)state;
    const oc_bench_options options = {.batch_size = 4, .size = 32, .classes = 3, .steps = 3, .threads = 2};
    char *text = NULL;
    oc_error err = {0};
    test_require(oc_bench_model(&text, "myresnet-tiny", &options, &err), OC_OK, &err);
    json_t *json = json_loads(text, 0, NULL);
    assert_true(real(json, "steps") == 3 && real(json, "images_per_second") > 0);
    assert_true(real(json, "inference_images_per_second") > 0);
    json_decref(json);
    oc_bench_free(text);
}

static void test_refusals(void **state) {
    (void)state;
    const oc_bench_options odd = {.size = 33};
    char *text = NULL;
    oc_error err = {0};
    test_require(oc_bench_inference(&text, "myresnet-tiny", &odd, &err), OC_E_USAGE, &err);
    assert_string_equal(err.where, "data.size");
    test_require(oc_bench_inference(&text, "myresnet-tin", NULL, &err), OC_E_USAGE, &err);
    test_says(&err, "did you mean 'myresnet-tiny'?");
    assert_null(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles), cmocka_unit_test(test_inference), cmocka_unit_test(test_batch_of_one),
        cmocka_unit_test(test_training),  cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
