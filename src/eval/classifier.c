/* Classifying decoded pixels and encoded images by a network or an ensemble: each image is decoded once for each way in
 * which the networks that take part read images, prepared as a batch of evaluation is, and their scores are joined. A
 * network is its own only participant. */
#include "eval/classifier.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "data/augment.h"
#include "data/image/decode.h"
#include "data/kept.h"
#include "eval/evaluator.h"
#include "eval/statistics.h"
#include "graph/plan.h"
#include "models/ensemble.h"
#include "models/precision.h"

/* A way in which images are prepared: networks that want the same are given the same. */
typedef struct preparation {
    const oc_model *network; /* the first that wants it: how it reads images, its size, mean and std */
    size_t reading;          /* place of the first preparation that reads images so */
    float *staging;          /* [capacity, 3, size, size]; NULL: only the first network wants it, and has it at once */
    float *dst;              /* where a batch is prepared: `staging` or the first network's input */
} preparation;

/* A network that takes part. */
typedef struct participant {
    oc_model *network;
    oc_plan *plan;
    size_t preparation; /* its place */
    float *scores;      /* [capacity, classes] in the model's order of classes */
    bool checked;       /* its first batch gave nothing but finite numbers */
} participant;

/* A resizer for images of up to width × height. */
typedef struct frame {
    oc_resizer *resizer;
    int64_t width, height;
} frame;

/* An image as decoded in one of the ways that are wanted. */
typedef struct reading {
    oc_decoder *decoder; /* NULL: another preparation reads images in the same way */
    oc_pixels pixels;    /* the decoder's */
} reading;

/* What one thread prepares images with. */
typedef struct workshop {
    reading *readings; /* [preparations] */
    oc_kept kept;      /* the image as a pack would keep it */
    frame *frames;     /* [preparations] */
} workshop;

struct oc_classifier {
    oc_model *model;
    int64_t capacity;
    oc_precision precision;
    oc_team *team;
    oc_slab *slab; /* the plans', which run one after the other */
    participant *participants;
    size_t count;
    preparation *preparations;
    size_t preparation_count;
    const float **gathered; /* [participants] the scores of each */
    float *scores;          /* [capacity, classes] joined */
    workshop *shops;        /* [threads] */
    double *probability;    /* [classes] */
};

/* ---- Setting up ------------------------------------------------------------------------------------------------- */

static bool prepares_alike(const oc_model *a, const oc_model *b) {
    return a->size == b->size && oc_normalisation_equal(a->mean, a->std, b->mean, b->std) &&
           oc_image_options_equal(&a->image, &b->image);
}

/* Elements of one prepared image. */
static size_t image_elements(const oc_model *network) {
    return (size_t)(3 * network->size * network->size);
}

/* Finds or adds the preparation of a participant. All but the first find their images in a staging buffer, since what
 * they compute on is shared. */
static oc_status join_preparation(oc_classifier *c, size_t place, oc_error *err) {
    oc_status status = OC_OK;
    participant *p = &c->participants[place];
    while (p->preparation < c->preparation_count &&
           !prepares_alike(c->preparations[p->preparation].network, p->network))
        p->preparation++;
    preparation *wanted = &c->preparations[p->preparation];
    if (p->preparation == c->preparation_count) {
        wanted->network = p->network;
        while (!oc_image_options_equal(&c->preparations[wanted->reading].network->image, &p->network->image))
            wanted->reading++;
        c->preparation_count++;
    }
    if (place > 0 && !wanted->staging)
        OC_TRY(
            oc_alloc(&wanted->staging, (size_t)c->capacity, image_elements(p->network) * sizeof *wanted->staging, err));
cleanup:
    return status;
}

static oc_status add_participant(oc_classifier *c, size_t place, oc_error *err) {
    oc_status status = OC_OK;
    participant *p = &c->participants[place];
    p->network = oc_model_network(c->model, place);
    OC_TRY(join_preparation(c, place, err));
    OC_TRY(oc_alloc(&p->scores, (size_t)c->capacity, c->model->classes.count * sizeof *p->scores, err));
    c->gathered[place] = p->scores;
    oc_plan_options plan = {
        .batch = c->capacity, .mode = OC_PLAN_INFER, .precision = c->precision, .team = c->team, .slab = c->slab};
    OC_TRY(oc_plan_create(&p->plan, p->network->graph, &plan, err));
cleanup:
    return status;
}

static oc_status shop_open(workshop *shop, const oc_classifier *c, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_alloc(&shop->frames, c->preparation_count, sizeof *shop->frames, err));
    OC_TRY(oc_alloc(&shop->readings, c->preparation_count, sizeof *shop->readings, err));
    for (size_t i = 0; i < c->preparation_count; i++)
        if (c->preparations[i].reading == i)
            OC_TRY(oc_decoder_create(&shop->readings[i].decoder, &c->preparations[i].network->image, err));
