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
    (void)level;
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
        if (split) oc_dataset_report(f->dataset, split, &(oc_log){on_log, f});
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

/* The split has so many images, and so many were left out for a reason, `first` first; a warning says so. */
static void has_left_out(fixture *f, const char *name, int64_t images, oc_unread why, int64_t left_out,
                         const char *first) {
    const oc_split *split =
        strcmp(name, "elsewhere") == 0 ? oc_dataset_elsewhere(f->dataset) : oc_dataset_split(f->dataset, name);
    const char *said = NULL;
    int64_t count = 0;
    char line[300];
    assert_non_null(split);
    assert_int_equal(split->count, images);
    for (size_t i = 0; i < split->left_outs; i++) {
        if (split->left_out[i].why != why) continue;
        if (!said) said = split->left_out[i].first;
        count += split->left_out[i].count;
    }
    assert_int_equal(count, left_out);
    if (left_out == 0) return;
    assert_string_equal(said, first);
    snprintf(line, sizeof line, "%d (%s), the first is %s", (int)left_out, oc_unread_reasons[why].text, first);
    if (oc_unread_reasons[why].expected != (strstr(f->log, line) != NULL)) fail_msg("\"%s\" and \"%s\"", f->log, line);
}

/* The warnings have a text in them. */
static void has_said(fixture *f, const char *text) {
    if (!strstr(f->log, text)) fail_msg("\"%s\" has no \"%s\"", f->log, text);
}

/* Images, apart by spaces, in an otherwise empty data set. */
static void images_are(fixture *f, const char *paths) {
    char path[64];
    int used;
    mkdir(f->root, 0777);
    test_temporary_remove(f->root);
    for (; sscanf(paths, " %63s%n", path, &used) == 1; paths += used) image(f, path);
}

/* ---- left out ---- */

static void test_links_and_pipes(void **state) {
    fixture *f = *state;
    image(f, "train/a/1.jpg");
    image(f, "train/b/images/1.jpg");
    image(f, "val/a/1.jpg");
    image(f, "val/b/1.jpg");
    must_open(f);
    assert_string_equal(f->log, "");
    assert_int_equal(symlink("nowhere", in_root(f, "train/b/images/2.jpg")), 0);
    must_open(f);
    has_left_out(f, "train", 2, OC_UNREAD_NEITHER, 1, "train/b/images/2.jpg");
    assert_int_equal(symlink("nowhere", in_root(f, "train/a/2.jpg")), 0);
    assert_int_equal(mkfifo(in_root(f, "train/a/3.jpg"), 0666), 0);
    must_open(f);
    has_left_out(f, "train", 2, OC_UNREAD_NEITHER, 3, "train/a/2.jpg");
    assert_int_equal(oc_split_left_out(oc_dataset_split(f->dataset, "train"), true), 3);
    /* A folder back to one it lies in. */
    assert_int_equal(symlink("..", in_root(f, "train/a/up")), 0);
    must_open(f);
    has_left_out(f, "train", 2, OC_UNREAD_LOOP, 1, "train/a/up");
    /* A whole class. */
    assert_int_equal(symlink("nowhere", in_root(f, "train/c")), 0);
    assert_int_equal(symlink("nowhere", in_root(f, "val/c")), 0);
    must_open(f);
    has_left_out(f, "train", 2, OC_UNREAD_NEITHER, 4, "train/c");
    has_left_out(f, "val", 2, OC_UNREAD_NEITHER, 1, "val/c");
}

/* Links that lead to folders with links: a few do no harm, each more doubles the folders. */
static void test_links_multiplied(void **state) {
    fixture *f = *state;
    char name[64], target[64];
    image(f, "b/1.jpg");
    image(f, ".chain/0/1.jpg");
    assert_int_equal(symlink(".chain/10", in_root(f, "a")), 0);
    for (int i = 1; i <= 17; i++) {
        snprintf(name, sizeof name, ".chain/%d", i);
        assert_int_equal(mkdir(in_root(f, name), 0777), 0);
        snprintf(target, sizeof target, "../%d", i - 1);
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof name, ".chain/%d/%d", i, k);
            assert_int_equal(symlink(target, in_root(f, name)), 0);
        }
    }
    must_open(f);
    assert_int_equal(oc_dataset_split(f->dataset, "train")->count, 1 + (1 << 10));
    assert_int_equal(remove(in_root(f, "a")), 0);
    assert_int_equal(symlink(".chain/17", in_root(f, "a")), 0);
    must_fail(f, f->root, "/a/0/", "links to folders lead to more than 100000 of them");
}

