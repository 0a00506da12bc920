/* Reports of several runs, studies and ensembles: which runs are in them, in what order and by what names, what they
 * have in common, which are shown in detail; and the page. */
#define _GNU_SOURCE 1
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

#include "ocelli/ensemble.h"
#include "report/page.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/reports.h"
#include "support/temporary.h"

static test_world world;

static int create_world(void **state) {
    (void)state;
    oc_error error = {0};
    test_world_create(&world);
    test_require(test_run(&world, "a", "train.epochs=1", NULL, &error), OC_OK, &error);
    test_require(test_run(&world, "b", "train.epochs=1 train.seed=1 optimizer.lr=0.002", NULL, &error), OC_OK, &error);
    return 0;
}

static int destroy_world(void **state) {
    (void)state;
    test_world_destroy(&world);
    return 0;
}

static const test_made small = {.classes = 3, .epochs = 2, .steps = 3, .images = 10, .top1 = 0.5};

/* Makes a folder of records below the world's. */
static void make(const char *name, test_made made) {
    char path[320];
    test_made_write(test_world_path(&world, name, path), &made);
}

static char *below(const char *name) {
    static char path[4][320];
    static int next;
    next = (next + 1) % 4;
    test_world_path(&world, name, path[next]);
    return path[next];
}

static void make_folder(const char *name) {
    assert_int_equal(mkdir(below(name), 0777), 0);
}

/* The names of the runs, with commas. */
static void check_names(const json_t *report, const char *expected) {
    char names[1000] = "";
    size_t i;
    json_t *run;
    json_array_foreach(test_at(report, "runs"), i, run) {
        if (i) strcat(names, ",");
        strncat(names, test_text(run, "name"), 100);
    }
    assert_string_equal(names, expected);
}

/* ---- Which runs there are ---------------------------------------------------------------------------------------- */

static void test_folders(void **state) {
    (void)state;
    const oc_report_options stored = {.stored = true};
    test_made made = small;
    static const char *const runs[] = {
        "all/b", "all/a", "all/B", "all/deep/x", "all/deep/deeper/y", "all/.hidden", "all/deep/deeper/deepest/z"};
    make_folder("all");
    make_folder("all/deep");
    make_folder("all/deep/deeper");
    make_folder("all/deep/deeper/deepest");
    make_folder("all/empty");
    make_folder("none");
    test_text_write(below("all/README"), "no folder");
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) make(runs[i], made);
    json_t *report = test_report_stored(below("all"));
    check_names(report, "B,a,b,deep/deeper/y,deep/x"); /* by bytes; three levels below the one that is named */
    assert_string_equal(test_text(report, "title"), "all");
    assert_string_equal(test_text(report, "runs/1/folder"), below("all/a"));
    json_decref(report);
    /* The same by a path that does not end in its name. */
    char path[400];
    snprintf(path, sizeof path, "%s/deep/..//", below("all"));
    report = test_report_stored(path);
    assert_string_equal(test_text(report, "title"), "all");
    check_names(report, "B,a,b,deep/deeper/y,deep/x");
    json_decref(report);
    /* Of several, what is in one is named with it; the order is as given. */
    const char *const several[] = {below("all/deep"), below("a"), below("all/a")};
    report = test_report(several, 3, &stored);
    char names[1000];
    snprintf(names, sizeof names, "deep/deeper/deepest/z,deep/deeper/y,deep/x,%s,%s", below("a"), below("all/a"));
    check_names(report, names); /* two that are called a */
    json_decref(report);
}

