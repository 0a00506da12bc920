/* Winograd convolution against plain loops in double precision, whose own derivatives are proven by differences: odd
 * and tiny maps, channels that fill no block, several parts and ranges, any number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "compute/internal.h"
#include "compute/kernels.h"

#define SEED 20240707U

/* A convolution 3×3, and its arrays in plain layout; the results of a pass are what it is checked by. */
typedef struct conv {
    int64_t n, ic, oc, h, w;
    oc_conv_spec spec;                /* its posts concern only what is computed, not the derivatives */
    oc_layout src_layout, dst_layout; /* blocks of eight */
    double *src, *weights, *bias, *diff_dst, *added[2];
    double *dst, *diff_src, *diff_weights, *diff_bias;
} conv;

static int64_t src_count(const conv *c) {
    return c->n * c->ic * c->h * c->w;
}
static int64_t dst_count(const conv *c) {
    return c->n * c->oc * c->h * c->w;
}
static int64_t weights_count(const conv *c) {
    return c->oc * c->ic * 9;
}

static void *bytes(size_t count) {
    void *memory = NULL;
    assert_int_equal(oc_alloc(&memory, count ? count : 1, 1, NULL), OC_OK);
    return memory;
}

/* Numbers that a float holds exactly. */
static double *draw(int64_t count, oc_random *random, double mean) {
    double *data = bytes((size_t)count * sizeof *data);
    for (int64_t i = 0; i < count; i++) data[i] = (float)(mean + oc_random_normal(random));
    return data;
}

/* [N, C, H, W] in blocks of eight channels, which oc_layout_blocked gives only where vectors are of eight. */
static oc_layout blocks_of_eight(int64_t n, int64_t c, int64_t h, int64_t w) {
    const oc_shape shape = oc_shape_make(4, n, c, h, w);
    oc_layout layout = {0};
    dnnl_dims_t dims;
    for (int i = 0; i < 4; i++) dims[i] = shape.dim[i];
    assert_int_equal(dnnl_memory_desc_init_by_tag(oc_layout_desc(&layout), 4, dims, dnnl_f32, dnnl_nChw8c), 0);
    return layout;
}

static void conv_create(conv *c, uint64_t seed, int64_t n, int64_t ic, int64_t oc, int64_t h, int64_t w) {
    oc_random random;
    oc_random_init(&random, seed, OC_RANDOM_TEST, 9, 0);
    *c = (conv){.n = n, .ic = ic, .oc = oc, .h = h, .w = w};
    c->spec = (oc_conv_spec){.stride = 1, .pad = 1, .dilation = 1};
    c->src_layout = blocks_of_eight(n, ic, h, w);
    c->dst_layout = blocks_of_eight(n, oc, h, w);
    c->src = draw(src_count(c), &random, 0.3);
    c->weights = draw(weights_count(c), &random, 0.1);
    c->bias = draw(oc, &random, 0);
    c->diff_dst = draw(dst_count(c), &random, 0.2);
    for (int i = 0; i < 2; i++) c->added[i] = draw(dst_count(c), &random, 0.1);
    c->dst = bytes((size_t)dst_count(c) * sizeof *c->dst);
    c->diff_src = bytes((size_t)src_count(c) * sizeof *c->diff_src);
    c->diff_weights = bytes((size_t)weights_count(c) * sizeof *c->diff_weights);
    c->diff_bias = bytes((size_t)oc * sizeof *c->diff_bias);
}

static void conv_destroy(conv *c) {
    double *all[] = {c->src,      c->weights, c->bias,     c->diff_dst,     c->added[0],
                     c->added[1], c->dst,     c->diff_src, c->diff_weights, c->diff_bias};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) oc_free(all[i]);
}

