/* Pools over maps of any layout: the largest and the mean of windows, and the mean of all pixels. Maps of source and
 * result have the same images, channels and blocks. Work is numbered by parts, one image's share of one block each:
 * part i is block i % blocks of image i / blocks; `begin` to `end`, which is not included. What is padding in the
 * source becomes zero in the result. */
#ifndef OC_KERNELS_POOL_H
#define OC_KERNELS_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "kernels/map.h"

/* Window (oy, ox) begins at row oy·stride − pad, column ox·stride − pad of src, and is cut at its edges; at least one
 * of its pixels lies in src. `size` is at most 16. */
typedef struct oc_pool {
    oc_map src, dst;
    int64_t size, stride, pad;
} oc_pool;

struct oc_pool_kernels {
    /* The largest of each window: as in PyTorch the first of equal ones in row order, and NaN before all, the last
     * of several. index (NULL: not wanted; it lies as dst does) is its place in the window, row·size + column. */
    void (*max)(const oc_pool *pool, const void *src, void *dst, uint8_t *index, int64_t begin, int64_t end);
    /* Each window gives its gradient to the pixel of its index. */
    void (*max_backward)(const oc_pool *pool, const void *diff_dst, const uint8_t *index, void *diff_src, int64_t begin,
                         int64_t end);

    /* The mean of what each window has within src. */
    void (*average)(const oc_pool *pool, const void *src, void *dst, int64_t begin, int64_t end);
    void (*average_backward)(const oc_pool *pool, const void *diff_dst, void *diff_src, int64_t begin, int64_t end);

    /* The mean of all pixels of src; dst has one, and is of floats in every table. Tiles of 64 pixels are summed in
     * single precision, and tiles in double. */
    void (*mean)(const oc_map *src_map, const void *src, const oc_map *dst_map, float *dst, int64_t begin, int64_t end);
    /* The mean of all pixels of a sum, src + src_1. */
    void (*mean_of_sum)(const oc_map *src_map, const void *src, const void *src_1, const oc_map *dst_map, float *dst,
                        int64_t begin, int64_t end);
    void (*mean_backward)(const oc_map *dst_map, const float *diff_dst, const oc_map *src_map, void *diff_src,
                          int64_t begin, int64_t end);
};

#endif
