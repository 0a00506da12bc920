/* Opening the listening socket. */
#define _GNU_SOURCE 1
#include "serve/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

static bool is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    }
    struct sockaddr_in6 v6;
    if (address->sa_family != AF_INET6) return false;
    memcpy(&v6, address, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

static int port_of(int fd) {
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0) return 0;
    if (bound.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &bound, sizeof v6);
        return ntohs(v6.sin6_port);
    }
    struct sockaddr_in v4;
    memcpy(&v4, &bound, sizeof v4);
    return ntohs(v4.sin_port);
}

oc_status oc_listen(int *out, int *port, bool *loopback, const char *host, int wanted, oc_error *err) {
    oc_status status = OC_OK;
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[16], where[300];
    int fd = -1, yes = 1;
    if (wanted < 0 || wanted > 65535) return oc_fail(err, OC_E_USAGE, "port", "%d is no port: 0 to 65535", wanted);
    snprintf(service, sizeof service, "%d", wanted);
    snprintf(where, sizeof where, "%.200s:%d", host, wanted);
    const int answer = getaddrinfo(host, service, &hints, &found);
    if (answer != 0)
        return oc_fail(err, OC_E_USAGE, "host", "\"%.200s\" is no host that there is: %s", host, gai_strerror(answer));
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
        const int reason = errno;
        status = oc_fail(err, OC_E_IO, where, "cannot listen there: %s%s", strerror(reason),
                         reason == EADDRINUSE ? "; choose another port" : "");
        goto cleanup;
    }
    *loopback = is_loopback(found->ai_addr);
    *port = port_of(fd);
    *out = fd;
    fd = -1;
cleanup:
    freeaddrinfo(found);
    if (fd >= 0) close(fd);
    return status;
}
