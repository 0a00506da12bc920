/* Figures of a server, as Prometheus reads them (text format 0.0.4). */
#ifndef OC_SERVE_METRICS_H
#define OC_SERVE_METRICS_H

#include "base/text.h"
#include "serve/queue.h"

#define OC_METRICS_ROUTES 16
#define OC_METRICS_STATUSES 16
#define OC_METRICS_TIMES 12

/* All of it belongs to the thread that serves. */
typedef struct oc_metrics_page {
    double began;
    /* Requests by route (the last: none) and status. */
    int64_t requests[OC_METRICS_ROUTES + 1][OC_METRICS_STATUSES];
    int64_t times[OC_METRICS_TIMES + 1]; /* requests by how long their answer took, see metrics.c */
    double seconds;                      /* summed */
    int64_t connections, streams;        /* now */
    int64_t shed, timeouts;              /* connections that were closed in favour of others, or for being slow */
    int64_t bytes;                       /* of bodies that are held now */
} oc_metrics_page;

/* Counts an answer; `route` is its place, or < 0. */
void oc_metrics_count(oc_metrics_page *page, int route, int status, double seconds);
/* Appends the text. `queue`: NULL where nothing is classified. */
oc_status oc_metrics_write(oc_text *out, const oc_metrics_page *page, const oc_queue_figures *queue, oc_error *err);

#endif
