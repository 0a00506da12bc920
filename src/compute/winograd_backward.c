/* Winograd convolution (winograd.h), backward by weights: S = Vᵀ·W over all tiles for each of the sixteen places, then
 * Gᵀ S G.
 *
 * The sum over the tiles is cut into parts, whose number is a function of the sizes alone; each part runs through its
 * tiles in order, and parts are added in order, so that the result does not depend on the number of threads. The rest
 * of the work is divided without consequences for the sums: rows of places, and blocks of input and of output channels,
 * so that what is summed stays in the second cache. A unit of work is one of each. */
#include <stdint.h>

#include "base/error.h"
#include "compute/kernels.h"
#include "compute/winograd.h"

#define CHUNK 64       /* tiles; a multiple of eight */
#define UNIT_BLOCKS 16 /* of channels, at most */
#define PARTS_MAX 8
#define PARTS_BYTES ((int64_t)4 << 20) /* all parts of S together, where there is more than one */
#define PART_TILES 256                 /* at least, in each part */

/* What the scratchpad holds, in floats: the parts of S, of the bias' gradient, then for each worker four places of V
 * and of W. */
typedef struct room {
    oc_winograd_filters kernels;
    int64_t part, parts, bias, v_place, w_place, worker;
    int64_t inputs, outputs; /* into how many ranges the blocks of channels are cut */
    int64_t row_units, rows; /* units of `rows` rows of places */
} room;

static int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* Floats between blocks of V and W. */
#define COLUMN ((int64_t)CHUNK * OC_LANES)

static room room_of(const oc_primitive *work) {
    const oc_map *in = &work->pixels, *out = &work->dst_pixels;
    const int64_t threads = oc_team_threads(work->engine->team), tiles = oc_winograd_tiles(in);
    room r = {{out->channels, in->channels, false, 0}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    r.kernels.place = in->blocks * out->blocks * OC_LANES * OC_LANES + OC_WINOGRAD_GAP;
    r.part = OC_PLACES * r.kernels.place;
    const int64_t fit = PARTS_BYTES / (r.part * (int64_t)sizeof(float)), most = fit < PARTS_MAX ? fit : PARTS_MAX;
    r.parts = tiles / PART_TILES < most ? tiles / PART_TILES : most;
    if (r.parts < 1) r.parts = 1;
    r.bias = out->blocks * OC_LANES;
    r.inputs = divide_up(in->blocks, UNIT_BLOCKS);
    r.outputs = divide_up(out->blocks, UNIT_BLOCKS);
    r.row_units = r.parts * r.inputs * r.outputs % threads == 0 ? 1 : 4;
    r.rows = 4 / r.row_units;
    r.v_place = divide_up(in->blocks, r.inputs) * COLUMN + OC_WINOGRAD_GAP;
    r.w_place = divide_up(out->blocks, r.outputs) * COLUMN + OC_WINOGRAD_GAP;
    r.worker = 4 * (r.v_place + r.w_place);
    return r;
}

static float *sums_of(const oc_primitive *work) {
    return work->data[OC_SLOT_SCRATCHPAD];
}

/* A unit: tiles, rows of places, and ranges of blocks. */
typedef struct unit {
    int64_t part, begin, end; /* chunks */
    int first_row, last_row;
    int64_t input, input_end, output, output_end;
} unit;

static unit unit_of(const oc_primitive *work, const room *r, int64_t index) {
    const int64_t chunks = divide_up(oc_winograd_tiles(&work->pixels), CHUNK);
    const int64_t i = index % r->inputs, o = index / r->inputs % r->outputs;
    const int64_t row = index / (r->inputs * r->outputs) % r->row_units;
    unit u = {.part = index / (r->inputs * r->outputs * r->row_units)};
    u.begin = chunks * u.part / r->parts;
    u.end = chunks * (u.part + 1) / r->parts;
    u.first_row = (int)(row * r->rows);
    u.last_row = (int)((row + 1) * r->rows);
    u.input = work->pixels.blocks * i / r->inputs;
    u.input_end = work->pixels.blocks * (i + 1) / r->inputs;
    u.output = work->dst_pixels.blocks * o / r->outputs;
    u.output_end = work->dst_pixels.blocks * (o + 1) / r->outputs;
    return u;
}

/* The bias' gradient comes for free: the place (1, 1) of A dY Aᵀ is the sum of the tile. */
OC_AVX2 static void add_bias(const float *w, int64_t rows, float *sum) {
    oc_floats chunk[4] = {{0}};
    for (int64_t t = 0; t < rows; t += 4)
        for (int k = 0; k < 4; k++) chunk[k] += *(const oc_floats *)(w + (t + k) * OC_LANES);
    *(oc_floats *)sum += (chunk[0] + chunk[1]) + (chunk[2] + chunk[3]);
}

static void unit_run(const oc_primitive *work, const room *r, const unit *u, float *v, float *w) {
    const int64_t all = oc_winograd_tiles(&work->pixels), s_block = work->pixels.blocks * OC_LANES * OC_LANES;
    float *s = sums_of(work) + u->part * r->part + u->output * s_block + u->input * OC_LANES * OC_LANES;
    float *bias = sums_of(work) + r->parts * r->part + u->part * r->bias;
    const bool biased = !oc_layout_absent(&work->layout[OC_SLOT_DIFF_BIAS]) && u->input == 0;
    for (int64_t o = u->output * OC_LANES;
         biased && u->first_row <= 1 && u->last_row > 1 && o < u->output_end * OC_LANES; o++)
        bias[o] = 0;
    for (int64_t chunk = u->begin; chunk < u->end; chunk++) {
        const int64_t first = chunk * CHUNK, last = all - first < CHUNK ? all : first + CHUNK;
        const int64_t rows = divide_up(last - first, 8) * 8;
        const oc_tiles in = {&work->pixels, first, last}, out = {&work->dst_pixels, first, last};
        for (int row = u->first_row; row < u->last_row; row++) {
            for (int64_t b = u->input; b < u->input_end; b++)
                oc_winograd_source(&in, work->data[OC_SLOT_SRC], b, row, v + (b - u->input) * COLUMN, r->v_place, rows);
            for (int64_t b = u->output; b < u->output_end; b++) {
                float *to = w + (b - u->output) * COLUMN;
                oc_winograd_gradient(&out, work->data[OC_SLOT_DIFF_DST], b, row, to, r->w_place, rows);
                if (biased && row == 1) add_bias(to + r->w_place, rows, bias + b * OC_LANES);
            }
            for (int j = 0; j < 4; j++)
                oc_winograd_multiply_transposed((oc_matrix){s + (4 * row + j) * r->kernels.place, s_block},
                                                (oc_matrix){v + j * r->v_place, COLUMN},
                                                (oc_matrix){w + j * r->w_place, COLUMN}, u->input_end - u->input,
                                                u->output_end - u->output, rows, chunk > u->begin);
        }
    }
}

static void unit_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const room r = room_of(work);
    float *v = sums_of(work) + r.parts * (r.part + r.bias) + worker * r.worker;
    for (int64_t i = begin; i < end; i++) {
        const unit u = unit_of(work, &r, i);
        unit_run(work, &r, &u, v, v + 4 * r.v_place);
    }
}

