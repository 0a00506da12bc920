/* Studies: the file with every kind of mistake and its line, the runs that come of it, and their figures. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "eval/statistics.h"
#include "study/study.h"
#include "support/bytes.h"
#include "support/run.h"
#include "support/studies.h"
#include "support/temporary.h"

static test_world world;

static int create_world(void **state) {
    (void)state;
    test_world_create(&world);
    return 0;
}

static int destroy_world(void **state) {
    (void)state;
    test_world_destroy(&world);
    return 0;
}

/* ---- The file ---------------------------------------------------------------------------------------------------- */

static void test_errors(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int line;
        const char *says;
    } bad[] = {
        {"", 1, "a study is a mapping of recipe, set, runs, ensemble"},
        {"- a\n", 1, "a study is a mapping"},
        {"set: {train.epochs: 1}\n", 1, "no runs"},
        {"runs: []\n", 1, "runs is a list of runs"},
        {"runs: {name: a}\n", 1, "runs is a list of runs"},
        {"\nruns:\n  - 1\n", 3, "a run is a mapping of name, from, start, set, seeds"},
        {"rums:\n  - name: a\n", 1, "unknown key \"rums\" in a study: did you mean runs?"},
        {"qqqqqqqq: 1\n", 1, "its keys are recipe, set, runs, ensemble"},
        {"runs:\n  - name: a\n    sets: {}\n", 3, "unknown key \"sets\" in a run: did you mean set?"},
        {"runs:\n  - name: a\n    name: b\n", 3, "name is already given in line 2"},
        {"runs:\n  - set: {train.epochs: 1}\n", 2, "this run has no name"},
        {"runs:\n  - name: a\n  - name: b\n  - name: a\n", 4, "the name a is already taken in line 2"},
        {"runs:\n  - name: a/b\n", 2, "is no name"},
        {"runs:\n  - name: ..\n", 2, "is no name"},
        {"runs:\n  - name: study.csv\n", 2, "taken by the study's table"},
        {"runs:\n  - name:\n", 2, "name has no value"},
        {"runs:\n  - name: [a]\n", 2, "name takes one value"},
        {"runs:\n  - name: a\n    set:\n      train:\n        epohcs: 3\n", 5, "did you mean train.epochs?"},
        {"runs:\n  - name: a\n    set: {train.epochs: 0}\n", 3, "from 1 to"},
        {"runs:\n  - name: a\n    set: [1]\n", 3, "set is a mapping of settings"},
        {"set:\n  optimizer.lr: fast\nruns:\n  - name: a\n", 2, "takes a number, not \"fast\""},
        {"runs:\n  - name: a\n    set: {model.name: seresnet19}\n", 2, "seresnet18"},
        {"runs:\n  - name: a\n    set: {data.size: 40}\n", 2, "a: "},
        {"runs:\n  - name: a\n    from: b\n", 3, "from: no run is called \"b\""},
        {"runs:\n  - name: plain\n  - name: a\n    start: plian\n", 4,
         "start: no run is called \"plian\": did you mean plain?"},
        {"runs:\n  - name: a\n    from: a\n", 3, "from goes round in a circle: a -> a"},
        {"runs:\n  - name: x\n    from: c\n  - name: a\n    from: b\n  - name: b\n    from: c\n  - name: c\n    from: "
         "a\n",
         5, "from goes round in a circle: a -> b -> c -> a"},
        {"runs:\n  - name: a\n    start: b\n  - name: b\n    start: a\n", 3,
         "start goes round in a circle: a -> b -> a"},
        {"runs:\n  - name: a\n  - name: b\n    start: a\n    set: {model.name: myresnet-base}\n", 4, "do not fit"},
        {"runs:\n  - name: a\n  - name: b\n    start: a\n    set: {data.size: 32}\n", 4, "made for one size"},
        {"runs:\n  - name: a\n    seeds: [1, 2]\n  - name: b\n    start: a\n", 5, "a has seeds"},
        {"runs:\n  - name: a\n    seeds: [1]\n  - name: b\n    start: a\n    seeds: [1, 3]\n", 5,
         "seed 3 of b is none"},
        {"runs:\n  - name: a\n    seeds: []\n", 3, "seeds is a list"},
        {"runs:\n  - name: a\n    seeds: 3\n", 3, "seeds is a list"},
        {"runs:\n  - name: a\n    seeds: [1, 1]\n", 3, "seed 1 is listed twice"},
        {"runs:\n  - name: a\n    seeds: [-1]\n", 3, "out of range: it goes from 0 to"},
        {"runs:\n  - name: a\n    seeds: [one]\n", 3, "takes a whole number"},
        {"runs:\n  - name: a-seed1\n  - name: a\n    seeds: [1]\n", 3, "two runs would be called a-seed1"},
        {"runs:\n  - name: a\nensemble: {}\n", 3, "joins 2 to 64 runs, not 1"},
        {"runs:\n  - name: a\n  - name: b\nensemble:\n  members: [a, c]\n", 5, "members: no run is called \"c\""},
        {"runs:\n  - name: a\n  - name: b\nensemble:\n  members: [a, a]\n", 5, "a is listed twice"},
        {"runs:\n  - name: a\n  - name: b\nensemble:\n  members: []\n", 5, "members is a list of runs"},
        {"runs:\n  - name: a\n  - name: b\nensemble:\n  name: a\n", 5, "already a run's"},
        {"runs:\n  - name: a\n  - name: b\nensemble:\n  method: stak\n", 5, "one of stack, mean, weighted"},
        {"runs:\n  - name: a\n  - name: b\nensemble:\n  methd: mean\n", 5, "did you mean method?"},
        {"runs:\n  - name: a\n  - name: b\nensemble:\n  fit_on: val\n", 5, "one of train, holdout"},
        {"runs:\n  - name: a\n  - name: b\nensemble:\n  fit_on: holdout\n", 4, "needs a share"},
        {"runs:\n  - name: a\n  - name: b\nensemble:\n  fit_on: holdout:2\n", 5, "out of range"},
        {"runs:\n  - name: a\n  - name: b\nensemble:\n  prune: 1\n", 5, "out of range"},
        {"runs:\n  - name: a\n  - name: b\nensemble:\n  prune: 3\n", 4, "more than the 2 members"},
        {"runs:\n  - name: a\n  - name: b\nensemble:\n  lr: 100\n", 5, "out of range"},
        {"runs:\n  - name: &x a\n", 2, "anchors"},
        {"runs:\n\t- name: a\n", 2, "tab"},
        {"runs: [\n", 2, "not YAML"},
    };
    char path[320], where[340];
    test_world_path(&world, "s.yaml", path);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        oc_study *study = NULL;
        oc_error error;
        test_require(test_study_open(&study, &world, bad[i].text, &error), OC_E_USAGE, &error);
        assert_null(study);
        if (!strstr(error.message, bad[i].says)) fail_msg("\"%s\" does not say \"%s\"", error.message, bad[i].says);
        snprintf(where, sizeof where, "%s:%d", path, bad[i].line);
        if (strcmp(error.where, where) != 0) fail_msg("%s: at %s, not %s", error.message, error.where, where);
    }
    oc_study *study = NULL;
    oc_error error;
    test_require(test_study_open(&study, &world, "recipe: none.yaml\nruns:\n  - name: a\n", &error), OC_E_NOT_FOUND,
                 &error);
    assert_non_null(strstr(error.where, "/none.yaml"));
    test_require(oc_study_open(&study, "/nowhere/s.yaml", &error), OC_E_NOT_FOUND, &error);
}