static void test_formats(void **state) {
    static const char *const names[] = {"a/1.avif", "a/2.HEIC", "a/3.ppm", "a/4.jxl", "a/5.jp2", "a/6.dng"};
    fixture *f = *state;
    for (size_t i = 0; i < 6; i++) test_text_write(in_root(f, names[i]), "");
    must_fail(f, f->root, f->root, "class a has no images but 6 that cannot be read");
    image(f, "a/7.jpg");
    test_text_write(in_root(f, "a/notes.txt"), "");
    test_text_write(in_root(f, "a/.DS_Store"), "");
    must_open(f);
    has_left_out(f, "train", 1, OC_UNREAD_FORMAT, 6, "a/1.avif");
    has_left_out(f, "train", 1, OC_UNREAD_NO_IMAGE, 1, "a/notes.txt");
    has_left_out(f, "train", 1, OC_UNREAD_HIDDEN, 1, "a/.DS_Store");
    assert_int_equal(oc_split_left_out(oc_dataset_split(f->dataset, "train"), false), 8);
}

/* The content decides where the name does not, and the other way round nothing is lost. */
static void test_names(void **state) {
    static const char *const names[] = {"noext",      "a.jpg_large", "a.JPG.1", "a.jpg?w=40", "a.png ", "a.jpg~",
                                        "a.jpg.part", "a.JFIF",      "a.jpe",   "a.txt",      "a.webp"};
    fixture *f = *state;
    char name[64];
    for (size_t i = 0; i < 11; i++) {
        snprintf(name, sizeof name, "train/c/%s", names[i]);
        image(f, name);
    }
    image(f, "val/c/noext");
    must_open(f);
    assert_int_equal(oc_dataset_split(f->dataset, "train")->count, 11);
    assert_int_equal(oc_dataset_split(f->dataset, "val")->count, 1);
    assert_string_equal(f->log, "");
}

static void test_nested(void **state) {
    fixture *f = *state;
    image(f, "train/red/a.jpg");
    image(f, "train/red/more/b.jpg");
    image(f, "train/red/more/deeper/c.jpg");
    image(f, "train/blue/batch1/a.jpg");
    image(f, "val/red/more/a.jpg");
    image(f, "val/red/images/b.jpg");
    must_open(f);
    const oc_split *train = oc_dataset_split(f->dataset, "train"), *val = oc_dataset_split(f->dataset, "val");
    assert_int_equal(train->count, 4);
    assert_string_equal(train->sample[0].path, "train/blue/batch1/a.jpg");
    assert_string_equal(train->sample[3].path, "train/red/more/deeper/c.jpg");
    assert_string_equal(train->sample[3].in_split, "red/more/deeper/c.jpg");
    assert_string_equal(train->sample[3].in_class, "more/deeper/c.jpg");
    assert_string_equal(train->sample[3].name, "c.jpg");
    assert_string_equal(val->sample[0].in_class, "b.jpg"); /* without images/ */
    has_said(f, "no image in val of the class blue");
    /* One level of class folders, one of them wholly nested. */
    oc_dataset_destroy(&f->dataset);
    snprintf(f->root, sizeof f->root, "%s/set/train", f->folder);
    must_open(f);
    assert_int_equal(oc_dataset_classes(f->dataset)->count, 2);
    assert_int_equal(oc_dataset_split(f->dataset, "train")->count, 4);
}

static void test_loose(void **state) {
    fixture *f = *state;
    image(f, "train/a/1.jpg");
    image(f, "train/loose.jpg");
    image(f, "val/a/1.jpg");
    image(f, "val/loose.jpg");
    image(f, "train/loose");
    image(f, "docs/picture.jpg");
    image(f, "docs/picture.tmp");
    image(f, "top.jpg");
    test_text_write(in_root(f, "README"), "");
    must_open(f);
    has_left_out(f, "train", 1, OC_UNREAD_LOOSE, 2, "train/loose");
    has_left_out(f, "val", 1, OC_UNREAD_LOOSE, 1, "val/loose.jpg");
    has_left_out(f, "elsewhere", 0, OC_UNREAD_ELSEWHERE, 3, "top.jpg");
    has_left_out(f, "elsewhere", 0, OC_UNREAD_NO_IMAGE, 1, "README");
}

