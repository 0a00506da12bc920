/* Winograd convolution (winograd.h), forward and backward by data: a chunk of tiles is transformed, multiplied and
 * transformed back while it is in the cache of one processor. */
#include "kernels/winograd.h"

#include <assert.h>

#include "kernels/product.h"
#include "kernels/winograd_transform.h"

/* Floats that a chunk may take of the L2 beside the filters that stream through it; but no fewer tiles than are worth
 * the filters' way from L3. Times hardly depend on it: half and twice as many floats make 5 % on Zen 5. */
#if OC_LANES == 16
#define CHUNK_FLOATS 150000
#else
#define CHUNK_FLOATS 75000
#endif
#define CHUNK_LEAST 48
#define CHUNK_MOST 192

/* Where V (one group's places) and M (all places) of a chunk lie in the scratch. */
typedef struct room {
    int64_t column, v_place, m_place; /* numbers between blocks and between places */
    int64_t m;                        /* floats before M */
} room;

static room room_of(const oc_winograd *work) {
    const int n = work->tile + 2;
    room r = {.column = oc_column_of(work->rows)};
    const int64_t panels = oc_divide_up(work->to.blocks, OC_PRODUCT_KERNELS.vectors);
    r.v_place = work->from.blocks * r.column + OC_MATRIX_GAP;
    r.m_place = oc_divide_up(panels, work->ranges) * OC_PRODUCT_KERNELS.vectors * r.column + OC_MATRIX_GAP;
    r.m = oc_operands_floats(2 * n * r.v_place);
    return r;
}

static oc_winograd_weights weights_of(const oc_winograd *work) {
    const int64_t from = work->from.channels, to = work->to.channels;
    return (oc_winograd_weights){
        .shape = {.oc = work->turned ? from : to, .ic = work->turned ? to : from, .turned = work->turned},
        .place = work->from.blocks * work->to.blocks * OC_LANES * OC_LANES + OC_MATRIX_GAP,
    };
}

/* Rows of a worker's products if its tiles are cut into so many chunks: micro-kernels fill each up. */
static int64_t rows_of(int64_t tiles, int64_t threads, int64_t chunks) {
    const int64_t unit = OC_PRODUCT_KERNELS.rows;
    return chunks * oc_divide_up(oc_divide_up(tiles, threads * chunks), unit) * unit;
}

/* Chunks of about equal sizes, as many for each worker; of fewer channels where there are too few tiles. */
static void plan(oc_winograd *work) {
    assert(work->from.block == OC_LANES && work->to.block == OC_LANES && work->from.images == work->to.images);
    assert(work->to.h == work->from.h + 2 * work->pad - 2 && work->to.w == work->from.w + 2 * work->pad - 2);
    assert((work->tile == 2 || work->tile == 4) && work->threads >= 1);
    const int n = work->tile + 2, unit = OC_PRODUCT_KERNELS.rows;
    const oc_tiles all = oc_tiles_of(&work->to, work->tile);
    const int64_t tiles = all.end > 0 ? all.end : 1, threads = work->threads;
    const int64_t row = oc_operands_floats(2 * n * work->from.blocks * OC_LANES) + n * n * work->to.blocks * OC_LANES;
    const int64_t fit = CHUNK_FLOATS / row;
    const int64_t most = fit < CHUNK_LEAST ? CHUNK_LEAST : fit > CHUNK_MOST ? CHUNK_MOST : fit;
    int64_t rounds = (tiles + threads * most / 2) / (threads * most);
    if (rounds > 1 && rows_of(tiles, threads, rounds - 1) < rows_of(tiles, threads, rounds)) rounds--;
    int64_t chunks = rounds < 1 ? threads : threads * rounds;
    work->ranges = 1;
    if (tiles < chunks * (CHUNK_LEAST / 2)) {
        const int64_t panels = oc_divide_up(work->to.blocks, OC_PRODUCT_KERNELS.vectors);
        chunks = tiles < CHUNK_LEAST ? 1 : tiles / CHUNK_LEAST;
        work->ranges = oc_divide_up(threads, chunks);
        if (work->ranges > panels) work->ranges = panels;
    }
    work->rows = oc_divide_up(oc_divide_up(tiles, chunks), unit) * unit;
    work->chunks = oc_divide_up(all.end, work->rows) * work->ranges;
    const oc_winograd_weights weights = weights_of(work);
    work->filter_floats = oc_operands_floats(n * n * weights.place);
    work->filter_blocks = work->from.blocks * oc_divide_up(work->to.blocks, OC_PRODUCT_KERNELS.vectors);
    const room r = room_of(work);
    work->scratch_floats = r.m + n * n * r.m_place;
}

/* A panel at a time: where a vector is less than a cache line, each line is filled at once. */
static void filters(const oc_winograd *work, const float *plain, void *u, int64_t begin, int64_t end) {
    const oc_winograd_weights weights = weights_of(work);
    const int vectors = OC_PRODUCT_KERNELS.vectors;
    for (int64_t i = begin; i < end; i++) {
        const int64_t first = i / work->from.blocks * vectors, row = i % work->from.blocks;
        for (int64_t b = first; b < first + vectors && b < work->to.blocks; b++)
            OC_WINOGRAD_FILTERS.transform(work->tile, &weights, plain, b, row, u);
    }
}

static void chunk(const oc_winograd *work, int64_t index, const void *from, const void *filters,
                  const oc_finish *finish, void *to, float *scratch) {
    const int m = work->tile, n = m + 2, vectors = OC_PRODUCT_KERNELS.vectors;
    const int64_t inner = work->from.blocks, panels = oc_divide_up(work->to.blocks, vectors);
    const int64_t range = index % work->ranges, block = panels * range / work->ranges * vectors;
    const int64_t stop = panels * (range + 1) / work->ranges * vectors;
    const int64_t end = stop < work->to.blocks ? stop : work->to.blocks;
    const int64_t place = weights_of(work).place;
    const room r = room_of(work);
    const oc_operand *const u = filters;
    oc_operand *const v = (oc_operand *)scratch;
    float *const product = scratch + r.m;
    oc_tiles tiles = oc_tiles_of(&work->to, m);
    tiles.begin = index / work->ranges * work->rows;
    if (tiles.end - tiles.begin > work->rows) tiles.end = tiles.begin + work->rows;
    const int64_t unit = OC_PRODUCT_KERNELS.rows, rows = oc_divide_up(tiles.end - tiles.begin, unit) * unit;
    for (int group = 0; group < oc_groups(m); group++) {
        const int first = oc_group_first(group) * n, count = oc_group_places(m, group) * n;
        for (int64_t b = 0; b < inner; b++)
            OC_WINOGRAD_TILES.source(m, &tiles, &work->from, work->pad, from, b, group, false, v + b * r.column,
                                     r.v_place, rows);
        for (int p = 0; p < count; p++)
            OC_PRODUCT_KERNELS.multiply(
                (oc_product){product + (first + p) * r.m_place, r.column}, (oc_factor){v + p * r.v_place, r.column},
                u + (first + p) * place + block * inner * OC_LANES * OC_LANES, rows, inner, end - block, false);
    }
    for (int64_t b = block; b < end; b++)
        OC_WINOGRAD_TILES.result(m, &tiles, &work->to, product + (b - block) * r.column, r.m_place, finish, b, to);
}

const oc_winograd_kernels OC_WINOGRAD_KERNELS = {
    .plan = plan,
    .filters = filters,
    .chunk = chunk,
    .backward = &OC_WINOGRAD_BACKWARD,
};
