/* label: slow */
/* runs: alone */
/* Bad requests, slow ones and too many: each gets an answer of 4xx or the end of its connection in time, and the server
 * goes on answering others. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/server.h"
#include "support/temporary.h"

#define BODY 200000
#define SECONDS 1.0
#define CONNECTIONS 32

static char folder[256];
static test_server server;

static unsigned char *image(size_t *size) {
    char path[320];
    snprintf(path, sizeof path, "%s/image.png", folder);
    test_png_write(path, 64, 64, 1, TEST_PNG_RGB);
    return test_bytes_read(path, size);
}

/* The server answers as if nothing had been, and soon. */
static void require_alive(void) {
    size_t size;
    unsigned char *data = image(&size);
    const double began = oc_clock_seconds();
    test_answer answer = test_request(server.port, "POST", "/v1/classify", NULL, "image/png", data, size);
    if (answer.status != 200) fail_msg("the server is not well: %d: %s", answer.status, answer.body);
    if (oc_clock_seconds() - began > 5) fail_msg("an image took %g s", oc_clock_seconds() - began);
    test_answer_free(&answer);
    free(data);
}

static void require(test_answer *answer, int status, const char *says) {
    if (answer->status != status || !strstr(answer->body, says))
        fail_msg("%d, not %d, \"%s\" does not say \"%s\"", answer->status, status, answer->body, says);
    test_answer_free(answer);
}

static test_answer post(const char *type, const void *body, size_t size) {
    return test_request(server.port, "POST", "/v1/classify", NULL, type, body, size);
}

/* ---- Bodies ---- */

static void test_no_images(void **state) {
    (void)state;
    size_t size;
    unsigned char *data = image(&size);
    test_answer answer = post("image/png", "", 0);
    require(&answer, 400, "empty");
    answer = post(NULL, NULL, 0);
    require(&answer, 400, "empty");
    answer = post("application/json", "{}", 2);
    require(&answer, 415, "application/json");
    answer = post("image/png", "hello", 5);
    require(&answer, 415, "not an image");
    answer = post("image/png", data, size / 2);
    require(&answer, 422, "truncated");
    answer = post("image/png", data, 9);
    require(&answer, 422, "");
    memset(data + size / 2, 0x55, 16);
    answer = post("image/png", data, size);
    require(&answer, 422, "");
    free(data);
    require_alive();
}

