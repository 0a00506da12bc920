/* Convolutions by every algorithm of the table, in all passes, against the definition in double precision; and the
 * chooser. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "compute/conv/algorithm.h"
#include "compute/internal.h"
#include "compute/reorder.h"
#include "support/engine.h"

#define SEED 20261125U
#define TOLERANCE 4e-6       /* of the largest value, for each pass; F(4×4, 3×3) is the least exact */
#define TOLERANCE_BF16 0.012 /* of maps that are rounded before, and perhaps after */

static void *bytes(size_t count) {
    void *memory = NULL;
    assert_int_equal(oc_alloc(&memory, count ? count : 1, 1, NULL), OC_OK);
    return memory;
}

/* Sizes of a convolution. */
typedef struct sizes {
    int64_t n, groups, ic, oc, h, w, filter, stride, pad, dilation;
    bool bias;
} sizes;

/* Its arrays in plain layout, as floats hold them. */
typedef struct conv {
    sizes s;
    int64_t oh, ow, src_count, dst_count, weights_count;
    float *src, *weights, *bias, *diff_dst, *addend;
    double *dst, *diff_src, *diff_weights, *diff_bias; /* what is right */
} conv;

static float *draw(int64_t count, oc_random *random) {
    float *data = bytes((size_t)count * sizeof *data);
    for (int64_t i = 0; i < count; i++) data[i] = (float)oc_random_normal(random);
    return data;
}

/* Calls the statement for each product of the definition, with the indices d, s and k of dst, src and weights. */
#define FOR_EACH_PRODUCT(c, ...)                                                                                       \
    for (int64_t n = 0; n < (c)->s.n; n++)                                                                             \
        for (int64_t o = 0; o < (c)->s.oc; o++)                                                                        \
            for (int64_t i = 0; i < (c)->s.ic / (c)->s.groups; i++)                                                    \
                for (int64_t f = 0; f < (c)->s.filter * (c)->s.filter; f++)                                            \
                    for (int64_t y = 0; y < (c)->oh; y++)                                                              \
                        for (int64_t x = 0; x < (c)->ow; x++) {                                                        \
                            const int64_t group = o / ((c)->s.oc / (c)->s.groups);                                     \
                            const int64_t channel = group * ((c)->s.ic / (c)->s.groups) + i;                           \
                            const int64_t sy = y * (c)->s.stride + f / (c)->s.filter * (c)->s.dilation - (c)->s.pad;   \
                            const int64_t sx = x * (c)->s.stride + f % (c)->s.filter * (c)->s.dilation - (c)->s.pad;   \
                            if (sy < 0 || sx < 0 || sy >= (c)->s.h || sx >= (c)->s.w) continue;                        \
                            const int64_t d = ((n * (c)->s.oc + o) * (c)->oh + y) * (c)->ow + x;                       \
                            const int64_t s = ((n * (c)->s.ic + channel) * (c)->s.h + sy) * (c)->s.w + sx;             \
                            const int64_t k =                                                                          \
                                (o * ((c)->s.ic / (c)->s.groups) + i) * (c)->s.filter * (c)->s.filter + f;             \
                            __VA_ARGS__                                                                                \
                        }

static void conv_create(conv *c, const sizes *s) {
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 11, 0);
    const int64_t span = s->dilation * (s->filter - 1) + 1;
    *c = (conv){.s = *s};
    c->oh = (s->h + 2 * s->pad - span) / s->stride + 1;
    c->ow = (s->w + 2 * s->pad - span) / s->stride + 1;
    c->src_count = s->n * s->ic * s->h * s->w;
    c->dst_count = s->n * s->oc * c->oh * c->ow;
    c->weights_count = s->oc * (s->ic / s->groups) * s->filter * s->filter;
    c->src = draw(c->src_count, &random);
    c->weights = draw(c->weights_count, &random);
    c->bias = draw(s->oc, &random);
    c->diff_dst = draw(c->dst_count, &random);
    c->addend = draw(c->dst_count, &random);
    c->dst = bytes((size_t)c->dst_count * sizeof(double));
    c->diff_src = bytes((size_t)c->src_count * sizeof(double));
    c->diff_weights = bytes((size_t)c->weights_count * sizeof(double));
    c->diff_bias = bytes((size_t)s->oc * sizeof(double));
    for (int64_t d = 0; d < c->dst_count; d++) {
        const int64_t o = d / (c->oh * c->ow) % s->oc;
        c->dst[d] = s->bias ? c->bias[o] : 0;
        c->diff_bias[o] += c->diff_dst[d];
    }
    FOR_EACH_PRODUCT(c, {
        c->dst[d] += (double)c->src[s] * c->weights[k];
        c->diff_src[s] += (double)c->diff_dst[d] * c->weights[k];
        c->diff_weights[k] += (double)c->diff_dst[d] * c->src[s];
    })
}

