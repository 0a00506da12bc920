/* What a report says of one run: every number against the run's own records, read here by another reader; runs that
 * were cut short, that broke, and whose records are damaged. */
#define _GNU_SOURCE 1
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/lock.h"
#include "ocelli/data.h"
#include "ocelli/models.h"
#include "ocelli/recipe.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/reports.h"
#include "support/temporary.h"

#define COMMAND "ocelli train --model myresnet-tiny --out 'it'\\''s <b>' --lr 0.003"

static test_world world;

static int create_world(void **state) {
    (void)state;
    oc_error error = {0};
    test_world_create(&world);
    const oc_train_options options = {.command = COMMAND};
    test_require(test_run(&world, "whole", "train.epochs=3 train.seed=7 optimizer.lr=0.003", &options, &error), OC_OK,
                 &error);
    return 0;
}

static int destroy_world(void **state) {
    (void)state;
    test_world_destroy(&world);
    return 0;
}

/* RUN of a folder, and its report, which holds it; nothing is computed. */
static json_t *run_of(json_t **report, const char *run) {
    char path[320];
    *report = test_report_stored(test_world_path(&world, run, path));
    assert_int_equal(json_array_size(test_at(*report, "left_out")), 0);
    assert_int_equal(json_array_size(test_at(*report, "runs")), 1);
    return test_report_run(*report, 0);
}

/* A copy of the small files of a run. */
static const char *copy_of(const char *run, const char *name, char path[320]) {
    char command[1000], from[320];
    snprintf(command, sizeof command, "rm -rf %s && mkdir %s && cd %s && cp $(ls | grep -v -e tfevents -e state) %s",
             test_world_path(&world, name, path), path, test_world_path(&world, run, from), path);
    assert_int_equal(system(command), 0);
    return path;
}

/* ---- Numbers ----------------------------------------------------------------------------------------------------- */

static int column_of(const test_table *table, const char *name) {
    for (int c = 0; c < table->columns; c++)
        if (strcmp(table->name[c], name) == 0) return c;
    fail_msg("there is no column %s", name);
    return -1;
}

static double value_at(const test_table *table, int row, const char *name) {
    return table->value[row * table->columns + column_of(table, name)];
}

static void same_real(double is, double want) {
    if (!(is == want || (isnan(is) && isnan(want)))) fail_msg("%.17g, not %.17g", is, want);
}

/* All columns of a run's metrics, and what is reckoned from them, against the table. */
static void check_course(const char *name, const json_t *run, double images) {
    char path[320];
    test_table t = test_table_read(test_run_file(&world, name, "metrics.csv", path));
    json_t *metrics = test_at(run, "metrics");
    assert_int_equal(t.columns, 17);
    assert_int_equal(json_object_size(metrics), 17);
    for (int c = 0; c < t.columns; c++) {
        json_t *column = test_at(metrics, t.name[c]);
        assert_int_equal(json_array_size(column), t.rows);
        for (int r = 0; r < t.rows; r++) {
            const json_t *value = json_array_get(column, (size_t)r);
            assert_true(c > 1 || json_is_integer(value));
            assert_true(json_is_number(value) || json_is_null(value));
            same_real(json_is_null(value) ? NAN : json_number_value(value), t.value[r * t.columns + c]);
        }
    }
    int best = -1;
    double slowness = 0, timed = 0;
    for (int r = 0; r < t.rows; r++) {
        if (best < 0 || value_at(&t, r, "val_top1") > value_at(&t, best, "val_top1")) best = r;
        const double speed = value_at(&t, r, "images_per_second");
        if (isnan(speed)) continue;
        slowness += 1 / speed;
        timed++;
    }
    if (t.rows == 0) {
        assert_true(test_null(run, "best"));
        assert_true(test_null(run, "seconds") && test_null(run, "images_per_second"));
        assert_int_equal(test_integer(run, "epochs_done"), 0);
        free(t.value);
        return;
    }
    assert_int_equal(test_integer(run, "epochs_done"), (int64_t)value_at(&t, t.rows - 1, "epoch"));
    same_real(test_real(run, "seconds"), value_at(&t, t.rows - 1, "elapsed_seconds"));
    assert_float_equal(test_real(run, "images_per_second"), timed > 0 ? timed / slowness : NAN,
                       1e-8 * test_real(run, "images_per_second"));
    assert_int_equal(test_integer(run, "best/epoch"), (int64_t)value_at(&t, best, "epoch"));
    same_real(test_real(run, "best/top1"), value_at(&t, best, "val_top1"));
    same_real(test_real(run, "best/top5"), value_at(&t, best, "val_top5"));
    same_real(test_real(run, "best/loss"), value_at(&t, best, "val_loss"));
    double low, high;
    test_interval(floor(value_at(&t, best, "val_top1") * images + 0.5), images, &low, &high);
    assert_float_equal(test_real(run, "best/top1_low"), low, 1e-8);
    assert_float_equal(test_real(run, "best/top1_high"), high, 1e-8);
    assert_int_equal(test_integer(run, "best/images"), (int64_t)images);
    free(t.value);
}

