/* The transforms of winograd.h that concern maps: sums of whole vectors, one vector a block of channels of a pixel. */
#include "kernels/finished.h"
#include "kernels/product.h"
#include "kernels/winograd_points.h"

/* What lies outside of a map. */
static const oc_stored no_pixels[OC_LANES];

/* A row of a map's pixels, or zeros that are not moved along. */
typedef struct pixel_row {
    const oc_stored *at;
    int64_t step;
} pixel_row;

OC_INLINE pixel_row row_of(const oc_map *map, const oc_stored *image, int64_t y) {
    if (y < 0 || y >= map->h) return (pixel_row){no_pixels, 0};
    return (pixel_row){image + y * map->w * OC_LANES, OC_LANES};
}

/* A tile's place in its map. */
typedef struct position {
    int64_t image, y, x;
} position;

OC_INLINE position position_of(const oc_tiles *tiles, int64_t tile) {
    const int64_t row = tile / tiles->across;
    return (position){row / tiles->down, row % tiles->down, tile % tiles->across};
}

OC_INLINE void next_row(const oc_tiles *tiles, position *at) {
    at->x = 0;
    if (++at->y == tiles->down) {
        at->y = 0;
        at->image++;
    }
}

/* The pixels of one block of channels of an image. */
OC_INLINE const oc_stored *image_of(const oc_map *map, const void *data, const position *at, int64_t block) {
    return (const oc_stored *)data + at->image * map->image_stride + block * map->block_stride;
}

/* How many tiles follow in this row. */
OC_INLINE int64_t run_of(const oc_tiles *tiles, const position *at, int64_t tile) {
    const int64_t row = tiles->across - at->x, left = tiles->end - tile;
    return row < left ? row : left;
}

/* Puts a tile into a matrix whose tiles are summed over, as number `part` of a step, or are not. */
OC_INLINE void store_tile(const bool summed, oc_operand *to, int part, oc_floats v) {
    if (summed)
        oc_store_part(to, part, v);
    else
        oc_store_operands(to, v);
}

/* Where the next one goes. */
OC_INLINE oc_operand *next_tile(const bool summed, oc_operand *to, int *part) {
    if (!summed) return to + OC_LANES;
    *part = (*part + 1) % OC_STEP;
    return *part > 0 ? to : to + OC_STEP * OC_LANES;
}

/* Tiles from `from` on, up to `rows`; one that shares a step with the tile before is zero from that on. */
static void clear(bool summed, oc_operand *to, int64_t place, int places, int64_t from, int64_t rows) {
    if (summed) from = oc_divide_up(from, OC_STEP) * OC_STEP;
    for (int p = 0; p < places && from < rows; p++)
        memset(to + p * place + from * OC_LANES, 0, (size_t)((rows - from) * OC_LANES) * sizeof *to);
}

/* One group of places of a source's tile, or of a gradient's. */
OC_INLINE void group_of(const bool gradient, const int m, const int group, const oc_floats *d, oc_floats *t) {
    if (gradient)
        oc_gradient_group(m, group, d, t);
    else
        oc_source_group(m, group, d, t);
}

/* A group of rows of places of one tile: m pixels a direction in a gradient, m + 2 in a source, of which those outside
 * of the map are zero; `inside`: no column is. */
OC_INLINE void tile_of(const bool gradient, const bool summed, const int m, const int group, const bool inside,
                       const pixel_row *row, int64_t x0, int64_t w, oc_operand *to, int part, int64_t place) {
    const int n = m + 2, count = gradient ? m : n, rows = oc_group_places(m, group);
    oc_floats half[2][OC_PLACES_MOST];
#pragma GCC unroll 6
    for (int x = 0; x < count; x++) {
        oc_floats d[OC_PLACES_MOST], t[2];
        if (!inside && (x0 + x < 0 || x0 + x >= w)) {
            half[0][x] = half[1][x] = (oc_floats){0};
            continue;
        }
#pragma GCC unroll 6
        for (int y = 0; y < count; y++) d[y] = oc_load_stored(row[y].at + (x0 + x) * row[y].step);
        group_of(gradient, m, group, d, t);
#pragma GCC unroll 2
        for (int y = 0; y < rows; y++) half[y][x] = t[y];
    }
#pragma GCC unroll 2
    for (int y = 0; y < rows; y++) {
        oc_floats t[OC_PLACES_MOST];
#pragma GCC unroll 4
        for (int g = 0; g < oc_groups(m); g++) group_of(gradient, m, g, half[y], t + oc_group_first(g));
#pragma GCC unroll 6
        for (int x = 0; x < n; x++) store_tile(summed, to + (y * n + x) * place, part, t[x]);
    }
}