/* The beginning of a PNG of that size, in a file of some bytes more. */
static size_t huge_png(unsigned char *out, uint32_t width, uint32_t height) {
    static const unsigned char begin[] = {0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0, 0, 13, 'I', 'H', 'D', 'R'};
    memcpy(out, begin, sizeof begin);
    const unsigned char ihdr[] = {(unsigned char)(width >> 24),
                                  (unsigned char)(width >> 16),
                                  (unsigned char)(width >> 8),
                                  (unsigned char)width,
                                  (unsigned char)(height >> 24),
                                  (unsigned char)(height >> 16),
                                  (unsigned char)(height >> 8),
                                  (unsigned char)height,
                                  8,
                                  2,
                                  0,
                                  0,
                                  0};
    memcpy(out + sizeof begin, ihdr, sizeof ihdr);
    size_t at = sizeof begin + sizeof ihdr;
    /* CRC-32 of the chunk's type and data, as PNG has it. */
    uint32_t crc = 0xffffffffU;
    for (size_t i = 12; i < at; i++) {
        crc ^= out[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
    }
    crc = ~crc;
    for (int shift = 24; shift >= 0; shift -= 8) out[at++] = (unsigned char)(crc >> shift);
    return at;
}

/* Told by the header, before anything is decoded or memory asked for. */
static void test_huge_dimensions(void **state) {
    (void)state;
    static const struct {
        uint32_t width, height;
        const char *says;
    } sizes[] = {{60000, 60000, "too large"}, {4001, 1000, "too large"}, {0xffffffffU, 0xffffffffU, ""}, {0, 5, ""}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char data[4096] = {0};
        huge_png(data, sizes[i].width, sizes[i].height);
        const double began = oc_clock_seconds();
        test_answer answer = post("image/png", data, sizeof data);
        require(&answer, 422, sizes[i].says);
        assert_true(oc_clock_seconds() - began < 2);
    }
    require_alive();
}

static void test_oversize(void **state) {
    (void)state;
    char *data = calloc(1, BODY + 1);
    assert_non_null(data);
    /* Declared: refused at the head, whatever comes. */
    const int fd = test_connect(server.port);
    char head[256];
    test_send_text(fd, "POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n");
    test_answer answer = test_receive(fd, 5);
    require(&answer, 413, "5000000 bytes");
    assert_true(test_closed(fd, 5));
    close(fd);
    answer = post("image/png", data, BODY + 1);
    require(&answer, 413, "");
    /* Just as much as is allowed is read, and is no image. */
    answer = post("image/png", data, BODY);
    require(&answer, 415, "");
    /* Not declared: told when it has gone too far. */
    const int chunks = test_connect(server.port);
    test_send_text(chunks, "POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        test_send_text(chunks, "186a0\r\n");
        test_send(chunks, data, 100000);
        test_send_text(chunks, "\r\n");
    }
    test_send_text(chunks, "0\r\n\r\n");
    answer = test_receive(chunks, 5);
    require(&answer, 413, "more than 200000");
    close(chunks);
    /* A number that is none, or none that there is. */
    static const char *const lengths[] = {"-5", "99999999999999999999999", "x"};
    for (size_t i = 0; i < 3; i++) {
        const int odd = test_connect(server.port);
        snprintf(head, sizeof head, "POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: %s\r\n\r\n",
                 lengths[i]);
        test_send_text(odd, head);
        answer = test_receive(odd, 5);
        if (answer.status != 0 && (answer.status < 400 || answer.status > 499))
            fail_msg("%s: %d", lengths[i], answer.status);
        test_answer_free(&answer);
        close(odd);
    }
    free(data);
    require_alive();
}

static void test_malformed_forms(void **state) {
    (void)state;
    static const struct {
        const char *type, *body, *says;
    } forms[] = {
        {"multipart/form-data", "--b\r\n\r\n\r\n--b--", "boundary"},
        {"multipart/form-data; boundary=", "--\r\n", "boundary"},
        {"multipart/form-data; boundary=\"b", "--b\r\n", "boundary"},
        {"multipart/form-data; boundary=b", "", "no end"},
        {"multipart/form-data; boundary=b", "--b", "no end"},
        {"multipart/form-data; boundary=b", "--b--", "no part"},
        {"multipart/form-data; boundary=b", "--b\r\n", "no end"},
        {"multipart/form-data; boundary=b",
         "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nxxx", "no end"},
        {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nxxx\r\n--b--",
         "no part"},
        {"multipart/form-data; boundary=b",
         "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n\r\n--b--", "empty"},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        test_answer answer = post(forms[i].type, forms[i].body, strlen(forms[i].body));
        if (answer.status < 400 || answer.status > 499 || !strstr(answer.body, forms[i].says))
            fail_msg("form %zu: %d: %s", i, answer.status, answer.body);
        test_answer_free(&answer);
    }
    require_alive();
}

/* ---- Time ---- */

/* A byte now and then is not for ever. */
static void trickle(const char *begin) {
    const int fd = test_connect(server.port);
    const double began = oc_clock_seconds();
    test_send_text(fd, begin);
    while (oc_clock_seconds() - began < 10 && test_send(fd, "a", 1)) {
        usleep(50000);
        char *text = test_receive_until(fd, "\r\n\r\n", 0.001);
        const bool told = strstr(text, "408") != NULL;
        free(text);
        if (told) break;
    }
    const double took = oc_clock_seconds() - began;
    if (took < SECONDS - 0.1 || took > SECONDS + 2) fail_msg("after \"%.20s…\" ended after %g s", begin, took);
    assert_true(test_closed(fd, 2));
    close(fd);
}

static void test_slow_senders(void **state) {
    (void)state;
    trickle("POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nX-Long: ");
    trickle("POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
    require_alive();
}

/* A body that never ends is not read for ever, however fast it comes. */
static void test_endless(void **state) {
    (void)state;
    char *data = calloc(1, 65536);
    assert_non_null(data);
    const int fd = test_connect(server.port);
    const double began = oc_clock_seconds();
    test_send_text(fd, "POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (oc_clock_seconds() - began < 20 && test_send_text(fd, "10000\r\n") && test_send(fd, data, 65536) &&
           test_send_text(fd, "\r\n"))
        usleep(1000);
    const double took = oc_clock_seconds() - began;
    if (took > SECONDS + BODY / 65536.0 + 3) fail_msg("read for %g s", took);
    close(fd);
    free(data);
    require_alive();
}

/* Half a request, and then nothing. */
static void test_half_requests(void **state) {
    (void)state;
    static const char *const halves[] = {
        "", "P", "POST /v1/classify HTTP/1.1\r\n",
        "POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab"};
    for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++) {
        const int fd = test_connect(server.port);
        test_send_text(fd, halves[i]);
        test_answer answer = test_receive(fd, SECONDS + 3);
        if (answer.status != 408) fail_msg("half request %zu: %d", i, answer.status);
        assert_true(test_closed(fd, 2));
        test_answer_free(&answer);
        close(fd);
    }
    /* Between two requests nothing is owed. */
    const int fd = test_connect(server.port);
    test_send_text(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    test_answer answer = test_receive(fd, 5);
    require(&answer, 200, "ok");
    answer = test_receive(fd, SECONDS + 3);
    assert_int_equal(answer.status, 0);
    assert_int_equal(answer.size, 0);
    test_answer_free(&answer);
    close(fd);
    /* Somebody who goes away in the middle of it. */
    for (int i = 0; i < 20; i++) {
        const int gone = test_connect(server.port);
        test_send_text(gone, halves[i % 4]);
        close(gone);
    }
    size_t size;
    unsigned char *data = image(&size);
    for (int i = 0; i < 20; i++) close(test_request_begin(server.port, "POST", "/v1/classify", NULL, NULL, data, size));
    free(data);
    require_alive();
}

/* ---- Number ---- */

/* Many times as many as are let in at once, all silent: whoever has something to say is heard. */
static void test_half_open(void **state) {
    (void)state;
    enum { MANY = 10 * CONNECTIONS };
    int fd[MANY];
    for (int i = 0; i < MANY; i++) {
        fd[i] = test_connect(server.port);
        if (i % 3 == 0) test_send_text(fd[i], "POST /v1/classify HTTP/1.1\r\n");
        if (i % 3 == 1)
            test_send_text(fd[i], "POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nab");
        if (i % 40 == 0) require_alive();
    }
    require_alive();
    assert_true(test_server_figure(&server, "ocelli_connections_shed_total") >= 0.5 * MANY);
    assert_true(test_server_figure(&server, "ocelli_connections") <= CONNECTIONS);
    for (int i = 0; i < MANY; i++) close(fd[i]);
    require_alive();
}

/* ---- Nonsense ---- */

static void test_garbage(void **state) {
    (void)state;
    static const char *const texts[] = {
        "\r\n\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET /%00%ff%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n",
        "POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGARBAGE\x01\x02 more\r\n\r\n\r\nGET /healthz HTTP/1.1\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const int fd = test_connect(server.port);
        test_send_text(fd, texts[i]);
        /* Answered, or ended for want of the rest. */
        test_answer answer = test_receive(fd, SECONDS + 4);
        if (answer.status == -1 || (answer.status >= 500 && answer.status != 505))
            fail_msg("garbage %zu: %d", i, answer.status);
        test_answer_free(&answer);
        close(fd);
    }
    /* A head that never ends. */
    const int fd = test_connect(server.port);
    test_send_text(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 0; i < 20000; i++)
        if (!test_send_text(fd, "X-More: and more and more and more and more and more\r\n")) break;
    test_answer answer = test_receive(fd, 5);
    assert_true(answer.status == 0 || (answer.status >= 400 && answer.status < 500));
    test_answer_free(&answer);
    close(fd);
    require_alive();
}

/* Two requests in one go are two answers, in their order. */
static void test_pipelined(void **state) {
    (void)state;
    const int fd = test_connect(server.port);
    test_send_text(fd, "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                       "Connection: close\r\n\r\n");
    char *text = test_receive_until(fd, "\"ok\"", 5);
    const char *first = strstr(text, "404 Not Found"), *second = strstr(text, "200 OK");
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first < second);
    free(text);
    close(fd);
}

static int setup(void **state) {
    (void)state;
    test_temporary_create(folder, sizeof folder);
    test_server_start(&server,
                      &(oc_server_options){
                          .body = BODY, .pixels = 4000000, .seconds = SECONDS, .connections = CONNECTIONS, .wait = -1},
                      true);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    test_server_end(&server);
    test_temporary_remove(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_images),       cmocka_unit_test(test_huge_dimensions), cmocka_unit_test(test_oversize),
        cmocka_unit_test(test_malformed_forms), cmocka_unit_test(test_slow_senders),    cmocka_unit_test(test_endless),
        cmocka_unit_test(test_half_requests),   cmocka_unit_test(test_half_open),       cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_pipelined),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
