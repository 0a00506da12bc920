/* One picture of the generated data set: background, clutter, the class's figures in a random pose, colour and
 * texture, something in front of them, lighting, blur and noise. Colours, poses and surroundings say nothing of the
 * class, so that a model must find the shape. */
#include "data/demo/demo.h"

#include <math.h>
#include <string.h>

#define SIDE OC_DEMO_SIDE
#define PIXELS (SIDE * SIDE)
#define PI 3.14159265358979

#define PATTERN_LIKELY 0.75 /* probability of a class's likely pattern where the pattern does not define it */
#define HUE_LIKELY 0.6      /* probability that the figures' hue is near the class's */
#define HUE_WIDTH 1.5       /* how near: all of this, in sixths of the circle */
#define LIGHTER_LIKELY 0.8  /* probability that the figures are lighter than the background */
#define GREY_SHARE 0.02

typedef struct colour {
    float channel[3];
} colour;

/* Moves a place in the picture (−1 … 1 across) to a figure's own coordinates. */
typedef struct pose {
    float x, y;           /* middle */
    float scale;          /* half the figure's extent */
    float xx, xy, yx, yy; /* inverse of rotation, stretch and shear, without the scale */
} pose;

/* Smooth noise: random values on a lattice, interpolated. */
#define LATTICE 9
typedef struct noise {
    float value[LATTICE * LATTICE];
    float frequency; /* lattice cells across the picture, at most LATTICE − 1 */
} noise;

static float between(oc_random *random, double low, double high) {
    return (float)oc_random_range(random, low, high);
}

static bool chance(oc_random *random, double probability) {
    return oc_random_uniform(random) < probability;
}

static float clamp01(float x) {
    return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
}

static float luma(colour c) {
    return 0.299f * c.channel[0] + 0.587f * c.channel[1] + 0.114f * c.channel[2];
}

static colour colour_make(float hue, float saturation, float value) {
    colour c;
    for (int i = 0; i < 3; i++) {
        float k = fmodf(hue + 11.0f - 2.0f * (float)i, 6.0f);
        c.channel[i] = value * (1.0f - saturation * clamp01(fminf(k, 4.0f - k)));
    }
    return c;
}

static colour colour_draw(oc_random *random) {
    float hue = between(random, 0.0, 6.0), saturation = between(random, 0.05, 0.9);
    return colour_make(hue, saturation, between(random, 0.15, 1.0));
}

/* A colour whose brightness is by `contrast` above (or, if negative, below) that of `other`, if it tries long enough
 * to find one. */
static colour colour_draw_beside(oc_random *random, colour other, float contrast, double hue_low, double hue_high) {
    colour c = other;
    for (int i = 0; i < 12; i++) {
        float hue = between(random, hue_low, hue_high), saturation = between(random, 0.05, 0.9);
        c = colour_make(hue, saturation, between(random, 0.15, 1.0));
        float difference = luma(c) - luma(other);
        if (contrast >= 0.0f ? difference >= contrast : difference <= contrast) break;
    }
    return c;
}

static colour colour_mix(colour a, colour b, float share) {
    for (int i = 0; i < 3; i++) a.channel[i] += share * (b.channel[i] - a.channel[i]);
    return a;
}

static void noise_draw(noise *n, oc_random *random, double low, double high) {
    for (int i = 0; i < LATTICE * LATTICE; i++) n->value[i] = between(random, 0.0, 1.0);
    n->frequency = between(random, low, high);
}

/* At u, v in [0, 1]. */
static float noise_at(const noise *n, float u, float v) {
    float x = u * n->frequency, y = v * n->frequency;
    int column = (int)x, row = (int)y;
    float a = x - (float)column, b = y - (float)row;
    a = a * a * (3.0f - 2.0f * a);
    b = b * b * (3.0f - 2.0f * b);
    const float *p = &n->value[row * LATTICE + column];
    return (p[0] * (1.0f - a) + p[1] * a) * (1.0f - b) + (p[LATTICE] * (1.0f - a) + p[LATTICE + 1] * a) * b;
}