/* Calls visit(dst, src, weight) with the indices of each product that the definition has. */
#define FOR_EACH_PRODUCT(c, dst, src, weight, ...)                                                                     \
    for (int64_t n_ = 0; n_ < (c)->n; n_++)                                                                            \
        for (int64_t o_ = 0; o_ < (c)->oc; o_++)                                                                       \
            for (int64_t i_ = 0; i_ < (c)->ic; i_++)                                                                   \
                for (int64_t k_ = 0; k_ < 9; k_++)                                                                     \
                    for (int64_t y_ = 0; y_ < (c)->h; y_++)                                                            \
                        for (int64_t x_ = 0; x_ < (c)->w; x_++) {                                                      \
                            const int64_t sy_ = y_ + k_ / 3 - 1, sx_ = x_ + k_ % 3 - 1;                                \
                            if (sy_ < 0 || sx_ < 0 || sy_ >= (c)->h || sx_ >= (c)->w) continue;                        \
                            const int64_t dst = ((n_ * (c)->oc + o_) * (c)->h + y_) * (c)->w + x_;                     \
                            const int64_t src = ((n_ * (c)->ic + i_) * (c)->h + sy_) * (c)->w + sx_;                   \
                            const int64_t weight = (o_ * (c)->ic + i_) * 9 + k_;                                       \
                            __VA_ARGS__;                                                                               \
                        }

static void reference_forward(const conv *c, double *dst) {
    for (int64_t d = 0; d < dst_count(c); d++) dst[d] = c->bias[d / (c->h * c->w) % c->oc];
    FOR_EACH_PRODUCT(c, d, s, k, dst[d] += c->src[s] * c->weights[k]);
}

static void reference(conv *c) {
    reference_forward(c, c->dst);
    memset(c->diff_src, 0, (size_t)src_count(c) * sizeof *c->diff_src);
    memset(c->diff_weights, 0, (size_t)weights_count(c) * sizeof *c->diff_weights);
    memset(c->diff_bias, 0, (size_t)c->oc * sizeof *c->diff_bias);
    FOR_EACH_PRODUCT(c, d, s, k, {
        c->diff_src[s] += c->diff_dst[d] * c->weights[k];
        c->diff_weights[k] += c->diff_dst[d] * c->src[s];
    });
    for (int64_t d = 0; d < dst_count(c); d++) c->diff_bias[d / (c->h * c->w) % c->oc] += c->diff_dst[d];
}

/* Σ diff_dst·dst, of which the gradients above are the derivatives. */
static double loss(const conv *c) {
    double *dst = bytes((size_t)dst_count(c) * sizeof *dst), sum = 0;
    reference_forward(c, dst);
    for (int64_t i = 0; i < dst_count(c); i++) sum += c->diff_dst[i] * dst[i];
    oc_free(dst);
    return sum;
}

static void check_difference(const conv *c, double *parameter, const double *gradient, int64_t count, int64_t at) {
    const double kept = parameter[at %= count], step = 0.5; /* linear in each: any step will do */
    parameter[at] = kept + step;
    const double above = loss(c);
    parameter[at] = kept - step;
    const double difference = (above - loss(c)) / (2 * step);
    parameter[at] = kept;
    assert_true(fabs(difference - gradient[at]) <= 1e-9 * (1 + fabs(difference)) * 100);
}

/* Where element `i` of a plain array lies in a layout: plain, or blocks of eight channels. */
static int64_t place_of(const oc_layout *layout, int64_t i) {
    oc_map p;
    if (!oc_layout_map(layout, &p) || p.block != 8) return i;
    const int64_t pixel = i % (p.h * p.w), channel = i / (p.h * p.w) % p.channels;
    return i / (p.h * p.w * p.channels) * p.image_stride + channel / 8 * p.block_stride + pixel * 8 + channel % 8;
}

/* A single-precision array in a layout, its padding zero. */
static float *floats_of(const double *plain, const oc_layout *layout) {
    const oc_shape shape = oc_layout_shape(layout);
    float *data = bytes(oc_layout_bytes(layout));
    memset(data, 0, oc_layout_bytes(layout));
    for (int64_t i = 0; i < oc_shape_count(&shape); i++) data[place_of(layout, i)] = (float)plain[i];
    return data;
}

/* Largest error over the largest magnitude. Padding of blocks must be zero. */
static double error_of(const double *plain, const oc_layout *layout, const float *got, const char *what) {
    const oc_shape shape = oc_layout_shape(layout);
    double largest = 0, error = 0, sum = 0, all = 0;
    for (int64_t i = 0; i < oc_shape_count(&shape); i++) {
        const double value = got[place_of(layout, i)];
        if (!(fabs(value - plain[i]) <= error)) error = fabs(value - plain[i]);
        largest = fmax(largest, fabs(plain[i]));
        sum += fabs(value);
    }
    for (size_t i = 0; i < oc_layout_bytes(layout) / sizeof(float); i++) all += fabs((double)got[i]);
    if (!(all <= sum * (1 + 1e-12))) fail_msg("%s: padding is not zero", what);
    return error / largest;
}

