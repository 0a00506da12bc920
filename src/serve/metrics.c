/* Prometheus' text format. */
#define _GNU_SOURCE 1
#include "serve/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "serve/service.h"

static const int statuses[OC_METRICS_STATUSES - 1] = {200, 303, 400, 401, 404, 405, 408, 413, 415, 421, 422, 500, 503};
static const double times[OC_METRICS_TIMES] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};

void oc_metrics_count(oc_metrics_page *page, int route, int status, double seconds) {
    int at = 0, bucket = 0;
    while (at < OC_METRICS_STATUSES - 1 && statuses[at] != status) at++;
    while (bucket < OC_METRICS_TIMES && seconds > times[bucket]) bucket++;
    page->requests[route >= 0 && route < OC_METRICS_ROUTES ? route : OC_METRICS_ROUTES][at]++;
    page->times[bucket]++;
    page->seconds += seconds;
}

static oc_status number(oc_text *out, const char *name, const char *type, const char *help, double value,
                        oc_error *err) {
    return oc_text_printf(out, err, "# HELP ocelli_%s %s\n# TYPE ocelli_%s %s\nocelli_%s %.17g\n", name, help, name,
                          type, name, value);
}

static oc_status write_requests(oc_text *out, const oc_metrics_page *page, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_text_printf(out, err,
                          "# HELP ocelli_requests_total Requests that were answered.\n"
                          "# TYPE ocelli_requests_total counter\n"));
    for (int i = 0; i <= OC_METRICS_ROUTES; i++) {
        const oc_route *route = i < OC_METRICS_ROUTES ? oc_route_at((size_t)i) : NULL;
        for (int j = 0; j < OC_METRICS_STATUSES; j++)
            if (page->requests[i][j] > 0)
                OC_TRY(oc_text_printf(out, err, "ocelli_requests_total{path=\"%s\",code=\"%d\"} %lld\n",
                                      route ? route->path : "", j < OC_METRICS_STATUSES - 1 ? statuses[j] : 0,
                                      (long long)page->requests[i][j]));
    }
    OC_TRY(oc_text_printf(out, err,
                          "# HELP ocelli_request_seconds From a request's head to its answer.\n"
                          "# TYPE ocelli_request_seconds histogram\n"));
    int64_t sum = 0;
    for (int i = 0; i < OC_METRICS_TIMES; i++)
        OC_TRY(oc_text_printf(out, err, "ocelli_request_seconds_bucket{le=\"%g\"} %lld\n", times[i],
                              (long long)(sum += page->times[i])));
    sum += page->times[OC_METRICS_TIMES];
    OC_TRY(oc_text_printf(out, err,
                          "ocelli_request_seconds_bucket{le=\"+Inf\"} %lld\nocelli_request_seconds_sum %.9g\n"
                          "ocelli_request_seconds_count %lld\n",
                          (long long)sum, page->seconds, (long long)sum));
cleanup:
    return status;
}

static oc_status write_batches(oc_text *out, const oc_queue_figures *figures, oc_error *err) {
    oc_status status = OC_OK;
    int64_t sum = 0;
    OC_TRY(number(out, "images_total", "counter", "Images that were classified, or refused as damaged.",
                  (double)figures->images, err));
    OC_TRY(
        number(out, "saliency_total", "counter", "Maps of saliency that were made.", (double)figures->saliency, err));
    OC_TRY(number(out, "images_waiting", "gauge", "Images that wait to be classified.", (double)figures->waiting, err));
    OC_TRY(number(out, "busy_seconds_total", "counter", "Time spent in computing.", figures->busy, err));
    OC_TRY(oc_text_printf(out, err,
                          "# HELP ocelli_batch_images Images in a batch.\n# TYPE ocelli_batch_images histogram\n"));
    for (int i = 1; i < OC_QUEUE_SIZES; i++) {
        sum += figures->of_size[i];
        if ((i & (i - 1)) == 0)
            OC_TRY(oc_text_printf(out, err, "ocelli_batch_images_bucket{le=\"%d\"} %lld\n", i, (long long)sum));
    }
    OC_TRY(oc_text_printf(out, err,
                          "ocelli_batch_images_bucket{le=\"+Inf\"} %lld\nocelli_batch_images_sum %lld\n"
                          "ocelli_batch_images_count %lld\n",
                          (long long)figures->batches, (long long)figures->images, (long long)figures->batches));
cleanup:
    return status;
}

/* Bytes of memory in use; 0 where the system does not tell. */
static double resident(void) {
    char line[256];
    double pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    /* The second number of it. */
    if (fgets(line, sizeof line, file)) pages = strtod(line + strcspn(line, " "), NULL);
    fclose(file);
    return pages * (double)sysconf(_SC_PAGESIZE);
}

oc_status oc_metrics_write(oc_text *out, const oc_metrics_page *page, const oc_queue_figures *queue, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_text_printf(out, err,
                          "# HELP ocelli_info The version, as a label.\n# TYPE ocelli_info gauge\n"
                          "ocelli_info{version=\"%s\"} 1\n",
                          oc_version()));
    OC_TRY(write_requests(out, page, err));
    if (queue) OC_TRY(write_batches(out, queue, err));
    OC_TRY(number(out, "connections", "gauge", "Connections that are open.", (double)page->connections, err));
    OC_TRY(number(out, "event_streams", "gauge", "Of them, those that are told of changes to runs.",
                  (double)page->streams, err));
    OC_TRY(number(out, "connections_shed_total", "counter", "Idle connections that were closed in favour of new ones.",
                  (double)page->shed, err));
    OC_TRY(number(out, "connections_timed_out_total", "counter", "Connections that were closed for being slow.",
                  (double)page->timeouts, err));
    OC_TRY(number(out, "body_bytes", "gauge", "Bytes of requests' bodies in memory.", (double)page->bytes, err));
    OC_TRY(
        number(out, "uptime_seconds", "gauge", "Since the server was started.", oc_clock_seconds() - page->began, err));
    const double bytes = resident();
    if (bytes > 0)
        OC_TRY(oc_text_printf(out, err,
                              "# HELP process_resident_memory_bytes Resident memory size in bytes.\n"
                              "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %.0f\n",
                              bytes));
cleanup:
    return status;
}
