/* links: fault-injection */
/* label: slow */
/* Fitting ensembles of trained members: what is written, the cache of scores, the order of classes, which images the
 * members have seen, pruning, and everything that is refused. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "eval/scores.h"
#include "models/ensemble.h"
#include "ocelli/ensemble.h"
#include "ocelli/models.h"
#include "support/bytes.h"
#include "support/run.h"
#include "support/temporary.h"

#define MEMBERS 3
#define CLASSES 3
#define HOLDOUT 0.4
#define THREADS 2
#define SEED 3

static test_world world; /* its data set is opened with the hold-out share */
static const struct {
    const char *model;
    int size;
} members[MEMBERS] = {{"myresnet-tiny", 32}, {"resnet26d", 40}, {"myresnet-tiny", 32}};
static char member[MEMBERS][320];
static const char *path[MEMBERS];

/* Lines of the last fit's log. */
static char logged[8192];

static void on_log(void *user, oc_log_level level, const char *line) {
    const size_t used = strlen(logged);
    (void)user;
    snprintf(logged + used, sizeof logged - used, "%s%s\n", level == OC_LOG_WARN ? "warning: " : "", line);
}

static int count_logged(const char *text) {
    int count = 0;
    for (const char *c = logged; (c = strstr(c, text)); c++) count++;
    return count;
}

static int create_world(void **state) {
    (void)state;
    oc_error error = {0};
    test_world_create(&world);
    oc_dataset_destroy(&world.dataset);
    const oc_dataset_options held = {.holdout = HOLDOUT};
    test_require(oc_dataset_open(&world.dataset, world.data, &held, &error), OC_OK, &error);
    for (int m = 0; m < MEMBERS; m++) {
        char run[8], settings[160];
        snprintf(run, sizeof run, "m%d", m);
        snprintf(
            settings, sizeof settings,
            "data.holdout=%g train.seed=%d train.epochs=5 data.augment=false mixup.alpha=0 model.name=%s data.size=%d",
            HOLDOUT, SEED + m, members[m].model, members[m].size);
        test_require(test_run(&world, run, settings, NULL, &error), OC_OK, &error);
        path[m] = test_run_file(&world, run, "last.safetensors", member[m]);
    }
    print_message("members are trained from seed %d on\n", SEED);
    return 0;
}

static int destroy_world(void **state) {
    (void)state;
    test_world_destroy(&world);
    return 0;
}

static oc_ensemble_options options_make(const char *out) {
    return (oc_ensemble_options){.out = out, .threads = THREADS, .cache = world.cache, .log = {on_log, NULL}};
}

/* Fits `count` files; fails the test where that fails. */
static oc_ensemble_report *fit(const char *const *files, size_t count, const oc_ensemble_options *options) {
    oc_error error = {0};
    oc_ensemble_report *report = NULL;
    logged[0] = '\0';
    test_require(oc_ensemble_fit(&report, world.dataset, files, count, options, &error), OC_OK, &error);
    return report;
}

static oc_model *open_model(const char *file) {
    oc_error error = {0};
    oc_model *model = NULL;
    test_require(oc_model_open(&model, file, NULL, NULL, 0, 0, NULL, &error), OC_OK, &error);
    return model;
}

/* Scores of a weights file on the validation images; ended with oc_scores_free. */
static oc_scores scores_of(oc_model *model) {
    oc_error error = {0};
    oc_scores scores = {0};
    const oc_eval_options options = {.split = "val", .threads = THREADS, .cache = world.cache};
    test_require(oc_scores_compute(&scores, model, world.dataset, &options, &error), OC_OK, &error);
    return scores;
}

/* ---- what is written ---- */

