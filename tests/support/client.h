/* A client of HTTP for tests of the server: plain sockets, so that what is sent can be as wrong as one likes. All
 * functions fail the test where the system refuses something, unless said otherwise. */
#ifndef OC_TESTS_SUPPORT_CLIENT_H
#define OC_TESTS_SUPPORT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

/* An answer. */
typedef struct test_answer {
    int status;  /* 0: the connection ended without one */
    char *head;  /* all lines of it; freed by test_answer_free */
    char *body;  /* NUL-terminated, too */
    size_t size; /* of the body */
} test_answer;
void test_answer_free(test_answer *answer);
/* The value of a header as the answer has it, "" where it is absent; overwritten by the next call. */
const char *test_answer_header(const test_answer *answer, const char *name);

/* Connects to a port of this machine. */
int test_connect(int port);
/* Sends all; false where the other side has closed. */
bool test_send(int fd, const void *data, size_t size);
bool test_send_text(int fd, const char *text);
/* Reads one answer, of declared or chunked length, or up to the end of the connection. Waits `seconds` at most, then
 * status is −1. */
test_answer test_receive(int fd, double seconds);
/* What comes within `seconds`, or until `text` is in it; NUL-terminated, freed with free. */
char *test_receive_until(int fd, const char *text, double seconds);
/* Whether the other side closes the connection within `seconds`. */
bool test_closed(int fd, double seconds);

/* A whole request on a connection of its own. `type` and `headers` (whole lines) may be NULL, `body` too. */
test_answer test_request(int port, const char *method, const char *target, const char *headers, const char *type,
                         const void *body, size_t size);
/* Only sends it, for test_receive. */
int test_request_begin(int port, const char *method, const char *target, const char *headers, const char *type,
                       const void *body, size_t size);

#endif
