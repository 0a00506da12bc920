/* The state file: what goes in comes out, and a file cut or changed anywhere is refused with everything untouched. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/bytes.h"
#include "support/temporary.h"
#include "train/checkpoint.h"

#define COUNT 37

typedef struct place {
    char folder[256], path[300];
    float weights[COUNT], moments[COUNT];
    oc_position position;
} place;

static const oc_metadata about[] = {{"recipe", "optimizer:\n  lr: 0.001 # \"quoted\"\n"}, {"threads", "2"}};

static place place_create(void) {
    place p = {.position = oc_position_start()};
    test_temporary_create(p.folder, sizeof p.folder);
    snprintf(p.path, sizeof p.path, "%s/state.safetensors", p.folder);
    for (int i = 0; i < COUNT; i++) {
        p.weights[i] = (float)i / 7;
        p.moments[i] = (float)-i / 3;
    }
    p.position.step = INT64_C(123456789012);
    p.position.metrics_rows = 3;
    p.position.epoch_images = 640;
    p.position.epoch_loss = 1.0 / 3;
    p.position.best_top1 = 0.515;
    return p;
}

static oc_status write_state(place *p, oc_error *error) {
    const oc_state_arena arenas[] = {{"weights", p->weights, COUNT}, {"exp_avg", p->moments, COUNT}};
    return oc_checkpoint_write(p->path, &p->position, arenas, 2, about, 2, error);
}

static void test_round_trip(void **state) {
    (void)state;
    place p = place_create();
    oc_error error = {0};
    assert_int_equal(write_state(&p, &error), OC_OK);
    oc_checkpoint *checkpoint = NULL;
    assert_int_equal(oc_checkpoint_open(&checkpoint, p.path, &error), OC_OK);
    assert_string_equal(oc_checkpoint_about(checkpoint, "recipe"), about[0].value);
    assert_string_equal(oc_checkpoint_about(checkpoint, "threads"), "2");
    assert_null(oc_checkpoint_about(checkpoint, "colour"));
    oc_position position = oc_checkpoint_position(checkpoint);
    assert_memory_equal(&position, &p.position, sizeof position); /* every bit, NaN too */
    float weights[COUNT] = {0}, moments[COUNT] = {0};
    const oc_state_arena arenas[] = {{"weights", weights, COUNT}, {"exp_avg", moments, COUNT}};
    assert_int_equal(oc_checkpoint_load(checkpoint, arenas, 2, &error), OC_OK);
    assert_memory_equal(weights, p.weights, sizeof weights);
    assert_memory_equal(moments, p.moments, sizeof moments);

    /* An arena that is missing or of another length: none is touched. */
    memset(weights, 0, sizeof weights);
    const oc_state_arena missing[] = {{"weights", weights, COUNT}, {"average", moments, COUNT}};
    assert_int_equal(oc_checkpoint_load(checkpoint, missing, 2, &error), OC_E_MISMATCH);
    assert_non_null(strstr(error.message, "average"));
    const oc_state_arena shorter[] = {{"weights", weights, COUNT}, {"exp_avg", moments, COUNT - 1}};
    assert_int_equal(oc_checkpoint_load(checkpoint, shorter, 2, &error), OC_E_MISMATCH);
    for (int i = 0; i < COUNT; i++) assert_true(weights[i] == 0);
    oc_checkpoint_destroy(&checkpoint);
    oc_checkpoint_destroy(&checkpoint);
    test_temporary_remove(p.folder);
}

/* The bytes are a function of the state alone. */
static void test_same_bytes(void **state) {
    (void)state;
    place p = place_create();
    oc_error error = {0};
    size_t one_size = 0, two_size = 0;
    assert_int_equal(write_state(&p, &error), OC_OK);
    unsigned char *one = test_bytes_read(p.path, &one_size);
    assert_int_equal(write_state(&p, &error), OC_OK);
    unsigned char *two = test_bytes_read(p.path, &two_size);
    assert_int_equal(one_size, two_size);
    assert_memory_equal(one, two, one_size);
    free(one);
    free(two);
    test_temporary_remove(p.folder);
}

static void test_damage(void **state) {
    (void)state;
    place p = place_create();
    oc_error error = {0};
    size_t size = 0;
    assert_int_equal(write_state(&p, &error), OC_OK);
    unsigned char *bytes = test_bytes_read(p.path, &size);
    oc_checkpoint *checkpoint = NULL;
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= (unsigned char)(1u << (i % 8));
        test_bytes_write(p.path, bytes, size);
        oc_status status = oc_checkpoint_open(&checkpoint, p.path, &error);
        if (status != OC_E_FORMAT) fail_msg("a changed byte %zu of %zu gives status %d", i, size, (int)status);
        assert_null(checkpoint);
        bytes[i] ^= (unsigned char)(1u << (i % 8));
    }
    for (size_t i = 0; i < size; i++) {
        test_bytes_write(p.path, bytes, i);
        oc_status status = oc_checkpoint_open(&checkpoint, p.path, &error);
        if (status != OC_E_FORMAT) fail_msg("a file cut at %zu of %zu gives status %d", i, size, (int)status);
    }
    test_bytes_write(p.path, bytes, size);
    assert_int_equal(oc_checkpoint_open(&checkpoint, p.path, &error), OC_OK);
    oc_checkpoint_destroy(&checkpoint);
    free(bytes);
    test_temporary_remove(p.folder);
}

/* Another good file of ours (weights, say) is no state. */
static void test_other_kind(void **state) {
    (void)state;
    place p = place_create();
    oc_error error = {0};
    const oc_safetensors_view view = {.name = "fc.weight",
                                      .dtype = OC_F32,
                                      .shape = oc_shape_make(1, (int64_t)COUNT),
                                      .data = (const uint8_t *)p.weights,
                                      .size = sizeof p.weights};
    assert_int_equal(oc_safetensors_write(p.path, &view, 1, NULL, 0, &error), OC_OK);
    oc_checkpoint *checkpoint = NULL;
    assert_int_equal(oc_checkpoint_open(&checkpoint, p.path, &error), OC_E_FORMAT);
    assert_string_equal(error.where, p.path);
    strcat(p.path, "x");
    assert_int_equal(oc_checkpoint_open(&checkpoint, p.path, &error), OC_E_NOT_FOUND);
    test_temporary_remove(p.folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_same_bytes),
                                       cmocka_unit_test(test_damage), cmocka_unit_test(test_other_kind)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
