/* How folders are understood: splits by other names, wrappers around them, and what would make one class of several. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "data/dataset.h"
#include "support/images.h"
#include "support/set.h"
#include "support/temporary.h"

/* ---- splits by other names ---- */

/* Images in each, of two classes; the data set must have so many in train and val. */
static void splits_are(test_set *f, const char *train, const char *val, const char *said) {
    const char *const folders[] = {train, val};
    char name[128];
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < 2 * (2 - s); i++) {
            snprintf(name, sizeof name, "%s/%s/%d.jpg", folders[s], i % 2 ? "cat" : "dog", i);
            test_set_image(f, name);
        }
    test_set_opens(f);
    assert_int_equal(oc_dataset_classes(f->dataset)->count, 2);
    assert_int_equal(oc_dataset_split(f->dataset, "train")->count, 4);
    assert_int_equal(oc_dataset_split(f->dataset, "val")->count, 2);
    test_set_says(f, said);
    test_temporary_remove(f->root);
}

static void test_split_names(void **state) {
    test_set *f = *state;
    splits_are(f, "train", "valid", "val is the folder valid");
    splits_are(f, "Training", "Validation", "train is the folder Training");
    splits_are(f, "TRAIN", "dev", "val is the folder dev");
    splits_are(f, "images/train", "images/val", "train is the folder images/train");
    splits_are(f, "train/images", "val/images", "train is the folder train/images");
    splits_are(f, "data/set/train", "data/set/Val", "val is the folder data/set/Val");
    test_set_image(f, "docs/a/1.jpg");
    splits_are(f, "data/train", "data/val", "not read and lying elsewhere: 1 (an image outside the splits)");
}

/* ---- what the folders are ---- */

/* The classes, apart by spaces, and how many images train and val have. */
static void is_read_as(test_set *f, const char *classes, int train, int val) {
    char text[200] = "";
    test_set_opens(f);
    const oc_names *names = oc_dataset_classes(f->dataset);
    for (size_t i = 0; i < names->count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", names->item[i]);
    assert_string_equal(text, classes);
    assert_int_equal(oc_dataset_split(f->dataset, "train")->count, train);
    if (val > 0) assert_int_equal(oc_dataset_split(f->dataset, "val")->count, val);
}

/* Folders without images, and loose images, do not hide where the classes are. */
static void test_wrapped(void **state) {
    test_set *f = *state;
    test_set_images(f, "dataset/a/1.jpg dataset/b/1.jpg dataset/c/1.jpg");
    test_text_write(test_set_path(f, "labels/a.txt"), "1");
    is_read_as(f, "a b c", 3, 0);
    test_set_says(f, "train is the folder dataset");
    mkdir(test_set_path(f, "d"), 0777);
    is_read_as(f, "a b c", 3, 0);
    test_set_says(f, "nothing is in the folder d; the classes are taken from dataset");
    test_set_images(f, "cover.jpg data/a/1.jpg data/b/1.jpg");
    is_read_as(f, "a b", 2, 0);
    test_set_left_out(f, "elsewhere", 0, OC_UNREAD_ELSEWHERE, 1, "cover.jpg");
    test_set_images(f, "set/cover.jpg set/a/1.jpg set/b/1.jpg");
    is_read_as(f, "a b", 2, 0);
    test_set_left_out(f, "train", 2, OC_UNREAD_LOOSE, 1, "set/cover.jpg");
    test_set_images(f, "Images/a/1.jpg Images/b/1.jpg");
    is_read_as(f, "a b", 2, 0);
    test_set_images(f, "set/images/a/1.jpg set/images/b/1.jpg");
    is_read_as(f, "a b", 2, 0);
    test_set_images(f, "cat/Images/1.jpg dog/Images/1.jpg");
    is_read_as(f, "cat dog", 2, 0);
    assert_string_equal(oc_dataset_split(f->dataset, "train")->sample[0].in_class, "1.jpg");
}

static void test_wrapped_splits(void **state) {
    test_set *f = *state;
    test_set_images(f, "logo.jpg ds/train/a/1.jpg ds/train/b/1.jpg ds/val/a/2.jpg");
    is_read_as(f, "a b", 2, 1);
    test_set_left_out(f, "elsewhere", 0, OC_UNREAD_ELSEWHERE, 1, "logo.jpg");
    test_set_images(f, "train/data/a/1.jpg train/data/b/1.jpg val/data/a/2.jpg val/data/b/2.jpg");
    is_read_as(f, "a b", 2, 2);
    test_set_says(f, "val is the folder val/data");
    test_set_images(f, "train/Images/a/1.jpg train/Images/b/1.jpg val/IMAGES/a/2.jpg");
    is_read_as(f, "a b", 2, 1);
    /* What train has as a class is one in val, whatever is in it. */
    test_set_images(f, "train/a/in/1.jpg train/a/out/1.jpg train/b/1.jpg val/a/in/2.jpg val/a/out/2.jpg");
    is_read_as(f, "a b", 3, 2);
    test_set_images(f, "train/logo.jpg train/a/1.jpg train/b/1.jpg");
    is_read_as(f, "a b", 2, 0);
    test_set_left_out(f, "train", 2, OC_UNREAD_LOOSE, 1, "train/logo.jpg");
}

/* What would make one class of several is refused. */
static void test_folders_refused(void **state) {
    static const struct {
        const char *images, *where, *message;
    } bad[] = {
        {"fold1/a/1.jpg fold1/b/1.jpg fold2/a/2.jpg fold2/b/2.jpg", "fold1", "the folders in it look like classes"},
        {"train/fold1/a/1.jpg train/fold1/b/1.jpg train/fold2/a/2.jpg", "train/fold1", "look like classes"},
        {"dataset/a/1.jpg dataset/b/1.jpg samples/1.jpg", "dataset", "look like classes"},
        {"my_data/x.jpg my_data/a/1.jpg my_data/b/1.jpg samples/1.jpg", "my_data", "look like classes"},
        {"images/a/1.jpg images/b/1.jpg masks/a/1.jpg masks/b/1.jpg", "images", "look like classes"},
        {"x/deep/train/a/1.jpg x/deep/val/a/1.jpg y/1.jpg", "set/x", "folders in it are called as splits"},
        {"x/train/a/1.jpg y/1.jpg", "set/x", "folders in it are called as splits"},
        {"docs/1.jpg train/1.jpg train/a/1.jpg train/b/1.jpg", "set/train", "this looks like a split"},
        {"cat/train/1.jpg cat/val/1.jpg dog/train/1.jpg dog/val/1.jpg", "set", "several data sets here, cat and dog"},
        {"train/1.jpg test/1.jpg", "set/train", "this folder has no class folders in it"},
    };
    test_set *f = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        test_set_images(f, bad[i].images);
        test_set_refuses(f, f->root, bad[i].where, bad[i].message);
    }
}

