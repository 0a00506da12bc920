/* Data sets: every form of path, their order, what is left out, the holdout, the fingerprint, and every fault with its
 * message. */
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
#include "support/temporary.h"

typedef struct fixture {
    char folder[256]; /* temporary */
    char root[300];   /* of the data set in it */
    char path[1000];  /* scratch */
    oc_dataset *dataset;
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

/* "<root>/relative" in f->path. */
static const char *in_root(fixture *f, const char *relative) {
    snprintf(f->path, sizeof f->path, "%s/%s", f->root, relative);
    return f->path;
}

static void image(fixture *f, const char *relative) {
    test_jpeg_write(in_root(f, relative), 8, 8, 1, TEST_JPEG_RGB);
}

static void must_open(fixture *f, const char *path, const oc_dataset_options *options) {
    oc_error error = {0};
    oc_dataset_destroy(&f->dataset);
    if (oc_dataset_open(&f->dataset, path, options, &error) != OC_OK) fail_msg("%s: %s", error.where, error.message);
}

/* Opening `path` fails with a message that has both texts in it, `where` the first. */
static void must_fail(fixture *f, const char *path, oc_status status, const char *where, const char *message) {
    oc_error error = {0};
    assert_int_equal(oc_dataset_open(&f->dataset, path, NULL, &error), status);
    assert_null(f->dataset);
    if (!strstr(error.where, where)) fail_msg("where: \"%s\" has no \"%s\" in it", error.where, where);
    if (!strstr(error.message, message)) fail_msg("\"%s\" has no \"%s\" in it", error.message, message);
    assert_null(strchr(error.message, '\n'));
}

/* The samples of a split as "path label, …" must equal `want`. */
static void has_split(fixture *f, const char *name, const char *want) {
    const oc_split *split = oc_dataset_split(f->dataset, name);
    char *text = NULL;
    size_t size;
    if (!split) {
        fail_msg("no split %s", name);
        return;
    }
    FILE *file = open_memstream(&text, &size);
    for (int64_t i = 0; i < split->count; i++) {
        const oc_sample *s = &split->sample[i];
        const char *slash = strrchr(s->path, '/');
        assert_string_equal(s->name, slash ? slash + 1 : s->path);
        assert_string_equal(s->in_split, s->path + strlen(s->path) - strlen(s->in_split));
        fprintf(file, "%s%s %d", i ? ", " : "", s->path, s->label);
    }
    fclose(file);
    assert_string_equal(text, want);
    free(text);
}

/* ---- Tiny ImageNet ---- */

#define TINY_TRAIN                                                                                                     \
    "train/n0000/images/n0000_0.JPEG 0, train/n0000/images/n0000_1.JPEG 0, train/n0001/images/n0001_0.JPEG 1, "        \
    "train/n0001/images/n0001_1.JPEG 1, train/n0002/images/n0002_0.JPEG 2, train/n0002/images/n0002_1.JPEG 2"
#define TINY_VAL "val/images/val_0.JPEG 0, val/images/val_3.JPEG 0, val/images/val_1.JPEG 1, val/images/val_2.JPEG 2"

static void is_tiny(fixture *f) {
    const oc_names *classes = oc_dataset_classes(f->dataset);
    assert_int_equal(classes->count, 3);
    assert_string_equal(classes->item[0], "n0000");
    assert_string_equal(classes->item[2], "n0002");
    assert_string_equal(oc_dataset_class_name(f->dataset, "n0001"), "thing 1, something");
    assert_string_equal(oc_dataset_class_name(f->dataset, "n0002"), "n0002");
    assert_string_equal(oc_dataset_class_name(f->dataset, "unknown"), "unknown");
}

/* Every sample's bytes, read through the data set, equal the file's. */
static void reads_as_files(fixture *f, const char *split_name) {
    const oc_split *split = oc_dataset_split(f->dataset, split_name);
    for (int64_t i = 0; i < split->count; i++) {
        const char *relative = split->sample[i].path;
        uint8_t *data = NULL;
        size_t size, want_size;
        oc_error error = {0};
        if (strncmp(relative, "set/", 4) == 0) relative += 4;
        unsigned char *want = test_bytes_read(in_root(f, relative), &want_size);
        if (oc_dataset_read(f->dataset, &split->sample[i], &data, &size, &error) != OC_OK)
            fail_msg("%s", error.message);
        assert_int_equal(size, want_size);
        assert_memory_equal(data, want, size);
        oc_free(data);
        free(want);
    }
}

static void test_tiny(void **state) {
    fixture *f = *state;
    test_tiny_create(f->root, 3, 2, 4, 2);
    must_open(f, f->root, NULL);
    is_tiny(f);
    has_split(f, "train", TINY_TRAIN);
    has_split(f, "val", TINY_VAL);
    has_split(f, "test", "test/images/test_0.JPEG -1, test/images/test_1.JPEG -1");
    assert_null(oc_dataset_split(f->dataset, "other"));
    assert_string_equal(oc_dataset_path(f->dataset), f->root);
    reads_as_files(f, "train");
    /* A slash at the end, and the folder that the archive was unpacked into. */
    must_open(f, in_root(f, ""), NULL);
    is_tiny(f);
    must_open(f, f->folder, NULL);
    is_tiny(f);
    const uint64_t fingerprint = oc_dataset_fingerprint(f->dataset);
    must_open(f, f->folder, &(oc_dataset_options){.without_words = true});
    assert_string_equal(oc_dataset_class_name(f->dataset, "n0001"), "n0001");
    assert_int_equal(oc_dataset_fingerprint(f->dataset), fingerprint);
}

static void test_tiny_zip(void **state) {
    static const char *const prefixes[] = {"set/", "", "./set/", "/", ".//", "/set/././/"};
    fixture *f = *state;
    char archive[400];
    test_tiny_create(f->root, 3, 2, 4, 2);
    for (int i = 0; i < 12; i++) {
        snprintf(archive, sizeof archive, "%s/%d.zip", f->folder, i);
        test_zip_create(archive, f->root, prefixes[i / 2], i % 2);
        must_open(f, archive, NULL);
        is_tiny(f);
        if (!strstr(prefixes[i / 2], "set")) {
            has_split(f, "train", TINY_TRAIN);
            has_split(f, "val", TINY_VAL);
            has_split(f, "test", "test/images/test_0.JPEG -1, test/images/test_1.JPEG -1");
        }
        assert_int_equal(oc_dataset_split(f->dataset, "val")->count, 4);
        reads_as_files(f, "train");
        reads_as_files(f, "val");
    }
    snprintf(archive, sizeof archive, "%s/up.zip", f->folder);
    test_zip_create(archive, f->root, "set/../", false);
    oc_dataset_destroy(&f->dataset);
    must_fail(f, archive, OC_E_FORMAT, "up.zip", "leads out of a folder with \"..\": pack it again");
}

/* The validation images moved into class folders, the annotations left behind; with and without "images". */
static void test_tiny_val_folders(void **state) {
    fixture *f = *state;
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
    must_open(f, f->root, NULL);
    has_split(f, "val",
              "val/n0000/val_0.JPEG 0, val/n0000/val_2.JPEG 0, val/n0001/images/val_1.JPEG 1, "
              "val/n0001/images/val_3.JPEG 1");
    assert_null(oc_dataset_split(f->dataset, "test"));
}

/* ---- class folders ---- */

static void test_class_folders(void **state) {
    fixture *f = *state;
    image(f, "train/dog/b.jpg");
    image(f, "train/dog/a.JPG");
    image(f, "train/dog/.hidden.jpg");
    test_text_write(in_root(f, "train/dog/notes.jp2"), "");
    image(f, "train/cat/images/x.PNG");
    image(f, "train/cat/y.jpeg");
    image(f, "train/Zebra/z.jpg");
    image(f, "val/dog/v.jpg");
    image(f, "test/one.jpg");
    must_open(f, f->root, NULL);
    assert_int_equal(oc_split_left_out(oc_dataset_split(f->dataset, "train"), true), 1); /* the .jp2 */
    has_split(f, "train",
              "train/Zebra/z.jpg 0, train/cat/images/x.PNG 1, train/cat/y.jpeg 1, train/dog/a.JPG 2, "
              "train/dog/b.jpg 2");
    has_split(f, "val", "val/dog/v.jpg 2");
    has_split(f, "test", "test/one.jpg -1");
}

/* Train and val may be absent; test may have classes. */
static void test_absent_splits(void **state) {
    fixture *f = *state;
    image(f, "val/a/1.jpg");
    image(f, "test/a/2.jpg");
    must_open(f, f->root, NULL);
    assert_null(oc_dataset_split(f->dataset, "train"));
    has_split(f, "val", "val/a/1.jpg 0");
    has_split(f, "test", "test/a/2.jpg 0");
}

static void test_one_level(void **state) {
    fixture *f = *state;
    image(f, "plane/1.jpg");
    image(f, "train/1.jpg");
    image(f, "train/2.jpg");
    mkdir(in_root(f, "notes"), 0777);
    must_open(f, f->root, NULL);
    has_split(f, "train", "plane/1.jpg 0, train/1.jpg 1, train/2.jpg 1");
    assert_null(oc_dataset_split(f->dataset, "val"));
}

static void test_links(void **state) {
    fixture *f = *state;
    char target[700];
    image(f, "real/a/1.jpg");
    image(f, "real/b/2.jpg");
    snprintf(target, sizeof target, "%s/train", f->root);
    assert_int_equal(rename(in_root(f, "real"), target), 0);
    /* A linked class, a linked file, a link to nowhere, and one that leads back up. */
    assert_int_equal(symlink("b", in_root(f, "train/c")), 0);
    assert_int_equal(symlink("../b/2.jpg", in_root(f, "train/a/3.jpg")), 0);
    assert_int_equal(symlink("nowhere", in_root(f, "train/a/4.jpg")), 0);
    assert_int_equal(symlink("../..", in_root(f, "train/a/images")), 0);
    must_open(f, f->root, NULL);
    has_split(f, "train", "train/a/1.jpg 0, train/a/3.jpg 0, train/b/2.jpg 1, train/c/2.jpg 2");
}

/* ---- holdout ---- */

/* Empty files suffice: names alone are looked at. */
static void name_only(fixture *f, const char *relative) {
    test_text_write(in_root(f, relative), "");
}

static void test_holdout(void **state) {
    fixture *f = *state;
    char name[64];
    oc_error error = {0};
    for (int c = 0; c < 4; c++)
        for (int i = 0; i < 500; i++) {
            snprintf(name, sizeof name, "%c/%03d.jpg", 'a' + c, i);
            name_only(f, name);
        }
    must_open(f, f->root, &(oc_dataset_options){.holdout = 0.25});
    const oc_split *train = oc_dataset_split(f->dataset, "train"), *val = oc_dataset_split(f->dataset, "val");
    int64_t of[4] = {0};
    assert_int_equal(train->count + val->count, 2000);
    for (int64_t i = 0; i < val->count; i++) {
        of[val->sample[i].label]++;
        if (i > 0) assert_true(strcmp(val->sample[i - 1].path, val->sample[i].path) < 0);
    }
    for (int64_t i = 1; i < train->count; i++)
        assert_true(strcmp(train->sample[i - 1].path, train->sample[i].path) < 0);
    /* Within four deviations of the share: those of 500 draws are 9.7. */
    for (int c = 0; c < 4; c++) assert_in_range(of[c], 125 - 39, 125 + 39);
    const uint64_t fingerprint = oc_dataset_fingerprint(f->dataset);
    must_open(f, f->root, &(oc_dataset_options){.holdout = 0.25});
    assert_true(oc_dataset_fingerprint(f->dataset) == fingerprint);
    must_open(f, f->root, &(oc_dataset_options){.holdout = 0.5});
    assert_true(oc_dataset_fingerprint(f->dataset) != fingerprint);
    oc_dataset_destroy(&f->dataset);
    assert_int_equal(oc_dataset_open(&f->dataset, f->root, &(oc_dataset_options){.holdout = 1}, NULL), OC_E_USAGE);
    assert_int_equal(oc_dataset_open(&f->dataset, f->root, &(oc_dataset_options){.holdout = -0.1}, NULL), OC_E_USAGE);
    /* A class of which nothing is left: named. */
    name_only(f, "e/000.jpg");
    for (int i = 1; oc_dataset_open(&f->dataset, f->root, &(oc_dataset_options){.holdout = 0.5}, &error) == OC_OK;
         i++) {
        oc_dataset_destroy(&f->dataset);
        snprintf(name, sizeof name, "e/%03d.jpg", i - 1);
        unlink(in_root(f, name));
        snprintf(name, sizeof name, "e/%03d.jpg", i);
        name_only(f, name);
    }
    assert_int_equal(error.status, OC_E_USAGE);
    assert_string_equal(error.where, "data.holdout");
    assert_non_null(strstr(error.message, "no image of the class e to train on"));
}

/* Whatever is done to the images around it, one that stays where it is stays on its side. */
static void test_holdout_unmoved(void **state) {
    fixture *f = *state;
    enum { CLASSES = 5, IMAGES = 40, CHANGES = 200 };
    bool there[CLASSES][IMAGES];
    int8_t side[CLASSES][IMAGES]; /* 1: held out, 0: not, -1: not known yet */
    char name[64], to[400], from[400];
    oc_random random;
    oc_random_init(&random, 7, OC_RANDOM_TEST, 41, 0);
    memset(side, -1, sizeof side);
    for (int c = 0; c < CLASSES; c++)
        for (int i = 0; i < IMAGES; i++)
            if ((there[c][i] = i < IMAGES / 2)) {
                snprintf(name, sizeof name, "c%d/%s%02d.jpg", c, i % 3 ? "" : "images/", i);
                name_only(f, name);
            }
    for (int change = 0; change < CHANGES; change++) {
        must_open(f, f->root, &(oc_dataset_options){.holdout = 0.3});
        for (int s = 0; s < 2; s++) {
            const oc_split *split = oc_dataset_split(f->dataset, s ? "val" : "train");
            for (int64_t k = 0; k < split->count; k++) {
                const oc_sample *sample = &split->sample[k];
                int c, i;
                if (sscanf(sample->path, "c%d/", &c) != 1 || sscanf(sample->in_class, "%d.jpg", &i) != 1) continue;
                if (side[c][i] < 0) side[c][i] = (int8_t)s;
                assert_int_equal(side[c][i], s);
            }
        }
        const int c = (int)oc_random_below(&random, CLASSES), i = (int)oc_random_below(&random, IMAGES);
        snprintf(name, sizeof name, "c%d/%s%02d.jpg", c, i % 3 ? "" : "images/", i);
        switch (oc_random_below(&random, 4)) {
        case 0: /* an image more or less */
            if (there[c][i] && i > 2)
                unlink(in_root(f, name));
            else
                name_only(f, name);
            there[c][i] = !there[c][i] || i <= 2;
            break;
        case 1: /* a class more, sorted before the others, or one less */
            snprintf(name, sizeof name, "a%d/0.jpg", change % 7);
            name_only(f, name);
            snprintf(name, sizeof name, "a%d/1.jpg", change % 7);
            name_only(f, name);
            snprintf(name, sizeof name, "a%d/2.jpg", change % 7);
            name_only(f, name);
            break;
        case 2: /* an image renamed away and back later by case 0 */
            if (!there[c][i] || i <= 2) break;
            snprintf(from, sizeof from, "%s/%s", f->root, name);
            snprintf(to, sizeof to, "%s/c%d/x%d-%02d.jpg", f->root, c, change, i);
            assert_int_equal(rename(from, to), 0);
            there[c][i] = false;
            break;
        default: /* the folder images away, or a folder more around it */
            snprintf(from, sizeof from, "c%d/y%d.png", c, change);
            name_only(f, from);
        }
    }
}

/* Whether `path` is a sample of the split. */
static bool is_in(const oc_split *split, const char *path) {
    for (int64_t i = 0; split && i < split->count; i++)
        if (strcmp(split->sample[i].path, path) == 0) return true;
    return false;
}

/* Where there is a val, what is left out of train is the split holdout, and val stays as it is. */
static void test_holdout_beside_val(void **state) {
    fixture *f = *state;
    char name[64];
    for (int i = 0; i < 20; i++)
        for (int c = 0; c < 2; c++) {
            snprintf(name, sizeof name, "train/%c/%02d.jpg", 'a' + c, i);
            image(f, name);
        }
    image(f, "val/a/v.jpg");
    image(f, "val/b/v.jpg");
    must_open(f, f->root, NULL);
    const uint64_t whole = oc_dataset_fingerprint(f->dataset);
    assert_null(oc_dataset_split(f->dataset, "holdout"));
    assert_true(oc_dataset_holdout(f->dataset) == 0);
    must_open(f, f->root, &(oc_dataset_options){.holdout = 0.25});
    assert_true(oc_dataset_fingerprint(f->dataset) != whole);
    assert_true(oc_dataset_holdout(f->dataset) == 0.25);
    has_split(f, "val", "val/a/v.jpg 0, val/b/v.jpg 1");
    const oc_split *train = oc_dataset_split(f->dataset, "train"), *held = oc_dataset_split(f->dataset, "holdout");
    assert_non_null(held);
    assert_string_equal(held->name, "holdout");
    assert_int_equal(train->count + held->count, 40);
    for (int64_t i = 0; i < held->count; i++) assert_false(is_in(train, held->sample[i].path));
}

/* What a smaller share leaves out is among what a larger one does, whether it becomes val or holdout. */
static void test_holdout_nested(void **state) {
    fixture *f = *state;
    static const double share[] = {0.1, 0.25, 0.5, 0.9};
    char name[64], kept[4][40][32];
    int64_t count[4];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "%c/%02d.jpg", 'a' + i % 2, i);
        image(f, name);
    }
    for (int s = 0; s < 4; s++) {
        must_open(f, f->root, &(oc_dataset_options){.holdout = share[s]});
        const oc_split *val = oc_dataset_split(f->dataset, "val");
        assert_null(oc_dataset_split(f->dataset, "holdout"));
        count[s] = val->count;
        for (int64_t i = 0; i < val->count; i++) snprintf(kept[s][i], sizeof kept[s][i], "%s", val->sample[i].path);
        if (s == 0) continue;
        assert_true(count[s] > count[s - 1]);
        for (int64_t i = 0; i < count[s - 1]; i++) assert_true(is_in(val, kept[s - 1][i]));
    }
    /* The same images where they become holdout: paths differ by "train/" alone. */
    char other[320], from[400], to[400];
    snprintf(other, sizeof other, "%s/other", f->folder);
    snprintf(from, sizeof from, "%s/train", other);
    assert_int_equal(mkdir(other, 0777), 0);
    assert_int_equal(rename(f->root, from), 0);
    snprintf(to, sizeof to, "%s/val", other);
    assert_int_equal(mkdir(to, 0777), 0);
    for (int c = 0; c < 2; c++) {
        snprintf(to, sizeof to, "%s/val/%c", other, 'a' + c);
        assert_int_equal(mkdir(to, 0777), 0);
        snprintf(to, sizeof to, "%s/val/%c/v.jpg", other, 'a' + c);
        test_jpeg_write(to, 8, 8, 1, TEST_JPEG_RGB);
    }
    must_open(f, other, &(oc_dataset_options){.holdout = share[1]});
    const oc_split *held = oc_dataset_split(f->dataset, "holdout");
    assert_int_equal(held->count, count[1]);
    for (int64_t i = 0; i < count[1]; i++) {
        snprintf(name, sizeof name, "train/%.30s", kept[1][i]);
        assert_string_equal(held->sample[i].path, name);
    }
}

