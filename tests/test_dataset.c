/* Data sets: every form of path, their order, what is left out, the fingerprint, and every fault with its message. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "data/annotations.h"
#include "data/dataset.h"
#include "ocelli/data.h"
#include "ocelli/eval.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/set.h"

/* ---- Tiny ImageNet ---- */

#define TINY_TRAIN                                                                                                     \
    "train/n0000/images/n0000_0.JPEG 0, train/n0000/images/n0000_1.JPEG 0, train/n0001/images/n0001_0.JPEG 1, "        \
    "train/n0001/images/n0001_1.JPEG 1, train/n0002/images/n0002_0.JPEG 2, train/n0002/images/n0002_1.JPEG 2"
#define TINY_VAL "val/images/val_0.JPEG 0, val/images/val_3.JPEG 0, val/images/val_1.JPEG 1, val/images/val_2.JPEG 2"

static void is_tiny(test_set *f) {
    const oc_names *classes = oc_dataset_classes(f->dataset);
    assert_int_equal(classes->count, 3);
    assert_string_equal(classes->item[0], "n0000");
    assert_string_equal(classes->item[2], "n0002");
    assert_string_equal(oc_dataset_class_name(f->dataset, "n0001"), "thing 1, something");
    assert_string_equal(oc_dataset_class_name(f->dataset, "n0002"), "n0002");
    assert_string_equal(oc_dataset_class_name(f->dataset, "unknown"), "unknown");
}

/* Every sample's bytes, read through the data set, equal the file's. */
static void reads_as_files(test_set *f, const char *split_name) {
    const oc_split *split = oc_dataset_split(f->dataset, split_name);
    for (int64_t i = 0; i < split->count; i++) {
        const char *relative = split->sample[i].path;
        uint8_t *data = NULL;
        size_t size, want_size;
        oc_error error = {0};
        if (strncmp(relative, "set/", 4) == 0) relative += 4;
        unsigned char *want = test_bytes_read(test_set_path(f, relative), &want_size);
        if (oc_dataset_read(f->dataset, &split->sample[i], &data, &size, &error) != OC_OK)
            fail_msg("%s", error.message);
        assert_int_equal(size, want_size);
        assert_memory_equal(data, want, size);
        oc_free(data);
        free(want);
    }
}

static void test_tiny(void **state) {
    test_set *f = *state;
    test_tiny_create(f->root, 3, 2, 4, 2);
    test_set_opens_at(f, f->root, NULL);
    is_tiny(f);
    test_set_holds(f, "train", TINY_TRAIN);
    test_set_holds(f, "val", TINY_VAL);
    test_set_holds(f, "test", "test/images/test_0.JPEG -1, test/images/test_1.JPEG -1");
    assert_null(oc_dataset_split(f->dataset, "other"));
    assert_string_equal(oc_dataset_path(f->dataset), f->root);
    reads_as_files(f, "train");
    /* A slash at the end, and the folder that the archive was unpacked into. */
    test_set_opens_at(f, test_set_path(f, ""), NULL);
    is_tiny(f);
    test_set_opens_at(f, f->folder, NULL);
    is_tiny(f);
    const uint64_t fingerprint = oc_dataset_fingerprint(f->dataset);
    test_set_opens_at(f, f->folder, &(oc_dataset_options){.without_words = true});
    assert_string_equal(oc_dataset_class_name(f->dataset, "n0001"), "n0001");
    assert_int_equal(oc_dataset_fingerprint(f->dataset), fingerprint);
}

