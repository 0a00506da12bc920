/* Convolutions 3×3 with stride 1 in fewer multiplications: Winograd's minimal filtering F(m×m, 3×3) with m = 2 and 4,
 * as in Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.
 *
 * The result is cut into tiles of m×m pixels; those at the far edges may hang over and are cut. Such a tile y depends
 * on n×n pixels d of the source, n = m + 2, and on a filter g:
 *
 *     y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A
 *
 * which takes n² multiplications where the definition takes 9·m²: 16 for 36, and 36 for 144. Over the channels they
 * become products of matrices, one for each of the n² tile elements of ⊙ ("places"), with V = Bᵀ d B and U = G g Gᵀ:
 *
 *     forward           M (tiles × OC) = V (tiles × IC) · U (IC × OC),  y = Aᵀ M A
 *     backward, data    the same from diff_dst to diff_src, with each filter turned by 180° and the channels' roles
 *                       exchanged, and 2 − pad for pad
 *     backward, weights the derivative of the formula by g:  S (IC × OC) = Vᵀ · W,  W = A dy Aᵀ,  dg = Gᵀ S G
 *
 * The matrices come from Cook and Toom's algorithm: the filter's polynomial and the tile's are evaluated at n − 1
 * points and at ∞. F(2×2) takes the usual 0, ±1. F(4×4) takes 0, ±p, ±q with p = 11/16 and q = 23/16; up to the scales
 * of G,
 *
 *          | p²q²   0  −p²−q²    0    1  0 |        | 1   0   0  |         | 1  1  1   1   1  0 |
 *          |  0   −pq²   −q²     p    1  0 |        | 1   p   p² |    Aᵀ = | 0  p −p   q  −q  0 |
 *     Bᵀ = |  0    pq²   −q²    −p    1  0 |    G = | 1  −p   p² |         | 0  p² p²  q²  q² 0 |
 *          |  0   −qp²   −p²     q    1  0 |        | 1   q   q² |         | 0  p³ −p³ q³ −q³ 1 |
 *          |  0    qp²   −p²    −q    1  0 |        | 1  −q   q² |
 *          |  0   p²q²    0   −p²−q²  0  1 |        | 0   0   1  |
 *
 * where the rows of G are divided by p²q², 2p²(p²−q²) twice, 2q²(q²−p²) twice and 1. Symmetric points share the work of
 * each pair; points around 1 whose product is near 1 keep the numbers of all transforms alike in size, which is what
 * the error depends on (Barabasz, Anderson, Soodhalter & Gregg, "Error Analysis and Improving the Accuracy of Winograd
 * Convolution for Deep Neural Networks", ACM TOMS 2020). Of p from 9/16 to 3/4 and q from 5/4 to 13/8 in steps of 1/32
 * and 1/16 this pair had the smallest error in these kernels; Bᵀ and Aᵀ are exact in a float. Largest error over
 * largest value, 256 channels, normal data:
 *
 *                                   forward and by data   by weights
 *     F(2×2)                        3.2e-7                4e-7
 *     F(4×4)                        1.1e-6                9e-7
 *     F(4×4) with 0, ±5/8, ±3/2     1.2e-6                8e-7
 *     F(4×4) with 0, ±1, ±2         5.0e-6                3e-6
 *     maps of bfloat16, products of it (operand.h):
 *     F(2×2)                        4.3e-3                5.2e-3
 *     F(4×4)                        1.6e-2                1.8e-2
 *     a matrix product (im2col.h)   3.2e-3                2.2e-7 (direct.h)
 *
 * With products of bfloat16 V, U and W are rounded to it; transforms and sums are in float.
 *
 * Nothing here knows threads: work is numbered, and who calls divides the numbers. What is computed does not depend on
 * how: each number is summed in an order that the sizes alone give, and is the same at every level with fused
 * multiply-adds. */
#ifndef OC_KERNELS_WINOGRAD_H
#define OC_KERNELS_WINOGRAD_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/finish.h"
#include "kernels/kernels.h"
#include "kernels/map.h"

/* A pass forward or backward by data: filtering of `from` to `to`. The caller sets the first group of fields, `plan`
 * the second. */
typedef struct oc_winograd {
    oc_map from, to; /* blocks of the level's lanes, data at a multiple of 64 bytes; the same images */
    int tile;        /* m: 2 or 4 */
    int pad;         /* 0 … 2 rows and columns of zeros around `from`: to.h = from.h + 2·pad − 2, likewise w */
    bool turned;     /* by data: weights are [from.channels, to.channels, 3, 3], else [to.channels, from.channels, 3, 3]
                      */
    int threads;     /* workers among whom the chunks are to be divided, >= 1; results do not depend on it */

    int64_t filter_floats;  /* in whose room the transformed filters lie */
    int64_t filter_blocks;  /* pieces of work of which transforming them consists */
    int64_t chunks;         /* pieces of work of which the rest consists */
    int64_t scratch_floats; /* each worker needs, at a multiple of 64 bytes; what is in it before does not matter */
    int64_t rows, ranges;   /* of a chunk: tiles, and into how many ranges the blocks of `to` are cut */
} oc_winograd;

/* A pass backward by weights. */
typedef struct oc_winograd_backward {
    oc_map src, dst; /* dst: of the gradient that comes in; as above */
    int tile, pad, threads;

    int64_t sums_floats;    /* all workers share, at a multiple of 64 bytes */
    int64_t units;          /* pieces of work of which the first step consists */
    int64_t scratch_floats; /* each worker needs in it */
    int64_t blocks;         /* pieces of work of which the second step consists */
    int64_t parts;          /* into which the sum over the tiles is cut: a function of the sizes and the level */
    int64_t inputs, outputs, groups; /* into how many ranges a part's blocks and places are cut */
} oc_winograd_backward;

typedef struct oc_winograd_backward_kernels {
    /* Fills the second group of fields. */
    void (*plan)(oc_winograd_backward *work);
    /* One of `units`, into sums[sums_floats]; the gradient of the bias is summed with it if `bias`. `scratch` is its
     * worker's own. */
    void (*unit)(const oc_winograd_backward *work, int64_t unit, const void *src, const void *diff_dst, bool bias,
                 float *sums, float *scratch);
    /* When all units are done: blocks [begin, end) of `blocks`, from the sums to the plain gradients diff_weights
     * [OC, IC, 3, 3] and diff_bias [OC] (NULL: not wanted, and not summed). */
    void (*reduce)(const oc_winograd_backward *work, const float *sums, float *diff_weights, float *diff_bias,
                   int64_t begin, int64_t end);
} oc_winograd_backward_kernels;

struct oc_winograd_kernels {
    /* Fills the second group of fields. */
    void (*plan)(oc_winograd *work);
    /* Pieces [begin, end) of filter_blocks: from the plain weights to filters, at a multiple of 64 bytes. Filters stay
     * good for every pass of the same tile, turning and channels, whatever the maps. */
    void (*filters)(const oc_winograd *work, const float *weights, void *filters, int64_t begin, int64_t end);
    /* When the filters are there: one of `chunks`, some tiles of some channels, from the map `from` to `to`. `scratch`
     * is its worker's own. */
    void (*chunk)(const oc_winograd *work, int64_t chunk, const void *from, const void *filters,
                  const oc_finish *finish, void *to, float *scratch);
    const oc_winograd_backward_kernels *backward;
};

#endif
