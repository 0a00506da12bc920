/* Data sets that people bring: what is left out of them is counted and told, and what cannot be used is refused with
 * its cause and cure. */
#define _GNU_SOURCE 1
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
#include "data/dataset.h"
#include "ocelli/data.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/set.h"

/* ---- left out ---- */

static void test_links_and_pipes(void **state) {
    test_set *f = *state;
    test_set_image(f, "train/a/1.jpg");
    test_set_image(f, "train/b/images/1.jpg");
    test_set_image(f, "val/a/1.jpg");
    test_set_image(f, "val/b/1.jpg");
    test_set_opens(f);
    assert_string_equal(f->log, "");
    assert_int_equal(symlink("nowhere", test_set_path(f, "train/b/images/2.jpg")), 0);
    test_set_opens(f);
    test_set_left_out(f, "train", 2, OC_UNREAD_NEITHER, 1, "train/b/images/2.jpg");
    assert_int_equal(symlink("nowhere", test_set_path(f, "train/a/2.jpg")), 0);
    assert_int_equal(mkfifo(test_set_path(f, "train/a/3.jpg"), 0666), 0);
    test_set_opens(f);
    test_set_left_out(f, "train", 2, OC_UNREAD_NEITHER, 3, "train/a/2.jpg");
    assert_int_equal(oc_split_left_out(oc_dataset_split(f->dataset, "train"), true), 3);
    /* A folder back to one it lies in. */
    assert_int_equal(symlink("..", test_set_path(f, "train/a/up")), 0);
    test_set_opens(f);
    test_set_left_out(f, "train", 2, OC_UNREAD_LOOP, 1, "train/a/up");
    /* A whole class. */
    assert_int_equal(symlink("nowhere", test_set_path(f, "train/c")), 0);
    assert_int_equal(symlink("nowhere", test_set_path(f, "val/c")), 0);
    test_set_opens(f);
    test_set_left_out(f, "train", 2, OC_UNREAD_NEITHER, 4, "train/c");
    test_set_left_out(f, "val", 2, OC_UNREAD_NEITHER, 1, "val/c");
}

/* Links that lead to folders with links: a few do no harm, each more doubles the folders. */
static void test_links_multiplied(void **state) {
    test_set *f = *state;
    char name[64], target[64];
    test_set_image(f, "b/1.jpg");
    test_set_image(f, ".chain/0/1.jpg");
    assert_int_equal(symlink(".chain/10", test_set_path(f, "a")), 0);
    for (int i = 1; i <= 17; i++) {
        snprintf(name, sizeof name, ".chain/%d", i);
        assert_int_equal(mkdir(test_set_path(f, name), 0777), 0);
        snprintf(target, sizeof target, "../%d", i - 1);
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof name, ".chain/%d/%d", i, k);
            assert_int_equal(symlink(target, test_set_path(f, name)), 0);
        }
    }
    test_set_opens(f);
    assert_int_equal(oc_dataset_split(f->dataset, "train")->count, 1 + (1 << 10));
    assert_int_equal(remove(test_set_path(f, "a")), 0);
    assert_int_equal(symlink(".chain/17", test_set_path(f, "a")), 0);
    test_set_refuses(f, f->root, "/a/0/", "links to folders lead to more than 100000 of them");
}

static void test_formats(void **state) {
    static const char *const names[] = {"a/1.avif", "a/2.HEIC", "a/3.ppm", "a/4.jxl", "a/5.jp2", "a/6.dng"};
    test_set *f = *state;
    for (size_t i = 0; i < 6; i++) test_text_write(test_set_path(f, names[i]), "");
    test_set_refuses(f, f->root, f->root, "class a has no images but 6 that cannot be read");
    test_set_image(f, "a/7.jpg");
    test_text_write(test_set_path(f, "a/notes.txt"), "");
    test_text_write(test_set_path(f, "a/.DS_Store"), "");
    test_set_opens(f);
    test_set_left_out(f, "train", 1, OC_UNREAD_FORMAT, 6, "a/1.avif");
    test_set_left_out(f, "train", 1, OC_UNREAD_NO_IMAGE, 1, "a/notes.txt");
    test_set_left_out(f, "train", 1, OC_UNREAD_HIDDEN, 1, "a/.DS_Store");
    assert_int_equal(oc_split_left_out(oc_dataset_split(f->dataset, "train"), false), 8);
}