static void test_tiny_zip(void **state) {
    static const char *const prefixes[] = {"set/", "", "./set/", "/", ".//", "/set/././/"};
    test_set *f = *state;
    char archive[400];
    test_tiny_create(f->root, 3, 2, 4, 2);
    for (int i = 0; i < 12; i++) {
        snprintf(archive, sizeof archive, "%s/%d.zip", f->folder, i);
        test_zip_create(archive, f->root, prefixes[i / 2], i % 2);
        test_set_opens_at(f, archive, NULL);
        is_tiny(f);
        if (!strstr(prefixes[i / 2], "set")) {
            test_set_holds(f, "train", TINY_TRAIN);
            test_set_holds(f, "val", TINY_VAL);
            test_set_holds(f, "test", "test/images/test_0.JPEG -1, test/images/test_1.JPEG -1");
        }
        assert_int_equal(oc_dataset_split(f->dataset, "val")->count, 4);
        reads_as_files(f, "train");
        reads_as_files(f, "val");
    }
    snprintf(archive, sizeof archive, "%s/up.zip", f->folder);
    test_zip_create(archive, f->root, "set/../", false);
    oc_dataset_destroy(&f->dataset);
    test_set_fails(f, archive, OC_E_FORMAT, "up.zip", "leads out of a folder with \"..\": pack it again");
}

/* The validation images moved into class folders, the annotations left behind; with and without "images". */
static void test_tiny_val_folders(void **state) {
    test_set *f = *state;
    char from[700], to[700];
    test_tiny_create(f->root, 2, 1, 4, 0);
    for (int i = 0; i < 4; i++) {
        snprintf(from, sizeof from, "%s/val/images/val_%d.JPEG", f->root, i);
        snprintf(to, sizeof to, "%s/val/n000%d", f->root, i % 2);
        mkdir(to, 0777);
        if (i % 2) strcat(to, "/images");
        mkdir(to, 0777);
        snprintf(to + strlen(to), 40, "/val_%d.JPEG", i);
        assert_int_equal(rename(from, to), 0);
    }
    test_set_opens_at(f, f->root, NULL);
    test_set_holds(f, "val",
                   "val/n0000/val_0.JPEG 0, val/n0000/val_2.JPEG 0, val/n0001/images/val_1.JPEG 1, "
                   "val/n0001/images/val_3.JPEG 1");
    assert_null(oc_dataset_split(f->dataset, "test"));
}

/* ---- class folders ---- */

static void test_class_folders(void **state) {
    test_set *f = *state;
    test_set_image(f, "train/dog/b.jpg");
    test_set_image(f, "train/dog/a.JPG");
    test_set_image(f, "train/dog/.hidden.jpg");
    test_text_write(test_set_path(f, "train/dog/notes.jp2"), "");
    test_set_image(f, "train/cat/images/x.PNG");
    test_set_image(f, "train/cat/y.jpeg");
    test_set_image(f, "train/Zebra/z.jpg");
    test_set_image(f, "val/dog/v.jpg");
    test_set_image(f, "test/one.jpg");
    test_set_opens_at(f, f->root, NULL);
    assert_int_equal(oc_split_left_out(oc_dataset_split(f->dataset, "train"), true), 1); /* the .jp2 */
    test_set_holds(f, "train",
                   "train/Zebra/z.jpg 0, train/cat/images/x.PNG 1, train/cat/y.jpeg 1, train/dog/a.JPG 2, "
                   "train/dog/b.jpg 2");
    test_set_holds(f, "val", "val/dog/v.jpg 2");
    test_set_holds(f, "test", "test/one.jpg -1");
}

/* Train and val may be absent; test may have classes. */
static void test_absent_splits(void **state) {
    test_set *f = *state;
    test_set_image(f, "val/a/1.jpg");
    test_set_image(f, "test/a/2.jpg");
    test_set_opens_at(f, f->root, NULL);
    assert_null(oc_dataset_split(f->dataset, "train"));
    test_set_holds(f, "val", "val/a/1.jpg 0");
    test_set_holds(f, "test", "test/a/2.jpg 0");
}

static void test_one_level(void **state) {
    test_set *f = *state;
    test_set_image(f, "plane/1.jpg");
    test_set_image(f, "train/1.jpg");
    test_set_image(f, "train/2.jpg");
    mkdir(test_set_path(f, "notes"), 0777);
    test_set_opens_at(f, f->root, NULL);
    test_set_holds(f, "train", "plane/1.jpg 0, train/1.jpg 1, train/2.jpg 1");
    assert_null(oc_dataset_split(f->dataset, "val"));
}

