/* run.json: what it says of a run, what a second start adds, and what becomes of one that is damaged. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "record/about.h"
#include "support/bytes.h"
#include "support/reports.h"
#include "support/temporary.h"

static char folder[256], path[300];

static int create_folder(void **state) {
    (void)state;
    test_temporary_create(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/run.json", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    test_temporary_remove(folder);
    return 0;
}

static const oc_system machine = {.processor = "Some processor",
                                  .level = "avx2",
                                  .dnnl = "2.6.3",
                                  .system = "Linux 6.1.0, glibc 2.36",
                                  .compiler = "gcc 12.2.0",
                                  .memory = 8000000000};

static oc_about_start start_make(int64_t step, const char *command) {
    return (oc_about_start){.command = command,
                            .system = &machine,
                            .threads = 3,
                            .step = step,
                            .epochs = 40,
                            .steps = 62480,
                            .model = "seresnet18",
                            .parameters = 11361544,
                            .macs = 5000000000,
                            .size = 64,
                            .data_path = folder,
                            .data_fingerprint = "0123456789abcdef",
                            .holdout = 0.1,
                            .validates_on = "holdout",
                            .classes = 200,
                            .train = 90000,
                            .val = 10000,
                            .left_out = 4};
}

/* A start, and what the file then holds; released with json_decref. */
static json_t *start(int64_t step, const char *command) {
    oc_error error = {0};
    oc_about *about = NULL;
    const oc_about_start one = start_make(step, command);
    test_require(oc_about_create(&about, folder, &one, &error), OC_OK, &error);
    assert_non_null(about);
    oc_about_destroy(&about);
    assert_null(about);
    assert_int_equal(test_folder_entries(folder), 1);
    return test_json_read(path);
}

static void test_fields(void **state) {
    (void)state;
    char real[4096];
    json_t *about = start(0, "ocelli train --out 'a b'");
    assert_string_equal(test_text(about, "model"), "seresnet18");
    assert_int_equal(test_integer(about, "parameters"), 11361544);
    assert_int_equal(test_integer(about, "macs"), 5000000000);
    assert_int_equal(test_integer(about, "size"), 64);
    assert_int_equal(test_integer(about, "epochs"), 40);
    assert_int_equal(test_integer(about, "steps"), 62480);
    assert_non_null(realpath(folder, real));
    assert_string_equal(test_text(about, "data/path"), real);
    assert_string_equal(test_text(about, "data/fingerprint"), "0123456789abcdef");
    assert_float_equal(test_real(about, "data/holdout"), 0.1, 0);
    assert_string_equal(test_text(about, "data/validates_on"), "holdout");
    assert_int_equal(test_integer(about, "data/classes"), 200);
    assert_int_equal(test_integer(about, "data/train"), 90000);
    assert_int_equal(test_integer(about, "data/val"), 10000);
    assert_int_equal(test_integer(about, "data/left_out"), 4);
    assert_int_equal(json_array_size(test_at(about, "starts")), 1);
    const json_t *one = test_at(about, "starts/0");
    assert_int_equal(test_integer(one, "step"), 0);
    assert_string_equal(test_text(one, "command"), "ocelli train --out 'a b'");
    assert_int_equal(strlen(test_text(one, "time")), strlen("2026-01-31T12:00:00Z"));
    assert_string_equal(test_text(one, "machine/processor"), "Some processor");
    assert_string_equal(test_text(one, "machine/instructions"), "avx2");
    assert_int_equal(test_integer(one, "machine/threads"), 3);
    assert_int_equal(test_integer(one, "machine/memory"), 8000000000);
    assert_string_equal(test_text(one, "machine/system"), "Linux 6.1.0, glibc 2.36");
    assert_string_equal(test_text(one, "versions/ocelli"), oc_version());
    test_same_commit(test_at(one, "versions/commit"));
    assert_string_equal(test_text(one, "versions/onednn"), "2.6.3");
    assert_string_equal(test_text(one, "versions/compiler"), "gcc 12.2.0");
    json_decref(about);
}