/* Names are unique, whichever way the folders are named. */
static void test_unique_names(void **state) {
    (void)state;
    const oc_report_options stored = {.stored = true};
    char same[400];
    snprintf(same, sizeof same, "%s/../a", below("all/a"));
    const char *const paths[] = {below("a"), below("all/a"), below("b"), below("all")};
    json_t *report = test_report(paths, 4, &stored), *run, *other;
    size_t i, j;
    assert_true(json_array_size(test_at(report, "runs")) >= 7);
    json_array_foreach(test_at(report, "runs"), i, run) for (j = 0; j < i; j++) {
        other = test_report_run(report, j);
        assert_string_not_equal(test_text(run, "name"), test_text(other, "name"));
        assert_string_not_equal(test_text(run, "folder"), test_text(other, "folder"));
    }
    assert_string_equal(test_text(report, "title"), "7 runs");
    assert_string_equal(test_text(test_report_named(report, below("a")), "folder"), below("a"));
    assert_string_equal(test_text(test_report_named(report, "b"), "folder"), below("b"));
    json_decref(report);
    /* One that is named twice is there once. */
    const char *const twice[] = {below("b"), below("b"), same, below("all/a")};
    report = test_report(twice, 4, &stored);
    assert_int_equal(json_array_size(test_at(report, "runs")), 2);
    json_decref(report);
}

static void check_refused(const char *path, const char *says) {
    const oc_report_options stored = {.stored = true};
    oc_error error = {0};
    char *json = NULL;
    test_require(oc_report_json(&json, &path, 1, &stored, &error), OC_E_NOT_FOUND, &error);
    assert_null(json);
    assert_string_equal(error.where, path);
    test_says(&error, says);
    error = (oc_error){0};
    test_require(oc_report_write(below("refused.html"), &path, 1, &stored, &error), OC_E_NOT_FOUND, &error);
    assert_int_not_equal(access(below("refused.html"), F_OK), 0);
}

static void test_refusals(void **state) {
    (void)state;
    oc_error error = {0};
    char *json = NULL;
    check_refused(below("nowhere"), "does not exist");
    check_refused(below("none"), "no run is in this folder");
    check_refused(below("all/README"), "this is a file");
    check_refused(world.data, "no run is in this folder");
    assert_int_equal(oc_report_json(&json, NULL, 0, NULL, &error), OC_E_USAGE);
    /* One of several that is absent is a mistake in the call. */
    const char *const both[] = {below("a"), below("nowhere")};
    assert_int_equal(oc_report_json(&json, both, 2, &(oc_report_options){.stored = true}, &error), OC_E_NOT_FOUND);
    /* Where no page can be. */
    const char *const run = below("a");
    error = (oc_error){0};
    assert_int_equal(oc_report_write(below("none/none/x.html"), &run, 1, &(oc_report_options){.stored = true}, &error),
                     OC_E_IO);
    assert_non_null(strstr(error.where, "none/none/x.html"));
    oc_report_free(NULL);
}

/* The keys that differ, and no others. */
static void test_differences(void **state) {
    (void)state;
    const char *const both[] = {below("a"), below("b")};
    json_t *report = test_report(both, 2, &(oc_report_options){.stored = true}), *list = test_at(report, "differences");
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(test_text(report, "differences/0"), "train.seed");
    assert_string_equal(test_text(report, "differences/1"), "optimizer.lr");
    json_decref(report);
}

/* ---- Studies ----------------------------------------------------------------------------------------------------- */

static json_t *row_json(const char *name, const char *state, const char *reason) {
    return json_pack("{s:s, s:s, s:o, s:f, s:f}", "name", name, "state", state, "reason",
                     reason ? json_string(reason) : json_null(), "seconds", 77.5, "images_per_second", 55.25);
}