static void test_links(void **state) {
    test_set *f = *state;
    char target[700];
    test_set_image(f, "real/a/1.jpg");
    test_set_image(f, "real/b/2.jpg");
    snprintf(target, sizeof target, "%s/train", f->root);
    assert_int_equal(rename(test_set_path(f, "real"), target), 0);
    /* A linked class, a linked file, a link to nowhere, and one that leads back up. */
    assert_int_equal(symlink("b", test_set_path(f, "train/c")), 0);
    assert_int_equal(symlink("../b/2.jpg", test_set_path(f, "train/a/3.jpg")), 0);
    assert_int_equal(symlink("nowhere", test_set_path(f, "train/a/4.jpg")), 0);
    assert_int_equal(symlink("../..", test_set_path(f, "train/a/images")), 0);
    test_set_opens_at(f, f->root, NULL);
    test_set_holds(f, "train", "train/a/1.jpg 0, train/a/3.jpg 0, train/b/2.jpg 1, train/c/2.jpg 2");
}

/* ---- fingerprint ---- */

static uint64_t fingerprint_of(test_set *f, const char *path) {
    test_set_opens_at(f, path, NULL);
    return oc_dataset_fingerprint(f->dataset);
}

static void test_fingerprint(void **state) {
    test_set *f = *state;
    test_tiny_create(f->root, 2, 2, 2, 0);
    const uint64_t first = fingerprint_of(f, f->root);
    assert_true(fingerprint_of(f, f->root) == first);
    /* What lies beside the images does not matter. */
    test_text_write(test_set_path(f, "run/log.txt"), "hello");
    assert_true(fingerprint_of(f, f->root) == first);
    /* A label, and an image more. */
    test_text_write(test_set_path(f, "val/val_annotations.txt"), "val_0.JPEG\tn0001\nval_1.JPEG\tn0001\n");
    const uint64_t second = fingerprint_of(f, f->root);
    assert_true(second != first);
    test_set_image(f, "train/n0001/images/n0001_9.JPEG");
    assert_true(fingerprint_of(f, f->root) != second);
    /* One changed in place, of the old size, its time set back: who unpacks a version over another does that. */
    struct stat info;
    const char *path = test_set_path(f, "train/n0001/images/n0001_0.JPEG");
    const uint64_t third = fingerprint_of(f, f->root);
    assert_int_equal(stat(path, &info), 0);
    const struct timespec times[] = {info.st_atim, info.st_mtim};
    test_bytes_change(path, 200, 1);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_true(fingerprint_of(f, f->root) != third);
    /* The target of a link. */
    char target[700];
    snprintf(target, sizeof target, "%s/target.jpg", f->folder);
    test_jpeg_write(target, 8, 8, 1, TEST_JPEG_RGB);
    assert_int_equal(symlink(target, test_set_path(f, "train/n0001/images/link.jpg")), 0);
    const uint64_t fourth = fingerprint_of(f, f->root);
    test_bytes_change(target, 200, 1);
    assert_true(fingerprint_of(f, f->root) != fourth);
    const uint64_t identity = oc_dataset_identity(f->dataset);
    test_set_opens_at(f, test_set_path(f, "train/.."), NULL);
    assert_true(oc_dataset_identity(f->dataset) == identity);
}

/* ---- faults ---- */

