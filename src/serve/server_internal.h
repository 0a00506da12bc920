/* The inside of the server: itself, and a request on its connection. visit.c has what happens to one, server.c the loop
 * that all of them pass through. */
#ifndef OC_SERVE_SERVER_INTERNAL_H
#define OC_SERVE_SERVER_INTERNAL_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "ocelli/serve.h"
#include "serve/links.h"
#include "serve/service.h"

/* What is silent is told that it is still there, so that whatever is between does not take it for dead. */
#define OC_STREAM_SECONDS 15.0

typedef enum oc_visit_phase {
    OC_VISIT_RECEIVING, /* its body is coming */
    OC_VISIT_REFUSED,   /* what is still coming of it is let go by */
    OC_VISIT_COMPUTING,
    OC_VISIT_RUNS, /* it waits for the runs to be read */
    OC_VISIT_ANSWERED,
    OC_VISIT_STREAMING
} oc_visit_phase;

/* A request on its connection. */
typedef struct oc_visit {
    oc_exchange exchange; /* first: a job's owner is its exchange */
    oc_server *server;
    struct MHD_Connection *connection;
    oc_link *link;
    oc_visit_phase phase;
    bool suspended, complete, gone;
    double began;
    unsigned char *body;
    size_t size, capacity;
    /* Of a stream. */
    oc_text event;
    size_t event_sent;
    double told;
    struct oc_visit *next, *previous; /* of those that wait for runs, or events */
} oc_visit;

struct oc_server {
    oc_service service;
    oc_links links;
    oc_names names;
    char *token;
    int64_t bodies; /* most bytes of all bodies */
    int listening, waking, port;
    struct MHD_Daemon *daemon;
    int poll_fd;          /* libmicrohttpd's */
    oc_visit *waiting;    /* for runs, and for events */
    double looked;        /* for who of them is gone */
    int computing;        /* requests that are being computed */
    bool ending;          /* nothing new is taken */
    bool over;            /* and what waits for runs does not get them any more */
    atomic_bool new_runs; /* the watcher may have something for those that wait */
    atomic_bool stop;
};

/* libmicrohttpd's callbacks, whose `user` is the server: see MHD_start_daemon, MHD_OPTION_NOTIFY_COMPLETED and
 * MHD_OPTION_NOTIFY_CONNECTION. */
enum MHD_Result oc_visit_request(void *user, struct MHD_Connection *connection, const char *path, const char *method,
                                 const char *version, const char *data, size_t *size, void **state);
void oc_visit_completed(void *user, struct MHD_Connection *connection, void **state,
                        enum MHD_RequestTerminationCode code);
void oc_visit_connection(void *user, struct MHD_Connection *connection, void **context,
                         enum MHD_ConnectionNotificationCode code);
/* Lets a visit that waits go on; nothing where it does not. */
void oc_visit_resume(oc_visit *visit);

#endif
