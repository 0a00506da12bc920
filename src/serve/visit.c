/* A request on its connection: from its head to its reply, or the stream that is one. */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "serve/server_internal.h"

/* The body of a refused request is read to its end if it is no longer, since who sends it may look for the answer only
 * then; for others the connection ends with the answer. */
#define DRAIN_BYTES (1 << 20)

/* ---- Replies ---------------------------------------------------------------------------------------------------- */

static void add(struct MHD_Response *response, const char *name, const char *value) {
    (void)MHD_add_response_header(response, name, value);
}

/* What every reply says to browsers: that it is what it says it is, for nobody else's pages, and not to be kept. */
static void add_headers(struct MHD_Response *response, const oc_reply *reply) {
    const bool page = reply->type && strncmp(reply->type, "text/html", 9) == 0;
    char number[24];
    if (reply->type) add(response, "Content-Type", reply->type);
    add(response, "Cache-Control", "no-store");
    add(response, "X-Content-Type-Options", "nosniff");
    add(response, "Referrer-Policy", "no-referrer");
    add(response, "Cross-Origin-Resource-Policy", "same-origin");
    add(response, "X-Frame-Options", "DENY");
    /* Pages have the rest of their policy, with the hashes of their scripts, in themselves. */
    add(response, "Content-Security-Policy",
        page ? "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
             : "default-src 'none'; frame-ancestors 'none'");
    if (reply->allow) add(response, "Allow", reply->allow);
    if (reply->location) add(response, "Location", reply->location);
    if (reply->challenge) {
        add(response, "WWW-Authenticate", "Bearer realm=\"ocelli\"");
        add(response, "WWW-Authenticate", "Basic realm=\"ocelli: the token is the password\", charset=\"UTF-8\"");
    }
    if (reply->retry_after > 0) {
        snprintf(number, sizeof number, "%d", reply->retry_after);
        add(response, "Retry-After", number);
    }
}

static void count_answer(oc_visit *v, int status) {
    int route = -1;
    for (size_t i = 0; v->exchange.route && oc_route_at(i); i++)
        if (oc_route_at(i) == v->exchange.route) route = (int)i;
    oc_metrics_count(&v->server->service.metrics, route, status, oc_clock_seconds() - v->began);
}

static enum MHD_Result send_reply(oc_visit *v) {
    oc_reply *reply = &v->exchange.reply;
    static char nothing[1];
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->text.size, reply->text.data ? reply->text.data : nothing,
                                        reply->text.data ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!response) return MHD_NO;
    const size_t size = reply->text.size;
    reply->text = (oc_text){0}; /* the response's, which frees it as oc_free does */
    add_headers(response, reply);
    if (v->server->ending) add(response, "Connection", "close");
    const enum MHD_Result queued = MHD_queue_response(v->connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    v->phase = OC_VISIT_ANSWERED;
    if (v->link) oc_link_enter(v->link, OC_LINK_ANSWER, size);
    count_answer(v, reply->status);
    return queued;
}

/* ---- Visits that wait ------------------------------------------------------------------------------------------- */

static void suspend(oc_visit *v) {
    if (v->suspended) return;
    v->suspended = true;
    MHD_suspend_connection(v->connection);
}

void oc_visit_resume(oc_visit *v) {
    if (!v->suspended) return;
    v->suspended = false;
    MHD_resume_connection(v->connection);
}

static void waiting_add(oc_visit *v) {
    v->previous = NULL;
    v->next = v->server->waiting;
    if (v->next) v->next->previous = v;
    v->server->waiting = v;
}

static void waiting_remove(oc_visit *v) {
    if (v->previous)
        v->previous->next = v->next;
    else if (v->server->waiting == v)
        v->server->waiting = v->next;
    if (v->next) v->next->previous = v->previous;
    v->next = v->previous = NULL;
}

/* ---- Streams of events ------------------------------------------------------------------------------------------ */

/* Nothing of a client's is kept but what it was told last: one that does not read costs no memory, and nobody waits for
 * it. */
