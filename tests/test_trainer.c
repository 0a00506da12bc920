/* A whole run on a small generated data set, what it leaves in its folder, and what a trainer refuses before anything
 * is touched. (That equal runs give equal bits is in test_resume.c.) */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <glob.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "ocelli/data.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/run.h"
#include "support/temporary.h"
#include "train/trainer.h"

#define EPOCH_STEPS 3 /* 60 images in batches of 16, the last partial one dropped */

static test_world world;

/* The uninterrupted run "whole" with AdamW, averaging, clipping, warm-up. */
#define WHOLE "ema.decay=0.9 clip.norm=5 schedule.warmup_steps=3"

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

static void test_whole_run(void **state) {
    (void)state;
    oc_error error;
    test_seen s = {0};
    const oc_train_options options = {.on_step = test_on_step, .on_epoch = test_on_epoch, .user = &s};
    test_require(test_run(&world, "whole", WHOLE, &options, &error), OC_OK, &error);
    assert_int_equal(s.steps, 2 * EPOCH_STEPS);
    assert_int_equal(s.epochs, 3); /* before the first step and after each epoch */
    assert_int_equal(s.last_epoch.step, 2 * EPOCH_STEPS);
    assert_int_equal(s.last_epoch.steps, 2 * EPOCH_STEPS);
    assert_int_equal(s.last_epoch.steps_per_epoch, EPOCH_STEPS);
    assert_int_equal(s.last_epoch.epoch, 1);
    assert_int_equal(s.last_epoch.epochs, 2);
    assert_true(isfinite(s.last_epoch.loss) && isfinite(s.last_epoch.val_loss));
    assert_true(s.last_epoch.val_top1 >= 0 && s.last_epoch.val_top1 <= 1);
    assert_true(s.last_epoch.best_top1 >= s.last_epoch.val_top1);
    assert_true(s.last_epoch.val_top5 == 1); /* of three classes */
    assert_true(s.last_epoch.images_per_second > 0);
    assert_true(s.last_epoch.data_share > 0 && s.last_epoch.data_share < 1);
    assert_int_equal(test_lines(&world, "whole", "metrics.csv", 17), 4);
    assert_int_equal(test_lines(&world, "whole", "steps.csv", 3), 1 + 2 * EPOCH_STEPS);
    char path[320];
    static const char *const files[] = {"recipe.yaml", "plan.txt", "data.json", "log.txt", "best.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t size = 0;
        free(test_bytes_read(test_run_file(&world, "whole", files[i], path), &size));
        assert_true(size > 0);
    }
}

/* What a run's callbacks are told while every step is too slow. */
typedef struct slow_run {
    pthread_t owner;
    int steps, running, ended; /* calls of on_step; lines on a step that goes on; on one that has ended */
    bool busy, overlap;        /* within a callback; two at once */
    bool wrong;                /* a line on another step, or from the wrong thread */
} slow_run;

static void on_slow_step(void *user, const oc_train_status *status) {
    slow_run *s = user;
    s->overlap = s->overlap || s->busy;
    s->busy = true;
    s->steps += !status->validating;
    s->busy = false;
}

static void on_slow_log(void *user, oc_log_level level, const char *line) {
    slow_run *s = user;
    long long step;
    s->overlap = s->overlap || s->busy;
    s->busy = true;
    if (level == OC_LOG_WARN && sscanf(line, "step %lld ", &step) == 1) { /* NOLINT(cert-err34-c) */
        const bool running = strstr(line, "has taken"), elsewhere = !pthread_equal(pthread_self(), s->owner);
        s->wrong = s->wrong || step != s->steps + 1 || running != elsewhere;
        *(running ? &s->running : &s->ended) += 1;
    }
    s->busy = false;
}

