/* The server: libmicrohttpd's connections turned into requests of the service, and its replies back. One thread does
 * all of it, in a loop of its own, because libmicrohttpd is then touched by no other: what others finish they leave in
 * lists, and wake the loop through a file descriptor. Nothing in the loop takes long. */
#define _GNU_SOURCE 1
#include "ocelli/serve.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "serve/links.h"
#include "serve/listen.h"
#include "serve/names.h"
#include "serve/service.h"

/* The loop looks at the clock at least this often. */
#define TICK_MILLISECONDS 200
/* What is silent is told that it is still there, so that whatever is between does not take it for dead. */
#define STREAM_SECONDS 15.0
/* A connection that waits is not looked at by libmicrohttpd; who has gone away meanwhile is found this often. */
#define GONE_SECONDS 1.0
/* The body of a refused request is read to its end if it is no longer, since who sends it may look for the answer only
 * then; for others the connection ends with the answer. */
#define DRAIN_BYTES (1 << 20)
/* Bodies of all requests together; more of them are refused. */
#define BODIES_LEAST ((int64_t)256 << 20)
/* Connections that libmicrohttpd lets in beyond ours, which are just being closed. */
#define CLOSING 192
#define CONNECTION_MEMORY ((size_t)64 << 10)
/* At the end, connections that have only just been opened are given this long to send what they are about to. */
#define LAST_SECONDS 0.25

typedef enum visit_phase { RECEIVING, REFUSED, COMPUTING, RUNS, ANSWERED, STREAMING } visit_phase;

/* A request on its connection. */
typedef struct visit {
    oc_exchange exchange; /* first: a job's owner is its exchange */
    oc_server *server;
    struct MHD_Connection *connection;
    oc_link *link;
    visit_phase phase;
    bool suspended, complete, gone;
    double began;
    unsigned char *body;
    size_t size, capacity;
    /* Of a stream. */
    oc_text event;
    size_t event_sent;
    double told;
    struct visit *next, *previous; /* of those that wait for runs, or events */
} visit;

struct oc_server {
    oc_service service;
    oc_links links;
    oc_names names;
    char *token;
    oc_log log;
    int64_t bodies; /* most bytes of all bodies */
    int listening, waking, port;
    struct MHD_Daemon *daemon;
    int poll_fd;    /* libmicrohttpd's */
    visit *waiting; /* for runs, and for events */
    double looked;  /* for who of them is gone */
    int computing;  /* requests that are being computed */
    bool ending;
    atomic_bool new_runs; /* the watcher may have something for those that wait */
    atomic_bool stop;
};

/* ---- Waking the loop -------------------------------------------------------------------------------------------- */

/* Also from signal handlers. */
static void wake(void *user) {
    const oc_server *server = user;
    const uint64_t one = 1;
    (void)!write(server->waking, &one, sizeof one);
}

static void tell_of_runs(void *user) {
    oc_server *server = user;
    atomic_store(&server->new_runs, true);
    wake(server);
}

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

static void count_answer(visit *v, int status) {
    int route = -1;
    for (size_t i = 0; v->exchange.route && oc_route_at(i); i++)
        if (oc_route_at(i) == v->exchange.route) route = (int)i;
    oc_metrics_count(&v->server->service.metrics, route, status, oc_clock_seconds() - v->began);
}

static enum MHD_Result send_reply(visit *v) {
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
    v->phase = ANSWERED;
    if (v->link) oc_link_enter(v->link, OC_LINK_ANSWER, size);
    count_answer(v, reply->status);
    return queued;
}

/* ---- Visits that wait ------------------------------------------------------------------------------------------- */

static void suspend(visit *v) {
    if (v->suspended) return;
    v->suspended = true;
    MHD_suspend_connection(v->connection);
}

static void resume(visit *v) {
    if (!v->suspended) return;
    v->suspended = false;
    MHD_resume_connection(v->connection);
}

static void waiting_add(visit *v) {
    v->previous = NULL;
    v->next = v->server->waiting;
    if (v->next) v->next->previous = v;
    v->server->waiting = v;
}