static void test_result(void **state) {
    (void)state;
    static const char *const methods[] = {"stack", "mean", "weighted"};
    char out[320], file[400];
    for (int k = 0; k < 3; k++) {
        oc_ensemble_options options = options_make(test_world_path(&world, methods[k], out));
        options.method = methods[k];
        oc_ensemble_report *report = fit(path, MEMBERS, &options);
        assert_int_equal(count_logged("warning"), 0);
        assert_int_equal(oc_ensemble_report_count(report), MEMBERS);

        /* The file is one model whose figures are the report's. */
        oc_evaluation figures;
        oc_error error = {0};
        snprintf(file, sizeof file, "%s/best.safetensors", out);
        oc_model *whole = open_model(file);
        const oc_eval_options eval = {.threads = THREADS, .cache = world.cache, .smoothing = 0.01};
        test_require(oc_evaluate(&figures, whole, world.dataset, &eval, &error), OC_OK, &error);
        size_t best = 99;
        double p = -1, weights = 0;
        const oc_evaluation told = oc_ensemble_report_whole(report, &best, &p);
        assert_int_equal(told.images, 15);
        assert_true(told.top1 == figures.top1 && told.top5 == figures.top5);
        assert_true(fabs(told.loss - figures.loss) < 1e-6);
        assert_true(fabs(told.calibration_error - figures.calibration_error) < 1e-6);
        assert_true(p > 0 && p <= 1);

        for (size_t m = 0; m < MEMBERS; m++) {
            const oc_ensemble_member one = oc_ensemble_report_member(report, m);
            oc_model *alone = open_model(path[m]);
            test_require(oc_evaluate(&figures, alone, world.dataset, &eval, &error), OC_OK, &error);
            assert_true(one.top1 == figures.top1 && one.top1_low == figures.top1_low);
            assert_true(fabs(one.loss - figures.loss) < 1e-6);
            assert_true(one.kept && !one.seen);
            assert_true(one.top1 <= oc_ensemble_report_member(report, best).top1);
            assert_string_equal(one.path, path[m]);
            assert_string_equal(one.model, members[m].model);
            assert_int_equal(one.parameters, oc_table_parameters(oc_graph_table(alone->graph)));
            assert_true(one.macs > 0 && isfinite(one.gain));
            if (k < 2) assert_true(fabs(one.weight - 1.0 / MEMBERS) < 1e-12);
            weights += one.weight;
            /* Frozen, running statistics too. */
            const size_t count = oc_table_arena_size(oc_graph_table(alone->graph));
            assert_memory_equal(alone->weights.arena, whole->ensemble->member[m]->weights.arena, count * sizeof(float));
            oc_model_destroy(&alone);
            assert_true(oc_ensemble_report_correlation(report, m, m) == 1);
            const double a = oc_ensemble_report_correlation(report, m, 0);
            const double b = oc_ensemble_report_correlation(report, 0, m);
            assert_true(a == b || (isnan(a) && isnan(b)));
            assert_false(fabs(a) > 1 + 1e-12);
        }
        assert_true(fabs(weights - 1) < 1e-6);

        /* The report on the disk is the one in hand. */
        size_t size = 0;
        snprintf(file, sizeof file, "%s/ensemble.json", out);
        unsigned char *text = test_bytes_read(file, &size);
        assert_string_equal((char *)text, oc_ensemble_report_json(report));
        assert_non_null(strstr((char *)text, "\"correlation\":[[1.0,"));
        free(text);
        oc_model_destroy(&whole);
        oc_ensemble_report_destroy(&report);
        test_temporary_remove(out);
    }
}

/* A random start governed by the seed; the same again gives the same bits, the report too. */
static void test_same_bits(void **state) {
    (void)state;
    static const char *const runs[] = {"bits", "again", "other"};
    char out[320];
    for (int k = 0; k < 3; k++) {
        oc_ensemble_options options = options_make(test_world_path(&world, runs[k], out));
        options.init = "random";
        options.seed = k == 2 ? 8 : 7;
        oc_ensemble_report *report = fit(path, 2, &options);
        oc_ensemble_report_destroy(&report);
    }
    test_same_in_runs(&world, "bits", "again", "best.safetensors");
    test_same_in_runs(&world, "bits", "again", "ensemble.json");
    assert_true(test_differ_in_runs(&world, "bits", "other", "best.safetensors"));
    for (int k = 0; k < 3; k++) test_temporary_remove(test_world_path(&world, runs[k], out));
}

/* ---- the order of classes ---- */

