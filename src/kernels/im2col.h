/* Convolutions forward and backward by data as products of matrices, one for each tap of the filter: the pixels that
 * the tap meets are gathered side by side ("im2col", Chellapilla, Puri & Simard, IWFHR 2006), one tap at a time, so
 * that what is gathered stays in the cache. For one group, any filter of at most OC_IM2COL_TAPS taps, any stride,
 * padding and dilation, maps in blocks of the level's lanes.
 *
 * The rows of the products are pixels of the map `to`. Where that has few pixels and many images (2×2 after five
 * halvings) a chunk of rows is one pixel of many images, all of which a tap meets inside of `from` or none: then
 * nothing is multiplied for padding. Else it is pixels in the order in which they lie.
 *
 * Backward by data the pixels that a stride of s tells apart are s·s phases, in each of which some taps meet every
 * pixel and the others none (as in direct.h); forward there is one phase.
 *
 * Nothing here knows threads: work is numbered, and who calls divides the numbers. Each number is a sum in the order of
 * the taps and channels, of chains as product.h has them, whatever the chunks. */
#ifndef OC_KERNELS_IM2COL_H
#define OC_KERNELS_IM2COL_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/finish.h"
#include "kernels/kernels.h"
#include "kernels/map.h"

#define OC_IM2COL_TAPS 49

/* A pass. The caller sets the first group of fields, `plan` the second; it may see maps as one row of pixels. */
typedef struct oc_im2col {
    oc_map from, to; /* read and written; data at a multiple of 64 bytes; the same images */
    int64_t kh, kw, stride, pad, dilation;
    bool data;   /* backward by data: weights are [from.channels, to.channels, kh, kw], else [to.channels,
                    from.channels, kh, kw] */
    int threads; /* workers among whom the chunks are to be divided, >= 1; results do not depend on it */

    int64_t filter_floats;  /* in whose room the packed filters lie */
    int64_t filter_blocks;  /* pieces of work of which packing them consists */
    int64_t chunks;         /* pieces of work of which the rest consists */
    int64_t scratch_floats; /* each worker needs, at a multiple of 64 bytes; what is in it before does not matter */
    bool by_pixel;          /* a chunk is one pixel of some images */
    int64_t rows, ranges;   /* of a chunk at most, and into how many ranges the blocks of `to` are cut */
} oc_im2col;

struct oc_im2col_kernels {
    /* Fills the second group of fields. */
    void (*plan)(oc_im2col *work);
    /* Blocks [begin, end) of filter_blocks: from the plain weights to filters, at a multiple of 64
     * bytes. */
    void (*filters)(const oc_im2col *work, const float *weights, void *filters, int64_t begin, int64_t end);
    /* When the filters are there: one of `chunks`, some pixels of some channels, from the map `from` to `to`. `scratch`
     * is its worker's own. */
    void (*chunk)(const oc_im2col *work, int64_t chunk, const void *from, const void *filters, const oc_finish *finish,
                  void *to, float *scratch);
};

#endif