cleanup:
    return status;
}

oc_status oc_classifier_create(oc_classifier **out, oc_model *model, int64_t batch, int threads, oc_error *err) {
    oc_status status = OC_OK;
    oc_classifier *c = NULL;
    *out = NULL;
    if (batch < 1) return oc_fail(err, OC_E_USAGE, "batch", "%lld is no batch size", (long long)batch);
    OC_TRY(oc_alloc(&c, 1, sizeof *c, err));
    c->model = model;
    c->capacity = batch;
    OC_TRY(oc_precision_find(&c->precision, NULL, "--precision", err));
    OC_TRY(oc_team_create(&c->team, threads, err));
    OC_TRY(oc_slab_create(&c->slab, err));
    OC_TRY(oc_alloc(&c->probability, model->classes.count, sizeof *c->probability, err));
    OC_TRY(oc_alloc(&c->scores, (size_t)batch, model->classes.count * sizeof *c->scores, err));
    const size_t networks = oc_model_networks(model);
    OC_TRY(oc_alloc(&c->participants, networks, sizeof *c->participants, err));
    c->count = networks;
    OC_TRY(oc_alloc(&c->preparations, networks, sizeof *c->preparations, err));
    OC_TRY(oc_alloc(&c->gathered, networks, sizeof *c->gathered, err));
    oc_team_enter(c->team);
    for (size_t i = 0; i < networks; i++) OC_TRY(add_participant(c, i, err));
    const int team = oc_team_threads(c->team);
    OC_TRY(oc_alloc(&c->shops, (size_t)team, sizeof *c->shops, err));
    for (int i = 0; i < team; i++) OC_TRY(shop_open(&c->shops[i], c, err));
    *out = c;
    c = NULL;
cleanup:
    oc_classifier_destroy(&c);
    return status;
}

static void shop_close(workshop *shop, size_t preparations) {
    oc_kept_free(&shop->kept);
    for (size_t i = 0; shop->readings && i < preparations; i++) oc_decoder_destroy(&shop->readings[i].decoder);
    for (size_t i = 0; shop->frames && i < preparations; i++) oc_resizer_destroy(&shop->frames[i].resizer);
    oc_free(shop->readings);
    oc_free(shop->frames);
}

void oc_classifier_destroy(oc_classifier **classifier) {
    oc_classifier *c = *classifier;
    if (!c) return;
    for (int i = 0; c->shops && i < oc_team_threads(c->team); i++) shop_close(&c->shops[i], c->preparation_count);
    for (size_t i = 0; i < c->count; i++) {
        oc_plan_destroy(&c->participants[i].plan);
        oc_free(c->participants[i].scores);
    }
    for (size_t i = 0; i < c->preparation_count; i++) oc_free(c->preparations[i].staging);
    oc_free(c->shops);
    oc_free(c->participants);
    oc_free(c->preparations);
    oc_free(c->gathered);
    oc_free(c->scores);
    oc_free(c->probability);
    oc_slab_destroy(&c->slab);
    oc_team_destroy(&c->team);
    oc_free(c);
    *classifier = NULL;
}

const char *oc_classifier_note(const oc_classifier *classifier) {
    return oc_team_note(classifier->team);
}

int64_t oc_classifier_capacity(const oc_classifier *classifier) {
    return classifier->capacity;
}

/* ---- Preparing images ------------------------------------------------------------------------------------------- */

/* Fills the pixels of the shop's `count` readings, decoding once for each that has a decoder. */
static oc_status item_read(const oc_classifier_item *item, workshop *shop, size_t count, oc_error *err) {
    oc_status status = OC_OK;
    char *file = NULL;
    if (item->pixels) {
        if (item->width < 1 || item->height < 1 || item->width > OC_IMAGE_SIDE_LIMIT ||
            item->height > OC_IMAGE_SIDE_LIMIT)
            return oc_fail(err, OC_E_USAGE, item->where, "%lldx%lld is no image size", (long long)item->width,
                           (long long)item->height);
        for (size_t i = 0; i < count; i++)
            shop->readings[i].pixels = (oc_pixels){.data = item->pixels, .width = item->width, .height = item->height};
        return OC_OK;
    }
    const void *data = item->data;
    size_t size = item->size;
    if (item->path) {
        OC_TRY(oc_file_read(&file, &size, item->path, OC_IMAGE_FILE_LIMIT, err));
        data = file;
    }
    for (size_t i = 0; i < count; i++) {
        reading *r = &shop->readings[i];
        if (!r->decoder) continue;
        OC_TRY(oc_decode(r->decoder, data, size, item->path ? item->path : item->where, &r->pixels, err));
    }
cleanup:
    oc_free(file);
    return status;
}