/* Saves `file` as another in which class c stands at place to[c]: the same model of the same names. */
static void permute(const char *file, const int *to, const char *result) {
    oc_error error = {0};
    const char *names[CLASSES];
    oc_model *model = open_model(file), *other = NULL;
    assert_int_equal(model->classes.count, CLASSES);
    for (int c = 0; c < CLASSES; c++) names[to[c]] = model->classes.item[c];
    test_require(oc_model_create(&other, "myresnet-tiny", names, CLASSES, model->size, NULL, &error), OC_OK, &error);
    const oc_table *table = oc_graph_table(model->graph);
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        const float *src = model->weights.arena + tensor->offset;
        float *dst = other->weights.arena + tensor->offset;
        const size_t row = tensor->count / (size_t)tensor->shape.dim[0];
        const bool head = strncmp(tensor->name, "fc.1.", 5) == 0;
        if (!head) memcpy(dst, src, tensor->count * sizeof *dst);
        for (size_t c = 0; head && c < CLASSES; c++)
            memcpy(dst + (size_t)to[c] * row, src + c * row, row * sizeof *dst);
    }
    memcpy(other->mean, model->mean, sizeof other->mean);
    memcpy(other->std, model->std, sizeof other->std);
    other->holdout = model->holdout;
    test_require(oc_model_save(other, result, &error), OC_OK, &error);
    oc_model_destroy(&other);
    oc_model_destroy(&model);
}

/* Trains a small member in whose list class c stands at place to[c], and saves it as `result`. A list is sorted by
 * name, so it is trained on folders that lead to the classes' images and have the place before their names, and the
 * weights file is given the true names afterwards. */
static void train_ordered(const char *run, int seed, const int *to, const char *result) {
    char folder[320], target[400], link[400], name[32], settings[128], weights[320];
    oc_error error = {0};
    oc_model *sorted = open_model(path[0]);
    const oc_names *classes = &sorted->classes;
    snprintf(name, sizeof name, "%s-data", run);
    assert_int_equal(mkdir(test_world_path(&world, name, folder), 0777), 0);
    for (int c = 0; c < CLASSES; c++) {
        snprintf(target, sizeof target, "%s/train/%s", world.data, classes->item[c]);
        snprintf(link, sizeof link, "%s/%d%s", folder, to[c], classes->item[c]);
        assert_int_equal(symlink(target, link), 0);
    }
    test_world ordered = world;
    const oc_dataset_options held = {.holdout = HOLDOUT};
    test_require(oc_dataset_open(&ordered.dataset, folder, &held, &error), OC_OK, &error);
    snprintf(settings, sizeof settings, "data.holdout=%g train.seed=%d train.epochs=4 data.augment=false mixup.alpha=0",
             HOLDOUT, seed);
    test_require(test_run(&ordered, run, settings, NULL, &error), OC_OK, &error);
    oc_dataset_destroy(&ordered.dataset);

    oc_model *model = open_model(test_run_file(&world, run, "last.safetensors", weights));
    for (int c = 0; c < CLASSES; c++) {
        char *one = model->classes.item[to[c]];
        memmove(one, one + 1, strlen(one));
        assert_string_equal(one, classes->item[c]);
    }
    test_require(oc_model_save(model, result, &error), OC_OK, &error);
    oc_model_destroy(&model);
    oc_model_destroy(&sorted);
}

/* Two members that were trained with lists in different orders say, joined by any method, what the same two say with
 * equal lists. */
