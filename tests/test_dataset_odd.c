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
#include "support/temporary.h"

typedef struct fixture {
    char folder[256], root[300], path[700];
    oc_dataset *dataset;
    char log[1000]; /* all lines since the last opening */
} fixture;

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    test_temporary_create(f->folder, sizeof f->folder);
    snprintf(f->root, sizeof f->root, "%s/set", f->folder);
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

static const char *in_root(fixture *f, const char *relative) {
    snprintf(f->path, sizeof f->path, "%s/%s", f->root, relative);
    return f->path;
}

static void image(fixture *f, const char *relative) {
    test_jpeg_write(in_root(f, relative), 8, 8, 1, TEST_JPEG_RGB);
}

static void on_log(void *user, oc_log_level level, const char *line) {
    fixture *f = user;
    const size_t used = strlen(f->log);
    assert_int_equal(level, OC_LOG_WARN);
    snprintf(f->log + used, sizeof f->log - used, "%s\n", line);
}

/* Opens the data set, and lets it tell what it left out of each split. */
static void must_open(fixture *f) {
    oc_error error = {0};
    oc_dataset_destroy(&f->dataset);
    f->log[0] = '\0';
    if (oc_dataset_open(&f->dataset, f->root, NULL, &error) != OC_OK) fail_msg("%s: %s", error.where, error.message);
    for (size_t i = 0; oc_split_names[i]; i++) {
        const oc_split *split = oc_dataset_split(f->dataset, oc_split_names[i]);
        if (split) oc_dataset_warn_left_out(f->dataset, split, &(oc_log){on_log, f});
    }
}

/* Opening `path` fails with a message that has both texts in it, `where` the first. */
static void must_fail(fixture *f, const char *path, const char *where, const char *message) {
    oc_error error = {0};
    oc_dataset_destroy(&f->dataset);
    assert_int_equal(oc_dataset_open(&f->dataset, path, NULL, &error), OC_E_FORMAT);
    if (!strstr(error.where, where)) fail_msg("where: \"%s\" has no \"%s\" in it", error.where, where);
    if (!strstr(error.message, message)) fail_msg("\"%s\" has no \"%s\" in it", error.message, message);
}

/* The split has so many images, and left out so many, `first` first. */
static void has_left_out(fixture *f, const char *name, int64_t images, int64_t left_out, const char *first) {
    const oc_split *split = oc_dataset_split(f->dataset, name);
    char line[200];
    assert_non_null(split);
    assert_int_equal(split->count, images);
    assert_int_equal(split->left_out, left_out);
    assert_string_equal(split->left_out_first, first);
    snprintf(line, sizeof line, "left out of %s: %d that cannot be read as images, the first is %s (", name,
             (int)left_out, first);
    if (!strstr(f->log, line)) fail_msg("\"%s\" does not say \"%s\"", f->log, line);
}

/* ---- left out ---- */

static void test_links_and_pipes(void **state) {
    fixture *f = *state;
    image(f, "train/a/1.jpg");
    image(f, "train/b/images/1.jpg");
    image(f, "val/b/1.jpg");
    must_open(f);
    assert_string_equal(f->log, "");
    assert_int_equal(symlink("nowhere", in_root(f, "train/b/images/2.jpg")), 0);
    must_open(f);
    has_left_out(f, "train", 2, 1, "train/b/images/2.jpg");
    assert_int_equal(symlink("nowhere", in_root(f, "train/a/2.jpg")), 0);
    assert_int_equal(mkfifo(in_root(f, "train/a/3.jpg"), 0666), 0);
    assert_int_equal(mkdir(in_root(f, "train/a/4.jpg"), 0777), 0);
    must_open(f);
    has_left_out(f, "train", 2, 4, "train/a/2.jpg");
    /* A whole class. */
    assert_int_equal(symlink("nowhere", in_root(f, "train/c")), 0);
    assert_int_equal(symlink("nowhere", in_root(f, "val/c")), 0);
    must_open(f);
    has_left_out(f, "train", 2, 5, "train/c");
    has_left_out(f, "val", 1, 1, "val/c");
}

static void test_formats(void **state) {
    static const char *const names[] = {"a/1.webp", "a/2.GIF", "a/3.bmp", "a/4.tif", "a/5.avif", "a/6.heic"};
    fixture *f = *state;
    for (size_t i = 0; i < 6; i++) test_text_write(in_root(f, names[i]), "");
    must_fail(f, f->root, f->root, "(6) none can be read, the first is a/1.webp (only .jpeg, .jpg and .png are read)");
    /* The class that has nothing else is told as well. */
    image(f, "b/1.jpg");
    test_text_write(in_root(f, "b/notes.txt"), "");
    must_open(f);
    assert_int_equal(oc_dataset_classes(f->dataset)->count, 1);
    has_left_out(f, "train", 1, 6, "a/1.webp");
}

