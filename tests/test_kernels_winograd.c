/* Winograd's kernels at every level against plain loops in double precision: odd and tiny maps, channels that fill no
 * block, several chunks and parts, any number of workers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "kernels/winograd.h"
#include "support/levels.h"

#define SEED 20240913U
#define GUARD 32 /* floats around every array that is written */
#define GUARD_VALUE 77.F

typedef enum pass { FORWARD, DATA, WEIGHTS, PASSES } pass;

static const char *const pass_names[PASSES] = {"forward", "backward by data", "backward by weights"};

/* A convolution 3×3 and its arrays in plain layout; the results of a pass are what it is checked by. */
typedef struct conv {
    int64_t n, ic, oc, h, w, pad, oh, ow;
    int posts;
    oc_finish_post post[OC_FINISH_POSTS_MAX];
    double *src, *weights, *bias, *diff_dst, *added[2];
    double *dst, *diff_src, *diff_weights, *diff_bias;
} conv;

static int64_t src_count(const conv *c) {
    return c->n * c->ic * c->h * c->w;
}
static int64_t dst_count(const conv *c) {
    return c->n * c->oc * c->oh * c->ow;
}

static void *bytes(size_t count) {
    void *memory = NULL;
    assert_int_equal(oc_alloc(&memory, count ? count : 1, 1, NULL), OC_OK);
    return memory;
}

static double *doubles(int64_t count) {
    return bytes((size_t)count * sizeof(double));
}

/* Numbers that a float holds exactly. */
static double *draw(int64_t count, oc_random *random, double mean) {
    double *data = doubles(count);
    for (int64_t i = 0; i < count; i++) data[i] = (float)(mean + oc_random_normal(random));
    return data;
}

static void conv_create(conv *c, int64_t n, int64_t ic, int64_t oc, int64_t h, int64_t w, int64_t pad, double mean) {
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, (uint32_t)(ic * oc + h), (uint64_t)(w * 4 + pad));
    *c = (conv){.n = n, .ic = ic, .oc = oc, .h = h, .w = w, .pad = pad};
    c->oh = h + 2 * pad - 2;
    c->ow = w + 2 * pad - 2;
    c->src = draw(src_count(c), &random, mean);
    c->weights = draw(oc * ic * 9, &random, mean / 3);
    c->bias = draw(oc, &random, 0);
    c->diff_dst = draw(dst_count(c), &random, mean / 2);
    for (int i = 0; i < 2; i++) c->added[i] = draw(dst_count(c), &random, 0.1);
    c->dst = doubles(dst_count(c));
    c->diff_src = doubles(src_count(c));
    c->diff_weights = doubles(oc * ic * 9);
    c->diff_bias = doubles(oc);
    for (int64_t d = 0; d < dst_count(c); d++) {
        const int64_t o = d / (c->oh * c->ow) % oc;
        c->dst[d] = c->bias[o];
        c->diff_bias[o] += c->diff_dst[d];
    }
    for (int64_t image = 0; image < n; image++)
        for (int64_t o = 0; o < oc; o++)
            for (int64_t i = 0; i < ic; i++)
                for (int64_t k = 0; k < 9; k++)
                    for (int64_t y = 0; y < c->oh; y++)
                        for (int64_t x = 0; x < c->ow; x++) {
                            const int64_t sy = y + k / 3 - pad, sx = x + k % 3 - pad;
                            if (sy < 0 || sx < 0 || sy >= h || sx >= w) continue;
                            const int64_t d = ((image * oc + o) * c->oh + y) * c->ow + x;
                            const int64_t s = ((image * ic + i) * h + sy) * w + sx, g = (o * ic + i) * 9 + k;
                            c->dst[d] += c->src[s] * c->weights[g];
                            c->diff_src[s] += c->diff_dst[d] * c->weights[g];
                            c->diff_weights[g] += c->diff_dst[d] * c->src[s];
                        }
}

static void conv_destroy(conv *c) {
    double *all[] = {c->src,      c->weights, c->bias,     c->diff_dst,     c->added[0],
                     c->added[1], c->dst,     c->diff_src, c->diff_weights, c->diff_bias};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) oc_free(all[i]);
}

