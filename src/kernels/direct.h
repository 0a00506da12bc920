/* Direct convolution: any filter, stride, padding, dilation and number of groups, any layout of the maps, all three
 * passes. It is quick where the map that it writes (backward by weights: the gradient that comes in) lies in blocks of
 * the level's lanes, and correct everywhere. There are three ways, of which `plan` takes the first that fits:
 *
 *     LANES      groups of as few channels as divide a vector, as many in as out, both maps in blocks of the level's
 *                lanes: a vector holds whole groups. For input channel i of its group, each lane takes that of its own
 *                group's channels, a permutation within the vector.
 *     CHANNELS   each vector of output channels lies within one group: a vector of weights times one number of the
 *                source, which may lie anyhow.
 *     ELEMENTS   the rest: plain loops.
 *
 * Backward by data is the same loop over the other map: the pixels that a stride of s tells apart are s·s phases, in
 * each of which some taps of the filter meet every pixel and the others none.
 *
 * Backward by weights each tap is a product of matrices, the gradients of some pixels by the pixels that the tap meets,
 * gathered side by side, where both maps lie in blocks of the level's lanes and there is one group. Else a block's
 * gradients stay in registers while the pixels pass by.
 *
 * Nothing here knows threads: work is numbered, and who calls divides the numbers. Each number is a sum of
 * chains of multiply-adds in an order that the sizes alone give, and by weights the level's lanes with them: the number
 * of parts of the sum over the images depends on the number of blocks. What falls on padding pixels is not multiplied.
 */
#ifndef OC_KERNELS_DIRECT_H
#define OC_KERNELS_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/finish.h"
#include "kernels/kernels.h"
#include "kernels/map.h"

typedef enum oc_direct_way { OC_DIRECT_LANES, OC_DIRECT_CHANNELS, OC_DIRECT_ELEMENTS } oc_direct_way;

/* A pass. The caller sets the first group of fields, `plan` the second; it may see maps as one row of pixels. */
typedef struct oc_direct {
    oc_map src, dst; /* of the activations or of their gradients */
    int64_t groups, kh, kw, stride, pad, dilation;
    bool data; /* backward by data: reads a map like dst, writes one like src; else, and by weights, the other way */

    oc_direct_way way;
    int64_t filter_floats;   /* packed filters take */
    int64_t filter_blocks;   /* pieces of work of which packing them consists */
    int64_t items;           /* pieces of work of which a pass forward or by data consists */
    int64_t units;           /* by weights: pieces of work of the first step */
    int64_t sums_floats;     /* by weights: all workers share, at a multiple of 64 bytes */
    int64_t scratch_floats;  /* by weights: each worker needs, likewise */
    bool products;           /* by weights: by products of matrices */
    int64_t parts;           /* by weights: into which the sum over the images is cut */
    int64_t inputs, outputs; /* by weights: into how many ranges blocks of channels are cut */
} oc_direct;

struct oc_direct_weights_kernels {
    /* Fills what belongs to this pass; called by the plan of the others. */
    void (*plan)(oc_direct *conv);
    /* One of `units`, into sums[sums_floats]; the gradient of the bias with it if `bias`. `scratch` is its worker's
     * own.
     */
    void (*unit)(const oc_direct *conv, int64_t unit, const void *src, const void *diff_dst, bool bias, float *sums,
                 float *scratch);
    /* When all units are done: blocks [begin, end) of dst's channels, of diff_weights [OC, IC/G, KH, KW] and of
     * diff_bias [OC] (NULL: not wanted, and not summed). */
    void (*reduce)(const oc_direct *conv, const float *sums, float *diff_weights, float *diff_bias, int64_t begin,
                   int64_t end);
};

struct oc_direct_kernels {
    void (*plan)(oc_direct *conv);
    /* Pieces [begin, end) of filter_blocks: from plain weights [OC, IC/G, KH, KW] to filters[filter_floats]. */
    void (*filters)(const oc_direct *conv, const float *weights, float *filters, int64_t begin, int64_t end);
    /* Forward, or backward by data: pieces [begin, end) of items, each an image's share of one block of channels. */
    void (*run)(const oc_direct *conv, const void *from, const float *filters, const oc_finish *finish, void *to,
                int64_t begin, int64_t end);
    const oc_direct_weights_kernels *weights;
};

#endif
