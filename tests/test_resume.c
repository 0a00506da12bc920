/* label: slow */
/* Equal runs give equal bits, however often they were stopped, wherever, and resumed. */
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recipe/recipe.h"
#include "support/bytes.h"
#include "support/run.h"
#include "support/temporary.h"

#define EPOCH_STEPS 3 /* 60 images in batches of 16, the last partial one dropped */

static test_world world;

/* The run "whole", which is never stopped and which others are compared with. */
#define WHOLE "ema.decay=0.9 clip.norm=5 schedule.warmup_steps=3"

static int create_world(void **state) {
    oc_error error;
    (void)state;
    test_world_create(&world);
    test_require(test_run(&world, "whole", WHOLE, NULL, &error), OC_OK, &error);
    return 0;
}

static int destroy_world(void **state) {
    (void)state;
    test_world_destroy(&world);
    return 0;
}

static void test_same_bits(void **state) {
    (void)state;
    oc_error error;
    test_require(test_run(&world, "again", WHOLE, NULL, &error), OC_OK, &error);
    test_same_in_runs(&world, "whole", "again", "last.safetensors");
    test_same_in_runs(&world, "whole", "again", "best.safetensors");
    test_same_in_runs(&world, "whole", "again", "steps.csv");
    test_same_in_runs(&world, "whole", "again", "recipe.yaml");
    test_require(test_run(&world, "seed", WHOLE " train.seed=1", NULL, &error), OC_OK, &error);
    assert_true(test_differ_in_runs(&world, "whole", "seed", "last.safetensors"));
    /* The saved recipe alone repeats the run: it is what it was. */
    oc_recipe *recipe = test_recipe_create("");
    char path[320];
    test_require(oc_recipe_load(recipe, test_run_file(&world, "whole", "recipe.yaml", path), &error), OC_OK, &error);
    assert_true(oc_recipe_resolve(recipe).ema_decay == 0.9 && oc_recipe_resolve(recipe).size == 32);
    oc_recipe_destroy(&recipe);
}

/* Stopped inside an epoch by every means, inside a validation and at an epoch's end; each time resumed. */
static void test_stop_and_resume(void **state) {
    (void)state;
    oc_error error;
    test_seen s = {.stop_at_step = 1};
    oc_train_options options = {.on_step = test_on_step, .user = &s, .stop = &s.stop};
    test_require(test_run(&world, "pieces", WHOLE, &options, &error), OC_E_STOPPED, &error);
    assert_int_equal(s.last.step, 1);
    assert_int_equal(test_lines(&world, "pieces", "metrics.csv", 17), 2);

    options = (oc_train_options){.resume = true, .max_steps = 2, .save_every = 1};
    test_require(test_run(&world, "pieces", WHOLE, &options, &error), OC_OK, &error);
    assert_int_equal(test_lines(&world, "pieces", "steps.csv", 3), 1 + 2);
    assert_int_equal(test_lines(&world, "pieces", "metrics.csv", 17), 2); /* a part of an epoch has no row */

    s = (test_seen){.stop_in_validation = 1};
    options = (oc_train_options){.resume = true, .on_step = test_on_step, .user = &s, .stop = &s.stop};
    test_require(test_run(&world, "pieces", WHOLE, &options, &error), OC_E_STOPPED, &error);
    assert_int_equal(s.last.step, EPOCH_STEPS);
    assert_int_equal(test_lines(&world, "pieces", "metrics.csv", 17), 2); /* the validation is still due */

    s = (test_seen){0};
    options = (oc_train_options){.resume = true, .max_steps = EPOCH_STEPS, .on_epoch = test_on_epoch, .user = &s};
    test_require(test_run(&world, "pieces", WHOLE, &options, &error), OC_OK, &error);
    assert_int_equal(s.epochs, 1);
    assert_int_equal(test_lines(&world, "pieces", "metrics.csv", 17), 3);

    options = (oc_train_options){.resume = true, .max_seconds = 1e-9};
    test_require(test_run(&world, "pieces", WHOLE, &options, &error), OC_OK, &error); /* its time is over already */
    assert_int_equal(test_lines(&world, "pieces", "steps.csv", 3), 1 + EPOCH_STEPS);

    options = (oc_train_options){.resume = true, .save_every = 2};
    test_require(test_run(&world, "pieces", WHOLE, &options, &error), OC_OK, &error);
    test_same_in_runs(&world, "whole", "pieces", "last.safetensors");
    test_same_in_runs(&world, "whole", "pieces", "best.safetensors");
    test_same_in_runs(&world, "whole", "pieces", "steps.csv");
    assert_int_equal(test_lines(&world, "pieces", "metrics.csv", 17), 4);

    /* Finished: nothing changes any more, not even the number of files. */
    char path[320];
    int entries = test_folder_entries(test_world_path(&world, "pieces", path));
    size_t before = 0, after = 0;
    unsigned char *log_before = test_bytes_read(test_run_file(&world, "pieces", "log.txt", path), &before);
    options = (oc_train_options){.resume = true};
    test_require(test_run(&world, "pieces", WHOLE, &options, &error), OC_OK, &error);
    unsigned char *log_after = test_bytes_read(test_run_file(&world, "pieces", "log.txt", path), &after);
    assert_int_equal(before, after);
    assert_memory_equal(log_before, log_after, before);
    free(log_before);
    free(log_after);
    assert_int_equal(test_folder_entries(test_world_path(&world, "pieces", path)), entries);
}

