/* A request on its way through the server, without sockets: who is let in, the body's parts, decoding, classifying, and
 * the reply. The input is
 *
 *     METHOD PATH?QUERY
 *     host: …          and authorization, content-type, length (of the body as declared)
 *     (an empty line)
 *     the body, whatever it is */
#define _GNU_SOURCE 1
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "eval/classifier.h"
#include "models/model.h"
#include "serve/service.h"

#define BODY_MOST 60000
#define PIXELS_MOST 250000
#define IMAGES_MOST 4

/* Takes a line off the input, without its end; NULL: there is none. */
static char *take_line(char **at) {
    char *line = *at, *end = strchr(line, '\n');
    if (!end) return NULL;
    *end = '\0';
    *at = end + 1;
    if (end > line && end[-1] == '\r') end[-1] = '\0';
    return line;
}

/* The arguments of a query "a=1&b", which it cuts up. */
typedef struct query {
    const char *name[8], *value[8];
    size_t count;
} query;

static void cut_query(query *q, char *text) {
    for (char *pair; text && q->count < 8 && (pair = strsep(&text, "&"));) {
        char *value = strchr(pair, '=');
        if (value) *value++ = '\0';
        q->name[q->count] = pair;
        q->value[q->count++] = value ? value : "";
    }
}

static const char *find_argument(const void *from, const char *name) {
    const query *q = from;
    for (size_t i = 0; i < q->count; i++)
        if (strcmp(q->name[i], name) == 0) return q->value[i];
    return NULL;
}

/* Cuts the input up; false: it is no request. */
static bool read_request(oc_request *request, query *q, char *text, size_t size) {
    char *at = text, *line = take_line(&at), *target = line ? strchr(line, ' ') : NULL;
    if (!target) return false;
    *target++ = '\0';
    char *arguments = strchr(target, '?');
    if (arguments) *arguments++ = '\0';
    cut_query(q, arguments);
    *request = (oc_request){.method = line, .path = target, .argument = find_argument, .from = q};
    while ((line = take_line(&at)) && *line) {
        if (strncasecmp(line, "host: ", 6) == 0) request->host = line + 6;
        if (strncasecmp(line, "authorization: ", 15) == 0) request->authorization = line + 15;
        if (strncasecmp(line, "content-type: ", 14) == 0) request->content_type = line + 14;
        if (strncasecmp(line, "length: ", 8) == 0) request->length = strtoll(line + 8, NULL, 10);
    }
    if (!line) return false;
    request->body = (const unsigned char *)at;
    request->size = size - (size_t)(at - text);
    return true;
}

/* A reply that a client can make something of. */
static void look_at(const oc_reply *reply) {
    static const int statuses[] = {200, 303, 400, 401, 404, 405, 413, 415, 421, 422};
    bool known = false;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) known = known || reply->status == statuses[i];
    if (!known || !reply->type) abort();
    if (strcmp(reply->type, "application/json") != 0) return;
    json_t *json = json_loadb(reply->text.data, reply->text.size, JSON_REJECT_DUPLICATES, NULL);
    if (!json || (reply->status != 200) != (json_object_get(json, "error") != NULL)) abort();
    json_decref(json);
}

static void make_service(oc_service *service, oc_classifier **classifier) {
    static const char *const classes[] = {"one", "two", "<script>", "four"};
    const oc_classifier_setup setup = {
        .options = {.threads = 1}, .ladder = true, .pixels_most = PIXELS_MOST, .keep = 100000};
    if (oc_model_create(&service->model, "myresnet-tiny", classes, 4, 32, NULL, NULL) != OC_OK) abort();
    oc_model_init(service->model, 1);
    if (oc_classifier_create_with(classifier, service->model, &setup, NULL) != OC_OK) abort();
    service->token = "token-of-fuzz";
    service->loopback = true;
    service->body = BODY_MOST;
    service->pixels = PIXELS_MOST;
    service->images = IMAGES_MOST;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static oc_service service;
    static oc_classifier *classifier;
    oc_exchange exchange = {0};
    query q = {.count = 0};
    char *text = malloc(size + 1);
    if (!text) return 0;
    if (!classifier) make_service(&service, &classifier);
    memcpy(text, data, size);
    text[size] = '\0';
    if (read_request(&exchange.request, &q, text, size)) {
        if (oc_service_admit(&service, &exchange)) {
            const oc_next next = oc_service_answer(&service, &exchange);
            if (next == OC_NEXT_COMPUTE) {
                oc_job_run(exchange.job, classifier);
                oc_service_finish(&service, &exchange);
            } else if (next != OC_NEXT_REPLY) {
                abort(); /* there are no runs */
            }
        }
        look_at(&exchange.reply);
    }
    oc_exchange_free(&exchange);
    free(text);
    return 0;
}