static void conv_destroy(conv *c) {
    void *all[] = {c->src, c->weights,  c->bias,         c->diff_dst, c->addend,
                   c->dst, c->diff_src, c->diff_weights, c->diff_bias};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) oc_free(all[i]);
}

/* Executes a primitive on the buffers of its used slots, with a scratchpad full of NaN. */
static void run(oc_primitive *primitive, void *const data[OC_SLOTS]) {
    void *scratch = NULL;
    for (int slot = 0; slot < OC_SLOTS; slot++) {
        const oc_layout *layout = oc_primitive_layout(primitive, (oc_slot)slot);
        if (oc_layout_absent(layout)) continue;
        if (slot == OC_SLOT_SCRATCHPAD) memset(scratch = bytes(oc_layout_bytes(layout)), 0xff, oc_layout_bytes(layout));
        void *at = slot == OC_SLOT_SCRATCHPAD ? scratch : data[slot];
        assert_non_null(at);
        assert_int_equal(oc_primitive_bind(primitive, (oc_slot)slot, at, NULL), OC_OK);
    }
    assert_int_equal(oc_primitive_execute(primitive, NULL), OC_OK);
    oc_free(scratch);
}

static void reorder(const test_engine *f, const oc_layout *from, const void *src, const oc_layout *to, void *dst) {
    oc_primitive *primitive = NULL;
    assert_int_equal(oc_reorder_create(&primitive, f->engine, "test", from, to, NULL), OC_OK);
    run(primitive, (void *[OC_SLOTS]){[OC_SLOT_SRC] = (void *)(uintptr_t)src, [OC_SLOT_DST] = dst});
    oc_primitive_destroy(&primitive);
}

/* `plain` moved into `layout`. */
static float *moved(const test_engine *f, const oc_layout *layout, const float *plain) {
    const oc_layout from = oc_layout_plain(OC_F32, &layout->shape);
    float *data = bytes(oc_layout_bytes(layout));
    reorder(f, &from, plain, layout, data);
    return data;
}

/* Fails unless `data`, in `layout`, is `want` but for `tolerance` of its largest value, with zeros as padding. */
static void check(const test_engine *f, const char *what, const oc_layout *layout, const float *data,
                  const double *want, double tolerance) {
    const oc_layout plain = oc_layout_plain(OC_F32, &layout->shape);
    const int64_t count = oc_shape_count(&layout->shape);
    float *got = bytes((size_t)count * sizeof *got);
    reorder(f, layout, data, &plain, got);
    double largest = 0, error = 0;
    for (int64_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs(want[i]));
        error = fabs(got[i] - want[i]) <= error ? error : fabs(got[i] - want[i]); /* NaN wins */
    }
    if (!(error <= tolerance * largest)) print_message("%s: error %g of %g\n", what, error, largest);
    assert_true(error <= tolerance * largest);
    float *back = moved(f, layout, got);
    assert_memory_equal(back, data, oc_layout_bytes(layout));
    oc_free(back);
    oc_free(got);
}