/* The content decides where the name does not, and the other way round nothing is lost. */
static void test_names(void **state) {
    static const char *const names[] = {"noext",      "a.jpg_large", "a.JPG.1", "a.jpg?w=40", "a.png ", "a.jpg~",
                                        "a.jpg.part", "a.JFIF",      "a.jpe",   "a.txt",      "a.webp"};
    test_set *f = *state;
    char name[64];
    for (size_t i = 0; i < 11; i++) {
        snprintf(name, sizeof name, "train/c/%s", names[i]);
        test_set_image(f, name);
    }
    test_set_image(f, "val/c/noext");
    test_set_opens(f);
    assert_int_equal(oc_dataset_split(f->dataset, "train")->count, 11);
    assert_int_equal(oc_dataset_split(f->dataset, "val")->count, 1);
    assert_string_equal(f->log, "");
}

static void test_nested(void **state) {
    test_set *f = *state;
    test_set_image(f, "train/red/a.jpg");
    test_set_image(f, "train/red/more/b.jpg");
    test_set_image(f, "train/red/more/deeper/c.jpg");
    test_set_image(f, "train/blue/batch1/a.jpg");
    test_set_image(f, "val/red/more/a.jpg");
    test_set_image(f, "val/red/images/b.jpg");
    test_set_opens(f);
    const oc_split *train = oc_dataset_split(f->dataset, "train"), *val = oc_dataset_split(f->dataset, "val");
    assert_int_equal(train->count, 4);
    assert_string_equal(train->sample[0].path, "train/blue/batch1/a.jpg");
    assert_string_equal(train->sample[3].path, "train/red/more/deeper/c.jpg");
    assert_string_equal(train->sample[3].in_split, "red/more/deeper/c.jpg");
    assert_string_equal(train->sample[3].in_class, "more/deeper/c.jpg");
    assert_string_equal(train->sample[3].name, "c.jpg");
    assert_string_equal(val->sample[0].in_class, "b.jpg"); /* without images/ */
    test_set_says(f, "no image in val of the class blue");
    /* One level of class folders, one of them wholly nested. */
    oc_dataset_destroy(&f->dataset);
    snprintf(f->root, sizeof f->root, "%s/set/train", f->folder);
    test_set_opens(f);
    assert_int_equal(oc_dataset_classes(f->dataset)->count, 2);
    assert_int_equal(oc_dataset_split(f->dataset, "train")->count, 4);
}

static void test_loose(void **state) {
    test_set *f = *state;
    test_set_image(f, "train/a/1.jpg");
    test_set_image(f, "train/loose.jpg");
    test_set_image(f, "val/a/1.jpg");
    test_set_image(f, "val/loose.jpg");
    test_set_image(f, "train/loose");
    test_set_image(f, "docs/picture.jpg");
    test_set_image(f, "docs/picture.tmp");
    test_set_image(f, "top.jpg");
    test_text_write(test_set_path(f, "README"), "");
    test_set_opens(f);
    test_set_left_out(f, "train", 1, OC_UNREAD_LOOSE, 2, "train/loose");
    test_set_left_out(f, "val", 1, OC_UNREAD_LOOSE, 1, "val/loose.jpg");
    test_set_left_out(f, "elsewhere", 0, OC_UNREAD_ELSEWHERE, 3, "top.jpg");
    test_set_left_out(f, "elsewhere", 0, OC_UNREAD_NO_IMAGE, 1, "README");
}

/* However many files sort before a folder's images, it holds images: here train is a class, not a split. */
static void test_sidecars(void **state) {
    test_set *f = *state;
    char name[64];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "train/%02d.xml", i);
        test_text_write(test_set_path(f, name), "<x/>");
    }
    test_set_image(f, "train/picture");
    test_set_image(f, "train/more/1.jpg");
    test_set_image(f, "cat/1.jpg");
    test_set_opens(f);
    test_set_says(f, "the folder train is read as a class");
    test_set_left_out(f, "train", 3, OC_UNREAD_NO_IMAGE, 40, "train/00.xml");
}