/* The same images are held out where a system has taken the accents in their names apart. */
static void test_holdout_composed(void **state) {
    static const char *const accents[] = {"\xc3\xa9", "e\xcc\x81"};
    fixture *f = *state;
    char name[64], held[2][2000];
    for (int form = 0; form < 2; form++) {
        snprintf(f->root, sizeof f->root, "%s/%d", f->folder, form);
        for (int i = 0; i < 60; i++) {
            snprintf(name, sizeof name, "caf%s/%s%02d.jpg", accents[form], accents[form], i);
            name_only(f, name);
            snprintf(name, sizeof name, "tea/%02d.jpg", i);
            name_only(f, name);
        }
        must_open(f, f->root, &(oc_dataset_options){.holdout = 0.3});
        const oc_split *val = oc_dataset_split(f->dataset, "val");
        held[form][0] = '\0';
        for (int64_t i = 0; i < val->count; i++) {
            const char *path = val->sample[i].name, *number = path + strlen(path) - 6;
            snprintf(held[form] + strlen(held[form]), 16, "%d/%s ", val->sample[i].label, number);
        }
    }
    assert_true(strlen(held[0]) > 100);
    assert_string_equal(held[0], held[1]);
}

/* ---- fingerprint ---- */

static uint64_t fingerprint_of(fixture *f, const char *path) {
    must_open(f, path, NULL);
    return oc_dataset_fingerprint(f->dataset);
}

