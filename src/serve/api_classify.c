/* POST /v1/classify and POST /v1/saliency: from a body to a job, and from a finished job to JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/image/format.h"
#include "serve/service.h"

#define TOP_K 5

/* ---- Bodies ----------------------------------------------------------------------------------------------------- */

/* Types of bodies that are one image. Programs that send files without saying what they are send the latter ones. */
static bool is_image_type(const char *content_type) {
    return !content_type || oc_http_is_type(content_type, "image/") ||
           oc_http_is_type(content_type, "application/octet-stream") ||
           oc_http_is_type(content_type, "application/x-www-form-urlencoded");
}

/* Calls for every part of the body that holds a file; the reply says what is wrong with it otherwise. A field of a form
 * that is no file has a name only, and is left out. */
typedef struct part_list {
    oc_part *item;
    size_t count, capacity;
} part_list;

static bool list_parts(const oc_service *service, const oc_request *request, part_list *parts, oc_reply *reply) {
    const char *boundary;
    size_t size, at = 0;
    oc_part part;
    int more;
    if (!oc_multipart_boundary(request->content_type, &boundary, &size)) {
        oc_reply_error(reply, 400, "the content type states no boundary");
        return false;
    }
    while ((more = oc_multipart_next(&part, request->body, request->size, &at, boundary, size)) == 1) {
        if (!part.file) continue;
        if ((int64_t)parts->count == service->images) {
            oc_reply_error(reply, 413, "more than %lld images at once", (long long)service->images);
            return false;
        }
        if (oc_grow(&parts->item, &parts->capacity, parts->count + 1, sizeof *parts->item, NULL) != OC_OK) {
            oc_reply_error(reply, 503, "out of memory");
            return false;
        }
        parts->item[parts->count++] = part;
    }
    if (more < 0)
        oc_reply_error(reply, 400, "the body is not as multipart/form-data is: a part of it has no end");
    else if (parts->count == 0)
        oc_reply_error(reply, 400, "no part of the body is a file");
    return more == 0 && parts->count > 0;
}

/* The images of a body; the reply says why there are none. */
static bool list_images(const oc_service *service, const oc_request *request, part_list *parts, oc_reply *reply) {
    if (request->content_type && oc_http_is_type(request->content_type, "multipart/form-data"))
        return list_parts(service, request, parts, reply);
    if (!is_image_type(request->content_type)) {
        oc_reply_error(reply, 415, "\"%.100s\" is no image: send one as the body, or several as multipart/form-data",
                       request->content_type);
        return false;
    }
    if (request->size == 0) {
        oc_reply_error(reply, 400, "the body is empty: an image is to be in it");
        return false;
    }
    if (oc_grow(&parts->item, &parts->capacity, 1, sizeof *parts->item, NULL) != OC_OK) {
        oc_reply_error(reply, 503, "out of memory");
        return false;
    }
    static const char name[] = "image";
    parts->item[0] =
        (oc_part){.data = request->body, .size = request->size, .file = name, .file_size = sizeof name - 1};
    parts->count = 1;
    return true;
}

/* ---- Jobs ------------------------------------------------------------------------------------------------------- */

/* A whole number of the query in [least, most] into *out, which stays where it is absent. */
static bool read_argument(const oc_request *request, const char *name, int64_t least, int64_t most, int64_t *out,
                          oc_reply *reply) {
    const char *text = request->argument ? request->argument(request->from, name) : NULL;
    char *end = NULL;
    if (!text) return true;
    const long long value = strtoll(text, &end, 10);
    if (strspn(text, "0123456789") == strlen(text) && *text && strlen(text) < 10 && value >= least && value <= most) {
        *out = value;
        return true;
    }
    oc_reply_error(reply, 400, "%s: \"%.50s\" is no whole number from %lld to %lld", name, text, (long long)least,
                   (long long)most);
    return false;
}

/* Makes the job of the images, whose names are copied: those of parts have no end. */
static oc_status make_job(oc_exchange *exchange, const part_list *parts, size_t top_k, oc_error *err) {
    oc_status status = OC_OK;
    size_t names = 0, at = 0;
    for (size_t i = 0; i < parts->count; i++) names += parts->item[i].file_size + 1;
    OC_TRY(oc_alloc(&exchange->names, names, 1, err));
    OC_TRY(oc_alloc(&exchange->job, 1, sizeof *exchange->job, err));
    oc_job *job = exchange->job;
    OC_TRY(oc_alloc(&job->items, parts->count, sizeof *job->items, err));
    OC_TRY(oc_alloc(&job->predictions, parts->count, top_k * sizeof *job->predictions, err));
    job->count = parts->count;
    job->top_k = top_k;
    job->owner = exchange;
    for (size_t i = 0; i < parts->count; i++) {
        const oc_part *part = &parts->item[i];
        memcpy(exchange->names + at, part->file, part->file_size);
        job->items[i] = (oc_classifier_item){
            .data = part->data ? part->data : (const void *)"", .size = part->size, .where = exchange->names + at};
        at += part->file_size + 1;
    }
cleanup:
    return status;
}

/* Gives the job to the queue, if there is one. */
static oc_next submit(oc_service *service, oc_exchange *exchange) {
    if (!service->queue || oc_queue_submit(service->queue, exchange->job)) return OC_NEXT_COMPUTE;
    oc_reply_error(&exchange->reply, 503, "too many images wait to be classified: come again");
    exchange->reply.retry_after = 1;
    return OC_NEXT_REPLY;
}

