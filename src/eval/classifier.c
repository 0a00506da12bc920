/* Classifying decoded pixels and encoded images by a network or an ensemble: each image is decoded once for each way in
 * which the networks that take part read images, prepared as a batch of evaluation is, and their scores are joined. A
 * network is its own only participant. */
#include "eval/classifier.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "eval/classifier_internal.h"
#include "eval/evaluator.h"
#include "eval/statistics.h"
#include "models/ensemble.h"
#include "models/precision.h"

/* ---- Setting up ------------------------------------------------------------------------------------------------- */

static bool prepares_alike(const oc_model *a, const oc_model *b) {
    return a->size == b->size && oc_normalisation_equal(a->mean, a->std, b->mean, b->std) &&
           oc_image_options_equal(&a->image, &b->image);
}

/* Elements of one prepared image. */
size_t oc_classifier_elements(const oc_model *network) {
    return (size_t)(3 * network->size * network->size);
}

/* Finds or adds the preparation of a participant. All but the first find their images in a staging buffer, since what
 * they compute on is shared. */
static oc_status join_preparation(oc_classifier *c, size_t place, oc_error *err) {
    oc_status status = OC_OK;
    oc_participant *p = &c->participants[place];
    while (p->preparation < c->preparation_count &&
           !prepares_alike(c->preparations[p->preparation].network, p->network))
        p->preparation++;
    oc_preparation *wanted = &c->preparations[p->preparation];
    if (p->preparation == c->preparation_count) {
        wanted->network = p->network;
        while (!oc_image_options_equal(&c->preparations[wanted->reading].network->image, &p->network->image))
            wanted->reading++;
        c->preparation_count++;
    }
    if (place > 0 && !wanted->staging)
        OC_TRY(oc_alloc(&wanted->staging, (size_t)c->capacity,
                        oc_classifier_elements(p->network) * sizeof *wanted->staging, err));
cleanup:
    return status;
}

static oc_status add_participant(oc_classifier *c, size_t place, oc_error *err) {
    oc_status status = OC_OK;
    oc_participant *p = &c->participants[place];
    p->network = oc_model_network(c->model, place);
    OC_TRY(join_preparation(c, place, err));
    OC_TRY(oc_alloc(&p->scores, (size_t)c->capacity, c->model->classes.count * sizeof *p->scores, err));
    c->gathered[place] = p->scores;
cleanup:
    return status;
}

/* The sizes of batches that plans are made for. */
static void set_rungs(oc_classifier *c, bool ladder) {
    for (int64_t size = 1; ladder && size < c->capacity; size *= 2) c->rung[c->rungs++] = size;
    c->rung[c->rungs++] = c->capacity;
}

static oc_status make_plans(oc_classifier *c, int rung, oc_error *err) {
    oc_status status = OC_OK;
    const oc_plan_options options = {
        .batch = c->rung[rung], .mode = OC_PLAN_INFER, .precision = c->precision, .team = c->team, .slab = c->slab};
    for (size_t i = 0; i < c->count; i++) {
        oc_participant *p = &c->participants[i];
        if (!p->plan[rung]) OC_TRY(oc_plan_create(&p->plan[rung], p->network->graph, &options, err));
    }
cleanup:
    return status;
}

oc_status oc_classifier_create(oc_classifier **out, oc_model *model, const oc_classifier_options *options,
                               oc_error *err) {
    const oc_classifier_options none = {0};
    return oc_classifier_create_with(out, model, &(oc_classifier_setup){.options = options ? *options : none}, err);
}

oc_status oc_classifier_create_with(oc_classifier **out, oc_model *model, const oc_classifier_setup *setup,
                                    oc_error *err) {
    const oc_classifier_options *options = &setup->options;
    oc_status status = OC_OK;
    oc_classifier *c = NULL;
    *out = NULL;
    if (options->batch < 0 || options->batch > INT32_MAX)
        return oc_fail(err, OC_E_USAGE, "batch", "%lld is no batch size", (long long)options->batch);
    OC_TRY(oc_alloc(&c, 1, sizeof *c, err));
    c->model = model;
    c->capacity = options->batch > 0 ? options->batch : 1;
    c->keep = setup->keep;
    set_rungs(c, setup->ladder);
    OC_TRY(oc_precision_find(&c->precision, options->precision, "--precision", err));
    OC_TRY(oc_team_create(&c->team, options->threads, err));
    OC_TRY(oc_slab_create(&c->slab, err));
    OC_TRY(oc_alloc(&c->probability, model->classes.count, sizeof *c->probability, err));
    OC_TRY(oc_alloc(&c->scores, (size_t)c->capacity, model->classes.count * sizeof *c->scores, err));
    const size_t networks = oc_model_networks(model);
    OC_TRY(oc_alloc(&c->participants, networks, sizeof *c->participants, err));
    c->count = networks;
    OC_TRY(oc_alloc(&c->preparations, networks, sizeof *c->preparations, err));
    OC_TRY(oc_alloc(&c->gathered, networks, sizeof *c->gathered, err));
    oc_team_enter(c->team);
    for (size_t i = 0; i < networks; i++) OC_TRY(add_participant(c, i, err));
    OC_TRY(make_plans(c, 0, err));
    const int team = oc_team_threads(c->team);
    OC_TRY(oc_alloc(&c->shops, (size_t)team, sizeof *c->shops, err));
    for (int i = 0; i < team; i++) OC_TRY(oc_workshop_open(&c->shops[i], c, setup->pixels_most, err));
    *out = c;
    c = NULL;
cleanup:
    oc_classifier_destroy(&c);
    return status;
}

