/* The transforms of winograd.h that concern filters, a block of output by a block of input channels at a time. In
 * PyTorch's layout the nine weights of an input channel's filter follow one another, and vectors go across output
 * channels (or across input channels where turned); transposing in registers is what lies between. */
#include "kernels/winograd_points.h"

#include "kernels/product.h"

/* Weights of the filters from a block of input channels to one output channel. */
#define ROW (OC_LANES * OC_PATCH)

/* Lanes that a transposition's step leaves in place and exchanges: pairs (a, b) of vectors become those of the lists.
 */
#define EXCHANGE(a, b, first, second)                                                                                  \
    do {                                                                                                               \
        const oc_floats x_ = (a), y_ = (b);                                                                            \
        (a) = __builtin_shufflevector(x_, y_, first);                                                                  \
        (b) = __builtin_shufflevector(x_, y_, second);                                                                 \
    } while (0)
#if OC_LANES == 8
#define FAR_FIRST 0, 1, 2, 3, 8, 9, 10, 11
#define FAR_SECOND 4, 5, 6, 7, 12, 13, 14, 15
#define MIDDLE_FIRST 0, 1, 8, 9, 4, 5, 12, 13
#define MIDDLE_SECOND 2, 3, 10, 11, 6, 7, 14, 15
#define NEAR_FIRST 0, 8, 2, 10, 4, 12, 6, 14
#define NEAR_SECOND 1, 9, 3, 11, 5, 13, 7, 15
#else
#define HALVES_FIRST 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HALVES_SECOND 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define FAR_FIRST 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define FAR_SECOND 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define MIDDLE_FIRST 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define MIDDLE_SECOND 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define NEAR_FIRST 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define NEAR_SECOND 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#endif

/* r[i][j] becomes r[j][i]. */
OC_INLINE void transpose(oc_floats *r) {
#if OC_LANES == 16
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) EXCHANGE(r[i], r[i + 8], HALVES_FIRST, HALVES_SECOND);
#endif
#pragma GCC unroll 16
    for (int i = 0; i < OC_LANES; i++)
        if (!(i & 4)) EXCHANGE(r[i], r[i + 4], FAR_FIRST, FAR_SECOND);
#pragma GCC unroll 16
    for (int i = 0; i < OC_LANES; i++)
        if (!(i & 2)) EXCHANGE(r[i], r[i + 2], MIDDLE_FIRST, MIDDLE_SECOND);
#pragma GCC unroll 16
    for (int i = 0; i < OC_LANES; i++)
        if (!(i & 1)) EXCHANGE(r[i], r[i + 1], NEAR_FIRST, NEAR_SECOND);
}

/* to[i][j] = from[j][i]; rows, of OC_LANES numbers, are `from_row` and `to_row` floats apart. */
OC_INLINE void transpose_at(const float *from, int64_t from_row, float *to, int64_t to_row) {
    oc_floats r[OC_LANES];
    for (int i = 0; i < OC_LANES; i++) r[i] = oc_load(from + i * from_row);
    transpose(r);
    for (int i = 0; i < OC_LANES; i++) oc_store(to + i * to_row, r[i]);
}

/* How many channels from block `block` on there are, at most a block. */
static int64_t present(int64_t channels, int64_t block) {
    return channels - block * OC_LANES < OC_LANES ? channels - block * OC_LANES : OC_LANES;
}

/* g[k·9 + p]: weight p of the filters of row k, one lane a column; for `turned` rows are output channels, columns input
 * channels and each filter is turned by 180 degrees. */
static void read_filters(const oc_winograd_weights *weights, const float *plain, int64_t output, int64_t input,
                         oc_floats g[ROW]) {
    const int64_t outputs = present(weights->oc, output), inputs = present(weights->ic, input);
    const int64_t row = weights->ic * OC_PATCH;
    const float *from = plain + output * OC_LANES * row + input * OC_LANES * OC_PATCH;
    float filled[OC_LANES][ROW];
    oc_floats t[ROW];
    if (outputs < OC_LANES || inputs < OC_LANES) {
        memset(filled, 0, sizeof filled);
        for (int64_t o = 0; o < outputs; o++)
            memcpy(filled[o], from + o * row, (size_t)(inputs * OC_PATCH) * sizeof(float));
    }
    const bool whole = outputs == OC_LANES && inputs == OC_LANES;
    oc_floats *const to = weights->turned ? t : g;
    for (int p = 0; p < OC_PATCH; p++)
        transpose_at((whole ? from : filled[0]) + p * OC_LANES, whole ? row : ROW, (float *)&to[p * OC_LANES],
                     OC_LANES);
    for (int p = 0; weights->turned && p < OC_PATCH; p++)
        transpose_at((const float *)&t[p], OC_PATCH * OC_LANES, (float *)&g[OC_PATCH - 1 - p], OC_PATCH * OC_LANES);
}