/* One pass of a convolution on a team of its own. */
typedef enum pass { FORWARD, DATA, WEIGHTS } pass;

typedef struct result {
    float *data, *bias;
    oc_layout layout;
} result;

static void result_free(result *r) {
    oc_free(r->data);
    oc_free(r->bias);
}

static result run(const conv *c, pass which, int threads) {
    oc_team *team = NULL;
    oc_engine *engine = NULL;
    oc_primitive *work = NULL;
    assert_int_equal(oc_team_create(&team, threads, NULL), OC_OK);
    assert_int_equal(oc_engine_create(&engine, team, NULL), OC_OK);
    const oc_layout *s = &c->src_layout, *d = &c->dst_layout;
    const oc_status status =
        which == FORWARD ? oc_winograd_forward_create(&work, engine, "test", &c->spec, s, true, d, NULL)
        : which == DATA  ? oc_winograd_backward_data_create(&work, engine, "test", s, d, NULL)
                         : oc_winograd_backward_weights_create(&work, engine, "test", s, true, d, NULL);
    assert_int_equal(status, OC_OK);
    assert_string_equal(oc_primitive_impl(work), "winograd");
    const double *source[OC_SLOTS] = {
        [OC_SLOT_SRC] = c->src,         [OC_SLOT_SRC_1] = c->added[0], [OC_SLOT_SRC_2] = c->added[1],
        [OC_SLOT_WEIGHTS] = c->weights, [OC_SLOT_BIAS] = c->bias,      [OC_SLOT_DIFF_DST] = c->diff_dst};
    float *data[OC_SLOTS] = {NULL};
    for (int slot = 0; slot < OC_SLOTS; slot++) {
        const oc_layout *layout = oc_primitive_layout(work, (oc_slot)slot);
        if (oc_layout_absent(layout)) continue;
        const size_t size = oc_layout_bytes(layout);
        data[slot] = source[slot] ? floats_of(source[slot], layout) : bytes(size);
        if (!source[slot]) memset(data[slot], 0xff, size); /* NaN: what is read must have been written */
        assert_int_equal(oc_primitive_bind(work, (oc_slot)slot, data[slot], NULL), OC_OK);
    }
    for (int again = 0; again < 2; again++) assert_int_equal(oc_primitive_run(work, NULL), OC_OK);
    const oc_slot slot = which == FORWARD ? OC_SLOT_DST : which == DATA ? OC_SLOT_DIFF_SRC : OC_SLOT_DIFF_WEIGHTS;
    result r = {data[slot], data[OC_SLOT_DIFF_BIAS], *oc_primitive_layout(work, slot)};
    for (int i = 0; i < OC_SLOTS; i++)
        if (data[i] != r.data && data[i] != r.bias) oc_free(data[i]);
    oc_primitive_destroy(&work);
    oc_engine_destroy(&engine);
    oc_team_destroy(&team);
    return r;
}

/* The error that plain loops in single precision make. */
static double direct_error(const conv *c, pass which) {
    const oc_shape shape = oc_shape_make(1, which == FORWARD ? dst_count(c)
                                            : which == DATA  ? src_count(c)
                                                             : weights_count(c));
    const oc_layout flat = oc_layout_plain(OC_F32, &shape);
    float *sum = bytes(oc_layout_bytes(&flat));
    memset(sum, 0, oc_layout_bytes(&flat));
    for (int64_t i = 0; which == FORWARD && i < dst_count(c); i++) sum[i] = (float)c->bias[i / (c->h * c->w) % c->oc];
    FOR_EACH_PRODUCT(c, d, s, k, {
        if (which == FORWARD) sum[d] += (float)c->src[s] * (float)c->weights[k];
        if (which == DATA) sum[s] += (float)c->diff_dst[d] * (float)c->weights[k];
        if (which == WEIGHTS) sum[k] += (float)c->diff_dst[d] * (float)c->src[s];
    });
    const double *exact = which == FORWARD ? c->dst : which == DATA ? c->diff_src : c->diff_weights;
    const double error = error_of(exact, &flat, sum, "direct");
    oc_free(sum);
    return error;
}