static float place(int pixel) {
    return ((float)pixel + 0.5f) * (2.0f / SIDE) - 1.0f;
}

static pose pose_make(float x, float y, float scale, float angle, float stretch, float shear) {
    float c = cosf(angle), s = sinf(angle);
    return (pose){x, y, scale, c * stretch + shear * -s, s * stretch + shear * c, -s / stretch, c / stretch};
}

static void pose_apply(const pose *pose, float x, float y, float *own_x, float *own_y) {
    float a = (x - pose->x) / pose->scale, b = (y - pose->y) / pose->scale;
    *own_x = pose->xx * a + pose->xy * b;
    *own_y = pose->yx * a + pose->yy * b;
}

/* ---- Layers ----------------------------------------------------------------------------------------------------- */

/* Two colours, mixed by a ramp, by waves, by smooth noise or in patches. Returns the colour in between. */
static colour background_paint(colour *canvas, oc_random *random) {
    colour first = colour_draw(random), second = colour_draw(random);
    second = colour_mix(first, second, between(random, 0.1, 0.5));
    uint32_t kind = oc_random_below(random, 4);
    float angle = between(random, 0.0, 2.0 * PI), waves = between(random, 1.5, 7.0), phase = between(random, 0.0, 6.0);
    float c = cosf(angle), s = sinf(angle);
    noise coarse, fine;
    noise_draw(&coarse, random, 1.5, 4.0);
    noise_draw(&fine, random, 5.0, 7.9);
    float roughness = between(random, 0.0, 0.5);
    for (int i = 0; i < PIXELS; i++) {
        float x = place(i % SIDE), y = place(i / SIDE), u = 0.5f * (x + 1.0f), v = 0.5f * (y + 1.0f);
        float along = x * c + y * s, rough = roughness * (noise_at(&fine, u, v) - 0.5f), share;
        if (kind == 0)
            share = 0.5f + 0.4f * along;
        else if (kind == 1)
            share = 0.5f + 0.5f * sinf(along * waves + phase);
        else if (kind == 2)
            share = noise_at(&coarse, u, v);
        else
            share = noise_at(&coarse, u, v) + 0.15f * along > 0.5f ? 1.0f : 0.0f;
        canvas[i] = colour_mix(first, second, clamp01(share + rough));
    }
    return colour_mix(first, second, 0.5f);
}

/* A bar from end to end of the picture or a soft-edged blob, at about (x, y). */
static void obstacle_paint(colour *canvas, oc_random *random, float x, float y, double width_low, double width_high) {
    colour paint = colour_draw(random);
    float angle = between(random, 0.0, PI), half = 0.5f * between(random, width_low, width_high);
    float c = cosf(angle), s = sinf(angle), stretch = chance(random, 0.5) ? 0.0f : between(random, 0.4, 1.0);
    for (int i = 0; i < PIXELS; i++) {
        float a = place(i % SIDE) - x, b = place(i / SIDE) - y;
        float across = a * c + b * s, along = (b * c - a * s) * stretch;
        float distance = sqrtf(across * across + along * along) - half;
        canvas[i] = colour_mix(canvas[i], paint, clamp01(0.5f - distance * (0.5f * SIDE)));
    }
}

/* Share of pixel (row, column) that the figure covers, from 2×2 points. */
static float coverage(const oc_demo_shape *shape, const pose *pose, int row, int column, float shrink) {
    int hits = 0;
    for (int i = 0; i < 4; i++) {
        float x = place(column) + ((i & 1) ? 0.5f : -0.5f) / SIDE, y = place(row) + ((i & 2) ? 0.5f : -0.5f) / SIDE;
        float own_x, own_y;
        pose_apply(pose, x, y, &own_x, &own_y);
        hits += shape->inside(own_x * shrink, own_y * shrink);
    }
    return 0.25f * (float)hits;
}

/* How the figures of a picture look. */
typedef struct look {
    const oc_demo_pattern *pattern;
    colour first, second, edge;
    float frequency, turn_c, turn_s; /* of the pattern */
    float edge_shrink;               /* 0: no edge */
    float light_x, light_y;
    uint32_t salt;
} look;