/* However many files sort before a folder's images, it holds images: here train is a class, not a split. */
static void test_sidecars(void **state) {
    fixture *f = *state;
    char name[64];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "train/%02d.xml", i);
        test_text_write(in_root(f, name), "<x/>");
    }
    image(f, "train/picture");
    image(f, "train/more/1.jpg");
    image(f, "cat/1.jpg");
    must_open(f);
    has_said(f, "the folder train is read as a class");
    has_left_out(f, "train", 3, OC_UNREAD_NO_IMAGE, 40, "train/00.xml");
}

/* Every file of a hidden folder counts, an empty one for nothing. */
static void test_hidden(void **state) {
    fixture *f = *state;
    image(f, "a/1.jpg");
    image(f, "b/1.jpg");
    image(f, ".trash/a/1.jpg");
    image(f, ".trash/.b/2.jpg");
    test_text_write(in_root(f, ".trash/3"), "");
    mkdir(in_root(f, ".empty"), 0777);
    must_open(f);
    has_left_out(f, "train", 2, OC_UNREAD_HIDDEN, 3, ".trash");
}

/* A folder that cannot be listed: counted beside the classes and outside the splits, refused where images would be
 * missing. */
static void test_closed(void **state) {
    static const char *const refused[] = {"train/c", "train/a/c", "val/c", "val/a/c", "test/c"};
    fixture *f = *state;
    const uid_t user = geteuid();
    image(f, "train/a/1.jpg");
    image(f, "train/b/1.jpg");
    image(f, "val/a/1.jpg");
    image(f, "test/1.jpg");
    mkdir(in_root(f, "lost+found"), 0);
    /* Nothing is closed to the superuser. */
    assert_int_equal(chmod(f->folder, 0755), 0);
    if (user == 0) assert_int_equal(seteuid(65534), 0);
    must_open(f);
    has_left_out(f, "elsewhere", 0, OC_UNREAD_UNREADABLE, 1, "lost+found");
    assert_int_equal(seteuid(user), 0);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        oc_error error = {0};
        oc_dataset_destroy(&f->dataset);
        mkdir(in_root(f, refused[i]), 0);
        if (user == 0) assert_int_equal(seteuid(65534), 0);
        assert_int_equal(oc_dataset_open(&f->dataset, f->root, NULL, &error), OC_E_IO);
        assert_int_equal(seteuid(user), 0);
        if (!strstr(error.message, "the folder c in it cannot be listed")) fail_msg("%s", error.message);
        rmdir(in_root(f, refused[i]));
    }
    rmdir(in_root(f, "lost+found"));
    images_are(f, "a/1.jpg b/1.jpg");
    mkdir(in_root(f, "c"), 0);
    if (user == 0) assert_int_equal(seteuid(65534), 0);
    must_open(f);
    has_left_out(f, "train", 2, OC_UNREAD_UNREADABLE, 1, "c");
    assert_int_equal(seteuid(user), 0);
}

/* ---- splits by other names ---- */

/* Images in each, of two classes; the data set must have so many in train and val. */
static void splits_are(fixture *f, const char *train, const char *val, const char *said) {
    const char *const folders[] = {train, val};
    char name[128];
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < 2 * (2 - s); i++) {
            snprintf(name, sizeof name, "%s/%s/%d.jpg", folders[s], i % 2 ? "cat" : "dog", i);
            image(f, name);
        }
    must_open(f);
    assert_int_equal(oc_dataset_classes(f->dataset)->count, 2);
    assert_int_equal(oc_dataset_split(f->dataset, "train")->count, 4);
    assert_int_equal(oc_dataset_split(f->dataset, "val")->count, 2);
    has_said(f, said);
    test_temporary_remove(f->root);
}

static void test_split_names(void **state) {
    fixture *f = *state;
    splits_are(f, "train", "valid", "val is the folder valid");
    splits_are(f, "Training", "Validation", "train is the folder Training");
    splits_are(f, "TRAIN", "dev", "val is the folder dev");
    splits_are(f, "images/train", "images/val", "train is the folder images/train");
    splits_are(f, "train/images", "val/images", "train is the folder train/images");
    splits_are(f, "data/set/train", "data/set/Val", "val is the folder data/set/Val");
    image(f, "docs/a/1.jpg");
    splits_are(f, "data/train", "data/val", "not read and lying elsewhere: 1 (an image outside the splits)");
}

/* ---- what the folders are ---- */

