/* Copies of a part of the channels or of the pixels of a map, and back into zeros; copies between storages. Work is
 * numbered by parts of the map that is written, one image's share of one block each: part i is block i % blocks of
 * image i / blocks; `begin` to `end`, which is not included. */
#ifndef OC_KERNELS_COPY_H
#define OC_KERNELS_COPY_H

#include <stdint.h>

#include "kernels/kernels.h"
#include "kernels/map.h"

struct oc_copy_kernels {
    /* Channel c of `to` is channel c + shift of `from`, or zero where that has none. Both have the same images and
     * pixels, in blocks of whatever sizes. */
    void (*channels)(const oc_map *to_map, void *to, const oc_map *from_map, const void *from, int64_t shift,
                     int64_t begin, int64_t end);
    /* `to` is `from`, a map of float of the same shape in blocks of whatever sizes, as maps are stored here; and back.
     */
    void (*narrow)(const oc_map *to_map, void *to, const oc_map *from_map, const float *from, int64_t begin,
                   int64_t end);
    void (*widen)(const oc_map *to_map, float *to, const oc_map *from_map, const void *from, int64_t begin,
                  int64_t end);
    /* Pixel (y, x) of dst is (y·stride, x·stride) of src; both have the same images, channels and blocks. */
    void (*subsample)(const oc_map *dst_map, void *dst, const oc_map *src_map, const void *src, int64_t stride,
                      int64_t begin, int64_t end);
    /* The other way: the pixels of diff_src that have no like in diff_dst are zero. */
    void (*subsample_backward)(const oc_map *src_map, void *diff_src, const oc_map *dst_map, const void *diff_dst,
                               int64_t stride, int64_t begin, int64_t end);
};

#endif
