/* What only moves memory, held against a copy: for each such operation, on maps in the caches and beyond, the
 * milliseconds of one execution, GB/s, and the share of what a copy of the same map reaches.
 *
 *     bench_memory [BATCH [PRECISION]]        (OC_CPU lowers the instruction set)
 *
 * Bytes are those that the operation reads and writes, in each of its passes over the map: what a store reads of memory
 * before it writes is not counted, of a copy neither. More than 100 % says that a pass found in a cache what the one
 * before it had read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "compute/elementwise.h"
#include "compute/gate.h"
#include "compute/norm.h"
#include "compute/pool.h"
#include "timed.h"

typedef struct bench {
    oc_team *team;
    oc_engine *engine;
    oc_dtype dtype; /* of the maps: OC_F32 or OC_BF16 */
    oc_layout map, gate;
    oc_shape tiles, stem; /* what pools make of the map */
    double copy;          /* bytes a second */
} bench;

/* ---- A copy ---- */

typedef struct copying {
    unsigned char *to;
    const unsigned char *from;
} copying;

static void copy_task(void *user, int64_t begin, int64_t end, int worker) {
    const copying *c = user;
    (void)worker;
    memcpy(c->to + begin, c->from + begin, (size_t)(end - begin));
}

static double copy_speed(oc_team *team, size_t bytes) {
    oc_error err = {0};
    copying c = {0};
    void *from = NULL;
    double quickest = 1e9;
    oc_bench_refuse(oc_alloc(&c.to, bytes, 1, &err), &err);
    oc_bench_refuse(oc_alloc(&from, bytes, 1, &err), &err);
    c.from = from;
    for (int i = 0; i < 20; i++) {
        const double before = oc_clock_seconds();
        oc_parallel_for(team, (int64_t)bytes, 4096, copy_task, &c);
        const double seconds = oc_clock_seconds() - before;
        if (seconds < quickest) quickest = seconds;
    }
    oc_free(c.to);
    oc_free(from);
    return 2 * (double)bytes / quickest;
}

/* ---- The operations ---- */

static const oc_norm_spec norm = {.epsilon = 1e-5F, .training = true, .relu = true};

static oc_norm_spec pooled(const bench *b) {
    oc_norm_spec spec = norm;
    spec.pooled = true;
    spec.pool = (oc_pool_spec){2, 2, 0, true};
    spec.dst = b->tiles;
    return spec;
}

static oc_status norm_forward(oc_primitive **out, const bench *b, oc_error *err) {
    return oc_norm_forward_create(out, b->engine, "bench", &norm, &b->map, err);
}
static oc_status norm_backward(oc_primitive **out, const bench *b, oc_error *err) {
    return oc_norm_backward_create(out, b->engine, "bench", &norm, &b->map, err);
}
static oc_status norm_pool_forward(oc_primitive **out, const bench *b, oc_error *err) {
    const oc_norm_spec spec = pooled(b);
    return oc_norm_forward_create(out, b->engine, "bench", &spec, &b->map, err);
}
static oc_status norm_pool_backward(oc_primitive **out, const bench *b, oc_error *err) {
    const oc_norm_spec spec = pooled(b);
    return oc_norm_backward_create(out, b->engine, "bench", &spec, &b->map, err);
}
static oc_status tiles_forward(oc_primitive **out, const bench *b, oc_error *err) {
    const oc_pool_spec spec = {2, 2, 0, true};
    return oc_pool_forward_create(out, b->engine, "bench", &spec, &b->map, &b->tiles, err);
}
static oc_status tiles_backward(oc_primitive **out, const bench *b, oc_error *err) {
    const oc_pool_spec spec = {2, 2, 0, true};
    const oc_layout dst = oc_layout_resized(&b->map, &b->tiles);
    return oc_pool_backward_create(out, b->engine, "bench", &spec, &b->map, &dst, err);
}
static oc_status stem_forward(oc_primitive **out, const bench *b, oc_error *err) {
    const oc_pool_spec spec = {3, 2, 1, true};
    return oc_pool_forward_create(out, b->engine, "bench", &spec, &b->map, &b->stem, err);
}
static oc_status stem_backward(oc_primitive **out, const bench *b, oc_error *err) {
    const oc_pool_spec spec = {3, 2, 1, true};
    const oc_layout dst = oc_layout_resized(&b->map, &b->stem);
    return oc_pool_backward_create(out, b->engine, "bench", &spec, &b->map, &dst, err);
}
static oc_status sum(oc_primitive **out, const bench *b, oc_error *err) {
    return oc_sum_create(out, b->engine, "bench", 2, &b->map, err);
}
static oc_status join_forward(oc_primitive **out, const bench *b, oc_error *err) {
    return oc_join_forward_create(out, b->engine, "bench", false, true, &b->map, err);
}
static oc_status join_backward(oc_primitive **out, const bench *b, oc_error *err) {
    return oc_join_backward_create(out, b->engine, "bench", &b->map, err);
}
static oc_status mean_forward(oc_primitive **out, const bench *b, oc_error *err) {
    return oc_mean_forward_create(out, b->engine, "bench", &b->map, err);
}
static oc_status scale_forward(oc_primitive **out, const bench *b, oc_error *err) {
    return oc_scale_forward_create(out, b->engine, "bench", &b->map, &b->gate, err);
}
static oc_status scale_join_forward(oc_primitive **out, const bench *b, oc_error *err) {
    return oc_scale_join_forward_create(out, b->engine, "bench", true, &b->map, &b->gate, err);
}
static oc_status scale_join_backward(oc_primitive **out, const bench *b, oc_error *err) {
    return oc_scale_join_backward_create(out, b->engine, "bench", true, &b->map, &b->gate, err);
}