static void test_class_order(void **state) {
    (void)state;
    static const char *const methods[] = {"stack", "mean", "weighted"};
    static const int to[2][CLASSES] = {{2, 0, 1}, {1, 0, 2}}, back[2][CLASSES] = {{1, 2, 0}, {1, 0, 2}};
    char file[4][320], a[320], b[320], name[16];
    const char *permuted[2], *sorted[2];
    for (int m = 0; m < 2; m++) {
        snprintf(name, sizeof name, "p%d", m);
        permuted[m] = test_world_path(&world, name, file[m]);
        snprintf(name, sizeof name, "s%d", m);
        sorted[m] = test_world_path(&world, name, file[2 + m]);
        snprintf(name, sizeof name, "order%d", m);
        train_ordered(name, SEED + MEMBERS + m, to[m], permuted[m]);
        permute(permuted[m], back[m], sorted[m]);
    }
    for (int k = 0; k < 4; k++) { /* the stack from both starts */
        oc_ensemble_options options = options_make(test_world_path(&world, "equal", a));
        options.method = methods[k % 3];
        options.init = k < 3 ? "mean" : "random";
        oc_ensemble_report *one = fit(sorted, 2, &options);
        options.out = test_world_path(&world, "permuted", b);
        oc_ensemble_report *two = fit(permuted, 2, &options);
        assert_true(oc_ensemble_report_whole(one, NULL, NULL).top1 == oc_ensemble_report_whole(two, NULL, NULL).top1);
        for (size_t m = 0; m < 2; m++) {
            const oc_ensemble_member x = oc_ensemble_report_member(one, m), y = oc_ensemble_report_member(two, m);
            assert_true(x.top1 == y.top1 && x.gain == y.gain);
        }

        strcat(a, "/best.safetensors");
        strcat(b, "/best.safetensors");
        oc_model *equal = open_model(a), *other = open_model(b);
        assert_string_not_equal(equal->classes.item[0], other->classes.item[0]);
        oc_scores x = scores_of(equal), y = scores_of(other);
        double largest = 0;
        assert_int_equal(x.images, y.images);
        for (int64_t i = 0; i < x.images; i++) {
            int best_x = 0, best_y = 0;
            for (int c = 0; c < CLASSES; c++) {
                if (x.logits[i * CLASSES + c] > x.logits[i * CLASSES + best_x]) best_x = c;
                if (y.logits[i * CLASSES + c] > y.logits[i * CLASSES + best_y]) best_y = c;
                for (int d = 0; d < CLASSES; d++)
                    if (strcmp(equal->classes.item[c], other->classes.item[d]) == 0)
                        largest =
                            fmax(largest, fabs((double)x.logits[i * CLASSES + c] - (double)y.logits[i * CLASSES + d]));
            }
            assert_string_equal(equal->classes.item[best_x], other->classes.item[best_y]);
            assert_string_equal(equal->classes.item[x.label[i]], other->classes.item[y.label[i]]);
        }
        print_message("%s: scores by name differ by at most %.1e\n", options.method, largest);
        assert_true(largest < 1e-4);
        oc_scores_free(&x);
        oc_scores_free(&y);
        oc_model_destroy(&equal);
        oc_model_destroy(&other);
        oc_ensemble_report_destroy(&one);
        oc_ensemble_report_destroy(&two);
        test_temporary_remove(test_world_path(&world, "equal", a));
        test_temporary_remove(test_world_path(&world, "permuted", b));
    }
}

/* ---- the cache ---- */

static void test_cache(void **state) {
    (void)state;
    char out[320], scores[400], file[320];
    oc_ensemble_options options = options_make(test_world_path(&world, "cached", out));
    options.method = "weighted";
    snprintf(scores, sizeof scores, "%s/scores", out);
    oc_ensemble_report *first = fit(path, 2, &options);
    assert_int_equal(count_logged("computed"), 4);
    assert_int_equal(test_folder_entries(scores), 4);
    oc_ensemble_report *second = fit(path, 2, &options);
    assert_int_equal(count_logged("computed"), 0);
    assert_int_equal(count_logged("taken from the cache"), 4);
    assert_string_equal(oc_ensemble_report_json(first), oc_ensemble_report_json(second));
    /* How fast the members are is known where all of them were computed. */
    assert_true(oc_ensemble_report_whole(first, NULL, NULL).images_per_second > 0);
    assert_true(isnan(oc_ensemble_report_whole(second, NULL, NULL).images_per_second));
    oc_ensemble_report_destroy(&second);

    /* Other weights at the same path: theirs are computed, the other member's are not. */
    size_t size = 0;
    unsigned char *bytes = test_bytes_read(path[2], &size);
    const char *changing[] = {path[0], test_world_path(&world, "changing", file)};
    test_bytes_write(file, bytes, size);
    free(bytes);
    second = fit(changing, 2, &options);
    assert_int_equal(count_logged("computed"), 2);
    assert_true(isnan(oc_ensemble_report_whole(second, NULL, NULL).images_per_second));
    oc_ensemble_report_destroy(&second);
    bytes = test_bytes_read(path[1], &size);
    test_bytes_write(file, bytes, size);
    free(bytes);
    second = fit(changing, 2, &options);
    assert_int_equal(count_logged("taken from the cache"), 4); /* of the same weights, whatever they are called */
    assert_true(oc_ensemble_report_whole(second, NULL, NULL).loss == oc_ensemble_report_whole(first, NULL, NULL).loss);
    oc_ensemble_report_destroy(&second);
    oc_ensemble_report_destroy(&first);
    remove(file);
    test_temporary_remove(out);
}