static oc_conv_problem problem_of(const conv *c, oc_conv_pass pass, const oc_layout *src, const oc_layout *dst) {
    return (oc_conv_problem){.pass = pass,
                             .training = true,
                             .groups = c->s.groups,
                             .kh = c->s.filter,
                             .kw = c->s.filter,
                             .stride = c->s.stride,
                             .pad = c->s.pad,
                             .dilation = c->s.dilation,
                             .bias = c->s.bias && pass != OC_CONV_BACKWARD_DATA,
                             .src = *src,
                             .dst = *dst};
}

/* One pass by one algorithm. */
static void pass_check(const test_engine *f, const conv *c, const oc_conv_algorithm *algorithm,
                       const oc_conv_problem *problem, const double *want) {
    oc_primitive *primitive = NULL, *pack = NULL;
    oc_error err = {0};
    char what[128];
    const double tolerance = problem->src.dtype == OC_BF16 ? TOLERANCE_BF16 : TOLERANCE;
    snprintf(what, sizeof what, "%s, %s", algorithm->name, oc_conv_what(problem->pass));
    assert_int_equal(oc_conv_create(&primitive, &pack, f->engine, "test", algorithm, problem, &err), OC_OK);
    assert_string_equal(oc_primitive_algorithm(primitive), algorithm->name);
    /* Only the last resort may be slow, and is where the result has no blocks. */
    assert_true(oc_conv_algorithm_is_last(algorithm) || !oc_primitive_is_slow(primitive));
    if (oc_conv_algorithm_is_last(algorithm) && problem->pass == OC_CONV_FORWARD)
        assert_true(oc_primitive_is_slow(primitive) || problem->dst.order == OC_ORDER_BLOCKED);
    assert_string_equal(oc_primitive_what(primitive), oc_conv_what(problem->pass));
    void *data[OC_SLOTS] = {[OC_SLOT_WEIGHTS] = c->weights, [OC_SLOT_BIAS] = c->bias}, *packed = NULL;
    if (pack) {
        const oc_layout *layout = oc_primitive_layout(pack, OC_SLOT_DST);
        assert_true(oc_layout_equal(layout, oc_primitive_layout(primitive, OC_SLOT_WEIGHTS)));
        packed = bytes(oc_layout_bytes(layout));
        run(pack, (void *[OC_SLOTS]){[OC_SLOT_WEIGHTS] = c->weights, [OC_SLOT_DST] = packed});
        data[OC_SLOT_WEIGHTS] = packed;
    }
    float *src = bytes(oc_layout_bytes(&problem->src)), *dst = bytes(oc_layout_bytes(&problem->dst)), *addend = NULL;
    const oc_layout plain = oc_conv_weights_layout(problem), vector = oc_conv_bias_layout(problem);
    if (problem->pass == OC_CONV_FORWARD) {
        oc_free(src);
        src = moved(f, &problem->src, c->src);
        addend = moved(f, &problem->dst, c->addend);
        memset(dst, 0xff, oc_layout_bytes(&problem->dst));
        data[OC_SLOT_SRC] = src;
        data[OC_SLOT_DST] = dst;
        data[OC_SLOT_SRC_1] = data[OC_SLOT_SRC_2] = addend;
        run(primitive, data);
        check(f, what, &problem->dst, dst, want, tolerance);
    } else if (problem->pass == OC_CONV_BACKWARD_DATA) {
        oc_free(dst);
        dst = moved(f, &problem->dst, c->diff_dst);
        memset(src, 0xff, oc_layout_bytes(&problem->src));
        data[OC_SLOT_DIFF_DST] = dst;
        data[OC_SLOT_DIFF_SRC] = src;
        run(primitive, data);
        check(f, what, &problem->src, src, want, tolerance);
    } else {
        assert_null(pack);
        oc_free(src);
        oc_free(dst);
        src = moved(f, &problem->src, c->src);
        dst = moved(f, &problem->dst, c->diff_dst);
        float *diff = bytes(oc_layout_bytes(&plain)), *diff_bias = bytes(oc_layout_bytes(&vector));
        memset(diff, 0xff, oc_layout_bytes(&plain));
        data[OC_SLOT_SRC] = src;
        data[OC_SLOT_DIFF_DST] = dst;
        data[OC_SLOT_DIFF_WEIGHTS] = diff;
        data[OC_SLOT_DIFF_BIAS] = diff_bias;
        run(primitive, data);
        check(f, what, &plain, diff, want, tolerance);
        if (problem->bias) check(f, what, &vector, diff_bias, c->diff_bias, tolerance);
        oc_free(diff);
        oc_free(diff_bias);
    }
    oc_free(src);
    oc_free(dst);
    oc_free(addend);
    oc_free(packed);
    oc_primitive_destroy(&primitive);
    oc_primitive_destroy(&pack);
}

