/* Requests over sockets. */
#define _GNU_SOURCE 1
#include "support/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

void test_answer_free(test_answer *answer) {
    free(answer->head);
    free(answer->body);
    *answer = (test_answer){0};
}

const char *test_answer_header(const test_answer *answer, const char *name) {
    static char value[1024];
    const size_t length = strlen(name);
    for (const char *line = answer->head; line && *line;) {
        const size_t size = strcspn(line, "\r\n");
        if (size > length && strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *text = line + length + 1 + strspn(line + length + 1, " ");
            snprintf(value, sizeof value, "%.*s", (int)(size - (size_t)(text - line)), text);
            return value;
        }
        line += size;
        line += strspn(line, "\r\n");
    }
    return "";
}

int test_connect(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        fail_msg("connect: %s", strerror(errno));
    return fd;
}

bool test_send(int fd, const void *data, size_t size) {
    const char *at = data;
    while (size > 0) {
        const ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

bool test_send_text(int fd, const char *text) {
    return test_send(fd, text, strlen(text));
}

/* What has come so far. */
typedef struct input {
    char *data;
    size_t size;
    bool ended; /* nothing more comes */
} input;

/* Waits for more; false: none came in time. */
static bool read_more(int fd, input *in, double until) {
    struct pollfd source = {.fd = fd, .events = POLLIN};
    const double left = until - oc_clock_seconds();
    if (left <= 0 || poll(&source, 1, (int)(1e3 * left) + 1) <= 0) return false;
    in->data = realloc(in->data, in->size + 65537);
    assert_non_null(in->data);
    const ssize_t got = recv(fd, in->data + in->size, 65536, 0);
    if (got <= 0)
        in->ended = true;
    else
        in->size += (size_t)got;
    in->data[in->size] = '\0';
    return true;
}

/* The body of chunks behind `at`; false: there is more to come. */
static bool join_chunks(const input *in, size_t at, test_answer *answer) {
    answer->body = realloc(answer->body, in->size + 1);
    assert_non_null(answer->body);
    answer->size = 0;
    for (;;) {
        const char *line_end = memmem(in->data + at, in->size - at, "\r\n", 2);
        if (!line_end) return false;
        const size_t size = strtoul(in->data + at, NULL, 16);
        at = (size_t)(line_end + 2 - in->data);
        if (in->size < at + size + 2) return false;
        memcpy(answer->body + answer->size, in->data + at, size);
        answer->size += size;
        answer->body[answer->size] = '\0';
        if (size == 0) return true;
        at += size + 2;
    }
}

test_answer test_receive(int fd, double seconds) {
    test_answer answer = {0};
    input in = {0};
    const double until = oc_clock_seconds() + seconds;
    size_t head = 0;
    for (bool whole = false; !whole;) {
        const char *end = in.data ? strstr(in.data, "\r\n\r\n") : NULL;
        if (end && !answer.head) {
            head = (size_t)(end - in.data) + 4;
            answer.head = strndup(in.data, head);
            answer.status = (int)strtol(in.data + strcspn(in.data, " "), NULL, 10);
            /* "100 Continue" goes before the answer. */
            if (answer.status == 100) {
                free(answer.head);
                answer.head = NULL;
                memmove(in.data, in.data + head, in.size - head + 1);
                in.size -= head;
                continue;
            }
        }
        const char *declared = answer.head ? test_answer_header(&answer, "Content-Length") : "";
        if (answer.head && strcasecmp(test_answer_header(&answer, "Transfer-Encoding"), "chunked") == 0)
            whole = join_chunks(&in, head, &answer);
        else if (*declared)
            whole = in.size >= head + strtoul(declared, NULL, 10);
        if (whole || in.ended) break;
        if (!read_more(fd, &in, until)) {
            answer.status = -1;
            break;
        }
    }
    if (!answer.head) answer.status = answer.status < 0 ? -1 : 0;
    if (!answer.body) {
        answer.size = in.size > head ? in.size - head : 0;
        answer.body = malloc(answer.size + 1);
        assert_non_null(answer.body);
        if (answer.size > 0) memcpy(answer.body, in.data + head, answer.size);
        answer.body[answer.size] = '\0';
    }
    free(in.data);
    return answer;
}

char *test_receive_until(int fd, const char *text, double seconds) {
    input in = {0};
    const double until = oc_clock_seconds() + seconds;
    while (!in.ended && !(in.data && strstr(in.data, text)) && read_more(fd, &in, until)) continue;
    return in.data ? in.data : strdup("");
}

bool test_closed(int fd, double seconds) {
    input in = {0};
    const double until = oc_clock_seconds() + seconds;
    while (!in.ended && read_more(fd, &in, until)) continue;
    free(in.data);
    return in.ended;
}

int test_request_begin(int port, const char *method, const char *target, const char *headers, const char *type,
                       const void *body, size_t size) {
    char head[4096];
    const int fd = test_connect(port);
    int length = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: localhost:%d\r\n%s", method, target, port,
                          headers ? headers : "");
    if (type) length += snprintf(head + length, sizeof head - (size_t)length, "Content-Type: %s\r\n", type);
    if (body) length += snprintf(head + length, sizeof head - (size_t)length, "Content-Length: %zu\r\n", size);
    snprintf(head + length, sizeof head - (size_t)length, "\r\n");
    if (test_send_text(fd, head) && body) test_send(fd, body, size);
    return fd;
}

test_answer test_request(int port, const char *method, const char *target, const char *headers, const char *type,
                         const void *body, size_t size) {
    const int fd = test_request_begin(port, method, target, headers, type, body, size);
    const test_answer answer = test_receive(fd, 30);
    close(fd);
    return answer;
}