/* The recipe is the one in the folder, and its text repeats it. */
static void check_recipe(const char *name, const json_t *run) {
    char path[320], text[320];
    oc_error error = {0};
    oc_recipe *recipe = NULL, *again = NULL;
    test_require(oc_recipe_create(&recipe, &error), OC_OK, &error);
    test_require(oc_recipe_load(recipe, test_run_file(&world, name, "recipe.yaml", path), &error), OC_OK, &error);
    test_text_write(test_world_path(&world, "again.yaml", text), test_text(run, "recipe_yaml"));
    test_require(oc_recipe_create(&again, &error), OC_OK, &error);
    test_require(oc_recipe_load(again, text, &error), OC_OK, &error);
    assert_int_equal(json_object_size(test_at(run, "recipe")), oc_recipe_key_count());
    for (size_t i = 0; i < oc_recipe_key_count(); i++) {
        const char *key = oc_recipe_key_at(i)->key;
        assert_string_equal(test_text(test_at(run, "recipe"), key), oc_recipe_get(recipe, key));
        assert_string_equal(oc_recipe_get(again, key), oc_recipe_get(recipe, key));
    }
    oc_recipe_destroy(&recipe);
    oc_recipe_destroy(&again);
}

static void test_numbers(void **state) {
    (void)state;
    char path[320];
    json_t *report, *run = run_of(&report, "whole");
    assert_string_equal(test_text(run, "name"), "whole");
    assert_string_equal(test_text(run, "folder"), test_world_path(&world, "whole", path));
    assert_string_equal(test_text(run, "kind"), "run");
    assert_string_equal(test_text(run, "state"), "finished");
    assert_true(test_null(run, "reason") && test_null(run, "ensemble"));
    assert_string_equal(test_text(run, "model"), "myresnet-tiny");
    assert_int_equal(test_integer(run, "size"), 32);
    assert_int_equal(test_integer(run, "seed"), 7);
    assert_int_equal(test_integer(run, "epochs"), 3);
    assert_int_equal(test_integer(run, "steps"), 9);
    assert_int_equal(test_integer(run, "steps_done"), 9);
    assert_int_equal(json_array_size(test_at(run, "warnings")), 0);
    check_course("whole", run, 15);
    check_recipe("whole", run);
    assert_string_equal(test_text(test_at(run, "recipe"), "optimizer.lr"), "0.003");

    test_table t = test_table_read(test_run_file(&world, "whole", "steps.csv", path));
    assert_int_equal(t.rows, 9);
    static const char *const columns[] = {"step", "loss", "lr"};
    for (int c = 0; c < 3; c++) {
        json_t *column = test_at(test_at(run, "steps_sampled"), columns[c]);
        assert_int_equal(json_array_size(column), 9);
        for (int r = 0; r < 9; r++)
            same_real(json_number_value(json_array_get(column, (size_t)r)), value_at(&t, r, columns[c]));
    }
    free(t.value);

    assert_string_equal(test_text(report, "title"), "whole");
    assert_string_equal(test_text(report, "ocelli/version"), oc_version());
    test_same_commit(test_at(report, "ocelli/commit"));
    assert_int_equal(json_array_size(test_at(report, "differences")), 0);
    json_decref(report);
}

