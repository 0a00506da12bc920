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
 * Nothing here knows threads: work is numbered, and who calls divides the numbers. Each number is one chain of
 * multiply-adds in an order that the sizes alone give. What falls on padding pixels is not multiplied. */
#ifndef OC_KERNELS_DIRECT_H
#define OC_KERNELS_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/finish.h"
#include "kernels/kernels.h"
#include "kernels/map.h"

typedef enum oc_direct_way { OC_DIRECT_LANES, OC_DIRECT_CHANNELS, OC_DIRECT_ELEMENTS } oc_direct_way;

/* A pass. The caller sets the first group of fields, `plan` the second. */
typedef struct oc_direct {
    oc_map src, dst; /* of the activations or of their gradients */
    int64_t groups, kh, kw, stride, pad, dilation;
    bool data; /* backward by data: reads a map like dst, writes one like src; else, and by weights, the other way */

    oc_direct_way way;
    int64_t filter_floats; /* packed filters take */
    int64_t filter_blocks; /* pieces of work of which packing them consists */
    int64_t items;         /* pieces of work of which a pass forward or by data consists */
    int64_t parts;         /* by weights: into which the sum over the images is cut */
    int64_t units;         /* by weights: pieces of work of the first step */
    int64_t sums_floats;   /* by weights: all workers share */
} oc_direct;

struct oc_direct_kernels {
    void (*plan)(oc_direct *conv);
    /* Pieces [begin, end) of filter_blocks: from plain weights [OC, IC/G, KH, KW] to filters[filter_floats]. */
    void (*filters)(const oc_direct *conv, const float *weights, float *filters, int64_t begin, int64_t end);
    /* Forward, or backward by data: pieces [begin, end) of items, each an image's share of one block of channels. */
    void (*run)(const oc_direct *conv, const float *from, const float *filters, const oc_finish *finish, float *to,
                int64_t begin, int64_t end);
    /* Backward by weights: one of `units`, into sums[sums_floats]; the gradient of the bias with it if `bias`. */
    void (*unit)(const oc_direct *conv, int64_t unit, const float *src, const float *diff_dst, bool bias, float *sums);
    /* When all units are done: output channels [begin, end) of diff_weights [OC, IC/G, KH, KW], and of diff_bias [OC]
     * (NULL: not wanted, and not summed). */
    void (*reduce)(const oc_direct *conv, const float *sums, float *diff_weights, float *diff_bias, int64_t begin,
                   int64_t end);
};

#endif
