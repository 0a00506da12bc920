/* Measuring convolutions, the cache of what was measured, and what becomes of a cache that is no good. */
#define _POSIX_C_SOURCE 200809L
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/lock.h"
#include "base/memory.h"
#include "compute/conv/algorithm.h"
#include "compute/conv/tune.h"
#include "compute/conv/tuning_cache.h"
#include "support/bytes.h"
#include "support/run.h"
#include "support/temporary.h"

#define MACHINE "a processor, 2 threads"

static char folder[256];
static oc_error error;

/* The lines of a log. */
typedef struct lines {
    int count;
    char last[512];
} lines;

static void on_line(void *user, oc_log_level level, const char *line) {
    lines *l = user;
    assert_int_equal(level, OC_LOG_WARN);
    l->count++;
    snprintf(l->last, sizeof l->last, "%s", line);
}

static int enter(void **state) {
    (void)state;
    test_temporary_create(folder, sizeof folder);
    return 0;
}

static int leave(void **state) {
    (void)state;
    test_temporary_remove(folder);
    return 0;
}

/* The one cache file in the folder. */
static const char *cache_file(char path[320]) {
    char pattern[320];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/tuning-*.json", folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    snprintf(path, 320, "%s", found.gl_pathv[0]);
    globfree(&found);
    return path;
}

static oc_tuning_cache *open_cache(lines *l) {
    oc_tuning_cache *cache = NULL;
    const oc_log log = {on_line, l};
    test_require(oc_tuning_cache_create(&cache, folder, MACHINE, &log, &error), OC_OK, &error);
    return cache;
}

static void add(oc_tuning_cache *cache, const char *problem, const char *algorithm, double seconds) {
    test_require(oc_tuning_cache_add(cache, problem, algorithm, seconds, &error), OC_OK, &error);
}

static void test_efforts(void **state) {
    (void)state;
    static const char *const names[] = {"off", "quick", "full"};
    oc_tune tune = OC_TUNE_FULL;
    test_require(oc_tune_find(&tune, NULL, "here", &error), OC_OK, &error);
    assert_int_equal(tune, OC_TUNE_OFF);
    for (int i = 0; i < 3; i++) {
        test_require(oc_tune_find(&tune, names[i], "here", &error), OC_OK, &error);
        assert_int_equal(tune, i);
    }
    assert_int_equal(oc_tune_find(&tune, "quik", "here", &error), OC_E_USAGE);
    assert_string_equal(error.where, "here");
    test_says(&error, "\"quik\" is not off, quick or full; did you mean quick?");
}

/* What is saved is there for the next, beside what another process saved meanwhile. */
static void test_cache(void **state) {
    (void)state;
    lines l = {0};
    oc_tuning_cache *one = open_cache(&l), *two = open_cache(&l);
    assert_true(oc_tuning_cache_find(one, "p", "direct") == 0);
    add(one, "p", "direct", 0.25);
    add(two, "p", "Winograd", 0.5);
    add(two, "q", "direct", 2);
    add(two, "q", "direct", 1);
    assert_true(oc_tuning_cache_find(one, "p", "direct") == 0.25);
    oc_tuning_cache_save(one);
    oc_tuning_cache_save(two);
    oc_tuning_cache_destroy(&one);
    oc_tuning_cache_destroy(&two);
    one = open_cache(&l);
    assert_true(oc_tuning_cache_find(one, "p", "direct") == 0.25);
    assert_true(oc_tuning_cache_find(one, "p", "Winograd") == 0.5);
    assert_true(oc_tuning_cache_find(one, "q", "direct") == 1);
    assert_true(oc_tuning_cache_find(one, "q", "Winograd") == 0);
    oc_tuning_cache_destroy(&one);
    assert_int_equal(l.count, 0);
    assert_int_equal(test_folder_entries(folder), 1); /* no lock and no temporary */
}

