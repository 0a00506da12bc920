/* The transforms of winograd.h, for its sources: the matrices, and the tables of functions that apply them.
 *
 * n = m + 2 places a direction. One-dimensional transforms are written group by group: the places 0 and ∞ alone, the
 * pairs of places of opposite sign together, since they share their even and odd halves. */
#ifndef OC_KERNELS_WINOGRAD_TRANSFORM_H
#define OC_KERNELS_WINOGRAD_TRANSFORM_H

#include <stdbool.h>

#include "kernels/filter_block.h"
#include "kernels/lanes.h"
#include "kernels/map.h"
#include "kernels/operand.h"
#include "kernels/winograd.h"

#define OC_PLACES_MOST 6 /* in a direction */
#define OC_PATCH 9       /* weights of a filter */

/* Groups of places in one direction: 0 and the last are single, the others pairs. */
OC_INLINE int oc_groups(const int m) {
    return m == 2 ? 3 : 4;
}
OC_INLINE int oc_group_first(int group) {
    return group == 0 ? 0 : 2 * group - 1;
}
OC_INLINE int oc_group_places(const int m, int group) {
    return group == 0 || group == oc_groups(m) - 1 ? 1 : 2;
}

/* The tiles [begin, end) of a map that is divided into tiles of m×m pixels, down × across of them an image. */
typedef struct oc_tiles {
    int64_t down, across, begin, end;
} oc_tiles;

/* All tiles of a map. */
OC_INLINE oc_tiles oc_tiles_of(const oc_map *map, int m) {
    const int64_t down = oc_divide_up(map->h, m), across = oc_divide_up(map->w, m);
    return (oc_tiles){down, across, 0, map->images * down * across};
}

typedef struct oc_winograd_tile_kernels {
    /* The places of one group of rows of V = Bᵀ d B, for one block of channels: place p of the group (row by row) at
     * to + p·place, tile by tile, as a factor whose tiles are `summed` over or not (product.h); zeros for tiles from
     * the last up to `rows` of them. d begins `pad` pixels above and left of its tile. */
    void (*source)(int m, const oc_tiles *tiles, const oc_map *map, int64_t pad, const void *data, int64_t block,
                   int group, bool summed, oc_operand *to, int64_t place, int64_t rows);
    /* The same of W = A y Aᵀ, whose tiles are. Unless `sum` is NULL, all pixels of these tiles are added to
     * sum[OC_LANES]. */
    void (*gradient)(int m, const oc_tiles *tiles, const oc_map *map, const void *data, int64_t block, int group,
                     oc_operand *to, int64_t place, int64_t rows, float *sum);
    /* Tiles y = Aᵀ M A of one block of channels, finished and written. */
    void (*result)(int m, const oc_tiles *tiles, const oc_map *map, const float *from, int64_t place,
                   const oc_finish *finish, int64_t block, void *data);
} oc_winograd_tile_kernels;

extern const oc_winograd_tile_kernels OC_WINOGRAD_TILES;

/* A convolution's weights [OC, IC, 3, 3] and their transform: for each place a matrix, `place` floats apart, of rows ×
 * columns channels, filled up to blocks by zeros. Columns are OC and rows IC, or the other way round when turned. */
typedef struct oc_winograd_weights {
    oc_weights_shape shape;
    int64_t place;
} oc_winograd_weights;

typedef struct oc_winograd_filter_kernels {
    /* One block of columns by one of rows of U = G g Gᵀ, in panels (product.h). */
    void (*transform)(int m, const oc_winograd_weights *weights, const float *plain, int64_t column, int64_t row,
                      oc_operand *u);
    /* The gradient of the weights, dg = Gᵀ S G, from the sum in order of `parts` matrices S [columns/OC_LANES][rows]
     * [OC_LANES], `part` floats apart; the same block, never turned. */
    void (*gradient)(int m, const oc_winograd_weights *weights, const float *s, int64_t parts, int64_t part,
                     int64_t column, int64_t row, float *plain);
} oc_winograd_filter_kernels;

extern const oc_winograd_filter_kernels OC_WINOGRAD_FILTERS;

/* The pass backward by weights, for the family's table. */
extern const oc_winograd_backward_kernels OC_WINOGRAD_BACKWARD;

#endif