/* What may be meant is read, and told. */
static void test_folders_doubted(void **state) {
    test_set *f = *state;
    test_set_images(f, "cat/in/1.jpg cat/out/1.jpg dog/in/2.jpg dog/out/2.jpg");
    is_read_as(f, "cat dog", 4, 0);
    test_set_says(f, "cat and dog are read as classes, though both hold folders of the same names");
    test_set_images(f, "cat/persian/1.jpg cat/siamese/1.jpg dog/1.jpg");
    is_read_as(f, "cat dog", 3, 0);
    test_set_says(f, "cat is read as one class, though it alone holds folders of images");
    test_set_images(f, "cat/1.jpg cat/more/1.jpg dog/1.jpg dog/more/1.jpg");
    is_read_as(f, "cat dog", 4, 0);
    assert_string_equal(f->log, "");
}

/* Beside class folders one without images is no class, which is told; unless images of it are not read. */
static void test_imageless(void **state) {
    test_set *f = *state;
    test_set_images(f, "a/1.jpg b/1.jpg");
    mkdir(test_set_path(f, "c"), 0777);
    test_text_write(test_set_path(f, "d/d.zip"), "PK\3\4");
    is_read_as(f, "a b", 2, 0);
    test_set_says(f, "no image in the folders c, d beside the classes: not taken for classes");
    test_set_left_out(f, "train", 2, OC_UNREAD_NO_IMAGE, 1, "d/d.zip");
    /* Whatever they hold otherwise. */
    test_text_write(test_set_path(f, "a/runs/train/log.txt"), "");
    test_text_write(test_set_path(f, "a/runs/val/log.txt"), "");
    test_text_write(test_set_path(f, "runs/train/log.txt"), "");
    test_text_write(test_set_path(f, "runs/val/log.txt"), "");
    is_read_as(f, "a b", 2, 0);
    test_set_says(f, "no image in the folders c, d, runs beside");
    test_text_write(test_set_path(f, "d/1.avif"), "");
    test_set_refuses(f, f->root, f->root, "class d has no images but 1 that cannot be read");
}

