/* What the server is made of, without sockets: bodies in parts, tokens, figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "serve/http.h"
#include "serve/metrics.h"
#include "serve/token.h"

/* The parts of a body as "name:file:data;…", and how it ends: "." for the end, "!" for damage. */
static const char *parts_of(const char *body, const char *content_type) {
    static char text[1024];
    const char *boundary;
    size_t size, at = 0, used = 0;
    oc_part part;
    int more;
    if (!oc_multipart_boundary(content_type, &boundary, &size)) return "no boundary";
    while ((more = oc_multipart_next(&part, (const unsigned char *)body, strlen(body), &at, boundary, size)) == 1)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%.*s:%.*s:%.*s;", part.name ? (int)part.name_size : 1,
                             part.name ? part.name : "-", part.file ? (int)part.file_size : 1,
                             part.file ? part.file : "-", (int)part.size, (const char *)part.data);
    snprintf(text + used, sizeof text - used, "%s", more == 0 ? "." : "!");
    return text;
}

#define FORM "multipart/form-data; boundary=b"
#define HEAD "Content-Disposition: form-data; name=\"n\"; filename=\"f\"\r\n\r\n"

static void test_multipart(void **state) {
    (void)state;
    static const struct {
        const char *type, *body, *parts;
    } cases[] = {
        {FORM, "--b\r\n" HEAD "data\r\n--b--\r\n", "n:f:data;."},
        {FORM, "\r\n--b\r\n" HEAD "data\r\n--b--", "n:f:data;."},
        {FORM, "preamble\r\n--b\r\n" HEAD "data\r\n--b--epilogue", "n:f:data;."},
        {FORM, "--b \t\r\n" HEAD "data\r\n--b--", "n:f:data;."},
        {FORM, "--b\r\n" HEAD "one\r\n--b\r\n" HEAD "two\r\n--b--", "n:f:one;n:f:two;."},
        {FORM, "--b\r\n" HEAD "\r\n--b\r\n" HEAD "two\r\n--b--", "n:f:;n:f:two;."},
        {FORM, "--b\r\n\r\nno head\r\n--b--", "-:-:no head;."},
        {FORM, "--b\r\n" HEAD "a\r\nb--b\r\n-b\r\n--b--", "n:f:a\r\nb--b\r\n-b;."},
        {FORM, "--b\r\ncontent-disposition:form-data;filename=f;name=n\r\n\r\nx\r\n--b--", "n:f:x;."},
        {FORM, "--b\r\nX: y\r\nContent-Disposition: form-data; name=\"n\"\r\nZ: z\r\n\r\nx\r\n--b--", "n:-:x;."},
        {FORM, "--b\r\nContent-Disposition: form-data; name=\"a;filename=b\"; filename=\"c;d\"\r\n\r\nx\r\n--b--",
         "a;filename=b:c;d:x;."},
        {"multipart/form-data; boundary=\"b c\"", "--b c\r\n" HEAD "x\r\n--b c--", "n:f:x;."},
        {"multipart/form-data;charset=x;BOUNDARY=b", "--b\r\n" HEAD "x\r\n--b--", "n:f:x;."},
        {FORM, "--b--", "."},
        {FORM, "", "!"},
        {FORM, "--c\r\n" HEAD "x\r\n--c--", "!"},
        {FORM, "--b\r\n" HEAD "data", "!"},
        {FORM, "--b\r\n" HEAD "data\r\n--b", "n:f:data;!"},
        {FORM, "--b\r\n" HEAD "data\r\n--bx\r\n", "n:f:data;!"},
        {FORM, "--b\r\nContent-Disposition: form-data\r\n", "!"},
        {"multipart/form-data", "--b\r\n" HEAD "x\r\n--b--", "no boundary"},
        {"multipart/form-data; boundary=", "--\r\n", "no boundary"},
        {"multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567890123456789x", "",
         "no boundary"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *parts = parts_of(cases[i].body, cases[i].type);
        if (strcmp(parts, cases[i].parts) != 0) fail_msg("case %zu: \"%s\", not \"%s\"", i, parts, cases[i].parts);
    }
}

static void test_types(void **state) {
    (void)state;
    assert_true(oc_http_is_type("image/png", "image/"));
    assert_true(oc_http_is_type("IMAGE/JPEG; q=1", "image/"));
    assert_false(oc_http_is_type("imagex/png", "image/"));
    assert_true(oc_http_is_type("Multipart/Form-Data;boundary=b", "multipart/form-data"));
    assert_true(oc_http_is_type("multipart/form-data", "multipart/form-data"));
    assert_false(oc_http_is_type("multipart/form-database", "multipart/form-data"));
    assert_false(oc_http_is_type("", "image/"));
}

static void test_tokens(void **state) {
    (void)state;
    assert_true(oc_token_shown("secret-1", "Bearer secret-1"));
    assert_false(oc_token_shown("secret-1", "Bearer secret-2"));
    assert_false(oc_token_shown("secret-1", "Bearer tecret-1"));
    assert_false(oc_token_shown("secret-1", "Bearer secret-"));
    assert_false(oc_token_shown("secret-1", "Bearer secret-1 "));
    assert_false(oc_token_shown("secret-1", "Bearer"));
    assert_false(oc_token_shown("secret-1", ""));
    assert_false(oc_token_shown("secret-1", NULL));
    assert_true(oc_token_shown("a:b", "Basic dXNlcjphOmI=")); /* user:a:b */
    assert_true(oc_token_shown("a:b", "basic OmE6Yg=="));     /* :a:b */
    assert_false(oc_token_shown("a:b", "Basic YTpi"));        /* a:b: the token is only "b" */
    assert_false(oc_token_shown("a:b", "Basic dXNlcjphOmI$"));
    char longest[4096] = "Basic ";
    memset(longest + 6, 'A', sizeof longest - 7);
    assert_false(oc_token_shown("secret-1", longest));
}

static void test_figures(void **state) {
    (void)state;
    oc_metrics_page page = {0};
    oc_queue_figures figures = {.batches = 3, .images = 70};
    oc_text text = {0};
    figures.of_size[1] = 1;
    figures.of_size[4] = 1;
    figures.of_size[OC_QUEUE_SIZES] = 1;
    oc_metrics_count(&page, 0, 200, 0.003);
    oc_metrics_count(&page, 0, 200, 100);
    oc_metrics_count(&page, -1, 404, 0.0001);
    oc_metrics_count(&page, 1, 999, 0.01);
    assert_int_equal(oc_metrics_write(&text, &page, &figures, NULL), OC_OK);
    static const char *const lines[] = {"ocelli_requests_total{path=\"/\",code=\"200\"} 2\n",
                                        "ocelli_requests_total{path=\"\",code=\"404\"} 1\n",
                                        "ocelli_requests_total{path=\"/events\",code=\"0\"} 1\n",
                                        "ocelli_request_seconds_bucket{le=\"0.001\"} 1\n",
                                        "ocelli_request_seconds_bucket{le=\"0.005\"} 2\n",
                                        "ocelli_request_seconds_bucket{le=\"0.01\"} 3\n",
                                        "ocelli_request_seconds_bucket{le=\"5\"} 3\n",
                                        "ocelli_request_seconds_bucket{le=\"+Inf\"} 4\n",
                                        "ocelli_request_seconds_count 4\n",
                                        "ocelli_batch_images_bucket{le=\"1\"} 1\n",
                                        "ocelli_batch_images_bucket{le=\"2\"} 1\n",
                                        "ocelli_batch_images_bucket{le=\"4\"} 2\n",
                                        "ocelli_batch_images_bucket{le=\"32\"} 2\n",
                                        "ocelli_batch_images_bucket{le=\"+Inf\"} 3\n",
                                        "ocelli_batch_images_sum 70\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (!strstr(text.data, lines[i])) fail_msg("no line %s in\n%s", lines[i], text.data);
    oc_text_free(&text);
}

static void test_errors(void **state) {
    (void)state;
    oc_reply reply = {0};
    oc_reply_error(&reply, 404, "no \"%s\" here", "<b>\n\xff");
    assert_int_equal(reply.status, 404);
    assert_string_equal(reply.type, "application/json");
    assert_non_null(strstr(reply.text.data, "{\"error\":{\"status\":404,\"message\":\"no \\\"<b>"));
    oc_reply_json(&reply, NULL);
    assert_int_equal(reply.status, 500);
    oc_reply_free(&reply);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_multipart), cmocka_unit_test(test_types),  cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_figures),   cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