static void test_studies(void **state) {
    (void)state;
    make_folder("study");
    test_made made = small;
    make("study/zebra", made);
    made.unevaluated = true;
    make("study/broken", made);
    made.unevaluated = false;
    make("study/aardvark", made);
    make("study/stray", made); /* in no row */
    made.ensemble = true;
    make("study/ensemble", made);
    json_t *study = json_pack("{s:[o, o, o, o, o, o, o, i]}", "rows", row_json("zebra", "done", NULL),
                              row_json("broken", "failed", "its loss is <no> number"),
                              row_json("gone", "failed", "it could not begin"), row_json("later", "waiting", NULL),
                              row_json("../a", "done", NULL), row_json("aardvark", "running", NULL),
                              row_json("ensemble", "done", NULL), 5);
    test_json_write(below("study/study.json"), study);
    json_t *report = test_report_stored(below("study"));
    check_names(report, "zebra,broken,aardvark,ensemble");
    assert_string_equal(test_text(report, "title"), "study");
    json_t *failed = test_report_named(report, "broken");
    assert_string_equal(test_text(failed, "state"), "failed");
    assert_string_equal(test_text(failed, "reason"), "its loss is <no> number");
    assert_true(test_null(failed, "evaluation"));
    assert_string_equal(test_text(test_report_named(report, "zebra"), "state"), "finished");
    assert_true(test_null(test_report_named(report, "zebra"), "reason"));
    assert_int_equal(json_array_size(test_at(report, "left_out")), 1);
    assert_string_equal(test_text(report, "left_out/0/folder"), below("study/gone"));
    assert_string_equal(test_text(report, "left_out/0/reason"), "it could not begin");
    /* Only the study knows how long the ensemble took; of a run the run knows. */
    assert_float_equal(test_real(test_report_named(report, "ensemble"), "seconds"), 77.5, 0);
    assert_float_equal(test_real(test_report_named(report, "ensemble"), "images_per_second"), 55.25, 0);
    assert_true(test_real(test_report_named(report, "zebra"), "seconds") > 1000);
    json_decref(report);
    /* Beside others, and one that has not begun. */
    const char *const both[] = {below("study"), below("a")};
    report = test_report(both, 2, &(oc_report_options){.stored = true});
    check_names(report, "study/zebra,study/broken,study/aardvark,study/ensemble,a");
    json_decref(report);
    make_folder("early");
    test_text_write(below("early/study.json"), "{\"rows\": [{\"name\": \"a\", \"state\": \"waiting\"}]}");
    check_refused(below("early"), "no run is in this folder");
    /* A table that cannot be read: what is in the folder. */
    static const char *const damaged[] = {"{\"rows\": [", "", "\xff"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        test_text_write(below("study/study.json"), damaged[i]);
        report = test_report_stored(below("study"));
        check_names(report, "aardvark,broken,ensemble,stray,zebra");
        json_decref(report);
    }
    json_decref(study);
}

/* ---- Ensembles --------------------------------------------------------------------------------------------------- */