/* Every algorithm that supports a pass in these layouts; the last one of the table supports them all. Adds to
 * done[algorithm]. */
static void layouts_check(const test_engine *f, const conv *c, const oc_layout *src, const oc_layout *dst, int *done) {
    const double *want[] = {c->dst, c->diff_src, c->diff_weights};
    for (int pass = 0; pass < 3; pass++) {
        const oc_conv_problem problem = problem_of(c, (oc_conv_pass)pass, src, dst);
        for (int a = 0; oc_conv_algorithms[a]; a++) {
            if (!oc_conv_algorithms[a]->supports(f->engine, &problem)) {
                assert_false(oc_conv_algorithm_is_last(oc_conv_algorithms[a]));
                /* What every net is made of: oneDNN has a kernel for it, if it is asked rightly, of bf16 for floats. */
                const oc_conv_algorithm *sure = src->dtype == OC_F32 ? &oc_conv_dnnl_direct : &oc_conv_widened;
                const bool blocks = src->block == oc_engine_block(f->engine) && dst->block == src->block;
                const bool usual = blocks && c->s.groups == 1 && c->s.filter == 3 && c->s.pad == 1 &&
                                   c->s.dilation == 1 && c->s.ic % 32 == 0 && c->s.oc % 16 == 0;
                assert_false(usual && pass == OC_CONV_FORWARD && oc_conv_algorithms[a] == sure);
                continue;
            }
            assert_true(oc_conv_algorithms[a]->cost(f->engine, &problem) > 0);
            pass_check(f, c, oc_conv_algorithms[a], &problem, want[pass]);
            done[a]++;
        }
    }
}

static const sizes cases[] = {
    /* n, groups, ic, oc, h, w, filter, stride, pad, dilation, bias */
    {2, 1, 32, 32, 8, 8, 3, 1, 1, 1, true},   {1, 1, 64, 48, 9, 7, 3, 1, 1, 1, false},
    {2, 1, 32, 48, 9, 7, 3, 1, 0, 1, true},   {1, 1, 16, 32, 6, 5, 3, 1, 2, 1, false},
    {3, 1, 48, 64, 6, 11, 3, 1, 1, 1, true},  {2, 1, 32, 32, 2, 2, 3, 1, 1, 1, false},
    {1, 1, 32, 32, 1, 1, 3, 1, 1, 1, true},   {2, 1, 3, 32, 16, 16, 3, 1, 1, 1, true},
    {2, 1, 3, 19, 13, 9, 7, 2, 3, 1, false},  {2, 1, 32, 64, 8, 8, 1, 1, 0, 1, false},
    {2, 1, 32, 64, 9, 8, 1, 2, 0, 1, true},   {2, 1, 32, 48, 9, 10, 3, 2, 1, 1, true},
    {2, 1, 32, 32, 12, 11, 3, 1, 2, 2, true}, {2, 1, 20, 12, 7, 7, 3, 2, 2, 2, false},
    {3, 1, 64, 4, 1, 1, 1, 1, 0, 1, true},    {3, 1, 4, 64, 1, 1, 1, 1, 0, 1, true},
    {2, 8, 32, 32, 7, 6, 3, 1, 1, 1, false},  {2, 4, 32, 32, 7, 6, 3, 2, 1, 1, true},
    {1, 2, 32, 64, 6, 6, 3, 1, 1, 1, true},   {2, 2, 64, 64, 5, 6, 3, 2, 1, 1, false},
    {2, 3, 9, 15, 5, 6, 3, 1, 1, 1, true},    {2, 20, 20, 20, 6, 5, 5, 1, 2, 1, true},
    {33, 1, 32, 48, 2, 2, 3, 1, 1, 1, true},  {40, 1, 16, 24, 4, 3, 3, 2, 1, 1, false},
};
#define CASES (sizeof cases / sizeof *cases)

