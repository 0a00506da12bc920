/* Batch norm by our own kernels (src/kernels/norm.h): oneDNN's sums up whole images in single precision, has no version
 * for some layouts, and is not faster where it has one. Running statistics and folding. */
#include "compute/norm.h"

#include <math.h>

#include "base/error.h"
#include "compute/internal.h"
#include "compute/pool.h"
#include "kernels/elementwise.h"
#include "kernels/norm.h"
#include "kernels/pool.h"

/* What is read twice is read again while it is in a cache: a block of channels over all images, with as much for its
 * result, of at most so many bytes is taken through all passes by one worker, since it stays in its L2; else all
 * workers take so many blocks through all passes before the next, since they stay in the last cache that all share. */
#define WORKER_BYTES ((int64_t)512 << 10)
#define TEAM_BYTES ((int64_t)8 << 20)

typedef struct norm {
    oc_primitive primitive;
    oc_norm_args args; /* without pointers */
    bool pooled;
    oc_pool pool; /* from a tile, which holds one part of src, to one part of dst */
    oc_map dst;   /* pooled */
} norm;

/* An execution, as its tasks see it. */
typedef struct execution {
    const norm *norm;
    const oc_norm_kernels *kernels;
    oc_norm_args args;
    int64_t first; /* the part from which tasks count theirs */
    float *tiles;  /* pooled: one for each worker, of numbers as the maps have them */
} execution;

static int64_t parts_of(const oc_map *map) {
    return map->images * map->blocks;
}

static int64_t sums_floats(const oc_map *map) {
    return 2 * 2 * parts_of(map) * map->block; /* two doubles each */
}

/* A tile takes, in whole cache lines. */
static int64_t tile_floats(const oc_map *map) {
    return (map->h * map->w * map->block + 15) / 16 * 16;
}

/* Where the tiles begin in the scratchpad. */
static int64_t tiles_at(const oc_map *map) {
    return (sums_floats(map) + OC_NORM_ROWS * map->blocks * map->block + 15) / 16 * 16;
}

static execution execution_of(const oc_primitive *primitive) {
    const norm *n = (const norm *)primitive;
    execution e = {.norm = n, .kernels = primitive->kernels->norm, .args = n->args};
    float *scratch = primitive->data[OC_SLOT_SCRATCHPAD];
    e.args.src = primitive->data[OC_SLOT_SRC];
    e.args.scale = primitive->data[OC_SLOT_SCALE];
    e.args.shift = primitive->data[OC_SLOT_SHIFT];
    e.args.mean = primitive->data[OC_SLOT_MEAN];
    e.args.variance = primitive->data[OC_SLOT_VARIANCE];
    e.args.dst = primitive->data[OC_SLOT_DST];
    e.args.diff_dst = primitive->data[OC_SLOT_DIFF_DST];
    e.args.diff_mean = primitive->data[OC_SLOT_DIFF_MEAN];
    e.args.diff_src = primitive->data[OC_SLOT_DIFF_SRC];
    e.args.diff_scale = primitive->data[OC_SLOT_DIFF_SCALE];
    e.args.diff_shift = primitive->data[OC_SLOT_DIFF_SHIFT];
    e.args.sums = (double *)(void *)scratch;
    e.args.rows = scratch + sums_floats(&e.args.map);
    e.tiles = scratch + tiles_at(&e.args.map);
    return e;
}

/* ---- Parts one by one, for what is pooled ---- */

/* A map of one part of `map`. */
static oc_map part_map(const oc_map *map) {
    const int64_t floats = map->h * map->w * map->block;
    return (oc_map){1, map->block, map->h, map->w, 1, map->block, floats, floats};
}

/* Where part i of the norm's numbering lies in a map. */
static int64_t part_at(const oc_map *map, int64_t i) {
    return i % map->images * map->image_stride + i / map->images * map->block_stride;
}

/* The arguments for part i alone; of its maps only the source is set. */
static oc_norm_args part_of(const execution *e, int64_t i) {
    const oc_norm_args *args = &e->args;
    const oc_map *map = &args->map;
    oc_norm_args part = *args;
    part.map = part_map(map);
    part.src = oc_primitive_at(&e->norm->primitive, OC_SLOT_SRC, part_at(map, i));
    part.sums = args->sums + 2 * i * map->block;
    part.rows = args->rows + i / map->images * OC_NORM_ROWS * map->block;
    return part;
}

static void *tile_of(const execution *e, int worker) {
    return e->tiles + worker * tile_floats(&e->args.map);
}