/* What a run cannot say in its recipe. */
static void test_about(void **state) {
    (void)state;
    char path[320], real[4096];
    oc_error error = {0};
    oc_system system = {0};
    oc_model *model = NULL;
    json_t *report, *run = run_of(&report, "whole");
    test_require(
        oc_model_open(&model, test_run_file(&world, "whole", "best.safetensors", path), NULL, NULL, 0, 0, NULL, &error),
        OC_OK, &error);
    int64_t parameters = 0, macs = 0;
    for (size_t i = 0; i < oc_model_tensors(model); i++) {
        const oc_tensor_info tensor = oc_model_tensor(model, i);
        int64_t count = tensor.parameter;
        for (int d = 0; d < tensor.dims; d++) count *= tensor.shape[d];
        parameters += count;
    }
    for (size_t i = 0; i < oc_model_layers(model); i++) macs += oc_model_layer(model, i).macs;
    oc_model_destroy(&model);
    assert_true(parameters > 1000 && macs > 1000);
    assert_int_equal(test_integer(run, "parameters"), parameters);
    assert_int_equal(test_integer(run, "macs"), macs);
    assert_true(test_integer(run, "peak_memory") > 5000000);

    assert_string_equal(test_text(run, "command"), COMMAND);
    assert_int_equal(test_integer(run, "starts"), 1);
    struct tm parts = {0};
    const char *end = strptime(test_text(run, "started"), "%Y-%m-%dT%H:%M:%SZ", &parts);
    assert_true(end && !*end);
    const double ago = difftime(time(NULL), timegm(&parts));
    assert_true(ago >= 0 && ago < 3600);

    test_require(oc_system_get(&system, &error), OC_OK, &error);
    assert_string_equal(test_text(run, "machine/processor"), system.processor);
    assert_string_equal(test_text(run, "machine/instructions"), system.level);
    assert_int_equal(test_integer(run, "machine/memory"), system.memory);
    assert_string_equal(test_text(run, "machine/system"), system.system);
    assert_in_range(test_integer(run, "machine/threads"), 1, 2);
    assert_string_equal(test_text(run, "versions/ocelli"), oc_version());
    test_same_commit(test_at(run, "versions/commit"));
    assert_string_equal(test_text(run, "versions/onednn"), system.dnnl);
    assert_string_equal(test_text(run, "versions/compiler"), system.compiler);

    assert_non_null(realpath(world.data, real));
    assert_string_equal(test_text(run, "data/path"), real);
    assert_true(strlen(test_text(run, "data/fingerprint")) >= 8);
    assert_string_equal(test_text(run, "data/validates_on"), "val");
    same_real(test_real(run, "data/holdout"), 0);
    assert_int_equal(test_integer(run, "data/classes"), 3);
    assert_int_equal(test_integer(run, "data/train"), 60);
    assert_int_equal(test_integer(run, "data/val"), 15);
    char *info = NULL;
    test_require(oc_data_info(&info, world.dataset, &(oc_data_options){.cache = world.cache, .threads = 2}, &error),
                 OC_OK, &error);
    json_t *data = json_loads(info, 0, NULL), *split;
    const char *name;
    oc_data_free(info);
    int64_t left_out = test_integer(data, "elsewhere/count"), all = test_integer(data, "elsewhere/all");
    json_object_foreach(test_at(data, "splits"), name, split) {
        left_out += test_integer(split, "left_out/count");
        all += test_integer(split, "left_out/all");
    }
    assert_true(all > left_out); /* lists and annotations are nothing to warn of */
    assert_int_equal(test_integer(run, "data/left_out"), left_out);
    json_decref(data);
    json_decref(report);
}

/* Of several starts the first tells the command and the time, the last the machine and the versions. */
static void test_starts(void **state) {
    (void)state;
    char path[320], file[400];
    copy_of("whole", "starts", path);
    json_t *about = test_json_read(test_run_file(&world, "starts", "run.json", file));
    json_t *second = json_deep_copy(test_at(about, "starts/0"));
    json_object_set_new(second, "command", json_string("another command"));
    json_object_set_new(second, "time", json_string("2031-01-31T12:00:00Z"));
    json_object_set_new(test_at(second, "machine"), "processor", json_string("another processor"));
    json_object_set_new(test_at(second, "versions"), "ocelli", json_string("77.0.0"));
    json_array_append_new(test_at(about, "starts"), second);
    test_json_write(file, about);
    json_t *report, *run = run_of(&report, "starts");
    assert_int_equal(test_integer(run, "starts"), 2);
    assert_string_equal(test_text(run, "command"), COMMAND);
    assert_string_equal(test_text(run, "started"), test_text(about, "starts/0/time"));
    assert_string_equal(test_text(run, "machine/processor"), "another processor");
    assert_string_equal(test_text(run, "versions/ocelli"), "77.0.0");
    json_decref(report);
    json_decref(about);
}

/* ---- Runs that did not come to their end ------------------------------------------------------------------------- */

