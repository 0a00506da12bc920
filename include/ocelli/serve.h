/* Serving: a model over HTTP, and a live page of runs (docs/serve.md). In a library of its own, which the helper
 * program of `ocelli serve` is linked with, so that nothing else needs libmicrohttpd. */
#ifndef OCELLI_SERVE_H
#define OCELLI_SERVE_H

#include "ocelli/ocelli.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A server: its socket, queue and classifiers. */
typedef struct oc_server oc_server;

/* All zero: the defaults that are named, for a model and runs that are not there. Borrowed for the call only, but the
 * model. */
typedef struct oc_server_options {
    oc_model *model; /* outlives the server; NULL: nothing is classified */
    /* What the classes mean in words, in the model's order; NULL: what an evaluation.json beside the model's weights
     * file says, else their codes. */
    const char *const *class_names;
    const char *runs;      /* folder of runs, or of studies, to show; NULL: none */
    const char *host;      /* name or address to listen at; NULL: 127.0.0.1 */
    int port;              /* 0: one that is free */
    const char *token;     /* what requests must show, as docs/serve.md says; NULL: nothing */
    const char *precision; /* number format of activations, as in oc_classifier_options */
    int threads;           /* that compute; 0: all */
    int64_t batch;         /* images that are computed at once, at most; 0: 8 */
    double wait;     /* seconds that an image waits for others to be computed with, at most; < 0: none; 0: 0.002 */
    int64_t queue;   /* images that wait to be computed; beyond them requests are refused; 0: 256 */
    int64_t body;    /* bytes of a request's body at most; 0: 20 million */
    int64_t pixels;  /* of an image at most; 0: 50 million */
    int connections; /* at once, at most; 0: 256 */
    double seconds;  /* that a request may take to arrive, besides what 64 kB/s take; 0: 10 */
} oc_server_options;

/* Opens the listening socket and makes all that is needed to classify; answers nothing yet. OC_E_USAGE for a host or
 * port that cannot be, OC_E_IO when the port is taken, OC_E_NOT_FOUND without the folder of runs; what classifiers fail
 * with. */
OC_API oc_status oc_server_create(oc_server **out, const oc_server_options *options, oc_error *err);
/* The port that it listens at. */
OC_API int oc_server_port(const oc_server *server);
/* What of the environment made the computing threads fewer, as oc_classifier_note; "" where nothing did. */
OC_API const char *oc_server_note(const oc_server *server);
/* Answers requests until `*stop` (may be NULL) is not 0, or oc_server_stop is called; then takes no new ones, answers
 * those that it has taken, and returns OC_OK. Once a server. */
OC_API oc_status oc_server_run(oc_server *server, const volatile int *stop, oc_error *err);
/* From another thread, or a signal handler: see oc_server_run. */
OC_API void oc_server_stop(oc_server *server);
/* Takes NULL, sets NULL. */
OC_API void oc_server_destroy(oc_server **server);

#ifdef __cplusplus
}
#endif

#endif