/* Every case in every layout of maps of a data type. */
static void algorithms_check(const test_engine *f, oc_dtype type) {
    const int64_t block = oc_engine_block(f->engine);
    int done[OC_CONV_CANDIDATES] = {0};
    for (size_t i = 0; i < CASES; i++) {
        conv c;
        conv_create(&c, &cases[i]);
        const oc_shape src = oc_shape_make(4, c.s.n, c.s.ic, c.s.h, c.s.w),
                       dst = oc_shape_make(4, c.s.n, c.s.oc, c.oh, c.ow);
        const oc_layout src_layouts[] = {oc_layout_blocked(type, &src, block), oc_layout_plain(type, &src),
                                         oc_layout_channels_last(type, &src), oc_layout_blocked(type, &src, 4)};
        const oc_layout dst_layouts[] = {oc_layout_blocked(type, &dst, block), oc_layout_plain(type, &dst),
                                         oc_layout_channels_last(type, &dst)};
        for (size_t s = 0; s < sizeof src_layouts / sizeof *src_layouts; s++)
            for (size_t d = 0; d < sizeof dst_layouts / sizeof *dst_layouts; d++)
                layouts_check(f, &c, &src_layouts[s], &dst_layouts[d], done);
        conv_destroy(&c);
    }
    for (int a = 0; oc_conv_algorithms[a]; a++) print_message("%s: %d passes\n", oc_conv_algorithms[a]->name, done[a]);
}

static void test_algorithms(void **state) {
    algorithms_check(*state, OC_F32);
    algorithms_check(*state, OC_BF16);
}

/* Post-ops in order, by every algorithm. */
static void test_posts(void **state) {
    const test_engine *f = *state;
    const int64_t block = oc_engine_block(f->engine);
    static const size_t some[] = {0, 2, 3, 6, 9, 14};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        for (int k = 0; k < 6; k++) {
            const int order = k % 3;
            const oc_dtype type = k < 3 ? OC_F32 : OC_BF16;
            conv c;
            conv_create(&c, &cases[some[i]]);
            const oc_shape src = oc_shape_make(4, c.s.n, c.s.ic, c.s.h, c.s.w),
                           dst = oc_shape_make(4, c.s.n, c.s.oc, c.oh, c.ow);
            const oc_layout from = oc_layout_blocked(type, &src, block), to = oc_layout_blocked(type, &dst, block);
            oc_conv_problem problem = problem_of(&c, OC_CONV_FORWARD, &from, &to);
            problem.training = false;
            static const oc_post_kind posts[3][3] = {{OC_POST_RELU, OC_POST_ADD, OC_POST_ADD},
                                                     {OC_POST_ADD, OC_POST_RELU, OC_POST_ADD},
                                                     {OC_POST_ADD, OC_POST_RELU, OC_POST_RELU}};
            problem.posts = 3;
            memcpy(problem.post, posts[order], sizeof posts[order]);
            for (int64_t d = 0; d < c.dst_count; d++)
                for (int p = 0; p < problem.posts; p++)
                    c.dst[d] = problem.post[p] == OC_POST_RELU ? fmax(c.dst[d], 0) : c.dst[d] + c.addend[d];
            for (int a = 0; oc_conv_algorithms[a]; a++)
                if (oc_conv_algorithms[a]->supports(f->engine, &problem))
                    pass_check(f, &c, oc_conv_algorithms[a], &problem, c.dst);
            conv_destroy(&c);
        }
}

/* An engine that multiplies bfloat16, by the wide build's emulation where the processor does not; NULL: neither can be.
 */
static oc_engine *engine_of_products(const test_engine *f) {
    oc_engine *engine = NULL;
    if (oc_cpu_level_now() < OC_CPU_AVX2) return NULL;
    assert_int_equal(oc_engine_create(&engine, f->team, NULL), OC_OK);
    if (!oc_engine_kernels(engine, OC_BF16)->winograd_bf16) test_engine_widen(engine);
    return engine;
}