static void test_fingerprint(void **state) {
    fixture *f = *state;
    test_tiny_create(f->root, 2, 2, 2, 0);
    const uint64_t first = fingerprint_of(f, f->root);
    assert_true(fingerprint_of(f, f->root) == first);
    /* What lies beside the images does not matter. */
    test_text_write(in_root(f, "run/log.txt"), "hello");
    assert_true(fingerprint_of(f, f->root) == first);
    /* A label, and an image more. */
    test_text_write(in_root(f, "val/val_annotations.txt"), "val_0.JPEG\tn0001\nval_1.JPEG\tn0001\n");
    const uint64_t second = fingerprint_of(f, f->root);
    assert_true(second != first);
    image(f, "train/n0001/images/n0001_9.JPEG");
    assert_true(fingerprint_of(f, f->root) != second);
    /* One changed in place, of the old size, its time set back: who unpacks a version over another does that. */
    struct stat info;
    const char *path = in_root(f, "train/n0001/images/n0001_0.JPEG");
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
    assert_int_equal(symlink(target, in_root(f, "train/n0001/images/link.jpg")), 0);
    const uint64_t fourth = fingerprint_of(f, f->root);
    test_bytes_change(target, 200, 1);
    assert_true(fingerprint_of(f, f->root) != fourth);
    const uint64_t identity = oc_dataset_identity(f->dataset);
    must_open(f, in_root(f, "train/.."), NULL);
    assert_true(oc_dataset_identity(f->dataset) == identity);
}

