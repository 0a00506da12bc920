/* The server as programs see it: routes, what they answer, and that images are classified as the library does it alone,
 * together with others or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "support/bytes.h"
#include "support/ensembles.h"
#include "support/images.h"
#include "support/server.h"
#include "support/temporary.h"

static char folder[256];
static test_server server;

/* The file of an image of its own for every seed. */
static unsigned char *image(int seed, size_t *size) {
    char path[320];
    snprintf(path, sizeof path, "%s/%d.png", folder, seed);
    test_png_write(path, 40, 32, seed, TEST_PNG_RGB);
    return test_bytes_read(path, size);
}

static json_t *parse(const test_answer *answer) {
    json_t *json = NULL;
    oc_error err = {0};
    if (oc_json_parse(&json, answer->body, answer->size, "answer", &err) != OC_OK)
        fail_msg("%s: %s", err.message, answer->body);
    return json;
}

/* Checks that an answer is an error of this status, in JSON, which says `says`. */
static void require_error(test_answer *answer, int status, const char *says) {
    if (answer->status != status) fail_msg("%d, not %d: %s", answer->status, status, answer->body);
    json_t *json = parse(answer);
    const json_t *error = json_object_get(json, "error");
    assert_int_equal(json_integer_value(json_object_get(error, "status")), status);
    const char *message = json_string_value(json_object_get(error, "message"));
    assert_non_null(message);
    if (!strstr(message, says)) fail_msg("\"%s\" does not say \"%s\"", message, says);
    assert_string_equal(test_answer_header(answer, "Content-Type"), "application/json");
    json_decref(json);
    test_answer_free(answer);
}

static test_answer get(const char *target, const char *headers) {
    return test_request(server.port, "GET", target, headers, NULL, NULL, 0);
}

static test_answer post(const char *target, const char *type, const void *body, size_t size) {
    return test_request(server.port, "POST", target, NULL, type, body, size);
}

/* ---- Routes ---- */

static void test_routes(void **state) {
    (void)state;
    test_answer answer = get("/healthz", NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"status\":\"ok\"}");
    assert_string_equal(test_answer_header(&answer, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(test_answer_header(&answer, "Referrer-Policy"), "no-referrer");
    assert_non_null(strstr(test_answer_header(&answer, "Content-Security-Policy"), "default-src 'none'"));
    assert_string_equal(test_answer_header(&answer, "Access-Control-Allow-Origin"), "");
    test_answer_free(&answer);

    answer = get("/nothing", NULL);
    require_error(&answer, 404, "/nothing");
    answer = get("/v1/classify", NULL);
    assert_string_equal(test_answer_header(&answer, "Allow"), "POST");
    require_error(&answer, 405, "POST");
    answer = test_request(server.port, "DELETE", "/v1/model", NULL, NULL, NULL, 0);
    assert_string_equal(test_answer_header(&answer, "Allow"), "GET, HEAD");
    require_error(&answer, 405, "GET");
    answer = get("/v1/runs", NULL);
    require_error(&answer, 404, "--runs");
    answer = get("/events", NULL);
    require_error(&answer, 404, "--runs");

    answer = get("/", NULL);
    assert_int_equal(answer.status, 303);
    assert_string_equal(test_answer_header(&answer, "Location"), "classify");
    test_answer_free(&answer);
    answer = get("/classify", NULL);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "Content-Security-Policy"));
    assert_null(strstr(answer.body, "{{"));
    assert_non_null(strstr(test_answer_header(&answer, "Content-Security-Policy"), "frame-ancestors 'none'"));
    test_answer_free(&answer);
}

static void test_head(void **state) {
    (void)state;
    const int fd = test_request_begin(server.port, "HEAD", "/healthz", "Connection: close\r\n", NULL, NULL, 0);
    char *text = test_receive_until(fd, "never", 5);
    assert_non_null(strstr(text, "HTTP/1.1 200 OK"));
    assert_null(strstr(text, "ok\"}"));
    free(text);
    close(fd);
}