/* Stopped within the first epoch: the validation before the first step is all there is. */
static void test_cut_short(void **state) {
    (void)state;
    char path[320];
    oc_error error = {0};
    json_t *report, *run;
    test_require(test_run(&world, "short", "", &(oc_train_options){.max_steps = 2}, &error), OC_OK, &error);
    run = run_of(&report, "short");
    check_course("short", run, 15);
    check_recipe("short", run);
    assert_string_equal(test_text(run, "state"), "stopped");
    assert_int_equal(json_array_size(test_at(run, "metrics/epoch")), 1);
    assert_int_equal(test_integer(run, "epochs_done"), 0);
    assert_int_equal(test_integer(run, "steps_done"), 2);
    assert_int_equal(test_integer(run, "best/epoch"), 0);
    assert_true(test_null(run, "images_per_second"));
    assert_true(test_null(run, "metrics/train_loss/0"));
    assert_true(test_null(run, "command"));
    json_decref(report);

    /* Going on adds a start and keeps the first command. */
    test_require(
        test_run(&world, "short", "", &(oc_train_options){.resume = true, .command = "ocelli train --resume"}, &error),
        OC_OK, &error);
    run = run_of(&report, "short");
    check_course("short", run, 15);
    assert_string_equal(test_text(run, "state"), "finished");
    assert_int_equal(test_integer(run, "starts"), 2);
    assert_true(test_null(run, "command")); /* the first start told none */
    json_decref(report);
    json_t *about = test_json_read(test_run_file(&world, "short", "run.json", path));
    assert_int_equal(test_integer(about, "starts/0/step"), 0);
    assert_int_equal(test_integer(about, "starts/1/step"), 2);
    assert_string_equal(test_text(about, "starts/1/command"), "ocelli train --resume");
    json_decref(about);
}

static void test_one_epoch(void **state) {
    (void)state;
    oc_error error = {0};
    json_t *report;
    test_require(test_run(&world, "one", "train.epochs=1", NULL, &error), OC_OK, &error);
    json_t *run = run_of(&report, "one");
    check_course("one", run, 15);
    assert_string_equal(test_text(run, "state"), "finished");
    assert_int_equal(json_array_size(test_at(run, "metrics/epoch")), 2);
    assert_int_equal(test_integer(run, "epochs"), 1);
    json_decref(report);
}

/* Killed before the first validation: a recipe and headers are all there is. */
static void test_nothing_yet(void **state) {
    (void)state;
    char path[320], file[400];
    copy_of("whole", "nothing", path);
    test_table t = test_table_read(test_run_file(&world, "nothing", "metrics.csv", file));
    free(t.value);
    FILE *metrics = fopen(file, "w");
    for (int c = 0; c < t.columns; c++) fprintf(metrics, "%s%s", t.name[c], c + 1 < t.columns ? "," : "\n");
    fclose(metrics);
    test_text_write(test_run_file(&world, "nothing", "steps.csv", file), "step,loss,lr\n");
    assert_int_equal(remove(test_run_file(&world, "nothing", "best.safetensors", file)), 0);
    json_t *report, *run = run_of(&report, "nothing");
    check_course("nothing", run, 15);
    assert_int_equal(test_integer(run, "steps_done"), 0);
    assert_int_equal(json_array_size(test_at(run, "steps_sampled/step")), 0);
    assert_string_equal(test_text(run, "state"), "stopped");
    assert_true(test_null(run, "evaluation"));
    assert_string_equal(test_text(run, "evaluation_missing"), "there are no best weights yet");
    json_decref(report);
    /* Not even those, or the recipe alone, or the metrics alone. */
    static const char *const less[] = {"metrics.csv", "steps.csv", "log.txt", "run.json", "data.json", "plan.txt"};
    for (size_t i = 0; i < sizeof less / sizeof *less; i++)
        (void)remove(test_run_file(&world, "nothing", less[i], file));
    run = run_of(&report, "nothing");
    assert_int_equal(json_array_size(test_at(run, "metrics/epoch")), 0);
    assert_int_equal(test_integer(run, "epochs"), 3); /* the recipe says so */
    assert_int_equal(test_integer(run, "size"), 32);
    assert_true(test_null(run, "data") && test_null(run, "machine") && test_null(run, "peak_memory"));
    json_decref(report);
    copy_of("whole", "nothing", path);
    assert_int_equal(remove(test_run_file(&world, "nothing", "recipe.yaml", file)), 0);
    assert_int_equal(remove(test_run_file(&world, "nothing", "run.json", file)), 0);
    run = run_of(&report, "nothing");
    assert_true(test_null(run, "recipe") && test_null(run, "recipe_yaml") && test_null(run, "model"));
    assert_int_equal(json_array_size(test_at(run, "metrics/epoch")), 4);
    assert_true(test_real(run, "best/top1") >= 0);
    assert_true(test_null(run, "best/top1_low") && test_null(run, "best/images"));
    json_decref(report);
}

