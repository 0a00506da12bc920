/* Batch norm by our own kernels (src/kernels/norm.h): oneDNN's sums up whole images in single precision, has no version
 * for some layouts, and is not faster where it has one. Running statistics and folding. */
#include "compute/norm.h"

#include <math.h>

#include "base/error.h"
#include "compute/internal.h"
#include "kernels/elementwise.h"
#include "kernels/norm.h"

/* A block of channels over all images, with as much for its result, of at most so many bytes is taken through all
 * passes at once, since it stays in L2. */
#define CACHED_BYTES ((int64_t)512 << 10)

typedef struct norm {
    oc_primitive primitive;
    oc_norm_args args; /* without pointers */
} norm;

/* An execution, as its tasks see it. */
typedef struct execution {
    const oc_norm_kernels *kernels;
    oc_norm_args args;
} execution;

static int64_t parts_of(const oc_map *map) {
    return map->images * map->blocks;
}

static int64_t sums_floats(const oc_map *map) {
    return 2 * 2 * parts_of(map) * map->block; /* two doubles each */
}

static execution execution_of(const oc_primitive *primitive) {
    execution e = {.kernels = primitive->kernels->norm, .args = ((const norm *)primitive)->args};
    float *scratch = primitive->data[OC_SLOT_SCRATCHPAD];
    e.args.src = primitive->data[OC_SLOT_SRC];
    e.args.scale = primitive->data[OC_SLOT_SCALE];
    e.args.shift = primitive->data[OC_SLOT_SHIFT];
    e.args.mean = primitive->data[OC_SLOT_MEAN];
    e.args.variance = primitive->data[OC_SLOT_VARIANCE];
    e.args.dst = primitive->data[OC_SLOT_DST];
    e.args.diff_dst = primitive->data[OC_SLOT_DIFF_DST];
    e.args.diff_src = primitive->data[OC_SLOT_DIFF_SRC];
    e.args.diff_scale = primitive->data[OC_SLOT_DIFF_SCALE];
    e.args.diff_shift = primitive->data[OC_SLOT_DIFF_SHIFT];
    e.args.sums = (double *)(void *)scratch;
    e.args.rows = scratch + sums_floats(&e.args.map);
    return e;
}

/* Whether each worker takes whole blocks through all passes, rather than all workers one pass after the other. */
static bool by_blocks(const oc_primitive *primitive, const oc_map *map) {
    const int64_t threads = oc_team_threads(primitive->engine->team);
    const int64_t size = (int64_t)oc_dtype_size(primitive->layout[OC_SLOT_SRC].dtype);
    return (map->blocks % threads == 0 || map->blocks >= 8 * threads) &&
           2 * map->images * map->h * map->w * map->block * size <= CACHED_BYTES;
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
    made->primitive.layout[OC_SLOT_SCRATCHPAD] =
        oc_layout_vector(OC_F32, sums_floats(&map) + OC_NORM_ROWS * map.blocks * map.block);
cleanup:
    return status;
}

/* ---- Statistics ---- */

static void sums_task(void *user, int64_t begin, int64_t end, int worker) {
    const execution *e = user;
    (void)worker;
    e->kernels->sums(&e->args, begin, end);
}

static oc_status moments_execute(const oc_primitive *primitive, oc_error *err) {
    execution e = execution_of(primitive);
    (void)err;
    oc_parallel_for(primitive->engine->team, parts_of(&e.args.map), 1, sums_task, &e);
    e.kernels->statistics(&e.args, 0, e.args.map.blocks);
    return OC_OK;
}

oc_status oc_moments_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                            oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(norm), .execute = moments_execute};
    const oc_norm_spec spec = {.epsilon = 0};
    return create(out, engine, layer, "batch statistics", &type, &spec, src, err);
}

/* ---- Forward ---- */

static void forward_task(void *user, int64_t begin, int64_t end, int worker) {
    const execution *e = user;
    (void)worker;
    e->kernels->forward(&e->args, begin, end);
}

static oc_status forward_execute(const oc_primitive *primitive, oc_error *err) {
    execution e = execution_of(primitive);
    (void)err;
    e.kernels->prepare(&e.args, 0, e.args.map.blocks);
    oc_parallel_for(primitive->engine->team, parts_of(&e.args.map), 1, forward_task, &e);
    return OC_OK;
}

oc_status oc_norm_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_norm_spec *spec,
                                 const oc_layout *src, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(norm), .execute = forward_execute};
    const oc_status status = create(out, engine, layer, "batch norm forward", &type, spec, src, err);
    if (status != OC_OK) return status;
    (*out)->layout[OC_SLOT_SCALE] = (*out)->layout[OC_SLOT_SHIFT] = (*out)->layout[OC_SLOT_MEAN];
    (*out)->layout[OC_SLOT_DST] = *src;
    return OC_OK;
}

/* ---- Backward ---- */

static void backward_sums_task(void *user, int64_t begin, int64_t end, int worker) {
    const execution *e = user;
    (void)worker;
    e->kernels->backward_sums(&e->args, begin, end);
}

static void backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const execution *e = user;
    (void)worker;
    e->kernels->backward(&e->args, begin, end);
}

static void backward_blocks_task(void *user, int64_t first, int64_t last, int worker) {
    const execution *e = user;
    const int64_t images = e->args.map.images;
    (void)worker;
    for (int64_t b = first; b < last; b++) {
        e->kernels->backward_sums(&e->args, b * images, (b + 1) * images);
        e->kernels->backward_join(&e->args, b, b + 1);
        e->kernels->backward(&e->args, b * images, (b + 1) * images);
    }
}

static oc_status backward_execute(const oc_primitive *primitive, oc_error *err) {
    execution e = execution_of(primitive);
    oc_team *team = primitive->engine->team;
    const oc_map *map = &e.args.map;
    (void)err;
    e.kernels->prepare(&e.args, 0, map->blocks);
    if (by_blocks(primitive, map)) {
        oc_parallel_for(team, map->blocks, 1, backward_blocks_task, &e);
        return OC_OK;
    }
    oc_parallel_for(team, parts_of(map), 1, backward_sums_task, &e);
    e.kernels->backward_join(&e.args, 0, map->blocks);
    oc_parallel_for(team, parts_of(map), 1, backward_task, &e);
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
    layout[OC_SLOT_DIFF_DST] = layout[OC_SLOT_DIFF_SRC] = *src;
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