/* The algorithms with products of bfloat16, wherever this runs. */
static void test_bf16_products(void **state) {
    static const oc_conv_algorithm *const algorithms[] = {&oc_conv_winograd_2_bf16, &oc_conv_product_bf16};
    test_engine f = *(test_engine *)*state;
    f.engine = engine_of_products(&f);
    if (!f.engine) skip();
    int done[2] = {0};
    for (size_t i = 0; i < CASES; i++) {
        conv c;
        conv_create(&c, &cases[i]);
        const double *want[] = {c.dst, c.diff_src, c.diff_weights};
        const oc_shape src = oc_shape_make(4, c.s.n, c.s.ic, c.s.h, c.s.w),
                       dst = oc_shape_make(4, c.s.n, c.s.oc, c.oh, c.ow);
        for (int k = 0; k < 12; k++) {
            const oc_dtype type = k < 6 ? OC_BF16 : OC_F32;
            const oc_layout from = oc_layout_blocked(type, &src, oc_engine_block(f.engine)),
                            to = oc_layout_blocked(type, &dst, oc_engine_block(f.engine));
            const oc_conv_problem problem = problem_of(&c, (oc_conv_pass)(k % 3), &from, &to);
            const oc_conv_algorithm *algorithm = algorithms[k / 3 % 2];
            const bool can = algorithm->supports(f.engine, &problem);
            assert_false(can && type == OC_F32);
            if (!can) continue;
            assert_true(algorithm->cost(f.engine, &problem) > 0);
            pass_check(&f, &c, algorithm, &problem, want[k % 3]);
            done[k / 3 % 2]++;
        }
        conv_destroy(&c);
    }
    print_message("%d and %d passes\n", done[0], done[1]);
    assert_true(done[0] > 20 && done[1] > 20);
    oc_engine_destroy(&f.engine);
}

static const oc_conv_algorithm *chosen(const test_engine *f, oc_conv_problem *problem, const char *preferred) {
    oc_conv_ranking ranking;
    assert_int_equal(oc_conv_choose(&ranking, f->engine, problem, preferred, NULL, NULL), OC_OK);
    assert_true(ranking.count > 0 && oc_layout_equal(&problem->src, &ranking.candidate[0].src));
    /* The others follow by estimate. */
    for (int i = 2; i < ranking.count; i++) assert_true(ranking.candidate[i - 1].cost <= ranking.candidate[i].cost);
    for (int i = 0; i < ranking.count; i++) assert_true(ranking.candidate[i].seconds == 0);
    return ranking.candidate[0].algorithm;
}

/* What is chosen supports the problem, whatever it is, and what an earlier plan chose is taken where it can be. */
static void test_choice(void **state) {
    const test_engine *f = *state;
    const int64_t block = oc_engine_block(f->engine);
    for (size_t i = 0; i < CASES; i++)
        for (int pass = 0; pass < 3; pass++)
            for (int plain = 0; plain < 2; plain++) {
                conv c = {.s = cases[i]};
                const int64_t span = c.s.dilation * (c.s.filter - 1) + 1;
                const oc_shape src = oc_shape_make(4, c.s.n, c.s.ic, c.s.h, c.s.w);
                const oc_shape dst = oc_shape_make(4, c.s.n, c.s.oc, (c.s.h + 2 * c.s.pad - span) / c.s.stride + 1,
                                                   (c.s.w + 2 * c.s.pad - span) / c.s.stride + 1);
                const oc_layout from = oc_layout_blocked(OC_F32, &src, plain ? 1 : block);
                const oc_layout to = oc_layout_blocked(OC_F32, &dst, block);
                oc_conv_problem problem = problem_of(&c, (oc_conv_pass)pass, &from, &to);
                const oc_conv_algorithm *best = chosen(f, &problem, NULL);
                assert_non_null(best);
                assert_true(best->supports(f->engine, &problem));
                if (pass != OC_CONV_FORWARD) assert_true(oc_layout_equal(&problem.src, &from));
                for (int a = 0; oc_conv_algorithms[a]; a++) {
                    oc_conv_problem again = problem_of(&c, (oc_conv_pass)pass, &from, &to);
                    const bool can = oc_conv_algorithms[a]->supports(f->engine, &again);
                    const oc_conv_algorithm *taken = chosen(f, &again, oc_conv_algorithm_name(oc_conv_algorithms[a]));
                    if (can && oc_conv_algorithms[a]->exactness < OC_CONV_COARSE)
                        assert_ptr_equal(taken, oc_conv_algorithms[a]);
                    assert_true(taken->exactness < OC_CONV_COARSE || c.s.n >= 16); /* few images */
                    assert_true(taken->supports(f->engine, &again));
                }
                oc_conv_problem unknown = problem_of(&c, (oc_conv_pass)pass, &from, &to);
                assert_ptr_equal(chosen(f, &unknown, "no such algorithm"), best);
            }
}