/* Each is told of, once, in the log and in log.txt, and most while they go on. */
static void test_slow_steps(void **state) {
    (void)state;
    oc_error error;
    oc_trainer *trainer = NULL;
    char out[320], path[320];
    slow_run s = {.owner = pthread_self()};
    oc_recipe *recipe = test_recipe_create("");
    oc_train_options options = test_train_options(&world, test_world_path(&world, "slow", out));
    options.on_step = on_slow_step;
    options.user = &s;
    options.log = (oc_log){.fn = on_slow_log, .user = &s};
    test_require(oc_trainer_create(&trainer, world.dataset, recipe, &options, &error), OC_OK, &error);
    const oc_watchdog_limits limits = {.factor = 1e-9, .seconds = 1e-4, .first = 1e-4};
    test_require(oc_trainer_watch(trainer, &limits, &error), OC_OK, &error);
    test_require(oc_trainer_run(trainer, &error), OC_OK, &error);
    oc_trainer_destroy(&trainer);
    oc_recipe_destroy(&recipe);
    assert_int_equal(s.steps, 2 * EPOCH_STEPS);
    assert_int_equal(s.running + s.ended, 2 * EPOCH_STEPS);
    assert_true(s.running > 0);
    assert_false(s.overlap || s.wrong);
    size_t size = 0;
    char *log = (char *)test_bytes_read(test_run_file(&world, "slow", "log.txt", path), &size);
    int lines = 0;
    for (const char *line = log; (line = strstr(line, "the machine busy")); line++) lines++;
    free(log);
    assert_int_equal(lines, 2 * EPOCH_STEPS);
}

static void test_refusals(void **state) {
    (void)state;
    oc_error error;
    char path[320], out[320];
    size_t before_size = 0, after_size = 0;
    unsigned char *before = test_bytes_read(test_run_file(&world, "whole", "state.safetensors", path), &before_size);

    test_require(test_run(&world, "whole", WHOLE, NULL, &error), OC_E_EXISTS, &error);
    test_says(&error, "--resume");
    assert_string_equal(error.where, test_world_path(&world, "whole", out));
    oc_train_options options = {.resume = true};
    test_require(test_run(&world, "whole", WHOLE " optimizer.lr=0.01", &options, &error), OC_E_MISMATCH, &error);
    test_says(&error, "optimizer.lr was 0.001 in the run, now 0.01");
    options.threads = 3;
    test_require(test_run(&world, "whole", WHOLE, &options, &error), OC_E_MISMATCH, &error);
    test_says(&error, "the run had 2 threads, now 3");
    options = (oc_train_options){.resume = true, .weights = test_run_file(&world, "whole", "best.safetensors", path)};
    test_require(test_run(&world, "whole", WHOLE, &options, &error), OC_E_MISMATCH, &error);
    test_says(&error, "random weights");

    /* Other images under the same names. */
    oc_dataset *other = NULL, *own = world.dataset;
    const oc_demo_options demo = {.classes = 3, .per_class = 20, .seed = 6, .threads = 2};
    test_require(oc_data_demo(test_world_path(&world, "other", path), &demo, &error), OC_OK, &error);
    test_require(oc_dataset_open(&other, path, NULL, &error), OC_OK, &error);
    options = (oc_train_options){.resume = true};
    world.dataset = other;
    oc_status status = test_run(&world, "whole", WHOLE, &options, &error);
    world.dataset = own;
    oc_dataset_destroy(&other);
    test_require(status, OC_E_MISMATCH, &error);
    test_says(&error, "the data set of the run: 3 classes, 60 training");

    unsigned char *after = test_bytes_read(test_run_file(&world, "whole", "state.safetensors", path), &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);

    /* A damaged state is refused, not started over. */
    after[after_size / 2] ^= 1;
    test_bytes_write(path, after, after_size);
    options = (oc_train_options){.resume = true};
    test_require(test_run(&world, "whole", WHOLE, &options, &error), OC_E_FORMAT, &error);
    test_bytes_write(path, before, before_size);
    free(before);
    free(after);

    test_require(test_run(&world, "none", "model.name=myresnet-smal", NULL, &error), OC_E_USAGE, &error);
    test_require(test_run(&world, "none", "train.batch_size=61", NULL, &error), OC_E_USAGE, &error);
    options = (oc_train_options){.weights = test_run_file(&world, "whole", "none.safetensors", path)};
    test_require(test_run(&world, "none", "", &options, &error), OC_E_NOT_FOUND, &error);
    options = (oc_train_options){.weights = test_run_file(&world, "whole", "best.safetensors", path)};
    test_require(test_run(&world, "none", "data.size=64", &options, &error), OC_E_MISMATCH, &error);
    test_says(&error, "fc.1.weight");
    test_require(test_run(&world, "none", "data.holdout=0.5", NULL, &error), OC_E_MISMATCH, &error);
    test_says(&error, "data.holdout is 0.5");

    /* One class alone, as a folder too many or too few makes it. */
    snprintf(path, sizeof path, "%s/one/train/only/1.jpg", world.folder);
    test_jpeg_write(path, 32, 32, 1, TEST_JPEG_RGB);
    snprintf(path, sizeof path, "%s/one/val/only/1.jpg", world.folder);
    test_jpeg_write(path, 32, 32, 2, TEST_JPEG_RGB);
    test_require(oc_dataset_open(&other, test_world_path(&world, "one", path), NULL, &error), OC_OK, &error);
    world.dataset = other;
    status = test_run(&world, "none", "train.batch_size=1", NULL, &error);
    world.dataset = own;
    oc_dataset_destroy(&other);
    test_require(status, OC_E_FORMAT, &error);
    test_says(&error, "images of one class alone, only, the first of which is train/only/1.jpg");
    assert_false(oc_path_exists(test_world_path(&world, "none", out)));
}