static ssize_t stream_read(void *user, uint64_t position, char *buffer, size_t most) {
    oc_visit *v = user;
    oc_server *server = v->server;
    const double now = oc_clock_seconds();
    (void)position;
    if (v->gone) return MHD_CONTENT_READER_END_WITH_ERROR;
    if (server->ending) return MHD_CONTENT_READER_END_OF_STREAM;
    if (v->event_sent == v->event.size) {
        oc_text_free(&v->event);
        v->event_sent = 0;
        if (oc_live_event(server->service.live, &v->exchange.seen, &v->event, NULL) == OC_OK && v->event.size == 0 &&
            now - v->told >= OC_STREAM_SECONDS)
            oc_text_printf(&v->event, NULL, ":\n\n");
        if (v->event.size > 0) v->told = now;
    }
    const size_t left = v->event.size - v->event_sent, size = left < most ? left : most;
    if (size == 0) {
        suspend(v);
        return 0;
    }
    memcpy(buffer, v->event.data + v->event_sent, size);
    v->event_sent += size;
    return (ssize_t)size;
}

static enum MHD_Result begin_stream(oc_visit *v) {
    oc_server *server = v->server;
    if (server->service.metrics.streams >= server->links.most / 2) {
        oc_reply_error(&v->exchange.reply, 503, "too many are told of changes already: come again");
        v->exchange.reply.retry_after = 10;
        return send_reply(v);
    }
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, stream_read, v, NULL);
    if (!response) return MHD_NO;
    const oc_reply reply = {.status = 200, .type = "text/event-stream"};
    add_headers(response, &reply);
    const enum MHD_Result queued = MHD_queue_response(v->connection, 200, response);
    MHD_destroy_response(response);
    v->phase = OC_VISIT_STREAMING;
    v->told = oc_clock_seconds();
    if (v->link) oc_link_enter(v->link, OC_LINK_STREAM, 0);
    server->service.metrics.streams++;
    waiting_add(v);
    count_answer(v, 200);
    return queued;
}

/* ---- Requests --------------------------------------------------------------------------------------------------- */

static const char *find_argument(const void *from, const char *name) {
    const oc_visit *v = from;
    return MHD_lookup_connection_value(v->connection, MHD_GET_ARGUMENT_KIND, name);
}