static void test_ensembles(void **state) {
    (void)state;
    char member[2][400], out[320], path[400];
    const char *const members[] = {member[0], member[1]};
    oc_error error = {0};
    snprintf(member[0], sizeof member[0], "%s/best.safetensors", below("a"));
    snprintf(member[1], sizeof member[1], "%s/best.safetensors", below("b"));
    const oc_ensemble_options options = {.out = test_world_path(&world, "joined", out),
                                         .method = "stack",
                                         .seed = 4,
                                         .threads = 2,
                                         .cache = world.cache,
                                         .command = "ocelli ensemble a b"};
    test_require(oc_ensemble_fit(NULL, world.dataset, members, 2, &options, &error), OC_OK, &error);
    json_t *report = test_report_of(&world, out), *run = test_report_run(report, 0);
    snprintf(path, sizeof path, "%s/ensemble.json", out);
    json_t *told = test_json_read(path), *whole = test_at(told, "ensemble");
    test_same_json(test_at(run, "ensemble"), told, "ensemble");
    assert_string_equal(test_text(run, "kind"), "ensemble");
    assert_string_equal(test_text(run, "name"), "joined");
    assert_string_equal(test_text(run, "state"), "finished");
    assert_string_equal(test_text(run, "model"), "stack");
    assert_string_equal(test_text(run, "command"), "ocelli ensemble a b");
    assert_int_equal(test_integer(run, "seed"), 4);
    static const char *const figures[] = {"top1", "top1_low", "top1_high", "top5", "loss", "images"};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        test_same_json(test_at(test_at(run, "best"), figures[i]), test_at(whole, figures[i]), figures[i]);
        /* The weights beside it give just that. */
        assert_float_equal(test_real(test_at(run, "evaluation"), figures[i]), test_real(whole, figures[i]), 1e-6);
    }
    assert_float_equal(test_real(run, "evaluation/calibration_error"), test_real(whole, "calibration_error"), 1e-6);
    assert_int_equal(test_integer(run, "parameters"), test_integer(whole, "parameters"));
    assert_int_equal(test_integer(run, "macs"), test_integer(whole, "macs"));
    static const char *const absent[] = {"recipe",  "recipe_yaml",       "metrics",       "epochs",      "steps",
                                         "seconds", "images_per_second", "steps_sampled", "epochs_done", "reason"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) assert_true(test_null(run, absent[i]));
    assert_string_equal(test_text(run, "data/validates_on"), "val");
    assert_int_equal(test_integer(run, "data/val"), 15);
    assert_true(test_integer(run, "peak_memory") > 1000000);
    assert_string_equal(test_text(run, "versions/ocelli"), oc_version());
    json_decref(report);

    /* Beside its members. */
    const char *const all[] = {below("a"), below("b"), out};
    report = test_report(all, 3, &(oc_report_options){.threads = 2, .cache = world.cache});
    check_names(report, "a,b,joined");
    assert_int_equal(json_array_size(test_at(report, "differences")), 2); /* it has no recipe */
    for (size_t i = 0; i < 3; i++) assert_false(test_null(test_report_run(report, i), "evaluation"));
    json_decref(report);

    /* A report of it that cannot be read leaves it out, whatever is wrong. */
    static const char *const damaged[] = {
        "", "{", "[]", "7", "{}", "{\"ensemble\": 3}", "{\"ensemble\": {}, \"members\": 5}"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        test_text_write(path, damaged[i]);
        report = test_report_stored(out);
        if (json_array_size(test_at(report, "runs")) != 0) fail_msg("taken for an ensemble: %s", damaged[i]);
        assert_string_equal(test_text(report, "left_out/0/folder"), out);
        json_decref(report);
    }
    test_json_write(path, told);
    json_decref(told);
}

/* ---- Details ----------------------------------------------------------------------------------------------------- */

/* Of many runs the eight best are shown in detail, and of their images what fits. */
static void test_many(void **state) {
    (void)state;
    make_folder("many");
    test_made made = small;
    made.example = 9000; /* 64 examples are some 576 KB */
    char name[64];
    for (int i = 0; i < 50; i++) {
        made.seed = (unsigned)i;
        made.top1 = (double)((i * 7) % 25) / 30; /* each twice */
        snprintf(name, sizeof name, "many/run%02d", i);
        make(name, made);
    }
    json_t *report = test_report_stored(below("many")), *run;
    size_t i, j, k, evaluated = 0, bytes = 0, images = 0, without = 0;
    assert_int_equal(json_array_size(test_at(report, "runs")), 50);
    json_array_foreach(test_at(report, "runs"), i, run) {
        size_t better = 0;
        for (j = 0; j < 50; j++) {
            const double a = test_real(test_report_run(report, j), "best/top1"), b = test_real(run, "best/top1");
            better += a > b || (a == b && j < i);
        }
        assert_int_equal(!test_null(run, "evaluation"), better < 8);
        if (better >= 8) {
            assert_non_null(strstr(test_text(run, "evaluation_missing"), "only the eight best"));
            continue;
        }
        evaluated++;
        json_t *pair, *one;
        size_t own = 0;
        json_array_foreach(test_at(run, "evaluation/pairs"), j, pair)
            json_array_foreach(test_at(pair, "examples"), k, one) own += json_string_length(test_at(one, "image"));
        json_array_foreach(test_at(run, "evaluation/wrong"), j, one) own += json_string_length(test_at(one, "image"));
        if (better < 6) assert_int_equal(own, 64 * 9000); /* the best ones have all */
        if (own < 64 * 9000) without++;
        bytes += own;
        images += own / 9000;
    }
    assert_int_equal(evaluated, 8);
    assert_true(without > 0);
    assert_true(bytes <= 4000000 && bytes > 3990000);
    assert_int_equal(images, 4000000 / 9000);
    json_decref(report);
    /* What is left out of the report is not left out of what is kept. */
    report = test_report_stored(below("many/run00"));
    assert_false(test_null(report, "runs/0/evaluation"));
    json_decref(report);
}