static void waiting_remove(visit *v) {
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
    visit *v = user;
    oc_server *server = v->server;
    const double now = oc_clock_seconds();
    (void)position;
    if (v->gone) return MHD_CONTENT_READER_END_WITH_ERROR;
    if (server->ending) return MHD_CONTENT_READER_END_OF_STREAM;
    if (v->event_sent == v->event.size) {
        oc_text_free(&v->event);
        v->event_sent = 0;
        if (oc_live_event(server->service.live, &v->exchange.seen, &v->event, NULL) == OC_OK && v->event.size == 0 &&
            now - v->told >= STREAM_SECONDS)
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

static enum MHD_Result begin_stream(visit *v) {
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
    v->phase = STREAMING;
    v->told = oc_clock_seconds();
    if (v->link) oc_link_enter(v->link, OC_LINK_STREAM, 0);
    server->service.metrics.streams++;
    waiting_add(v);
    count_answer(v, 200);
    return queued;
}

/* ---- Requests --------------------------------------------------------------------------------------------------- */

static const char *find_argument(const void *from, const char *name) {
    const visit *v = from;
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
    visit *v = NULL;
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
        v->phase = REFUSED;
        if (v->exchange.request.length < 0 || v->exchange.request.length > DRAIN_BYTES) return send_reply(v);
    }
    return MHD_YES;
}

/* Takes some of a body, or lets it go by. */
static void receive(visit *v, const char *data, size_t size) {
    oc_service *service = &v->server->service;
    if (v->link) v->link->size += size;
    if (v->phase == REFUSED) return;
    const size_t before = v->capacity;
    if ((int64_t)(v->size + size) > service->body) {
        oc_reply_error(&v->exchange.reply, 413, "the body has more than %lld bytes", (long long)service->body);
        v->phase = REFUSED;
    } else if (service->metrics.bytes + (int64_t)size > v->server->bodies ||
               oc_grow(&v->body, &v->capacity, v->size + size, 1, NULL) != OC_OK) {
        oc_reply_error(&v->exchange.reply, 503, "too many bodies are being sent: come again");
        v->exchange.reply.retry_after = 1;
        v->phase = REFUSED;
    } else {
        memcpy(v->body + v->size, data, size);
        v->size += size;
    }
    if (v->phase == REFUSED) {
        oc_free(v->body);
        v->body = NULL;
        v->size = v->capacity = 0;
    }
    service->metrics.bytes += (int64_t)v->capacity - (int64_t)before;
}

/* Does what comes next with a request that is complete. */
static enum MHD_Result go_on(visit *v, oc_next next) {
    switch (next) {
    case OC_NEXT_REPLY:
        return send_reply(v);
    case OC_NEXT_COMPUTE:
        v->phase = COMPUTING;
        v->server->computing++;
        suspend(v);
        return MHD_YES;
    case OC_NEXT_RUNS:
        if (v->phase != RUNS) waiting_add(v);
        v->phase = RUNS;
        suspend(v);
        return MHD_YES;
    default:
        return begin_stream(v);
    }
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *data, size_t *size, void **state) {
    oc_server *server = user;
    visit *v = *state;
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
    case REFUSED:
        return send_reply(v);
    case RECEIVING:
        v->exchange.request.body = v->body ? v->body : (const unsigned char *)"";
        v->exchange.request.size = v->size;
        return go_on(v, oc_service_answer(&server->service, &v->exchange));
    case COMPUTING:
        oc_service_finish(&server->service, &v->exchange);
        return send_reply(v);
    case RUNS: {
        const oc_next next = oc_service_answer(&server->service, &v->exchange);
        if (next != OC_NEXT_RUNS) waiting_remove(v);
        return go_on(v, next);
    }
    default:
        return MHD_YES;
    }
}

