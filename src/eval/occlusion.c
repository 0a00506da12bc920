/* Occlusion sensitivity over a classifier's plans. */
#include "eval/occlusion.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "eval/classifier_internal.h"
#include "eval/statistics.h"

#define CELLS OC_OCCLUSION_CELLS

struct oc_occlusion {
    oc_classifier *classifier;
    float **prepared; /* [preparations] the image as each wants it */
    size_t preparations;
    int64_t next; /* 0: the whole image; then the cells, row by row */
    oc_occlusion_map map;
};

void oc_occlusion_destroy(oc_occlusion **occlusion) {
    oc_occlusion *o = *occlusion;
    if (!o) return;
    for (size_t i = 0; o->prepared && i < o->preparations; i++) oc_free(o->prepared[i]);
    oc_free(o->prepared);
    oc_free(o);
    *occlusion = NULL;
}

/* The square of the upright image that the networks see. */
static void place_square(oc_occlusion_map *map, const oc_model *network, int64_t width, int64_t height) {
    const double w = (double)width, h = (double)height;
    double side_x = w, side_y = h;
    if (network->image.fit == OC_FIT_CROP)
        side_x = side_y = (double)oc_central_side(width, height, network->size);
    else if (network->image.fit == OC_FIT_LETTERBOX)
        side_x = side_y = w > h ? w : h;
    map->width = side_x / w;
    map->height = side_y / h;
    map->left = (1 - map->width) / 2;
    map->top = (1 - map->height) / 2;
}

oc_status oc_occlusion_create(oc_occlusion **out, oc_classifier *classifier, oc_classifier_item *item,
                              int32_t class_index, oc_error *err) {
    oc_status status = OC_OK;
    oc_occlusion *o = NULL;
    int rung;
    *out = NULL;
    if (class_index < -1 || class_index >= (int64_t)classifier->model->classes.count)
        return oc_fail(err, OC_E_USAGE, "class", "%d is no class of the model", class_index);
    OC_TRY(oc_alloc(&o, 1, sizeof *o, err));
    o->classifier = classifier;
    o->map.class_index = class_index;
    OC_TRY(oc_alloc(&o->prepared, classifier->preparation_count, sizeof *o->prepared, err));
    o->preparations = classifier->preparation_count;
    OC_TRY(oc_classifier_begin(classifier, 1, &rung, err));
    oc_classifier_prepare(classifier, item, 1);
    if (item->status != OC_OK) {
        status = oc_fail(err, item->status, item->error.where, "%s", item->error.message);
        goto cleanup;
    }
    for (size_t i = 0; i < o->preparations; i++) {
        const oc_preparation *p = &classifier->preparations[i];
        const size_t elements = oc_classifier_elements(p->network);
        OC_TRY(oc_alloc(&o->prepared[i], elements, sizeof(float), err));
        memcpy(o->prepared[i], p->dst, elements * sizeof(float));
    }
    place_square(&o->map, classifier->preparations[0].network, item->width, item->height);
    *out = o;
    o = NULL;
cleanup:
    oc_occlusion_destroy(&o);
    return status;
}

/* Begin and end of a patch on a side of `size` elements. */
static void span(int64_t cell, int64_t size, int64_t *begin, int64_t *end) {
    const int64_t middle = (2 * cell + 1) * size / (2 * CELLS), half = size / 8 > 0 ? size / 8 : 1;
    *begin = middle > half ? middle - half : 0;
    *end = middle + half < size ? middle + half : size;
}

/* Makes the patch over `cell` of an image [3, size, size] the mean colour, which normalisation makes 0. */
static void cover(float *image, int64_t size, int64_t cell) {
    int64_t top, bottom, left, right;
    span(cell / CELLS, size, &top, &bottom);
    span(cell % CELLS, size, &left, &right);
    for (int64_t c = 0; c < 3; c++)
        for (int64_t y = top; y < bottom; y++)
            memset(image + (c * size + y) * size + left, 0, (size_t)(right - left) * sizeof *image);
}

/* Notes the probabilities of rows, the first of which is `first`. */
static oc_status note(oc_occlusion *o, int64_t first, int64_t rows, oc_error *err) {
    oc_classifier *c = o->classifier;
    const size_t classes = c->model->classes.count;
    for (int64_t i = 0; i < rows; i++) {
        const float *logits = c->scores + (size_t)i * classes;
        if (!oc_scores_finite(logits, (int64_t)classes))
            return oc_fail(err, OC_E_NON_FINITE, NULL, "the scores of this image are not finite");
        if (first + i == 0 && o->map.class_index < 0) o->map.class_index = oc_top1(logits, (int64_t)classes);
        const double sum = oc_classifier_softmax(c, logits);
        const float probability = (float)(c->probability[o->map.class_index] / sum);
        const int64_t cell = first + i - 1;
        if (cell < 0)
            o->map.probability = probability;
        else
            o->map.fall[cell / CELLS][cell % CELLS] = o->map.probability - probability;
    }
    return OC_OK;
}

oc_status oc_occlusion_step(oc_occlusion *o, bool *done, oc_error *err) {
    oc_status status = OC_OK;
    oc_classifier *c = o->classifier;
    const int64_t left = 1 + CELLS * CELLS - o->next, rows = left < c->capacity ? left : c->capacity;
    int rung;
    if (rows > 0) {
        OC_TRY(oc_classifier_begin(c, rows, &rung, err));
        for (size_t i = 0; i < o->preparations; i++) {
            const oc_preparation *p = &c->preparations[i];
            const size_t elements = oc_classifier_elements(p->network);
            for (int64_t row = 0; row < rows; row++) {
                float *image = p->dst + (size_t)row * elements;
                memcpy(image, o->prepared[i], elements * sizeof *image);
                if (o->next + row > 0) cover(image, p->network->size, o->next + row - 1);
            }
        }
        OC_TRY(oc_classifier_score(c, rung, NULL, rows, err));
        OC_TRY(note(o, o->next, rows, err));
        o->next += rows;
    }
    *done = o->next == 1 + CELLS * CELLS;
cleanup:
    return status;
}

const oc_occlusion_map *oc_occlusion_get(const oc_occlusion *occlusion) {
    return &occlusion->map;
}