/* Every file of a hidden folder counts, an empty one for nothing. */
static void test_hidden(void **state) {
    test_set *f = *state;
    test_set_image(f, "a/1.jpg");
    test_set_image(f, "b/1.jpg");
    test_set_image(f, ".trash/a/1.jpg");
    test_set_image(f, ".trash/.b/2.jpg");
    test_text_write(test_set_path(f, ".trash/3"), "");
    mkdir(test_set_path(f, ".empty"), 0777);
    test_set_opens(f);
    test_set_left_out(f, "train", 2, OC_UNREAD_HIDDEN, 3, ".trash");
}

/* A folder that cannot be listed: counted beside the classes and outside the splits, refused where images would be
 * missing. */
static void test_closed(void **state) {
    static const char *const refused[] = {"train/c", "train/a/c", "val/c", "val/a/c", "test/c"};
    test_set *f = *state;
    const uid_t user = geteuid();
    test_set_image(f, "train/a/1.jpg");
    test_set_image(f, "train/b/1.jpg");
    test_set_image(f, "val/a/1.jpg");
    test_set_image(f, "test/1.jpg");
    mkdir(test_set_path(f, "lost+found"), 0);
    /* Nothing is closed to the superuser. */
    assert_int_equal(chmod(f->folder, 0755), 0);
    if (user == 0) assert_int_equal(seteuid(65534), 0);
    test_set_opens(f);
    test_set_left_out(f, "elsewhere", 0, OC_UNREAD_UNREADABLE, 1, "lost+found");
    assert_int_equal(seteuid(user), 0);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        oc_error error = {0};
        oc_dataset_destroy(&f->dataset);
        mkdir(test_set_path(f, refused[i]), 0);
        if (user == 0) assert_int_equal(seteuid(65534), 0);
        assert_int_equal(oc_dataset_open(&f->dataset, f->root, NULL, &error), OC_E_IO);
        assert_int_equal(seteuid(user), 0);
        if (!strstr(error.message, "the folder c in it cannot be listed")) fail_msg("%s", error.message);
        rmdir(test_set_path(f, refused[i]));
    }
    rmdir(test_set_path(f, "lost+found"));
    test_set_images(f, "a/1.jpg b/1.jpg");
    mkdir(test_set_path(f, "c"), 0);
    if (user == 0) assert_int_equal(seteuid(65534), 0);
    test_set_opens(f);
    test_set_left_out(f, "train", 2, OC_UNREAD_UNREADABLE, 1, "c");
    assert_int_equal(seteuid(user), 0);
}

/* ---- a zip ---- */

/* Of two members with one name the last counts, as for who unpacks it. */
static void test_repeated(void **state) {
    test_set *f = *state;
    char archive[400], second[700];
    size_t size, want_size;
    uint8_t *data = NULL;
    test_set_image(f, "a/1.jpg");
    snprintf(second, sizeof second, "%s/b/1.jpg", f->root);
    test_jpeg_write(second, 9, 9, 2, TEST_JPEG_RGB);
    snprintf(archive, sizeof archive, "%s/a.zip", f->folder);
    test_zip_create(archive, f->root, "", false);
    unsigned char *bytes = test_bytes_read(archive, &size);
    /* The folder's own order decides which the archive has last. */
    const bool second_last =
        (unsigned char *)memmem(bytes, size, "a/1.jpg", 7) < (unsigned char *)memmem(bytes, size, "b/1.jpg", 7);
    for (size_t i = 0; i + 7 < size; i++)
        if (memcmp(bytes + i, "b/1.jpg", 7) == 0) bytes[i] = 'a';
    test_bytes_write(archive, bytes, size);
    free(bytes);
    oc_dataset_destroy(&f->dataset);
    f->log[0] = '\0';
    assert_int_equal(oc_dataset_open(&f->dataset, archive, NULL, NULL), OC_OK);
    const oc_split *train = oc_dataset_split(f->dataset, "train");
    oc_dataset_report(f->dataset, train, &(oc_log){test_set_on_log, f});
    test_set_left_out(f, "train", 1, OC_UNREAD_REPEATED, 1, "a/1.jpg");
    assert_int_equal(oc_dataset_read(f->dataset, &train->sample[0], &data, &size, NULL), OC_OK);
    unsigned char *want = test_bytes_read(second_last ? second : test_set_path(f, "a/1.jpg"), &want_size);
    assert_int_equal(size, want_size);
    assert_memory_equal(data, want, size);
    free(want);
    oc_free(data);
}

