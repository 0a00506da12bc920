/* Whether two small pictures are of one picture. One is laid over the other by the shift and scale of each axis that
 * fit best (Lucas, Kanade: "An Iterative Image Registration Technique with an Application to Stereo Vision", IJCAI
 * 1981, with a gain; from half the size on to the whole), which undoes a crop. Then both must correlate, and so must
 * what is left of them without their surroundings: a meadow under a sky is like any other but in its details. */
#include <math.h>
#include <string.h>

#include "data/doctor/fingerprint.h"

/* Measured on Tiny ImageNet (docs/data.md): above both limits there were no two of different pictures. */
#define CORRELATION_LEAST 0.88
#define DETAIL_LEAST 0.80
#define COARSE_LEAST 0.70 /* before any fitting, at half the size: spares it most candidates */
#define COLOUR_MOST 8     /* average difference of the patches' colours, halved as they are */
#define WARP_MOST 0.07    /* shift in half sides, and scale less 1 */
#define BEYOND_MOST 0.02  /* of a crop's ends, outside of the whole: a third of a pixel */
#define ROUNDS 4          /* of the fit, at each size */
#define DAMPING 1e-3
#define SURROUNDINGS 2 /* pixels on each side */

#define SIDE OC_PRINT_SIDE
#define COUNT (SIDE * SIDE)
#define HALF (SIDE / 2)

typedef struct plane {
    int side;
    float at[COUNT];
} plane;

/* Where a pixel of one picture lies in the other, in coordinates from −1 to 1: x·(1 + scale) + shift, likewise y. */
typedef struct warp {
    double shift_x, scale_x, shift_y, scale_y;
} warp;

/* ---- Planes ---- */

static void plane_fill(plane *p, const uint8_t grey[COUNT], bool mirrored) {
    p->side = SIDE;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) p->at[y * SIDE + x] = grey[y * SIDE + (mirrored ? SIDE - 1 - x : x)];
}

static void plane_halve(plane *dst, const plane *src) {
    dst->side = HALF;
    for (int y = 0; y < HALF; y++)
        for (int x = 0; x < HALF; x++) {
            const float *s = src->at + 2 * y * SIDE + 2 * x;
            dst->at[y * HALF + x] = (s[0] + s[1] + s[SIDE] + s[SIDE + 1]) / 4;
        }
}

static int within(int i, int side) {
    return i < 0 ? 0 : i >= side ? side - 1 : i;
}

/* Differences to right and below, for a coordinate that runs over 2. */
static void plane_slopes(plane *x_slope, plane *y_slope, const plane *p) {
    const int n = p->side;
    x_slope->side = y_slope->side = n;
    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++) {
            const float right = p->at[y * n + within(x + 1, n)], left = p->at[y * n + within(x - 1, n)];
            const float below = p->at[within(y + 1, n) * n + x], above = p->at[within(y - 1, n) * n + x];
            x_slope->at[y * n + x] = (right - left) * (float)n / 4;
            y_slope->at[y * n + x] = (below - above) * (float)n / 4;
        }
}

/* Less the mean of what surrounds each pixel. */
static void plane_details(plane *dst, const plane *src) {
    const int n = src->side, reach = SURROUNDINGS, width = 2 * reach + 1;
    float rows[COUNT];
    dst->side = n;
    for (int i = 0; i < n * n; i++) {
        rows[i] = 0;
        for (int k = -reach; k <= reach; k++) rows[i] += src->at[i / n * n + within(i % n + k, n)];
    }
    for (int i = 0; i < n * n; i++) {
        float sum = 0;
        for (int k = -reach; k <= reach; k++) sum += rows[within(i / n + k, n) * n + i % n];
        dst->at[i] = src->at[i] - sum / (float)(width * width);
    }
}

static double coordinate(int i, int side) {
    return (2 * i + 1) / (double)side - 1;
}