/* While another process is at work in the folder it is running, whatever the tables say. */
static void test_running(void **state) {
    (void)state;
    char path[320];
    oc_error error = {0};
    oc_lock *lock = NULL;
    json_t *report;
    copy_of("whole", "running", path);
    test_require(oc_lock_create(&lock, path, &error), OC_OK, &error);
    if (!lock || !oc_lock_held(path)) skip();
    assert_string_equal(test_text(run_of(&report, "running"), "state"), "running");
    json_decref(report);
    oc_lock_destroy(&lock);
    assert_string_equal(test_text(run_of(&report, "running"), "state"), "finished");
    json_decref(report);
}

/* A run that diverges: its last words are among the warnings, and what it had come to is shown. */
static void test_diverged(void **state) {
    (void)state;
    oc_error error = {0};
    json_t *report;
    const oc_status status = test_run(&world, "diverged",
                                      "optimizer.name=sgd optimizer.lr=10 optimizer.momentum=0.99 train.epochs=40 "
                                      "schedule.name=constant data.augment=false mixup.alpha=0",
                                      NULL, &error);
    test_require(status, OC_E_NON_FINITE, &error);
    json_t *run = run_of(&report, "diverged");
    check_course("diverged", run, 15);
    assert_string_equal(test_text(run, "state"), "stopped");
    json_t *warnings = test_at(run, "warnings");
    const size_t count = json_array_size(warnings);
    assert_in_range(count, 1, 20);
    const char *last = json_string_value(json_array_get(warnings, count - 1));
    assert_non_null(strstr(last, "failed: "));
    assert_non_null(strstr(last, error.message));
    json_decref(report);
}

/* Tables with what is no number: null, and no best of it. */
static void test_no_numbers(void **state) {
    (void)state;
    char path[320], file[400], text[4000];
    json_t *report, *run;
    copy_of("whole", "nan", path);
    size_t size;
    char *header = (char *)test_bytes_read(test_run_file(&world, "nan", "metrics.csv", file), &size);
    *strchr(header, '\n') = '\0';
    snprintf(text, sizeof text,
             "%s\n0,0,,,,,0.2,0.6,,,1,1,0,0,0,0,1\n1,3,,0.3,0.7,,0.4,0.8,0.001,100,1,2,,,,,\n"
             "2,6,,,,inf,,,0.001,300,1,3,0.1,0.2,0.3,0.1,0.3\n3,9,,,,nan,0.4,0.8,0.001,,1,4,0.1,0.2,0.3,0.1,0.3\n",
             header);
    free(header);
    test_text_write(file, text);
    test_text_write(test_run_file(&world, "nan", "steps.csv", file), "step,loss,lr\n1,2,0.1\n2,,0.1\n3,inf,0.1\n");
    run = run_of(&report, "nan");
    assert_int_equal(test_integer(run, "best/epoch"), 1);
    same_real(test_real(run, "best/top1"), 0.4);
    assert_true(test_null(run, "best/loss"));
    assert_true(test_null(run, "metrics/val_loss/2") && test_null(run, "metrics/val_loss/3"));
    assert_true(test_null(run, "metrics/val_top1/2"));
    assert_true(test_null(run, "steps_sampled/loss/1") && test_null(run, "steps_sampled/loss/2"));
    same_real(test_real(run, "steps_sampled/loss/0"), 2);
    assert_float_equal(test_real(run, "images_per_second"), 2 / (1.0 / 100 + 1.0 / 300), 1e-6);
    json_decref(report);
}

static void test_warnings(void **state) {
    (void)state;
    char path[320], file[400], text[4000] = "ocelli: begun\n";
    json_t *report, *run;
    copy_of("whole", "warned", path);
    for (int i = 0; i < 30; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "no warning: of %d\nwarning: file %d is <b>odd</b>\n",
                 i, i);
    test_text_write(test_run_file(&world, "warned", "log.txt", file), text);
    run = run_of(&report, "warned");
    assert_int_equal(json_array_size(test_at(run, "warnings")), 20);
    assert_string_equal(test_text(run, "warnings/0"), "file 0 is <b>odd</b>");
    assert_string_equal(test_text(run, "warnings/19"), "file 19 is <b>odd</b>");
    json_decref(report);
    /* A last line without an end, and one that is no UTF-8. */
    test_text_write(file, "warning: caf\xe9\nwarning: torn");
    run = run_of(&report, "warned");
    assert_string_equal(test_text(run, "warnings/0"), "caf?");
    assert_string_equal(test_text(run, "warnings/1"), "torn");
    json_decref(report);
}

