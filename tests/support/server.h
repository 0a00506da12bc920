/* A server in the test's own process. All functions fail the test where something cannot be had. */
#ifndef OC_TESTS_SUPPORT_SERVER_H
#define OC_TESTS_SUPPORT_SERVER_H

#include <pthread.h>

#include "ocelli/serve.h"
#include "support/client.h"

typedef struct test_server {
    oc_server *server;
    oc_model *model;
    int port;
    pthread_t thread;
    bool running;
} test_server;

/* Starts one at a free port; of `options` (NULL: zeros) everything but the model, the port and, where it is 0, the
 * threads counts. `with_model`: test_network(test_codes, 32, 4711). */
void test_server_start(test_server *s, const oc_server_options *options, bool with_model);
/* Asks it to stop and waits until it has; what it answered counts. */
void test_server_stop(test_server *s);
/* Waits until it has stopped, and releases it. */
void test_server_end(test_server *s);

/* The number behind a name in /metrics; −1: it is not there. */
double test_server_figure(const test_server *s, const char *name);

#endif