static void test_model_route(void **state) {
    (void)state;
    test_answer answer = get("/v1/model", NULL);
    json_t *json = parse(&answer);
    assert_string_equal(json_string_value(json_object_get(json, "model")), TEST_NETWORK);
    assert_int_equal(json_integer_value(json_object_get(json, "size")), 32);
    const json_t *classes = json_object_get(json, "classes");
    assert_int_equal(json_array_size(classes), TEST_CLASSES);
    for (size_t i = 0; i < TEST_CLASSES; i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(classes, i), "class")), test_codes[i]);
    json_decref(json);
    test_answer_free(&answer);
}

/* Names of strangers that lead here are none of ours. */
static void test_hosts(void **state) {
    (void)state;
    static const struct {
        const char *host;
        int status;
    } hosts[] = {
        {"localhost", 200},      {"LOCALHOST:8080", 200}, {"127.0.0.1", 200},     {"127.1.2.3:1", 200},
        {"[::1]:8080", 200},     {"[::1]", 200},          {"evil.example", 421},  {"127.0.0.1.evil.example", 421},
        {"localhost.evil", 421}, {"[::2]", 421},          {"10.0.0.1:8080", 421}, {"", 421}};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        char text[256];
        const int fd = test_connect(server.port);
        snprintf(text, sizeof text, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i].host);
        test_send_text(fd, text);
        test_answer answer = test_receive(fd, 5);
        if (answer.status != hosts[i].status)
            fail_msg("\"%s\": %d, not %d", hosts[i].host, answer.status, hosts[i].status);
        test_answer_free(&answer);
        close(fd);
    }
}

/* ---- Classifying ---- */

/* Checks one image's predictions in an answer against those of the library. */
static void require_predictions(const json_t *image_json, const unsigned char *data, size_t size, size_t top_k) {
    oc_classifier *classifier = NULL;
    oc_prediction wanted[TEST_CLASSES];
    oc_error err = {0};
    assert_int_equal(oc_classifier_create(&classifier, server.model, &(oc_classifier_options){.threads = 2}, &err),
                     OC_OK);
    assert_int_equal(oc_classifier_encoded(classifier, data, size, "image", wanted, top_k, &err), OC_OK);
    const json_t *list = json_object_get(image_json, "predictions");
    assert_int_equal(json_array_size(list), top_k);
    for (size_t k = 0; k < top_k; k++) {
        const json_t *guess = json_array_get(list, k);
        assert_string_equal(json_string_value(json_object_get(guess, "class")), wanted[k].code);
        assert_int_equal(json_integer_value(json_object_get(guess, "index")), wanted[k].class_index);
        const double p = json_real_value(json_object_get(guess, "probability"));
        if (p < wanted[k].probability - 1e-5 || p > wanted[k].probability + 1e-5)
            fail_msg("%g, not %g", p, (double)wanted[k].probability);
    }
    oc_classifier_destroy(&classifier);
}

static void test_classify(void **state) {
    (void)state;
    for (int seed = 0; seed < 4; seed++) {
        size_t size;
        unsigned char *data = image(seed, &size);
        test_answer answer =
            post(seed == 2 ? "/v1/classify?top_k=2" : "/v1/classify", seed == 3 ? NULL : "image/png", data, size);
        if (answer.status != 200) fail_msg("%d: %s", answer.status, answer.body);
        json_t *json = parse(&answer);
        assert_string_equal(json_string_value(json_object_get(json, "model")), TEST_NETWORK);
        assert_true(json_real_value(json_object_get(json, "milliseconds")) > 0);
        require_predictions(json_array_get(json_object_get(json, "images"), 0), data, size,
                            seed == 2 ? 2 : TEST_CLASSES);
        json_decref(json);
        test_answer_free(&answer);
        free(data);
    }
}