static double *after_posts(const conv *c) {
    double *dst = doubles(dst_count(c));
    for (int64_t d = 0; d < dst_count(c); d++) {
        double value = c->dst[d];
        for (int i = 0, adds = 0; i < c->posts; i++)
            value = c->post[i] == OC_FINISH_ADD ? value + c->added[adds++][d] : fmax(value, 0);
        dst[d] = value;
    }
    return dst;
}

/* A map in blocks, an image's blocks a little further apart than need be. */
static oc_map map_of(int64_t n, int64_t channels, int64_t h, int64_t w, int lanes) {
    oc_map map = {.images = n, .channels = channels, .h = h, .w = w, .block = lanes};
    map.blocks = (channels + lanes - 1) / lanes;
    map.block_stride = h * w * lanes + lanes;
    map.image_stride = map.blocks * map.block_stride + 2 * lanes;
    return map;
}

static int64_t map_place(const oc_map *map, int64_t i) {
    const int64_t pixel = i % (map->h * map->w), channel = i / (map->h * map->w) % map->channels;
    return i / (map->h * map->w * map->channels) * map->image_stride + channel / map->block * map->block_stride +
           pixel * map->block + channel % map->block;
}

/* Arrays of floats with guards around them. */
static float *floats(int64_t count) {
    float *data = bytes((size_t)(count + 2 * GUARD) * sizeof *data);
    for (int64_t i = 0; i < count + 2 * GUARD; i++) data[i] = GUARD_VALUE;
    return data + GUARD;
}

static void floats_free(float *data, int64_t count) {
    for (int i = 0; i < GUARD; i++) {
        assert_true(data[-1 - i] == GUARD_VALUE);
        assert_true(data[count + i] == GUARD_VALUE);
    }
    oc_free(data - GUARD);
}

static float *plain_floats(const double *plain, int64_t count) {
    float *data = floats(count);
    for (int64_t i = 0; i < count; i++) data[i] = (float)plain[i];
    return data;
}

static int64_t map_floats_count(const oc_map *map) {
    return map->images * map->image_stride;
}

static int64_t map_count(const oc_map *map) {
    return map->images * map->channels * map->h * map->w;
}

/* A map's data: of `plain`, or zeros; padding channels zero, what lies between the blocks not. */
static float *map_floats(const oc_map *map, const double *plain) {
    float *data = floats(map_floats_count(map));
    for (int64_t n = 0; n < map->images; n++)
        for (int64_t b = 0; b < map->blocks; b++)
            memset(data + n * map->image_stride + b * map->block_stride, 0,
                   (size_t)(map->h * map->w * map->block) * sizeof *data);
    for (int64_t i = 0; plain && i < map_count(map); i++) data[map_place(map, i)] = (float)plain[i];
    return data;
}

/* What is no element of a map that was written: padding channels are zero, the gaps are as they were. */
static void check_padding(const oc_map *map, const float *data, const char *what) {
    double outside = 0, gaps = 0;
    int64_t in_gaps = map_floats_count(map);
    for (int64_t i = 0; i < map_floats_count(map); i++) {
        const int64_t in_image = i % map->image_stride, block = in_image / map->block_stride;
        const int64_t in_block = in_image % map->block_stride;
        const int64_t channel = block * map->block + in_block % map->block;
        if (block >= map->blocks || in_block >= map->h * map->w * map->block) {
            gaps += fabs((double)data[i] - GUARD_VALUE);
        } else {
            in_gaps--;
            if (channel >= map->channels) outside += fabs((double)data[i]);
        }
    }
    if (outside != 0) fail_msg("%s: padding channels are not zero", what);
    if (gaps != 0 || in_gaps <= 0) fail_msg("%s: something was written between the blocks", what);
}

/* A pass's result: plain floats. */
typedef struct result {
    float *data, *bias;
    int64_t count;
} result;

static void result_free(result *r) {
    oc_free(r->data);
    oc_free(r->bias);
}

static result result_of(const oc_map *map, const float *data) {
    result r = {.count = map_count(map)};
    r.data = bytes((size_t)r.count * sizeof *r.data);
    for (int64_t i = 0; i < r.count; i++) r.data[i] = data[map_place(map, i)];
    return r;
}