/* A folder in which a run goes on is nobody else's, new or resumed; afterwards it may be resumed. */
static void test_two_at_once(void **state) {
    (void)state;
    oc_error error;
    char out[320];
    oc_recipe *recipe = test_recipe_create("");
    oc_trainer *first = NULL;
    oc_train_options options = test_train_options(&world, test_world_path(&world, "shared", out));
    bool done = false;
    for (int resumed = 0; resumed < 2; resumed++) {
        options.resume = resumed;
        test_require(oc_trainer_create(&first, world.dataset, recipe, &options, &error), OC_OK, &error);
        options.resume = true;
        test_require(test_train(&world, recipe, &options, &error), OC_E_EXISTS, &error);
        test_says(&error, "another process is training in this folder");
        assert_string_equal(error.where, out);
        test_require(oc_trainer_step(first, &done, &error), OC_OK, &error);
        oc_trainer_destroy(&first);
    }
    oc_recipe_destroy(&recipe);
}

static void remove_packs(const char *folder) {
    char path[640];
    int removed = 0;
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (!strstr(entry->d_name, ".ocpack")) continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        removed += remove(path) == 0;
    }
    closedir(entries);
    assert_int_equal(removed, 2);
}

/* A run whose folder is the cache's as well waits for nobody, also where it has to decode again. */
static void test_cache_folder(void **state) {
    (void)state;
    oc_error error;
    char out[320];
    oc_recipe *recipe = test_recipe_create("train.epochs=1");
    oc_train_options options = test_train_options(&world, test_world_path(&world, "both", out));
    options.cache = out;
    options.max_steps = 1;
    test_require(test_train(&world, recipe, &options, &error), OC_OK, &error);
    remove_packs(out);
    options.max_steps = 2;
    options.resume = true;
    test_require(test_train(&world, recipe, &options, &error), OC_OK, &error);
    oc_recipe_destroy(&recipe);
}

/* How the recipe wants images read is how they are packed, and the weights file says so. */
static void test_readings(void **state) {
    (void)state;
    oc_error error;
    char path[400];
    oc_model *model = NULL;
    oc_train_options options = {.max_steps = 1};
    glob_t packs;
    test_require(test_run(&world, "read", "data.exif=false data.background=1,2,3 data.fit=squash", &options, &error),
                 OC_OK, &error);
    test_require(
        oc_model_open(&model, test_run_file(&world, "read", "last.safetensors", path), NULL, NULL, 0, 0, NULL, &error),
        OC_OK, &error);
    assert_true(oc_image_options_equal(&model->image, &(oc_image_options){false, {1, 2, 3}, OC_FIT_SQUASH}));
    oc_model_destroy(&model);
    snprintf(path, sizeof path, "%s/*-stored-010203-squash-*", world.cache);
    assert_int_equal(glob(path, 0, NULL, &packs), 0);
    assert_int_equal(packs.gl_pathc, 2);
    globfree(&packs);
}

/* A run that another process has begun while this one decoded is found before anything of it is touched. */
static bool begin_meanwhile(void *user, const char *what, int64_t done, int64_t total) {
    (void)what, (void)done, (void)total;
    char path[320];
    assert_int_equal(oc_folder_create(user, NULL), OC_OK);
    snprintf(path, sizeof path, "%s/recipe.yaml", (const char *)user);
    test_bytes_write(path, "another", 7);
    return true;
}

static void test_begun_meanwhile(void **state) {
    (void)state;
    oc_error error;
    char out[320], cache[320], path[320];
    size_t size = 0;
    oc_recipe *recipe = test_recipe_create("");
    oc_train_options options = test_train_options(&world, test_world_path(&world, "meanwhile", out));
    options.cache = test_world_path(&world, "other-cache", cache);
    options.progress = (oc_progress){.fn = begin_meanwhile, .user = out};
    test_require(test_train(&world, recipe, &options, &error), OC_E_EXISTS, &error);
    test_says(&error, "meanwhile");
    char *kept = (char *)test_bytes_read(test_run_file(&world, "meanwhile", "recipe.yaml", path), &size);
    assert_int_equal(size, 7);
    assert_memory_equal(kept, "another", 7);
    free(kept);
    assert_false(oc_path_exists(test_run_file(&world, "meanwhile", "metrics.csv", path)));
    oc_recipe_destroy(&recipe);
}