static void on_completed(void *user, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code) {
    visit *v = *state;
    (void)user, (void)connection, (void)code;
    if (!v) return;
    *state = NULL;
    if (v->phase == RUNS || v->phase == STREAMING) waiting_remove(v);
    if (v->phase == STREAMING) v->server->service.metrics.streams--;
    v->server->service.metrics.bytes -= (int64_t)v->capacity;
    if (v->link) oc_link_enter(v->link, OC_LINK_IDLE, 0);
    oc_exchange_free(&v->exchange);
    oc_text_free(&v->event);
    oc_free(v->body);
    oc_free(v);
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
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

/* ---- The loop --------------------------------------------------------------------------------------------------- */

/* Whether the other side of a stream has closed it. */
static bool is_gone(const visit *v) {
    char byte;
    const ssize_t got = v->link ? recv(v->link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) : -1;
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static void find_gone(oc_server *server, double now) {
    if (now - server->looked < GONE_SECONDS) return;
    server->looked = now;
    for (visit *v = server->waiting; v; v = v->next) v->gone = v->gone || (v->phase == STREAMING && is_gone(v));
}

/* Lets go on who waited for what has come. */
static void deliver(oc_server *server) {
    const double now = oc_clock_seconds();
    oc_job *next = server->service.queue ? oc_queue_finished(server->service.queue) : NULL;
    for (oc_job *job = next; job; job = next) {
        next = job->next;
        server->computing--;
        resume(job->owner);
    }
    const bool new_runs = atomic_exchange(&server->new_runs, false);
    find_gone(server, now);
    for (visit *v = server->waiting; v; v = v->next)
        if (new_runs || server->ending || v->gone || (v->phase == STREAMING && now - v->told >= STREAM_SECONDS))
            resume(v);
}

static void turn(oc_server *server, int milliseconds) {
    struct pollfd sources[2] = {{.fd = server->poll_fd, .events = POLLIN}, {.fd = server->waking, .events = POLLIN}};
    unsigned long long timeout = 0;
    uint64_t woken = 0;
    if (MHD_get_timeout(server->daemon, &timeout) == MHD_YES && timeout < (unsigned long long)milliseconds)
        milliseconds = (int)timeout;
    (void)poll(sources, 2, milliseconds); /* a signal's interruption is as good as a wake */
    (void)!read(server->waking, &woken, sizeof woken);
    deliver(server);
    (void)MHD_run(server->daemon);
    oc_links_expire(&server->links);
    oc_metrics_page *metrics = &server->service.metrics;
    metrics->connections = server->links.count;
    metrics->shed = server->links.shed;
    metrics->timeouts = server->links.timeouts;
}

static bool asked_to_stop(const oc_server *server, const volatile int *stop) {
    return atomic_load(&server->stop) || (stop && *stop);
}

/* Answers what has come, and takes nothing new. */
static void wind_down(oc_server *server) {
    /* Who has connected already is let in. */
    for (int i = 0; i < 4; i++) turn(server, 0);
    server->ending = true;
    const MHD_socket listening = MHD_quiesce_daemon(server->daemon);
    if (listening != MHD_INVALID_SOCKET) {
        close(listening);
        server->listening = -1;
    }
    const double end = oc_clock_seconds() + server->links.seconds;
    while (server->computing > 0 || (server->links.first && oc_clock_seconds() < end)) {
        oc_links_hang_up(&server->links, LAST_SECONDS);
        turn(server, 20);
    }
}

oc_status oc_server_run(oc_server *server, const volatile int *stop, oc_error *err) {
    (void)err;
    server->service.metrics.began = oc_clock_seconds();
    while (!asked_to_stop(server, stop)) turn(server, TICK_MILLISECONDS);
    wind_down(server);
    return OC_OK;
}

void oc_server_stop(oc_server *server) {
    atomic_store(&server->stop, true);
    wake(server);
}

int oc_server_port(const oc_server *server) {
    return server->port;
}

const char *oc_server_note(const oc_server *server) {
    return server->service.queue ? oc_queue_note(server->service.queue) : "";
}

/* ---- Setting up ------------------------------------------------------------------------------------------------- */

static oc_status start_daemon(oc_server *server, oc_error *err) {
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET,
        (MHD_socket)server->listening, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, server, MHD_OPTION_CONNECTION_LIMIT, (unsigned)(server->links.most + CLOSING),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
        /* Our own clock is stricter; this one is for who does not take an answer. */
        (unsigned)(2 * server->links.seconds + 20), MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        server->daemon ? MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info) return oc_fail(err, OC_E_IO, NULL, "libmicrohttpd cannot be started: %s", strerror(errno));
    server->poll_fd = info->epoll_fd;
    return OC_OK;
}

/* Sockets for as many connections as are let in, and what else is open. */
static oc_status check_files(int connections, oc_error *err) {
    struct rlimit limit;
    const rlim_t needed = (rlim_t)connections + CLOSING + 64;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return OC_OK;
    return oc_fail(err, OC_E_USAGE, "connections",
                   "%d are more than %llu open files allow: fewer, or \"ulimit -n %llu\"", connections,
                   (unsigned long long)limit.rlim_cur, (unsigned long long)needed);
}

static oc_status make_service(oc_server *server, const oc_server_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_service *service = &server->service;
    service->model = options->model;
    service->body = options->body > 0 ? options->body : 20000000;
    service->pixels = options->pixels > 0 ? options->pixels : 50000000;
    service->images = options->queue > 0 ? options->queue : 256;
    server->bodies = 4 * service->body > BODIES_LEAST ? 4 * service->body : BODIES_LEAST;
    if (options->token) {
        OC_TRY(oc_strdup(&server->token, options->token, err));
        service->token = server->token;
    }
    if (options->model) {
        const oc_queue_options queue = {.threads = options->threads,
                                        .batch = options->batch > 0 ? options->batch : 8,
                                        .most = service->images,
                                        .pixels = service->pixels,
                                        .wait = options->wait < 0   ? 0
                                                : options->wait > 0 ? options->wait
                                                                    : 0.002,
                                        .notify = wake,
                                        .user = server};
        if (!options->class_names) {
            OC_TRY(oc_serve_names(&server->names, options->model, err));
            service->names = (const char *const *)server->names.item;
        } else {
            for (size_t i = 0; i < options->model->classes.count; i++)
                OC_TRY(oc_names_add(&server->names, options->class_names[i], err));
            service->names = (const char *const *)server->names.item;
        }
        OC_TRY(oc_queue_create(&service->queue, options->model, &queue, err));
    }
    if (options->runs) OC_TRY(oc_live_create(&service->live, options->runs, options->model, tell_of_runs, server, err));
cleanup:
    return status;
}

oc_status oc_server_create(oc_server **out, const oc_server_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_server *server = NULL;
    *out = NULL;
    if (!options->model && !options->runs)
        return oc_fail(err, OC_E_USAGE, NULL, "there is nothing to serve: neither a model nor runs");
    OC_TRY(oc_alloc(&server, 1, sizeof *server, err));
    server->listening = server->waking = -1;
    server->log = options->log;
    server->links.most = options->connections > 0 ? options->connections : 256;
    server->links.seconds = options->seconds > 0 ? options->seconds : 10;
    OC_TRY(check_files(server->links.most, err));
    server->waking = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->waking < 0) {
        status = oc_fail(err, OC_E_IO, NULL, "the system gives no event file descriptor: %s", strerror(errno));
        goto cleanup;
    }
    OC_TRY(oc_listen(&server->listening, &server->port, &server->service.loopback,
                     options->host ? options->host : "127.0.0.1", options->port, err));
    OC_TRY(make_service(server, options, err));
    OC_TRY(start_daemon(server, err));
    *out = server;
    server = NULL;
cleanup:
    oc_server_destroy(&server);
    return status;
}

void oc_server_destroy(oc_server **server) {
    oc_server *s = *server;
    if (!s) return;
    if (s->daemon) {
        const MHD_socket listening = MHD_quiesce_daemon(s->daemon);
        if (listening != MHD_INVALID_SOCKET) {
            close(listening);
            s->listening = -1;
        }
        MHD_stop_daemon(s->daemon);
    }
    oc_queue_destroy(&s->service.queue);
    oc_live_destroy(&s->service.live);
    if (s->listening >= 0) close(s->listening);
    if (s->waking >= 0) close(s->waking);
    oc_names_free(&s->names);
    oc_free(s->token);
    oc_free(s);
    *server = NULL;
}