static void test_missing(void **state) {
    test_set *f = *state;
    test_set_fails(f, f->root, OC_E_NOT_FOUND, f->root, "no such");
    mkdir(f->root, 0777);
    test_set_fails(f, f->root, OC_E_FORMAT, f->root, "no data set here");
    test_text_write(test_set_path(f, "a.zip"), "not a zip");
    test_set_fails(f, test_set_path(f, "a.zip"), OC_E_FORMAT, "a.zip", "neither a folder nor a whole zip");
    test_text_write(test_set_path(f, "a.zip"), "");
    test_set_fails(f, test_set_path(f, "a.zip"), OC_E_FORMAT, "a.zip", "neither a folder nor a whole zip");
    test_set_image(f, "image.jpg");
    test_set_fails(f, f->root, OC_E_FORMAT, f->root, "expected train/<class>/");
    mkdir(test_set_path(f, "train"), 0777);
    test_set_fails(f, f->root, OC_E_FORMAT, "train", "no class folders");
}

static void test_half_unpacked(void **state) {
    test_set *f = *state;
    test_tiny_create(f->root, 3, 1, 3, 0);
    unlink(test_set_path(f, "val/images/val_1.JPEG"));
    test_set_fails(f, f->root, OC_E_FORMAT, "val_annotations.txt:2", "1 of the 3 images listed are not in val/images");
    unlink(test_set_path(f, "val/images/val_0.JPEG"));
    unlink(test_set_path(f, "val/images/val_2.JPEG"));
    test_set_fails(f, f->root, OC_E_FORMAT, "val_annotations.txt:1", "half-unpacked data set: 3 of the 3");
    unlink(test_set_path(f, "val/val_annotations.txt"));
    test_set_fails(f, f->root, OC_E_FORMAT, "val", "half-unpacked data set: no images");
    unlink(test_set_path(f, "train/n0001/images/n0001_0.JPEG"));
    test_set_fails(f, f->root, OC_E_FORMAT, "train", "half-unpacked data set: class n0001 has no");
    unlink(test_set_path(f, "train/n0001/n0001_boxes.txt"));
    rmdir(test_set_path(f, "train/n0001/images"));
    rmdir(test_set_path(f, "train/n0001"));
    test_set_fails(f, f->root, OC_E_FORMAT, "train",
                   "1 of the 3 classes in wnids.txt have no folder here, the first is n0001");
    test_text_write(test_set_path(f, "wnids.txt"), "n0000\r\n");
    test_set_fails(f, f->root, OC_E_FORMAT, "train", "the folder n0002 is not a class listed in wnids.txt");
}

static void test_half_downloaded(void **state) {
    test_set *f = *state;
    char archive[400];
    size_t size;
    test_tiny_create(f->root, 3, 1, 3, 0);
    snprintf(archive, sizeof archive, "%s/set.zip", f->folder);
    test_zip_create(archive, f->root, "", false);
    unsigned char *bytes = test_bytes_read(archive, &size);
    test_bytes_write(archive, bytes, size * 2 / 3);
    test_set_fails(f, archive, OC_E_FORMAT, "set.zip", "is the download complete?");
    /* A byte of an image changed: the archive's own checksum tells. */
    test_set_opens_at(f, f->root, NULL);
    unsigned char *image_bytes = memmem(bytes, size, "\xff\xd8\xff", 3);
    assert_non_null(image_bytes);
    image_bytes[100] ^= 1;
    test_bytes_write(archive, bytes, size);
    test_set_opens_at(f, archive, NULL);
    int refused = 0;
    static const char *const splits[] = {"train", "val"};
    for (int s = 0; s < 2; s++) {
        const oc_split *split = oc_dataset_split(f->dataset, splits[s]);
        for (int64_t i = 0; i < split->count; i++) {
            uint8_t *data = NULL;
            oc_error error = {0};
            const oc_status status = oc_dataset_read(f->dataset, &split->sample[i], &data, &size, &error);
            if (status != OC_OK) {
                assert_int_equal(status, OC_E_FORMAT);
                assert_non_null(strstr(error.message, "from the zip"));
                assert_null(data);
                refused++;
            }
            oc_free(data);
        }
    }
    assert_int_equal(refused, 1);
    free(bytes);
}