static void test_annotated(void **state) {
    fixture *f = *state;
    test_tiny_create(f->root, 2, 1, 2, 2);
    test_text_write(in_root(f, "val/images/val_9.webp"), "");
    assert_int_equal(symlink("nowhere", in_root(f, "test/images/test_7.JPEG")), 0);
    must_open(f);
    has_left_out(f, "val", 2, 1, "val/images/val_9.webp");
    has_left_out(f, "test", 2, 1, "test/images/test_7.JPEG");
    /* One that is listed is an image of the data set, whatever its name. */
    test_text_write(in_root(f, "val/val_annotations.txt"), "val_0.JPEG\tn0000\nval_1.JPEG\tn0001\nval_9.webp\tn0001\n");
    must_open(f);
    assert_int_equal(oc_dataset_split(f->dataset, "val")->left_out, 0);
    assert_int_equal(oc_dataset_split(f->dataset, "val")->count, 3);
}

/* ---- refused ---- */

static void test_empty_folders(void **state) {
    fixture *f = *state;
    image(f, "train/a/1.jpg");
    image(f, "val/a/1.jpg");
    mkdir(in_root(f, "train/b"), 0777);
    must_fail(f, f->root, "set/train",
              "class b has no .JPEG, .jpg or .png files: remove the empty folder, or put images");
    test_text_write(in_root(f, "train/b/1.webp"), "");
    must_fail(f, f->root, "set/train", "class b has no .JPEG, .jpg or .png files, only others that cannot be read (1)");
    image(f, "train/b/1.jpg");
    unlink(in_root(f, "val/a/1.jpg"));
    must_fail(f, f->root, "set/val", "no .JPEG, .jpg or .png files in this folder: remove it, or put images in");
}

static void test_class_names(void **state) {
    fixture *f = *state;
    image(f, "Z\xc3\xbcrich/1.jpg"); /* UTF-8 */
    must_open(f);
    assert_string_equal(oc_dataset_classes(f->dataset)->item[0], "Z\xc3\xbcrich");
    image(f, "cl\xe4ss/1.jpg");
    must_fail(f, f->root, f->root, "the name of the class \"cl\\xe4ss\" is not UTF-8: rename its folder");
    /* A folder that is no class may be called anything. */
    unlink(in_root(f, "cl\xe4ss/1.jpg"));
    must_open(f);
    image(f, "train/\xff/1.jpg");
    image(f, "val/\xff/1.jpg");
    must_fail(f, f->root, "set/train", "\"\\xff\" is not UTF-8");
}

static void test_byte_order_marks(void **state) {
    fixture *f = *state;
    test_tiny_create(f->root, 2, 1, 2, 0);
    test_text_write(in_root(f, "wnids.txt"), "\xef\xbb\xbfn0000\r\nn0001\r\n");
    test_text_write(in_root(f, "words.txt"), "\xef\xbb\xbfn0000\ta thing\r\n");
    test_text_write(in_root(f, "val/val_annotations.txt"), "\xef\xbb\xbfval_0.JPEG\tn0000\r\nval_1.JPEG\tn0001\r\n");
    must_open(f);
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
    fixture *f = *state;
    mkdir(f->root, 0777);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        unsigned char bytes[600] = {0};
        memcpy(bytes + kinds[i].offset, kinds[i].bytes, strlen(kinds[i].bytes));
        test_bytes_write(in_root(f, kinds[i].name), bytes, sizeof bytes);
        must_fail(f, f->path, kinds[i].name, kinds[i].kind);
        must_fail(f, f->path, kinds[i].name, "only folders and zip archives are read: unpack it");
    }
}

static void test_backslashes(void **state) {
    fixture *f = *state;
    char archive[400];
    image(f, "1.jpg");
    snprintf(archive, sizeof archive, "%s/a.zip", f->folder);
    test_zip_create(archive, f->root, "train\\cat\\", false);
    must_fail(f, archive, "a.zip", "its names have backslashes for slashes (train\\cat\\1.jpg)");
    /* Beside slashes they are a name's own. */
    snprintf(archive, sizeof archive, "%s/b.zip", f->folder);
    test_zip_create(archive, f->root, "c\\at/", false);
    assert_int_equal(oc_dataset_open(&f->dataset, archive, NULL, NULL), OC_OK);
    assert_string_equal(oc_dataset_classes(f->dataset)->item[0], "c\\at");
}

/* A compression that the library lacks: the method's number in the members' headers is changed to one. */
static void test_compression(void **state) {
    fixture *f = *state;
    char archive[400];
    size_t size;
    uint8_t *data = NULL;
    oc_error error = {0};
    image(f, "a/1.jpg");
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
        cmocka_unit_test_setup_teardown(test_links_and_pipes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_formats, setup, teardown),
        cmocka_unit_test_setup_teardown(test_annotated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_class_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_byte_order_marks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_archives, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backslashes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_compression, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
