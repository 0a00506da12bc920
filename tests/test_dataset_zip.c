/* Zips as odd programs write them. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_slashes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
