/* What the well-known mistakes of deployment do to an image, as a table; and the logits with and without them. Each is
 * computed by the same classifier, from other pixels or with another mean and std. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/augment.h"
#include "data/kept.h"
#include "eval/classifier.h"
#include "export/certificate/certificate.h"
#include "export/certificate/filter.h"
#include "models/ensemble.h"

#define TOP 5 /* of the likeliest classes */

/* Which part of an image is shown, and how large. */
typedef enum view {
    VIEW_OWN,      /* as the model is made for */
    VIEW_SQUASH,   /* the whole, pressed to the size in one step */
    VIEW_BLACK,    /* the whole, in one step, on black */
    VIEW_BORDER,   /* the same on the model's own background */
    VIEW_CROP_100, /* the shorter side to the size, then the middle … */
    VIEW_CROP_87,  /* … to size / 0.875 before … */
    VIEW_CROP_80   /* … to size / 0.8 */
} view;

typedef struct row {
    const char *name, *cause;
    const float *mean, *std; /* NULL: the model's own */
    double scale;            /* of values before these; 0: 1 */
    oc_filter filter;
    view view;
    int fit;  /* the one fit for which the row is a mistake; ANY; or NOT + the one for which it is none */
    bool bgr; /* red and blue change places */
} row;
#define ANY (-1)
#define NOT 16

static const float imagenet_mean[3] = {0.485F, 0.456F, 0.406F}, imagenet_std[3] = {0.229F, 0.224F, 0.225F};
static const float halves[3] = {0.5F, 0.5F, 0.5F}, zeros[3] = {0, 0, 0}, ones[3] = {1, 1, 1};

static const row rows[] = {
    {.name = "bgr",
     .cause = "the channels are in the order blue, green, red, as OpenCV reads images: they must be red, green, blue",
     .bgr = true,
     .fit = ANY},
    {.name = "undivided",
     .cause = "values are not divided by 255 before mean and std are applied",
     .scale = 255,
     .fit = ANY},
    {.name = "imagenet",
     .cause = "normalisation by ImageNet's mean and std instead of this model's",
     .mean = imagenet_mean,
     .std = imagenet_std,
     .fit = ANY},
    {.name = "half",
     .cause = "normalisation by mean 0.5 and std 0.5 instead of this model's",
     .mean = halves,
     .std = halves,
     .fit = ANY},
    {.name = "unnormalised",
     .cause = "no normalisation: values are divided by 255, but mean and std are not applied",
     .mean = zeros,
     .std = ones,
     .fit = ANY},
    {.name = "nearest",
     .cause = "the resize takes the nearest pixel: it must be bilinear with antialiasing",
     .filter = OC_FILTER_NEAREST,
     .fit = ANY},
    {.name = "bicubic",
     .cause = "the resize is bicubic: it must be bilinear with antialiasing",
     .filter = OC_FILTER_BICUBIC,
     .fit = ANY},
    {.name = "aliased",
     .cause = "the resize is bilinear without antialiasing, as OpenCV's INTER_LINEAR: it must be with antialiasing",
     .filter = OC_FILTER_ALIASED,
     .fit = ANY},
    {.name = "squash",
     .cause =
         "crop and squash are confused: the whole image is pressed into a square, and its middle should be cut out",
     .view = VIEW_SQUASH,
     .fit = OC_FIT_CROP},
    {.name = "squash",
     .cause = "the whole image is pressed into a square (squash), and should keep its shape, with a border (letterbox)",
     .view = VIEW_SQUASH,
     .fit = OC_FIT_LETTERBOX},
    {.name = "one-step",
     .cause = "the resize to the model's size is done in one step: large images take two (see the README)",
     .view = VIEW_SQUASH,
     .fit = OC_FIT_SQUASH},
    {.name = "one-step",
     .cause = "the resize to the model's size is done in one step: large images take two (see the README)",
     .view = VIEW_BORDER,
     .fit = OC_FIT_LETTERBOX},
    {.name = "letterbox",
     .cause = "the image keeps its shape with a black border (letterbox)",
     .view = VIEW_BLACK,
     .fit = ANY},
    {.name = "crop",
     .cause = "crop and squash are confused: the middle is cut out (shorter side to the size), and all should be seen",
     .view = VIEW_CROP_100,
     .fit = NOT + OC_FIT_CROP},
    {.name = "crop",
     .cause = "the crop shows the whole shorter side: of larger images only the middle should be seen (see the README)",
     .view = VIEW_CROP_100,
     .fit = OC_FIT_CROP},
    {.name = "crop-0.875",
     .cause = "the crop is ImageNet's usual one, of 0.875 of the shorter side (256 and 224 pixels)",
     .view = VIEW_CROP_87,
     .fit = ANY},
    {.name = "crop-0.8",
     .cause = "the crop is 0.8 of the shorter side whatever the image's size: small images must not be enlarged before",
     .view = VIEW_CROP_80,
     .fit = ANY},
};