/* ---- The page ---------------------------------------------------------------------------------------------------- */

static size_t count_of(const char *text, size_t size, const char *what) {
    size_t count = 0;
    for (const char *at = text; (at = memmem(at, size - (size_t)(at - text), what, strlen(what))); at++) count++;
    return count;
}

/* What a browser would load of the page: nothing that is elsewhere. */
static void check_self_contained(const char *page, size_t size) {
    static const char *const loading[] = {"src=", "href=", "url(", "@import", "action=", "srcset="};
    for (size_t i = 0; i < sizeof loading / sizeof *loading; i++)
        for (const char *at = page; (at = memmem(at, size - (size_t)(at - page), loading[i], strlen(loading[i])));
             at++) {
            const char *target = at + strlen(loading[i]);
            target += strspn(target, " \"'");
            if (strncasecmp(target, "http", 4) == 0 || strncmp(target, "//", 2) == 0)
                fail_msg("the page loads %.60s", at);
        }
    assert_int_equal(count_of(page, size, "<link"), count_of(page, size, "<link rel=\"icon\" href=\"data:"));
    assert_int_equal(count_of(page, size, "<iframe"), 0);
    assert_non_null(memmem(page, size, "connect-src 'none'", 18));
}

/* The page of a folder has the numbers of its report in it, and as many scripts as it came with. */
static json_t *check_page(const char *folder, const oc_report_options *options) {
    char path[320];
    size_t size;
    oc_error error = {0};
    test_require(oc_report_write(test_world_path(&world, "page.html", path), &folder, 1, options, &error), OC_OK,
                 &error);
    char *page = (char *)test_bytes_read(path, &size);
    const char *bare = (const char *)oc_page_report;
    static const char *const kept[] = {"<script", "</script", "<!--", "<style", "</style", "<img", "<!DOCTYPE"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        assert_int_equal(count_of(page, size, kept[i]), count_of(bare, oc_page_report_size, kept[i]));
    check_self_contained(page, size);
    static const char begin[] = "<script type=\"application/json\" id=\"data\">";
    const char *data = memmem(page, size, begin, sizeof begin - 1);
    assert_non_null(data);
    data += sizeof begin - 1;
    const char *end = strstr(data, "</script>");
    assert_non_null(end);
    json_t *json = json_loadb(data, (size_t)(end - data), 0, NULL), *report = test_report(&folder, 1, options);
    assert_non_null(json);
    assert_true(json_equal(json, report));
    json_decref(report);
    assert_int_equal(strlen(page), size); /* no NUL in it */
    free(page);
    return json;
}

static void test_page(void **state) {
    (void)state;
    const oc_report_options options = {.threads = 2, .cache = world.cache};
    json_decref(check_page(below("a"), &options));
    json_decref(check_page(below("study"), &(oc_report_options){.stored = true}));
    json_decref(check_page(below("joined"), &options));
    json_decref(check_page(below("all"), &(oc_report_options){.stored = true}));
}

/* Names that are markup, or anything else: of classes, their human names, folders, files, commands and warnings. */
static void test_markup(void **state) {
    (void)state;
    static const char *const class[] = {"<script>alert(1)", "a \"quoted\" & 'single' <b>",
                                        "na\xc3\xafve \xe2\x80\xa8\xf0\x9f\x90\xb1"};
    static const char *const human[] = {"</script><script>alert(1)</script>", "<!-- \\u003c & \"quotes\\\" '--",
                                        "\xe7\x8c\xab, <img src=x onerror=alert(1)>"};
    char data[320], path[600], run[320], words[1000] = "";
    oc_error error = {0};
    oc_dataset *dataset = NULL;
    test_world_path(&world, "markup", data);
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 12; i++) {
            snprintf(path, sizeof path, "%s/%s/%s/<i>%d.png", data, i < 6 ? "train" : "val", class[c], i);
            test_png_write(path, 32, 32, c * 12 + i, TEST_PNG_RGB);
        }
        snprintf(words + strlen(words), sizeof words - strlen(words), "%s\t%s\n", class[c], human[c]);
    }
    snprintf(path, sizeof path, "%s/words.txt", data);
    test_text_write(path, words);
    test_require(oc_dataset_open(&dataset, data, NULL, &error), OC_OK, &error);
    oc_recipe *recipe = test_recipe_create("train.epochs=1 train.batch_size=4");
    oc_train_options options = test_train_options(&world, test_world_path(&world, "<script>alert(2)", run));
    options.command = "ocelli train --set '</script>' <!--";
    oc_trainer *trainer = NULL;
    test_require(oc_trainer_create(&trainer, dataset, recipe, &options, &error), OC_OK, &error);
    test_require(oc_trainer_run(trainer, &error), OC_OK, &error);
    oc_trainer_destroy(&trainer);
    oc_recipe_destroy(&recipe);
    oc_dataset_destroy(&dataset);
    snprintf(path, sizeof path, "%s/log.txt", run);
    test_text_write(path, "warning: </script><script>alert(3)</script>\n");

    json_t *json = check_page(run, &(oc_report_options){.threads = 2, .cache = world.cache}),
           *one = test_report_run(json, 0);
    if (test_null(one, "evaluation")) fail_msg("%s", test_text(one, "evaluation_missing"));
    assert_string_equal(test_text(one, "name"), "<script>alert(2)");
    assert_string_equal(test_text(json, "title"), "<script>alert(2)");
    assert_string_equal(test_text(one, "command"), options.command);
    assert_string_equal(test_text(one, "warnings/0"), "</script><script>alert(3)</script>");
    for (size_t c = 0; c < 3; c++) {
        assert_string_equal(json_string_value(json_array_get(test_at(one, "evaluation/classes"), c)), class[c]);
        assert_string_equal(json_string_value(json_array_get(test_at(one, "evaluation/class_names"), c)), human[c]);
    }
    json_t *wrong = test_at(one, "evaluation/wrong");
    for (size_t i = 0; i < json_array_size(wrong); i++)
        assert_int_equal(strncmp(test_text(json_array_get(wrong, i), "name"), "<i>", 3), 0);
    json_decref(json);
}

/* A page replaces the one before, and leaves nothing beside it. */
static void test_replaced(void **state) {
    (void)state;
    char folder[320], path[400];
    oc_error error = {0};
    const char *const run = below("a");
    test_world_path(&world, "pages", folder);
    make_folder("pages");
    snprintf(path, sizeof path, "%s/r.html", folder);
    test_text_write(path, "before");
    test_require(oc_report_write(path, &run, 1, &(oc_report_options){.stored = true}, &error), OC_OK, &error);
    size_t size;
    free(test_bytes_read(path, &size));
    assert_true(size > 10000);
    assert_int_equal(test_folder_entries(folder), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folders),     cmocka_unit_test(test_unique_names), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_differences), cmocka_unit_test(test_studies),      cmocka_unit_test(test_ensembles),
        cmocka_unit_test(test_many),        cmocka_unit_test(test_page),         cmocka_unit_test(test_markup),
        cmocka_unit_test(test_replaced),
    };
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
