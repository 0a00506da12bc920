/* The images of a certificate where no data set gives them. */
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "export/certificate/certificate.h"

#define FIGURES 14
#define SEED 1

/* Sides in 64ths of the model's size: as it is, larger and smaller than what is kept of large images (80), lying and
 * standing. But for the first they are made odd, so that no scale is a round number, whose results lie halfway between
 * two values and are rounded as each program likes. */
static const int sides[OC_SAMPLES_MOST][2] = {{64, 64}, {134, 102}, {90, 147}, {198, 198},
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
static void paint(oc_sample_image *image, uint64_t number) {
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

oc_status oc_certificate_paint(oc_certificate *certificate, oc_error *err) {
    oc_status status = OC_OK;
    const int64_t size = oc_certificate_network(certificate)->size;
    for (int i = 0; i < OC_SAMPLES_MOST; i++) {
        const int64_t odd = i > 0; /* in the last place */
        OC_TRY(
            oc_samples_add(&certificate->samples, sides[i][0] * size / 64 | odd, sides[i][1] * size / 64 | odd, err));
        paint(&certificate->samples.image[i], (uint64_t)i);
    }
cleanup:
    return status;
}