/* The gradient of part i before the pool, in the worker's tile. */
static const void *unpool(const execution *e, int64_t i, int worker) {
    const oc_primitive *p = &e->norm->primitive;
    const int64_t at = part_at(&e->norm->dst, i);
    void *tile = tile_of(e, worker);
    p->kernels->pool->max_backward(&e->norm->pool, oc_primitive_at(p, OC_SLOT_DIFF_DST, at),
                                   oc_primitive_at(p, OC_SLOT_WORKSPACE, at), tile, 0, 1);
    return tile;
}

static oc_status create(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                        const oc_primitive_type *type, const oc_norm_spec *spec, const oc_layout *src, oc_error *err) {
    oc_status status = OC_OK;
    norm *made = NULL;
    oc_map map;
    *out = NULL;
    OC_TRY(oc_primitive_map(&map, src, layer, what, err));
    OC_TRY(oc_primitive_create(&made, type, engine, src->dtype, layer, what, err));
    *out = &made->primitive;
    made->args = (oc_norm_args){.map = map, .epsilon = (double)spec->epsilon, .relu = spec->relu};
    made->primitive.layout[OC_SLOT_SRC] = *src;
    made->primitive.layout[OC_SLOT_MEAN] = made->primitive.layout[OC_SLOT_VARIANCE] =
        oc_layout_vector(OC_F32, map.channels);
    int64_t scratch = tiles_at(&map);
    if (spec->pooled) {
        const oc_layout dst = oc_layout_resized(src, &spec->dst);
        (void)oc_layout_map(&dst, &made->dst);
        made->pooled = true;
        made->pool =
            (oc_pool){part_map(&map), part_map(&made->dst), spec->pool.kernel, spec->pool.stride, spec->pool.pad};
        scratch += oc_team_threads(engine->team) * tile_floats(&map);
        if (spec->training) made->primitive.layout[OC_SLOT_WORKSPACE] = oc_layout_vector(OC_U8, oc_layout_count(&dst));
    }
    made->primitive.layout[OC_SLOT_SCRATCHPAD] = oc_layout_vector(OC_F32, scratch);
cleanup:
    return status;
}

/* The layout of what comes out. */
static oc_layout dst_layout(const oc_norm_spec *spec, const oc_layout *src) {
    return spec->pooled ? oc_layout_resized(src, &spec->dst) : *src;
}

/* ---- Two passes over memory ---- */

/* A pass that reads, for parts; what is joined from it, for blocks; and a pass that reads again and writes. */
typedef struct passes {
    void (*read)(const execution *e, int64_t begin, int64_t end, int worker);
    void (*join)(const execution *e, int64_t first, int64_t last);
    void (*write)(const execution *e, int64_t begin, int64_t end, int worker);
} passes;

typedef struct passing {
    execution e;
    const passes *passes;
} passing;

static void read_task(void *user, int64_t begin, int64_t end, int worker) {
    const passing *p = user;
    p->passes->read(&p->e, p->e.first + begin, p->e.first + end, worker);
}

static void write_task(void *user, int64_t begin, int64_t end, int worker) {
    const passing *p = user;
    p->passes->write(&p->e, p->e.first + begin, p->e.first + end, worker);
}

static void blocks_task(void *user, int64_t first, int64_t last, int worker) {
    const passing *p = user;
    const int64_t images = p->e.args.map.images;
    for (int64_t b = first; b < last; b++) {
        p->passes->read(&p->e, b * images, (b + 1) * images, worker);
        p->passes->join(&p->e, b, b + 1);
        p->passes->write(&p->e, b * images, (b + 1) * images, worker);
    }
}

/* How many blocks all workers take through all passes together: at least enough for each to have some parts. */
static int64_t group_of(const oc_map *map, int64_t bytes, int64_t threads) {
    const int64_t fit = TEAM_BYTES / bytes, least = (4 * threads + map->images - 1) / map->images;
    return fit > least ? fit : least;
}

static void run(const oc_primitive *primitive, const passes *of) {
    passing p = {execution_of(primitive), of};
    oc_team *team = primitive->engine->team;
    const oc_map *map = &p.e.args.map;
    const int64_t threads = oc_team_threads(team), size = (int64_t)oc_dtype_size(primitive->layout[OC_SLOT_SRC].dtype);
    const int64_t bytes = 2 * map->images * map->h * map->w * map->block * size; /* of a block and its result */
    if ((map->blocks % threads == 0 || map->blocks >= 8 * threads) && bytes <= WORKER_BYTES) {
        oc_parallel_for(team, map->blocks, 1, blocks_task, &p);
        return;
    }
    const int64_t group = group_of(map, bytes, threads);
    for (int64_t b = 0, count; b < map->blocks; b += count) {
        count = map->blocks - b < group ? map->blocks - b : group;
        p.e.first = b * map->images;
        oc_parallel_for(team, count * map->images, 1, read_task, &p);
        of->join(&p.e, b, b + count);
        oc_parallel_for(team, count * map->images, 1, write_task, &p);
    }
}

