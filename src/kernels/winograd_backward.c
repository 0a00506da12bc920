/* Winograd convolution (winograd.h), backward by weights: S = Vᵀ·W over all tiles for each place, then Gᵀ S G.
 *
 * The sum over the tiles is cut into parts, whose number is a function of the sizes alone; each part runs through its
 * tiles in order, and parts are added in order. The rest of the work is divided without consequences for the sums:
 * groups of places, and ranges of input and of output channels, so that what is summed stays in L2. */
#include <assert.h>

#include "kernels/product.h"
#include "kernels/winograd_transform.h"

#define CHUNK_TILES OC_PRODUCT_RUN /* a multiple of eight */
#define UNIT_CHANNELS 128          /* at most, of either map */
#define PARTS_MOST 8
#define PARTS_FLOATS 2500000 /* all parts of S together, where there is more than one */
#define PART_TILES 256       /* at least, in each part */

/* Where the sums and a worker's V and W (one group's places) lie. */
typedef struct room {
    oc_winograd_weights weights;
    int64_t part, bias;               /* floats of a part's S and of its sums for the bias, which follow all parts */
    int64_t column, v_place, w_place; /* operands between blocks and between places */
} room;

static room room_of(const oc_winograd_backward *work) {
    const int n = work->tile + 2;
    room r = {.weights = {.shape = {.oc = work->dst.channels, .ic = work->src.channels}}};
    r.weights.place = work->src.blocks * work->dst.blocks * OC_LANES * OC_LANES + OC_MATRIX_GAP;
    r.part = n * n * r.weights.place;
    r.bias = work->dst.blocks * OC_LANES;
    r.column = oc_column_of(CHUNK_TILES);
    r.v_place = oc_divide_up(work->src.blocks, work->inputs) * r.column + OC_MATRIX_GAP;
    r.w_place = oc_divide_up(work->dst.blocks, work->outputs) * r.column + OC_MATRIX_GAP;
    return r;
}

static void plan(oc_winograd_backward *work) {
    assert(work->src.block == OC_LANES && work->dst.block == OC_LANES && work->src.images == work->dst.images);
    assert(work->dst.h == work->src.h + 2 * work->pad - 2 && work->dst.w == work->src.w + 2 * work->pad - 2);
    assert((work->tile == 2 || work->tile == 4) && work->threads >= 1);
    const int n = work->tile + 2;
    const int64_t tiles = oc_tiles_of(&work->dst, work->tile).end;
    work->inputs = oc_divide_up(work->src.blocks * OC_LANES, UNIT_CHANNELS);
    work->outputs = oc_divide_up(work->dst.blocks * OC_LANES, UNIT_CHANNELS);
    const int64_t part = n * n * oc_divide_up(work->src.channels, 16) * oc_divide_up(work->dst.channels, 16) * 256;
    const int64_t fit = PARTS_FLOATS / part;
    const int64_t most = fit < PARTS_MOST ? fit : PARTS_MOST;
    work->parts = tiles / PART_TILES < most ? tiles / PART_TILES : most;
    if (work->parts < 1) work->parts = 1;
    work->groups = work->parts * work->inputs * work->outputs % work->threads == 0 ? 1 : oc_groups(work->tile);
    const room r = room_of(work);
    work->sums_floats = work->parts * (r.part + r.bias);
    work->units = work->parts * work->groups * work->inputs * work->outputs;
    work->scratch_floats = oc_operands_floats(2 * n * (r.v_place + r.w_place));
    work->blocks = work->src.blocks * work->dst.blocks;
}

static void unit(const oc_winograd_backward *work, int64_t index, const void *src, const void *diff_dst, bool bias,
                 float *sums, float *scratch) {
    const int m = work->tile, n = m + 2;
    const room r = room_of(work);
    const int64_t i = index % work->inputs, o = index / work->inputs % work->outputs;
    const int64_t group_unit = index / (work->inputs * work->outputs) % work->groups;
    const int64_t part = index / (work->inputs * work->outputs * work->groups);
    const int64_t input = work->src.blocks * i / work->inputs,
                  inputs = work->src.blocks * (i + 1) / work->inputs - input;
    const int64_t output = work->dst.blocks * o / work->outputs;
    const int64_t outputs = work->dst.blocks * (o + 1) / work->outputs - output;
    const oc_tiles all = oc_tiles_of(&work->dst, m);
    const int64_t chunks = oc_divide_up(all.end, CHUNK_TILES);
    const int64_t begin = chunks * part / work->parts, end = chunks * (part + 1) / work->parts;
    const int64_t s_block = work->src.blocks * OC_LANES * OC_LANES;
    float *const s = sums + part * r.part + output * s_block + input * OC_LANES * OC_LANES;
    float *const bias_sums = sums + work->parts * r.part + part * r.bias;
    oc_operand *const v = (oc_operand *)scratch, *const w = v + 2 * n * r.v_place;
    for (int group = work->groups == 1 ? 0 : (int)group_unit; group < oc_groups(m); group++) {
        const int first = oc_group_first(group) * n, count = oc_group_places(m, group) * n;
        const bool biased = bias && group == 0 && input == 0;
        if (biased) memset(bias_sums + output * OC_LANES, 0, (size_t)(outputs * OC_LANES) * sizeof(float));
        for (int64_t c = begin; c < end; c++) {
            oc_tiles tiles = all;
            tiles.begin = c * CHUNK_TILES;
            if (tiles.end - tiles.begin > CHUNK_TILES) tiles.end = tiles.begin + CHUNK_TILES;
            const int64_t rows = oc_divide_up(tiles.end - tiles.begin, 8) * 8;
            for (int64_t b = 0; b < inputs; b++)
                OC_WINOGRAD_TILES.source(m, &tiles, &work->src, work->pad, src, input + b, group, true,
                                         v + b * r.column, r.v_place, rows);
            for (int64_t b = 0; b < outputs; b++)
                OC_WINOGRAD_TILES.gradient(m, &tiles, &work->dst, diff_dst, output + b, group, w + b * r.column,
                                           r.w_place, rows, biased ? bias_sums + (output + b) * OC_LANES : NULL);
            for (int p = 0; p < count; p++)
                OC_PRODUCT_KERNELS.multiply_transposed(
                    (oc_product){s + (first + p) * r.weights.place, s_block}, (oc_factor){v + p * r.v_place, r.column},
                    (oc_factor){w + p * r.w_place, r.column}, inputs, outputs, rows, c > begin);
        }
        if (work->groups > 1) break;
    }
}

static void reduce(const oc_winograd_backward *work, const float *sums, float *diff_weights, float *diff_bias,
                   int64_t begin, int64_t end) {
    const room r = room_of(work);
    const float *bias_sums = sums + work->parts * r.part;
    for (int64_t i = begin; i < end; i++) {
        const int64_t column = i / work->src.blocks, row = i % work->src.blocks;
        OC_WINOGRAD_FILTERS.gradient(work->tile, &r.weights, sums, work->parts, r.part, column, row, diff_weights);
        for (int64_t c = column * OC_LANES; diff_bias && row == 0 && c < (column + 1) * OC_LANES; c++) {
            if (c >= r.weights.shape.oc) break;
            double sum = 0;
            for (int64_t part = 0; part < work->parts; part++) sum += bias_sums[part * r.bias + c];
            diff_bias[c] = (float)sum;
        }
    }
}

const oc_winograd_backward_kernels OC_WINOGRAD_BACKWARD = {.plan = plan, .unit = unit, .reduce = reduce};