/* Bilinear, in pixels; outside as at the edge. */
static float plane_sample(const plane *p, double x, double y) {
    const int n = p->side;
    x = x < 0 ? 0 : x > n - 1 ? n - 1 : x;
    y = y < 0 ? 0 : y > n - 1 ? n - 1 : y;
    const int left = x < n - 1 ? (int)x : n - 2, above = y < n - 1 ? (int)y : n - 2;
    const float fx = (float)(x - left), fy = (float)(y - above);
    const float *at = p->at + above * n + left;
    return (at[0] * (1 - fx) + at[1] * fx) * (1 - fy) + (at[n] * (1 - fx) + at[n + 1] * fx) * fy;
}

/* dst = src seen through the warp; inside[i]: whether pixel i lies in src. */
static void plane_warp(plane *dst, bool inside[COUNT], const plane *src, const warp *w) {
    const int n = src->side;
    dst->side = n;
    for (int i = 0; i < n * n; i++) {
        const double x = coordinate(i % n, n) * (1 + w->scale_x) + w->shift_x;
        const double y = coordinate(i / n, n) * (1 + w->scale_y) + w->shift_y;
        inside[i] = fabs(x) <= 1 && fabs(y) <= 1;
        dst->at[i] = plane_sample(src, ((x + 1) * n - 1) / 2, ((y + 1) * n - 1) / 2);
    }
}

/* Sums of what lies inside, about the means. */
typedef struct products {
    double mean_a, mean_b, aa, bb, ab;
} products;

static products products_of(const plane *a, const plane *b, const bool *inside) {
    products p = {0};
    const int count = a->side * a->side;
    int used = 0;
    for (int i = 0; i < count; i++) {
        if (inside && !inside[i]) continue;
        used++;
        p.mean_a += a->at[i];
        p.mean_b += b->at[i];
    }
    p.mean_a /= used;
    p.mean_b /= used;
    for (int i = 0; i < count; i++) {
        if (inside && !inside[i]) continue;
        const double x = a->at[i] - p.mean_a, y = b->at[i] - p.mean_b;
        p.aa += x * x;
        p.bb += y * y;
        p.ab += x * y;
    }
    return p;
}

static double correlation(const plane *a, const plane *b, const bool *inside) {
    const products p = products_of(a, b, inside);
    return p.aa > 0 && p.bb > 0 ? p.ab / sqrt(p.aa * p.bb) : 0;
}

/* ---- The fit ---- */

/* Solves m·x = v in place, m [4, 4] symmetric and positive definite; false where it is not. */
static bool solve(double m[4][4], double v[4]) {
    for (int k = 0; k < 4; k++) {
        if (!(m[k][k] > 0)) return false;
        for (int i = k + 1; i < 4; i++) {
            const double f = m[i][k] / m[k][k];
            for (int j = k; j < 4; j++) m[i][j] -= f * m[k][j];
            v[i] -= f * v[k];
        }
    }
    for (int k = 3; k >= 0; k--) {
        for (int j = k + 1; j < 4; j++) v[k] -= m[k][j] * v[j];
        v[k] /= m[k][k];
    }
    return true;
}

static double bounded(double value) {
    return value < -WARP_MOST ? -WARP_MOST : value > WARP_MOST ? WARP_MOST : value;
}

/* What one pixel of the warped picture changes by with each of the warp's four numbers. */
static void slopes_of(double j[4], float x_slope, float y_slope, int i, int side) {
    j[0] = x_slope;
    j[1] = x_slope * coordinate(i % side, side);
    j[2] = y_slope;
    j[3] = y_slope * coordinate(i / side, side);
}