/* A file that is not this machine's cache is ignored with one line, and replaced. */
static void test_no_good(void **state) {
    (void)state;
#define BEGIN "{\"format\":\"" OC_TUNING_FORMAT "\",\"machine\":\"" MACHINE "\","
    static const struct {
        const char *text, *line;
    } files[] = {
        {"", "not valid JSON"},
        {BEGIN "\"seconds\":{\"p\":{\"direct\":0.2", "not valid JSON"},
        {"{\"images\":3}", "it is another kind of file"},
        {"[1,2]", "it is another kind of file"},
        {"{\"format\":\"ocelli tuning 0\",\"machine\":\"" MACHINE "\",\"seconds\":{}}", "it is of another version"},
        {"{\"format\":\"" OC_TUNING_FORMAT "\",\"machine\":\"another\",\"seconds\":{}}", "it is of another machine"},
        {"{\"format\":\"" OC_TUNING_FORMAT "\",\"seconds\":{}}", "it is of another machine"},
        {BEGIN "\"times\":{}}", "it lacks its times"},
        {BEGIN "\"seconds\":{\"p\":3}}", "it is damaged"},
        {BEGIN "\"seconds\":{\"p\":{\"direct\":\"fast\"}}}", "it is damaged"},
        {BEGIN "\"seconds\":{\"p\":{\"direct\":-1}}}", "it is damaged"},
    };
    char path[320];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        lines l = {0};
        test_bytes_write(cache_file(path), files[i].text, strlen(files[i].text));
        oc_tuning_cache *cache = open_cache(&l);
        assert_int_equal(l.count, 1);
        if (!strstr(l.last, "is ignored") || !strstr(l.last, files[i].line) || !strstr(l.last, path))
            fail_msg("file %zu: %s", i, l.last);
        assert_true(oc_tuning_cache_find(cache, "p", "direct") == 0);
        add(cache, "p", "direct", 0.125);
        oc_tuning_cache_save(cache);
        oc_tuning_cache_destroy(&cache);
        assert_int_equal(l.count, 1);
        cache = open_cache(&l);
        assert_true(oc_tuning_cache_find(cache, "p", "direct") == 0.125);
        oc_tuning_cache_destroy(&cache);
        assert_int_equal(l.count, 1);
    }
}

/* While another process writes it, and where there is no place for it, nothing is kept, and one line says so. */
static void test_locked(void **state) {
    (void)state;
    lines l = {0};
    char path[320];
    oc_lock *lock = NULL;
    oc_tuning_cache *cache = open_cache(&l);
    snprintf(path, sizeof path, "%s/tuning.lock", folder);
    test_require(oc_lock_create_file(&lock, path, &error), OC_OK, &error);
    add(cache, "locked", "direct", 0.5);
    oc_tuning_cache_save(cache);
    assert_int_equal(l.count, 1);
    assert_non_null(strstr(l.last, "is left as it is: another process is writing"));
    oc_lock_destroy(&lock);
    oc_tuning_cache_save(cache); /* what was added has not been forgotten */
    oc_tuning_cache_destroy(&cache);
    cache = open_cache(&l);
    assert_true(oc_tuning_cache_find(cache, "locked", "direct") == 0.5);
    oc_tuning_cache_destroy(&cache);
    assert_int_equal(l.count, 1);

    const oc_log log = {on_line, &l};
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    test_require(oc_tuning_cache_create(&cache, NULL, MACHINE, &log, &error), OC_OK, &error);
    assert_int_equal(l.count, 2);
    assert_non_null(strstr(l.last, "has no place"));
    add(cache, "p", "direct", 0.5);
    assert_true(oc_tuning_cache_find(cache, "p", "direct") == 0.5);
    oc_tuning_cache_save(cache);
    oc_tuning_cache_destroy(&cache);
    assert_int_equal(l.count, 2);
}

/* ---- Measuring -------------------------------------------------------------------------------------------------- */

typedef struct rig {
    oc_team *team;
    oc_engine *engine;
    oc_tuner *tuner;
    lines lines;
} rig;

static void rig_open(rig *r, oc_tune effort) {
    const oc_log log = {on_line, &r->lines};
    *r = (rig){0};
    test_require(oc_team_create(&r->team, 2, &error), OC_OK, &error);
    oc_team_enter(r->team);
    test_require(oc_engine_create(&r->engine, r->team, &error), OC_OK, &error);
    test_require(oc_tuner_create(&r->tuner, effort, folder, r->team, &log, &error), OC_OK, &error);
}

static void rig_close(rig *r) {
    oc_tuner_keep(r->tuner);
    oc_tuner_destroy(&r->tuner);
    oc_engine_destroy(&r->engine);
    oc_team_destroy(&r->team);
    assert_int_equal(r->lines.count, 0);
}

/* 3×3 over 32 channels: several algorithms support it; its source arrives plain or blocked. */
static oc_conv_problem make_problem(const rig *r, oc_conv_pass pass, bool training, bool plain) {
    const oc_shape shape = oc_shape_make(4, 16, 32, 8, 8);
    const oc_layout blocked = oc_layout_blocked(OC_F32, &shape, oc_engine_block(r->engine));
    return (oc_conv_problem){.pass = pass,
                             .training = training,
                             .groups = 1,
                             .kh = 3,
                             .kw = 3,
                             .stride = 1,
                             .pad = 1,
                             .dilation = 1,
                             .bias = pass == OC_CONV_FORWARD,
                             .posts = pass == OC_CONV_FORWARD && !training ? 2 : 0,
                             .post = {OC_POST_ADD, OC_POST_RELU},
                             .src = plain ? oc_layout_plain(OC_F32, &shape) : blocked,
                             .dst = blocked};
}