/* The ensemble itself: an earlier one stays when a new one cannot be written, or is stopped. */
static bool refuse(void *user, const char *what, int64_t done, int64_t total) {
    (void)user;
    (void)done;
    (void)total;
    return strcmp(what, "fit the ensemble") != 0;
}

static void test_earlier_stays(void **state) {
    (void)state;
    char out[320], file[400];
    oc_error error = {0};
    oc_ensemble_options options = options_make(test_world_path(&world, "earlier", out));
    options.method = "mean";
    oc_ensemble_report *report = fit(path, 2, &options);
    oc_ensemble_report_destroy(&report);
    options.method = "stack"; /* so that the scores of its fit split are there too */
    report = fit(path, 2, &options);
    oc_ensemble_report_destroy(&report);
    size_t size = 0, now = 0;
    snprintf(file, sizeof file, "%s/best.safetensors", out);
    unsigned char *before = test_bytes_read(file, &size);
    options.method = "weighted";
    oc_fault_arm(2, ENOSPC);
    assert_int_equal(oc_ensemble_fit(NULL, world.dataset, path, 2, &options, &error), OC_E_IO);
    oc_fault_arm(0, 0);
    assert_non_null(strstr(error.where, "best.safetensors"));
    options.method = "stack";
    options.seed = 9;
    options.progress = (oc_progress){refuse, NULL};
    assert_int_equal(oc_ensemble_fit(NULL, world.dataset, path, 2, &options, &error), OC_E_STOPPED);
    unsigned char *after = test_bytes_read(file, &now);
    assert_int_equal(size, now);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
    assert_int_equal(test_folder_entries(out), 4); /* best.safetensors, ensemble.json, run.json, scores */
    test_temporary_remove(out);
}

/* ---- what the members have seen ---- */

/* Files that are in both splits, told by their paths. */
static int64_t in_both(const oc_split *a, const oc_split *b) {
    int64_t count = 0;
    for (int64_t i = 0; i < a->count; i++)
        for (int64_t k = 0; k < b->count; k++) count += strcmp(a->sample[i].path, b->sample[k].path) == 0;
    return count;
}

static void test_seen_images(void **state) {
    (void)state;
    static const struct {
        double share;
        const char *fit_on, *method;
        bool seen;
    } cases[] = {
        {0.4, NULL, "weighted", false},     {0.4, "train", "weighted", true}, {0.2, NULL, "weighted", false},
        {0.6, "holdout", "weighted", true}, {0, NULL, "weighted", true},      {0, NULL, "mean", false},
    };
    char out[320];
    oc_error error = {0};
    oc_dataset *given = world.dataset;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char text[400];
        const oc_dataset_options data = {.holdout = cases[k].share};
        oc_ensemble_options options = options_make(test_world_path(&world, "seen", out));
        world.dataset = NULL;
        test_require(oc_dataset_open(&world.dataset, world.data, &data, &error), OC_OK, &error);
        options.fit_on = cases[k].fit_on;
        options.method = cases[k].method;
        oc_ensemble_report *report = fit(path, 2, &options);
        assert_int_equal(count_logged("warning: fitted on images that 2 of the members"), cases[k].seen ? 1 : 0);
        assert_int_equal(count_logged("over-confident"), cases[k].seen ? 1 : 0);
        if (cases[k].seen) assert_non_null(strstr(strstr(logged, "warning"), path[1]));
        const bool held = cases[k].share > 0 && !(cases[k].fit_on && strcmp(cases[k].fit_on, "train") == 0);
        const oc_split *learnt = oc_dataset_split(given, "train");
        const int64_t known = strcmp(cases[k].method, "mean") == 0
                                  ? 0
                                  : in_both(oc_dataset_split(world.dataset, held ? "holdout" : "train"), learnt);
        assert_true((known > 0) == cases[k].seen);
        assert_int_equal(oc_ensemble_report_member(report, 1).seen, known);
        snprintf(text, sizeof text, "%s (%lld of ", path[1], (long long)known);
        assert_int_equal(count_logged(text), cases[k].seen ? 1 : 0);
        assert_int_equal(oc_ensemble_report_whole(report, NULL, NULL).trained_on, 0);

        /* The whole was trained on what its members were, and on the images that it was fitted on. */
        char best[340];
        oc_model *whole = NULL;
        snprintf(best, sizeof best, "%s/best.safetensors", out);
        test_require(oc_model_open(&whole, best, NULL, NULL, 0, 0, NULL, &error), OC_OK, &error);
        const int64_t fitted = strcmp(cases[k].method, "mean") == 0
                                   ? 0
                                   : oc_dataset_split(world.dataset, held ? "holdout" : "train")->count;
        assert_int_equal(whole->trained.count, learnt->count + fitted - known);
        assert_false(whole->trained.unrecorded);
        oc_model_destroy(&whole);
        oc_ensemble_report_destroy(&report);
        test_temporary_remove(out);
        oc_dataset_destroy(&world.dataset);
    }
    world.dataset = given;
}