/* Appends a part of a form. */
static void add_part(oc_text *body, const char *name, const char *file, const void *data, size_t size) {
    assert_int_equal(oc_text_printf(body, NULL,
                                    "--boundary\r\nContent-Disposition: form-data; name=\"%s\"%s%s%s\r\n\r\n", name,
                                    file ? "; filename=\"" : "", file ? file : "", file ? "\"" : ""),
                     OC_OK);
    assert_int_equal(oc_text_append(body, data, size, NULL), OC_OK);
    assert_int_equal(oc_text_append(body, "\r\n", 2, NULL), OC_OK);
}

static const char form[] = "multipart/form-data; boundary=boundary";

/* More images than are computed at once, and one that is none. */
static void test_classify_several(void **state) {
    (void)state;
    oc_text body = {0};
    unsigned char *data[11];
    size_t size[11];
    add_part(&body, "note", NULL, "a field that is no file", 23);
    for (int i = 0; i < 11; i++) {
        char name[32];
        data[i] = image(i, &size[i]);
        snprintf(name, sizeof name, "image %d.png", i);
        if (i == 5)
            add_part(&body, "f", "five.txt", "no image at all", 15);
        else
            add_part(&body, "f", name, data[i], size[i]);
    }
    assert_int_equal(oc_text_append(&body, "--boundary--\r\n", 14, NULL), OC_OK);
    test_answer answer = post("/v1/classify?top_k=3", form, body.data, body.size);
    if (answer.status != 200) fail_msg("%d: %s", answer.status, answer.body);
    json_t *json = parse(&answer);
    const json_t *images = json_object_get(json, "images");
    assert_int_equal(json_array_size(images), 11);
    for (int i = 0; i < 11; i++) {
        const json_t *one = json_array_get(images, (size_t)i);
        const char *name = json_string_value(json_object_get(one, "name"));
        if (i == 5) {
            assert_string_equal(name, "five.txt");
            assert_int_equal(json_integer_value(json_object_get(json_object_get(one, "error"), "status")), 415);
            assert_null(json_object_get(one, "predictions"));
        } else {
            assert_int_equal(strtol(name + 6, NULL, 10), i);
            require_predictions(one, data[i], size[i], 3);
        }
        free(data[i]);
    }
    json_decref(json);
    test_answer_free(&answer);
    oc_text_free(&body);
}

static void test_saliency(void **state) {
    (void)state;
    size_t size;
    unsigned char *data = image(1, &size);
    test_answer answer = post("/v1/saliency", "image/png", data, size);
    if (answer.status != 200) fail_msg("%d: %s", answer.status, answer.body);
    json_t *json = parse(&answer);
    const json_t *rows = json_object_get(json, "values");
    assert_int_equal(json_array_size(rows), 8);
    assert_int_equal(json_array_size(json_array_get(rows, 7)), 8);
    /* Of an image of 40×32 the central square is seen. */
    const json_t *square = json_object_get(json, "square");
    assert_float_equal(json_number_value(json_object_get(square, "left")), 0.1, 1e-9);
    assert_float_equal(json_number_value(json_object_get(square, "width")), 0.8, 1e-9);
    assert_float_equal(json_number_value(json_object_get(square, "height")), 1, 1e-9);
    json_decref(json);
    test_answer_free(&answer);
    answer = post("/v1/saliency?class=3", "image/png", data, size);
    json = parse(&answer);
    assert_string_equal(json_string_value(json_object_get(json, "class")), test_codes[3]);
    json_decref(json);
    test_answer_free(&answer);
    answer = post("/v1/saliency?class=4", "image/png", data, size);
    require_error(&answer, 400, "from 0 to 3");
    free(data);
}

static void test_arguments(void **state) {
    (void)state;
    size_t size;
    unsigned char *data = image(0, &size);
    static const char *const wrong[] = {"0", "5", "-1", "x", "", "1x", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char target[64];
        snprintf(target, sizeof target, "/v1/classify?top_k=%s", wrong[i]);
        test_answer answer = post(target, "image/png", data, size);
        require_error(&answer, 400, "top_k");
    }
    free(data);
}

/* ---- Together ---- */

