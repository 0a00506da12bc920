/* Weights as PyTorch has them, [OC, IC, KH, KW], read a block of output by a block of input channels at a time, with
 * one lane for each channel of the one or the other kind: a filter's weights and an output's filters follow one
 * another, so that transposing in registers is what lies between. For the sources of this folder only. */
#ifndef OC_KERNELS_FILTER_BLOCK_H
#define OC_KERNELS_FILTER_BLOCK_H

#include <stdbool.h>

#include "kernels/lanes.h"

/* Lanes that a transposition's step leaves in place and exchanges: pairs (a, b) of vectors become those of the lists.
 */
#define OC_EXCHANGE(a, b, first, second)                                                                               \
    do {                                                                                                               \
        const oc_floats x_ = (a), y_ = (b);                                                                            \
        (a) = __builtin_shufflevector(x_, y_, first);                                                                  \
        (b) = __builtin_shufflevector(x_, y_, second);                                                                 \
    } while (0)
#if OC_LANES == 8
#define OC_FAR_FIRST 0, 1, 2, 3, 8, 9, 10, 11
#define OC_FAR_SECOND 4, 5, 6, 7, 12, 13, 14, 15
#define OC_MIDDLE_FIRST 0, 1, 8, 9, 4, 5, 12, 13
#define OC_MIDDLE_SECOND 2, 3, 10, 11, 6, 7, 14, 15
#define OC_NEAR_FIRST 0, 8, 2, 10, 4, 12, 6, 14
#define OC_NEAR_SECOND 1, 9, 3, 11, 5, 13, 7, 15
#else
#define OC_HALVES_FIRST 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define OC_HALVES_SECOND 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define OC_FAR_FIRST 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define OC_FAR_SECOND 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define OC_MIDDLE_FIRST 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define OC_MIDDLE_SECOND 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define OC_NEAR_FIRST 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define OC_NEAR_SECOND 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#endif

/* r[i][j] becomes r[j][i]. */
OC_INLINE void oc_transpose(oc_floats *r) {
#if OC_LANES == 16
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) OC_EXCHANGE(r[i], r[i + 8], OC_HALVES_FIRST, OC_HALVES_SECOND);
#endif
#pragma GCC unroll 16
    for (int i = 0; i < OC_LANES; i++)
        if (!(i & 4)) OC_EXCHANGE(r[i], r[i + 4], OC_FAR_FIRST, OC_FAR_SECOND);
#pragma GCC unroll 16
    for (int i = 0; i < OC_LANES; i++)
        if (!(i & 2)) OC_EXCHANGE(r[i], r[i + 2], OC_MIDDLE_FIRST, OC_MIDDLE_SECOND);
#pragma GCC unroll 16
    for (int i = 0; i < OC_LANES; i++)
        if (!(i & 1)) OC_EXCHANGE(r[i], r[i + 1], OC_NEAR_FIRST, OC_NEAR_SECOND);
}

/* to[i][j] = from[j][i]; rows, of OC_LANES numbers, are `from_row` and `to_row` floats apart. */
OC_INLINE void oc_transpose_at(const float *from, int64_t from_row, float *to, int64_t to_row) {
    oc_floats r[OC_LANES];
    for (int i = 0; i < OC_LANES; i++) r[i] = oc_load(from + i * from_row);
    oc_transpose(r);
    for (int i = 0; i < OC_LANES; i++) oc_store(to + i * to_row, r[i]);
}

/* How many channels from block `block` on there are, at most a block. */
OC_INLINE int64_t oc_present(int64_t channels, int64_t block) {
    return channels - block * OC_LANES < OC_LANES ? channels - block * OC_LANES : OC_LANES;
}

/* A convolution's channels. One kind is spread across lanes, the columns: outputs, or where `turned` inputs, and then
 * rows are outputs. */
typedef struct oc_weights_shape {
    int64_t oc, ic;
    bool turned;
} oc_weights_shape;

#define OC_FILTER_TAPS 49 /* at most */

/* tile[o][l] = the l-th of `weights` (or a zero behind them) of output o, and zeros for outputs that are not there. */
OC_INLINE void oc_fill_tile(const float *from, int64_t outputs, int64_t row, int64_t weights,
                            float tile[OC_LANES][OC_LANES]) {
    const int64_t some = weights < 0 ? 0 : weights < OC_LANES ? weights : OC_LANES;
    memset(tile, 0, OC_LANES * sizeof *tile);
    for (int64_t o = 0; o < outputs; o++) memcpy(tile[o], from + o * row, (size_t)some * sizeof **tile);
}

/* Two columns of vectors, `step` apart, each transposed into the other's place; they may be the same. */
OC_INLINE void oc_exchange_transposed(oc_floats *a, oc_floats *b, int64_t step) {
    oc_floats first[OC_LANES], second[OC_LANES];
    for (int i = 0; i < OC_LANES; i++) {
        first[i] = a[i * step];
        second[i] = b[i * step];
    }
    oc_transpose(first);
    oc_transpose(second);
    for (int i = 0; i < OC_LANES; i++) {
        a[i * step] = second[i];
        b[i * step] = first[i];
    }
}

/* g[k·taps + p]: weight p of the filters of row k, one lane a column, zeros where a block has no more channels. Filters
 * that are `turned` are so by 180 degrees too: weight p is taps − 1 − p of the convolution's. Threads may have little
 * stack: beside g there are some kilobytes. */
OC_INLINE void oc_filter_block(const oc_weights_shape *shape, const int taps, const float *plain, int64_t output,
                               int64_t input, oc_floats *g) {
    const int64_t outputs = oc_present(shape->oc, output), inputs = oc_present(shape->ic, input);
    const int64_t row = shape->ic * taps;
    const float *from = plain + output * OC_LANES * row + input * OC_LANES * taps;
    const bool whole = outputs == OC_LANES && inputs == OC_LANES;
    for (int p = 0; p < taps; p++) {
        float tile[OC_LANES][OC_LANES];
        if (!whole) oc_fill_tile(from + p * OC_LANES, outputs, row, inputs * taps - p * OC_LANES, tile);
        oc_transpose_at(whole ? from + p * OC_LANES : tile[0], whole ? row : OC_LANES, (float *)&g[p * OC_LANES],
                        OC_LANES);
    }
    for (int p = 0; shape->turned && 2 * p < taps; p++) oc_exchange_transposed(&g[p], &g[taps - 1 - p], taps);
}

#endif