/* ---- Forward ---- */

static void sums(const execution *e, int64_t begin, int64_t end, int worker) {
    (void)worker;
    e->kernels->sums(&e->args, begin, end);
}

static void statistics(const execution *e, int64_t first, int64_t last) {
    e->kernels->statistics(&e->args, first, last);
    e->kernels->prepare(&e->args, first, last);
}

static void forward(const execution *e, int64_t begin, int64_t end, int worker) {
    const oc_primitive *p = &e->norm->primitive;
    if (!e->norm->pooled) {
        e->kernels->forward(&e->args, begin, end);
        return;
    }
    for (int64_t i = end; i-- > begin;) { /* backwards as the kernel goes */
        const int64_t at = part_at(&e->norm->dst, i);
        oc_norm_args part = part_of(e, i);
        part.dst = tile_of(e, worker);
        e->kernels->forward(&part, 0, 1);
        p->kernels->pool->max(&e->norm->pool, part.dst, oc_primitive_at(p, OC_SLOT_DST, at),
                              oc_primitive_at(p, OC_SLOT_WORKSPACE, at), 0, 1);
    }
}

static oc_status training_execute(const oc_primitive *primitive, oc_error *err) {
    static const passes of = {sums, statistics, forward};
    (void)err;
    run(primitive, &of);
    return OC_OK;
}

static void forward_task(void *user, int64_t begin, int64_t end, int worker) {
    forward(user, begin, end, worker);
}

/* With given statistics it is one pass. */
static oc_status given_execute(const oc_primitive *primitive, oc_error *err) {
    execution e = execution_of(primitive);
    (void)err;
    e.kernels->prepare(&e.args, 0, e.args.map.blocks);
    oc_parallel_for(primitive->engine->team, parts_of(&e.args.map), 1, forward_task, &e);
    return OC_OK;
}

oc_status oc_norm_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_norm_spec *spec,
                                 const oc_layout *src, oc_error *err) {
    static const oc_primitive_type given = {.size = sizeof(norm), .execute = given_execute};
    static const oc_primitive_type training = {.size = sizeof(norm), .execute = training_execute};
    const oc_primitive_type *type = spec->training ? &training : &given;
    const oc_status status = create(out, engine, layer, "batch norm forward", type, spec, src, err);
    if (status != OC_OK) return status;
    (*out)->layout[OC_SLOT_SCALE] = (*out)->layout[OC_SLOT_SHIFT] = (*out)->layout[OC_SLOT_MEAN];
    (*out)->layout[OC_SLOT_DST] = dst_layout(spec, src);
    return OC_OK;
}

/* ---- Backward ---- */

static void backward_sums(const execution *e, int64_t begin, int64_t end, int worker) {
    if (!e->norm->pooled) {
        e->kernels->backward_sums(&e->args, begin, end);
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        oc_norm_args part = part_of(e, i);
        part.diff_dst = unpool(e, i, worker);
        e->kernels->backward_sums(&part, 0, 1);
    }
}

static void backward_join(const execution *e, int64_t first, int64_t last) {
    e->kernels->backward_join(&e->args, first, last);
}

static void backward(const execution *e, int64_t begin, int64_t end, int worker) {
    if (!e->norm->pooled) {
        e->kernels->backward(&e->args, begin, end);
        return;
    }
    for (int64_t i = end; i-- > begin;) { /* backwards as the kernel goes */
        oc_norm_args part = part_of(e, i);
        part.diff_dst = unpool(e, i, worker);
        part.diff_src = oc_primitive_at(&e->norm->primitive, OC_SLOT_DIFF_SRC, part_at(&e->args.map, i));
        e->kernels->backward(&part, 0, 1);
    }
}

static oc_status backward_execute(const oc_primitive *primitive, oc_error *err) {
    static const passes of = {backward_sums, backward_join, backward};
    const execution e = execution_of(primitive);
    (void)err;
    e.kernels->prepare(&e.args, 0, e.args.map.blocks);
    run(primitive, &of);
    return OC_OK;
}

