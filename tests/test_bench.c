/* Measuring models: quantiles, the judgement of what was disturbed, what is told of training and inference, and the
 * batch that inference takes and training does not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "bench/peak.h"
#include "bench/timing.h"
#include "bench/trust.h"
#include "ocelli/bench.h"
#include "support/run.h"

static void test_quantiles(void **state) {
    (void)state;
    double one[] = {3}, two[] = {5, 1}, eleven[] = {11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6};
    assert_true(oc_bench_quantile(one, 1, 0.5) == 3 && oc_bench_quantile(one, 1, 0.9) == 3);
    assert_true(oc_bench_quantile(two, 2, 0.5) == 3);
    assert_true(fabs(oc_bench_quantile(two, 2, 0.9) - 4.6) < 1e-12);
    assert_true(oc_bench_quantile(eleven, 11, 0.5) == 6 && oc_bench_quantile(eleven, 11, 0.9) == 10);
    const oc_spread spread = oc_bench_spread(eleven, 11);
    assert_true(spread.least == 1 && spread.q1 == 3.5 && spread.median == 6 && spread.q3 == 8.5);
    assert_true(fabs(spread.p99 - 10.9) < 1e-12);
    assert_true(oc_bench_quantile(eleven, 11, 0) == 1 && oc_bench_quantile(eleven, 11, 1) == 11);
}

static double real(const json_t *json, const char *key) {
    const json_t *value = json_object_get(json, key);
    if (!json_is_number(value)) fail_msg("no number %s", key);
    return json_number_value(value);
}

static json_t *measure(const char *model, const oc_bench_options *options) {
    char *text = NULL;
    oc_error err = {0};
    test_require(oc_bench_model(&text, model, options, &err), OC_OK, &err);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    oc_bench_free(text);
    assert_string_equal(json_string_value(json_object_get(json, "model")), model);
    const json_t *machine = json_object_get(json, "machine");
    assert_true(real(machine, "peak_gflops") > 0 && real(machine, "peak_gflops_low") > 0);
    assert_true(real(machine, "copy_cached") > 0 && real(machine, "copy_uncached") > 0);
    /* Whether it can be trusted depends on who else runs here; that it is told does not. */
    assert_true(json_is_true(json_object_get(json, "trusted")) ==
                (json_array_size(json_object_get(json, "doubts")) == 0));
    return json;
}

/* What is told of every part. */
static void assert_part(const json_t *json, const json_t *part, int64_t batch) {
    const json_t *step = json_object_get(part, "step_seconds"), *floor = json_object_get(part, "floor_seconds");
    const double median = real(step, "median");
    assert_true(real(part, "batch_size") == (double)batch);
    assert_true(real(step, "least") > 0 && real(step, "least") <= real(step, "q1"));
    assert_true(real(step, "q1") <= median && median <= real(step, "q3") && real(step, "q3") <= real(step, "p99"));
    assert_true(fabs(real(part, "images_per_second") * median / (double)batch - 1) < 1e-9);
    assert_true(real(part, "images_per_second_q1") <= real(part, "images_per_second_q3"));
    assert_true(fabs(real(part, "floor_share") * median / real(floor, "median") - 1) < 1e-9);
    assert_true(real(floor, "least") > 0);
    const double peak = real(json_object_get(json, "machine"), "peak_gflops");
    assert_true(real(part, "gflops") > 0);
    assert_true(fabs(real(part, "peak_share") * peak / real(part, "gflops") - 1) < 1e-9);
    assert_true(json_array_size(json_object_get(part, "operators")) > 0);
}

static void test_inference(void **state) {
    (void)state;
    const oc_bench_options options = {.parts = OC_BENCH_INFER, .batch_size = 6, .size = 32, .classes = 3, .threads = 2};
    json_t *json = measure("myresnet-tiny", &options), *list = json_object_get(json, "inference");
    assert_true(real(json, "size") == 32 && real(json, "classes") == 3 && real(json, "threads") == 2);
    assert_int_equal(json_array_size(list), 2);
    assert_part(json, json_array_get(list, 0), 1);
    assert_part(json, json_array_get(list, 1), 6);
    assert_true(real(json_array_get(list, 0), "steps") >= 5);
    assert_null(json_object_get(json, "training"));
    assert_null(json_object_get(json_array_get(list, 0), "layers"));
    json_decref(json);
}