static look look_draw(oc_random *random, const oc_demo_pattern *pattern, colour background, float hue) {
    look look = {.pattern = pattern};
    float angle = between(random, -0.6, 0.6);
    double spread = chance(random, HUE_LIKELY) ? 0.5 * HUE_WIDTH : 3.0;
    float sign = chance(random, LIGHTER_LIKELY) ? 1.0f : -1.0f;
    look.first = colour_draw_beside(random, background, sign * 0.3f, hue - spread, hue + spread);
    look.second = colour_draw_beside(random, look.first, -sign * 0.25f, hue - 3.0, hue + 3.0);
    look.second = colour_mix(look.first, look.second, between(random, 0.5, 1.0));
    look.edge = colour_draw_beside(random, background, sign * 0.3f, hue - 3.0, hue + 3.0);
    look.frequency = between(random, 1.2, 2.2);
    look.turn_c = cosf(angle);
    look.turn_s = sinf(angle);
    look.edge_shrink = chance(random, 0.25) ? between(random, 1.12, 1.3) : 0.0f;
    look.light_x = between(random, -0.25, 0.25);
    look.light_y = between(random, -0.25, 0.25);
    look.salt = oc_random_u32(random);
    return look;
}

static colour look_at(const look *look, float x, float y) {
    float turned_x = x * look->turn_c + y * look->turn_s, turned_y = y * look->turn_c - x * look->turn_s;
    float share = look->pattern->value(turned_x, turned_y, look->frequency, look->salt);
    colour c = colour_mix(look->first, look->second, share);
    float light = 1.0f + look->light_x * x + look->light_y * y;
    for (int i = 0; i < 3; i++) c.channel[i] *= light;
    return c;
}

/* Paints one figure; `box` (NULL for clutter) grows around the pixels it touches. */
static void figure_paint(colour *canvas, const oc_demo_shape *shape, const pose *pose, const look *look,
                         oc_demo_picture *box) {
    for (int i = 0; i < PIXELS; i++) {
        int row = i / SIDE, column = i % SIDE;
        float x, y;
        pose_apply(pose, place(column), place(row), &x, &y);
        if (x * x + y * y > 1.7f) continue; /* no figure reaches there */
        float share = coverage(shape, pose, row, column, 1.0f);
        if (share == 0.0f) continue;
        colour paint = look_at(look, x, y);
        if (look->edge_shrink > 0.0f)
            paint = colour_mix(look->edge, paint, coverage(shape, pose, row, column, look->edge_shrink));
        canvas[i] = colour_mix(canvas[i], paint, share);
        if (!box) continue;
        if (column < box->left) box->left = column;
        if (column > box->right) box->right = column;
        if (row < box->top) box->top = row;
        if (row > box->bottom) box->bottom = row;
    }
}

/* Small things that are there in every class's pictures: bars, blobs, and shapes of other classes. */
static void clutter_paint(colour *canvas, oc_random *random, const oc_demo_kind *kind, colour background) {
    int count = (int)oc_random_below(random, 3);
    for (int i = 0; i < count; i++) {
        float x = between(random, -1.0, 1.0), y = between(random, -1.0, 1.0);
        if (chance(random, 0.7)) {
            obstacle_paint(canvas, random, x, y, 0.05, 0.3);
        } else {
            float scale = between(random, 0.1, 0.22), angle = between(random, -PI, PI), hue = between(random, 0.0, 6.0);
            pose pose = pose_make(x, y, scale, angle, 1.0f, 0.0f);
            look look = look_draw(random, oc_demo_pattern_draw(random), background, hue);
            figure_paint(canvas, oc_demo_shape_draw(random, kind->shape), &pose, &look, NULL);
        }
    }
}