OC_INLINE void transform_by(const int m, const oc_winograd_weights *weights, const oc_floats *g, oc_panel to,
                            int64_t row, float *u) {
    const int n = m + 2;
    for (int k = 0; k < OC_LANES; k++) {
        float *at = u + to.at + (row * OC_LANES + k) * to.row;
        oc_floats half[OC_PLACES_MOST][3];
#pragma GCC unroll 3
        for (int x = 0; x < 3; x++) oc_filter(m, &g[k * OC_PATCH + x], 3, &half[0][x], 3);
#pragma GCC unroll 6
        for (int y = 0; y < n; y++) {
            oc_floats t[OC_PLACES_MOST];
            oc_filter(m, half[y], 1, t, 1);
#pragma GCC unroll 6
            for (int x = 0; x < n; x++) oc_store(at + (y * n + x) * weights->place, t[x]);
        }
    }
}

static int64_t blocks_of(int64_t channels) {
    return oc_divide_up(channels, OC_LANES);
}

static void transform(int m, const oc_winograd_weights *weights, const float *plain, int64_t column, int64_t row,
                      float *u) {
    const bool turned = weights->turned;
    const int64_t columns = blocks_of(turned ? weights->ic : weights->oc);
    const int64_t rows = blocks_of(turned ? weights->oc : weights->ic);
    const oc_panel to = oc_panel_of(OC_PRODUCT_KERNELS.vectors, rows * OC_LANES, columns, column);
    oc_floats g[ROW];
    read_filters(weights, plain, turned ? row : column, turned ? column : row, g);
    if (m == 2)
        transform_by(2, weights, g, to, row, u);
    else
        transform_by(4, weights, g, to, row, u);
}

OC_INLINE void gradient_by(const int m, const oc_winograd_weights *weights, const float *from, int64_t parts,
                           int64_t part, oc_floats *g) {
    const int n = m + 2;
    for (int k = 0; k < OC_LANES; k++) {
        oc_floats half[3][OC_PLACES_MOST];
#pragma GCC unroll 6
        for (int x = 0; x < n; x++) {
            oc_floats sum[OC_PLACES_MOST];
#pragma GCC unroll 6
            for (int y = 0; y < n; y++) {
                const float *at = from + (y * n + x) * weights->place + k * OC_LANES;
                sum[y] = oc_load(at);
                for (int64_t i = 1; i < parts; i++) sum[y] += oc_load(at + i * part);
            }
            oc_filter_gradient(m, sum, 1, &half[0][x], OC_PLACES_MOST);
        }
#pragma GCC unroll 3
        for (int y = 0; y < 3; y++) oc_filter_gradient(m, half[y], 1, &g[k * OC_PATCH + 3 * y], 1);
    }
}

static void gradient(int m, const oc_winograd_weights *weights, const float *s, int64_t parts, int64_t part,
                     int64_t column, int64_t row, float *plain) {
    const int64_t outputs = present(weights->oc, column), inputs = present(weights->ic, row);
    const float *from = s + (column * blocks_of(weights->ic) + row) * OC_LANES * OC_LANES;
    float rows[OC_LANES][ROW];
    oc_floats g[ROW];
    if (m == 2)
        gradient_by(2, weights, from, parts, part, g);
    else
        gradient_by(4, weights, from, parts, part, g);
    for (int p = 0; p < OC_PATCH; p++)
        transpose_at((const float *)&g[p * OC_LANES], OC_LANES, &rows[0][p * OC_LANES], ROW);
    for (int64_t o = 0; o < outputs; o++)
        memcpy(plain + ((column * OC_LANES + o) * weights->ic + row * OC_LANES) * OC_PATCH, rows[o],
               (size_t)(inputs * OC_PATCH) * sizeof(float));
}

const oc_winograd_filter_kernels OC_WINOGRAD_FILTERS = {.transform = transform, .gradient = gradient};
