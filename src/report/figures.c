/* What scores of a model's best weights tell, as JSON: which classes are taken for which, how far probabilities can be
 * believed, and the images behind it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/image/encode.h"
#include "eval/statistics.h"
#include "ocelli/data.h"
#include "report/report.h"

#define PAIRS_MOST 10
#define PAIR_EXAMPLES 4
#define WRONG_MOST 24
#define IMAGE_QUALITY 88                /* of JPEG */
#define IMAGE_BYTES ((size_t)600 << 10) /* of all images of one evaluation, in base64 */
#define PAIR_BYTES                                                                                                     \
    (IMAGE_BYTES * 5 / 8) /* of those beside the pairs, so that as much is left for the surest mistakes */

/* What is known of each image. */
typedef struct guess {
    int64_t row;
    int32_t label, class_index; /* −1: no label; what it is taken for */
    double probability, right;  /* of the guess and of the label */
} guess;

typedef struct figures {
    const oc_figures_source *source;
    int64_t classes;
    int64_t *confusion; /* [classes, classes] */
    int64_t *count;     /* [classes] images */
    guess *wrong;       /* the labelled rows that are guessed wrong, the surest first */
    int64_t wrongs;
    size_t image_bytes, image_limit; /* inlined so far, and at most */
} figures;

/* ---- counting ---- */