/* Pieces in the order of one worker after the other's, the last worker's first: any order must do. */
static void run_filtering(const oc_winograd_kernels *k, const oc_winograd *work, const float *from,
                          const float *weights, const oc_finish *finish, float *to) {
    float *filters = floats(work->filter_floats), *scratch = floats(work->scratch_floats);
    memset(scratch, 0xFF, (size_t)work->scratch_floats * sizeof *scratch); /* NaN */
    const int64_t middle = work->filter_blocks / 2;
    k->filters(work, weights, filters, middle, work->filter_blocks);
    k->filters(work, weights, filters, 0, middle);
    for (int64_t i = work->chunks; i-- > 0;) k->chunk(work, i, from, filters, finish, to, scratch);
    floats_free(filters, work->filter_floats);
    floats_free(scratch, work->scratch_floats);
}

static result run_weights(const oc_kernels *level, const conv *c, int tile, int threads,
                          oc_winograd_backward *planned) {
    const oc_winograd_backward_kernels *k = level->winograd->backward;
    oc_winograd_backward work = {.src = map_of(c->n, c->ic, c->h, c->w, level->lanes),
                                 .dst = map_of(c->n, c->oc, c->oh, c->ow, level->lanes),
                                 .tile = tile,
                                 .pad = (int)c->pad,
                                 .threads = threads};
    k->plan(&work);
    if (planned) *planned = work;
    float *src = map_floats(&work.src, c->src), *diff_dst = map_floats(&work.dst, c->diff_dst);
    float *sums = floats(work.sums_floats), *scratch = floats(work.scratch_floats);
    memset(sums, 0xFF, (size_t)work.sums_floats * sizeof *sums);
    memset(scratch, 0xFF, (size_t)work.scratch_floats * sizeof *scratch);
    for (int64_t i = work.units; i-- > 0;) k->unit(&work, i, src, diff_dst, true, sums, scratch);
    const int64_t count = c->oc * c->ic * 9, middle = work.blocks / 2;
    float *weights = floats(count), *bias = floats(c->oc);
    k->reduce(&work, sums, weights, bias, middle, work.blocks);
    k->reduce(&work, sums, weights, bias, 0, middle);
    result r = {
        .count = count, .data = bytes((size_t)count * sizeof(float)), .bias = bytes((size_t)c->oc * sizeof(float))};
    memcpy(r.data, weights, (size_t)count * sizeof(float));
    memcpy(r.bias, bias, (size_t)c->oc * sizeof(float));
    floats_free(weights, count);
    floats_free(bias, c->oc);
    floats_free(sums, work.sums_floats);
    floats_free(scratch, work.scratch_floats);
    floats_free(src, map_floats_count(&work.src));
    floats_free(diff_dst, map_floats_count(&work.dst));
    return r;
}

static result run(const oc_kernels *level, const conv *c, pass which, int tile, int threads, oc_winograd *planned) {
    if (which == WEIGHTS) return run_weights(level, c, tile, threads, NULL);
    const bool turned = which == DATA;
    const oc_map src = map_of(c->n, c->ic, c->h, c->w, level->lanes);
    const oc_map dst = map_of(c->n, c->oc, c->oh, c->ow, level->lanes);
    oc_winograd work = {.from = turned ? dst : src,
                        .to = turned ? src : dst,
                        .tile = tile,
                        .pad = (int)(turned ? 2 - c->pad : c->pad),
                        .turned = turned,
                        .threads = threads};
    level->winograd->plan(&work);
    if (planned) *planned = work;
    float *from = map_floats(&work.from, turned ? c->diff_dst : c->src), *to = map_floats(&work.to, NULL);
    float *weights = plain_floats(c->weights, c->oc * c->ic * 9), *bias = plain_floats(c->bias, c->oc);
    float *added[2] = {map_floats(&dst, c->added[0]), map_floats(&dst, c->added[1])};
    oc_finish finish = {0};
    if (!turned) {
        finish = (oc_finish){.bias = bias, .posts = c->posts, .added = {added[0], added[1]}};
        memcpy(finish.post, c->post, sizeof finish.post);
    }
    run_filtering(level->winograd, &work, from, weights, &finish, to);
    check_padding(&work.to, to, pass_names[which]);
    result r = result_of(&work.to, to);
    floats_free(from, map_floats_count(&work.from));
    floats_free(to, map_floats_count(&work.to));
    floats_free(weights, c->oc * c->ic * 9);
    floats_free(bias, c->oc);
    for (int i = 0; i < 2; i++) floats_free(added[i], map_floats_count(&dst));
    return r;
}

