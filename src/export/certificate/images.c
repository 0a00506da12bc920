/* The images of a certificate: painted, or of a data set. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/dataset.h"
#include "data/image/decode.h"
#include "export/certificate/certificate.h"

#define FIGURES 14
#define SEED 1

/* Sides in 64ths of the model's size: as it is, larger and smaller than what is kept of large images (80), lying and
 * standing. But for the first they are made odd, so that no scale is a round number, whose results lie halfway between
 * two values and are rounded as each program likes. */
static const int sides[OC_CERTIFICATE_IMAGES][2] = {{64, 64}, {134, 102}, {90, 147}, {198, 198},
                                                    {45, 57}, {70, 77},   {166, 71}, {83, 109}};

static uint8_t between(int a, int b, int64_t place, int64_t length) {
    return (uint8_t)(a + (b - a) * place / length);
}

typedef enum figure_kind { DISC, RECTANGLE, STRIPES, FIGURE_KINDS } figure_kind;

/* In whole pixels; stripes lie within a disc and are `step` wide. */
typedef struct figure {
    int64_t x, y, radius, step;
    figure_kind kind;
    uint8_t colour[3];
} figure;

static bool covers(const figure *f, int64_t x, int64_t y) {
    const int64_t dx = x - f->x, dy = y - f->y;
    if (f->kind == RECTANGLE) return 2 * dx < f->radius && -2 * dx < f->radius && dy < f->radius && -dy < f->radius;
    if (dx * dx + dy * dy > f->radius * f->radius) return false;
    return f->kind == DISC || (x + 2 * y) / f->step % 2 == 0;
}

static void draw(figure *f, oc_random *random, int64_t width, int64_t height) {
    const int64_t shorter = width < height ? width : height;
    f->kind = (figure_kind)oc_random_below(random, FIGURE_KINDS);
    f->x = oc_random_below(random, (uint32_t)width);
    f->y = oc_random_below(random, (uint32_t)height);
    f->radius = shorter / 16 + oc_random_below(random, (uint32_t)(shorter / 4 + 1));
    f->step = 1 + oc_random_below(random, 3);
    for (int c = 0; c < 3; c++) f->colour[c] = (uint8_t)oc_random_below(random, 256);
}

/* Figures with hard edges, thin stripes among them, before a slope of two colours. */
static void paint(oc_certificate_image *image, uint64_t number) {
    oc_random random;
    figure figures[FIGURES];
    int from[3], to[3];
    oc_random_init(&random, SEED, OC_RANDOM_DEMO, UINT32_MAX, number);
    for (int c = 0; c < 3; c++) {
        from[c] = (int)oc_random_below(&random, 256);
        to[c] = (int)oc_random_below(&random, 256);
    }
    for (int f = 0; f < FIGURES; f++) draw(&figures[f], &random, image->width, image->height);
    for (int64_t y = 0; y < image->height; y++)
        for (int64_t x = 0; x < image->width; x++) {
            uint8_t *pixel = image->pixels + 3 * (y * image->width + x);
            for (int c = 0; c < 3; c++)
                pixel[c] = between(from[c], to[c], c == 1 ? x : y, c == 1 ? image->width : image->height);
            for (int f = 0; f < FIGURES; f++)
                if (covers(&figures[f], x, y)) memcpy(pixel, figures[f].colour, 3);
        }
}

static oc_status begin_image(oc_certificate *certificate, int64_t width, int64_t height, oc_error *err) {
    oc_certificate_image *image = &certificate->image[certificate->images];
    image->width = width;
    image->height = height;
    snprintf(image->file, sizeof image->file, "image-%zu.png", ++certificate->images);
    return oc_alloc(&image->pixels, (size_t)width * (size_t)height, 3, err);
}

oc_status oc_certificate_paint(oc_certificate *certificate, oc_error *err) {
    oc_status status = OC_OK;
    const int64_t size = oc_certificate_network(certificate)->size;
    for (int i = 0; i < OC_CERTIFICATE_IMAGES; i++) {
        const int64_t odd = i > 0; /* in the last place */
        OC_TRY(begin_image(certificate, sides[i][0] * size / 64 | odd, sides[i][1] * size / 64 | odd, err));
        paint(&certificate->image[i], (uint64_t)i);
    }
cleanup:
    return status;
}

static oc_status take_sample(oc_certificate *certificate, const oc_dataset *dataset, const oc_sample *sample,
                             oc_decoder *decoder, oc_error *err) {
    oc_status status = OC_OK;
    uint8_t *bytes = NULL;
    size_t size;
    oc_pixels pixels;
    OC_TRY(oc_dataset_read(dataset, sample, &bytes, &size, err));
    OC_TRY(oc_decode(decoder, bytes, size, sample->path, &pixels, err));
    OC_TRY(begin_image(certificate, pixels.width, pixels.height, err));
    oc_certificate_image *image = &certificate->image[certificate->images - 1];
    memcpy(image->pixels, pixels.data, (size_t)pixels.width * (size_t)pixels.height * 3);
    OC_TRY(oc_strdup(&image->from, sample->in_split, err));
cleanup:
    oc_free(bytes);
    return status;
}

oc_status oc_certificate_take(oc_certificate *certificate, const oc_dataset *dataset, oc_error *err) {
    oc_status status = OC_OK;
    oc_decoder *decoder = NULL;
    const oc_split *split = oc_dataset_split(dataset, "val");
    if (!split || split->count == 0)
        return oc_fail(
            err, OC_E_NOT_FOUND, oc_dataset_path(dataset),
            "there are no validation images to certify with: leave the data set out, and images are painted");
    /* Samples are sorted by class, so that even distances spread over them. */
    const int64_t count = split->count < OC_CERTIFICATE_IMAGES ? split->count : OC_CERTIFICATE_IMAGES;
    OC_TRY(oc_decoder_create(&decoder, &oc_certificate_network(certificate)->image, err));
    for (int64_t i = 0; i < count; i++)
        OC_TRY(
            take_sample(certificate, dataset, &split->sample[(2 * i + 1) * split->count / (2 * count)], decoder, err));
cleanup:
    oc_decoder_destroy(&decoder);
    return status;
}
