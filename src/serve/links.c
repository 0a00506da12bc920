/* Connections, their time, and their number. libmicrohttpd only knows how long a connection was silent; a request that
 * comes a byte at a time is never silent for long. It is told of a connection's end as a client would end it: by the
 * socket. */
#include "serve/links.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/memory.h"
#include "serve/http.h"

#define LEAST_BYTES_PER_SECOND 65536.0

/* Ends a connection; `status`: what the other side is told first, 0: nothing. Nothing else has been sent in answer to
 * what it is sending, so that this is one. */
static void hang_up(oc_links *links, oc_link *link, int status) {
    oc_reply reply = {0};
    char head[256];
    if (link->closed) return;
    link->closed = true;
    links->count--;
    if (status) {
        oc_reply_error(&reply, status, "%s",
                       status == 408 ? "the request did not come in time" : "too many connections: come again");
        const int length = snprintf(
            head, sizeof head,
            "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%sConnection: close\r\n\r\n",
            status, oc_http_reason(status), reply.text.size, status == 503 ? "Retry-After: 1\r\n" : "");
        /* Whoever does not take it at once is not told. */
        if (send(link->fd, head, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE) == length && reply.text.data)
            (void)!send(link->fd, reply.text.data, reply.text.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    shutdown(link->fd, SHUT_RDWR);
    oc_reply_free(&reply);
}

static bool without_request(const oc_link *link) {
    return link->phase == OC_LINK_FRESH || link->phase == OC_LINK_IDLE || link->phase == OC_LINK_SENDING;
}

/* Whether it has sent some of a request, or was to. */
static int told(const oc_link *link) {
    return link->phase == OC_LINK_FRESH || link->phase == OC_LINK_SENDING ? 408 : 0;
}

oc_link *oc_links_add(oc_links *links, int fd) {
    oc_link *link = NULL, *oldest = NULL;
    if (oc_alloc(&link, 1, sizeof *link, NULL) != OC_OK) return NULL;
    link->fd = fd;
    link->since = oc_clock_seconds();
    link->previous = links->last;
    if (links->last)
        links->last->next = link;
    else
        links->first = link;
    links->last = link;
    if (++links->count > links->most) {
        for (oc_link *other = links->first; other != link; other = other->next)
            if (!other->closed && without_request(other) && (!oldest || other->since < oldest->since)) oldest = other;
        hang_up(links, oldest ? oldest : link, oldest ? told(oldest) : 503);
        links->shed++;
    }
    return link;
}

void oc_links_remove(oc_links *links, oc_link *link) {
    if (!link) return;
    if (link->previous)
        link->previous->next = link->next;
    else
        links->first = link->next;
    if (link->next)
        link->next->previous = link->previous;
    else
        links->last = link->previous;
    if (!link->closed) links->count--;
    oc_free(link);
}

void oc_link_enter(oc_link *link, oc_link_phase phase, uint64_t size) {
    link->phase = phase;
    link->size = size;
    link->since = oc_clock_seconds();
}

void oc_links_expire(oc_links *links) {
    const double now = oc_clock_seconds();
    for (oc_link *link = links->first; link; link = link->next) {
        if (link->closed || link->phase == OC_LINK_BUSY || link->phase == OC_LINK_STREAM) continue;
        if (now < link->since + links->seconds + (double)link->size / LEAST_BYTES_PER_SECOND) continue;
        hang_up(links, link, told(link));
        links->timeouts++;
    }
}

void oc_links_hang_up(oc_links *links, double grace) {
    const double now = oc_clock_seconds();
    for (oc_link *link = links->first; link; link = link->next)
        if ((link->phase == OC_LINK_FRESH && now >= link->since + grace) || link->phase == OC_LINK_IDLE)
            hang_up(links, link, 0);
}
