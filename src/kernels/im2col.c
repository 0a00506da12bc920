/* Convolution by gathered pixels (im2col.h): a chunk of rows is gathered for a tap, multiplied, and finished while it
 * is in the cache of one processor. */
#include "kernels/im2col.h"

#include <assert.h>

#include "kernels/filter_block.h"
#include "kernels/finished.h"
#include "kernels/product.h"

#define ROWS_LEAST 48
#define ROWS_MOST 96   /* of a chunk: as many as are worth the filters' way from the last cache */
#define RANGE_MOST 512 /* channels of a chunk's results, which stay in L2 */
#define PIXELS_FEW 16  /* of a map's phase, for chunks of one pixel */
#define IMAGES_MANY 32 /* so that such chunks have rows enough */

static_assert(OC_IM2COL_TAPS <= OC_FILTER_TAPS, "a block of filters holds their taps");

/* ---- Phases: pixels of `to` that the same taps meet ---- */

/* Pixels y + step·i, x + step·j of `to`, i < h, j < w. */
typedef struct phase {
    int64_t y, x, step, h, w;
} phase;

static int64_t phases_of(const oc_im2col *work) {
    return work->data ? work->stride * work->stride : 1;
}

static phase phase_of(const oc_im2col *work, int64_t index) {
    const int64_t step = work->data ? work->stride : 1;
    phase p = {.y = index / step, .x = index % step, .step = step};
    p.h = p.y < work->to.h ? oc_divide_up(work->to.h - p.y, step) : 0;
    p.w = p.x < work->to.w ? oc_divide_up(work->to.w - p.x, step) : 0;
    return p;
}

/* The pixel of `from` that tap k of a filter's row or column meets at the first pixel of a phase; false: none of the
 * phase's. The others follow it, the convolution's stride apart forward, side by side by data. */
static bool meets(const oc_im2col *work, int64_t first, int64_t k, int64_t *at) {
    *at = first * work->stride + k * work->dilation - work->pad;
    if (!work->data) return true;
    *at = first + work->pad - k * work->dilation;
    const int64_t rest = *at % work->stride;
    *at = (*at - rest) / work->stride;
    return rest == 0;
}

/* ---- Chunks ---- */

/* Rows [begin, end) of a phase: numbers (image·h + i)·w + j, or, `by_pixel`, images of the pixel (i, j). */
typedef struct rows {
    phase at;
    int64_t begin, end, i, j;
} rows;

/* Chunks into which a phase's pixels are cut. */
static int64_t chunks_of(const oc_im2col *work, const phase *p) {
    return work->by_pixel ? p->h * p->w * oc_divide_up(work->to.images, work->rows)
                          : oc_divide_up(work->to.images * p->h * p->w, work->rows);
}

static int64_t at_least_one(int64_t a) {
    return a > 1 ? a : 1;
}

/* The last phase, which as a rule meets the most taps, comes first. */
static rows rows_of(const oc_im2col *work, int64_t chunk) {
    rows r = {.begin = 0};
    for (int64_t index = phases_of(work) - 1, chunks;; index--, chunk -= chunks) {
        r.at = phase_of(work, index);
        chunks = chunks_of(work, &r.at);
        if (chunk < chunks) break;
    }
    /* As a phase of any chunk has. */
    r.at.h = at_least_one(r.at.h);
    r.at.w = at_least_one(r.at.w);
    int64_t count = work->to.images * r.at.h * r.at.w;
    if (work->by_pixel) {
        const int64_t cut = oc_divide_up(work->to.images, work->rows), pixel = chunk / cut;
        r.i = pixel / r.at.w;
        r.j = pixel % r.at.w;
        count = work->to.images;
        chunk %= cut;
    }
    r.begin = chunk * work->rows;
    r.end = r.begin + work->rows < count ? r.begin + work->rows : count;
    return r;
}

static int64_t round_up(int64_t a, int64_t unit) {
    return oc_divide_up(a, unit) * unit;
}

/* The gathered pixels and the results, in the scratch. */
typedef struct room {
    int64_t column, results; /* numbers between blocks, and floats before the results */
} room;

static room room_of(const oc_im2col *work) {
    const int64_t column = oc_column_of(round_up(work->rows, OC_PRODUCT_KERNELS.rows));
    return (room){.column = column, .results = oc_operands_floats(work->from.blocks * column + OC_MATRIX_GAP)};
}