/* Of Winograd's tiles the large ones save more, unless most of them hangs over the edge, or errors would add up,
 * or exactness is asked for. */
static void test_tiles(void **state) {
    const test_engine *f = *state;
    static const struct {
        int64_t n, size;
        bool training, exact, large;
    } given[] = {{64, 32, true, false, true}, {64, 4, true, false, true},   {64, 3, true, false, true},
                 {64, 2, true, false, false}, {8, 32, true, false, false},  {64, 32, false, false, true},
                 {64, 32, true, true, false}, {8, 32, false, false, false}, {64, 32, false, true, false}};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        for (int pass = 0; pass < (given[i].training ? 3 : 1); pass++) {
            const conv c = {.s = {given[i].n, 1, 64, 64, given[i].size, given[i].size, 3, 1, 1, 1, false}};
            const oc_shape shape = oc_shape_make(4, c.s.n, c.s.ic, c.s.h, c.s.w);
            const oc_layout blocked = oc_layout_blocked(OC_F32, &shape, oc_engine_block(f->engine));
            oc_conv_problem problem = problem_of(&c, (oc_conv_pass)pass, &blocked, &blocked);
            problem.training = given[i].training;
            problem.exact = given[i].exact;
            const oc_conv_algorithm *best = chosen(f, &problem, NULL);
            assert_int_equal(best->exactness == OC_CONV_COARSE, given[i].large);
        }
}

/* Transforms that are rounded to bfloat16 are for gradients in bfloat16 alone, and not where exactness is asked for;
 * there they save the most. */
static void test_rounded_transforms(void **state) {
    test_engine f = *(test_engine *)*state;
    f.engine = engine_of_products(&f);
    if (!f.engine) skip();
    for (int k = 0; k < 12; k++) {
        const oc_conv_pass pass = (oc_conv_pass)(k % 3);
        const bool half = k / 3 % 2, exact = k / 6;
        const oc_shape shape = oc_shape_make(4, 64, 64, 32, 32);
        const oc_layout blocked = oc_layout_blocked(half ? OC_BF16 : OC_F32, &shape, oc_engine_block(f.engine));
        const conv c = {.s = {64, 1, 64, 64, 32, 32, 3, 1, 1, 1, false}};
        oc_conv_problem problem = problem_of(&c, pass, &blocked, &blocked);
        problem.exact = exact;
        const bool best = chosen(&f, &problem, NULL) == &oc_conv_winograd_2_bf16;
        const bool asked = chosen(&f, &problem, "Winograd F(2x2) in bf16") == &oc_conv_winograd_2_bf16;
        assert_int_equal(best, half && !exact && pass != OC_CONV_FORWARD);
        assert_int_equal(asked, best);
    }
    oc_engine_destroy(&f.engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_algorithms),    cmocka_unit_test(test_posts),
        cmocka_unit_test(test_choice),        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_bf16_products), cmocka_unit_test(test_rounded_transforms),
    };
    print_message("seed %u\n", SEED);
    return cmocka_run_group_tests(tests, test_engine_setup, test_engine_teardown);
}
