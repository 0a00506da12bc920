/* One connection after the other, one request each. */
#define _GNU_SOURCE 1
#include "support/web.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define GLANCE 20 /* milliseconds */
#define HEAD_SIZE 4096
#define PIECE 65536

/* Whether there is something to read or take, false where the server ends. */
static bool wait_for(const test_web *web, int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN};
    while (!web->ends)
        if (poll(&one, 1, GLANCE) > 0) return true;
    return false;
}

/* The head of a request, up to its empty line. */
static bool read_head(const test_web *web, int fd, char head[HEAD_SIZE]) {
    size_t size = 0;
    while (size < HEAD_SIZE - 1 && wait_for(web, fd)) {
        const ssize_t got = recv(fd, head + size, HEAD_SIZE - 1 - size, 0);
        if (got <= 0) return false;
        size += (size_t)got;
        head[size] = '\0';
        if (strstr(head, "\r\n\r\n")) return true;
    }
    return false;
}

static test_web_request understand(const char *head) {
    test_web_request request = {.from = -1};
    const char *range = strcasestr(head, "\r\nRange: bytes="), *condition = strcasestr(head, "\r\nIf-Range: ");
    if (range) request.from = strtoll(range + strlen("\r\nRange: bytes="), NULL, 10);
    if (condition) {
        condition += strlen("\r\nIf-Range: ");
        snprintf(request.condition, sizeof request.condition, "%.*s", (int)strcspn(condition, "\r"), condition);
    }
    return request;
}

static bool send_all(int fd, const void *data, size_t size) {
    const char *bytes = data;
    while (size > 0) {
        const ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* The bytes [begin, end) of the file. */
static void send_body(const test_web *web, int fd, const test_web_answer *answer, const unsigned char *data,
                      int64_t begin, int64_t end, int64_t *sent) {
    static const unsigned char zeros[PIECE];
    const int64_t most = answer->pace > 0 && answer->pace < PIECE ? answer->pace : PIECE;
    while (begin < end && !web->ends) {
        const int64_t size = end - begin < most ? end - begin : most;
        if (!send_all(fd, data ? data + begin : zeros, (size_t)size)) return;
        begin += size;
        *sent += size;
        if (answer->pace > 0) nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

static void answer_request(test_web *web, int fd, const test_web_answer *answer, test_web_request *request) {
    char head[HEAD_SIZE], length[64] = "", range[96] = "";
    const unsigned char *data = answer->data ? answer->data : web->data;
    const char *validator = answer->validator ? answer->validator
                            : web->validator  ? web->validator
                                              : "ETag: \"one\"\r\n";
    const bool same = !request->condition[0] || answer->heedless || strstr(validator, request->condition);
    int status = answer->status;
    int64_t begin = request->from >= 0 && same && !answer->whole ? request->from : 0, end = web->size;
    if (!status) status = begin >= end ? 416 : request->from >= 0 && same && !answer->whole ? 206 : 200;
    if (status == 206) {
        begin += answer->shift;
        snprintf(range, sizeof range, "Content-Range: bytes %" PRId64 "-%" PRId64 "/%" PRId64 "\r\n", begin, end - 1,
                 end);
    }
    if (answer->status || status == 416) begin = end = 0;
    if (answer->declare >= 0)
        snprintf(length, sizeof length, "Content-Length: %" PRId64 "\r\n",
                 answer->declare ? answer->declare : end - begin);
    snprintf(head, sizeof head, "HTTP/1.1 %d Status\r\nConnection: close\r\n%s%s%s%s\r\n", status, length, range,
             validator, answer->head ? answer->head : "");
    if (!send_all(fd, head, strlen(head))) return;
    if (answer->stop > 0 && answer->stop < end - begin) end = begin + answer->stop;
    send_body(web, fd, answer, data, begin, end, &request->sent);
    if (answer->stall) wait_for(web, fd); /* until the other side closes */
}

static void *thread_main(void *argument) {
    static const test_web_answer good = {0};
    test_web *web = argument;
    char head[HEAD_SIZE];
    while (wait_for(web, web->listener)) {
        const int fd = accept4(web->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) continue;
        if (read_head(web, fd, head) && web->asked < TEST_WEB_REQUESTS) {
            const int place = web->asked;
            test_web_request *request = &web->requests[place];
            *request = understand(head);
            if (web->told) web->told(request);
            web->asked++;
            const int row = place < web->count ? place : web->count - 1;
            answer_request(web, fd, web->answers ? &web->answers[row] : &good, request);
        }
        shutdown(fd, SHUT_WR);
        close(fd);
    }
    return NULL;
}

void test_web_start(test_web *web) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    web->asked = 0;
    web->ends = false;
    web->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(web->listener >= 0);
    assert_int_equal(bind(web->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(web->listener, 8), 0);
    assert_int_equal(getsockname(web->listener, (struct sockaddr *)&address, &size), 0);
    web->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&web->thread, NULL, thread_main, web), 0);
}

void test_web_stop(test_web *web) {
    web->ends = true;
    pthread_join(web->thread, NULL);
    close(web->listener);
}
