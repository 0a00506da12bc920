/* A server in a thread. */
#define _GNU_SOURCE 1
#include "support/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/ensembles.h"

static void *thread_main(void *argument) {
    test_server *s = argument;
    oc_error err = {0};
    (void)oc_server_run(s->server, NULL, &err);
    return NULL;
}

void test_server_start(test_server *s, const oc_server_options *options, bool with_model) {
    oc_error err = {0};
    oc_server_options own = options ? *options : (oc_server_options){0};
    *s = (test_server){0};
    if (with_model) s->model = test_network(test_codes, 32, 4711);
    own.model = s->model;
    own.port = 0;
    if (own.threads == 0) own.threads = 2;
    if (oc_server_create(&s->server, &own, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
    s->port = oc_server_port(s->server);
    assert_true(s->port > 0);
    assert_int_equal(pthread_create(&s->thread, NULL, thread_main, s), 0);
    s->running = true;
}

void test_server_stop(test_server *s) {
    oc_server_stop(s->server);
}

void test_server_end(test_server *s) {
    oc_server_stop(s->server);
    if (s->running) pthread_join(s->thread, NULL);
    oc_server_destroy(&s->server);
    oc_model_destroy(&s->model);
}

double test_server_figure(const test_server *s, const char *name) {
    test_answer answer = test_request(s->port, "GET", "/metrics", NULL, NULL, NULL, 0);
    const size_t length = strlen(name);
    double value = -1;
    assert_int_equal(answer.status, 200);
    for (const char *line = answer.body; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, name, length) == 0 && line[length] == ' ') value = strtod(line + length, NULL);
    test_answer_free(&answer);
    return value;
}