/* Names, order, changes and recipes of what a file unfolds to. */
static void test_unfolding(void **state) {
    (void)state;
    char path[320];
    static const char base[] = "optimizer.lr: 0.5\ntrain: {epochs: 9, seed: 5}\n";
    test_bytes_write(test_world_path(&world, "base.yaml", path), base, sizeof base - 1);
    oc_study *study =
        test_study_create(&world, "recipe: base.yaml\n"
                                  "set: {train.epochs: 7, data.size: 32, data.holdout: 0.2}\n"
                                  "runs:\n"
                                  "  - {name: tuned, from: basic, start: plain, seeds: [4, 1], set: {clip.norm: 2}}\n"
                                  "  - name: plain\n"
                                  "    set:\n"
                                  "      data: {augment: false}\n"
                                  "      mixup.alpha: 0\n"
                                  "    seeds: [1, 2, 4]\n"
                                  "  - {name: basic, from: plain, set: {mixup.alpha: 0.3}}\n"
                                  "ensemble: {name: all, members: [plain, basic, tuned-seed4], method: mean}\n");
    static const struct {
        const char *name, *run, *changes, *start;
        int seed, recipe_seed;
        double alpha;
    } rows[] = {
        {"plain-seed1", "plain", "data.augment=false mixup.alpha=0", NULL, 1, 1, 0},
        {"plain-seed2", "plain", "data.augment=false mixup.alpha=0", NULL, 2, 2, 0},
        {"plain-seed4", "plain", "data.augment=false mixup.alpha=0", NULL, 4, 4, 0},
        {"tuned-seed4", "tuned", "data.augment=false mixup.alpha=0.3 clip.norm=2", "plain-seed4", 4, 4, 0.3},
        {"tuned-seed1", "tuned", "data.augment=false mixup.alpha=0.3 clip.norm=2", "plain-seed1", 1, 1, 0.3},
        {"basic", "basic", "data.augment=false mixup.alpha=0.3", NULL, -1, 5, 0.3},
    };
    assert_int_equal(oc_study_count(study), 7);
    for (size_t i = 0; i < 6; i++) {
        const oc_study_row row = oc_study_row_at(study, i);
        const oc_recipe_values v = study->run[i].values;
        assert_string_equal(row.name, rows[i].name);
        assert_string_equal(row.run, rows[i].run);
        assert_string_equal(row.changes, rows[i].changes);
        assert_int_equal(row.seed, rows[i].seed);
        assert_true((row.start == NULL) == (rows[i].start == NULL));
        if (row.start) assert_string_equal(row.start, rows[i].start);
        assert_string_equal(row.model, "myresnet-small");
        assert_true(row.state == OC_STUDY_WAITING && row.best_epoch == -1 && isnan(row.top1) && !row.ensemble);
        assert_int_equal(v.seed, rows[i].recipe_seed);
        assert_int_equal(v.epochs, 7); /* the shared changes win over the base recipe */
        assert_true(v.lr == 0.5 && v.size == 32 && !v.augment && v.mixup_alpha == rows[i].alpha);
    }
    const oc_study_row all = oc_study_row_at(study, 6);
    assert_string_equal(all.name, "all");
    assert_string_equal(all.model, "mean");
    assert_string_equal(all.changes, "plain-seed1 plain-seed2 plain-seed4 basic tuned-seed4");
    assert_true(all.ensemble && study->ensemble.holdout == 0.2);
    oc_study_destroy(&study);
    oc_study_destroy(&study);
}