/* A run that died without its last saves: rows past the state are cut off, the state is the one truth. */
static void test_resume_from_older_state(void **state) {
    (void)state;
    oc_error error;
    char path[320];
    size_t size = 0;
    oc_train_options options = {.max_steps = 2};
    test_require(test_run(&world, "older", WHOLE, &options, &error), OC_OK, &error);
    unsigned char *saved = test_bytes_read(test_run_file(&world, "older", "state.safetensors", path), &size);
    options = (oc_train_options){.resume = true};
    test_require(test_run(&world, "older", WHOLE, &options, &error), OC_OK, &error);
    test_bytes_write(test_run_file(&world, "older", "state.safetensors", path), saved, size);
    free(saved);
    test_require(test_run(&world, "older", WHOLE, &options, &error), OC_OK, &error);
    test_same_in_runs(&world, "whole", "older", "last.safetensors");
    test_same_in_runs(&world, "whole", "older", "best.safetensors");
    test_same_in_runs(&world, "whole", "older", "steps.csv");
    assert_int_equal(test_lines(&world, "older", "metrics.csv", 17), 4);

    /* Without a state: from step 0, if the recipe is the same. */
    assert_int_equal(remove(test_run_file(&world, "older", "state.safetensors", path)), 0);
    test_require(test_run(&world, "older", WHOLE " optimizer.lr=0.01", &options, &error), OC_E_MISMATCH, &error);
    options.max_steps = 1;
    test_require(test_run(&world, "older", WHOLE, &options, &error), OC_OK, &error);
    assert_int_equal(test_lines(&world, "older", "steps.csv", 3), 2);
}

static void test_from_weights(void **state) {
    (void)state;
    oc_error error;
    char path[320];
    oc_train_options options = {.weights = test_run_file(&world, "whole", "best.safetensors", path), .max_steps = 1};
    test_require(test_run(&world, "tuned", "train.epochs=1", &options, &error), OC_OK, &error);
    options.resume = true;
    options.max_steps = 2;
    test_require(test_run(&world, "tuned", "train.epochs=1", &options, &error), OC_OK,
                 &error); /* the same file again is fine */
    options.weights = NULL;
    options.max_steps = 0;
    test_require(test_run(&world, "tuned", "train.epochs=1", &options, &error), OC_OK, &error); /* and so is none */
    options = (oc_train_options){.weights = path};
    test_require(test_run(&world, "tuned-whole", "train.epochs=1", &options, &error), OC_OK, &error);
    test_same_in_runs(&world, "tuned", "tuned-whole", "last.safetensors");
}