/* Makes the resizer large enough. */
static oc_status frame_reserve(frame *f, int64_t width, int64_t height, int64_t size, oc_error *err) {
    oc_status status = OC_OK;
    if (f->resizer && width <= f->width && height <= f->height) return OC_OK;
    oc_resizer_destroy(&f->resizer);
    f->width = width > f->width ? width : f->width;
    f->height = height > f->height ? height : f->height;
    OC_TRY(oc_resizer_create(&f->resizer, f->width, f->height, size, size, err));
cleanup:
    return status;
}

/* Writes one decoded image as a network wants it. */
static oc_status prepare_image(const oc_pixels *pixels, const oc_model *network, workshop *shop, frame *f, float *dst,
                               oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_kept_fill(&shop->kept, pixels, network->size, &network->image, err));
    oc_image image = {.pixels = shop->kept.pixels, .width = shop->kept.width, .height = shop->kept.height};
    OC_TRY(frame_reserve(f, image.width, image.height, network->size, err));
    oc_augmentation plain = oc_augmentation_plain(image.height, image.width, network->size, network->image.fit);
    oc_augmentation_apply(&plain, &image, network->size, network->mean, network->std, dst, f->resizer);
cleanup:
    return status;
}

/* Decodes an image, and prepares it in each way that is wanted, as row `row` of the batch. */
static oc_status prepare_item(const oc_classifier *c, const oc_classifier_item *item, workshop *shop, int64_t row,
                              oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(item_read(item, shop, c->preparation_count, err));
    for (size_t i = 0; i < c->preparation_count; i++) {
        const preparation *p = &c->preparations[i];
        OC_TRY(prepare_image(&shop->readings[p->reading].pixels, p->network, shop, &shop->frames[i],
                             p->dst + (size_t)row * image_elements(p->network), err));
    }
cleanup:
    return status;
}

typedef struct prepare_job {
    oc_classifier *classifier;
    oc_classifier_item *items;
} prepare_job;

static void prepare_range(void *user, int64_t begin, int64_t end, int worker) {
    const prepare_job *job = user;
    for (int64_t i = begin; i < end; i++) {
        oc_classifier_item *item = &job->items[i];
        item->status = prepare_item(job->classifier, item, &job->classifier->shops[worker], i, &item->error);
    }
}

/* ---- Classifying ------------------------------------------------------------------------------------------------ */

/* The prepared images' scores by one network, in the model's order of classes. The first batch tells whether its
 * weights are fit for use. */
static oc_status score(oc_classifier *c, size_t place, const oc_classifier_item *items, int64_t rows, oc_error *err) {
    oc_status status = OC_OK;
    participant *p = &c->participants[place];
    const float *staging = c->preparations[p->preparation].staging;
    const size_t elements = image_elements(p->network);
    float *src = oc_plan_src(p->plan);
    if (staging) memcpy(src, staging, (size_t)rows * elements * sizeof *staging);
    for (int64_t i = 0; i < c->capacity; i++) /* what lies there is anything */
        if (i >= rows || items[i].status != OC_OK) memset(src + (size_t)i * elements, 0, elements * sizeof *src);
    if (p->checked)
        OC_TRY(oc_plan_forward(p->plan, &p->network->weights, err));
    else
        OC_TRY(oc_model_forward_checked(p->network, p->plan, err));
    p->checked = true;
    oc_ensemble_gather(c->model, place, oc_plan_dst(p->plan), rows, p->scores);
cleanup:
    return status;
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
    /* Asked for once and by one thread: a plan whose slab another plan has used binds its memory anew. */
    float *first = oc_plan_src(classifier->participants[0].plan);
    for (size_t i = 0; i < classifier->preparation_count; i++) {
        preparation *p = &classifier->preparations[i];
        p->dst = p->staging ? p->staging : first;
    }
    prepare_job job = {.classifier = classifier, .items = items};
    oc_parallel_for_dynamic(classifier->team, count, 1, prepare_range, &job);
    bool any = false;
    for (int64_t i = 0; i < count; i++) any = any || items[i].status == OC_OK;
    if (!any) goto cleanup;
    for (size_t i = 0; i < classifier->count; i++) OC_TRY(score(classifier, i, items, count, err));
    oc_ensemble_combine(classifier->model, classifier->gathered, count, classifier->scores);
    for (int64_t i = 0; i < count; i++) {
        const float *logits = classifier->scores + (size_t)i * classes;
        if (items[i].status == OC_OK && !oc_scores_finite(logits, (int64_t)classes))
            items[i].status = oc_fail(&items[i].error, OC_E_NON_FINITE, items[i].path ? items[i].path : items[i].where,
                                      "the scores of this image are not finite");
        if (items[i].status == OC_OK) pick(classifier, logits, predictions + (size_t)i * top_k, top_k);
    }
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