/* One step of Gauss and Newton towards the warp through which `a` looks as `b`; false where there is none. */
static bool fit_step(warp *w, const plane *a, const plane *x_slope, const plane *y_slope, const plane *b) {
    plane seen = {0}, seen_x = {0}, seen_y = {0};
    bool inside[COUNT] = {false};
    double m[4][4] = {0}, v[4] = {0}, mean[4] = {0}, j[4];
    const int n = a->side;
    int used = 0;
    plane_warp(&seen_x, inside, x_slope, w);
    plane_warp(&seen_y, inside, y_slope, w);
    plane_warp(&seen, inside, a, w);
    const products p = products_of(&seen, b, inside);
    if (!(p.aa > 0)) return false;
    const double gain = p.ab / p.aa;
    for (int i = 0; i < n * n; i++) {
        if (!inside[i]) continue;
        slopes_of(j, seen_x.at[i], seen_y.at[i], i, n);
        for (int k = 0; k < 4; k++) mean[k] += j[k];
        used++;
    }
    for (int i = 0; i < n * n; i++) {
        if (!inside[i]) continue;
        const double rest = b->at[i] - p.mean_b - gain * (seen.at[i] - p.mean_a);
        slopes_of(j, seen_x.at[i], seen_y.at[i], i, n);
        for (int k = 0; k < 4; k++) j[k] = gain * (j[k] - mean[k] / used);
        for (int k = 0; k < 4; k++) {
            v[k] += j[k] * rest;
            for (int l = 0; l < 4; l++) m[k][l] += j[k] * j[l];
        }
    }
    const double damping = DAMPING * (m[0][0] + m[1][1] + m[2][2] + m[3][3]) / 4;
    for (int k = 0; k < 4; k++) m[k][k] += damping;
    if (!solve(m, v)) return false;
    w->shift_x = bounded(w->shift_x + v[0]);
    w->scale_x = bounded(w->scale_x + v[1]);
    w->shift_y = bounded(w->shift_y + v[2]);
    w->scale_y = bounded(w->scale_y + v[3]);
    return true;
}

static void fit(warp *w, const plane *a, const plane *b) {
    plane x_slope, y_slope;
    plane_slopes(&x_slope, &y_slope, a);
    for (int i = 0; i < ROUNDS && fit_step(w, a, &x_slope, &y_slope, b); i++) continue;
}

/* ---- The verdict ---- */

/* Whether the warp shows a part of what it sees, as a crop does: what is only shifted, as a disc on white elsewhere, is
 * another picture. Along one axis. */
static bool is_crop(double shift, double scale) {
    return fabs(shift) + scale <= BEYOND_MOST;
}

/* Whether `a` through the warp is `b`, of which `details` are given. */
static bool is_seen_as(const plane *a, const warp *w, const plane *b, const plane *details) {
    plane seen = {0}, seen_details;
    bool inside[COUNT] = {false};
    if (!is_crop(w->shift_x, w->scale_x) || !is_crop(w->shift_y, w->scale_y)) return false;
    plane_warp(&seen, inside, a, w);
    if (correlation(&seen, b, inside) < CORRELATION_LEAST) return false;
    plane_details(&seen_details, &seen);
    return correlation(&seen_details, details, inside) >= DETAIL_LEAST;
}

static bool fits(const plane *a, const plane *half_a, const plane *b, const plane *half_b) {
    plane details;
    warp w = {0};
    plane_details(&details, b);
    if (is_seen_as(a, &w, b, &details)) return true;
    fit(&w, half_a, half_b);
    fit(&w, a, b);
    return is_seen_as(a, &w, b, &details);
}

static bool has_colours_of(const oc_fingerprint *a, const oc_fingerprint *b, bool mirrored) {
    const int n = OC_PRINT_PATCHES;
    int difference = 0;
    for (int p = 0; p < n * n; p++) {
        const int8_t *x = a->colour[mirrored ? p / n * n + n - 1 - p % n : p], *y = b->colour[p];
        for (int c = 0; c < 2; c++) difference += x[c] > y[c] ? x[c] - y[c] : y[c] - x[c];
    }
    return difference <= COLOUR_MOST * n * n * 2;
}

bool oc_fingerprint_alike(const oc_fingerprint *a, const oc_fingerprint *b, bool mirrored) {
    plane whole[2], half[2];
    if (!has_colours_of(a, b, mirrored)) return false;
    plane_fill(&whole[0], a->grey, mirrored);
    plane_fill(&whole[1], b->grey, false);
    for (int i = 0; i < 2; i++) plane_halve(&half[i], &whole[i]);
    if (correlation(&half[0], &half[1], NULL) < COARSE_LEAST) return false;
    return fits(&whole[0], &half[0], &whole[1], &half[1]) || fits(&whole[1], &half[1], &whole[0], &half[0]);
}
