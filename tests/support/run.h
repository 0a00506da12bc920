/* Small training runs for tests: a generated data set of three classes, images of 32 pixels, a few steps. */
#ifndef OC_TESTS_SUPPORT_RUN_H
#define OC_TESTS_SUPPORT_RUN_H

#include "ocelli/ocelli.h"

typedef struct test_world {
    char folder[256]; /* everything lies in it */
    char data[300], cache[300];
    oc_dataset *dataset;
} test_world;

/* Generates and opens the data set: 60 training and 15 validation images. Fails the test where it cannot. */
void test_world_create(test_world *world);
void test_world_destroy(test_world *world);

/* Path of run folder `name` into path[320]; returns path. */
const char *test_world_path(const test_world *world, const char *name, char path[320]);

/* myresnet-tiny at 32 pixels, 2 epochs in batches of 16 (three steps each), and then `settings`: "key=value …", or
 * "". */
oc_recipe *test_recipe_create(const char *settings);

/* Options for run folder `out` (borrowed): two threads, the world's cache. */
oc_train_options test_train_options(const test_world *world, const char *out);

/* Runs a whole trainer, from create to destroy; the status of whichever call failed. */
oc_status test_train(const test_world *world, const oc_recipe *recipe, const oc_train_options *options,
                     oc_error *error);

/* The same in one call: run folder `run`, settings as above, `changes` (may be NULL) in place of the usual options but
 * for out, cache and, where it is 0, threads. */
oc_status test_run(const test_world *world, const char *run, const char *settings, const oc_train_options *changes,
                   oc_error *error);

/* What the callbacks of a run saw, and where they ask it to stop: the `user` of both callbacks. */
typedef struct test_seen {
    int steps, epochs, validating;        /* calls: after steps, after epochs, within validations */
    oc_train_status last, last_epoch;     /* the last of each callback */
    int stop_at_step, stop_in_validation; /* at this step, in this call within validations; 0: never */
    volatile int stop;
} test_seen;
void test_on_step(void *user, const oc_train_status *status);
void test_on_epoch(void *user, const oc_train_status *status);

/* Path of a file in a run folder. */
const char *test_run_file(const test_world *world, const char *run, const char *file, char path[320]);

/* Fails the test with the error's text unless status is the expected one. */
void test_require(oc_status status, oc_status expected, const oc_error *error);

/* Fails the test unless the error's message holds `text`. */
void test_says(const oc_error *error, const char *text);

/* Fails the test unless the two files, or the file of two runs, hold the same bytes. */
void test_same_file(const char *one, const char *two);
void test_same_in_runs(const test_world *world, const char *one, const char *two, const char *file);
bool test_differ_in_runs(const test_world *world, const char *one, const char *two, const char *file);

/* Lines of a run's CSV file, the header among them; each must have `fields` fields and an end. */
int test_lines(const test_world *world, const char *run, const char *file, int fields);

#endif