/* ---- refused ---- */

static void test_empty_folders(void **state) {
    test_set *f = *state;
    test_set_image(f, "train/a/1.jpg");
    test_set_image(f, "val/a/1.jpg");
    mkdir(test_set_path(f, "train/b"), 0777);
    test_set_refuses(f, f->root, "set/train", "class b has no images: remove the empty folder, or put images");
    test_text_write(test_set_path(f, "train/b/1.avif"), "");
    test_set_refuses(f, f->root, "set/train", "class b has no images but 1 that cannot be read");
    test_set_image(f, "train/b/1.jpg");
    unlink(test_set_path(f, "val/a/1.jpg"));
    test_set_refuses(f, f->root, "set/val", "no images that are read in this folder: remove it, or put images in");
}

static void test_class_names(void **state) {
    test_set *f = *state;
    test_set_image(f, "Z\xc3\xbcrich/1.jpg"); /* UTF-8 */
    test_set_opens(f);
    assert_string_equal(oc_dataset_classes(f->dataset)->item[0], "Z\xc3\xbcrich");
    test_set_image(f, "cl\xe4ss/1.jpg");
    test_set_refuses(f, f->root, f->root, "the name of the class \"cl\\xe4ss\" is not UTF-8: rename its folder");
    /* A folder that is no class may be called anything. */
    unlink(test_set_path(f, "cl\xe4ss/1.jpg"));
    test_set_opens(f);
    test_set_image(f, "train/\xff/1.jpg");
    test_set_image(f, "val/\xff/1.jpg");
    test_set_refuses(f, f->root, "set/train", "\"\\xff\" is not UTF-8");
}

/* One name in two ways of Unicode: composed in train, as one system writes it, and not in val and in a list. */
static void test_normal_forms(void **state) {
    test_set *f = *state;
    test_set_image(f, "train/caf\xc3\xa9/1.jpg");
    test_set_image(f, "train/tea/1.jpg");
    test_set_image(f, "val/cafe\xcc\x81/2.jpg");
    test_set_image(f, "val/tea/2.jpg");
    test_set_opens(f);
    assert_int_equal(oc_dataset_classes(f->dataset)->count, 2);
    assert_string_equal(oc_dataset_classes(f->dataset)->item[0], "caf\xc3\xa9");
    const oc_split *val = oc_dataset_split(f->dataset, "val");
    assert_int_equal(val->count, 2);
    assert_int_equal(val->sample[0].label, 0);
    test_set_says(f, "(caf\xc3\xa9, say) are written in two ways of Unicode");
    /* Whichever split is opened is told of the whole, and the first alone. */
    test_set_image(f, "docs/1.jpg");
    oc_dataset_destroy(&f->dataset);
    assert_int_equal(oc_dataset_open(&f->dataset, f->root, NULL, NULL), OC_OK);
    for (int i = 0; i < 2; i++) {
        f->log[0] = '\0';
        oc_dataset_report(f->dataset, oc_dataset_split(f->dataset, i ? "train" : "val"), &(oc_log){test_set_on_log, f});
        if ((strstr(f->log, "two ways of Unicode") != NULL) != (i == 0)) fail_msg("%d: %s", i, f->log);
        if ((strstr(f->log, "lying elsewhere: 1 (an image outside") != NULL) != (i == 0)) fail_msg("%d: %s", i, f->log);
    }
    test_text_write(test_set_path(f, "wnids.txt"), "cafe\xcc\x81\ntea\n");
    test_set_opens(f);
    test_text_write(test_set_path(f, "wnids.txt"), "cafe\ntea\n");
    test_set_refuses(f, f->root, "set/train", "the first is cafe;");
    unlink(test_set_path(f, "wnids.txt"));
    test_set_image(f, "train/cafe\xcc\x81/3.jpg");
    test_set_refuses(f, f->root, "set/train", "two classes are called \"caf");
}