/* ---- The table --------------------------------------------------------------------------------------------------- */

static const char hand_made[] =
    "epoch,step,train_loss,train_top1,train_top5,val_loss,val_top1,val_top5,lr,images_per_second,seconds,"
    "elapsed_seconds,share_data,share_forward,share_backward,share_optimizer,share_validation\n"
    "0,0,,,,5,0.05,0.2,,,1,1,0,0,0,0,1\n"
    "1,3,4,0.1,0.2,4,0.2,0.5,0.001,50,2,3,0,0.3,0.3,0.1,0.2\n"
    "2,6,4,0.1,0.2,4,0.6,0.5,0.001,100,2,5,0,0.3,0.3,0.1,0.2\n"
    "3,9,4,0.1,0.2,4,0.4,0.5,0.001,100,2,7,0,0.3,0.3,0.1,0.2\n"
    "4,12,4,0.1,0.2,4,0.6,0.5,0.001,200,2,9.5,0,0.3,0.3,0.1,0.2\n";

/* Numbers from a metrics.csv made by hand. */
static void test_figures(void **state) {
    (void)state;
    oc_error error = {0};
    char folder[320], path[320];
    oc_study *study = test_study_create(&world, "runs:\n  - {name: hand, set: {train.epochs: 4}}\n");
    mkdir(test_world_path(&world, "hand", folder), 0777);
    test_bytes_write(test_run_file(&world, "hand", "metrics.csv", path), hand_made, sizeof hand_made - 1);
    int64_t epochs = 0;
    test_require(oc_study_row_fill(&study->run[0], world.folder, 20, &epochs, &error), OC_OK, &error);
    const oc_study_row row = oc_study_row_at(study, 0);
    double low, high;
    oc_wilson(12, 20, &low, &high);
    assert_int_equal(epochs, 4);
    assert_true(row.top1 == 0.6 && row.top1_low == low && row.top1_high == high && low < 0.6 && high > 0.6);
    assert_int_equal(row.best_epoch, 2); /* the first of equals */
    /* |0.4−2·0.6+0.2| = 0.6 and |0.6−2·0.4+0.6| = 0.4: the row before the first step does not count. */
    assert_true(fabs(row.roughness - 0.5) < 1e-12);
    assert_true(row.seconds == 9.5);
    assert_true(fabs(row.images_per_second - 4 / (1 / 50.0 + 2 / 100.0 + 1 / 200.0)) < 1e-9);

    /* A straight curve is not rough; two points are no curve. */
    oc_metrics straight[4] = {{.epoch = 0, .val_top1 = 0.9}};
    for (int i = 1; i < 4; i++) straight[i] = (oc_metrics){.epoch = i, .val_top1 = 0.25 * i, .images_per_second = NAN};
    oc_metrics_figures f = oc_metrics_figures_of(straight, 4);
    assert_true(f.roughness == 0 && f.top1 == 0.9 && f.best_epoch == 0 && isnan(f.images_per_second));
    assert_true(isnan(oc_metrics_figures_of(straight, 3).roughness));
    f = oc_metrics_figures_of(NULL, 0);
    assert_true(f.epochs == -1 && f.best_epoch == -1 && isnan(f.top1) && isnan(f.seconds));

    /* A torn last line is left out; a damaged one is told. */
    oc_metrics *rows = NULL;
    size_t count = 0;
    test_bytes_write(path, hand_made, sizeof hand_made - 8);
    test_require(oc_metrics_read(&rows, &count, path, &error), OC_OK, &error);
    assert_int_equal(count, 4);
    assert_true(isnan(rows[0].train_loss) && rows[3].share_validation == 0.2 && rows[3].elapsed_seconds == 7);
    oc_free(rows);
    char damaged[sizeof hand_made];
    memcpy(damaged, hand_made, sizeof hand_made);
    *strstr(damaged, "3,9,") = 'x';
    test_bytes_write(path, damaged, sizeof damaged - 1);
    test_require(oc_metrics_read(&rows, &count, path, &error), OC_E_FORMAT, &error);
    assert_non_null(strstr(error.where, "metrics.csv:5"));
    test_bytes_write(path, "epoch,ste", 9);
    test_require(oc_metrics_read(&rows, &count, path, &error), OC_OK, &error);
    assert_true(count == 0 && !rows);
    test_bytes_write(path, "other\n", 6);
    test_require(oc_metrics_read(&rows, &count, path, &error), OC_E_FORMAT, &error);
    oc_study_destroy(&study);
}

/* The studies that come with the program are good ones. */
static void test_shipped(void **state) {
    (void)state;
    static const struct {
        const char *path;
        size_t rows;
    } files[] = {{"recipes/studies/reference.yaml", 7},
                 {"recipes/studies/path.yaml", 4},
                 {"recipes/studies/size.yaml", 6},
                 {"recipes/studies/mixup.yaml", 6},
                 {"recipes/studies/demo.yaml", 7}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        oc_study *study = NULL;
        oc_error error = {0};
        test_require(oc_study_open(&study, files[i].path, &error), OC_OK, &error);
        assert_int_equal(oc_study_count(study), files[i].rows);
        oc_study_destroy(&study);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_errors), cmocka_unit_test(test_unfolding),
                                       cmocka_unit_test(test_figures), cmocka_unit_test(test_shipped)};
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
