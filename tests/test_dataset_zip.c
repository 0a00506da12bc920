/* Zips as odd programs write them, and damaged ones: what names mean, and what a lie in the directory costs. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/memory.h"
#include "data/dataset.h"
#include "ocelli/data.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/temporary.h"

typedef struct fixture {
    char folder[256], root[300], archive[300];
    oc_dataset *dataset;
} fixture;

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    char path[400];
    assert_non_null(f);
    test_temporary_create(f->folder, sizeof f->folder);
    snprintf(f->root, sizeof f->root, "%s/set", f->folder);
    snprintf(f->archive, sizeof f->archive, "%s/a.zip", f->folder);
    snprintf(path, sizeof path, "%s/a/1.jpg", f->root);
    test_jpeg_write(path, 8, 8, 1, TEST_JPEG_RGB);
    snprintf(path, sizeof path, "%s/b/1.jpg", f->root);
    test_jpeg_write(path, 8, 8, 2, TEST_JPEG_RGB);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    oc_dataset_destroy(&f->dataset);
    test_temporary_remove(f->folder);
    free(f);
    return 0;
}

static const oc_split *must_open(fixture *f) {
    oc_error error = {0};
    oc_dataset_destroy(&f->dataset);
    if (oc_dataset_open(&f->dataset, f->archive, NULL, &error) != OC_OK) fail_msg("%s: %s", error.where, error.message);
    return oc_dataset_split(f->dataset, "train");
}

/* Parts of a name that say nothing to who unpacks it: no member is lost by them. */
static void test_slashes(void **state) {
    fixture *f = *state;
    static const char *const prefixes[] = {"/", "//./", "./", ".//", "set//", "set/./", "set/.///./", "/set/"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        remove(f->archive);
        test_zip_create(f->archive, f->root, prefixes[i], false);
        const oc_split *train = must_open(f);
        assert_int_equal(oc_dataset_class_count(f->dataset), 2);
        assert_string_equal(oc_dataset_class(f->dataset, 1), "b");
        assert_int_equal(train->count, 2);
        assert_string_equal(train->sample[0].path, strstr(prefixes[i], "set") ? "set/a/1.jpg" : "a/1.jpg");
        for (int k = 0; k < 2; k++) {
            uint8_t *data = NULL;
            size_t size;
            assert_int_equal(oc_dataset_read(f->dataset, &train->sample[k], &data, &size, NULL), OC_OK);
            oc_free(data);
        }
    }
    /* Two names may say the same then. */
    size_t size;
    remove(f->archive);
    test_zip_create(f->archive, f->root, ".//", false);
    unsigned char *bytes = test_bytes_read(f->archive, &size);
    for (size_t i = 0; i + 10 < size; i++)
        if (memcmp(bytes + i, ".//b/1.jpg", 10) == 0) memcpy(bytes + i, "a//./1.jpg", 10);
    test_bytes_write(f->archive, bytes, size);
    free(bytes);
    const oc_split *train = must_open(f);
    assert_int_equal(train->count, 1);
    assert_int_equal(train->left_outs, 1);
    assert_int_equal(train->left_out[0].why, OC_UNREAD_REPEATED);
}

static long peak_memory(void) {
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* A member that claims to be large costs no memory before its bytes are there; one that is large is read. */
static void test_sizes(void **state) {
    fixture *f = *state;
    const size_t claimed = (size_t)200 << 20, large = ((size_t)5 << 20) + 1;
    size_t size, got;
    uint8_t *data = NULL;
    char path[400];
    test_zip_create(f->archive, f->root, "", true);
    unsigned char *bytes = test_bytes_read(f->archive, &size);
    for (size_t i = 0; i + 28 < size; i++)
        for (int k = 0; memcmp(bytes + i, "PK\1\2", 4) == 0 && k < 4; k++)
            bytes[i + 24 + k] = (unsigned char)(claimed >> 8 * k);
    test_bytes_write(f->archive, bytes, size);
    free(bytes);
    const oc_split *train = must_open(f);
    const long before = peak_memory();
    int refused = 0;
    for (int k = 0; k < 2; k++) {
        oc_error error = {0};
        refused += oc_dataset_read(f->dataset, &train->sample[k], &data, &got, &error) == OC_E_FORMAT;
        oc_free(data);
    }
    assert_int_equal(refused, 2);
    assert_in_range(peak_memory() - before, 0, claimed / 1024 / 2);

    uint8_t *whole = malloc(large);
    assert_non_null(whole);
    for (size_t i = 0; i < large; i++) whole[i] = (uint8_t)(i * 2654435761U >> 24);
    snprintf(path, sizeof path, "%s/b/1.jpg", f->root);
    test_bytes_write(path, whole, large);
    remove(f->archive);
    test_zip_create(f->archive, f->root, "", true);
    train = must_open(f);
    assert_int_equal(oc_dataset_read(f->dataset, &train->sample[1], &data, &got, NULL), OC_OK);
    assert_int_equal(got, large);
    assert_memory_equal(data, whole, large);
    oc_free(data);
    free(whole);
}

/* A zip among the members, not packed: it is read as the bytes that it is, like those beside it. */
static void test_nested(void **state) {
    fixture *f = *state;
    char path[400];
    size_t size, got;
    uint8_t *data = NULL;
    test_zip_create(f->archive, f->root, "", false);
    unsigned char *inner = test_bytes_read(f->archive, &size);
    snprintf(path, sizeof path, "%s/b/2.jpg", f->root);
    test_bytes_write(path, inner, size);
    remove(f->archive);
    test_zip_create(f->archive, f->root, "", false);
    const oc_split *train = must_open(f);
    assert_int_equal(train->count, 3);
    for (int k = 0; k < 3; k++) {
        assert_int_equal(oc_dataset_read(f->dataset, &train->sample[k], &data, &got, NULL), OC_OK);
        assert_int_equal(got == size, k == 2);
        if (k == 2) assert_memory_equal(data, inner, size);
        oc_free(data);
    }
    free(inner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_slashes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nested, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
