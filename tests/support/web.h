/* A web server in a thread of the test's, on plain sockets, so that it can be as bad as one likes: each request is
 * answered as its row says. All functions fail the test where the system refuses something. */
#ifndef OC_TESTS_SUPPORT_WEB_H
#define OC_TESTS_SUPPORT_WEB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TEST_WEB_REQUESTS 64

/* How a request is answered. All zero: as a good server does, Range and If-Range included. */
typedef struct test_web_answer {
    const unsigned char *data; /* the file; NULL: the server's */
    const char *validator;     /* lines of the head, "ETag: \"a\"\r\n"; NULL: the server's; "": none */
    const char *head;          /* more lines of it */
    int64_t declare;           /* the Content-Length instead of the right one; < 0: none */
    int64_t stop;              /* bytes of the body before it ends or stalls; 0: all */
    int64_t shift;             /* added to the beginning of what is sent for a Range, declared so */
    int64_t pace;              /* bytes in a hundredth of a second; 0: as fast as it goes */
    int status;                /* without a body of the file; 0: 200 or 206 */
    bool stall;                /* then nothing comes any more, and the connection stays */
    bool whole;                /* no Range is understood */
    bool heedless;             /* If-Range is not understood */
} test_web_answer;

/* What came of a request. */
typedef struct test_web_request {
    int64_t from;       /* the beginning of its Range; −1: none */
    char condition[64]; /* its If-Range; "": none */
    int64_t sent;       /* bytes of the body */
} test_web_request;

typedef struct test_web {
    const unsigned char *data; /* what is served; NULL: zeros */
    int64_t size;
    const char *validator;          /* NULL: ETag: "one" */
    const test_web_answer *answers; /* of the requests in turn, the last for all others; NULL: good ones */
    int count;
    void (*told)(const test_web_request *request); /* called when a request has come; may be NULL */
    /* set by the server */
    int port;
    test_web_request requests[TEST_WEB_REQUESTS];
    atomic_int asked; /* requests so far */
    int listener;
    atomic_bool ends;
    pthread_t thread;
} test_web;

/* Starts it at a free port of 127.0.0.1; the fields above are set. */
void test_web_start(test_web *web);
void test_web_stop(test_web *web);

#endif
