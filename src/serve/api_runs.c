/* GET /, /events and /v1/runs: the runs as they are now; and the page that classifies. */
#include <string.h>

#include "base/error.h"
#include "report/page.h"
#include "serve/service.h"

extern const unsigned char oc_page_classify[];
extern const size_t oc_page_classify_size;

static const char html[] = "text/html; charset=utf-8";

/* The runs as JSON into *json; what comes next where they are not there. */
static bool read_runs(oc_service *service, oc_exchange *exchange, oc_text *json, oc_next *next) {
    oc_error error = {0};
    *next = OC_NEXT_REPLY;
    if (!service->live) {
        oc_reply_error(&exchange->reply, 404, "this server shows no runs: it was started without --runs");
        return false;
    }
    switch (oc_live_read(service->live, json, &error)) {
    case OC_LIVE_READY:
        return true;
    case OC_LIVE_READING:
        *next = OC_NEXT_RUNS;
        return false;
    default:
        oc_reply_error(&exchange->reply, 503, "the runs cannot be read: %s%s%s", error.where,
                       error.where[0] ? ": " : "", error.message[0] ? error.message : "out of memory");
        return false;
    }
}

static void reply_page(oc_reply *reply, const unsigned char *page, size_t size, const char *json) {
    oc_error error = {0};
    oc_reply_free(reply);
    reply->status = 200;
    reply->type = html;
    if (oc_page_fill(&reply->text, page, size, json, true, &error) != OC_OK)
        oc_reply_error(reply, 503, "%s", error.message);
}

oc_next oc_api_front(oc_service *service, oc_exchange *exchange) {
    oc_text json = {0};
    oc_next next = OC_NEXT_REPLY;
    if (!service->live && service->model) {
        oc_reply_bytes(&exchange->reply, html, "", 0);
        exchange->reply.status = 303;
        exchange->reply.location = "classify";
        return next;
    }
    if (read_runs(service, exchange, &json, &next))
        reply_page(&exchange->reply, oc_page_report, oc_page_report_size, json.data);
    oc_text_free(&json);
    return next;
}

oc_next oc_api_runs(oc_service *service, oc_exchange *exchange) {
    oc_text json = {0};
    oc_next next = OC_NEXT_REPLY;
    if (read_runs(service, exchange, &json, &next)) {
        oc_reply_free(&exchange->reply);
        exchange->reply = (oc_reply){.status = 200, .type = "application/json", .text = json};
        json = (oc_text){0};
    }
    oc_text_free(&json);
    return next;
}

oc_next oc_api_events(oc_service *service, oc_exchange *exchange) {
    if (service->live) return OC_NEXT_STREAM;
    oc_reply_error(&exchange->reply, 404, "this server shows no runs: it was started without --runs");
    return OC_NEXT_REPLY;
}

oc_next oc_api_classify_page(oc_service *service, oc_exchange *exchange) {
    json_t *facts = json_pack("{s:s, s:I, s:b, s:I, s:I}", "model",
                              service->model->entry ? service->model->entry->name : "ensemble", "classes",
                              (json_int_t)service->model->classes.count, "runs", service->live != NULL, "body",
                              (json_int_t)service->body, "pixels", (json_int_t)service->pixels);
    char *json = facts ? json_dumps(facts, JSON_COMPACT) : NULL;
    if (json)
        reply_page(&exchange->reply, oc_page_classify, oc_page_classify_size, json);
    else
        oc_reply_error(&exchange->reply, 503, "out of memory");
    free(json);
    json_decref(facts);
    return OC_NEXT_REPLY;
}