static void test_starts(void **state) {
    (void)state;
    json_decref(start(0, "first"));
    json_decref(start(7, NULL));
    json_t *about = start(9, "third");
    assert_int_equal(json_array_size(test_at(about, "starts")), 3);
    assert_string_equal(test_text(about, "starts/0/command"), "first");
    assert_true(test_null(about, "starts/1/command"));
    assert_int_equal(test_integer(about, "starts/1/step"), 7);
    assert_string_equal(test_text(about, "starts/2/command"), "third");
    assert_int_equal(test_integer(about, "starts/2/step"), 9);
    json_decref(about);
    /* From the first step on it is another run. */
    about = start(0, "anew");
    assert_int_equal(json_array_size(test_at(about, "starts")), 1);
    assert_string_equal(test_text(about, "starts/0/command"), "anew");
    json_decref(about);
}

static void test_damaged(void **state) {
    (void)state;
    static const char *const texts[] = {"", "{", "[]", "7", "null", "\xff", "{\"starts\": 5}", "{\"starts\": {}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        test_bytes_write(path, texts[i], strlen(texts[i]));
        json_t *about = start(5, "goes on");
        assert_int_equal(json_array_size(test_at(about, "starts")), 1);
        assert_int_equal(test_integer(about, "starts/0/step"), 5);
        assert_int_equal(test_integer(about, "parameters"), 11361544);
        json_decref(about);
    }
    assert_int_equal(remove(path), 0);
    json_t *about = start(5, "goes on without");
    assert_int_equal(json_array_size(test_at(about, "starts")), 1);
    json_decref(about);
}

/* What is not told, and what is no UTF-8. */
static void test_unknown(void **state) {
    (void)state;
    oc_error error = {0};
    oc_about *about = NULL;
    oc_about_start one = start_make(0, "ocelli train --out caf\xe9 \xf0\x9f\x90\xb1");
    one.data_fingerprint = NULL;
    one.data_path = "/nowhere/data.zip";
    test_require(oc_about_create(&about, folder, &one, &error), OC_OK, &error);
    oc_about_destroy(&about);
    json_t *json = test_json_read(path);
    assert_true(test_null(json, "data/fingerprint"));
    assert_string_equal(test_text(json, "data/path"), "/nowhere/data.zip");
    assert_string_equal(test_text(json, "starts/0/command"), "ocelli train --out caf? ????");
    json_decref(json);
    oc_about_destroy(NULL);
    /* Where it cannot be written. */
    char gone[300];
    snprintf(gone, sizeof gone, "%s/gone", folder);
    test_require(oc_about_create(&about, gone, &one, &error), OC_E_IO, &error);
    assert_null(about);
    assert_non_null(strstr(error.where, "gone/run.json"));
}

/* The most memory of all starts of a run. */
static void test_memory(void **state) {
    (void)state;
    oc_error error = {0};
    oc_about *about = NULL;
    oc_about_start one = start_make(0, NULL);
    if (oc_memory_peak() == 0) skip();
    test_require(oc_about_create(&about, folder, &one, &error), OC_OK, &error);
    test_require(oc_about_memory(about, &error), OC_OK, &error);
    oc_about_destroy(&about);
    json_t *json = test_json_read(path);
    const int64_t peak = test_integer(json, "peak_memory");
    assert_true(peak > 100000 && peak <= oc_memory_peak());
    /* A later start that takes less changes nothing; what was more stays. */
    json_object_set_new(json, "peak_memory", json_integer((json_int_t)1 << 50));
    test_json_write(path, json);
    json_decref(json);
    one.step = 3;
    test_require(oc_about_create(&about, folder, &one, &error), OC_OK, &error);
    test_require(oc_about_memory(about, &error), OC_OK, &error);
    oc_about_destroy(&about);
    json = test_json_read(path);
    assert_int_equal(test_integer(json, "peak_memory"), (int64_t)1 << 50);
    assert_int_equal(json_array_size(test_at(json, "starts")), 2);
    json_decref(json);
    /* A new run begins anew. */
    one.step = 0;
    test_require(oc_about_create(&about, folder, &one, &error), OC_OK, &error);
    test_require(oc_about_memory(about, &error), OC_OK, &error);
    oc_about_destroy(&about);
    json = test_json_read(path);
    assert_true(test_integer(json, "peak_memory") < (int64_t)1 << 50);
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),  cmocka_unit_test(test_starts), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_unknown), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, create_folder, remove_folder);
}