static int compare_guesses(const void *a, const void *b) {
    const guess *x = a, *y = b;
    if (x->probability != y->probability) return x->probability > y->probability ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static oc_status count(figures *f, oc_error *err) {
    oc_status status = OC_OK;
    const oc_scores *s = f->source->scores;
    f->classes = s->classes;
    OC_TRY(oc_alloc(&f->confusion, (size_t)(s->classes * s->classes), sizeof *f->confusion, err));
    OC_TRY(oc_alloc(&f->count, (size_t)s->classes, sizeof *f->count, err));
    OC_TRY(oc_alloc(&f->wrong, (size_t)s->images, sizeof *f->wrong, err));
    oc_scores_confusion(s, f->confusion);
    for (int64_t i = 0; i < s->images; i++) {
        const float *row = s->logits + i * s->classes;
        const int32_t best = oc_top1(row, s->classes), label = s->label[i];
        if (label < 0) continue;
        f->count[label]++;
        if (best == label) continue;
        f->wrong[f->wrongs++] = (guess){.row = i,
                                        .label = label,
                                        .class_index = best,
                                        .probability = oc_probability(row, s->classes, best),
                                        .right = oc_probability(row, s->classes, label)};
    }
    if (f->wrongs > 0) qsort(f->wrong, (size_t)f->wrongs, sizeof *f->wrong, compare_guesses);
cleanup:
    return status;
}

/* ---- images ---- */

/* *out = the image as a data URI, or null where too many are inlined already. */
static oc_status image_json(json_t **out, figures *f, const oc_image *image, oc_error *err) {
    oc_status status = OC_OK;
    unsigned char *jpeg = NULL;
    size_t size = 0;
    oc_text text = {0};
    *out = NULL;
    OC_TRY(oc_jpeg_encode(&jpeg, &size, image->pixels, image->width, image->height, false, IMAGE_QUALITY, err));
    OC_TRY(oc_text_printf(&text, err, "data:image/jpeg;base64,"));
    OC_TRY(oc_text_base64(&text, jpeg, size, err));
    const bool fits = f->image_bytes + text.size <= f->image_limit;
    if (fits) f->image_bytes += text.size;
    *out = fits ? json_string(text.data) : json_null();
    if (!*out) status = oc_json_no_memory(err);
cleanup:
    free(jpeg);
    oc_text_free(&text);
    return status;
}

/* Appends EXAMPLE to a list. */
static oc_status example_add(json_t *list, figures *f, const guess *g, oc_error *err) {
    oc_status status = OC_OK;
    const oc_image image = oc_pack_image(f->source->pack, g->row);
    const char *slash = strrchr(image.name, '/');
    json_t *inlined = NULL;
    OC_TRY(image_json(&inlined, f, &image, err));
    json_t *example = json_pack(
        "{s:o, s:i, s:i, s:o, s:o, s:i, s:i, s:o}", "name", oc_json_bytes(slash ? slash + 1 : image.name), "true",
        (int)g->label, "guess", (int)g->class_index, "probability", oc_json_real(g->probability), "probability_true",
        oc_json_real(g->right), "width", (int)image.width, "height", (int)image.height, "image", inlined);
    if (json_array_append_new(list, example) != 0) status = oc_json_no_memory(err);
cleanup:
    return status;
}

/* ---- the parts ---- */

static oc_status classes_add(json_t *root, const figures *f, oc_error *err) {
    oc_status status = OC_OK;
    int32_t *order = NULL;
    json_t *codes = json_array(), *names = json_array(), *places = json_array(), *right = json_array(),
           *counts = json_array();
    bool good = codes && names && places && right && counts;
    OC_TRY(oc_alloc(&order, (size_t)f->classes, sizeof *order, err));
    OC_TRY(oc_similar_order(order, f->confusion, f->classes, err));
    for (int64_t c = 0; good && c < f->classes; c++) {
        const char *code = f->source->classes->item[c];
        good = json_array_append_new(codes, oc_json_bytes(code)) == 0 &&
               json_array_append_new(names, oc_json_bytes(oc_dataset_class_name(f->source->dataset, code))) == 0 &&
               json_array_append_new(places, json_integer(order[c])) == 0 &&
               json_array_append_new(right, json_integer(f->confusion[c * f->classes + c])) == 0 &&
               json_array_append_new(counts, json_integer(f->count[c])) == 0;
    }
    good = good && json_object_set(root, "classes", codes) == 0 && json_object_set(root, "class_names", names) == 0 &&
           json_object_set(root, "order", places) == 0 && json_object_set(root, "right", right) == 0 &&
           json_object_set(root, "count", counts) == 0;
    if (!good) status = oc_json_no_memory(err);
cleanup:
    oc_free(order);
    json_decref(codes);
    json_decref(names);
    json_decref(places);
    json_decref(right);
    json_decref(counts);
    return status;
}

static oc_status confusion_add(json_t *root, const figures *f, oc_error *err) {
    json_t *list = json_array();
    bool good = list != NULL;
    for (int64_t a = 0; good && a < f->classes; a++)
        for (int64_t b = 0; good && b < f->classes; b++) {
            const int64_t images = f->confusion[a * f->classes + b];
            if (images == 0) continue;
            good = json_array_append_new(list,
                                         json_pack("[I, I, I]", (json_int_t)a, (json_int_t)b, (json_int_t)images)) == 0;
        }
    if (!good) {
        json_decref(list);
        return oc_json_no_memory(err);
    }
    return oc_json_put(root, "confusion", list, err);
}

static oc_status reliability_add(json_t *root, const figures *f, oc_error *err) {
    const oc_scores *s = f->source->scores;
    oc_reliability_bin bin[OC_RELIABILITY_BINS];
    json_t *list = json_array();
    bool good = list != NULL;
    (void)oc_reliability(bin, s->logits, s->label, s->images, s->classes);
    for (int b = 0; good && b < OC_RELIABILITY_BINS; b++) {
        const double images = bin[b].images > 0 ? (double)bin[b].images : NAN;
        good = json_array_append_new(
                   list, json_pack("{s:f, s:f, s:I, s:o, s:o}", "low", (double)b / OC_RELIABILITY_BINS, "high",
                                   (double)(b + 1) / OC_RELIABILITY_BINS, "images", (json_int_t)bin[b].images,
                                   "confidence", oc_json_real(bin[b].confidence / images), "accuracy",
                                   oc_json_real((double)bin[b].right / images))) == 0;
    }
    if (!good) {
        json_decref(list);
        return oc_json_no_memory(err);
    }
    return oc_json_put(root, "reliability", list, err);
}

/* Two classes and how often one is taken for the other. */
typedef struct pair {
    int64_t a, b, images;
} pair;

/* Puts a pair into the list of the most confused ones, which holds `pairs`; of equals the earlier stays before. */
static size_t pair_insert(pair *list, size_t pairs, pair one) {
    size_t at = pairs;
    while (at > 0 && list[at - 1].images < one.images) at--;
    if (at == PAIRS_MOST) return pairs;
    const size_t moved = (pairs < PAIRS_MOST ? pairs : PAIRS_MOST - 1) - at;
    memmove(list + at + 1, list + at, moved * sizeof *list);
    list[at] = one;
    return pairs < PAIRS_MOST ? pairs + 1 : pairs;
}

static oc_status pair_add(json_t *list, figures *f, const pair *p, oc_error *err) {
    oc_status status = OC_OK;
    const int64_t n = f->classes;
    json_t *examples = json_array();
    for (int64_t i = 0, taken = 0; examples && i < f->wrongs && taken < PAIR_EXAMPLES; i++) {
        const guess *g = &f->wrong[i];
        if (!((g->label == p->a && g->class_index == p->b) || (g->label == p->b && g->class_index == p->a))) continue;
        OC_TRY(example_add(examples, f, g, err));
        taken++;
    }
    if (json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:I, s:I, s:O}", "a", (json_int_t)p->a, "b",
                                              (json_int_t)p->b, "images", (json_int_t)p->images, "a_as_b",
                                              (json_int_t)f->confusion[p->a * n + p->b], "b_as_a",
                                              (json_int_t)f->confusion[p->b * n + p->a], "examples", examples)) != 0)
        status = oc_json_no_memory(err);
