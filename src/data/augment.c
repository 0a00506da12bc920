/* The augmentation of the reference system: rows of two tables, the steps and the colour operations.
 *
 * The semantics are those of torchvision 0.14 on float images (RandomResizedCrop.get_params and
 * functional_tensor.adjust_{brightness,saturation,hue}), the colours by src/kernels/image.h. */
#include "data/augment.h"

#include <math.h>

#include "data/kept.h"

#define AREA_LOW 0.3
#define AREA_HIGH 1.0
#define ASPECT_LOW (3.0 / 4.0)
#define ASPECT_HIGH (4.0 / 3.0)
#define CROP_TRIES 10
#define FLIP_PROBABILITY 0.5
#define JITTER_PROBABILITY 0.8

/* ---- Colour operations ------------------------------------------------------------------------------------------ */

static void brightness(const oc_image_kernels *kernels, float *planes, int64_t count, float factor) {
    kernels->brightness(planes, count, factor);
}

static void saturation(const oc_image_kernels *kernels, float *planes, int64_t count, float factor) {
    kernels->saturation(planes, count, factor);
}

static void hue(const oc_image_kernels *kernels, float *planes, int64_t count, float factor) {
    kernels->hue(planes, count, factor);
}

const oc_colour_operation oc_colour_operations[OC_COLOUR_OPERATIONS] = {
    {"brightness", 0.6, 1.4, brightness},
    {"saturation", 0.6, 1.4, saturation},
    {"hue", -0.2, 0.2, hue},
};

/* ---- Steps ------------------------------------------------------------------------------------------------------ */

/* Where a step works: planes [3, size, size], `image` and `resizer` for the step that fills them. */
typedef struct canvas {
    const oc_image_kernels *kernels;
    const oc_image *image;
    int64_t size;
    float *planes;
    oc_resizer *resizer;
} canvas;

static void crop_draw(oc_augmentation *out, oc_random *random, int32_t height, int32_t width) {
    double area = (double)height * width;
    for (int i = 0; i < CROP_TRIES; i++) {
        double target = area * oc_random_range(random, AREA_LOW, AREA_HIGH);
        double aspect = exp(oc_random_range(random, log(ASPECT_LOW), log(ASPECT_HIGH)));
        /* rint: half to even, as Python's round. */
        double w = rint(sqrt(target * aspect)), h = rint(sqrt(target / aspect));
        if (w <= 0.0 || w > width || h <= 0.0 || h > height) continue;
        out->width = (int32_t)w;
        out->height = (int32_t)h;
        out->top = (int32_t)oc_random_below(random, (uint32_t)(height - out->height + 1));
        out->left = (int32_t)oc_random_below(random, (uint32_t)(width - out->width + 1));
        return;
    }
    out->width = width;
    out->height = height;
    double aspect = (double)width / height;
    if (aspect < ASPECT_LOW) out->height = (int32_t)rint(width / ASPECT_LOW);
    if (aspect > ASPECT_HIGH) out->width = (int32_t)rint(height * ASPECT_HIGH);
    if (out->height > height) out->height = height;
    if (out->width > width) out->width = width;
    out->top = (height - out->height) / 2;
    out->left = (width - out->width) / 2;
}

static void crop_apply(const oc_augmentation *a, const canvas *canvas) {
    oc_box box = {.x = a->left, .y = a->top, .width = a->width, .height = a->height};
    oc_resizer_run(canvas->resizer, canvas->image->pixels, canvas->image->width, &box, canvas->size, canvas->size,
                   canvas->planes);
}

static void flip_draw(oc_augmentation *out, oc_random *random, int32_t height, int32_t width) {
    (void)height;
    (void)width;
    out->flip = oc_random_uniform(random) < FLIP_PROBABILITY;
}

static void flip_apply(const oc_augmentation *a, const canvas *canvas) {
    if (!a->flip) return;
    for (int64_t y = 0; y < 3 * canvas->size; y++) {
        float *row = canvas->planes + y * canvas->size;
        for (int64_t left = 0, right = canvas->size - 1; left < right; left++, right--) {
            float swapped = row[left];
            row[left] = row[right];
            row[right] = swapped;
        }
    }
}

static void jitter_draw(oc_augmentation *out, oc_random *random, int32_t height, int32_t width) {
    (void)height;
    (void)width;
    out->jitters = 0;
    if (oc_random_uniform(random) >= JITTER_PROBABILITY) return;
    uint32_t order[OC_COLOUR_OPERATIONS];
    oc_random_permutation(random, order, OC_COLOUR_OPERATIONS);
    for (int i = 0; i < OC_COLOUR_OPERATIONS; i++) {
        const oc_colour_operation *operation = &oc_colour_operations[order[i]];
        out->jitter[i] = (oc_jitter){(int)order[i], (float)oc_random_range(random, operation->low, operation->high)};
    }
    out->jitters = OC_COLOUR_OPERATIONS;
}

static void jitter_apply(const oc_augmentation *a, const canvas *canvas) {
    for (int i = 0; i < a->jitters; i++)
        oc_colour_operations[a->jitter[i].operation].apply(canvas->kernels, canvas->planes, canvas->size * canvas->size,
                                                           a->jitter[i].factor);
}

/* A step of the augmentation: draws its part of an oc_augmentation, and applies it. */
typedef struct augment_step {
    void (*draw)(oc_augmentation *out, oc_random *random, int32_t height, int32_t width);
    void (*apply)(const oc_augmentation *augmentation, const canvas *canvas);
} augment_step;

/* In order. All draw from one stream, so a new row at the end leaves the numbers of the others as they are. */
static const augment_step steps[] = {
    {crop_draw, crop_apply},
    {flip_draw, flip_apply},
    {jitter_draw, jitter_apply},
};

/* ---- The whole -------------------------------------------------------------------------------------------------- */

oc_augmentation oc_augmentation_draw(oc_random *random, int32_t height, int32_t width) {
    oc_augmentation augmentation = {0};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) steps[i].draw(&augmentation, random, height, width);
    return augmentation;
}

oc_augmentation oc_augmentation_plain(int32_t height, int32_t width, int64_t size, oc_fit fit) {
    if (fit != OC_FIT_CROP) return (oc_augmentation){.height = height, .width = width};
    const int64_t side = oc_central_side(width, height, size);
    return (oc_augmentation){.top = (int32_t)((height - side) / 2),
                             .left = (int32_t)((width - side) / 2),
                             .height = (int32_t)side,
                             .width = (int32_t)side};
}

void oc_augmentation_apply(const oc_augmentation *augmentation, const oc_image *image, int64_t size,
                           const float mean[3], const float std[3], float *dst, oc_resizer *resizer) {
    canvas canvas = {oc_kernels_now()->image, image, size, dst, resizer};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) steps[i].apply(augmentation, &canvas);
    for (int c = 0; c < 3; c++) canvas.kernels->normalise(dst + c * size * size, size * size, mean[c], 1.0f / std[c]);
}