/* ---- faults ---- */

static void test_missing(void **state) {
    fixture *f = *state;
    must_fail(f, f->root, OC_E_NOT_FOUND, f->root, "no such");
    mkdir(f->root, 0777);
    must_fail(f, f->root, OC_E_FORMAT, f->root, "no data set here");
    test_text_write(in_root(f, "a.zip"), "not a zip");
    must_fail(f, in_root(f, "a.zip"), OC_E_FORMAT, "a.zip", "neither a folder nor a whole zip");
    test_text_write(in_root(f, "a.zip"), "");
    must_fail(f, in_root(f, "a.zip"), OC_E_FORMAT, "a.zip", "neither a folder nor a whole zip");
    image(f, "image.jpg");
    must_fail(f, f->root, OC_E_FORMAT, f->root, "expected train/<class>/");
    mkdir(in_root(f, "train"), 0777);
    must_fail(f, f->root, OC_E_FORMAT, "train", "no class folders");
}

static void test_half_unpacked(void **state) {
    fixture *f = *state;
    test_tiny_create(f->root, 3, 1, 3, 0);
    unlink(in_root(f, "val/images/val_1.JPEG"));
    must_fail(f, f->root, OC_E_FORMAT, "val_annotations.txt:2", "1 of the 3 images listed are not in val/images");
    unlink(in_root(f, "val/images/val_0.JPEG"));
    unlink(in_root(f, "val/images/val_2.JPEG"));
    must_fail(f, f->root, OC_E_FORMAT, "val_annotations.txt:1", "half-unpacked data set: 3 of the 3");
    unlink(in_root(f, "val/val_annotations.txt"));
    must_fail(f, f->root, OC_E_FORMAT, "val", "half-unpacked data set: no images");
    unlink(in_root(f, "train/n0001/images/n0001_0.JPEG"));
    must_fail(f, f->root, OC_E_FORMAT, "train", "half-unpacked data set: class n0001 has no");
    unlink(in_root(f, "train/n0001/n0001_boxes.txt"));
    rmdir(in_root(f, "train/n0001/images"));
    rmdir(in_root(f, "train/n0001"));
    must_fail(f, f->root, OC_E_FORMAT, "train",
              "1 of the 3 classes in wnids.txt have no folder here, the first is n0001");
    test_text_write(in_root(f, "wnids.txt"), "n0000\r\n");
    must_fail(f, f->root, OC_E_FORMAT, "train", "the folder n0002 is not a class listed in wnids.txt");
}