/* Each channel of an attention's batch norm has as many values as the batch has images. */
static void test_batch_of_one(void **state) {
    (void)state;
    oc_bench_options options = {.batch_size = 1, .size = 32, .classes = 3, .steps = 3, .threads = 2};
    char *text = NULL;
    oc_error err = {0};
    test_require(oc_bench_model(&text, "skresnet18", &options, &err), OC_E_USAGE, &err);
    assert_null(text);
    assert_string_equal(err.where, "--batch-size");
    test_says(&err, "skresnet18 cannot be trained in batches of 1 (");
    test_says(&err, "one value a channel");
    test_says(&err, "--infer");
    options.parts = OC_BENCH_INFER;
    json_t *json = measure("skresnet18", &options), *list = json_object_get(json, "inference");
    assert_int_equal(json_array_size(list), 1);
    assert_part(json, json_array_get(list, 0), 1);
    assert_true(real(json_array_get(list, 0), "steps") == 3);
    json_decref(json);
}

static double sum_of(const json_t *part, const char *table) {
    double sum = 0;
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(part, table), i, row) sum += real(row, "seconds");
    return sum;
}

static void test_training(void **state) {
    (void)state;
    const oc_bench_options options = {
        .parts = OC_BENCH_TRAIN, .batch_size = 4, .size = 32, .classes = 3, .steps = 3, .threads = 2, .layers = true};
    json_t *json = measure("myresnet-tiny", &options), *part = json_object_get(json, "training");
    assert_null(json_object_get(json, "inference"));
    assert_part(json, part, 4);
    assert_true(real(part, "steps") == 3 && real(part, "memory_bytes") > 0 && real(part, "data_share") >= 0);
    /* Two tables of the same steps. */
    assert_true(sum_of(part, "layers") > 0);
    assert_true(fabs(sum_of(part, "operators") / sum_of(part, "layers") - 1) < 1e-9);
    size_t i;
    int products = 0, weights = 0;
    const json_t *row, *machine = json_object_get(json, "machine");
    json_array_foreach(json_object_get(part, "layers"), i, row) {
        const double arithmetic =
            1e-9 * real(row, "gflops") * real(row, "seconds") * 1e9 / real(machine, "peak_gflops");
        const bool by_memory = strcmp(json_string_value(json_object_get(row, "bound")), "memory") == 0;
        assert_true(real(row, "bytes") > 0 && real(row, "bound_share") > 0);
        /* Nothing is bound by arithmetic that has none. */
        assert_true(by_memory || arithmetic > 0);
        assert_true(json_string_length(json_object_get(row, "candidate")) > 0);
        products += json_is_true(json_object_get(row, "floor"));
        weights += strcmp(json_string_value(json_object_get(row, "pass")), "backward weights") == 0;
    }
    /* Three passes a layer, but of the image no gradient. */
    assert_true(weights > 0 && products == 3 * weights - 1);
    json_decref(json);
}

static void test_refusals(void **state) {
    (void)state;
    const oc_bench_options odd = {.size = 33};
    char *text = NULL;
    oc_error err = {0};
    test_require(oc_bench_model(&text, "myresnet-tiny", &odd, &err), OC_E_USAGE, &err);
    assert_string_equal(err.where, "data.size");
    test_require(oc_bench_model(&text, "myresnet-tin", NULL, &err), OC_E_USAGE, &err);
    test_says(&err, "did you mean 'myresnet-tiny'?");
    assert_null(text);
}

/* The rates by which layers are judged. */
static void test_roof(void **state) {
    (void)state;
    const oc_machine machine = {.peak = 200, .cached = 100, .uncached = 20};
    assert_true(fabs(oc_machine_flops_seconds(&machine, 4e11) - 2) < 1e-12);
    assert_true(fabs(oc_machine_bytes_seconds(&machine, 4e9) - 0.2) < 1e-12);
    assert_true(fabs(oc_machine_bytes_seconds(&machine, 1e6) - 1e-5) < 1e-12);
}

/* ---- Trust ---- */

/* A measurement on an idle machine of four processors: two threads for ten seconds. */
static oc_evidence idle(void) {
    return (oc_evidence){
        .peak = 200,
        .peak_low = 198,
        .copy = 30,
        .copy_low = 26,
        .step = {.least = 0.098, .q1 = 0.099, .median = 0.1, .q3 = 0.102, .p99 = 0.15},
        .usage = {.wall = 10, .cpu = 19.5, .waited = 0.05, .busy = 19.8, .switches = 12},
        .threads = 2,
        .processors = 4,
    };
}