static void choose(rig *r, oc_conv_ranking *ranking, oc_conv_problem problem, const char *preferred) {
    test_require(oc_conv_choose(ranking, r->engine, &problem, preferred, r->tuner, &error), OC_OK, &error);
    assert_true(oc_layout_equal(&problem.src, &ranking->candidate[0].src));
}

/* The measured come first, the quickest in front; what is preferred is not measured at all. */
static void test_order(void **state) {
    (void)state;
    for (int effort = OC_TUNE_OFF; effort <= OC_TUNE_FULL; effort++)
        for (int i = 0; i < 5; i++) {
            static const struct {
                oc_conv_pass pass;
                bool training, plain;
            } problems[5] = {{OC_CONV_FORWARD, true, false},
                             {OC_CONV_BACKWARD_DATA, true, false},
                             {OC_CONV_BACKWARD_WEIGHTS, true, false},
                             {OC_CONV_FORWARD, false, false},
                             {OC_CONV_FORWARD, true, true}};
            rig r;
            oc_conv_ranking ranking;
            rig_open(&r, (oc_tune)effort);
            assert_true((effort == OC_TUNE_OFF) == (r.tuner == NULL));
            const oc_conv_problem problem = make_problem(&r, problems[i].pass, problems[i].training, problems[i].plain);
            choose(&r, &ranking, problem, "direct");
            assert_string_equal(oc_conv_algorithm_name(ranking.candidate[0].algorithm), "direct");
            assert_true(ranking.candidate[0].seconds == 0);
            choose(&r, &ranking, problem, NULL);
            int measured = 0;
            while (measured < ranking.count && ranking.candidate[measured].seconds > 0) measured++;
            const int some = ranking.count < 3 ? ranking.count : 3;
            assert_int_equal(measured, effort == OC_TUNE_OFF ? 0 : effort == OC_TUNE_QUICK ? some : ranking.count);
            for (int j = 1; j < ranking.count; j++) {
                const oc_conv_candidate *before = &ranking.candidate[j - 1], *after = &ranking.candidate[j];
                assert_true(j < measured   ? before->seconds <= after->seconds
                            : j > measured ? before->cost <= after->cost
                                           : true);
                if (j >= measured) assert_true(after->seconds == 0);
            }
            oc_tuner_destroy(&r.tuner); /* nothing is kept */
            rig_close(&r);
        }
}

/* What the file says is believed, so that nothing is measured again: here, that the last row is the quickest. */
static void test_is_remembered(void **state) {
    (void)state;
    char path[320];
    rig r;
    oc_conv_ranking ranking, again;
    remove(cache_file(path));
    rig_open(&r, OC_TUNE_FULL);
    const oc_conv_problem problem = make_problem(&r, OC_CONV_FORWARD, true, false);
    choose(&r, &ranking, problem, NULL);
    rig_close(&r);

    json_t *root = NULL, *times = NULL;
    const char *key;
    test_require(oc_json_read(&root, cache_file(path), &error), OC_OK, &error);
    assert_int_equal(json_object_size(json_object_get(root, "seconds")), 1);
    json_object_foreach(json_object_get(root, "seconds"), key, times) {
        static const char *const said[] = {
            "convolution forward", "training", "16x32x8x8", "filter 3x3", "groups 1", "stride 1", "bias", "f32"};
        for (size_t i = 0; i < sizeof said / sizeof *said; i++) assert_non_null(strstr(key, said[i]));
        assert_int_equal(json_object_set_new(times, "direct", json_real(1e-12)), 0);
    }
    char *text = NULL;
    test_require(oc_json_text(&text, root, &error), OC_OK, &error);
    test_bytes_write(path, text, strlen(text));
    oc_free(text);
    json_decref(root);

    rig_open(&r, OC_TUNE_QUICK);
    choose(&r, &again, problem, NULL);
    assert_string_equal(oc_conv_algorithm_name(again.candidate[0].algorithm), "direct");
    assert_int_equal(again.count, ranking.count);
    for (int i = 0; i < ranking.count; i++)
        for (int j = 1; j < again.count; j++)
            if (again.candidate[j].algorithm == ranking.candidate[i].algorithm)
                assert_true(again.candidate[j].seconds == ranking.candidate[i].seconds);
    rig_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_efforts),       cmocka_unit_test(test_cache),
                                       cmocka_unit_test(test_no_good),       cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_is_remembered), cmocka_unit_test(test_locked)};
    return cmocka_run_group_tests(tests, enter, leave);
}
