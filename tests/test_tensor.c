/* Data types, shapes, and the table of named tensors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tensor/tensor.h"

static void test_dtypes(void **state) {
    (void)state;
    static const struct {
        oc_dtype dtype;
        const char *name;
        size_t size;
    } rows[] = {
        {OC_F32, "F32", 4}, {OC_F64, "F64", 8}, {OC_F16, "F16", 2}, {OC_BF16, "BF16", 2}, {OC_I64, "I64", 8},
        {OC_I32, "I32", 4}, {OC_I16, "I16", 2}, {OC_I8, "I8", 1},   {OC_U8, "U8", 1},     {OC_BOOL, "BOOL", 1},
    };
    for (size_t i = 0; i < 10; i++) {
        assert_string_equal(oc_dtype_name(rows[i].dtype), rows[i].name);
        assert_int_equal(oc_dtype_size(rows[i].dtype), rows[i].size);
    }
}

static void test_shapes(void **state) {
    (void)state;
    char text[64];
    int small = 3;
    oc_shape shape = oc_shape_make(4, 64, small, (size_t)5, (int64_t)7), scalar = oc_shape_make(0, 0);
    assert_int_equal(oc_shape_count(&shape), 64 * 3 * 5 * 7);
    assert_int_equal(oc_shape_count(&scalar), 1);
    assert_string_equal(oc_shape_text(&shape, text, sizeof text), "[64, 3, 5, 7]");
    assert_string_equal(oc_shape_text(&shape, text, 6), "[64, ");
    assert_string_equal(oc_shape_text(&scalar, text, sizeof text), "[]");
    oc_shape same = oc_shape_make(4, 64, 3, 5, 7), other = oc_shape_make(4, 64, 3, 7, 5),
             fewer = oc_shape_make(3, 64, 3, 5);
    assert_true(oc_shape_equal(&shape, &same));
    assert_false(oc_shape_equal(&shape, &other));
    assert_false(oc_shape_equal(&shape, &fewer));
    assert_false(oc_shape_equal(&fewer, &shape));
    oc_shape negative = oc_shape_make(2, 0, -1), empty = oc_shape_make(3, INT64_MAX, INT64_MAX, 0);
    oc_shape large = oc_shape_make(2, INT64_MAX / 2, 3), most = oc_shape_make(2, INT64_MAX, 1);
    assert_int_equal(oc_shape_count(&negative), -1);
    assert_int_equal(oc_shape_count(&empty), 0);
    assert_int_equal(oc_shape_count(&large), -1);
    assert_true(oc_shape_count(&most) == INT64_MAX);
}

static void test_table(void **state) {
    (void)state;
    oc_table *table;
    oc_error err;
    assert_int_equal(oc_table_create(&table, &err), OC_OK);
    assert_int_equal(oc_table_count(table), 0);
    assert_null(oc_table_find(table, "tensor.0"));
    char name[32];
    size_t arena = 0, parameters = 0;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "tensor.%d", i);
        oc_tensor tensor = {.name = name,
                            .shape = oc_shape_make(2, i % 40 + 1, 3),
                            .offset = 12345,
                            .count = 54321,
                            .parameter = i % 3 == 0,
                            .decay = i % 2 == 0,
                            .init = {OC_INIT_UNIFORM, i}};
        size_t index = 0;
        assert_int_equal(oc_table_add(table, &tensor, i % 2 ? &index : NULL, &err), OC_OK);
        assert_int_equal(index, i % 2 ? i : 0);
    }
    assert_int_equal(oc_table_count(table), 1000);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "tensor.%d", i);
        const oc_tensor *tensor = oc_table_find(table, name);
        assert_ptr_equal(tensor, oc_table_at(table, (size_t)i));
        assert_string_equal(tensor->name, name);
        size_t count = 3 * (size_t)(i % 40 + 1);
        assert_int_equal(tensor->count, count);
        assert_int_equal(tensor->offset, arena);
        assert_int_equal(tensor->offset % 16, 0);
        assert_int_equal(tensor->decay, i % 2 == 0);
        assert_true(tensor->init.kind == OC_INIT_UNIFORM && tensor->init.value == i);
        arena += (count + 15) / 16 * 16;
        if (i % 3 == 0) parameters += count;
    }
    assert_int_equal(oc_table_arena_size(table), arena);
    assert_int_equal(oc_table_parameters(table), parameters);
    assert_null(oc_table_find(table, "tensor.1000"));
    oc_tensor twice = {.name = "tensor.7", .shape = oc_shape_make(1, 4)};
    assert_int_equal(oc_table_add(table, &twice, NULL, &err), OC_E_EXISTS);
    assert_string_equal(err.where, "tensor.7");
    oc_tensor large = {.name = "large", .shape = oc_shape_make(2, INT64_MAX, 2)};
    assert_int_equal(oc_table_add(table, &large, NULL, &err), OC_E_MEMORY);
    large.shape = oc_shape_make(1, INT64_MAX / 4);
    assert_int_equal(oc_table_add(table, &large, NULL, &err), OC_E_MEMORY);
    assert_int_equal(oc_table_count(table), 1000);
    assert_int_equal(oc_table_arena_size(table), arena);
    oc_table_destroy(&table);
    assert_null(table);
    oc_table_destroy(&table);
    oc_table_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