/* The classes, apart by spaces, and how many images train and val have. */
static void is_read_as(fixture *f, const char *classes, int train, int val) {
    char text[200] = "";
    must_open(f);
    const oc_names *names = oc_dataset_classes(f->dataset);
    for (size_t i = 0; i < names->count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", names->item[i]);
    assert_string_equal(text, classes);
    assert_int_equal(oc_dataset_split(f->dataset, "train")->count, train);
    if (val > 0) assert_int_equal(oc_dataset_split(f->dataset, "val")->count, val);
}

/* Folders without images, and loose images, do not hide where the classes are. */
static void test_wrapped(void **state) {
    fixture *f = *state;
    images_are(f, "dataset/a/1.jpg dataset/b/1.jpg dataset/c/1.jpg");
    test_text_write(in_root(f, "labels/a.txt"), "1");
    is_read_as(f, "a b c", 3, 0);
    has_said(f, "train is the folder dataset");
    mkdir(in_root(f, "d"), 0777);
    is_read_as(f, "a b c", 3, 0);
    has_said(f, "nothing is in the folder d; the classes are taken from dataset");
    images_are(f, "cover.jpg data/a/1.jpg data/b/1.jpg");
    is_read_as(f, "a b", 2, 0);
    has_left_out(f, "elsewhere", 0, OC_UNREAD_ELSEWHERE, 1, "cover.jpg");
    images_are(f, "set/cover.jpg set/a/1.jpg set/b/1.jpg");
    is_read_as(f, "a b", 2, 0);
    has_left_out(f, "train", 2, OC_UNREAD_LOOSE, 1, "set/cover.jpg");
    images_are(f, "Images/a/1.jpg Images/b/1.jpg");
    is_read_as(f, "a b", 2, 0);
    images_are(f, "set/images/a/1.jpg set/images/b/1.jpg");
    is_read_as(f, "a b", 2, 0);
    images_are(f, "cat/Images/1.jpg dog/Images/1.jpg");
    is_read_as(f, "cat dog", 2, 0);
    assert_string_equal(oc_dataset_split(f->dataset, "train")->sample[0].in_class, "1.jpg");
}

static void test_wrapped_splits(void **state) {
    fixture *f = *state;
    images_are(f, "logo.jpg ds/train/a/1.jpg ds/train/b/1.jpg ds/val/a/2.jpg");
    is_read_as(f, "a b", 2, 1);
    has_left_out(f, "elsewhere", 0, OC_UNREAD_ELSEWHERE, 1, "logo.jpg");
    images_are(f, "train/data/a/1.jpg train/data/b/1.jpg val/data/a/2.jpg val/data/b/2.jpg");
    is_read_as(f, "a b", 2, 2);
    has_said(f, "val is the folder val/data");
    images_are(f, "train/Images/a/1.jpg train/Images/b/1.jpg val/IMAGES/a/2.jpg");
    is_read_as(f, "a b", 2, 1);
    /* What train has as a class is one in val, whatever is in it. */
    images_are(f, "train/a/in/1.jpg train/a/out/1.jpg train/b/1.jpg val/a/in/2.jpg val/a/out/2.jpg");
    is_read_as(f, "a b", 3, 2);
    images_are(f, "train/logo.jpg train/a/1.jpg train/b/1.jpg");
    is_read_as(f, "a b", 2, 0);
    has_left_out(f, "train", 2, OC_UNREAD_LOOSE, 1, "train/logo.jpg");
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
    fixture *f = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        images_are(f, bad[i].images);
        must_fail(f, f->root, bad[i].where, bad[i].message);
    }
}

/* What may be meant is read, and told. */
static void test_folders_doubted(void **state) {
    fixture *f = *state;
    images_are(f, "cat/in/1.jpg cat/out/1.jpg dog/in/2.jpg dog/out/2.jpg");
    is_read_as(f, "cat dog", 4, 0);
    has_said(f, "cat and dog are read as classes, though both hold folders of the same names");
    images_are(f, "cat/persian/1.jpg cat/siamese/1.jpg dog/1.jpg");
    is_read_as(f, "cat dog", 3, 0);
    has_said(f, "cat is read as one class, though it alone holds folders of images");
    images_are(f, "cat/1.jpg cat/more/1.jpg dog/1.jpg dog/more/1.jpg");
    is_read_as(f, "cat dog", 4, 0);
    assert_string_equal(f->log, "");
}

