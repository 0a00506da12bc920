/* Products of matrices in blocks of OC_LANES columns, for the sources of this folder: the micro-kernels and the
 * register and cache blocking that a level has for them, apart from the algorithms that call them.
 *
 * A matrix lies as [columns/OC_LANES][rows][OC_LANES], its blocks of columns `block` numbers apart, each at a multiple
 * of a vector's size. A factor whose rows are what is summed over has the rows that one step of the sum takes
 * (operand.h) side by side: [columns/OC_LANES][rows/OC_STEP][OC_LANES][OC_STEP]. Every number of a product is a sum of
 * chains of multiply-adds, each over OC_PRODUCT_RUN numbers and all in the order of the sum, so that it does not depend
 * on the level or on how rows and columns are blocked or divided. The chains are short because a sum of 256 products
 * has half the error when it is made of four, and because that much of the right factor stays in L1. */
#ifndef OC_KERNELS_PRODUCT_H
#define OC_KERNELS_PRODUCT_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/operand.h"

#define OC_PRODUCT_RUN (64 * OC_STEP)

/* A matrix that is read, and one that is written. */
typedef struct oc_factor {
    const oc_operand *at;
    int64_t block;
} oc_factor;

typedef struct oc_product {
    float *at;
    int64_t block;
} oc_product;

typedef struct oc_product_kernels {
    int rows;    /* the left factor of `multiply` has a multiple of so many */
    int vectors; /* in a panel of its right factor, see oc_panel_of */

    /* m = a·b, or added to m: `rows` × inner·OC_LANES by inner·OC_LANES × blocks·OC_LANES; b in panels. */
    void (*multiply)(oc_product m, oc_factor a, const oc_operand *b, int64_t rows, int64_t inner, int64_t blocks,
                     bool add);
    /* s = aᵀ·b, or added to s, as one chain: sa·OC_LANES × `rows` by `rows` × sb·OC_LANES. Where `rows` end within a
     * step, zeros follow. */
    void (*multiply_transposed)(oc_product s, oc_factor a, oc_factor b, int64_t sa, int64_t sb, int64_t rows, bool add);
} oc_product_kernels;

extern const oc_product_kernels OC_PRODUCT_KERNELS;

/* Where a block of columns lies in a right factor that is packed into panels, [panel][row/OC_STEP][vectors of the
 * panel] [OC_LANES][OC_STEP], so that the micro-kernel reads it from end to end: `at` operands from the beginning, its
 * steps `step` operands apart. The last panel has as many vectors as are left. */
typedef struct oc_panel {
    int64_t at, step;
} oc_panel;

static inline oc_panel oc_panel_of(int vectors, int64_t rows, int64_t blocks, int64_t block) {
    const int64_t first = block / vectors * vectors, width = blocks - first < vectors ? blocks - first : vectors;
    return (oc_panel){(first * rows + (block - first) * OC_STEP) * OC_LANES, width * OC_LANES * OC_STEP};
}

/* Puts row `row` of a block of columns where rows are summed over. */
OC_INLINE void oc_store_row(oc_operand *column, int64_t row, oc_floats v) {
    oc_store_part(column + row / OC_STEP * OC_STEP * OC_LANES, (int)(row % OC_STEP), v);
}

/* Puts it into its panel. */
OC_INLINE void oc_panel_store(oc_operand *packed, oc_panel panel, int64_t row, oc_floats v) {
    oc_store_part(packed + panel.at + row / OC_STEP * panel.step, (int)(row % OC_STEP), v);
}

/* Numbers by which matrices that are used together lie further apart than they are long, so that they do not begin in
 * the same set of a cache. */
#define OC_MATRIX_GAP (16 * OC_STEP)

/* Numbers between blocks of columns of a matrix of so many rows: no multiple of the cache's way. */
static inline int64_t oc_column_of(int64_t rows) {
    return (rows % 64 == 0 ? rows + OC_STEP : rows) * OC_LANES;
}

/* Floats in whose room so many operands lie, which fill whole vectors. */
static inline int64_t oc_operands_floats(int64_t operands) {
    return operands / OC_STEP;
}

#endif
