/* The generated data set's parts: what a class is, and the picture of one. */
#ifndef OC_DATA_DEMO_H
#define OC_DATA_DEMO_H

#include "base/random.h"
#include "base/text.h"

#define OC_DEMO_SIDE 64
#define OC_DEMO_CLASSES_MAX 1000

/* A figure in its own coordinates: it lies within about the unit circle. */
typedef struct oc_demo_shape {
    const char *name, *plural, *synonym;
    bool (*inside)(float x, float y);
} oc_demo_shape;

/* What a figure is filled with: 0 its first colour … 1 its second, at a place in its own coordinates. */
typedef struct oc_demo_pattern {
    const char *adjective;
    float (*value)(float x, float y, float frequency, uint32_t salt);
} oc_demo_pattern;

#define OC_DEMO_FIGURES_MAX 5
/* How often a figure occurs, and where, within the unit circle again. */
typedef struct oc_demo_arrangement {
    const char *prefix; /* of the plural; NULL: one */
    int figures;
    struct {
        float x, y, scale;
    } figure[OC_DEMO_FIGURES_MAX];
} oc_demo_arrangement;

/* What all images of a class share. A data set of few classes tells them apart by the shape alone; the pattern is then
 * only a likely one. Larger ones by the pattern too, the largest by the arrangement also. */
typedef struct oc_demo_kind {
    const oc_demo_shape *shape;
    const oc_demo_pattern *pattern;
    const oc_demo_arrangement *arrangement;
    bool pattern_certain;
    float hue; /* a likely one of its figures, in sixths of the circle, 0 … 6 */
} oc_demo_kind;

/* Class `index` of `classes` (2 … OC_DEMO_CLASSES_MAX). */
oc_demo_kind oc_demo_kind_of(int index, int classes);
/* A pattern at random. */
const oc_demo_pattern *oc_demo_pattern_draw(oc_random *random);
/* A shape at random that is not `shape`. */
const oc_demo_shape *oc_demo_shape_draw(oc_random *random, const oc_demo_shape *shape);
/* Appends the human name: "striped star, five-pointed star". */
oc_status oc_demo_kind_name(oc_text *text, const oc_demo_kind *kind, oc_error *err);

typedef struct oc_demo_picture {
    uint8_t pixels[OC_DEMO_SIDE * OC_DEMO_SIDE * 3]; /* RGB */
    int left, top, right, bottom;                    /* pixels that the figures touch, both ends included */
    bool grey;                                       /* to be stored as a greyscale JPEG */
    int quality;                                     /* of its JPEG */
} oc_demo_picture;

/* A picture of the class, drawn from `random` alone. */
void oc_demo_paint(oc_demo_picture *picture, const oc_demo_kind *kind, oc_random *random);

#endif