static void plan(oc_im2col *work) {
    const int64_t vectors = OC_PRODUCT_KERNELS.vectors, unit = OC_PRODUCT_KERNELS.rows;
    assert(work->from.block == OC_LANES && work->to.block == OC_LANES && work->from.images == work->to.images);
    assert(work->kh * work->kw <= OC_IM2COL_TAPS && work->threads >= 1);
    if (work->kh == 1 && work->kw == 1 && work->stride == 1 && work->pad == 0) {
        work->from.w *= work->from.h;
        work->to.w *= work->to.h;
        work->from.h = work->to.h = 1;
    }
    const phase first = phase_of(work, 0);
    work->by_pixel = work->kh * work->kw > 1 && first.h * first.w <= PIXELS_FEW && work->to.images >= IMAGES_MANY;
    const int64_t count = work->to.images * (work->by_pixel ? 1 : first.h * first.w);
    /* Few rows are not worth the filters' way to more than one worker: those share the channels then. */
    const int64_t workers = work->by_pixel || count < work->threads * ROWS_LEAST ? 1 : work->threads;
    const int64_t rounds = at_least_one(oc_divide_up(count, workers * ROWS_MOST));
    work->rows = round_up(oc_divide_up(count, workers * rounds), unit);
    work->chunks = 0;
    for (int64_t i = 0; i < phases_of(work); i++) {
        const phase p = phase_of(work, i);
        work->chunks += chunks_of(work, &p);
    }
    const int64_t panels = oc_divide_up(work->to.blocks, vectors);
    work->ranges = oc_divide_up(work->to.blocks * OC_LANES, RANGE_MOST);
    if (work->ranges * work->chunks % work->threads) work->ranges *= work->threads;
    if (work->ranges > panels) work->ranges = panels;
    work->chunks *= work->ranges;
    work->filter_blocks = work->from.blocks * work->to.blocks;
    work->filter_floats = oc_operands_floats(work->kh * work->kw * work->filter_blocks * OC_LANES * OC_LANES);
    const room r = room_of(work);
    work->scratch_floats = r.results + oc_divide_up(panels, work->ranges) * vectors * r.column;
}

/* Panels (product.h) for each tap; by data the taps lie in the opposite order. g: room for a block's filters. */
static void pack_blocks(const oc_im2col *work, const float *weights, void *packed, int64_t begin, int64_t end,
                        oc_floats *g) {
    const int taps = (int)(work->kh * work->kw);
    const int64_t from = work->from.channels, to = work->to.channels, rows = work->from.blocks;
    const oc_weights_shape shape = {work->data ? from : to, work->data ? to : from, work->data};
    for (int64_t b = begin; b < end; b++) {
        const int64_t column = b / rows, row = b % rows;
        const oc_panel panel = oc_panel_of(OC_PRODUCT_KERNELS.vectors, rows * OC_LANES, work->to.blocks, column);
        oc_filter_block(&shape, taps, weights, work->data ? row : column, work->data ? column : row, g);
        for (int tap = 0; tap < taps; tap++)
            for (int64_t k = 0; k < OC_LANES; k++)
                oc_panel_store((oc_operand *)packed + tap * work->filter_blocks * OC_LANES * OC_LANES, panel,
                               row * OC_LANES + k, g[k * taps + tap]);
    }
}

/* Filters of many taps want room that a thread's stack need not have: they alone are to take it. */
#define TAPS_FEW 9
static __attribute__((noinline)) void pack_many_taps(const oc_im2col *work, const float *weights, void *packed,
                                                     int64_t begin, int64_t end) {
    oc_floats g[OC_LANES * OC_FILTER_TAPS];
    pack_blocks(work, weights, packed, begin, end, g);
}

static void filters(const oc_im2col *work, const float *weights, void *packed, int64_t begin, int64_t end) {
    if (work->kh * work->kw > TAPS_FEW) {
        pack_many_taps(work, weights, packed, begin, end);
        return;
    }
    oc_floats g[OC_LANES * TAPS_FEW];
    pack_blocks(work, weights, packed, begin, end, g);
}

/* `count` pixels of each block, `step` numbers apart, to the matrix's rows. */
static void copy_pixels(const oc_map *map, const oc_stored *from, int64_t step, int64_t count, oc_operand *matrix,
                        int64_t column) {
    for (int64_t b = 0; b < map->blocks; b++, from += map->block_stride, matrix += column)
        for (int64_t i = 0; i < count; i++) oc_copy_operands(matrix + i * OC_LANES, from + i * step);
}

static void clear_rows(int64_t blocks, int64_t count, oc_operand *matrix, int64_t column) {
    for (int64_t b = 0; b < blocks && count > 0; b++)
        memset(matrix + b * column, 0, (size_t)(count * OC_LANES) * sizeof *matrix);
}

static int64_t clamp(int64_t a, int64_t low, int64_t high) {
    return a < low ? low : a > high ? high : a;
}

/* The pixels that a tap meets: those of row i of `rows` at (y + step·i, x + step·j). False, and nothing gathered, where
 * all of them lie outside of the map. */