/* Rounding of the transforms themselves, which counts where sums are short. */
#define FLOOR 4e-7

static const struct {
    int64_t n, ic, oc, h, w;
} cases[] = {
    {1, 8, 8, 1, 1},     {3, 8, 16, 1, 2},    {1, 16, 8, 2, 1},   {3, 8, 8, 2, 2},    {1, 5, 3, 3, 3},
    {3, 17, 12, 3, 5},   {1, 24, 40, 4, 4},   {3, 3, 20, 5, 5},   {1, 1, 1, 5, 3},    {1, 9, 33, 4, 1},
    {5, 12, 8, 6, 7},    {2, 40, 24, 9, 14},  {1, 264, 16, 4, 3}, {1, 16, 264, 3, 4}, {1, 136, 144, 5, 4},
    {7, 16, 16, 24, 25}, {2, 19, 21, 33, 31},
};

static void test_passes(void **state) {
    (void)state;
    static const char *const names[] = {"forward", "data", "weights"};
    double worst[3] = {0}, ratio[3] = {0}, worst_bias = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        conv c;
        conv_create(&c, SEED + i, cases[i].n, cases[i].ic, cases[i].oc, cases[i].h, cases[i].w);
        reference(&c);
        for (int k = 0; k < 4 && dst_count(&c) < 1000; k++) {
            check_difference(&c, c.src, c.diff_src, src_count(&c), 7919 * k + 3);
            check_difference(&c, c.weights, c.diff_weights, weights_count(&c), 7919 * k + 5);
            check_difference(&c, c.bias, c.diff_bias, c.oc, k);
        }
        const double *exact[] = {c.dst, c.diff_src, c.diff_weights};
        for (int which = FORWARD; which <= WEIGHTS; which++) {
            char what[96];
            snprintf(what, sizeof what, "%s N%d %d to %d, %dx%d", names[which], (int)c.n, (int)c.ic, (int)c.oc,
                     (int)c.h, (int)c.w);
            result one = run(&c, (pass)which, 1);
            const double error = error_of(exact[which], &one.layout, one.data, what);
            const double direct = direct_error(&c, (pass)which);
            if (!(error <= fmax(4 * direct, FLOOR)))
                fail_msg("%s: is off by %g, plain loops by %g", what, error, direct);
            worst[which] = fmax(worst[which], error);
            ratio[which] = fmax(ratio[which], error / fmax(direct, FLOOR / 4));
            if (which == WEIGHTS) {
                const oc_shape vector = oc_shape_make(1, c.oc);
                const oc_layout flat = oc_layout_plain(OC_F32, &vector);
                const double bias = error_of(c.diff_bias, &flat, one.bias, what);
                if (!(bias <= 1e-6)) fail_msg("%s: the bias' gradient is off by %g", what, bias);
                worst_bias = fmax(worst_bias, bias);
            }
            for (int threads = 2; threads <= 5; threads += threads == 3 ? 2 : 1) {
                result more = run(&c, (pass)which, threads);
                if (memcmp(more.data, one.data, oc_layout_bytes(&one.layout)) != 0 ||
                    (one.bias && memcmp(more.bias, one.bias, (size_t)c.oc * sizeof(float)) != 0))
                    fail_msg("%s: %d threads compute something else than one", what, threads);
                result_free(&more);
            }
            result_free(&one);
        }
        conv_destroy(&c);
    }
    for (int which = FORWARD; which <= WEIGHTS; which++)
        print_message("  %-8s error at most %.2g, at most %.2f times that of plain loops\n", names[which], worst[which],
                      ratio[which]);
    print_message("  bias     error at most %.2g\n", worst_bias);
}

