/* Classifying decoded pixels and encoded images; each is prepared as a batch of evaluation is. */
#include "eval/classifier.h"

#include <math.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "data/augment.h"
#include "data/decode.h"
#include "data/kept.h"
#include "graph/plan.h"
#include "models/model.h"

/* What one thread prepares images with. */
typedef struct workshop {
    oc_decoder *decoder;
    oc_kept kept;        /* the image as a pack would keep it */
    oc_resizer *resizer; /* for images of up to width × height */
    int64_t width, height;
} workshop;

struct oc_classifier {
    oc_model *model;
    int64_t capacity;
    oc_team *team;
    oc_slab *slab;
    oc_plan *plan;
    workshop *shops;     /* [threads] */
    double *probability; /* [classes] */
};

oc_status oc_classifier_create(oc_classifier **out, oc_model *model, int64_t batch, int threads, oc_error *err) {
    oc_status status = OC_OK;
    oc_classifier *classifier = NULL;
    *out = NULL;
    if (batch < 1) return oc_fail(err, OC_E_USAGE, "batch", "%lld is no batch size", (long long)batch);
    OC_TRY(oc_alloc(&classifier, 1, sizeof *classifier, err));
    classifier->model = model;
    classifier->capacity = batch;
    OC_TRY(oc_team_create(&classifier->team, threads, err));
    int team = oc_team_threads(classifier->team);
    OC_TRY(oc_alloc(&classifier->shops, (size_t)team, sizeof *classifier->shops, err));
    for (int i = 0; i < team; i++) OC_TRY(oc_decoder_create(&classifier->shops[i].decoder, err));
    OC_TRY(oc_alloc(&classifier->probability, model->classes.count, sizeof *classifier->probability, err));
    OC_TRY(oc_slab_create(&classifier->slab, err));
    oc_team_enter(classifier->team);
    oc_plan_options plan = {.batch = batch,
                            .mode = OC_PLAN_INFER,
                            .precision = OC_PRECISION_FP32,
                            .team = classifier->team,
                            .slab = classifier->slab};
    OC_TRY(oc_plan_create(&classifier->plan, model->graph, &plan, err));
    *out = classifier;
    classifier = NULL;
cleanup:
    oc_classifier_destroy(&classifier);
    return status;
}

void oc_classifier_destroy(oc_classifier **classifier) {
    oc_classifier *c = *classifier;
    if (!c) return;
    for (int i = 0; c->shops && i < oc_team_threads(c->team); i++) {
        oc_decoder_destroy(&c->shops[i].decoder);
        oc_kept_free(&c->shops[i].kept);
        oc_resizer_destroy(&c->shops[i].resizer);
    }
    oc_free(c->shops);
    oc_free(c->probability);
    oc_plan_destroy(&c->plan);
    oc_slab_destroy(&c->slab);
    oc_team_destroy(&c->team);
    oc_free(c);
    *classifier = NULL;
}

int64_t oc_classifier_capacity(const oc_classifier *classifier) {
    return classifier->capacity;
}

/* Decodes where needed. `file` keeps the bytes of a path's file and is freed by the caller. */
static oc_status item_pixels(const oc_classifier_item *item, workshop *shop, char **file, oc_pixels *pixels,
                             oc_error *err) {
    oc_status status = OC_OK;
    if (item->pixels) {
        if (item->width < 1 || item->height < 1 || item->width > OC_IMAGE_SIDE_LIMIT ||
            item->height > OC_IMAGE_SIDE_LIMIT)
            return oc_fail(err, OC_E_USAGE, item->where, "%lldx%lld is no image size", (long long)item->width,
                           (long long)item->height);
        *pixels = (oc_pixels){.data = item->pixels, .width = item->width, .height = item->height};
        return OC_OK;
    }
    const void *data = item->data;
    size_t size = item->size;
    if (item->path) {
        OC_TRY(oc_file_read(file, &size, item->path, OC_IMAGE_FILE_LIMIT, err));
        data = *file;
    }
    OC_TRY(oc_decode(shop->decoder, data, size, item->path ? item->path : item->where, pixels, err));
cleanup:
    return status;
}

/* Makes the resizer large enough. */
static oc_status shop_reserve(workshop *shop, int64_t width, int64_t height, int64_t size, oc_error *err) {
    oc_status status = OC_OK;
    if (shop->resizer && width <= shop->width && height <= shop->height) return OC_OK;
    oc_resizer_destroy(&shop->resizer);
    shop->width = width > shop->width ? width : shop->width;
    shop->height = height > shop->height ? height : shop->height;
    OC_TRY(oc_resizer_create(&shop->resizer, shop->width, shop->height, size, size, err));
cleanup:
    return status;
}