cleanup:
    json_decref(examples);
    return status;
}

static oc_status pairs_add(json_t *root, figures *f, oc_error *err) {
    oc_status status = OC_OK;
    const int64_t n = f->classes;
    pair most[PAIRS_MOST];
    size_t pairs = 0;
    json_t *list = json_array();
    for (int64_t a = 0; a < n; a++)
        for (int64_t b = a + 1; b < n; b++) {
            const int64_t images = f->confusion[a * n + b] + f->confusion[b * n + a];
            if (images > 0) pairs = pair_insert(most, pairs, (pair){a, b, images});
        }
    f->image_limit = PAIR_BYTES;
    for (size_t i = 0; i < pairs; i++) OC_TRY(pair_add(list, f, &most[i], err));
    if (json_object_set(root, "pairs", list) != 0) status = oc_json_no_memory(err);
cleanup:
    json_decref(list);
    return status;
}

static oc_status wrong_add(json_t *root, figures *f, oc_error *err) {
    oc_status status = OC_OK;
    json_t *list = json_array();
    f->image_limit = IMAGE_BYTES;
    for (int64_t i = 0; i < f->wrongs && i < WRONG_MOST; i++) OC_TRY(example_add(list, f, &f->wrong[i], err));
    if (json_object_set(root, "wrong", list) != 0) status = oc_json_no_memory(err);
cleanup:
    json_decref(list);
    return status;
}

oc_status oc_figures_json(json_t **out, const oc_figures_source *source, oc_error *err) {
    oc_status status = OC_OK;
    figures f = {.source = source};
    const oc_evaluation e = oc_scores_evaluation(source->scores, source->smoothing);
    json_t *root = json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "images", (json_int_t)e.images, "top1",
                             oc_json_real(e.top1), "top1_low", oc_json_real(e.top1_low), "top1_high",
                             oc_json_real(e.top1_high), "top5", oc_json_real(e.top5), "loss", oc_json_real(e.loss),
                             "calibration_error", oc_json_real(e.calibration_error));
    if (!root) return oc_json_no_memory(err);
    OC_TRY(count(&f, err));
    OC_TRY(classes_add(root, &f, err));
    OC_TRY(confusion_add(root, &f, err));
    OC_TRY(reliability_add(root, &f, err));
    OC_TRY(pairs_add(root, &f, err));
    OC_TRY(wrong_add(root, &f, err));
    *out = root;
    root = NULL;
cleanup:
    json_decref(root);
    oc_free(f.confusion);
    oc_free(f.count);
    oc_free(f.wrong);
    return status;
}
