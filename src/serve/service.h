/* What is served: the routes, what a request must be to reach one, and the handlers, all without sockets. One thread
 * calls all of it; what takes time is done by the queue's and the watcher's threads, and finished here. */
#ifndef OC_SERVE_SERVICE_H
#define OC_SERVE_SERVICE_H

#include "models/model.h"
#include "serve/http.h"
#include "serve/live.h"
#include "serve/metrics.h"
#include "serve/queue.h"

typedef struct oc_service {
    oc_model *model;              /* NULL: nothing is classified */
    oc_queue *queue;              /* NULL with a model: its jobs are run by the caller (tests) */
    oc_live *live;                /* NULL: there are no runs to show */
    const char *const *names;     /* [classes] in words */
    const char *token;            /* NULL: everybody may */
    bool loopback;                /* listens to this machine only, so requests must be meant for it */
    int64_t body, pixels, images; /* most bytes of a body, pixels of an image, images of a request */
    oc_metrics_page metrics;
} oc_service;

typedef struct oc_route oc_route;

/* A request on its way, from its head to its reply. Start from {0}, end with oc_exchange_free. */
typedef struct oc_exchange {
    oc_request request;
    const oc_route *route; /* NULL: there is none for it */
    oc_reply reply;
    oc_job *job;   /* what is computed for it; owned */
    char *names;   /* of the job's images, each ended by a NUL */
    uint64_t seen; /* of a stream: the state of the runs that was told last */
} oc_exchange;
void oc_exchange_free(oc_exchange *exchange);

/* What comes next. */
typedef enum oc_next {
    OC_NEXT_REPLY,   /* it is there */
    OC_NEXT_COMPUTE, /* exchange->job is in the queue (or the caller's to run): then oc_service_finish */
    OC_NEXT_RUNS,    /* the runs are being read: oc_service_answer again when the watcher notifies */
    OC_NEXT_STREAM   /* events, as oc_live_event makes them */
} oc_next;

/* Looks at a request's head: finds its route, and whether it is to be answered at all. False: the reply says why
 * not. */
bool oc_service_admit(oc_service *service, oc_exchange *exchange);
/* Answers an admitted request, whose body is complete. */
oc_next oc_service_answer(oc_service *service, oc_exchange *exchange);
/* Makes the reply of a finished job. */
void oc_service_finish(oc_service *service, oc_exchange *exchange);

/* ---- The table of routes (routes.c), and the handlers (api_*.c) ---- */

struct oc_route {
    const char *method, *path;
    bool open;  /* also without a token */
    bool model; /* needs a model */
    oc_next (*answer)(oc_service *service, oc_exchange *exchange);
    void (*finish)(oc_service *service, oc_exchange *exchange); /* of those that compute */
};
/* NULL beyond the last. */
const oc_route *oc_route_at(size_t index);

oc_next oc_api_classify(oc_service *service, oc_exchange *exchange);
void oc_api_classify_finish(oc_service *service, oc_exchange *exchange);
oc_next oc_api_saliency(oc_service *service, oc_exchange *exchange);
void oc_api_saliency_finish(oc_service *service, oc_exchange *exchange);
oc_next oc_api_model(oc_service *service, oc_exchange *exchange);
oc_next oc_api_health(oc_service *service, oc_exchange *exchange);
oc_next oc_api_metrics(oc_service *service, oc_exchange *exchange);
oc_next oc_api_runs(oc_service *service, oc_exchange *exchange);
oc_next oc_api_events(oc_service *service, oc_exchange *exchange);
oc_next oc_api_front(oc_service *service, oc_exchange *exchange);
oc_next oc_api_classify_page(oc_service *service, oc_exchange *exchange);

#endif
