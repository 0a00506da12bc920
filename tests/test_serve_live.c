/* label: slow */
/* The live page's side of the server: what is told of runs that change, to whom, and how soon. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "support/images.h"
#include "support/run.h"
#include "support/server.h"
#include "support/temporary.h"

static test_world world;
static char runs[320];
static test_server server;

static json_t *runs_now(void) {
    json_t *json = NULL;
    oc_error err = {0};
    test_answer answer = test_request(server.port, "GET", "/v1/runs", NULL, NULL, NULL, 0);
    if (answer.status != 200) fail_msg("%d: %s", answer.status, answer.body);
    if (oc_json_parse(&json, answer.body, answer.size, "runs", &err) != OC_OK) fail_msg("%s", err.message);
    assert_true(json_is_true(json_object_get(json, "live")));
    assert_true(json_is_false(json_object_get(json, "classify")));
    test_answer_free(&answer);
    return json;
}

/* Trains into the folder that is watched. */
static void train(const char *name) {
    char run[64];
    oc_error err = {0};
    snprintf(run, sizeof run, "runs/%s", name);
    test_require(test_run(&world, run, "train.epochs=1", NULL, &err), OC_OK, &err);
}

static int open_events(void) {
    return test_request_begin(server.port, "GET", "/events", NULL, NULL, NULL, 0);
}

static void test_empty(void **state) {
    (void)state;
    json_t *json = runs_now();
    assert_int_equal(json_array_size(json_object_get(json, "runs")), 0);
    assert_string_equal(json_string_value(json_object_get(json, "title")), "runs");
    json_decref(json);
    test_answer answer = test_request(server.port, "GET", "/", NULL, NULL, NULL, 0);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "connect-src 'self'"));
    assert_non_null(strstr(answer.body, "\"live\":true"));
    test_answer_free(&answer);
    answer = test_request(server.port, "POST", "/v1/classify", NULL, NULL, "x", 1);
    assert_int_equal(answer.status, 404);
    test_answer_free(&answer);
}

/* Changes are seen twice a second. */
static void wait_for_runs(size_t wanted) {
    const double began = oc_clock_seconds();
    size_t count = wanted + 1;
    while (count != wanted && oc_clock_seconds() - began < 5) {
        json_t *json = runs_now();
        count = json_array_size(json_object_get(json, "runs"));
        json_decref(json);
        usleep(50000);
    }
    assert_int_equal(count, wanted);
}

/* A run that comes, and one more epoch of it. */
static void test_changes(void **state) {
    (void)state;
    const int fd = open_events();
    char *text = test_receive_until(fd, "event: runs", 5);
    assert_non_null(strstr(text, "text/event-stream"));
    free(text);
    train("one");
    const double began = oc_clock_seconds();
    text = test_receive_until(fd, "\"one\"", 10);
    assert_non_null(strstr(text, "event: runs\ndata: {\"version\":"));
    free(text);
    assert_true(oc_clock_seconds() - began < 2);
    wait_for_runs(1);
    char path[320];
    FILE *file = fopen(test_run_file(&world, "runs/one", "metrics.csv", path), "a");
    assert_non_null(file);
    fputs("2,6,1.5,0.5,0.9,1.25,0.625,0.9,0.001,50,1,2,0.1,0.2,0.3,0.1,0.3\n", file);
    fclose(file);
    const double changed = oc_clock_seconds();
    /* What came of the training's end is told before. */
    for (bool told = false; !told;) {
        assert_true(oc_clock_seconds() - changed < 2);
        text = test_receive_until(fd, "\"one\"", 2);
        free(text);
        json_t *json = runs_now();
        const json_t *metrics = json_object_get(json_array_get(json_object_get(json, "runs"), 0), "metrics");
        const json_t *epochs = json_object_get(metrics, "epoch"), *top1 = json_object_get(metrics, "val_top1");
        const size_t rows = json_array_size(epochs);
        told = rows > 0 && json_integer_value(json_array_get(epochs, rows - 1)) == 2;
        if (told) assert_float_equal(json_number_value(json_array_get(top1, rows - 1)), 0.625, 1e-9);
        json_decref(json);
    }
    close(fd);
}

/* Those who have gone away are forgotten. */
static void wait_for_no_streams(void) {
    const double began = oc_clock_seconds();
    while (test_server_figure(&server, "ocelli_event_streams") > 0 && oc_clock_seconds() - began < 5) usleep(50000);
    assert_float_equal(test_server_figure(&server, "ocelli_event_streams"), 0, 0);
}

/* Listeners that do not read keep nobody waiting, and listeners beyond half of the connections are refused. */
static void test_deaf_listeners(void **state) {
    (void)state;
    enum { MOST = 8, MANY = 12 };
    int fd[MANY], streams = 0, refused = 0;
    wait_for_no_streams();
    for (int i = 0; i < MANY; i++) {
        fd[i] = open_events();
        char *text = test_receive_until(fd[i], "\r\n\r\n", 5);
        streams += strstr(text, "200 OK") != NULL;
        refused += strstr(text, "503 Service Unavailable") != NULL;
        free(text);
    }
    assert_int_equal(streams, MOST);
    assert_int_equal(refused, MANY - MOST);
    assert_float_equal(test_server_figure(&server, "ocelli_event_streams"), MOST, 0);
    for (int i = 0; i < 3; i++) {
        char path[320];
        test_text_write(test_run_file(&world, "runs/one", "log.txt", path), i % 2 ? "a line\n" : "another line\n");
        usleep(600000);
        const double began = oc_clock_seconds();
        json_t *json = runs_now();
        assert_true(oc_clock_seconds() - began < 2);
        json_decref(json);
    }
    for (int i = 0; i < MANY; i++) close(fd[i]);
    wait_for_no_streams();
}

static void test_gone(void **state) {
    (void)state;
    char path[320];
    train("two");
    wait_for_runs(2);
    test_temporary_remove(test_world_path(&world, "runs/two", path));
    wait_for_runs(1);
}

/* Whoever listens is let go at the end. */
static void test_end(void **state) {
    (void)state;
    const int fd = open_events();
    free(test_receive_until(fd, "event: runs", 5));
    const double began = oc_clock_seconds();
    test_server_stop(&server);
    assert_true(test_closed(fd, 5));
    assert_true(oc_clock_seconds() - began < 3);
    close(fd);
}

static int setup(void **state) {
    (void)state;
    char text[360];
    test_world_create(&world);
    test_world_path(&world, "runs", runs);
    snprintf(text, sizeof text, "%s/notes.txt", runs);
    test_text_write(text, "no run\n");
    test_server_start(&server, &(oc_server_options){.runs = runs, .connections = 16}, false);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    test_server_end(&server);
    test_world_destroy(&world);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty), cmocka_unit_test(test_changes), cmocka_unit_test(test_deaf_listeners),
        cmocka_unit_test(test_gone),  cmocka_unit_test(test_end),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