/* ---- Damage ------------------------------------------------------------------------------------------------------ */

/* A report comes of the folder in any case: with the run in it or with the reason why not. *left_out = which. */
static void check_damaged(const char *folder, const char *what, bool *left_out) {
    json_t *report = test_report_stored(folder);
    const size_t runs = json_array_size(test_at(report, "runs")), others = json_array_size(test_at(report, "left_out"));
    if (runs + others != 1) fail_msg("%s: %zu runs and %zu left out", what, runs, others);
    *left_out = others == 1;
    if (others) {
        assert_string_equal(test_text(report, "left_out/0/folder"), folder);
        assert_true(strlen(test_text(report, "left_out/0/reason")) > 5);
    } else {
        (void)test_at(report, "runs/0/metrics/epoch");
        (void)test_at(report, "runs/0/evaluation");
    }
    json_decref(report);
}

static void test_damaged(void **state) {
    (void)state;
    static const char *const files[] = {"metrics.csv",     "recipe.yaml", "steps.csv", "run.json",
                                        "evaluation.json", "log.txt",     "data.json"};
    static const char *const texts[] = {"",
                                        "\n",
                                        "[]",
                                        "{}",
                                        "null",
                                        "1\n",
                                        "{\"starts\": 3, \"data\": [], \"epochs\": \"x\", \"peak_memory\": {}}",
                                        "{\"starts\": [1, null], \"data\": {\"val\": \"ten\", \"path\": 5}}",
                                        "\xff\xfe\x00\x01",
                                        "{\"form\": 1, \"weights\": 3, \"evaluation\": 7}",
                                        "model: [",
                                        "step,loss,lr\n\n"};
    char path[320], file[400];
    const char *folder = test_world_path(&world, "whole", path);
    /* So that there is an evaluation to damage. */
    json_t *report = test_report_of(&world, folder);
    assert_false(test_null(report, "runs/0/evaluation"));
    json_decref(report);
    int left_out = 0, tried = 0;
    bool out;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        copy_of("whole", "damaged", path);
        test_run_file(&world, "damaged", files[f], file);
        size_t size;
        unsigned char *whole = test_bytes_read(file, &size);
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
            test_text_write(file, texts[t]);
            check_damaged(path, files[f], &out);
            left_out += out;
            tried++;
        }
        /* Cut anywhere, and a byte changed anywhere. */
        const size_t stride = size / 12 + 1;
        for (size_t at = 0; at < size; at += stride) {
            test_bytes_write(file, whole, at);
            check_damaged(path, files[f], &out);
            test_bytes_write(file, whole, size);
            test_bytes_change(file, at, (unsigned char)(at % 2 ? 0x01 : 0x80));
            check_damaged(path, files[f], &out);
        }
        free(whole);
    }
    assert_true(left_out > 10 && left_out < tried);
    /* Bad rows are told by file and line. */
    copy_of("whole", "damaged", path);
    test_run_file(&world, "damaged", "metrics.csv", file);
    FILE *more = fopen(file, "a");
    fputs("4,x\n", more);
    fclose(more);
    report = test_report_stored(path);
    assert_non_null(strstr(test_text(report, "left_out/0/reason"), "not a row of a run's metrics"));
    json_decref(report);
    /* And the next of several is shown all the same. */
    char good[320];
    const char *const both[] = {path, test_world_path(&world, "whole", good)};
    report = test_report(both, 2, &(oc_report_options){.stored = true});
    assert_int_equal(json_array_size(test_at(report, "runs")), 1);
    assert_string_equal(test_text(report, "runs/0/name"), "whole");
    assert_int_equal(json_array_size(test_at(report, "left_out")), 1);
    json_decref(report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_about),     cmocka_unit_test(test_starts),
        cmocka_unit_test(test_cut_short), cmocka_unit_test(test_one_epoch), cmocka_unit_test(test_nothing_yet),
        cmocka_unit_test(test_running),   cmocka_unit_test(test_diverged),  cmocka_unit_test(test_no_numbers),
        cmocka_unit_test(test_warnings),  cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