static void test_split_names_refused(void **state) {
    test_set *f = *state;
    test_set_image(f, "train/a/1.jpg");
    test_set_image(f, "val/a/1.jpg");
    test_set_image(f, "valid/a/1.jpg");
    test_set_refuses(f, f->root, f->root, "both val and valid are names of one split");
    test_temporary_remove(f->root);
    test_set_image(f, "one/train/a/1.jpg");
    test_set_image(f, "two/train/a/1.jpg");
    test_set_refuses(f, f->root, f->root, "several data sets here, one and two");
    test_temporary_remove(f->root);
    test_set_image(f, "training_set/a/1.jpg");
    test_set_image(f, "training_set/b/1.jpg");
    test_set_image(f, "test_set/a/1.jpg");
    test_set_refuses(f, f->root, "test_set", "this looks like a split");
    test_temporary_remove(f->root);
    test_set_image(f, "seg_train/seg_train/a/1.jpg");
    test_set_image(f, "seg_test/seg_test/a/1.jpg");
    test_set_refuses(f, f->root, "seg_test", "this looks like a split");
    test_temporary_remove(f->root);
    /* Nothing but splits, without class folders. */
    test_set_image(f, "train/1.jpg");
    test_set_image(f, "val/1.jpg");
    test_set_refuses(f, f->root, "train", "this folder has no class folders");
    /* A class that is called like a split is told. */
    test_set_image(f, "cat/1.jpg");
    unlink(test_set_path(f, "train/1.jpg"));
    rmdir(test_set_path(f, "train"));
    test_set_opens(f);
    assert_int_equal(oc_dataset_classes(f->dataset)->count, 2);
    test_set_says(f, "the folder val is read as a class");
}

static void test_val_of_test(void **state) {
    test_set *f = *state;
    oc_error error = {0};
    test_set_image(f, "train/a/1.jpg");
    test_set_image(f, "train/b/1.jpg");
    test_set_image(f, "testing/a/1.jpg");
    test_set_opens(f);
    assert_null(oc_dataset_split(f->dataset, "val"));
    assert_non_null(strstr(oc_dataset_val_advice(f->dataset), "data.val=test"));
    assert_non_null(strstr(oc_dataset_val_advice(f->dataset), "data.holdout"));
    oc_dataset_destroy(&f->dataset);
    assert_int_equal(oc_dataset_open(&f->dataset, f->root, &(oc_dataset_options){.val = "test"}, NULL), OC_OK);
    assert_int_equal(oc_dataset_split(f->dataset, "val")->count, 1);
    assert_null(oc_dataset_split(f->dataset, "test"));
    oc_dataset_destroy(&f->dataset);
    assert_int_equal(oc_dataset_open(&f->dataset, f->root, &(oc_dataset_options){.val = "dev"}, NULL), OC_E_USAGE);
    test_set_image(f, "val/a/1.jpg");
    assert_int_equal(oc_dataset_open(&f->dataset, f->root, &(oc_dataset_options){.val = "test"}, &error), OC_E_USAGE);
    assert_string_equal(error.where, "data.val");
}

static void test_annotated(void **state) {
    test_set *f = *state;
    test_tiny_create(f->root, 2, 1, 2, 2);
    test_text_write(test_set_path(f, "val/images/val_9.avif"), "");
    assert_int_equal(symlink("nowhere", test_set_path(f, "test/images/test_7.JPEG")), 0);
    test_set_opens(f);
    test_set_left_out(f, "val", 2, OC_UNREAD_FORMAT, 1, "val/images/val_9.avif");
    test_set_left_out(f, "test", 2, OC_UNREAD_NEITHER, 1, "test/images/test_7.JPEG");
    /* One that is listed is an image of the data set, whatever its name. */
    test_text_write(test_set_path(f, "val/val_annotations.txt"),
                    "val_0.JPEG\tn0000\nval_1.JPEG\tn0001\nval_9.avif\tn0001\n");
    test_set_opens(f);
    test_set_left_out(f, "val", 3, OC_UNREAD_FORMAT, 0, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_split_names, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_wrapped, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_wrapped_splits, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_folders_refused, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_folders_doubted, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_imageless, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_split_names_refused, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_val_of_test, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_annotated, test_set_setup, test_set_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
