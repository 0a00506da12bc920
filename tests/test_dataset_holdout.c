/* What of a data set is held out: the share, that an image stays on its side whatever is done around it, and which
 * split it becomes. */
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

#include "base/random.h"
#include "data/dataset.h"
#include "ocelli/data.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/set.h"

/* Empty files suffice: names alone are looked at. */
static void name_only(test_set *f, const char *relative) {
    test_text_write(test_set_path(f, relative), "");
}

static void test_holdout(void **state) {
    test_set *f = *state;
    char name[64];
    oc_error error = {0};
    for (int c = 0; c < 4; c++)
        for (int i = 0; i < 500; i++) {
            snprintf(name, sizeof name, "%c/%03d.jpg", 'a' + c, i);
            name_only(f, name);
        }
    test_set_opens_at(f, f->root, &(oc_dataset_options){.holdout = 0.25});
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
    test_set_opens_at(f, f->root, &(oc_dataset_options){.holdout = 0.25});
    assert_true(oc_dataset_fingerprint(f->dataset) == fingerprint);
    test_set_opens_at(f, f->root, &(oc_dataset_options){.holdout = 0.5});
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
        unlink(test_set_path(f, name));
        snprintf(name, sizeof name, "e/%03d.jpg", i);
        name_only(f, name);
    }
    assert_int_equal(error.status, OC_E_USAGE);
    assert_string_equal(error.where, "data.holdout");
    assert_non_null(strstr(error.message, "no image of the class e to train on"));
}

/* Whatever is done to the images around it, one that stays where it is stays on its side. */
static void test_holdout_unmoved(void **state) {
    test_set *f = *state;
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
        test_set_opens_at(f, f->root, &(oc_dataset_options){.holdout = 0.3});
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
                unlink(test_set_path(f, name));
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
    test_set *f = *state;
    char name[64];
    for (int i = 0; i < 20; i++)
        for (int c = 0; c < 2; c++) {
            snprintf(name, sizeof name, "train/%c/%02d.jpg", 'a' + c, i);
            test_set_image(f, name);
        }
    test_set_image(f, "val/a/v.jpg");
    test_set_image(f, "val/b/v.jpg");
    test_set_opens_at(f, f->root, NULL);
    const uint64_t whole = oc_dataset_fingerprint(f->dataset);
    assert_null(oc_dataset_split(f->dataset, "holdout"));
    assert_true(oc_dataset_holdout(f->dataset) == 0);
    test_set_opens_at(f, f->root, &(oc_dataset_options){.holdout = 0.25});
    assert_true(oc_dataset_fingerprint(f->dataset) != whole);
    assert_true(oc_dataset_holdout(f->dataset) == 0.25);
    test_set_holds(f, "val", "val/a/v.jpg 0, val/b/v.jpg 1");
    const oc_split *train = oc_dataset_split(f->dataset, "train"), *held = oc_dataset_split(f->dataset, "holdout");
    assert_non_null(held);
    assert_string_equal(held->name, "holdout");
    assert_int_equal(train->count + held->count, 40);
    for (int64_t i = 0; i < held->count; i++) assert_false(is_in(train, held->sample[i].path));
}

/* What a smaller share leaves out is among what a larger one does, whether it becomes val or holdout. */
static void test_holdout_nested(void **state) {
    test_set *f = *state;
    static const double share[] = {0.1, 0.25, 0.5, 0.9};
    char name[64], kept[4][40][32];
    int64_t count[4];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "%c/%02d.jpg", 'a' + i % 2, i);
        test_set_image(f, name);
    }
    for (int s = 0; s < 4; s++) {
        test_set_opens_at(f, f->root, &(oc_dataset_options){.holdout = share[s]});
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
    test_set_opens_at(f, other, &(oc_dataset_options){.holdout = share[1]});
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
    test_set *f = *state;
    char name[64], held[2][2000];
    for (int form = 0; form < 2; form++) {
        snprintf(f->root, sizeof f->root, "%s/%d", f->folder, form);
        for (int i = 0; i < 60; i++) {
            snprintf(name, sizeof name, "caf%s/%s%02d.jpg", accents[form], accents[form], i);
            name_only(f, name);
            snprintf(name, sizeof name, "tea/%02d.jpg", i);
            name_only(f, name);
        }
        test_set_opens_at(f, f->root, &(oc_dataset_options){.holdout = 0.3});
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_holdout, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_holdout_unmoved, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_holdout_beside_val, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_holdout_nested, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_holdout_composed, test_set_setup, test_set_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