static void test_annotations(void **state) {
    static const struct {
        const char *text, *where, *message;
    } bad[] = {
        {"val_0.JPEG\tn0000\t0\t1\t2\t3\nval_1.JPEG n0001 0 1 2 3\n", ":2", "apart by tabs"},
        {"val_0.JPEG\n", ":1", "expected image, class"},
        {"\n\nval_0.JPEG\tn0000\t0\t1\t2\n", ":3", "expected image, class"},
        {"val_0.JPEG\tn0000\t0\t1\t2\t3\t4\n", ":1", "expected image, class"},
        {"val_0.JPEG\tn0000\t0\t1\t2\tx\n", ":1", "expected image, class"},
        {"val_0.JPEG\tn0000\t0\t1\t2\t-3\n", ":1", "expected image, class"},
        {"\tn0000\n", ":1", "expected image, class"},
        {"val_0.JPEG\t\n", ":1", "expected image, class"},
        {"../val_0.JPEG\tn0000\n", ":1", "expected image, class"},
        {"val_0.JPEG\tn0000\nval_1.JPEG\tn0001\nval_0.JPEG\tn0001\n", ":3", "an earlier line names too"},
        {"val_0.JPEG\tn0000\nval_1.JPEG\tn0007\n", ":2", "class n0007 is not among the 2 training classes"},
        {"val_0.JPEG\tn0000\n", "val_annotations.txt", "no line for the image val_1.JPEG"},
        {"", "val_annotations.txt", "no line for the image val_0.JPEG"},
        {"val_0.JPEG\tn0000\nval_1.JPEG\tn0001\nval_2.JPEG\tn0001", ":3", "half-unpacked data set: 1 of the 3"},
    };
    test_set *f = *state;
    test_tiny_create(f->root, 2, 1, 2, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char where[64];
        test_text_write(test_set_path(f, "val/val_annotations.txt"), bad[i].text);
        snprintf(where, sizeof where, "val_annotations.txt%s", *bad[i].where == ':' ? bad[i].where : "");
        test_set_fails(f, f->root, OC_E_FORMAT, where, bad[i].message);
    }
    test_text_write(test_set_path(f, "val/val_annotations.txt"),
                    "val_1.JPEG\tn0001\t0\t0\t63\t63\r\n\r\nval_0.JPEG\tn0001");
    test_set_opens_at(f, f->root, NULL);
    test_set_holds(f, "val", "val/images/val_0.JPEG 1, val/images/val_1.JPEG 1");
    oc_dataset_destroy(&f->dataset);
    unlink(test_set_path(f, "val/val_annotations.txt"));
    test_set_fails(f, f->root, OC_E_FORMAT, "val/images", "need a val_annotations.txt");
}

static void test_unknown_class(void **state) {
    test_set *f = *state;
    test_set_image(f, "train/cat/1.jpg");
    test_set_image(f, "train/dog/1.jpg");
    test_set_image(f, "val/catt/1.jpg");
    test_set_fails(f, f->root, OC_E_FORMAT, "val",
                   "class catt is not among the 2 training classes (the nearest is cat)");
}

/* A NUL byte must not hide the rest of a line. */
static void test_parse_nul(void **state) {
    char text[] = "a\tb\nc\0d\te\n", lines[] = "a\nb\0c\n";
    oc_annotations annotations = {0};
    oc_names names = {0};
    oc_error error = {0};
    (void)state;
    assert_int_equal(oc_annotations_parse(&annotations, text, sizeof text - 1, "file", &error), OC_E_FORMAT);
    assert_string_equal(error.where, "file:2");
    oc_annotations_free(&annotations);
    assert_int_equal(oc_lines_parse(&names, lines, sizeof lines - 1, "list", &error), OC_E_FORMAT);
    assert_string_equal(error.where, "list:2");
    oc_names_free(&names);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tiny, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_tiny_zip, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_tiny_val_folders, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_class_folders, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_absent_splits, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_one_level, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_links, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_fingerprint, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_missing, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_half_unpacked, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_half_downloaded, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_annotations, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_unknown_class, test_set_setup, test_set_teardown),
        cmocka_unit_test(test_parse_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