/* Writes one image as the plan wants it. */
static oc_status item_prepare(const oc_classifier *classifier, const oc_classifier_item *item, workshop *shop,
                              float *dst, oc_error *err) {
    oc_status status = OC_OK;
    char *file = NULL;
    oc_pixels pixels;
    const oc_model *model = classifier->model;
    OC_TRY(item_pixels(item, shop, &file, &pixels, err));
    OC_TRY(oc_kept_fill(&shop->kept, &pixels, model->size, err));
    oc_image image = {.pixels = shop->kept.pixels, .width = shop->kept.width, .height = shop->kept.height};
    OC_TRY(shop_reserve(shop, image.width, image.height, model->size, err));
    oc_augmentation central = oc_augmentation_central(image.height, image.width, model->size);
    oc_augmentation_apply(&central, &image, model->size, model->mean, model->std, dst, shop->resizer);
cleanup:
    oc_free(file);
    return status;
}

typedef struct preparation {
    oc_classifier *classifier;
    oc_classifier_item *items;
    float *src;
} preparation;

static void prepare_range(void *user, int64_t begin, int64_t end, int worker) {
    preparation *p = user;
    const int64_t size = p->classifier->model->size;
    for (int64_t i = begin; i < end; i++) {
        oc_classifier_item *item = &p->items[i];
        item->status = item_prepare(p->classifier, item, &p->classifier->shops[worker], p->src + i * 3 * size * size,
                                    &item->error);
    }
}

/* The likeliest classes of one row; the lower class of equally likely ones first. */
static void pick(oc_classifier *classifier, const float *logits, oc_prediction *predictions, size_t top_k) {
    const oc_names *classes = &classifier->model->classes;
    double *p = classifier->probability, most = logits[0], sum = 0;
    for (size_t c = 1; c < classes->count; c++) most = logits[c] > most ? logits[c] : most;
    for (size_t c = 0; c < classes->count; c++) sum += p[c] = exp(logits[c] - most);
    for (size_t k = 0; k < top_k; k++) {
        size_t best = 0;
        for (size_t c = 1; c < classes->count; c++)
            if (p[c] > p[best]) best = c;
        predictions[k] = (oc_prediction){
            .class_index = (int32_t)best, .probability = (float)(p[best] / sum), .code = classes->item[best]};
        p[best] = -1; /* below every other: taken */
    }
}

oc_status oc_classifier_batch(oc_classifier *classifier, oc_classifier_item *items, int64_t count,
                              oc_prediction *predictions, size_t top_k, oc_error *err) {
    oc_status status = OC_OK;
    size_t classes = classifier->model->classes.count;
    if (count < 1 || count > classifier->capacity)
        return oc_fail(err, OC_E_USAGE, "count", "%lld images for a classifier of %lld at once", (long long)count,
                       (long long)classifier->capacity);
    if (top_k < 1 || top_k > classes)
        return oc_fail(err, OC_E_USAGE, "top_k", "%zu is not in 1 … %zu, the model's classes", top_k, classes);
    oc_team_enter(classifier->team);
    preparation prepare = {.classifier = classifier, .items = items, .src = oc_plan_src(classifier->plan)};
    oc_parallel_for_dynamic(classifier->team, count, 1, prepare_range, &prepare);
    bool any = false;
    for (int64_t i = 0; i < count; i++) any = any || items[i].status == OC_OK;
    if (!any) goto cleanup;
    OC_TRY(oc_plan_forward(classifier->plan, &classifier->model->weights, err));
    const float *logits = oc_plan_dst(classifier->plan);
    for (int64_t i = 0; i < count; i++)
        if (items[i].status == OC_OK)
            pick(classifier, logits + (size_t)i * classes, predictions + (size_t)i * top_k, top_k);
cleanup:
    return status;
}

/* The one image of a call of the public interface: its own failure is the call's. */
static oc_status classify_one(oc_classifier *classifier, oc_classifier_item *item, oc_prediction *predictions,
                              size_t top_k, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_classifier_batch(classifier, item, 1, predictions, top_k, err));
    if (item->status != OC_OK) status = oc_fail(err, item->status, item->error.where, "%s", item->error.message);
cleanup:
    return status;
}

oc_status oc_classifier_pixels(oc_classifier *classifier, const uint8_t *pixels, int64_t width, int64_t height,
                               oc_prediction *predictions, size_t top_k, oc_error *err) {
    oc_classifier_item item = {.pixels = pixels, .width = width, .height = height, .where = "pixels"};
    return classify_one(classifier, &item, predictions, top_k, err);
}

oc_status oc_classifier_encoded(oc_classifier *classifier, const void *data, size_t size, const char *where,
                                oc_prediction *predictions, size_t top_k, oc_error *err) {
    oc_classifier_item item = {.data = data, .size = size, .where = where};
    return classify_one(classifier, &item, predictions, top_k, err);
}
