/* The server: libmicrohttpd's connections turned into requests of the service, and its replies back. One thread does
 * all of it, in a loop of its own, because libmicrohttpd is then touched by no other: what others finish they leave in
 * lists, and wake the loop through a file descriptor. Nothing in the loop takes long. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "serve/listen.h"
#include "serve/names.h"
#include "serve/server_internal.h"

/* The loop looks at the clock at least this often. */
#define TICK_MILLISECONDS 200
/* A connection that waits is not looked at by libmicrohttpd; who has gone away meanwhile is found this often. */
#define GONE_SECONDS 1.0
/* Bodies of all requests together; more of them are refused. */
#define BODIES_LEAST ((int64_t)256 << 20)
/* Connections that libmicrohttpd lets in beyond ours, which are just being closed. */
#define CLOSING 192
#define CONNECTION_MEMORY ((size_t)64 << 10)
/* At the end, connections that have only just been opened are given this long to send what they are about to. */
#define LAST_SECONDS 0.25

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

/* ---- The loop --------------------------------------------------------------------------------------------------- */

/* Whether the other side of a stream has closed it. */
static bool is_gone(const oc_visit *v) {
    char byte;
    const ssize_t got = v->link ? recv(v->link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) : -1;
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static void find_gone(oc_server *server, double now) {
    if (now - server->looked < GONE_SECONDS) return;
    server->looked = now;
    for (oc_visit *v = server->waiting; v; v = v->next)
        v->gone = v->gone || (v->phase == OC_VISIT_STREAMING && is_gone(v));
}

/* Lets go on who waited for what has come. */
static void deliver(oc_server *server) {
    const double now = oc_clock_seconds();
    oc_job *next = server->service.queue ? oc_queue_finished(server->service.queue) : NULL;
    for (oc_job *job = next; job; job = next) {
        next = job->next;
        server->computing--;
        oc_visit_resume(job->owner);
    }
    const bool new_runs = atomic_exchange(&server->new_runs, false);
    find_gone(server, now);
    for (oc_visit *v = server->waiting; v; v = v->next)
        if (new_runs || server->ending || v->gone ||
            (v->phase == OC_VISIT_STREAMING && now - v->told >= OC_STREAM_SECONDS))
            oc_visit_resume(v);
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
    /* libmicrohttpd wants to be left with no connection that is suspended. */
    server->over = true;
    for (int i = 0; i < 4; i++) turn(server, 0);
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
    server->daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, oc_visit_request, server,
                         MHD_OPTION_LISTEN_SOCKET, (MHD_socket)server->listening, MHD_OPTION_NOTIFY_COMPLETED,
                         oc_visit_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, oc_visit_connection, server,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)(server->links.most + CLOSING),
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
        const oc_queue_options queue = {.precision = options->precision,
                                        .threads = options->threads,
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