static const char *header(struct MHD_Connection *connection, const char *name) {
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Bytes that the head says are to come; −1: it does not say. */
static int64_t declared_length(struct MHD_Connection *connection) {
    const char *text = header(connection, "Content-Length");
    if (!text) return header(connection, "Transfer-Encoding") ? -1 : 0;
    return strtoll(text, NULL, 10);
}

static oc_link *link_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* A request whose head has come. Refused ones whose body is not waited for are answered at once. */
static enum MHD_Result begin_visit(oc_server *server, struct MHD_Connection *connection, const char *path,
                                   const char *method, void **user) {
    oc_visit *v = NULL;
    if (oc_alloc(&v, 1, sizeof *v, NULL) != OC_OK) return MHD_NO;
    *user = v;
    v->server = server;
    v->connection = connection;
    v->link = link_of(connection);
    v->began = oc_clock_seconds();
    v->exchange.request = (oc_request){.method = method,
                                       .path = path,
                                       .host = header(connection, "Host"),
                                       .authorization = header(connection, "Authorization"),
                                       .content_type = header(connection, "Content-Type"),
                                       .length = declared_length(connection),
                                       .argument = find_argument,
                                       .from = v};
    if (v->link) oc_link_enter(v->link, OC_LINK_SENDING, 0);
    if (!oc_service_admit(&server->service, &v->exchange)) {
        v->phase = OC_VISIT_REFUSED;
        if (v->exchange.request.length < 0 || v->exchange.request.length > DRAIN_BYTES) return send_reply(v);
    }
    return MHD_YES;
}

/* Takes some of a body, or lets it go by. */
static void receive(oc_visit *v, const char *data, size_t size) {
    oc_service *service = &v->server->service;
    /* What is let go by buys no time: it need not have an end. */
    if (v->phase == OC_VISIT_REFUSED) return;
    if (v->link) v->link->size += size;
    const size_t before = v->capacity;
    if ((int64_t)(v->size + size) > service->body) {
        oc_reply_error(&v->exchange.reply, 413, "the body has more than %lld bytes", (long long)service->body);
        v->phase = OC_VISIT_REFUSED;
    } else if (service->metrics.bytes + (int64_t)size > v->server->bodies ||
               oc_grow(&v->body, &v->capacity, v->size + size, 1, NULL) != OC_OK) {
        oc_reply_error(&v->exchange.reply, 503, "too many bodies are being sent: come again");
        v->exchange.reply.retry_after = 1;
        v->phase = OC_VISIT_REFUSED;
    } else {
        memcpy(v->body + v->size, data, size);
        v->size += size;
    }
    if (v->phase == OC_VISIT_REFUSED) {
        oc_free(v->body);
        v->body = NULL;
        v->size = v->capacity = 0;
    }
    service->metrics.bytes += (int64_t)v->capacity - (int64_t)before;
}

/* Does what comes next with a request that is complete. */
static enum MHD_Result go_on(oc_visit *v, oc_next next) {
    switch (next) {
    case OC_NEXT_REPLY:
        return send_reply(v);
    case OC_NEXT_COMPUTE:
        v->phase = OC_VISIT_COMPUTING;
        v->server->computing++;
        suspend(v);
        return MHD_YES;
    case OC_NEXT_RUNS:
        if (v->server->over) {
            oc_reply_error(&v->exchange.reply, 503, "the server is being stopped");
            return send_reply(v);
        }
        if (v->phase != OC_VISIT_RUNS) waiting_add(v);
        v->phase = OC_VISIT_RUNS;
        suspend(v);
        return MHD_YES;
    default:
        return begin_stream(v);
    }
}

enum MHD_Result oc_visit_request(void *user, struct MHD_Connection *connection, const char *path, const char *method,
                                 const char *version, const char *data, size_t *size, void **state) {
    oc_server *server = user;
    oc_visit *v = *state;
    (void)version;
    if (!v) return begin_visit(server, connection, path, method, state);
    if (*size > 0) {
        receive(v, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (!v->complete) {
        v->complete = true;
        if (v->link) oc_link_enter(v->link, OC_LINK_BUSY, 0);
    }
    switch (v->phase) {
    case OC_VISIT_REFUSED:
        return send_reply(v);
    case OC_VISIT_RECEIVING:
        v->exchange.request.body = v->body ? v->body : (const unsigned char *)"";
        v->exchange.request.size = v->size;
        return go_on(v, oc_service_answer(&server->service, &v->exchange));
    case OC_VISIT_COMPUTING:
        oc_service_finish(&server->service, &v->exchange);
        return send_reply(v);
    case OC_VISIT_RUNS: {
        const oc_next next = oc_service_answer(&server->service, &v->exchange);
        if (next != OC_NEXT_RUNS || server->over) waiting_remove(v);
        return go_on(v, next);
    }
    default:
        return MHD_YES;
    }
}

void oc_visit_completed(void *user, struct MHD_Connection *connection, void **state,
                        enum MHD_RequestTerminationCode code) {
    oc_visit *v = *state;
    (void)user, (void)connection, (void)code;
    if (!v) return;
    *state = NULL;
    if (v->phase == OC_VISIT_RUNS || v->phase == OC_VISIT_STREAMING) waiting_remove(v);
    if (v->phase == OC_VISIT_STREAMING) v->server->service.metrics.streams--;
    v->server->service.metrics.bytes -= (int64_t)v->capacity;
    if (v->link) oc_link_enter(v->link, OC_LINK_IDLE, 0);
    oc_exchange_free(&v->exchange);
    oc_text_free(&v->event);
    oc_free(v->body);
    oc_free(v);
}

void oc_visit_connection(void *user, struct MHD_Connection *connection, void **context,
                         enum MHD_ConnectionNotificationCode code) {
    oc_server *server = user;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = info ? oc_links_add(&server->links, (int)info->connect_fd) : NULL;
    } else {
        oc_links_remove(&server->links, *context);
        *context = NULL;
    }
}