/* Largest error over the largest magnitude. */
static double error_of(const double *expected, const float *got, int64_t count) {
    double largest = 0, error = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!(fabs(got[i] - expected[i]) <= error)) error = fabs(got[i] - expected[i]);
        largest = fmax(largest, fabs(expected[i]));
    }
    return error / largest;
}

static void check(const oc_kernels *level, const conv *c, int tile, int threads, double tolerance) {
    for (int which = FORWARD; which < PASSES; which++) {
        result r = run(level, c, (pass)which, tile, threads, NULL);
        double *dst = after_posts(c);
        const double error = error_of(which == FORWARD ? dst
                                      : which == DATA  ? c->diff_src
                                                       : c->diff_weights,
                                      r.data, r.count);
        const double bias = r.bias ? error_of(c->diff_bias, r.bias, c->oc) : 0;
        if (!(error <= tolerance) || !(bias <= 1e-6))
            fail_msg("%s, F(%d×%d), %s, %d×%dx%d, %d to %d channels, pad %d: error %.2g, bias %.2g", level->name, tile,
                     tile, pass_names[which], (int)c->n, (int)c->h, (int)c->w, (int)c->ic, (int)c->oc, (int)c->pad,
                     error, bias);
        oc_free(dst);
        result_free(&r);
    }
}

/* Few channels: what is large comes from few products, and rounding shows more. */
static double tolerance_of(int tile) {
    return tile == 2 ? 2e-6 : 6e-6;
}

/* Every size around the tiles', every padding, channels around the blocks'. */
static void test_sizes(void **state) {
    (void)state;
    static const int64_t sizes[][2] = {{1, 1}, {1, 7}, {2, 2}, {3, 3}, {3, 5},   {4, 4},  {5, 4},
                                       {6, 9}, {7, 7}, {8, 8}, {9, 6}, {10, 13}, {12, 2}, {17, 16}};
    static const int64_t channels[][2] = {{16, 16}, {1, 17}, {17, 24}, {40, 16}, {24, 100}, {8, 65}, {33, 3}};
    const oc_kernels *levels[TEST_LEVELS_MOST];
    const size_t count = test_levels(levels);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (int64_t pad = 0; pad <= 2; pad++) {
            const int64_t h = sizes[s][0], w = sizes[s][1], *of = channels[(s + (size_t)pad) % 7];
            if (h + 2 * pad < 3 || w + 2 * pad < 3) continue;
            conv c;
            conv_create(&c, 3, of[0], of[1], h, w, pad, 0.3);
            for (size_t i = 0; i < count; i++)
                for (int tile = 2; tile <= 4; tile += 2)
                    check(levels[i], &c, tile, (int)(1 + s % 3), tolerance_of(tile));
            conv_destroy(&c);
        }
}

static void test_posts(void **state) {
    (void)state;
    static const oc_finish_post orders[][3] = {{OC_FINISH_ADD, OC_FINISH_RELU, OC_FINISH_ADD},
                                               {OC_FINISH_RELU, OC_FINISH_ADD, OC_FINISH_ADD}};
    const oc_kernels *levels[TEST_LEVELS_MOST];
    const size_t count = test_levels(levels);
    conv c;
    conv_create(&c, 2, 20, 24, 7, 6, 1, 0);
    for (size_t i = 0; i < count; i++)
        for (size_t order = 0; order < 2; order++)
            for (c.posts = 0; c.posts <= 3; c.posts++) {
                memcpy(c.post, orders[order], sizeof orders[order]);
                check(levels[i], &c, 2, 1, tolerance_of(2));
                check(levels[i], &c, 4, 1, tolerance_of(4));
            }
    conv_destroy(&c);
}