static void weights_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const room r = room_of(work);
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        oc_winograd_weights_gradient(&r.kernels, sums_of(work), r.parts, r.part, i / work->pixels.blocks,
                                     i % work->pixels.blocks, work->data[OC_SLOT_DIFF_WEIGHTS]);
}

static void kernel(const oc_primitive *work) {
    const room r = room_of(work);
    oc_team *team = work->engine->team;
    void *user = (void *)(uintptr_t)work;
    oc_parallel_for(team, r.parts * r.row_units * r.inputs * r.outputs, 1, unit_task, user);
    oc_parallel_for(team, work->pixels.blocks * work->dst_pixels.blocks, 1, weights_task, user);
    if (oc_layout_absent(&work->layout[OC_SLOT_DIFF_BIAS])) return;
    const float *sums = sums_of(work) + r.parts * r.part;
    float *bias = work->data[OC_SLOT_DIFF_BIAS];
    for (int64_t c = 0; c < r.kernels.oc; c++) {
        double sum = 0;
        for (int64_t part = 0; part < r.parts; part++) sum += sums[part * r.bias + c];
        bias[c] = (float)sum;
    }
}

oc_status oc_winograd_backward_weights_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                              const oc_layout *src, bool bias, const oc_layout *diff_dst,
                                              oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_winograd_work(out, engine, layer, "convolution backward by weights", kernel, src, diff_dst, err));
    const int64_t ic = (*out)->pixels.channels, oc = (*out)->dst_pixels.channels;
    (*out)->layout[OC_SLOT_SRC] = *src;
    (*out)->layout[OC_SLOT_DIFF_DST] = *diff_dst;
    (*out)->layout[OC_SLOT_DIFF_WEIGHTS] = oc_winograd_plain_weights(oc, ic);
    if (bias) (*out)->layout[OC_SLOT_DIFF_BIAS] = oc_winograd_floats(oc);
    const room r = room_of(*out);
    (*out)->layout[OC_SLOT_SCRATCHPAD] =
        oc_winograd_floats(r.parts * (r.part + r.bias) + oc_team_threads(engine->team) * r.worker);
cleanup:
    return status;
}