/* Another optimizer and schedule through the same door; no augmentation, no mixup, no shuffling. */
static void test_sgd_plain(void **state) {
    (void)state;
    oc_error error;
    static const char settings[] = "optimizer.name=sgd schedule.name=one-cycle data.augment=false mixup.alpha=0 "
                                   "train.shuffle=false train.epochs=1 optimizer.lr=0.01";
    oc_train_options options = {.max_steps = 2};
    test_require(test_run(&world, "sgd", settings, NULL, &error), OC_OK, &error);
    test_require(test_run(&world, "sgd-pieces", settings, &options, &error), OC_OK, &error);
    options = (oc_train_options){.resume = true};
    test_require(test_run(&world, "sgd-pieces", settings, &options, &error), OC_OK, &error);
    test_same_in_runs(&world, "sgd", "sgd-pieces", "last.safetensors");
}

/* In bfloat16, too, a run that died and went on ends with the same bits; and it learns as it does in fp32. */
static void test_bf16(void **state) {
    (void)state;
    oc_error error;
    static const char settings[] = "train.precision=bf16 train.epochs=17 data.augment=false mixup.alpha=0";
    oc_train_options options = {.max_steps = 20, .save_every = 7};
    test_seen whole = {0}, exact = {0};
    const oc_train_options seen = {.on_step = test_on_step, .user = &whole};
    const oc_train_options seen_exact = {.on_step = test_on_step, .user = &exact};
    test_require(test_run(&world, "half", settings, &seen, &error), OC_OK, &error);
    test_require(test_run(&world, "half-pieces", settings, &options, &error), OC_OK, &error);
    options = (oc_train_options){.resume = true};
    test_require(test_run(&world, "half-pieces", settings, &options, &error), OC_OK, &error);
    test_same_in_runs(&world, "half", "half-pieces", "last.safetensors");
    test_same_in_runs(&world, "half", "half-pieces", "best.safetensors");
    test_same_in_runs(&world, "half", "half-pieces", "steps.csv");
    test_require(test_run(&world, "single", "train.precision=fp32 train.epochs=17 data.augment=false mixup.alpha=0",
                          &seen_exact, &error),
                 OC_OK, &error);
    assert_true(test_differ_in_runs(&world, "half", "single", "last.safetensors"));
    print_message("loss after %lld steps: %g in bf16, %g in fp32\n", (long long)exact.last.step, whole.last.loss,
                  exact.last.loss);
    assert_true(fabs(whole.last.loss - exact.last.loss) < 0.1);
}

/* Writes `name` into the run's plan.txt as the algorithm of every convolution; returns how many had another. */
static int rename_algorithms(const char *run, const char *name) {
    char path[320];
    size_t size = 0, used = 0;
    int others = 0;
    unsigned char *text = test_bytes_read(test_run_file(&world, run, "plan.txt", path), &size);
    char *changed = malloc(2 * size + 1);
    assert_non_null(changed);
    for (char *line = strtok((char *)text, "\n"); line; line = strtok(NULL, "\n")) {
        char *what = strstr(line, ": convolution "), *old = what ? strstr(what + 2, ": ") : NULL;
        if (!old) {
            used += (size_t)sprintf(changed + used, "%s\n", line);
            continue;
        }
        old += 2;
        others += strncmp(old, name, strlen(name)) != 0;
        used += (size_t)sprintf(changed + used, "%.*s%s%s\n", (int)(old - line), line, name, strstr(old, " ("));
    }
    test_bytes_write(path, changed, used);
    free(changed);
    free(text);
    return others;
}

/* Whether the run's log holds the text. */
static bool log_says(const char *run, const char *wanted) {
    char path[320];
    size_t size = 0;
    char *text = (char *)test_bytes_read(test_run_file(&world, run, "log.txt", path), &size);
    bool said = false;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) said = said || strstr(line, wanted);
    free(text);
    return said;
}

/* Removes what was measured; returns how many files it was in. */
static size_t forget_tuning(void) {
    char pattern[340];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/tuning-*.json", world.cache);
    if (glob(pattern, 0, NULL, &found) != 0) return 0;
    const size_t count = found.gl_pathc;
    for (size_t i = 0; i < count; i++) assert_int_equal(remove(found.gl_pathv[i]), 0);
    globfree(&found);
    return count;
}