/* What comes within the wait is computed at once, and each gets its own. */
static void test_batching(void **state) {
    (void)state;
    enum { REQUESTS = 6 };
    test_server patient;
    int fd[REQUESTS];
    unsigned char *data[REQUESTS];
    size_t size[REQUESTS];
    test_server_start(&patient, &(oc_server_options){.batch = REQUESTS, .wait = 5}, true);
    for (int i = 0; i < REQUESTS; i++) {
        data[i] = image(i, &size[i]);
        fd[i] = test_request_begin(patient.port, "POST", "/v1/classify", NULL, "image/png", data[i], size[i]);
    }
    const double began = oc_clock_seconds();
    for (int i = 0; i < REQUESTS; i++) {
        test_answer answer = test_receive(fd[i], 30);
        assert_int_equal(answer.status, 200);
        json_t *json = parse(&answer);
        require_predictions(json_array_get(json_object_get(json, "images"), 0), data[i], size[i], TEST_CLASSES);
        json_decref(json);
        test_answer_free(&answer);
        close(fd[i]);
        free(data[i]);
    }
    /* A full batch does not wait for its time to be over. */
    assert_true(oc_clock_seconds() - began < 4);
    assert_float_equal(test_server_figure(&patient, "ocelli_batch_images_count"), 1, 0);
    assert_float_equal(test_server_figure(&patient, "ocelli_batch_images_sum"), REQUESTS, 0);
    test_server_end(&patient);
}

static void test_queue_full(void **state) {
    (void)state;
    test_server busy;
    size_t size;
    int fd[4], good = 0, refused = 0;
    unsigned char *data = image(0, &size);
    test_server_start(&busy, &(oc_server_options){.batch = 8, .wait = 1, .queue = 2}, true);
    for (int i = 0; i < 4; i++)
        fd[i] = test_request_begin(busy.port, "POST", "/v1/classify", NULL, "image/png", data, size);
    for (int i = 0; i < 4; i++) {
        test_answer answer = test_receive(fd[i], 30);
        if (answer.status == 200) {
            good++;
            test_answer_free(&answer);
        } else {
            refused++;
            assert_string_equal(test_answer_header(&answer, "Retry-After"), "1");
            require_error(&answer, 503, "too many images");
        }
        close(fd[i]);
    }
    assert_int_equal(good, 2);
    assert_int_equal(refused, 2);
    test_server_end(&busy);
    free(data);
}

/* What has been taken is answered, whatever comes of it; nothing new is taken. */
static void test_shutdown(void **state) {
    (void)state;
    enum { REQUESTS = 12 };
    test_server ending;
    int fd[REQUESTS];
    size_t size;
    unsigned char *data = image(0, &size);
    test_server_start(&ending, &(oc_server_options){.batch = 4, .wait = 0.3}, true);
    for (int i = 0; i < REQUESTS; i++)
        fd[i] = test_request_begin(ending.port, "POST", "/v1/classify", NULL, "image/png", data, size);
    test_server_stop(&ending);
    for (int i = 0; i < REQUESTS; i++) {
        test_answer answer = test_receive(fd[i], 30);
        if (answer.status != 200) fail_msg("request %d: %d: %s", i, answer.status, answer.body);
        assert_true(test_closed(fd[i], 5));
        test_answer_free(&answer);
        close(fd[i]);
    }
    test_server_end(&ending);
    free(data);
}

