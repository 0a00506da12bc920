/* Convolutions 3×3 with stride 1 and padding 1 in fewer multiplications: Winograd's minimal filtering F(2×2, 3×3), as
 * in Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. What the files winograd*.c share.
 *
 * The result is cut into tiles of 2×2 pixels. Such a tile Y depends on 4×4 pixels d of the source and on a kernel g:
 *
 *     Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A
 *
 *          | 1  0 -1  0 |         | 1    0    0 |          | 1  1  1  0 |
 *     Bᵀ = | 0  1  1  0 |     G = | 1/2  1/2  1/2 |    Aᵀ = | 0  1 -1 -1 |
 *          | 0 -1  1  0 |         | 1/2 -1/2  1/2 |
 *          | 0  1  0 -1 |         | 0    0    1 |
 *
 * which takes 16 multiplications where the definition takes 36. Over the channels they become products of matrices,
 * one for each of the 16 places (i, j) of ⊙, with V = Bᵀ d B and U = G g Gᵀ:
 *
 *     forward           M (tiles × OC) = V (tiles × IC) · U (IC × OC),  Y = Aᵀ M A
 *     backward, data    the same, from diff_dst to diff_src, with each kernel turned by 180° and the channels' roles
 *                       exchanged; turning g exchanges the places 0 and 3 of U in both directions, and no other
 *     backward, weights the derivative of the formula by g:  S (IC × OC) = Vᵀ · W,  W = A dY Aᵀ,  dg = Gᵀ S G
 *
 * Every matrix lies in blocks of eight columns, [columns/8][rows][8], because then a block of eight channels in memory
 * is a block of columns, and all transforms are additions of whole vectors. Tiles are numbered by image, row, column;
 * those at the far edges of odd sizes hang over and are cut. A chunk of tiles is transformed, multiplied and
 * transformed back while it is in the cache of one processor. */
#ifndef OC_COMPUTE_WINOGRAD_H
#define OC_COMPUTE_WINOGRAD_H

#include "compute/internal.h"

#ifdef __x86_64__
#define OC_AVX2 __attribute__((target("avx2,fma")))
#else
#define OC_AVX2
#endif

#define OC_LANES 8   /* channels in a block, and numbers in a vector */
#define OC_PLACES 16 /* of ⊙: four rows of four */
#define OC_PATCH 9   /* weights in a kernel */

/* Vectors in memory at a multiple of their size, and anywhere at a multiple of a float's. */
typedef float oc_floats __attribute__((vector_size(4 * OC_LANES), may_alias));
typedef float oc_floats_at __attribute__((vector_size(4 * OC_LANES), aligned(4), may_alias));

/* The tiles [begin, end) of a feature map in blocks of OC_LANES channels. */
typedef struct oc_tiles {
    const oc_map *map;
    int64_t begin, end;
} oc_tiles;

/* Number of tiles of a map. */
int64_t oc_winograd_tiles(const oc_map *map);

/* ---- Work ---- */

/* Floats by which matrices of different places are further apart than they are long, so that they do not begin in the
 * same set of a cache. */
#define OC_WINOGRAD_GAP 16

/* Work of a kernel of ours from one map to another; the caller fills slots. OC_E_COMPUTE where it cannot be. */
oc_status oc_winograd_work(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                           void (*kernel)(const oc_primitive *work), const oc_layout *src, const oc_layout *dst,
                           oc_error *err);
/* Layouts of a vector and of plain weights. */
oc_layout oc_winograd_floats(int64_t count);
oc_layout oc_winograd_plain_weights(int64_t oc, int64_t ic);

/* ---- Transforms ---- */

/* Row `row` (0 … 3) of V, or of W, for one block of channels of the map at `data`: four places, `place` floats apart in
 * `to`, each one block of columns. Rows from the last tile on are set to zero until there are `rows`. */
void oc_winograd_source(const oc_tiles *tiles, const float *data, int64_t block, int row, float *to, int64_t place,
                        int64_t rows);
void oc_winograd_gradient(const oc_tiles *tiles, const float *data, int64_t block, int row, float *to, int64_t place,
                          int64_t rows);

/* What happens to a result before it is written: bias [channels] or NULL; then the posts in order, the i-th addition
 * taking added[i], a map of the result's layout. */
typedef struct oc_finish {
    const float *bias;
    int posts;
    const oc_post_kind *post;
    const float *added[OC_POSTS_MAX];
} oc_finish;

/* One block of channels of the map at `data` from one block of columns of M. */
void oc_winograd_result(const oc_tiles *tiles, const float *m, int64_t place, const oc_finish *finish, int64_t block,
                        float *data);

/* The weights of a convolution and where they go: `plain` [OC, IC, 3, 3]; a matrix for each place, `place` floats
 * apart, of rows × columns channels, filled up to blocks by zeros. Columns are OC, rows IC; or the other way round when
 * `turned`. */
typedef struct oc_winograd_filters {
    int64_t oc, ic;
    bool turned;
    int64_t place;
} oc_winograd_filters;

/* U from the weights: block `column` of its columns, block `row` of its rows. */
void oc_winograd_weights(const oc_winograd_filters *kernels, const float *plain, int64_t column, int64_t row, float *u);
/* The gradient of the weights (not turned) from the sum of `parts` matrices S, `part` floats apart; the same block. */
void oc_winograd_weights_gradient(const oc_winograd_filters *kernels, const float *s, int64_t parts, int64_t part,
                                  int64_t column, int64_t row, float *plain);

/* ---- Products; all blocks at a multiple of 32 bytes. Each number is one chain of fused multiplications and additions
 * in the order of the sum, so that it does not depend on how rows and columns are divided. ---- */

/* A matrix: from one block of columns to the next it is `block` floats. */
typedef struct oc_matrix {
    float *at;
    int64_t block;
} oc_matrix;

/* Tiles are multiplied by so many at a time: M's and V's rows are a multiple of this. */
#define OC_WINOGRAD_ROWS 6

/* M = V·U: `rows` × 8·`inner` by 8·`inner` × 8·`blocks`. */
void oc_winograd_multiply(oc_matrix m, oc_matrix v, oc_matrix u, int64_t rows, int64_t inner, int64_t blocks);
/* S = Vᵀ·W, or added to S: 8·`ic` × `rows` by `rows` × 8·`oc`; rows a multiple of eight. */
void oc_winograd_multiply_transposed(oc_matrix s, oc_matrix v, oc_matrix w, int64_t ic, int64_t oc, int64_t rows,
                                     bool add);

#endif