static const struct {
    const char *name;
    double maps;  /* that it moves */
    double marks; /* bytes besides for each of the map's numbers: winners of windows, signs */
    oc_status (*create)(oc_primitive **out, const bench *b, oc_error *err);
} rows[] = {
    {"norm, ReLU", 3, 0, norm_forward},
    {"norm, ReLU backward", 5, 0, norm_backward},
    {"norm, ReLU, max-pool 2x2", 2.25, 0.25, norm_pool_forward},
    {"norm, ReLU, max-pool 2x2 backward", 3.5, 0.5, norm_pool_backward},
    {"max-pool 2x2", 1.25, 0.25, tiles_forward},
    {"max-pool 2x2 backward", 1.25, 0.25, tiles_backward},
    {"max-pool 3x3 / 2", 1.25, 0.25, stem_forward},
    {"max-pool 3x3 / 2 backward", 1.25, 0.25, stem_backward},
    {"sum", 3, 0, sum},
    {"residual join", 3, 0.25, join_forward},
    {"residual join backward", 2, 0.25, join_backward},
    {"mean over pixels", 1, 0, mean_forward},
    {"gate", 2, 0, scale_forward},
    {"gate and residual join", 3, 0.25, scale_join_forward},
    {"gate and residual join backward", 4, 0.25, scale_join_backward},
};

static void measure(bench *b, int64_t batch, int64_t c, int64_t side) {
    oc_error err = {0};
    const oc_shape shape = oc_shape_make(4, batch, c, side, side);
    const oc_shape gate = oc_shape_make(4, batch, c, (int64_t)1, (int64_t)1);
    const int64_t block = oc_engine_block(b->engine);
    b->map = oc_layout_blocked(b->dtype, &shape, block);
    b->gate = oc_layout_blocked(OC_F32, &gate, block);
    b->tiles = b->stem = oc_shape_make(4, batch, c, side / 2, side / 2);
    const double bytes = (double)oc_layout_bytes(&b->map), numbers = (double)oc_layout_count(&b->map);
    b->copy = copy_speed(b->team, oc_layout_bytes(&b->map));
    printf("[%lld, %lld, %lld, %lld], %.1f MB: a copy %.1f GB/s\n", (long long)batch, (long long)c, (long long)side,
           (long long)side, 1e-6 * bytes, 1e-9 * b->copy);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        oc_primitive *primitive = NULL;
        oc_bench_refuse(rows[i].create(&primitive, b, &err), &err);
        const double seconds = oc_bench_timed(&primitive);
        const double speed = (rows[i].maps * bytes + rows[i].marks * numbers) / seconds;
        printf("  %-34s %8.3f ms %8.1f GB/s %5.0f %%\n", rows[i].name, 1e3 * seconds, 1e-9 * speed,
               100 * speed / b->copy);
    }
}

int main(int argc, char **argv) {
    static bench b;
    oc_error err = {0};
    const long batch = argc > 1 ? strtol(argv[1], NULL, 10) : 64;
    if (batch < 1 || argc > 3 || !oc_bench_precision(&b.dtype, argc > 2 ? argv[2] : "fp32")) {
        fprintf(stderr, "usage: bench_memory [BATCH [fp32|bf16]]\n");
        return EXIT_FAILURE;
    }
    oc_bench_refuse(oc_team_create(&b.team, 0, &err), &err);
    oc_team_enter(b.team);
    oc_bench_refuse(oc_engine_create(&b.engine, b.team, &err), &err);
    measure(&b, batch, 64, 64);
    measure(&b, batch, 64, 32);
    measure(&b, batch, 128, 16);
    measure(&b, batch, 256, 8);
    measure(&b, batch, 512, 4);
    oc_engine_destroy(&b.engine);
    oc_team_destroy(&b.team);
    return EXIT_SUCCESS;
}