OC_INLINE void source_by(const bool summed, const int m, const int group, const oc_tiles *tiles, const oc_map *map,
                         int64_t pad, const void *data, int64_t block, oc_operand *to, int64_t place) {
    const int n = m + 2;
    int part = 0;
    position at = position_of(tiles, tiles->begin);
    for (int64_t t = tiles->begin, run; t < tiles->end; t += run, next_row(tiles, &at)) {
        const oc_stored *image = image_of(map, data, &at, block);
        pixel_row row[OC_PLACES_MOST];
        for (int y = 0; y < n; y++) row[y] = row_of(map, image, m * at.y - pad + y);
        run = run_of(tiles, &at, t);
        for (int64_t k = 0; k < run; k++, to = next_tile(summed, to, &part)) {
            const int64_t x0 = m * (at.x + k) - pad;
            if (x0 >= 0 && x0 + n <= map->w)
                tile_of(false, summed, m, group, true, row, x0, map->w, to, part, place);
            else
                tile_of(false, summed, m, group, false, row, x0, map->w, to, part, place);
        }
    }
}

OC_INLINE void source_of(const bool summed, int m, const oc_tiles *tiles, const oc_map *map, int64_t pad,
                         const void *data, int64_t block, int group, oc_operand *to, int64_t place, int64_t rows) {
    clear(summed, to, place, oc_group_places(m, group) * (m + 2), tiles->end - tiles->begin, rows);
    switch (m * 4 + group) {
    case 8:
        source_by(summed, 2, 0, tiles, map, pad, data, block, to, place);
        break;
    case 9:
        source_by(summed, 2, 1, tiles, map, pad, data, block, to, place);
        break;
    case 10:
        source_by(summed, 2, 2, tiles, map, pad, data, block, to, place);
        break;
    case 16:
        source_by(summed, 4, 0, tiles, map, pad, data, block, to, place);
        break;
    case 17:
        source_by(summed, 4, 1, tiles, map, pad, data, block, to, place);
        break;
    case 18:
        source_by(summed, 4, 2, tiles, map, pad, data, block, to, place);
        break;
    default:
        source_by(summed, 4, 3, tiles, map, pad, data, block, to, place);
    }
}

static void source(int m, const oc_tiles *tiles, const oc_map *map, int64_t pad, const void *data, int64_t block,
                   int group, bool summed, oc_operand *to, int64_t place, int64_t rows) {
    if (summed && OC_STEP > 1)
        source_of(true, m, tiles, map, pad, data, block, group, to, place, rows);
    else
        source_of(false, m, tiles, map, pad, data, block, group, to, place, rows);
}

OC_INLINE void gradient_by(const int m, const int group, const oc_tiles *tiles, const oc_map *map, const void *data,
                           int64_t block, oc_operand *to, int64_t place) {
    int part = 0;
    position at = position_of(tiles, tiles->begin);
    for (int64_t t = tiles->begin, run; t < tiles->end; t += run, next_row(tiles, &at)) {
        const oc_stored *image = image_of(map, data, &at, block);
        pixel_row row[OC_PLACES_MOST];
        for (int y = 0; y < m; y++) row[y] = row_of(map, image, m * at.y + y);
        run = run_of(tiles, &at, t);
        for (int64_t k = 0; k < run; k++, to = next_tile(true, to, &part)) {
            const int64_t x0 = m * (at.x + k);
            if (x0 + m <= map->w)
                tile_of(true, true, m, group, true, row, x0, map->w, to, part, place);
            else
                tile_of(true, true, m, group, false, row, x0, map->w, to, part, place);
        }
    }
}

