/* The transforms of winograd.h that concern filters, a block of output by a block of input channels at a time. In
 * PyTorch's layout the nine weights of an input channel's filter follow one another, and vectors go across output
 * channels (or across input channels where turned); transposing in registers is what lies between. */
#include "kernels/product.h"
#include "kernels/winograd_points.h"

/* Weights of the filters from a block of input channels to one output channel. */
#define ROW (OC_LANES * OC_PATCH)

OC_INLINE void transform_by(const int m, const int64_t place, const oc_floats *g, oc_panel to, int64_t row,
                            oc_operand *u) {
    const int n = m + 2;
    for (int k = 0; k < OC_LANES; k++) {
        oc_floats half[OC_PLACES_MOST][3];
#pragma GCC unroll 3
        for (int x = 0; x < 3; x++) oc_filter(m, &g[k * OC_PATCH + x], 3, &half[0][x], 3);
#pragma GCC unroll 6
        for (int y = 0; y < n; y++) {
            oc_floats t[OC_PLACES_MOST];
            oc_filter(m, half[y], 1, t, 1);
#pragma GCC unroll 6
            for (int x = 0; x < n; x++) oc_panel_store(u + (y * n + x) * place, to, row * OC_LANES + k, t[x]);
        }
    }
}

static int64_t blocks_of(int64_t channels) {
    return oc_divide_up(channels, OC_LANES);
}

static void transform(int m, const oc_winograd_weights *weights, const float *plain, int64_t column, int64_t row,
                      oc_operand *u) {
    const bool turned = weights->shape.turned;
    const int64_t columns = blocks_of(turned ? weights->shape.ic : weights->shape.oc);
    const int64_t rows = blocks_of(turned ? weights->shape.oc : weights->shape.ic);
    const oc_panel to = oc_panel_of(OC_PRODUCT_KERNELS.vectors, rows * OC_LANES, columns, column);
    oc_floats g[ROW];
    oc_filter_block(&weights->shape, OC_PATCH, plain, turned ? row : column, turned ? column : row, g);
    if (m == 2)
        transform_by(2, weights->place, g, to, row, u);
    else
        transform_by(4, weights->place, g, to, row, u);
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
    const int64_t outputs = oc_present(weights->shape.oc, column), inputs = oc_present(weights->shape.ic, row);
    const float *from = s + (column * blocks_of(weights->shape.ic) + row) * OC_LANES * OC_LANES;
    float rows[OC_LANES][ROW];
    oc_floats g[ROW];
    if (m == 2)
        gradient_by(2, weights, from, parts, part, g);
    else
        gradient_by(4, weights, from, parts, part, g);
    for (int p = 0; p < OC_PATCH; p++)
        oc_transpose_at((const float *)&g[p * OC_LANES], OC_LANES, &rows[0][p * OC_LANES], ROW);
    for (int64_t o = 0; o < outputs; o++)
        memcpy(plain + ((column * OC_LANES + o) * weights->shape.ic + row * OC_LANES) * OC_PATCH, rows[o],
               (size_t)(inputs * OC_PATCH) * sizeof(float));
}

const oc_winograd_filter_kernels OC_WINOGRAD_FILTERS = {.transform = transform, .gradient = gradient};