/* The levels but the first, which does not fuse. */
static void check_levels(const oc_kernels **levels, size_t i, const conv *c, int tile) {
    for (int which = FORWARD; i > 1 && which < PASSES; which++) {
        result one = run(levels[1], c, (pass)which, tile, 2, NULL);
        result other = run(levels[i], c, (pass)which, tile, 2, NULL);
        assert_memory_equal(one.data, other.data, (size_t)one.count * sizeof *one.data);
        result_free(&one);
        result_free(&other);
    }
}

/* Many tiles: several chunks and parts; the same bits however they are divided, and at all levels that fuse. */
static void test_division(void **state) {
    (void)state;
    static const struct {
        int64_t n, ic, oc, h, w;
    } shapes[] = {{5, 16, 24, 37, 35}, {4, 40, 130, 12, 13}, {2, 150, 72, 5, 5}};
    const oc_kernels *levels[TEST_LEVELS_MOST];
    const size_t count = test_levels(levels);
    bool parts = false, chunks = false, ranges = false, groups = false, channels = false;
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        conv c;
        conv_create(&c, shapes[s].n, shapes[s].ic, shapes[s].oc, shapes[s].h, shapes[s].w, 1, 0.2);
        for (size_t i = 0; i < count; i++)
            for (int tile = 2; tile <= 4; tile += 2) {
                check(levels[i], &c, tile, 3, tolerance_of(tile));
                check_levels(levels, i, &c, tile);
                for (int which = FORWARD; which < PASSES; which++) {
                    oc_winograd work = {0};
                    oc_winograd_backward back = {0};
                    result one = run(levels[i], &c, (pass)which, tile, 1, NULL);
                    for (int threads = 2; threads <= 3; threads++) {
                        result more = which == WEIGHTS ? run_weights(levels[i], &c, tile, threads, &back)
                                                       : run(levels[i], &c, (pass)which, tile, threads, &work);
                        assert_memory_equal(one.data, more.data, (size_t)one.count * sizeof *one.data);
                        if (which == WEIGHTS) assert_memory_equal(one.bias, more.bias, (size_t)c.oc * sizeof(float));
                        chunks |= work.chunks > 3 * work.ranges;
                        ranges |= work.ranges > 1;
                        parts |= back.parts > 1;
                        groups |= back.groups > 1;
                        channels |= back.inputs > 1;
                        result_free(&more);
                    }
                    result_free(&one);
                }
            }
        conv_destroy(&c);
    }
    assert_true(parts && chunks && ranges && groups && channels);
}

/* The errors that winograd.h states. */
static void test_error(void **state) {
    (void)state;
    const oc_kernels *levels[TEST_LEVELS_MOST];
    const size_t count = test_levels(levels);
    conv c, many;
    conv_create(&c, 1, 256, 256, 12, 12, 1, 0);
    conv_create(&many, 8, 32, 32, 32, 32, 1, 0);
    for (size_t i = 0; i < count; i++)
        for (int tile = 2; tile <= 4; tile += 2) {
            double error[PASSES], sums;
            for (int which = FORWARD; which < PASSES; which++) {
                result r = run(levels[i], &c, (pass)which, tile, 2, NULL);
                error[which] = error_of(which == FORWARD ? c.dst
                                        : which == DATA  ? c.diff_src
                                                         : c.diff_weights,
                                        r.data, r.count);
                result_free(&r);
            }
            result r = run(levels[i], &many, WEIGHTS, tile, 2, NULL);
            sums = error_of(many.diff_weights, r.data, r.count);
            result_free(&r);
            printf("%s F(%d×%d): forward %.2g, data %.2g, weights %.2g, weights over 8×32×32 %.2g\n", levels[i]->name,
                   tile, tile, error[0], error[1], error[2], sums);
            const double most = tile == 2 ? 6e-7 : 1.6e-6;
            assert_true(error[0] <= most && error[1] <= most && error[2] <= most && sums <= most);
        }
    conv_destroy(&c);
    conv_destroy(&many);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_posts),
        cmocka_unit_test(test_division),
        cmocka_unit_test(test_error),
    };
    printf("seed %u\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
