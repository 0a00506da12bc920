/* links: fault-injection */
/* label: slow */
/* Every write of a save fails once: the generation before it, or the new one whole, is there to resume from, and the
 * resumed run ends with the bits of one that never failed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "support/run.h"
#include "support/temporary.h"
#include "train/trainer.h"

#define STEPS 5 /* of a run */
#define EPOCH_STEPS                                                                                                    \
    3 /* 60 images in batches of 16: the third step ends an epoch, with everything that is written then */

/* Without moments the state is small and a save quick. */
#define SETTINGS "optimizer.name=sgd optimizer.momentum=0"

static test_world world;
static oc_recipe *recipe;

static int create_world(void **state) {
    (void)state;
    test_world_create(&world);
    recipe = test_recipe_create(SETTINGS);
    return 0;
}

static int destroy_world(void **state) {
    (void)state;
    oc_recipe_destroy(&recipe);
    test_world_destroy(&world);
    return 0;
}

static oc_trainer *open_run(const char *run, bool resume) {
    char out[320];
    oc_error error = {0};
    oc_trainer *trainer = NULL;
    oc_train_options options = test_train_options(&world, test_world_path(&world, run, out));
    options.max_steps = STEPS;
    options.resume = resume;
    test_require(oc_trainer_create(&trainer, world.dataset, recipe, &options, &error), OC_OK, &error);
    return trainer;
}

static void step(oc_trainer *trainer) {
    oc_error error = {0};
    bool done = false;
    test_require(oc_trainer_step(trainer, &done, &error), OC_OK, &error);
}

/* The step that the state on the disk is at. */
static int64_t saved_step(const oc_trainer *trainer) {
    oc_error error = {0};
    oc_checkpoint *checkpoint = NULL;
    test_require(oc_checkpoint_open(&checkpoint, trainer->folder.state, &error), OC_OK, &error);
    int64_t at = oc_checkpoint_position(checkpoint).step;
    oc_checkpoint_destroy(&checkpoint);
    return at;
}

/* One save after another, each failing at the next of its operations, until one goes through. */
static void test_every_operation(void **state) {
    (void)state;
    oc_error error = {0};
    char path[320];
    oc_trainer *trainer = open_run("every", false);
    step(trainer);
    test_require(oc_trainer_save(trainer, &error), OC_OK, &error);
    step(trainer);
    long n = 1;
    for (bool struck = true; struck; n++) {
        oc_fault_arm(n, ENOSPC);
        oc_status status = oc_trainer_save(trainer, &error);
        struck = oc_fault_count() >= n;
        oc_fault_arm(0, 0);
        test_require(status, struck ? OC_E_IO : OC_OK, &error);
        /* Only the last operation comes after the new state is in place. */
        int64_t at = saved_step(trainer);
        assert_true(at == 1 || at == 2);
        oc_model *model = NULL;
        test_require(oc_model_open(&model, trainer->folder.last, NULL, NULL, 0, 0, NULL, &error), OC_OK, &error);
        oc_model_destroy(&model);
    }
    assert_true(n > 20);
    assert_int_equal(saved_step(trainer), 2);
    oc_trainer_destroy(&trainer);
    test_temporary_remove(test_world_path(&world, "every", path));
}

/* Faults in the step that ends an epoch (records, best, last, state), the process gone, the run resumed. */
static void test_resume_after_fault(void **state) {
    (void)state;
    oc_error error = {0};
    char whole[320], pieces[320];
    oc_trainer *trainer = open_run("whole", false);
    test_require(oc_trainer_run(trainer, &error), OC_OK, &error);
    oc_trainer_destroy(&trainer);

    /* How many operations that step makes. */
    trainer = open_run("count", false);
    for (int i = 1; i < EPOCH_STEPS; i++) step(trainer);
    oc_fault_arm(1000000, EIO);
    step(trainer);
    long operations = oc_fault_count();
    oc_fault_arm(0, 0);
    oc_trainer_destroy(&trainer);
    test_temporary_remove(test_world_path(&world, "count", whole));
    print_message("%ld operations\n", operations);
    assert_true(operations > 30);

    /* Its second record, a write of best, one of last, one of the state, and what makes the state the new one. An error
     * of 0 is a write that is cut short. */
    static const int errors[] = {EIO, ENOSPC, 0, ENOSPC, EIO};
    long chosen[] = {2, operations / 4, operations / 2, operations - 4, operations};
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++) {
        bool done = false;
        trainer = open_run("pieces", false);
        for (int k = 1; k < EPOCH_STEPS; k++) step(trainer);
        oc_fault_arm(chosen[i], errors[i]);
        oc_status status = oc_trainer_step(trainer, &done, &error);
        oc_fault_arm(0, 0);
        /* A lost line of log.txt alone does not end a run. */
        if (status != OC_OK) test_require(status, OC_E_IO, &error);
        oc_trainer_destroy(&trainer);
        trainer = open_run("pieces", true);
        test_require(oc_trainer_run(trainer, &error), OC_OK, &error);
        oc_trainer_destroy(&trainer);
        static const char *const files[] = {"last.safetensors", "best.safetensors", "steps.csv"};
        for (size_t k = 0; k < sizeof files / sizeof *files; k++) {
            char a[64], b[64];
            snprintf(a, sizeof a, "whole/%s", files[k]);
            snprintf(b, sizeof b, "pieces/%s", files[k]);
            test_same_file(test_world_path(&world, a, whole), test_world_path(&world, b, pieces));
        }
        test_temporary_remove(test_world_path(&world, "pieces", pieces));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_operation),
                                       cmocka_unit_test(test_resume_after_fault)};
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
