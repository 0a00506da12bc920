/* The order of the training images: another in each epoch and for each seed, the same again for the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "data/batch.h"
#include "support/images.h"
#include "support/temporary.h"

#define IMAGES 40
#define BATCH 8
#define SIDE 32

static char folder[512];
static oc_dataset *dataset;
static oc_pack *pack;
static float rows[BATCH * 3 * SIDE * SIDE];

static int group_setup(void **state) {
    (void)state;
    char data[600], cache[600];
    oc_error err = {0};
    test_temporary_create(folder, sizeof folder);
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(cache, sizeof cache, "%s/cache", folder);
    test_tiny_create(data, 4, IMAGES / 4, 4, 0);
    oc_pack_options options = {.size = SIDE, .cache = cache};
    if (oc_dataset_open(&dataset, data, NULL, &err) == OC_OK &&
        oc_pack_open(&pack, dataset, "train", &options, &err) == OC_OK)
        return 0;
    print_error("%s: %s\n", err.where, err.message);
    return -1;
}

static int group_teardown(void **state) {
    (void)state;
    oc_pack_destroy(&pack);
    oc_dataset_destroy(&dataset);
    test_temporary_remove(folder);
    return 0;
}

static void epoch_order(uint64_t seed, int64_t epoch, uint32_t order[IMAGES]) {
    oc_batch_options options = {
        .batch_size = BATCH, .size = SIDE, .shuffle = true, .seed = seed, .mean = {0, 0, 0}, .std = {1, 1, 1}};
    oc_batcher *batcher = NULL;
    oc_targets targets;
    oc_error err = {0};
    if (oc_batcher_create(&batcher, pack, &options, NULL, &err) != OC_OK) fail_msg("%s", err.message);
    assert_int_equal(oc_batcher_count(batcher), IMAGES / BATCH);
    for (int64_t i = 0; i < IMAGES / BATCH; i++) {
        oc_batcher_fill(batcher, epoch, i, rows, &targets);
        memcpy(order + i * BATCH, targets.sample, BATCH * sizeof *order);
    }
    oc_batcher_destroy(&batcher);
}

static void test_orders(void **state) {
    (void)state;
    static const struct {
        uint64_t seed;
        int64_t epoch;
    } runs[] = {{7, 0}, {7, 1}, {7, 2}, {8, 0}, {8, 1}};
    enum { RUNS = sizeof runs / sizeof runs[0] };
    uint32_t order[RUNS][IMAGES], again[IMAGES];
    for (int i = 0; i < RUNS; i++) {
        epoch_order(runs[i].seed, runs[i].epoch, order[i]);
        epoch_order(runs[i].seed, runs[i].epoch, again);
        assert_memory_equal(order[i], again, sizeof again);
        for (int j = 0; j < i; j++) assert_memory_not_equal(order[i], order[j], sizeof again);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_orders)};
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