/* What inference joins to a convolution: ReLU and additions, in order. */
static void test_posts(void **state) {
    (void)state;
    static const oc_post_kind post[] = {OC_POST_ADD, OC_POST_RELU, OC_POST_ADD};
    for (int posts = 1; posts <= 3; posts++) {
        conv c;
        conv_create(&c, SEED + 50, 3, 19, 21, 5, 8);
        reference_forward(&c, c.dst);
        c.spec.posts = posts;
        memcpy(c.spec.post, post, sizeof post);
        for (int64_t i = 0; i < dst_count(&c); i++) {
            c.dst[i] += c.added[0][i];
            if (posts > 1 && c.dst[i] < 0) c.dst[i] = 0;
            if (posts > 2) c.dst[i] += c.added[1][i];
        }
        result r = run(&c, FORWARD, 2);
        const double error = error_of(c.dst, &r.layout, r.data, "posts");
        if (!(error <= 1e-6)) fail_msg("%d posts: is off by %g", posts, error);
        result_free(&r);
        c.src[1] = NAN; /* ReLU must not hide it */
        r = run(&c, FORWARD, 1);
        assert_true(isnan(r.data[0]));
        result_free(&r);
        conv_destroy(&c);
    }
}

/* What is not of this kind, or was not measured to be faster. */
static void test_choice(void **state) {
    (void)state;
    const oc_layout src = blocks_of_eight(8, 64, 16, 16), dst = blocks_of_eight(8, 32, 16, 16);
    const oc_layout few = blocks_of_eight(8, 8, 16, 16), half = blocks_of_eight(8, 32, 8, 8);
    const oc_layout small = blocks_of_eight(64, 64, 3, 3), small_dst = blocks_of_eight(64, 32, 3, 3);
    const oc_layout lone = blocks_of_eight(1, 64, 8, 8), lone_dst = blocks_of_eight(1, 32, 8, 8);
    const oc_shape shapes[] = {oc_shape_make(4, 32, 64, 3, 3), oc_shape_make(4, 32, 64, 1, 1),
                               oc_shape_make(5, 2, 16, 32, 3, 3), oc_shape_make(4, 8, 64, 16, 16)};
    oc_layout weights[4];
    for (int i = 0; i < 4; i++) weights[i] = oc_layout_plain(OC_F32, &shapes[i]);
    const oc_layout plain = weights[3], bf16 = oc_layout_plain(OC_BF16, &shapes[3]);
    const oc_conv_spec spec = {.stride = 1, .pad = 1, .dilation = 1, .training = true};
    oc_conv_spec stride = spec, pad = spec, dilation = spec;
    stride.stride = 2;
    pad.pad = 0;
    dilation.dilation = 2;
    assert_true(oc_winograd_is_faster(&spec, &src, &weights[0], &dst));
    assert_false(oc_winograd_is_faster(&stride, &src, &weights[0], &half));
    assert_false(oc_winograd_is_faster(&pad, &src, &weights[0], &dst));
    assert_false(oc_winograd_is_faster(&dilation, &src, &weights[0], &dst));
    assert_false(oc_winograd_is_faster(&spec, &src, &weights[1], &dst));
    assert_false(oc_winograd_is_faster(&spec, &src, &weights[2], &dst));
    assert_false(oc_winograd_is_faster(&spec, &src, &weights[0], &few));
    assert_false(oc_winograd_is_faster(&spec, &plain, &weights[0], &dst));
    assert_false(oc_winograd_is_faster(&spec, &bf16, &weights[0], &dst));
    assert_false(oc_winograd_is_faster(&spec, &small, &weights[0], &small_dst));
    assert_false(oc_winograd_is_faster(&spec, &lone, &weights[0], &lone_dst));
    oc_team *team = NULL;
    oc_engine *engine = NULL;
    oc_primitive *work = NULL;
    assert_int_equal(oc_team_create(&team, 1, NULL), OC_OK);
    assert_int_equal(oc_engine_create(&engine, team, NULL), OC_OK);
    assert_int_equal(oc_winograd_forward_create(&work, engine, "test", &spec, &plain, false, &dst, NULL), OC_E_COMPUTE);
    assert_int_equal(oc_winograd_backward_data_create(&work, engine, "test", &src, &half, NULL), OC_E_COMPUTE);
    assert_int_equal(oc_winograd_backward_weights_create(&work, engine, "test", &src, true, &plain, NULL),
                     OC_E_COMPUTE);
    assert_null(work);
    oc_engine_destroy(&engine);
    oc_team_destroy(&team);
}

int main(void) {
#ifdef __x86_64__
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 77;
#else
    return 77;
#endif
    print_message("seed %u\n", SEED);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_passes), cmocka_unit_test(test_posts),
                                       cmocka_unit_test(test_choice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