/* Judges it and wants one doubt, which says `words`; none where they are NULL. */
static void assert_doubt(const oc_evidence *evidence, const char *words) {
    char doubt[OC_DOUBTS_MOST][OC_DOUBT_SIZE];
    const int doubts = oc_trust_judge(evidence, doubt);
    assert_int_equal(doubts, words ? 1 : 0);
    if (words && !strstr(doubt[0], words)) fail_msg("\"%s\" does not say \"%s\"", doubt[0], words);
}

static void test_trust(void **state) {
    (void)state;
    oc_evidence e = idle();
    assert_doubt(&e, NULL);
    assert_true(fabs(oc_evidence_cpu_share(&e) - 0.975) < 1e-12);
    assert_true(fabs(oc_evidence_waited_share(&e) - 0.0025) < 1e-12);
    assert_true(fabs(oc_evidence_others(&e) - 0.03) < 1e-12);
    e.peak_low = 110;
    assert_doubt(&e, "peak varied between 110.0 and 200.0 GFLOP/s");
    e = idle();
    e.copy_low = 20;
    assert_doubt(&e, "bandwidth varied between 20.0 and 30.0 GB/s");
    e = idle();
    e.step.q3 = 0.113;
    assert_doubt(&e, "between 99 and 113 ms");
    e = idle();
    e.usage.waited = 2;
    assert_doubt(&e, "waited for a processor in 10 % of their time");
    /* Two processors are free for others; one more is not. */
    e = idle();
    e.usage.busy = e.usage.cpu + 20;
    assert_doubt(&e, NULL);
    e.usage.busy = e.usage.cpu + 25;
    assert_doubt(&e, "others kept 2.5 of the 4 processors busy");
    e.processors = 2;
    e.usage.busy = e.usage.cpu + 3;
    assert_doubt(&e, "others kept 0.3 of the 2 processors busy");
    /* Threads that compute together may wait for each other, those that measure the peak do not. */
    e = idle();
    e.usage.cpu = 12;
    e.usage.busy = 12;
    assert_doubt(&e, NULL);
    e.always_busy = true;
    assert_doubt(&e, "ran in only 60 %");
}

/* Where the system tells little, switches have to do; where it tells nothing, the steps alone. */
static void test_trust_unknown(void **state) {
    (void)state;
    oc_evidence e = idle();
    e.usage.waited = e.usage.busy = -1;
    assert_true(oc_evidence_waited_share(&e) < 0 && oc_evidence_others(&e) < 0);
    assert_doubt(&e, NULL);
    e.usage.switches = 1000;
    assert_doubt(&e, "taken off its processor 50 times a second");
    e.usage.waited = 0.05;
    assert_doubt(&e, NULL);
    e.usage = (oc_usage){0};
    assert_doubt(&e, NULL);
    /* A tick of the system's is longer than this. */
    e.usage = (oc_usage){.wall = 0.003, .cpu = 0.006, .waited = 0, .busy = 0.02};
    assert_true(oc_evidence_others(&e) < 0);
    assert_doubt(&e, NULL);
    e.step.q1 = 0.08;
    assert_doubt(&e, "between 80 and 102 ms");
}

static void test_usage(void **state) {
    (void)state;
    const oc_usage a = {.wall = 1, .cpu = 2, .waited = 3, .busy = -1, .switches = 5};
    const oc_usage b = {.wall = 11, .cpu = 12.5, .waited = 2, .busy = 4, .switches = 8};
    const oc_usage between = oc_usage_between(&a, &b), sum = oc_usage_sum(&a, &b), now = oc_usage_now();
    assert_true(between.wall == 10 && between.cpu == 10.5 && between.switches == 3);
    assert_true(between.busy < 0 && sum.busy < 0); /* unknown at one end */
    assert_true(between.waited == 0);              /* a thread has ended */
    assert_true(sum.wall == 12 && sum.waited == 5);
    volatile double x = 1;
    oc_usage later;
    do {
        for (int i = 0; i < 100000; i++) x = x * 1.0000001;
        later = oc_usage_now();
    } while (later.wall < now.wall + 0.05);
    const oc_usage spent = oc_usage_between(&now, &later);
    assert_true(spent.cpu > 0 && spent.cpu < spent.wall + 0.01 && spent.switches >= 0);
    assert_true(oc_usage_processors() >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles),     cmocka_unit_test(test_roof),     cmocka_unit_test(test_trust),
        cmocka_unit_test(test_trust_unknown), cmocka_unit_test(test_usage),    cmocka_unit_test(test_inference),
        cmocka_unit_test(test_batch_of_one),  cmocka_unit_test(test_training), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