static bool applies(const row *r, oc_fit fit) {
    if (r->fit == ANY) return true;
    return r->fit >= NOT ? r->fit - NOT != (int)fit : r->fit == (int)fit;
}

/* ---- Pixels ---- */

/* Pixels [height, width, 3] that are owned. */
typedef struct picture {
    uint8_t *pixels;
    int64_t width, height;
} picture;

/* How the image lies on a canvas, and the side of the canvas's central square that is shown; 0: all of it. */
typedef struct framing {
    oc_arrangement at;
    int64_t side;
    const uint8_t *background;
} framing;

static framing frame_crop(int64_t width, int64_t height, int64_t size, double share) {
    const int64_t shorter = width < height ? width : height, to = (int64_t)((double)size / share);
    const int64_t w = oc_kept_scaled(width, to, shorter), h = oc_kept_scaled(height, to, shorter);
    return (framing){{w, h, w, h}, size, NULL};
}

static framing frame(const oc_sample_image *image, view view, const oc_model *network) {
    static const uint8_t black[3] = {0, 0, 0};
    const int64_t w = image->width, h = image->height, size = network->size, longer = w > h ? w : h;
    const framing whole = {{size, size, oc_kept_scaled(w, size, longer), oc_kept_scaled(h, size, longer)}, 0, black};
    framing own = {oc_kept_arrangement(w, h, size, network->image.fit), 0, network->image.background};
    switch (view) {
    case VIEW_SQUASH:
        return (framing){{size, size, size, size}, 0, NULL};
    case VIEW_BLACK:
        return whole;
    case VIEW_BORDER:
        return (framing){whole.at, 0, network->image.background};
    case VIEW_CROP_100:
        return frame_crop(w, h, size, 1);
    case VIEW_CROP_87:
        return frame_crop(w, h, size, 0.875);
    case VIEW_CROP_80:
        return frame_crop(w, h, size, 0.8);
    default:
        if (network->image.fit == OC_FIT_CROP) own.side = oc_central_side(own.at.width, own.at.height, size);
        return own;
    }
}

static void place(picture *canvas, const picture *inner, const uint8_t background[3]) {
    const int64_t x = (canvas->width - inner->width) / 2, y = (canvas->height - inner->height) / 2;
    for (int64_t i = 0; i < canvas->width * canvas->height; i++)
        for (int c = 0; background && c < 3; c++) canvas->pixels[3 * i + c] = background[c];
    for (int64_t row = 0; row < inner->height; row++)
        memcpy(canvas->pixels + 3 * ((y + row) * canvas->width + x), inner->pixels + 3 * row * inner->width,
               (size_t)inner->width * 3);
}

/* The image as the network is to see it, size × size. */
static oc_status show(picture *out, const oc_sample_image *image, const framing *f, oc_filter filter, int64_t size,
                      oc_error *err) {
    oc_status status = OC_OK;
    picture inner = {.width = f->at.inner_width, .height = f->at.inner_height};
    picture canvas = {.width = f->at.width, .height = f->at.height};
    const oc_box all = {0, 0, image->width, image->height};
    oc_box shown = {0, 0, canvas.width, canvas.height};
    if (f->side > 0) shown = (oc_box){(canvas.width - f->side) / 2, (canvas.height - f->side) / 2, f->side, f->side};
    *out = (picture){.width = size, .height = size};
    OC_TRY(oc_alloc(&inner.pixels, (size_t)(inner.width * inner.height), 3, err));
    OC_TRY(oc_alloc(&canvas.pixels, (size_t)(canvas.width * canvas.height), 3, err));
    OC_TRY(oc_alloc(&out->pixels, (size_t)(size * size), 3, err));
    OC_TRY(oc_filter_run(filter, image->pixels, image->width, &all, inner.width, inner.height, inner.pixels, err));
    place(&canvas, &inner, f->background);
    OC_TRY(oc_filter_run(filter, canvas.pixels, canvas.width, &shown, size, size, out->pixels, err));
cleanup:
    oc_free(inner.pixels);
    oc_free(canvas.pixels);
    return status;
}

/* What a row makes of an image; out->pixels is owned also after an error. */
static oc_status spoil(picture *out, const oc_sample_image *image, const row *r, const oc_model *network,
                       oc_error *err) {
    oc_status status = OC_OK;
    if (r->filter != OC_FILTER_BILINEAR || r->view != VIEW_OWN) {
        const framing f = frame(image, r->view, network);
        return show(out, image, &f, r->filter, network->size, err);
    }
    *out = (picture){.width = image->width, .height = image->height};
    OC_TRY(oc_alloc(&out->pixels, (size_t)(out->width * out->height), 3, err));
    for (int64_t i = 0; i < 3 * out->width * out->height; i++)
        out->pixels[i] = image->pixels[r->bgr ? i / 3 * 3 + 2 - i % 3 : i];
cleanup:
    return status;
}