static bool gather(const oc_im2col *work, const rows *r, int64_t y, int64_t x, const oc_stored *from,
                   oc_operand *matrix, int64_t column) {
    const oc_map *map = &work->from;
    const int64_t step = work->data ? 1 : work->stride, count = r->end - r->begin, w = r->at.w;
    bool any = false;
    if (work->by_pixel) {
        const int64_t sy = y + step * r->i, sx = x + step * r->j;
        if (sy < 0 || sy >= map->h || sx < 0 || sx >= map->w) return false;
        copy_pixels(map, from + r->begin * map->image_stride + (sy * map->w + sx) * OC_LANES, map->image_stride, count,
                    matrix, column);
        clear_rows(map->blocks, round_up(count, OC_PRODUCT_KERNELS.rows) - count, matrix + count * OC_LANES, column);
        return true;
    }
    /* Pixels j of a row that lie inside. */
    const int64_t begin = x >= 0 ? 0 : oc_divide_up(-x, step), end = map->w > x ? oc_divide_up(map->w - x, step) : 0;
    for (int64_t row = r->begin, run; row < r->end; row += run) {
        const int64_t j = row % w, line = row / w, n = line / r->at.h, sy = y + step * (line % r->at.h);
        run = w - j < r->end - row ? w - j : r->end - row;
        const bool inside = sy >= 0 && sy < map->h;
        const int64_t first = inside ? clamp(begin, j, j + run) : j, last = inside ? clamp(end, first, j + run) : j;
        oc_operand *to = matrix + (row - r->begin) * OC_LANES;
        clear_rows(map->blocks, first - j, to, column);
        copy_pixels(map, from + n * map->image_stride + (sy * map->w + x + step * first) * OC_LANES, step * OC_LANES,
                    last - first, to + (first - j) * OC_LANES, column);
        clear_rows(map->blocks, j + run - last, to + (last - j) * OC_LANES, column);
        any |= last > first;
    }
    clear_rows(map->blocks, round_up(count, OC_PRODUCT_KERNELS.rows) - count, matrix + count * OC_LANES, column);
    return any;
}

/* Block `block` of the results, from m on, finished and written. */
static void put_rows(const oc_im2col *work, const rows *r, const float *m, const oc_finish *finish, int64_t block,
                     oc_stored *to) {
    const oc_map *map = &work->to;
    const oc_floats bias = oc_bias_of(finish, map, block);
    for (int64_t row = r->begin, run; row < r->end; row += run) {
        const int64_t j = work->by_pixel ? r->j : row % r->at.w, line = row / r->at.w;
        const int64_t n = work->by_pixel ? row : line / r->at.h, i = work->by_pixel ? r->i : line % r->at.h;
        const int64_t left = r->end - row;
        run = work->by_pixel ? left : r->at.w - j < left ? r->at.w - j : left;
        const int64_t step = work->by_pixel ? map->image_stride : r->at.step * OC_LANES;
        int64_t at = n * map->image_stride + block * map->block_stride +
                     ((r->at.y + r->at.step * i) * map->w + r->at.x + r->at.step * j) * OC_LANES;
        for (int64_t k = 0; k < run; k++, at += step, m += OC_LANES)
            oc_store_stored(to + at, oc_finished(finish, oc_load(m) + bias, at));
    }
}

static void chunk(const oc_im2col *work, int64_t index, const void *from, const void *packed, const oc_finish *finish,
                  void *to, float *scratch) {
    const int64_t vectors = OC_PRODUCT_KERNELS.vectors, inner = work->from.blocks, taps = work->kh * work->kw;
    const int64_t panels = oc_divide_up(work->to.blocks, vectors), range = index % work->ranges;
    const int64_t block = panels * range / work->ranges * vectors, stop = panels * (range + 1) / work->ranges * vectors;
    const int64_t end = stop < work->to.blocks ? stop : work->to.blocks;
    const rows r = rows_of(work, index / work->ranges);
    const int64_t count = round_up(r.end - r.begin, OC_PRODUCT_KERNELS.rows);
    const room room = room_of(work);
    oc_operand *const pixels = (oc_operand *)scratch;
    float *const results = scratch + room.results;
    const oc_product m = {results, room.column};
    bool add = false;
    for (int64_t tap = 0; tap < taps; tap++) {
        const int64_t k = work->data ? taps - 1 - tap : tap;
        int64_t y, x;
        if (!meets(work, r.at.y, k / work->kw, &y) || !meets(work, r.at.x, k % work->kw, &x) ||
            !gather(work, &r, y, x, from, pixels, room.column))
            continue;
        const oc_operand *of_tap = (const oc_operand *)packed + tap * work->filter_blocks * OC_LANES * OC_LANES;
        OC_PRODUCT_KERNELS.multiply(m, (oc_factor){pixels, room.column}, of_tap + block * inner * OC_LANES * OC_LANES,
                                    count, inner, end - block, add);
        add = true;
    }
    for (int64_t b = block; b < end; b++) {
        float *of_block = results + (b - block) * room.column;
        if (!add) memset(of_block, 0, (size_t)(count * OC_LANES) * sizeof *of_block);
        put_rows(work, &r, of_block, finish, b, to);
    }
}

const oc_im2col_kernels OC_IM2COL_KERNELS = {.plan = plan, .filters = filters, .chunk = chunk};
