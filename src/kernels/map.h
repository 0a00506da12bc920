/* How kernels see a feature map. */
#ifndef OC_KERNELS_MAP_H
#define OC_KERNELS_MAP_H

#include <stdint.h>

/* A feature map [N, C, H, W] of f32 seen as pixels of `block` channels that lie together, pixels of an image's block
 * following one another row by row: blocked, plain (block 1) and channels-last (one block of all channels) layouts
 * alike. Element (n, c, y, x) lies at
 *
 *     n·image_stride + c/block·block_stride + (y·w + x)·block + c%block.
 *
 * Channels from `channels` to blocks·block are padding: zero in every map that a kernel reads, and left zero in every
 * map that it writes (NaN where a convolution multiplies its zero weights by an infinity or NaN, which the channels
 * beside it show as well). */
typedef struct oc_map {
    int64_t images, channels, h, w;
    int64_t blocks, block;              /* blocks·block >= channels */
    int64_t image_stride, block_stride; /* in elements */
} oc_map;

#endif