/* ---- Logits ---- */

/* What is changed for a while in the networks of a model. */
typedef struct normalisation {
    float mean[3], std[3];
} normalisation;

/* (scale · value − mean) / std is (value − mean / scale) / (std / scale). */
static void set_normalisation(oc_model *network, const row *r) {
    const double scale = r->scale > 0 ? r->scale : 1;
    for (int c = 0; c < 3; c++) {
        network->mean[c] = (float)((double)(r->mean ? r->mean[c] : network->mean[c]) / scale);
        network->std[c] = (float)((double)(r->std ? r->std[c] : network->std[c]) / scale);
    }
}

/* *logits = [samples, classes], *top = [samples, tops]. */
static oc_status run(oc_classifier *classifier, const oc_certificate *certificate, oc_classifier_item *items,
                     float **logits, oc_prediction **top, oc_error *err) {
    oc_status status = OC_OK;
    const size_t classes = certificate->model->classes.count, count = certificate->samples.count;
    OC_TRY(oc_alloc(logits, count * classes, sizeof **logits, err));
    OC_TRY(oc_alloc(top, count * certificate->tops, sizeof **top, err));
    OC_TRY(oc_classifier_batch(classifier, items, (int64_t)count, *top, certificate->tops, err));
    for (size_t i = 0; i < count; i++)
        if (items[i].status != OC_OK) OC_TRY(oc_fail(err, items[i].status, NULL, "%s", items[i].error.message));
    memcpy(*logits, oc_classifier_scores(classifier), count * classes * sizeof **logits);
cleanup:
    return status;
}

/* The model is as it was when it returns. */
static oc_status compute_mistake(oc_certificate *certificate, oc_classifier *classifier, const row *r, float **logits,
                                 oc_error *err) {
    oc_status status = OC_OK;
    picture pictures[OC_SAMPLES_MOST] = {{0}};
    oc_classifier_item items[OC_SAMPLES_MOST] = {{0}};
    normalisation *before = NULL;
    oc_prediction *top = NULL; /* of no interest */
    oc_model *model = certificate->model;
    const size_t networks = oc_model_networks(model);
    OC_TRY(oc_alloc(&before, networks, sizeof *before, err));
    for (size_t i = 0; i < certificate->samples.count; i++) {
        OC_TRY(spoil(&pictures[i], &certificate->samples.image[i], r, oc_certificate_network(certificate), err));
        items[i] = (oc_classifier_item){
            .pixels = pictures[i].pixels, .width = pictures[i].width, .height = pictures[i].height};
    }
    for (size_t m = 0; m < networks; m++) {
        oc_model *network = oc_model_network(model, m);
        memcpy(before[m].mean, network->mean, sizeof network->mean);
        memcpy(before[m].std, network->std, sizeof network->std);
        set_normalisation(network, r);
    }
    status = run(classifier, certificate, items, logits, &top, err);
    for (size_t m = 0; m < networks; m++) {
        oc_model *network = oc_model_network(model, m);
        memcpy(network->mean, before[m].mean, sizeof network->mean);
        memcpy(network->std, before[m].std, sizeof network->std);
    }
cleanup:
    for (size_t i = 0; i < certificate->samples.count; i++) oc_free(pictures[i].pixels);
    oc_free(before);
    oc_free(top);
    return status;
}

oc_status oc_certificate_compute(oc_certificate *certificate, oc_error *err) {
    oc_status status = OC_OK;
    oc_classifier *classifier = NULL;
    oc_classifier_item items[OC_SAMPLES_MOST] = {{0}};
    const oc_classifier_options options = {.batch = OC_SAMPLES_MOST};
    OC_TRY(oc_classifier_create(&classifier, certificate->model, &options, err));
    for (size_t i = 0; i < certificate->samples.count; i++)
        items[i] = (oc_classifier_item){.pixels = certificate->samples.image[i].pixels,
                                        .width = certificate->samples.image[i].width,
                                        .height = certificate->samples.image[i].height};
    const size_t classes = certificate->model->classes.count;
    certificate->tops = classes < TOP ? classes : TOP;
    OC_TRY(run(classifier, certificate, items, &certificate->logits, &certificate->top, err));
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        if (!applies(&rows[r], oc_certificate_network(certificate)->image.fit)) continue;
        oc_certificate_mistake *mistake = &certificate->mistake[certificate->mistakes++];
        *mistake = (oc_certificate_mistake){.name = rows[r].name, .cause = rows[r].cause};
        OC_TRY(compute_mistake(certificate, classifier, &rows[r], &mistake->logits, err));
    }
cleanup:
    oc_classifier_destroy(&classifier);
    return status;
}
