/* GET /v1/model, /healthz and /metrics: what is served, and how it does. */
#include "base/error.h"
#include "models/ensemble.h"
#include "serve/service.h"

oc_next oc_api_model(oc_service *service, oc_exchange *exchange) {
    oc_model *model = service->model;
    static const char *const fits[] = {"crop", "squash", "letterbox"};
    json_t *classes = json_array(), *members = json_array();
    int64_t parameters = 0, macs = 0;
    for (size_t i = 0; i < model->classes.count; i++)
        json_array_append_new(classes,
                              json_pack("{s:o, s:o}", "class", oc_json_bytes(model->classes.item[i]), "name",
                                        oc_json_bytes(service->names ? service->names[i] : model->classes.item[i])));
    for (size_t i = 0; i < oc_model_networks(model); i++) {
        const oc_model *network = oc_model_network(model, i);
        json_array_append_new(members, json_string(network->entry->name));
    }
    oc_model_totals(model, &parameters, &macs);
    oc_reply_json(&exchange->reply,
                  json_pack("{s:s, s:o, s:I, s:I, s:I, s:s, s:s, s:o}", "model",
                            model->entry ? model->entry->name : "ensemble", "networks", members, "parameters",
                            (json_int_t)parameters, "macs", (json_int_t)macs, "size", (json_int_t)model->size, "fit",
                            fits[model->image.fit], "ocelli", oc_version(), "classes", classes));
    return OC_NEXT_REPLY;
}

oc_next oc_api_health(oc_service *service, oc_exchange *exchange) {
    (void)service;
    oc_reply_json(&exchange->reply, json_pack("{s:s}", "status", "ok"));
    return OC_NEXT_REPLY;
}

oc_next oc_api_metrics(oc_service *service, oc_exchange *exchange) {
    oc_queue_figures figures = {0};
    oc_reply *reply = &exchange->reply;
    oc_error error = {0};
    if (service->queue) oc_queue_figures_get(service->queue, &figures);
    oc_reply_free(reply);
    reply->status = 200;
    reply->type = "text/plain; version=0.0.4; charset=utf-8";
    if (oc_metrics_write(&reply->text, &service->metrics, service->model ? &figures : NULL, &error) != OC_OK)
        oc_reply_error(reply, 503, "%s", error.message);
    return OC_NEXT_REPLY;
}