void oc_classifier_destroy(oc_classifier **classifier) {
    oc_classifier *c = *classifier;
    if (!c) return;
    for (int i = 0; c->shops && i < oc_team_threads(c->team); i++)
        oc_workshop_close(&c->shops[i], c->preparation_count);
    for (size_t i = 0; i < c->count; i++) {
        for (int rung = 0; rung < c->rungs; rung++) oc_plan_destroy(&c->participants[i].plan[rung]);
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

const float *oc_classifier_scores(const oc_classifier *classifier) {
    return classifier->scores;
}

/* ---- Classifying ------------------------------------------------------------------------------------------------ */

oc_status oc_classifier_begin(oc_classifier *c, int64_t count, int *rung, oc_error *err) {
    oc_status status = OC_OK;
    *rung = 0;
    while (c->rung[*rung] < count) ++*rung;
    oc_team_enter(c->team);
    OC_TRY(make_plans(c, *rung, err));
    /* Asked for once and by one thread: a plan whose slab another plan has used binds its memory anew. */
    float *first = oc_plan_src(c->participants[0].plan[*rung]);
    for (size_t i = 0; i < c->preparation_count; i++) {
        oc_preparation *p = &c->preparations[i];
        p->dst = p->staging ? p->staging : first;
    }
cleanup:
    return status;
}

/* The prepared images' scores by one network, in the model's order of classes. The first batch tells whether its
 * weights are fit for use. */
static oc_status score(oc_classifier *c, size_t place, int rung, const oc_classifier_item *items, int64_t rows,
                       oc_error *err) {
    oc_status status = OC_OK;
    oc_participant *p = &c->participants[place];
    oc_plan *plan = p->plan[rung];
    const float *staging = c->preparations[p->preparation].staging;
    const size_t elements = oc_classifier_elements(p->network);
    float *src = oc_plan_src(plan);
    if (staging) memcpy(src, staging, (size_t)rows * elements * sizeof *staging);
    for (int64_t i = 0; i < c->rung[rung]; i++) /* what lies there is anything */
        if (i >= rows || (items && items[i].status != OC_OK))
            memset(src + (size_t)i * elements, 0, elements * sizeof *src);
    if (p->checked)
        OC_TRY(oc_plan_forward(plan, &p->network->weights, err));
    else
        OC_TRY(oc_model_forward_checked(p->network, plan, err));
    p->checked = true;
    oc_ensemble_gather(c->model, place, oc_plan_dst(plan), rows, p->scores);
cleanup:
    return status;
}

oc_status oc_classifier_score(oc_classifier *c, int rung, const oc_classifier_item *items, int64_t count,
                              oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < c->count; i++) OC_TRY(score(c, i, rung, items, count, err));
    oc_ensemble_combine(c->model, c->gathered, count, c->scores);
cleanup:
    return status;
}

oc_status oc_classifier_warm(oc_classifier *classifier, oc_error *err) {
    oc_status status = OC_OK;
    for (int i = 0; i < classifier->rungs; i++) {
        int rung;
        OC_TRY(oc_classifier_begin(classifier, classifier->rung[i], &rung, err));
        for (size_t j = 0; j < classifier->preparation_count; j++) {
            const oc_preparation *p = &classifier->preparations[j];
            memset(p->dst, 0, (size_t)classifier->rung[rung] * oc_classifier_elements(p->network) * sizeof *p->dst);
        }
        OC_TRY(oc_classifier_score(classifier, rung, NULL, classifier->rung[rung], err));
    }
cleanup:
    return status;
}

double oc_classifier_softmax(oc_classifier *c, const float *logits) {
    const size_t classes = c->model->classes.count;
    double most = logits[0], sum = 0;
    for (size_t i = 1; i < classes; i++) most = logits[i] > most ? logits[i] : most;
    for (size_t i = 0; i < classes; i++) sum += c->probability[i] = exp(logits[i] - most);
    return sum;
}

/* The likeliest classes of one row; the lower class of equally likely ones first. */
static void pick(oc_classifier *classifier, const float *logits, oc_prediction *predictions, size_t top_k) {
    const oc_names *classes = &classifier->model->classes;
    double *p = classifier->probability;
    const double sum = oc_classifier_softmax(classifier, logits);
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
    int rung;
    if (count < 1 || count > classifier->capacity)
        return oc_fail(err, OC_E_USAGE, "count", "%lld images for a classifier of %lld at once", (long long)count,
                       (long long)classifier->capacity);
    if (top_k < 1 || top_k > classes)
        return oc_fail(err, OC_E_USAGE, "top_k", "%zu is not in 1 … %zu, the model's classes", top_k, classes);
    OC_TRY(oc_classifier_begin(classifier, count, &rung, err));
    oc_classifier_prepare(classifier, items, count);
    bool any = false;
    for (int64_t i = 0; i < count; i++) any = any || items[i].status == OC_OK;
    if (!any) goto cleanup;
    OC_TRY(oc_classifier_score(classifier, rung, items, count, err));
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
