/* The tables that the generated classes are made of. With SHAPES × PATTERNS × ARRANGEMENTS rows there are enough for
 * OC_DEMO_CLASSES_MAX classes. */
#include "data/demo/demo.h"

#include <math.h>

#define PI 3.14159265358979f

/* ---- Shapes ----------------------------------------------------------------------------------------------------- */

static bool disc(float x, float y) {
    return x * x + y * y < 0.88f * 0.88f;
}

static bool square(float x, float y) {
    return fabsf(x) < 0.78f && fabsf(y) < 0.78f;
}

/* The angle's distance from the nearest corner of a regular figure of `corners`, the first one on top. */
static float corner_angle(float x, float y, int corners) {
    float step = 2.0f * PI / (float)corners, turn = atan2f(x, -y) / step;
    return fabsf(turn - rintf(turn)) * step;
}

static bool polygon(float x, float y, int corners, float radius) {
    float half = PI / (float)corners;
    return hypotf(x, y) * cosf(half - corner_angle(x, y, corners)) < radius * cosf(half);
}

static bool triangle(float x, float y) {
    return polygon(x, y + 0.12f, 3, 1.12f);
}

static bool hexagon(float x, float y) {
    return polygon(x, y, 6, 0.98f);
}

static bool star(float x, float y) {
    /* Of the ten equal triangles round the middle, the one from an outer corner (0, 1.08) to an inner one. */
    const float outer = 1.08f, inner = 0.46f;
    float angle = corner_angle(x, y, 5), radius = hypotf(x, y);
    float along = radius * cosf(angle), across = radius * sinf(angle);
    float inner_along = inner * cosf(PI / 5.0f), inner_across = inner * sinf(PI / 5.0f);
    return (inner_along - outer) * across - inner_across * (along - outer) > 0.0f;
}

static bool ring(float x, float y) {
    float squared = x * x + y * y;
    return squared < 0.95f * 0.95f && squared > 0.52f * 0.52f;
}

static bool cross(float x, float y) {
    float a = fabsf(x), b = fabsf(y);
    return (a < 0.32f && b < 0.96f) || (b < 0.32f && a < 0.96f);
}

static bool crescent(float x, float y) {
    float bite = x - 0.42f;
    return x * x + y * y < 0.95f * 0.95f && bite * bite + y * y > 0.72f * 0.72f;
}

static bool heart(float x, float y) {
    float a = 1.25f * x, b = -1.25f * y + 0.1f, c = a * a + b * b - 1.0f;
    return c * c * c < a * a * b * b * b;
}

static bool flower(float x, float y) {
    return hypotf(x, y) < 0.70f + 0.27f * cosf(5.0f * atan2f(x, -y));
}

static const oc_demo_shape shapes[] = {
    {"disc", "discs", "round plate", disc},
    {"square", "squares", "quadrangle", square},
    {"triangle", "triangles", "trigon", triangle},
    {"star", "stars", "five-pointed star", star},
    {"ring", "rings", "annulus", ring},
    {"cross", "crosses", "plus sign", cross},
    {"crescent", "crescents", "new moon", crescent},
    {"heart", "hearts", "valentine", heart},
    {"flower", "flowers", "five-petalled blossom", flower},
    {"hexagon", "hexagons", "honeycomb cell", hexagon},
};
#define SHAPES (sizeof shapes / sizeof *shapes)

/* ---- Patterns --------------------------------------------------------------------------------------------------- */

static float fraction(float x) {
    return x - floorf(x);
}

static float plain(float x, float y, float frequency, uint32_t salt) {
    (void)x;
    (void)y;
    (void)frequency;
    (void)salt;
    return 0.0f;
}

static float striped(float x, float y, float frequency, uint32_t salt) {
    (void)y;
    (void)salt;
    return fraction(x * frequency) < 0.5f ? 0.0f : 1.0f;
}

static float checked(float x, float y, float frequency, uint32_t salt) {
    (void)salt;
    return (fraction(x * frequency * 0.7f) < 0.5f) == (fraction(y * frequency * 0.7f) < 0.5f) ? 0.0f : 1.0f;
}

static float dotted(float x, float y, float frequency, uint32_t salt) {
    (void)salt;
    float a = fraction(x * frequency) - 0.5f, b = fraction(y * frequency) - 0.5f;
    return a * a + b * b < 0.09f ? 1.0f : 0.0f;
}

static float ringed(float x, float y, float frequency, uint32_t salt) {
    (void)salt;
    return fraction(hypotf(x, y) * frequency) < 0.5f ? 0.0f : 1.0f;
}

static float halved(float x, float y, float frequency, uint32_t salt) {
    (void)y;
    (void)frequency;
    (void)salt;
    return x < 0.0f ? 0.0f : 1.0f;
}

static float shaded(float x, float y, float frequency, uint32_t salt) {
    (void)frequency;
    (void)salt;
    float value = 0.5f + 0.5f * (x + y);
    return value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value;
}