/* An idle connection keeps nobody from ending. */
static void test_shutdown_idle(void **state) {
    (void)state;
    test_server ending;
    test_server_start(&ending, NULL, true);
    const int silent = test_connect(ending.port), kept = test_connect(ending.port);
    test_send_text(kept, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    test_answer answer = test_receive(kept, 5);
    assert_int_equal(answer.status, 200);
    test_answer_free(&answer);
    const double began = oc_clock_seconds();
    test_server_end(&ending);
    assert_true(oc_clock_seconds() - began < 3);
    close(silent);
    close(kept);
}

/* ---- Tokens ---- */

static void test_token(void **state) {
    (void)state;
    test_server closed;
    test_server_start(&closed, &(oc_server_options){.token = "correct-horse"}, true);
    static const struct {
        const char *header;
        int status;
    } tries[] = {{NULL, 401},
                 {"Authorization: Bearer correct-horse\r\n", 200},
                 {"Authorization: bearer   correct-horse\r\n", 200},
                 {"Authorization: Bearer correct-horsf\r\n", 401},
                 {"Authorization: Bearer correct-hors\r\n", 401},
                 {"Authorization: Bearer correct-horse2\r\n", 401},
                 {"Authorization: Bearer \r\n", 401},
                 {"Authorization: Basic YW55Ym9keTpjb3JyZWN0LWhvcnNl\r\n", 200}, /* anybody:correct-horse */
                 {"Authorization: Basic Y29ycmVjdC1ob3JzZQ==\r\n", 401},         /* without a user */
                 {"Authorization: Basic YW55Ym9keTo=\r\n", 401},                 /* anybody: */
                 {"Authorization: Basic !!!\r\n", 401},
                 {"Authorization: correct-horse\r\n", 401}};
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        test_answer answer = test_request(closed.port, "GET", "/v1/model", tries[i].header, NULL, NULL, 0);
        if (answer.status != tries[i].status) fail_msg("%s: %d", tries[i].header, answer.status);
        if (answer.status == 401) {
            assert_non_null(strstr(test_answer_header(&answer, "WWW-Authenticate"), "Bearer"));
            require_error(&answer, 401, "token");
        }
        test_answer_free(&answer);
    }
    /* What is there, and what not, is nobody's business either; whether the server lives is. */
    test_answer answer = test_request(closed.port, "GET", "/nothing", NULL, NULL, NULL, 0);
    require_error(&answer, 401, "token");
    answer = test_request(closed.port, "GET", "/healthz", NULL, NULL, NULL, 0);
    assert_int_equal(answer.status, 200);
    test_answer_free(&answer);
    test_server_end(&closed);
}

/* ---- Setting up ---- */

static void test_create_fails(void **state) {
    (void)state;
    oc_server *none = NULL;
    oc_error err = {0};
    assert_int_equal(oc_server_create(&none, &(oc_server_options){0}, &err), OC_E_USAGE);
    assert_int_equal(oc_server_create(&none, &(oc_server_options){.runs = "/nowhere"}, &err), OC_E_NOT_FOUND);
    assert_string_equal(err.where, "/nowhere");
    assert_int_equal(oc_server_create(&none, &(oc_server_options){.runs = folder, .port = server.port}, &err), OC_E_IO);
    assert_non_null(strstr(err.message, "another port"));
    assert_int_equal(oc_server_create(&none, &(oc_server_options){.runs = folder, .port = 70000}, &err), OC_E_USAGE);
    assert_int_equal(oc_server_create(&none, &(oc_server_options){.runs = folder, .host = "no host"}, &err),
                     OC_E_USAGE);
    assert_int_equal(oc_server_create(&none, &(oc_server_options){.runs = folder, .connections = 2000000000}, &err),
                     OC_E_USAGE);
    assert_null(none);
}

static int setup(void **state) {
    (void)state;
    test_temporary_create(folder, sizeof folder);
    test_server_start(&server, NULL, true);
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
        cmocka_unit_test(test_routes),     cmocka_unit_test(test_head),         cmocka_unit_test(test_model_route),
        cmocka_unit_test(test_hosts),      cmocka_unit_test(test_classify),     cmocka_unit_test(test_classify_several),
        cmocka_unit_test(test_saliency),   cmocka_unit_test(test_arguments),    cmocka_unit_test(test_batching),
        cmocka_unit_test(test_queue_full), cmocka_unit_test(test_shutdown),     cmocka_unit_test(test_shutdown_idle),
        cmocka_unit_test(test_token),      cmocka_unit_test(test_create_fails),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