/* Beside class folders one without images is no class, which is told; unless images of it are not read. */
static void test_imageless(void **state) {
    fixture *f = *state;
    images_are(f, "a/1.jpg b/1.jpg");
    mkdir(in_root(f, "c"), 0777);
    test_text_write(in_root(f, "d/d.zip"), "PK\3\4");
    is_read_as(f, "a b", 2, 0);
    has_said(f, "no image in the folders c, d beside the classes: not taken for classes");
    has_left_out(f, "train", 2, OC_UNREAD_NO_IMAGE, 1, "d/d.zip");
    /* Whatever they hold otherwise. */
    test_text_write(in_root(f, "a/runs/train/log.txt"), "");
    test_text_write(in_root(f, "a/runs/val/log.txt"), "");
    test_text_write(in_root(f, "runs/train/log.txt"), "");
    test_text_write(in_root(f, "runs/val/log.txt"), "");
    is_read_as(f, "a b", 2, 0);
    has_said(f, "no image in the folders c, d, runs beside");
    test_text_write(in_root(f, "d/1.avif"), "");
    must_fail(f, f->root, f->root, "class d has no images but 1 that cannot be read");
}

static void test_split_names_refused(void **state) {
    fixture *f = *state;
    image(f, "train/a/1.jpg");
    image(f, "val/a/1.jpg");
    image(f, "valid/a/1.jpg");
    must_fail(f, f->root, f->root, "both val and valid are names of one split");
    test_temporary_remove(f->root);
    image(f, "one/train/a/1.jpg");
    image(f, "two/train/a/1.jpg");
    must_fail(f, f->root, f->root, "several data sets here, one and two");
    test_temporary_remove(f->root);
    image(f, "training_set/a/1.jpg");
    image(f, "training_set/b/1.jpg");
    image(f, "test_set/a/1.jpg");
    must_fail(f, f->root, "test_set", "this looks like a split");
    test_temporary_remove(f->root);
    image(f, "seg_train/seg_train/a/1.jpg");
    image(f, "seg_test/seg_test/a/1.jpg");
    must_fail(f, f->root, "seg_test", "this looks like a split");
    test_temporary_remove(f->root);
    /* Nothing but splits, without class folders. */
    image(f, "train/1.jpg");
    image(f, "val/1.jpg");
    must_fail(f, f->root, "train", "this folder has no class folders");
    /* A class that is called like a split is told. */
    image(f, "cat/1.jpg");
    unlink(in_root(f, "train/1.jpg"));
    rmdir(in_root(f, "train"));
    must_open(f);
    assert_int_equal(oc_dataset_classes(f->dataset)->count, 2);
    has_said(f, "the folder val is read as a class");
}

static void test_val_of_test(void **state) {
    fixture *f = *state;
    oc_error error = {0};
    image(f, "train/a/1.jpg");
    image(f, "train/b/1.jpg");
    image(f, "testing/a/1.jpg");
    must_open(f);
    assert_null(oc_dataset_split(f->dataset, "val"));
    assert_non_null(strstr(oc_dataset_val_advice(f->dataset), "data.val=test"));
    assert_non_null(strstr(oc_dataset_val_advice(f->dataset), "data.holdout"));
    oc_dataset_destroy(&f->dataset);
    assert_int_equal(oc_dataset_open(&f->dataset, f->root, &(oc_dataset_options){.val = "test"}, NULL), OC_OK);
    assert_int_equal(oc_dataset_split(f->dataset, "val")->count, 1);
    assert_null(oc_dataset_split(f->dataset, "test"));
    oc_dataset_destroy(&f->dataset);
    assert_int_equal(oc_dataset_open(&f->dataset, f->root, &(oc_dataset_options){.val = "dev"}, NULL), OC_E_USAGE);
    image(f, "val/a/1.jpg");
    assert_int_equal(oc_dataset_open(&f->dataset, f->root, &(oc_dataset_options){.val = "test"}, &error), OC_E_USAGE);
    assert_string_equal(error.where, "data.val");
}

static void test_annotated(void **state) {
    fixture *f = *state;
    test_tiny_create(f->root, 2, 1, 2, 2);
    test_text_write(in_root(f, "val/images/val_9.avif"), "");
    assert_int_equal(symlink("nowhere", in_root(f, "test/images/test_7.JPEG")), 0);
    must_open(f);
    has_left_out(f, "val", 2, OC_UNREAD_FORMAT, 1, "val/images/val_9.avif");
    has_left_out(f, "test", 2, OC_UNREAD_NEITHER, 1, "test/images/test_7.JPEG");
    /* One that is listed is an image of the data set, whatever its name. */
    test_text_write(in_root(f, "val/val_annotations.txt"), "val_0.JPEG\tn0000\nval_1.JPEG\tn0001\nval_9.avif\tn0001\n");
    must_open(f);
    has_left_out(f, "val", 3, OC_UNREAD_FORMAT, 0, "");
}