static float speckled(float x, float y, float frequency, uint32_t salt) {
    uint32_t column = (uint32_t)(int32_t)floorf(x * frequency * 3.0f),
             row = (uint32_t)(int32_t)floorf(y * frequency * 3.0f);
    uint32_t hash = (column * 0x9E3779B1u ^ row * 0x85EBCA77u) + salt;
    hash = (hash ^ hash >> 15) * 0x2C1B3C6Du;
    hash = (hash ^ hash >> 12) * 0x297A2D39u;
    return (float)(hash >> 24) / 255.0f;
}

static float gridded(float x, float y, float frequency, uint32_t salt) {
    (void)salt;
    return fraction(x * frequency) < 0.28f || fraction(y * frequency) < 0.28f ? 1.0f : 0.0f;
}

static float rayed(float x, float y, float frequency, uint32_t salt) {
    (void)salt;
    return fraction(atan2f(y, x) / (2.0f * PI) * rintf(2.0f * frequency)) < 0.5f ? 0.0f : 1.0f;
}

static const oc_demo_pattern patterns[] = {
    {"plain", plain},   {"striped", striped}, {"checked", checked},   {"dotted", dotted},   {"ringed", ringed},
    {"halved", halved}, {"shaded", shaded},   {"speckled", speckled}, {"gridded", gridded}, {"rayed", rayed},
};
#define PATTERNS (sizeof patterns / sizeof *patterns)

/* ---- Layouts ---------------------------------------------------------------------------------------------------- */

static const oc_demo_arrangement arrangements[] = {
    {NULL, 1, {{0.0f, 0.0f, 1.0f}}},
    {"pair of", 2, {{-0.55f, 0.0f, 0.5f}, {0.55f, 0.0f, 0.5f}}},
    {"triangle of", 3, {{0.0f, -0.6f, 0.46f}, {-0.55f, 0.4f, 0.46f}, {0.55f, 0.4f, 0.46f}}},
    {"block of", 4, {{-0.5f, -0.5f, 0.44f}, {0.5f, -0.5f, 0.44f}, {-0.5f, 0.5f, 0.44f}, {0.5f, 0.5f, 0.44f}}},
    {"row of", 3, {{-0.8f, 0.0f, 0.38f}, {0.0f, 0.0f, 0.38f}, {0.8f, 0.0f, 0.38f}}},
    {"large and small", 2, {{-0.3f, 0.1f, 0.68f}, {0.68f, -0.55f, 0.34f}}},
    {"cross of",
     5,
     {{0.0f, 0.0f, 0.33f}, {-0.7f, 0.0f, 0.33f}, {0.7f, 0.0f, 0.33f}, {0.0f, -0.7f, 0.33f}, {0.0f, 0.7f, 0.33f}}},
    {"shrinking trail of", 3, {{-0.5f, 0.45f, 0.55f}, {0.25f, -0.15f, 0.38f}, {0.7f, -0.6f, 0.24f}}},
    {"corner of", 3, {{-0.5f, -0.5f, 0.45f}, {0.5f, -0.5f, 0.45f}, {-0.5f, 0.5f, 0.45f}}},
    {"arc of", 4, {{-0.8f, 0.3f, 0.36f}, {-0.32f, -0.45f, 0.36f}, {0.32f, -0.45f, 0.36f}, {0.8f, 0.3f, 0.36f}}},
};
#define ARRANGEMENTS (sizeof arrangements / sizeof *arrangements)

_Static_assert(SHAPES *PATTERNS *ARRANGEMENTS >= OC_DEMO_CLASSES_MAX, "more classes than there are rows for");

/* ---- Classes ---------------------------------------------------------------------------------------------------- */

oc_demo_kind oc_demo_kind_of(int index, int classes) {
    size_t shape = (size_t)index % SHAPES, round = (size_t)index / SHAPES;
    bool pattern_certain = (size_t)classes > SHAPES;
    size_t pattern = pattern_certain ? round % PATTERNS : shape;
    float hue = 6.0f * fraction((float)index * 0.381966f); /* the golden angle: neighbours are far apart */
    return (oc_demo_kind){&shapes[shape], &patterns[pattern], &arrangements[round / PATTERNS], pattern_certain, hue};
}

const oc_demo_pattern *oc_demo_pattern_draw(oc_random *random) {
    return &patterns[oc_random_below(random, PATTERNS)];
}

const oc_demo_shape *oc_demo_shape_draw(oc_random *random, const oc_demo_shape *shape) {
    size_t step = 1 + oc_random_below(random, SHAPES - 1);
    return &shapes[((size_t)(shape - shapes) + step) % SHAPES];
}

oc_status oc_demo_kind_name(oc_text *text, const oc_demo_kind *kind, oc_error *err) {
    const oc_demo_shape *shape = kind->shape;
    if (kind->arrangement->prefix)
        return oc_text_printf(text, err, "%s %s %s, %ss", kind->arrangement->prefix, kind->pattern->adjective,
                              shape->plural, shape->synonym);
    if (kind->pattern_certain)
        return oc_text_printf(text, err, "%s %s, %s", kind->pattern->adjective, shape->name, shape->synonym);
    return oc_text_printf(text, err, "%s, %s", shape->name, shape->synonym);
}