/* ---- pruning ---- */

/* Mean cross-entropy on the held-out images of the average of all members but one. */
static double loss_without(const oc_scores *scores, int without) {
    double loss = 0;
    for (int64_t i = 0; i < scores[0].images; i++) {
        double p = 0;
        for (int m = 0; m < MEMBERS; m++) {
            const float *z = scores[m].logits + i * CLASSES;
            double sum = 0;
            for (int c = 0; c < CLASSES; c++) sum += exp((double)z[c] - (double)z[scores[m].label[i]]);
            if (m != without) p += 1 / sum / (MEMBERS - 1);
        }
        loss -= log(p) / (double)scores[0].images;
    }
    return loss;
}

/* K stay; the one that goes is the one without which the others do best on the images held out. */
static void test_prune(void **state) {
    (void)state;
    static const char *const methods[] = {"mean", "weighted", "stack"};
    char out[320];
    oc_error error = {0};
    oc_scores scores[MEMBERS] = {0};
    int expected = 0;
    double loss[MEMBERS];
    const oc_eval_options eval = {.split = "holdout", .threads = THREADS, .cache = world.cache};
    for (int m = 0; m < MEMBERS; m++) {
        oc_model *model = open_model(path[m]);
        test_require(oc_scores_compute(&scores[m], model, world.dataset, &eval, &error), OC_OK, &error);
        oc_model_destroy(&model);
    }
    for (int m = 0; m < MEMBERS; m++) {
        loss[m] = loss_without(scores, m);
        if (loss[m] < loss[expected]) expected = m;
    }
    print_message("cross-entropy without each: %.4f %.4f %.4f\n", loss[0], loss[1], loss[2]);
    for (int k = 0; k < 3; k++) {
        oc_ensemble_options options = options_make(test_world_path(&world, "pruned", out));
        options.method = methods[k];
        options.prune = 2;
        oc_ensemble_report *report = fit(path, MEMBERS, &options);
        int kept = 0;
        for (int m = 0; m < MEMBERS; m++) {
            const oc_ensemble_member one = oc_ensemble_report_member(report, (size_t)m);
            kept += one.kept;
            if (!one.kept) assert_true(one.gain == 0 && one.weight == 0);
            if (k == 0) assert_true(one.kept == (m != expected));
        }
        assert_int_equal(kept, 2);
        assert_int_equal(count_logged("left out"), 1);
        strcat(out, "/best.safetensors");
        oc_model *model = open_model(out);
        assert_int_equal(model->ensemble->members, 2);
        oc_model_destroy(&model);
        oc_ensemble_report_destroy(&report);
        test_temporary_remove(test_world_path(&world, "pruned", out));
    }
    for (int m = 0; m < MEMBERS; m++) oc_scores_free(&scores[m]);
}

/* ---- precision ---- */

/* It reaches the members' plans: scores in bf16 are others, and near. */
static void test_precision(void **state) {
    (void)state;
    double loss[2];
    for (int half = 0; half < 2; half++) {
        char out[320];
        oc_ensemble_options options = options_make(test_world_path(&world, half ? "bf16" : "fp32", out));
        options.method = "mean";
        options.precision = half ? "bf16" : "fp32";
        oc_ensemble_report *report = fit(path, 2, &options);
        loss[half] = oc_ensemble_report_whole(report, NULL, NULL).loss;
        oc_ensemble_report_destroy(&report);
        test_temporary_remove(out);
    }
    assert_true(loss[0] != loss[1] && fabs(loss[0] - loss[1]) < 0.02 * loss[0]);
}

