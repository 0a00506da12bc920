/* The transforms of winograd.h. */
#include <string.h>

#include "compute/winograd.h"

static const float no_pixels[OC_LANES] __attribute__((aligned(4 * OC_LANES)));

int64_t oc_winograd_tiles(const oc_map *map) {
    return map->images * ((map->h + 1) / 2) * ((map->w + 1) / 2);
}

/* Where tile `t` is. */
typedef struct place_in_map {
    int64_t image, y, x; /* y and x count tiles */
} place_in_map;

static place_in_map place_of(const oc_map *map, int64_t t) {
    const int64_t across = (map->w + 1) / 2, all = (map->h + 1) / 2 * across;
    return (place_in_map){t / all, t % all / across, t % across};
}

/* The next row of tiles. */
static void next_row(const oc_map *map, place_in_map *at) {
    at->x = 0;
    if (++at->y < (map->h + 1) / 2) return;
    at->y = 0;
    at->image++;
}

/* A row of pixels; outside of the map it is one pixel of zeros again and again. */
typedef struct pixel_row {
    const float *at;
    int64_t step;
} pixel_row;

static pixel_row pixels_of(const oc_map *map, const float *image, int64_t y) {
    if (y < 0 || y >= map->h) return (pixel_row){no_pixels, 0};
    return (pixel_row){image + y * map->w * OC_LANES, OC_LANES};
}

/* Bᵀ and A have at most two entries a row, and the first of them that is not 0 can be taken as 1 (a row of A that has
 * only −1 takes a 0 first): from which rows a row of the transform comes. −1: none. */
typedef struct combination {
    int first, second;
    float sign; /* of the second */
} combination;

static const combination source_rows[4] = {{0, 2, -1}, {1, 2, 1}, {2, 1, -1}, {1, 3, -1}};
static const combination gradient_rows[4] = {{0, -1, 1}, {0, 1, 1}, {0, 1, -1}, {-1, 1, -1}};

/* The two rows of pixels that make a row of the transform. */
typedef struct two_rows {
    pixel_row first, second;
    float sign;
    int64_t width;
} two_rows;

static two_rows rows_of(const oc_map *map, const float *image, const combination *c, int64_t top) {
    return (two_rows){pixels_of(map, image, c->first < 0 ? -1 : top + c->first),
                      pixels_of(map, image, c->second < 0 ? -1 : top + c->second), c->sign, map->w};
}

/* Their combination at column x; zero outside of the map. */
static inline __attribute__((always_inline)) OC_AVX2 oc_floats column(const two_rows *rows, int64_t x) {
    if (x < 0 || x >= rows->width) return (oc_floats){0};
    return *(const oc_floats *)(rows->first.at + x * rows->first.step) +
           rows->sign * *(const oc_floats *)(rows->second.at + x * rows->second.step);
}

static void clear_rows(float *to, int64_t place, int64_t from, int64_t rows) {
    for (int j = 0; j < 4 && from < rows; j++)
        memset(to + j * place + from * OC_LANES, 0, (size_t)((rows - from) * OC_LANES) * sizeof *to);
}

OC_AVX2 void oc_winograd_source(const oc_tiles *tiles, const float *data, int64_t block, int row, float *to,
                                int64_t place, int64_t rows) {
    const oc_map *map = tiles->map;
    const int64_t across = (map->w + 1) / 2;
    place_in_map at = place_of(map, tiles->begin);
    clear_rows(to, place, tiles->end - tiles->begin, rows);
    for (int64_t t = tiles->begin; t < tiles->end; next_row(map, &at)) {
        const float *image = data + at.image * map->image_stride + block * map->block_stride;
        const two_rows two = rows_of(map, image, &source_rows[row], 2 * at.y - 1);
        const int64_t stop = across - at.x < tiles->end - t ? across : at.x + tiles->end - t;
        oc_floats e0 = column(&two, 2 * at.x - 1), e1 = column(&two, 2 * at.x);
        t += stop - at.x;
        for (; at.x < stop; at.x++, to += OC_LANES) {
            const oc_floats e2 = column(&two, 2 * at.x + 1), e3 = column(&two, 2 * at.x + 2);
            *(oc_floats *)to = e0 - e2;
            *(oc_floats *)(to + place) = e1 + e2;
            *(oc_floats *)(to + 2 * place) = e2 - e1;
            *(oc_floats *)(to + 3 * place) = e1 - e3;
            e0 = e2; /* the next tile begins two columns on */
            e1 = e3;
        }
    }
}

