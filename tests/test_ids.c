/* Names of images in files for other programs: the shortest form that tells all of them apart. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "eval/ids.h"
#include "support/images.h"
#include "support/temporary.h"

static void on_log(void *user, oc_log_level level, const char *line) {
    (void)level;
    snprintf(user, 400, "%s", line);
}

/* The form for `count` of train and val of the data set that the files in root make. */
static oc_id_form form_of(const char *root, size_t count, const char *said) {
    static const char *const splits[] = {"val", "train"};
    oc_dataset *dataset = NULL;
    oc_id_form form;
    char line[400] = "";
    assert_int_equal(oc_dataset_open(&dataset, root, NULL, NULL), OC_OK);
    assert_int_equal(oc_id_form_choose(&form, dataset, splits, count, &(oc_log){on_log, line}, NULL), OC_OK);
    oc_dataset_destroy(&dataset);
    if (!strstr(line, said) || (!*said && *line)) fail_msg("\"%s\" for \"%s\"", line, said);
    return form;
}

static void file(const char *root, const char *relative) {
    char path[700];
    snprintf(path, sizeof path, "%s/%s", root, relative);
    test_text_write(path, "");
}

static void test_forms(void **state) {
    char folder[256];
    (void)state;
    test_temporary_create(folder, sizeof folder);
    file(folder, "train/a/images/1.jpg"), file(folder, "train/b/2.jpg");
    file(folder, "val/a/3.jpg"), file(folder, "val/b/4.jpg");
    assert_int_equal(form_of(folder, 2, ""), OC_ID_NAME);
    file(folder, "val/b/1.jpg"); /* in another split */
    assert_int_equal(form_of(folder, 1, ""), OC_ID_NAME);
    assert_int_equal(form_of(folder, 2, "file names are not unique, so an image is named by its path"), OC_ID_PATH);
    file(folder, "val/a/1.jpg");
    assert_int_equal(form_of(folder, 1, "path"), OC_ID_PATH);
    file(folder, "train/a/1.jpg");
    assert_int_equal(form_of(folder, 1, "path"), OC_ID_PATH);
    assert_int_equal(form_of(folder, 2, "split and path"), OC_ID_SPLIT_PATH);
    test_temporary_remove(folder);
}

static void test_names(void **state) {
    oc_names ids = {0};
    (void)state;
    assert_int_equal(oc_id_add(&ids, OC_ID_NAME, "val", "images/val_0.JPEG", NULL), OC_OK);
    assert_int_equal(oc_id_add(&ids, OC_ID_NAME, "val", "val_1.JPEG", NULL), OC_OK);
    assert_int_equal(oc_id_add(&ids, OC_ID_PATH, "val", "a/1.jpg", NULL), OC_OK);
    assert_int_equal(oc_id_add(&ids, OC_ID_SPLIT_PATH, "val", "a/1.jpg", NULL), OC_OK);
    static const char *const want[] = {"val_0.JPEG", "val_1.JPEG", "a/1.jpg", "val/a/1.jpg"};
    for (int i = 0; i < 4; i++) assert_string_equal(ids.item[i], want[i]);
    oc_names_free(&ids);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