static void figures_paint(colour *canvas, oc_random *random, const oc_demo_kind *kind, colour background,
                          oc_demo_picture *picture) {
    bool likely = kind->pattern_certain || chance(random, PATTERN_LIKELY);
    look look = look_draw(random, likely ? kind->pattern : oc_demo_pattern_draw(random), background, kind->hue);
    float scale = between(random, 0.6, 1.0), angle = between(random, -0.35, 0.35), reach = 1.0f - 0.85f * scale;
    float x = between(random, -reach, reach), y = between(random, -reach, reach);
    float stretch = expf(between(random, -0.15, 0.15)), shear = between(random, -0.12, 0.12);
    bool mirrored = chance(random, 0.5);
    const oc_demo_arrangement *arrangement = kind->arrangement;
    for (int i = 0; i < arrangement->figures; i++) {
        float a = arrangement->figure[i].x * (mirrored ? -1.0f : 1.0f), b = arrangement->figure[i].y;
        float own_angle = arrangement->figures > 1 ? angle + between(random, -0.2, 0.2) : angle;
        pose pose =
            pose_make(x + scale * (a * cosf(angle) - b * sinf(angle)), y + scale * (a * sinf(angle) + b * cosf(angle)),
                      scale * arrangement->figure[i].scale, own_angle, stretch, shear);
        if (mirrored) {
            pose.xx = -pose.xx;
            pose.xy = -pose.xy;
        }
        figure_paint(canvas, kind->shape, &pose, &look, picture);
    }
    /* Something in front of a part of them. */
    if (chance(random, 0.25)) {
        float aside = between(random, -0.8, 0.8), below = between(random, -0.8, 0.8);
        obstacle_paint(canvas, random, x + scale * aside, y + scale * below, 0.12, 0.4);
    }
}

/* ---- The camera ------------------------------------------------------------------------------------------------- */

/* One pass of a 1-2-1 blur of strength 0 … 1 along rows and columns. */
static void blur(colour *canvas, colour *other, float strength) {
    const float side = 0.25f * strength, middle = 1.0f - 2.0f * side;
    for (int axis = 0; axis < 2; axis++) {
        int step = axis ? SIDE : 1;
        for (int i = 0; i < PIXELS; i++) {
            int at = axis ? i / SIDE : i % SIDE;
            const colour *before = at > 0 ? &canvas[i - step] : &canvas[i];
            const colour *after = at < SIDE - 1 ? &canvas[i + step] : &canvas[i];
            for (int c = 0; c < 3; c++)
                other[i].channel[c] = middle * canvas[i].channel[c] + side * (before->channel[c] + after->channel[c]);
        }
        memcpy(canvas, other, PIXELS * sizeof *canvas);
    }
}

static void camera(oc_demo_picture *picture, colour *canvas, oc_random *random) {
    float gain = between(random, 0.75, 1.15), lift = between(random, -0.06, 0.12);
    float tilt_x = between(random, -0.25, 0.25), tilt_y = between(random, -0.25, 0.25);
    float grain = chance(random, 0.5) ? between(random, 0.0, 0.08) : 0.0f;
    colour other[PIXELS];
    int passes = (int)oc_random_below(random, 3);
    for (int i = 0; i < passes; i++) blur(canvas, other, between(random, 0.3, 1.0));
    for (int i = 0; i < PIXELS; i++) {
        float light = gain * (1.0f + tilt_x * place(i % SIDE) + tilt_y * place(i / SIDE));
        for (int c = 0; c < 3; c++) {
            float noise = between(random, -0.5, 0.5);
            noise = grain * (noise + between(random, -0.5, 0.5));
            picture->pixels[3 * i + c] =
                (uint8_t)(255.0f * clamp01(canvas[i].channel[c] * light + lift + noise) + 0.5f);
        }
    }
}

void oc_demo_paint(oc_demo_picture *picture, const oc_demo_kind *kind, oc_random *random) {
    colour canvas[PIXELS];
    picture->left = picture->top = SIDE - 1;
    picture->right = picture->bottom = 0;
    colour background = background_paint(canvas, random);
    clutter_paint(canvas, random, kind, background);
    figures_paint(canvas, random, kind, background, picture);
    camera(picture, canvas, random);
    picture->grey = chance(random, GREY_SHARE);
    picture->quality = 82 + (int)oc_random_below(random, 13);
}
