/* The transforms of winograd.h that concern the kernels: 8×8 of them at a time. In PyTorch's layout the nine weights of
 * eight kernels of one output channel follow one another, and vectors go across output channels; transposing in
 * registers is what lies between. */
#include <string.h>

#include "compute/winograd.h"

/* Weights of eight kernels in one row. */
#define ROW (OC_LANES * OC_PATCH)

#define INLINE static inline __attribute__((always_inline)) OC_AVX2

/* Exchanges the halves, quarters and eighths of two vectors that a transposition exchanges. */
#define EXCHANGE(a, b, ...)                                                                                            \
    do {                                                                                                               \
        const oc_floats x = (a), y = (b);                                                                              \
        EXCHANGE_BY(a, b, x, y, __VA_ARGS__);                                                                          \
    } while (0)
#define EXCHANGE_BY(a, b, x, y, a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7)                        \
    (a) = __builtin_shufflevector(x, y, a0, a1, a2, a3, a4, a5, a6, a7);                                               \
    (b) = __builtin_shufflevector(x, y, b0, b1, b2, b3, b4, b5, b6, b7)

/* to[i][j] = from[j][i], 8×8; rows are `from_row` and `to_row` floats apart. */
OC_AVX2 static void transpose(const float *from, int64_t from_row, float *to, int64_t to_row) {
    oc_floats r[OC_LANES];
    for (int i = 0; i < OC_LANES; i++) r[i] = *(const oc_floats_at *)(from + i * from_row);
    for (int i = 0; i < 4; i++) EXCHANGE(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15);
    for (int i = 0; i < 6; i += i % 4 == 1 ? 3 : 1)
        EXCHANGE(r[i], r[i + 2], 0, 1, 8, 9, 4, 5, 12, 13, 2, 3, 10, 11, 6, 7, 14, 15);
    for (int i = 0; i < 8; i += 2) EXCHANGE(r[i], r[i + 1], 0, 8, 2, 10, 4, 12, 6, 14, 1, 9, 3, 11, 5, 13, 7, 15);
    for (int i = 0; i < OC_LANES; i++) *(oc_floats_at *)(to + i * to_row) = r[i];
}

/* How many channels from block `block` on there are, at most eight. */
static int64_t present(int64_t channels, int64_t block) {
    return channels - block * OC_LANES < OC_LANES ? channels - block * OC_LANES : OC_LANES;
}

/* Rows of a matrix, filled up. */
static int64_t filled(int64_t channels) {
    return (channels + OC_LANES - 1) / OC_LANES * OC_LANES;
}

/* G applied to three vectors, `g_step` vectors apart, giving four. */
INLINE void spread(const oc_floats *g, int g_step, oc_floats *t, int t_step) {
    const oc_floats outer = 0.5F * (g[0] + g[2 * g_step]), inner = 0.5F * g[g_step];
    t[0] = g[0];
    t[t_step] = outer + inner;
    t[2 * t_step] = outer - inner;
    t[3 * t_step] = g[2 * g_step];
}

/* Its transpose applied to four, giving three. */
INLINE void gather(const oc_floats *t, int t_step, oc_floats *g, int g_step) {
    const oc_floats sum = 0.5F * (t[t_step] + t[2 * t_step]);
    g[0] = t[0] + sum;
    g[g_step] = 0.5F * (t[t_step] - t[2 * t_step]);
    g[2 * g_step] = sum + t[3 * t_step];
}

OC_AVX2 void oc_winograd_weights(const oc_winograd_filters *kernels, const float *plain, int64_t column, int64_t row,
                                 float *u) {
    const int64_t output = kernels->turned ? row : column, input = kernels->turned ? column : row;
    const int64_t outputs = present(kernels->oc, output), inputs = present(kernels->ic, input);
    float rows[OC_LANES][ROW] = {{0}};
    oc_floats g[ROW], block[OC_PLACES][OC_LANES];
    for (int64_t o = 0; o < outputs; o++)
        memcpy(rows[o], plain + ((output * OC_LANES + o) * kernels->ic + input * OC_LANES) * OC_PATCH,
               (size_t)(inputs * OC_PATCH) * sizeof(float));
    for (int p = 0; p < OC_PATCH; p++) transpose(&rows[0][p * OC_LANES], ROW, (float *)&g[p * OC_LANES], OC_LANES);
    for (int c = 0; c < OC_LANES; c++) {
        oc_floats t[4][3];
        for (int x = 0; x < 3; x++) spread(&g[c * OC_PATCH + x], 3, &t[0][x], 3);
        for (int y = 0; y < 4; y++) spread(t[y], 1, &block[4 * y][c], OC_LANES);
    }
    const int64_t height = filled(kernels->turned ? kernels->oc : kernels->ic);
    float *to = u + (column * height + row * OC_LANES) * OC_LANES;
    for (int p = 0; p < OC_PLACES; p++) {
        static const int opposite[4] = {3, 1, 2, 0};
        if (kernels->turned)
            transpose((const float *)block[4 * opposite[p / 4] + opposite[p % 4]], OC_LANES, to + p * kernels->place,
                      OC_LANES);
        else
            memcpy(to + p * kernels->place, block[p], sizeof block[p]);
    }
}

OC_AVX2 void oc_winograd_weights_gradient(const oc_winograd_filters *kernels, const float *s, int64_t parts,
                                          int64_t part, int64_t column, int64_t row, float *plain) {
    const int64_t outputs = present(kernels->oc, column), inputs = present(kernels->ic, row);
    const float *from = s + (column * filled(kernels->ic) + row * OC_LANES) * OC_LANES;
    float rows[OC_LANES][ROW];
    oc_floats g[ROW];
    for (int c = 0; c < OC_LANES; c++) {
        oc_floats sum[OC_PLACES], t[3][4];
        for (int p = 0; p < OC_PLACES; p++) {
            sum[p] = *(const oc_floats *)(from + p * kernels->place + c * OC_LANES);
            for (int64_t i = 1; i < parts; i++)
                sum[p] += *(const oc_floats *)(from + i * part + p * kernels->place + c * OC_LANES);
        }
        for (int x = 0; x < 4; x++) gather(&sum[x], 4, &t[0][x], 4);
        for (int y = 0; y < 3; y++) gather(t[y], 1, &g[c * OC_PATCH + 3 * y], 1);
    }
    for (int p = 0; p < OC_PATCH; p++)
        transpose((const float *)&g[p * OC_LANES], OC_LANES, &rows[0][p * OC_LANES], ROW);
    for (int64_t o = 0; o < outputs; o++)
        memcpy(plain + ((column * OC_LANES + o) * kernels->ic + row * OC_LANES) * OC_PATCH, rows[o],
               (size_t)(inputs * OC_PATCH) * sizeof(float));
}