/* ---- refusals ---- */

static void refused(const char *const *files, size_t count, const oc_ensemble_options *options, oc_status status,
                    const char *says) {
    oc_error error = {0};
    oc_ensemble_report *report = NULL;
    assert_int_equal(oc_ensemble_fit(&report, world.dataset, files, count, options, &error), status);
    assert_null(report);
    if (!strstr(error.message, says) && !strstr(error.where, says))
        fail_msg("\"%s: %s\" does not say \"%s\"", error.where, error.message, says);
}

static void test_refusals(void **state) {
    (void)state;
    char out[320], file[320], nothing[320];
    const oc_ensemble_options good = options_make(test_world_path(&world, "refused", out));
    oc_ensemble_options options = good;
    oc_error error = {0};
    refused(path, 0, &options, OC_E_USAGE, "2 to 64 members: 0");
    refused(path, 1, &options, OC_E_USAGE, "2 to 64 members: 1");
    options.method = "weigthed";
    refused(path, 2, &options, OC_E_USAGE, "did you mean weighted?");
    options = good;
    options.init = "meen";
    refused(path, 2, &options, OC_E_USAGE, "did you mean mean?");
    options = good;
    options.fit_on = "val";
    refused(path, 2, &options, OC_E_USAGE, "train or holdout");
    options = good;
    options.prune = 1;
    refused(path, 2, &options, OC_E_USAGE, "--prune");
    options.prune = 3;
    refused(path, 2, &options, OC_E_USAGE, "--prune");
    options = good;
    options.precision = "fp23";
    refused(path, 2, &options, OC_E_USAGE, "did you mean fp32?");
    options = good;
    options.out = NULL;
    refused(path, 2, &options, OC_E_USAGE, "--out");

    const char *missing[] = {path[0], test_world_path(&world, "nothing", nothing)};
    refused(missing, 2, &good, OC_E_NOT_FOUND, nothing);
    options = good;
    options.out = test_world_path(&world, "m0", file);
    refused(path, 2, &options, OC_E_EXISTS, "training run");

    /* Another class: both differences are named. */
    oc_model *model = open_model(path[1]);
    const char *changed[] = {path[0], test_world_path(&world, "strange", file)};
    oc_free(model->classes.item[1]);
    oc_free(model->classes.item[2]);
    model->classes.count = 1;
    test_require(oc_names_add(&model->classes, "zebra", &error), OC_OK, &error);
    test_require(oc_names_add(&model->classes, "n90000003", &error), OC_OK, &error);
    test_require(oc_model_save(model, file, &error), OC_OK, &error);
    oc_model_destroy(&model);
    refused(changed, 2, &good, OC_E_MISMATCH, "zebra");
    refused(changed, 2, &good, OC_E_MISMATCH, "n90000002");
    remove(file);

    /* Nothing to fit on; a member that would be overwritten; an ensemble as a member. */
    assert_false(oc_path_exists(out));
    oc_dataset *given = world.dataset;
    world.dataset = NULL;
    test_require(oc_dataset_open(&world.dataset, world.data, NULL, &error), OC_OK, &error);
    options = good;
    options.fit_on = "holdout";
    refused(path, 2, &options, OC_E_NOT_FOUND, "no images are held out");
    oc_dataset_destroy(&world.dataset);
    world.dataset = given;
    options = good;
    options.method = "mean";
    oc_ensemble_report *report = fit(path, 2, &options);
    oc_ensemble_report_destroy(&report);
    snprintf(file, sizeof file, "%.300s/best.safetensors", out);
    const char *own[] = {path[0], file};
    refused(own, 2, &options, OC_E_EXISTS, "overwritten");
    options.out = test_world_path(&world, "refused2", nothing);
    refused(own, 2, &options, OC_E_USAGE, "is an ensemble");
    assert_false(oc_path_exists(nothing));
    test_temporary_remove(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result), cmocka_unit_test(test_same_bits),     cmocka_unit_test(test_class_order),
        cmocka_unit_test(test_cache),  cmocka_unit_test(test_earlier_stays), cmocka_unit_test(test_seen_images),
        cmocka_unit_test(test_prune),  cmocka_unit_test(test_refusals),      cmocka_unit_test(test_precision),
    };
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
