/* label: slow */
/* runs: alone */
/* Runs killed by SIGKILL, before the first save, inside saves and at random moments, each resumed once: all end with
 * the files of a run that nobody killed. The runs are processes of their own: this executable, called with --train. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "support/run.h"
#include "support/temporary.h"

#define SEED 4711
#define KILLS 10
/* A network of a size that a save of it takes long enough to be met. */
#define SETTINGS "model.name=myresnet-small train.epochs=1 ema.decay=0.9"

extern char **environ;

static test_world world;

/* The process that trains: argv = {program, "--train", data, cache, out}. */
static int train_process(char **argv) {
    oc_error error = {0};
    oc_dataset *dataset = NULL;
    const oc_train_options options = {.out = argv[4], .resume = true, .save_every = 1, .threads = 2, .cache = argv[3]};
    oc_recipe *recipe = test_recipe_create(SETTINGS);
    oc_trainer *trainer = NULL;
    oc_status status = oc_dataset_open(&dataset, argv[2], NULL, &error);
    if (status == OC_OK) status = oc_trainer_create(&trainer, dataset, recipe, &options, &error);
    if (status == OC_OK) status = oc_trainer_run(trainer, &error);
    if (status != OC_OK) fprintf(stderr, "%s: %s\n", error.where, error.message);
    oc_trainer_destroy(&trainer);
    oc_recipe_destroy(&recipe);
    oc_dataset_destroy(&dataset);
    return status == OC_OK ? 0 : 1;
}

static pid_t start(const char *run) {
    char out[320], data[300], cache[300];
    char *arguments[] = {"test_kill", "--train", data, cache, out, NULL};
    pid_t process = 0;
    snprintf(data, sizeof data, "%s", world.data);
    snprintf(cache, sizeof cache, "%s", world.cache);
    test_world_path(&world, run, out);
    assert_int_equal(posix_spawn(&process, "/proc/self/exe", NULL, NULL, arguments, environ), 0);
    return process;
}

static void finish(pid_t process) {
    int status = 0;
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* True when the folder holds a file whose name starts with `prefix`. */
static bool holds(const char *folder, const char *prefix) {
    bool found = false;
    DIR *entries = opendir(folder);
    if (!entries) return false;
    for (struct dirent *entry; !found && (entry = readdir(entries)) != NULL;)
        found = strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(entries);
    return found;
}

/* What a kill waits for. */
typedef enum moment { FIRST_FILE, FIRST_STATE, LATER_LAST, LATER_STATE, ANY_TIME } moment;

static bool has_come(moment when, const char *folder, const char *state, double waited, double delay) {
    switch (when) {
    case FIRST_FILE:
        return holds(folder, "recipe.yaml");
    case FIRST_STATE:
        return holds(folder, "state.safetensors.tmp.");
    case LATER_LAST:
        return oc_path_exists(state) && holds(folder, "last.safetensors.tmp.");
    case LATER_STATE:
        return oc_path_exists(state) && holds(folder, "state.safetensors.tmp.");
    default:
        return waited >= delay;
    }
}

/* Starts the run, kills it at its moment and reaps it; false when it ended before. */
static bool start_and_kill(const char *run, moment when, double delay) {
    char folder[320], state[320];
    const struct timespec nap = {0, 200000};
    test_world_path(&world, run, folder);
    test_run_file(&world, run, "state.safetensors", state);
    double begin = oc_clock_seconds();
    int status = 0;
    pid_t process = start(run), ended = 0;
    while (!has_come(when, folder, state, oc_clock_seconds() - begin, delay)) {
        ended = waitpid(process, &status, WNOHANG);
        if (ended != 0) break;
        nanosleep(&nap, NULL);
    }
    if (ended == 0) {
        assert_int_equal(kill(process, SIGKILL), 0);
        assert_int_equal(waitpid(process, &status, 0), process);
    }
    return WIFSIGNALED(status);
}

static void test_kills(void **unused) {
    (void)unused;
    static const moment moments[KILLS] = {FIRST_FILE,  FIRST_STATE, LATER_LAST, LATER_STATE, LATER_LAST,
                                          LATER_STATE, ANY_TIME,    ANY_TIME,   ANY_TIME,    ANY_TIME};
    int killed = 0, before_first_save = 0, inside_save = 0;
    double begin = oc_clock_seconds();
    finish(start("whole"));
    double whole = oc_clock_seconds() - begin;
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 0, 0);
    for (int i = 0; i < KILLS; i++) {
        char run[16], folder[320], state[320];
        snprintf(run, sizeof run, "run%d", i);
        test_world_path(&world, run, folder);
        test_run_file(&world, run, "state.safetensors", state);
        killed += start_and_kill(run, moments[i], oc_random_range(&random, 0, whole));
        before_first_save += !oc_path_exists(state);
        inside_save += holds(folder, "last.safetensors.tmp.") || holds(folder, "state.safetensors.tmp.");
        finish(start(run));
        test_same_in_runs(&world, "whole", run, "last.safetensors");
        test_same_in_runs(&world, "whole", run, "best.safetensors");
        test_same_in_runs(&world, "whole", run, "steps.csv");
        assert_int_equal(test_lines(&world, run, "metrics.csv", 17), 3);
        assert_false(holds(folder, "last.safetensors.tmp.") || holds(folder, "state.safetensors.tmp.") ||
                     holds(folder, "best.safetensors.tmp."));
        test_temporary_remove(folder);
    }
    print_message("seed %d: %d killed, %d before the first save, %d inside a save\n", SEED, killed, before_first_save,
                  inside_save);
    assert_true(killed >= KILLS - 2); /* a random moment may come too late */
    assert_true(before_first_save >= 1);
    assert_true(inside_save >= 1);
}

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

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "--train") == 0) return train_process(argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kills)};
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