/* ---- a zip ---- */

/* Of two members with one name the last counts, as for who unpacks it. */
static void test_repeated(void **state) {
    fixture *f = *state;
    char archive[400], second[700];
    size_t size, want_size;
    uint8_t *data = NULL;
    image(f, "a/1.jpg");
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
    oc_dataset_report(f->dataset, train, &(oc_log){on_log, f});
    has_left_out(f, "train", 1, OC_UNREAD_REPEATED, 1, "a/1.jpg");
    assert_int_equal(oc_dataset_read(f->dataset, &train->sample[0], &data, &size, NULL), OC_OK);
    unsigned char *want = test_bytes_read(second_last ? second : in_root(f, "a/1.jpg"), &want_size);
    assert_int_equal(size, want_size);
    assert_memory_equal(data, want, size);
    free(want);
    oc_free(data);
}

/* ---- refused ---- */

static void test_empty_folders(void **state) {
    fixture *f = *state;
    image(f, "train/a/1.jpg");
    image(f, "val/a/1.jpg");
    mkdir(in_root(f, "train/b"), 0777);
    must_fail(f, f->root, "set/train", "class b has no images: remove the empty folder, or put images");
    test_text_write(in_root(f, "train/b/1.avif"), "");
    must_fail(f, f->root, "set/train", "class b has no images but 1 that cannot be read");
    image(f, "train/b/1.jpg");
    unlink(in_root(f, "val/a/1.jpg"));
    must_fail(f, f->root, "set/val", "no images that are read in this folder: remove it, or put images in");
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

/* One name in two ways of Unicode: composed in train, as one system writes it, and not in val and in a list. */
static void test_normal_forms(void **state) {
    fixture *f = *state;
    image(f, "train/caf\xc3\xa9/1.jpg");
    image(f, "train/tea/1.jpg");
    image(f, "val/cafe\xcc\x81/2.jpg");
    image(f, "val/tea/2.jpg");
    must_open(f);
    assert_int_equal(oc_dataset_classes(f->dataset)->count, 2);
    assert_string_equal(oc_dataset_classes(f->dataset)->item[0], "caf\xc3\xa9");
    const oc_split *val = oc_dataset_split(f->dataset, "val");
    assert_int_equal(val->count, 2);
    assert_int_equal(val->sample[0].label, 0);
    has_said(f, "(caf\xc3\xa9, say) are written in two ways of Unicode");
    /* Whichever split is opened is told of the whole, and the first alone. */
    image(f, "docs/1.jpg");
    oc_dataset_destroy(&f->dataset);
    assert_int_equal(oc_dataset_open(&f->dataset, f->root, NULL, NULL), OC_OK);
    for (int i = 0; i < 2; i++) {
        f->log[0] = '\0';
        oc_dataset_report(f->dataset, oc_dataset_split(f->dataset, i ? "train" : "val"), &(oc_log){on_log, f});
        if ((strstr(f->log, "two ways of Unicode") != NULL) != (i == 0)) fail_msg("%d: %s", i, f->log);
        if ((strstr(f->log, "lying elsewhere: 1 (an image outside") != NULL) != (i == 0)) fail_msg("%d: %s", i, f->log);
    }
    test_text_write(in_root(f, "wnids.txt"), "cafe\xcc\x81\ntea\n");
    must_open(f);
    test_text_write(in_root(f, "wnids.txt"), "cafe\ntea\n");
    must_fail(f, f->root, "set/train", "the first is cafe;");
    unlink(in_root(f, "wnids.txt"));
    image(f, "train/cafe\xcc\x81/3.jpg");
    must_fail(f, f->root, "set/train", "two classes are called \"caf");
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
        cmocka_unit_test_setup_teardown(test_links_multiplied, setup, teardown),
        cmocka_unit_test_setup_teardown(test_formats, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nested, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loose, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sidecars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hidden, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_split_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrapped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrapped_splits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_folders_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_folders_doubted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_imageless, setup, teardown),
        cmocka_unit_test_setup_teardown(test_split_names_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_val_of_test, setup, teardown),
        cmocka_unit_test_setup_teardown(test_annotated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repeated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_normal_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_class_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_byte_order_marks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_archives, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backslashes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_compression, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
