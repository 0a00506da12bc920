/* The table of routes, and who is let in. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "serve/service.h"
#include "serve/token.h"

static const oc_route routes[] = {
    {"GET", "/", false, false, oc_api_front, NULL},
    {"GET", "/events", false, false, oc_api_events, NULL},
    {"GET", "/classify", false, true, oc_api_classify_page, NULL},
    {"POST", "/v1/classify", false, true, oc_api_classify, oc_api_classify_finish},
    {"POST", "/v1/saliency", false, true, oc_api_saliency, oc_api_saliency_finish},
    {"GET", "/v1/model", false, true, oc_api_model, NULL},
    {"GET", "/v1/runs", false, false, oc_api_runs, NULL},
    {"GET", "/healthz", true, false, oc_api_health, NULL},
    {"GET", "/metrics", false, false, oc_api_metrics, NULL},
};
#define ROUTES (sizeof routes / sizeof routes[0])

_Static_assert(ROUTES <= OC_METRICS_ROUTES, "the figures have room for every route");

const oc_route *oc_route_at(size_t index) {
    return index < ROUTES ? &routes[index] : NULL;
}

void oc_exchange_free(oc_exchange *exchange) {
    oc_reply_free(&exchange->reply);
    if (exchange->job) {
        oc_free(exchange->job->items);
        oc_free(exchange->job->predictions);
        oc_free(exchange->job);
    }
    oc_free(exchange->names);
    *exchange = (oc_exchange){0};
}

/* Whether a Host header names this machine as such. Names of others that lead here are what a page of a stranger uses
 * to have a browser ask us in its name (DNS rebinding). */
static bool is_loopback_host(const char *host) {
    size_t length = strlen(host);
    const char *colon = strrchr(host, ':');
    if (host[0] == '[')
        length = strcspn(host, "]") + 1;
    else if (colon)
        length = (size_t)(colon - host);
    if (length == 9 && strncasecmp(host, "localhost", 9) == 0) return true;
    if (length == 5 && memcmp(host, "[::1]", 5) == 0) return true;
    return length >= 4 && memcmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == length;
}

/* HEAD is GET without the body. */
static bool has_method(const oc_route *route, const char *method) {
    return strcmp(route->method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

bool oc_service_admit(oc_service *service, oc_exchange *exchange) {
    const oc_request *request = &exchange->request;
    oc_reply *reply = &exchange->reply;
    const oc_route *there = NULL;
    for (size_t i = 0; i < ROUTES; i++)
        if (strcmp(routes[i].path, request->path) == 0) there = &routes[i];
    exchange->route = there;
    if (service->loopback && request->host && !is_loopback_host(request->host)) {
        oc_reply_error(reply, 421, "this server is for requests to localhost only: the host is \"%.200s\"",
                       request->host);
    } else if (service->token && !(there && there->open) && !oc_token_shown(service->token, request->authorization)) {
        oc_reply_error(reply, 401, "a token is needed: \"Authorization: Bearer TOKEN\"");
        reply->challenge = true;
    } else if (!there) {
        oc_reply_error(reply, 404, "there is no %.200s here", request->path);
    } else if (!has_method(there, request->method)) {
        oc_reply_error(reply, 405, "%s is for %s", there->path, there->method);
        reply->allow = strcmp(there->method, "GET") == 0 ? "GET, HEAD" : there->method;
    } else if (there->model && !service->model) {
        oc_reply_error(reply, 404, "this server has no model: it was started without --weights");
    } else if (request->length > service->body) {
        oc_reply_error(reply, 413, "the body has %lld bytes; the limit is %lld", (long long)request->length,
                       (long long)service->body);
    } else {
        return true;
    }
    return false;
}

oc_next oc_service_answer(oc_service *service, oc_exchange *exchange) {
    if ((int64_t)exchange->request.size > service->body) {
        oc_reply_error(&exchange->reply, 413, "the body has more than %lld bytes", (long long)service->body);
        return OC_NEXT_REPLY;
    }
    return exchange->route->answer(service, exchange);
}

void oc_service_finish(oc_service *service, oc_exchange *exchange) {
    exchange->route->finish(service, exchange);
}