/* The sum of all pixels of tiles: a bias' gradient. Four chains, so that they do not wait for one another. */
static void add_pixels(int m, const oc_tiles *tiles, const oc_map *map, const void *data, int64_t block, float *sum) {
    oc_floats chain[4] = {{0}};
    position at = position_of(tiles, tiles->begin);
    for (int64_t t = tiles->begin, run; t < tiles->end; t += run, next_row(tiles, &at)) {
        const oc_stored *image = image_of(map, data, &at, block);
        run = run_of(tiles, &at, t);
        const int64_t x0 = m * at.x, x1 = m * (at.x + run) < map->w ? m * (at.x + run) : map->w;
        const int64_t y1 = m * at.y + m < map->h ? m * at.y + m : map->h;
        for (int64_t y = m * at.y; y < y1; y++) {
            const oc_stored *row = image + y * map->w * OC_LANES;
            for (int64_t x = x0; x < x1; x++) chain[x % 4] += oc_load_stored(row + x * OC_LANES);
        }
    }
    oc_store(sum, oc_load(sum) + ((chain[0] + chain[1]) + (chain[2] + chain[3])));
}

static void gradient(int m, const oc_tiles *tiles, const oc_map *map, const void *data, int64_t block, int group,
                     oc_operand *to, int64_t place, int64_t rows, float *sum) {
    clear(true, to, place, oc_group_places(m, group) * (m + 2), tiles->end - tiles->begin, rows);
    if (sum) add_pixels(m, tiles, map, data, block, sum);
    switch (m * 4 + group) {
    case 8:
        gradient_by(2, 0, tiles, map, data, block, to, place);
        break;
    case 9:
        gradient_by(2, 1, tiles, map, data, block, to, place);
        break;
    case 10:
        gradient_by(2, 2, tiles, map, data, block, to, place);
        break;
    case 16:
        gradient_by(4, 0, tiles, map, data, block, to, place);
        break;
    case 17:
        gradient_by(4, 1, tiles, map, data, block, to, place);
        break;
    case 18:
        gradient_by(4, 2, tiles, map, data, block, to, place);
        break;
    default:
        gradient_by(4, 3, tiles, map, data, block, to, place);
    }
}

/* What a result becomes before it is written. */
OC_INLINE void finish_row(const oc_finish *finish, oc_floats bias, const int m, const oc_floats *y, oc_stored *data,
                          int64_t at, int64_t count) {
    for (int64_t x = 0; x < m && x < count; x++)
        oc_store_stored(data + at + x * OC_LANES, oc_finished(finish, y[x] + bias, at + x * OC_LANES));
}

OC_INLINE void result_by(const int m, const oc_tiles *tiles, const oc_map *map, const float *from, int64_t place,
                         const oc_finish *finish, int64_t block, void *data) {
    const int n = m + 2;
    const oc_floats bias = oc_bias_of(finish, map, block);
    position at = position_of(tiles, tiles->begin);
    for (int64_t t = tiles->begin; t < tiles->end; t++, from += OC_LANES) {
        oc_floats half[4][OC_PLACES_MOST];
#pragma GCC unroll 6
        for (int x = 0; x < n; x++) {
            oc_floats column[OC_PLACES_MOST], y[4];
#pragma GCC unroll 6
            for (int i = 0; i < n; i++) column[i] = oc_load(from + (i * n + x) * place);
            oc_result(m, column, y);
#pragma GCC unroll 4
            for (int i = 0; i < m; i++) half[i][x] = y[i];
        }
        const int64_t first =
            at.image * map->image_stride + block * map->block_stride + m * (at.y * map->w + at.x) * OC_LANES;
        const int64_t below = map->h - m * at.y, right = map->w - m * at.x;
#pragma GCC unroll 4
        for (int i = 0; i < m; i++) {
            oc_floats y[4];
            if (i >= below) break;
            oc_result(m, half[i], y);
            if (right >= m)
                finish_row(finish, bias, m, y, data, first + i * map->w * OC_LANES, m);
            else
                finish_row(finish, bias, m, y, data, first + i * map->w * OC_LANES, right);
        }
        if (++at.x == tiles->across) next_row(tiles, &at);
    }
}

static void result(int m, const oc_tiles *tiles, const oc_map *map, const float *from, int64_t place,
                   const oc_finish *finish, int64_t block, void *data) {
    if (m == 2)
        result_by(2, tiles, map, from, place, finish, block, data);
    else
        result_by(4, tiles, map, from, place, finish, block, data);
}

const oc_winograd_tile_kernels OC_WINOGRAD_TILES = {.source = source, .gradient = gradient, .result = result};