static void test_half_downloaded(void **state) {
    fixture *f = *state;
    char archive[400];
    size_t size;
    test_tiny_create(f->root, 3, 1, 3, 0);
    snprintf(archive, sizeof archive, "%s/set.zip", f->folder);
    test_zip_create(archive, f->root, "", false);
    unsigned char *bytes = test_bytes_read(archive, &size);
    test_bytes_write(archive, bytes, size * 2 / 3);
    must_fail(f, archive, OC_E_FORMAT, "set.zip", "is the download complete?");
    /* A byte of an image changed: the archive's own checksum tells. */
    must_open(f, f->root, NULL);
    unsigned char *image_bytes = memmem(bytes, size, "\xff\xd8\xff", 3);
    assert_non_null(image_bytes);
    image_bytes[100] ^= 1;
    test_bytes_write(archive, bytes, size);
    must_open(f, archive, NULL);
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
    fixture *f = *state;
    test_tiny_create(f->root, 2, 1, 2, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char where[64];
        test_text_write(in_root(f, "val/val_annotations.txt"), bad[i].text);
        snprintf(where, sizeof where, "val_annotations.txt%s", *bad[i].where == ':' ? bad[i].where : "");
        must_fail(f, f->root, OC_E_FORMAT, where, bad[i].message);
    }
    test_text_write(in_root(f, "val/val_annotations.txt"), "val_1.JPEG\tn0001\t0\t0\t63\t63\r\n\r\nval_0.JPEG\tn0001");
    must_open(f, f->root, NULL);
    has_split(f, "val", "val/images/val_0.JPEG 1, val/images/val_1.JPEG 1");
    oc_dataset_destroy(&f->dataset);
    unlink(in_root(f, "val/val_annotations.txt"));
    must_fail(f, f->root, OC_E_FORMAT, "val/images", "need a val_annotations.txt");
}

static void test_unknown_class(void **state) {
    fixture *f = *state;
    image(f, "train/cat/1.jpg");
    image(f, "train/dog/1.jpg");
    image(f, "val/catt/1.jpg");
    must_fail(f, f->root, OC_E_FORMAT, "val", "class catt is not among the 2 training classes (the nearest is cat)");
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
        cmocka_unit_test_setup_teardown(test_tiny, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tiny_zip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tiny_val_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_class_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_absent_splits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_level, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holdout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holdout_unmoved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holdout_beside_val, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holdout_nested, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holdout_composed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fingerprint, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_unpacked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_downloaded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_annotations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_class, setup, teardown),
        cmocka_unit_test(test_parse_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