/* A run from a weights file that ends before its first save begins with those weights again. */
static void test_start(void **state) {
    (void)state;
    oc_error error;
    char out[320], path[320], weights[320];
    oc_recipe *recipe = test_recipe_create("train.epochs=1 train.seed=3");
    test_run_file(&world, "whole", "best.safetensors", weights);
    oc_train_options options = test_train_options(&world, test_world_path(&world, "from-whole", out));
    options.weights = weights;
    test_require(test_train(&world, recipe, &options, &error), OC_OK, &error);

    oc_trainer *trainer = NULL;
    options.out = test_world_path(&world, "from-cut", out);
    test_require(oc_trainer_create(&trainer, world.dataset, recipe, &options, &error), OC_OK, &error);
    oc_trainer_destroy(&trainer);
    assert_int_equal(remove(test_run_file(&world, "from-cut", "state.safetensors", path)), 0);
    assert_int_equal(remove(test_run_file(&world, "from-cut", "last.safetensors", path)), 0);
    options.resume = true;
    options.weights = NULL;
    test_require(test_train(&world, recipe, &options, &error), OC_OK, &error);
    test_same_in_runs(&world, "from-whole", "from-cut", "last.safetensors");

    /* A run with weights of its own has no such file. */
    assert_false(oc_path_exists(test_run_file(&world, "whole", "start.safetensors", path)));
    oc_recipe_destroy(&recipe);
}

/* A loss that is not finite: the step, the layer and the samples are named, and the last save still stands. */
static void check_non_finite(const char *run, const char *broken, const char *layer) {
    oc_error error;
    char out[320], path[320], named[64];
    oc_recipe *recipe = test_recipe_create("");
    oc_train_options options = test_train_options(&world, test_world_path(&world, run, out));
    options.save_every = 1;
    oc_trainer *trainer = NULL;
    bool done = false;
    test_require(oc_trainer_create(&trainer, world.dataset, recipe, &options, &error), OC_OK, &error);
    test_require(oc_trainer_step(trainer, &done, &error), OC_OK, &error);
    size_t before_size = 0, after_size = 0;
    unsigned char *before = test_bytes_read(test_run_file(&world, run, "state.safetensors", path), &before_size);
    const oc_tensor *tensor = oc_table_find(oc_graph_table(trainer->model->graph), broken);
    assert_non_null(tensor);
    trainer->model->weights.arena[tensor->offset] = INFINITY;
    trainer->model->weights.version++;
    /* Neither can it be saved, */
    test_require(oc_trainer_save(trainer, &error), OC_E_NON_FINITE, &error);
    test_says(&error, broken);
    /* nor stepped on, now or later. */
    test_require(oc_trainer_step(trainer, &done, &error), OC_E_NON_FINITE, &error);
    test_says(&error, "at step 2");
    snprintf(named, sizeof named, "\"%s\"", layer);
    test_says(&error, named);
    test_says(&error, ".JPEG");
    test_says(&error, "and 11 more");
    test_require(oc_trainer_step(trainer, &done, &error), OC_E_NON_FINITE, &error);
    oc_trainer_destroy(&trainer);
    unsigned char *after = test_bytes_read(test_run_file(&world, run, "state.safetensors", path), &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    free(before);
    free(after);
    options.resume = true;
    options.max_steps = 2;
    test_require(test_train(&world, recipe, &options, &error), OC_OK, &error);
    oc_recipe_destroy(&recipe);
}

/* The samples are known by the scores of that step, wherever the first bad layer is. */
static void test_non_finite(void **state) {
    (void)state;
    check_non_finite("nan-last", "fc.1.weight", "fc.1");
    check_non_finite("nan-before", "res3.layers.4.bias", "res3.layers.4");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_run), cmocka_unit_test(test_slow_steps),      cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_readings),  cmocka_unit_test(test_two_at_once),     cmocka_unit_test(test_cache_folder),
        cmocka_unit_test(test_start),     cmocka_unit_test(test_begun_meanwhile), cmocka_unit_test(test_non_finite)};
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