oc_status oc_norm_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_norm_spec *spec,
                                  const oc_layout *src, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(norm), .execute = backward_execute};
    const oc_status status = create(out, engine, layer, "batch norm backward", &type, spec, src, err);
    if (status != OC_OK) return status;
    oc_layout *layout = (*out)->layout;
    ((norm *)*out)->args.fixed = !spec->training;
    layout[OC_SLOT_SCALE] = layout[OC_SLOT_SHIFT] = layout[OC_SLOT_MEAN];
    layout[OC_SLOT_DIFF_SCALE] = layout[OC_SLOT_DIFF_SHIFT] = layout[OC_SLOT_MEAN];
    layout[OC_SLOT_DIFF_DST] = dst_layout(spec, src);
    if (spec->mean) layout[OC_SLOT_DIFF_MEAN] = oc_mean_layout(src);
    layout[OC_SLOT_DIFF_SRC] = *src;
    return OC_OK;
}

/* ---- Running statistics, folding ---- */

typedef struct running {
    oc_primitive primitive;
    int64_t channels;
    double momentum, unbiased;
} running;

static oc_status running_execute(const oc_primitive *primitive, oc_error *err) {
    const running *r = (const running *)primitive;
    const float *mean = primitive->data[OC_SLOT_MEAN], *variance = primitive->data[OC_SLOT_VARIANCE];
    float *running_mean = primitive->data[OC_SLOT_DST], *running_variance = primitive->data[OC_SLOT_DST_1];
    (void)err;
    for (int64_t c = 0; c < r->channels; c++) {
        running_mean[c] = (float)((1 - r->momentum) * running_mean[c] + r->momentum * mean[c]);
        running_variance[c] =
            (float)((1 - r->momentum) * running_variance[c] + r->momentum * (variance[c] * r->unbiased));
    }
    return OC_OK;
}

oc_status oc_running_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t channels, double momentum,
                            int64_t count, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(running), .execute = running_execute};
    oc_status status = OC_OK;
    running *r = NULL;
    *out = NULL;
    OC_TRY(oc_primitive_create(&r, &type, engine, OC_F32, layer, "running statistics", err));
    *out = &r->primitive;
    r->channels = channels;
    r->momentum = momentum;
    r->unbiased = (double)count / (double)(count - 1);
    oc_layout *layout = r->primitive.layout;
    layout[OC_SLOT_MEAN] = layout[OC_SLOT_VARIANCE] = layout[OC_SLOT_DST] = layout[OC_SLOT_DST_1] =
        oc_layout_vector(OC_F32, channels);
cleanup:
    return status;
}

typedef struct folding {
    oc_primitive primitive;
    int64_t oc, row;
    bool bias;
    double epsilon;
} folding;

static void fold_task(void *user, int64_t begin, int64_t end, int worker) {
    const folding *f = user;
    const oc_primitive *p = &f->primitive;
    const float *weights = p->data[OC_SLOT_WEIGHTS], *bias = p->data[OC_SLOT_BIAS];
    const float *scale = p->data[OC_SLOT_SCALE], *shift = p->data[OC_SLOT_SHIFT];
    const float *mean = p->data[OC_SLOT_MEAN], *variance = p->data[OC_SLOT_VARIANCE];
    float *scaled = p->data[OC_SLOT_DST], *folded = p->data[OC_SLOT_DST_1];
    (void)worker;
    for (int64_t o = begin; o < end; o++) {
        const double factor = scale[o] / sqrt((double)variance[o] + f->epsilon);
        folded[o] = (float)(shift[o] + ((f->bias ? bias[o] : 0.0) - mean[o]) * factor);
        p->kernels->elementwise->scale_exact(scaled + o * f->row, weights + o * f->row, factor, f->row);
    }
}

static oc_status fold_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    oc_primitive_for(primitive, ((const folding *)primitive)->oc, 16, fold_task);
    return OC_OK;
}

oc_status oc_fold_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t oc, int64_t row, bool bias,
                         double epsilon, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(folding), .execute = fold_execute};
    oc_status status = OC_OK;
    folding *f = NULL;
    *out = NULL;
    OC_TRY(oc_primitive_create(&f, &type, engine, OC_F32, layer, "folding of batch norm", err));
    *out = &f->primitive;
    f->oc = oc;
    f->row = row;
    f->bias = bias;
    f->epsilon = epsilon;
    oc_layout *layout = f->primitive.layout;
    layout[OC_SLOT_WEIGHTS] = layout[OC_SLOT_DST] = oc_layout_vector(OC_F32, oc * row);
    layout[OC_SLOT_SCALE] = layout[OC_SLOT_SHIFT] = layout[OC_SLOT_MEAN] = layout[OC_SLOT_VARIANCE] =
        layout[OC_SLOT_DST_1] = oc_layout_vector(OC_F32, oc);
    if (bias) layout[OC_SLOT_BIAS] = oc_layout_vector(OC_F32, oc);
cleanup:
    return status;
}