OC_AVX2 void oc_winograd_gradient(const oc_tiles *tiles, const float *data, int64_t block, int row, float *to,
                                  int64_t place, int64_t rows) {
    const oc_map *map = tiles->map;
    const int64_t across = (map->w + 1) / 2;
    place_in_map at = place_of(map, tiles->begin);
    clear_rows(to, place, tiles->end - tiles->begin, rows);
    for (int64_t t = tiles->begin; t < tiles->end; next_row(map, &at)) {
        const float *image = data + at.image * map->image_stride + block * map->block_stride;
        const two_rows two = rows_of(map, image, &gradient_rows[row], 2 * at.y);
        const int64_t stop = across - at.x < tiles->end - t ? across : at.x + tiles->end - t;
        t += stop - at.x;
        for (; at.x < stop; at.x++, to += OC_LANES) {
            const oc_floats e0 = column(&two, 2 * at.x), e1 = column(&two, 2 * at.x + 1);
            *(oc_floats *)to = e0;
            *(oc_floats *)(to + place) = e0 + e1;
            *(oc_floats *)(to + 2 * place) = e0 - e1;
            *(oc_floats *)(to + 3 * place) = -e1;
        }
    }
}

/* One pixel of a result, `at` floats from the beginning of the map; NaN stays NaN. */
static inline __attribute__((always_inline)) OC_AVX2 void write_pixel(const oc_finish *finish, oc_floats y, float *map,
                                                                      int64_t at) {
    typedef int32_t bits __attribute__((vector_size(sizeof y)));
    for (int i = 0, adds = 0; i < finish->posts; i++) {
        if (finish->post[i] == OC_POST_RELU)
            y = (oc_floats)((bits)y & ~(bits)(y < 0));
        else
            y += *(const oc_floats *)(finish->added[adds++] + at);
    }
    *(oc_floats *)(map + at) = y;
}

OC_AVX2 void oc_winograd_result(const oc_tiles *tiles, const float *m, int64_t place, const oc_finish *finish,
                                int64_t block, float *data) {
    const oc_map *map = tiles->map;
    oc_floats bias = {0};
    for (int64_t c = 0; finish->bias && c < OC_LANES && block * OC_LANES + c < map->channels; c++)
        bias[c] = finish->bias[block * OC_LANES + c];
    place_in_map at = place_of(map, tiles->begin);
    for (int64_t t = tiles->begin; t < tiles->end; t++, m += OC_LANES) {
        oc_floats column[4][2];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            const float *four = m + 4 * i * place;
            const oc_floats m0 = *(const oc_floats *)four, m1 = *(const oc_floats *)(four + place);
            const oc_floats m2 = *(const oc_floats *)(four + 2 * place), m3 = *(const oc_floats *)(four + 3 * place);
            column[i][0] = m0 + m1 + m2;
            column[i][1] = m1 - m2 - m3;
        }
        const int64_t dst =
            at.image * map->image_stride + block * map->block_stride + (2 * at.y * map->w + 2 * at.x) * OC_LANES;
        const bool below = 2 * at.y + 1 < map->h;
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            if (j && 2 * at.x + 1 >= map->w) break;
            write_pixel(finish, column[0][j] + column[1][j] + column[2][j] + bias, data, dst + j * OC_LANES);
            if (below)
                write_pixel(finish, column[1][j] - column[2][j] - column[3][j] + bias, data,
                            dst + (map->w + j) * OC_LANES);
        }
        if (++at.x == (map->w + 1) / 2) next_row(map, &at);
    }
}