static void test_byte_order_marks(void **state) {
    test_set *f = *state;
    test_tiny_create(f->root, 2, 1, 2, 0);
    test_text_write(test_set_path(f, "wnids.txt"), "\xef\xbb\xbfn0000\r\nn0001\r\n");
    test_text_write(test_set_path(f, "words.txt"), "\xef\xbb\xbfn0000\ta thing\r\n");
    test_text_write(test_set_path(f, "val/val_annotations.txt"),
                    "\xef\xbb\xbfval_0.JPEG\tn0000\r\nval_1.JPEG\tn0001\r\n");
    test_set_opens(f);
    assert_string_equal(oc_dataset_class_name(f->dataset, "n0000"), "a thing");
    assert_int_equal(oc_dataset_split(f->dataset, "val")->count, 2);
}

/* ---- archives ---- */

static void test_other_archives(void **state) {
    static const struct {
        const char *name, *bytes, *kind;
        size_t offset;
    } kinds[] = {{"a.tar.gz", "\x1f\x8b\x08", "a gzip archive", 0},
                 {"a.tar.bz2", "BZh91AY", "a bzip2 archive", 0},
                 {"a.tar.xz",
                  "\xfd"
                  "7zXZ",
                  "an xz archive", 0},
                 {"a.tar", "ustar", "a tar archive", 257},
                 {"a.7z", "7z\xbc\xaf\x27\x1c", "a 7z archive", 0}};
    test_set *f = *state;
    mkdir(f->root, 0777);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        unsigned char bytes[600] = {0};
        memcpy(bytes + kinds[i].offset, kinds[i].bytes, strlen(kinds[i].bytes));
        test_bytes_write(test_set_path(f, kinds[i].name), bytes, sizeof bytes);
        test_set_refuses(f, f->path, kinds[i].name, kinds[i].kind);
        test_set_refuses(f, f->path, kinds[i].name, "only folders and zip archives are read: unpack it");
    }
}

static void test_backslashes(void **state) {
    test_set *f = *state;
    char archive[400];
    test_set_image(f, "1.jpg");
    snprintf(archive, sizeof archive, "%s/a.zip", f->folder);
    test_zip_create(archive, f->root, "train\\cat\\", false);
    test_set_refuses(f, archive, "a.zip", "its names have backslashes for slashes (train\\cat\\1.jpg)");
    /* Beside slashes they are a name's own. */
    snprintf(archive, sizeof archive, "%s/b.zip", f->folder);
    test_zip_create(archive, f->root, "c\\at/", false);
    assert_int_equal(oc_dataset_open(&f->dataset, archive, NULL, NULL), OC_OK);
    assert_string_equal(oc_dataset_classes(f->dataset)->item[0], "c\\at");
}

/* A compression that the library lacks: the method's number in the members' headers is changed to one. */
static void test_compression(void **state) {
    test_set *f = *state;
    char archive[400];
    size_t size;
    uint8_t *data = NULL;
    oc_error error = {0};
    test_set_image(f, "a/1.jpg");
    snprintf(archive, sizeof archive, "%s/a.zip", f->folder);
    test_zip_create(archive, f->root, "", false);
    unsigned char *bytes = test_bytes_read(archive, &size);
    for (size_t i = 0; i + 12 < size; i++) {
        if (memcmp(bytes + i, "PK\3\4", 4) == 0) bytes[i + 8] = 97; /* WavPack */
        if (memcmp(bytes + i, "PK\1\2", 4) == 0) bytes[i + 10] = 97;
    }
    test_bytes_write(archive, bytes, size);
    free(bytes);
    assert_int_equal(oc_dataset_open(&f->dataset, archive, NULL, NULL), OC_OK);
    const oc_split *split = oc_dataset_split(f->dataset, "train");
    assert_int_equal(oc_dataset_read(f->dataset, &split->sample[0], &data, &size, &error), OC_E_FORMAT);
    assert_null(data);
    if (!strstr(error.message, "unpack it, or pack it again with deflate")) fail_msg("%s", error.message);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_links_and_pipes, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_links_multiplied, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_formats, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_names, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_nested, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_loose, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_sidecars, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_hidden, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_closed, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_repeated, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_empty_folders, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_normal_forms, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_class_names, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_byte_order_marks, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_other_archives, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_backslashes, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_compression, test_set_setup, test_set_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