/* A measured choice is the run's: resumed without the cache it goes on as it began, and another run repeats it. */
static void test_tuned(void **state) {
    (void)state;
    oc_error error;
    char plan[320], copy[320];
    size_t size = 0;
    oc_train_options options = {.tune = "fast"};
    assert_int_equal(test_run(&world, "measured", WHOLE, &options, &error), OC_E_USAGE);
    options = (oc_train_options){.tune = "quick", .max_steps = 2};
    test_require(test_run(&world, "measured", WHOLE, &options, &error), OC_OK, &error);
    assert_int_equal(forget_tuning(), 1);
    unsigned char *text = test_bytes_read(test_run_file(&world, "measured", "plan.txt", plan), &size);
    test_bytes_write(test_run_file(&world, "measured", "plan-before.txt", copy), text, size);
    free(text);
    options = (oc_train_options){.tune = "quick", .resume = true};
    test_require(test_run(&world, "measured", WHOLE, &options, &error), OC_OK, &error);
    test_same_file(plan, copy);
    assert_int_equal(forget_tuning(), 0); /* nothing was measured again */

    options = (oc_train_options){.plan = plan};
    test_require(test_run(&world, "repeated", WHOLE, &options, &error), OC_OK, &error);
    test_same_in_runs(&world, "measured", "repeated", "plan.txt");
    test_same_in_runs(&world, "measured", "repeated", "last.safetensors");
    test_same_in_runs(&world, "measured", "repeated", "best.safetensors");
    assert_false(log_says("repeated", "chosen anew"));
}

/* Another run's plan is taken whatever the estimates say, also when that run is stopped and resumed. */
static void test_planned(void **state) {
    (void)state;
    oc_error error;
    char plan[320], path[320];
    oc_train_options options = {.max_steps = 1};
    test_require(test_run(&world, "model", WHOLE, &options, &error), OC_OK, &error);
    assert_true(rename_algorithms("model", "direct") > 0);
    options = (oc_train_options){.plan = test_run_file(&world, "model", "plan.txt", plan)};
    test_require(test_run(&world, "planned", WHOLE, &options, &error), OC_OK, &error);
    assert_int_equal(rename_algorithms("planned", "direct"), 0);
    assert_true(test_differ_in_runs(&world, "whole", "planned", "last.safetensors"));
    options.max_steps = 2;
    test_require(test_run(&world, "planned-pieces", WHOLE, &options, &error), OC_OK, &error);
    options = (oc_train_options){.resume = true};
    test_require(test_run(&world, "planned-pieces", WHOLE, &options, &error), OC_OK, &error);
    test_same_in_runs(&world, "planned", "planned-pieces", "last.safetensors");

    options = (oc_train_options){.plan = test_run_file(&world, "whole", "steps.csv", path)};
    assert_int_equal(test_run(&world, "unplanned", WHOLE, &options, &error), OC_E_FORMAT);
    test_says(&error, "this is no plan.txt of a run");
    options.plan = "nothing.txt";
    assert_int_equal(test_run(&world, "unplanned", WHOLE, &options, &error), OC_E_NOT_FOUND);
}

/* A run goes on with the algorithms of its plan.txt, and with the chooser's where there are none such. */
static void test_algorithms_are_kept(void **state) {
    (void)state;
    oc_error error;
    oc_train_options options = {.max_steps = 1};
    test_require(test_run(&world, "kept", WHOLE, &options, &error), OC_OK, &error);
    test_same_in_runs(&world, "whole", "kept", "plan.txt");
    assert_true(rename_algorithms("kept", "direct") > 0);
    options = (oc_train_options){.resume = true, .max_steps = 2};
    test_require(test_run(&world, "kept", WHOLE, &options, &error), OC_OK, &error);
    assert_int_equal(rename_algorithms("kept", "direct"), 0);
    rename_algorithms("kept", "no such algorithm");
    options.max_steps = 3;
    test_require(test_run(&world, "kept", WHOLE, &options, &error), OC_OK, &error);
    test_same_in_runs(&world, "whole", "kept", "plan.txt");
    assert_true(log_says("kept", "forward: no such algorithm"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_algorithms_are_kept),
                                       cmocka_unit_test(test_same_bits),
                                       cmocka_unit_test(test_stop_and_resume),
                                       cmocka_unit_test(test_resume_from_older_state),
                                       cmocka_unit_test(test_from_weights),
                                       cmocka_unit_test(test_sgd_plain),
                                       cmocka_unit_test(test_tuned),
                                       cmocka_unit_test(test_planned),
                                       cmocka_unit_test(test_bf16)};
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