static oc_next begin(oc_service *service, oc_exchange *exchange, bool saliency) {
    const oc_request *request = &exchange->request;
    const int64_t classes = (int64_t)service->model->classes.count;
    int64_t top_k = classes < TOP_K ? classes : TOP_K, class_index = -1;
    part_list parts = {0};
    oc_next next = OC_NEXT_REPLY;
    oc_error error = {0};
    if (saliency ? !read_argument(request, "class", 0, classes - 1, &class_index, &exchange->reply)
                 : !read_argument(request, "top_k", 1, classes, &top_k, &exchange->reply))
        return next;
    if (!list_images(service, request, &parts, &exchange->reply)) goto cleanup;
    if (saliency && parts.count != 1) {
        oc_reply_error(&exchange->reply, 400, "saliency is of one image, not of %zu", parts.count);
        goto cleanup;
    }
    if (make_job(exchange, &parts, (size_t)top_k, &error) != OC_OK) {
        oc_reply_error(&exchange->reply, 503, "%s", error.message);
        goto cleanup;
    }
    exchange->job->saliency = saliency;
    exchange->job->class_index = (int32_t)class_index;
    next = submit(service, exchange);
cleanup:
    oc_free(parts.item);
    return next;
}

oc_next oc_api_classify(oc_service *service, oc_exchange *exchange) {
    return begin(service, exchange, false);
}

oc_next oc_api_saliency(oc_service *service, oc_exchange *exchange) {
    return begin(service, exchange, true);
}

/* ---- Replies ---------------------------------------------------------------------------------------------------- */

/* What went wrong with an image, as a status of HTTP. What is no image in any format that is read is of the wrong type,
 * whatever its header says. */
static int http_status(const oc_classifier_item *item) {
    switch (item->status) {
    case OC_OK:
        return 200;
    case OC_E_FORMAT:
    case OC_E_USAGE:
        return oc_image_format_of(item->data, item->size) || item->size == 0 ? 422 : 415;
    case OC_E_MEMORY:
        return 503;
    default:
        return 500;
    }
}

static const char *class_name(const oc_service *service, int32_t index) {
    return service->names ? service->names[index] : service->model->classes.item[index];
}

static json_t *predictions_json(const oc_service *service, const oc_prediction *predictions, size_t top_k) {
    json_t *list = json_array();
    for (size_t k = 0; list && k < top_k; k++)
        json_array_append_new(list, json_pack("{s:o, s:o, s:i, s:f}", "class", oc_json_bytes(predictions[k].code),
                                              "name", oc_json_bytes(class_name(service, predictions[k].class_index)),
                                              "index", (int)predictions[k].class_index, "probability",
                                              (double)predictions[k].probability));
    return list;
}

static const char *model_name(const oc_service *service) {
    return service->model->entry ? service->model->entry->name : "ensemble";
}

void oc_api_classify_finish(oc_service *service, oc_exchange *exchange) {
    const oc_job *job = exchange->job;
    json_t *images = json_array();
    const oc_classifier_item *bad = NULL;
    size_t good = 0;
    if (job->status != OC_OK) {
        json_decref(images);
        oc_reply_error(&exchange->reply, 500, "%s", job->error.message);
        return;
    }
    for (size_t i = 0; i < job->count; i++) {
        const oc_classifier_item *item = &job->items[i];
        json_t *image;
        if (item->status == OC_OK) {
            image = json_pack("{s:o, s:o}", "name", oc_json_bytes(item->where), "predictions",
                              predictions_json(service, job->predictions + i * job->top_k, job->top_k));
            good++;
        } else {
            image = json_pack("{s:o, s:{s:i, s:o}}", "name", oc_json_bytes(item->where), "error", "status",
                              http_status(item), "message", oc_json_bytes(item->error.message));
            if (!bad) bad = item;
        }
        json_array_append_new(images, image);
    }
    if (good > 0) {
        oc_reply_json(&exchange->reply, json_pack("{s:s, s:o, s:f}", "model", model_name(service), "images", images,
                                                  "milliseconds", 1e3 * job->seconds));
        return;
    }
    json_decref(images);
    oc_reply_error(&exchange->reply, http_status(bad), "%s%s", bad->error.message,
                   job->count > 1 ? " (and none of the others can be classified)" : "");
}

void oc_api_saliency_finish(oc_service *service, oc_exchange *exchange) {
    const oc_job *job = exchange->job;
    const oc_occlusion_map *map = &job->map;
    json_t *rows = json_array();
    if (job->items[0].status != OC_OK) {
        oc_reply_error(&exchange->reply, http_status(&job->items[0]), "%s", job->items[0].error.message);
    } else if (job->status != OC_OK) {
        oc_reply_error(&exchange->reply, 500, "%s", job->error.message);
    } else {
        for (int y = 0; y < OC_OCCLUSION_CELLS; y++) {
            json_t *row = json_array();
            for (int x = 0; x < OC_OCCLUSION_CELLS; x++) json_array_append_new(row, json_real((double)map->fall[y][x]));
            json_array_append_new(rows, row);
        }
        oc_reply_json(
            &exchange->reply,
            json_pack("{s:s, s:o, s:o, s:i, s:f, s:O, s:{s:f, s:f, s:f, s:f}, s:f}", "model", model_name(service),
                      "class", oc_json_bytes(service->model->classes.item[map->class_index]), "name",
                      oc_json_bytes(class_name(service, map->class_index)), "index", (int)map->class_index,
                      "probability", (double)map->probability, "values", rows, "square", "left", map->left, "top",
                      map->top, "width", map->width, "height", map->height, "milliseconds", 1e3 * job->seconds));
    }
    json_decref(rows);
}
