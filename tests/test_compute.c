/* What lies below the operators: layouts, and our own kernels on layouts that the tested models do not use. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "compute/conv/conv.h"
#include "compute/copy.h"
#include "compute/elementwise.h"
#include "compute/norm.h"
#include "compute/pool.h"
#include "compute/reorder.h"
#include "support/engine.h"

#define SEED 77U

static void *bytes(size_t count) {
    void *memory = NULL;
    assert_int_equal(oc_alloc(&memory, count ? count : 1, 1, NULL), OC_OK);
    return memory;
}

static void test_layouts(void **state) {
    (void)state;
    char text[64];
    oc_map map;
    oc_shape shape = oc_shape_make(4, 2, 19, 3, 5);
    oc_layout plain = oc_layout_plain(OC_F32, &shape), last = oc_layout_channels_last(OC_F32, &shape);
    oc_layout blocked = oc_layout_blocked(OC_F32, &shape, 8), absent = {0}, small = oc_layout_plain(OC_U8, &shape);
    oc_layout one = oc_layout_blocked(OC_F32, &shape, 1), packed = oc_layout_packed("a test", &shape, 77);
    assert_string_equal(oc_layout_text(&plain, text, sizeof text), "f32 abcd");
    assert_string_equal(oc_layout_text(&last, text, sizeof text), "f32 acdb");
    assert_string_equal(oc_layout_text(&blocked, text, sizeof text), "f32 aBcd8b");
    assert_string_equal(oc_layout_text(&packed, text, sizeof text), "packed for a test");
    assert_string_equal(oc_layout_text(&absent, text, sizeof text), "-");
    assert_string_equal(oc_layout_text(&small, text, sizeof text), "u8 abcd");
    assert_string_equal(oc_layout_text(&plain, text, 5), "f32 ");
    assert_int_equal(oc_layout_bytes(&plain), 2 * 19 * 15 * 4);
    assert_int_equal(oc_layout_bytes(&small), 2 * 19 * 15);
    assert_int_equal(oc_layout_bytes(&blocked), 2 * 24 * 15 * 4);
    assert_int_equal(oc_layout_bytes(&packed), 77);
    assert_int_equal(oc_layout_bytes(&absent), 0);
    assert_true(oc_layout_absent(&absent) && !oc_layout_absent(&plain));
    oc_layout copy = blocked;
    assert_true(oc_layout_equal(&copy, &blocked) && !oc_layout_equal(&plain, &blocked));
    assert_false(oc_layout_equal(&plain, &small));
    assert_true(oc_layout_equal(&one, &plain) && !oc_layout_equal(&last, &plain));
    assert_true(oc_layout_map(&blocked, &map));
    assert_true(map.images == 2 && map.channels == 19 && map.h == 3 && map.w == 5 && map.block == 8 && map.blocks == 3);
    assert_true(map.block_stride == 15 * 8 && map.image_stride == 3 * 15 * 8);
    assert_true(oc_layout_map(&last, &map) && map.block == 19 && map.blocks == 1 && map.image_stride == 15 * 19);
    assert_true(oc_layout_map(&plain, &map) && map.block == 1 && map.blocks == 19 && map.block_stride == 15);
    assert_false(oc_layout_map(&packed, &map) || oc_layout_map(&small, &map));
}

/* Runs primitive on the buffers of its used slots; those with NULL get memory of their own, which is thrown away. */
static void run(oc_primitive *primitive, void *const data[OC_SLOTS]) {
    void *scratch = NULL;
    for (int slot = 0; slot < OC_SLOTS; slot++) {
        const oc_layout *layout = oc_primitive_layout(primitive, (oc_slot)slot);
        if (oc_layout_absent(layout)) continue;
        if (slot == OC_SLOT_SCRATCHPAD) scratch = bytes(oc_layout_bytes(layout));
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

static float *random_floats(size_t count, uint64_t seed, double mean) {
    oc_random random;
    float *data = bytes(count * sizeof *data);
    oc_random_init(&random, seed, OC_RANDOM_TEST, 5, 0);
    for (size_t i = 0; i < count; i++) data[i] = (float)(mean + oc_random_normal(&random));
    return data;
}

/* A batch norm's mean and variance with a mean far from zero, where sums of squares in single precision would be wrong
 * by percents. */
static void test_moments(void **state) {
    const test_engine *f = *state;
    const int64_t n = 3, c = 19, h = 13, w = 11;
    oc_shape shape = oc_shape_make(4, n, c, h, w);
    oc_layout plain = oc_layout_plain(OC_F32, &shape),
              blocked = oc_layout_blocked(OC_F32, &shape, oc_engine_block(f->engine));
    const oc_norm_spec spec = {.epsilon = 1e-5F, .training = true};
    float *data = random_floats((size_t)(n * c * h * w), SEED, 300), *moved = bytes(oc_layout_bytes(&blocked));
    float *dst = bytes(oc_layout_bytes(&blocked)), scale[19] = {0}, shift[19] = {0};
    reorder(f, &plain, data, &blocked, moved);
    for (int form = 0; form < 2; form++) {
        float mean[19], variance[19];
        oc_primitive *primitive = NULL;
        assert_int_equal(oc_norm_forward_create(&primitive, f->engine, "test", &spec, form ? &blocked : &plain, NULL),
                         OC_OK);
        run(primitive, (void *[OC_SLOTS]){[OC_SLOT_SRC] = form ? moved : data,
                                          [OC_SLOT_SCALE] = scale,
                                          [OC_SLOT_SHIFT] = shift,
                                          [OC_SLOT_MEAN] = mean,
                                          [OC_SLOT_VARIANCE] = variance,
                                          [OC_SLOT_DST] = dst});
        oc_primitive_destroy(&primitive);
        for (int64_t k = 0; k < c; k++) {
            double sum = 0, squares = 0, count = (double)(n * h * w);
            for (int64_t i = 0; i < n * h * w; i++) sum += data[(i / (h * w) * c + k) * h * w + i % (h * w)];
            for (int64_t i = 0; i < n * h * w; i++)
                squares += pow(data[(i / (h * w) * c + k) * h * w + i % (h * w)] - sum / count, 2);
            assert_true(fabs(mean[k] - sum / count) < 1e-7 * 300);
            assert_true(fabs(variance[k] - squares / count) < 2e-5 * squares / count);
        }
    }
    oc_free(data);
    oc_free(moved);
    oc_free(dst);
}

/* A pool with overlapping, padded windows, forward and backward, on both layouts, against the definition. */
static void pool_case(const test_engine *f, int64_t kernel, int64_t stride, int64_t pad, int64_t h, int64_t w) {
    const int64_t n = 2, c = 11, oh = (h + 2 * pad - kernel) / stride + 1, ow = (w + 2 * pad - kernel) / stride + 1;
    const size_t count = (size_t)(n * c * h * w), out = (size_t)(n * c * oh * ow);
    oc_shape shape = oc_shape_make(4, n, c, h, w), pooled = oc_shape_make(4, n, c, oh, ow);
    const oc_pool_spec spec = {kernel, stride, pad, true};
    oc_layout src_plain = oc_layout_plain(OC_F32, &shape), dst_plain = oc_layout_plain(OC_F32, &pooled);
    float *src = random_floats(count, SEED + 1, 0), *diff = random_floats(out, SEED + 2, 0);
    float *want = bytes(out * sizeof *want), *want_diff = bytes(count * sizeof *want_diff);
    float *got = bytes(out * sizeof *got), *got_diff = bytes(count * sizeof *got_diff);
    for (size_t i = 0; i < out; i++) {
        int64_t plane = (int64_t)i / (oh * ow), y0 = (int64_t)i / ow % oh * stride - pad;
        int64_t x0 = (int64_t)i % ow * stride - pad, best = -1;
        for (int64_t y = y0; y < y0 + kernel; y++)
            for (int64_t x = x0; x < x0 + kernel; x++) {
                int64_t at = (plane * h + y) * w + x;
                if (y < 0 || x < 0 || y >= h || x >= w) continue;
                if (best < 0 || src[at] > src[best]) best = at;
            }
        want[i] = src[best];
        want_diff[best] += diff[i];
    }
    for (int form = 0; form < 2; form++) {
        oc_layout layout = form ? oc_layout_blocked(OC_F32, &shape, oc_engine_block(f->engine)) : src_plain;
        oc_primitive *forward = NULL, *backward = NULL;
        assert_int_equal(oc_pool_forward_create(&forward, f->engine, "test", &spec, &layout, &pooled, NULL), OC_OK);
        const oc_layout *dst = oc_primitive_layout(forward, OC_SLOT_DST);
        assert_int_equal(oc_pool_backward_create(&backward, f->engine, "test", &spec, &layout, dst, NULL), OC_OK);
        void *a = bytes(oc_layout_bytes(&layout)), *b = bytes(oc_layout_bytes(dst));
        void *open = bytes(oc_layout_bytes(oc_primitive_layout(forward, OC_SLOT_WORKSPACE)));
        reorder(f, &src_plain, src, &layout, a);
        run(forward, (void *[OC_SLOTS]){[OC_SLOT_SRC] = a, [OC_SLOT_DST] = b, [OC_SLOT_WORKSPACE] = open});
        reorder(f, dst, b, &dst_plain, got);
        assert_memory_equal(got, want, out * sizeof *got);
        reorder(f, &dst_plain, diff, dst, b);
        memset(a, 0xff, oc_layout_bytes(&layout)); /* what was there does not count */
        run(backward, (void *[OC_SLOTS]){[OC_SLOT_DIFF_SRC] = a, [OC_SLOT_DIFF_DST] = b, [OC_SLOT_WORKSPACE] = open});
        reorder(f, &layout, a, &src_plain, got_diff);
        for (size_t i = 0; i < count; i++) assert_true(fabsf(got_diff[i] - want_diff[i]) < 1e-6F);
        oc_primitive_destroy(&forward);
        oc_primitive_destroy(&backward);
        oc_free(a);
        oc_free(b);
        oc_free(open);
    }
    oc_free(src);
    oc_free(diff);
    oc_free(want);
    oc_free(want_diff);
    oc_free(got);
    oc_free(got_diff);
}

static void test_pool(void **state) {
    pool_case(*state, 2, 2, 0, 6, 8);
    pool_case(*state, 2, 2, 0, 7, 5); /* a row and a column that no window covers */
    pool_case(*state, 3, 2, 1, 8, 7);
    pool_case(*state, 3, 1, 1, 4, 4);
    pool_case(*state, 5, 3, 2, 9, 10);
    pool_case(*state, 2, 2, 0, 2, 2); /* down to one pixel */
}

/* Channels last is among them, which nothing here asks for by itself. */
#define FORMS 4
static oc_layout layout_of(int form, const oc_shape *shape) {
    return form == 0   ? oc_layout_plain(OC_F32, shape)
           : form == 1 ? oc_layout_blocked(OC_F32, shape, 8)
           : form == 2 ? oc_layout_blocked(OC_F32, shape, 16)
                       : oc_layout_channels_last(OC_F32, shape);
}

/* What a part of an image is: channels from `begin` on, every stride-th pixel, the mean of all, or means of windows. */
typedef enum part_kind { PART_SLICE, PART_SUBSAMPLE, PART_MEAN, PART_AVERAGE } part_kind;
static const oc_pool_spec windows = {3, 2, 1, true};

static void part_create(const test_engine *f, part_kind kind, int64_t number, const oc_layout *src, const oc_shape *dst,
                        oc_primitive **forward, oc_primitive **backward) {
    const oc_layout *out;
    oc_error err = {0};
    switch (kind) {
    case PART_SLICE:
        assert_int_equal(oc_slice_forward_create(forward, f->engine, "test", number, dst->dim[1], src, &err), OC_OK);
        out = oc_primitive_layout(*forward, OC_SLOT_DST);
        assert_int_equal(oc_slice_backward_create(backward, f->engine, "test", number, src, out, &err), OC_OK);
        break;
    case PART_SUBSAMPLE:
        assert_int_equal(oc_subsample_forward_create(forward, f->engine, "test", number, src, &err), OC_OK);
        out = oc_primitive_layout(*forward, OC_SLOT_DST);
        assert_int_equal(oc_subsample_backward_create(backward, f->engine, "test", number, src, out, &err), OC_OK);
        break;
    case PART_MEAN:
        assert_int_equal(oc_mean_forward_create(forward, f->engine, "test", src, &err), OC_OK);
        out = oc_primitive_layout(*forward, OC_SLOT_DST);
        assert_int_equal(oc_mean_backward_create(backward, f->engine, "test", src, out, &err), OC_OK);
        break;
    default:
        assert_int_equal(oc_average_forward_create(forward, f->engine, "test", &windows, src, dst, &err), OC_OK);
        out = oc_primitive_layout(*forward, OC_SLOT_DST);
        assert_int_equal(oc_average_backward_create(backward, f->engine, "test", &windows, src, out, &err), OC_OK);
        break;
    }
    assert_true(oc_shape_equal(&out->shape, dst));
}

/* The share of src's element (n, c, y, x) in dst's (n, dc, dy, dx), n being equal. */
static double part_share(part_kind kind, int64_t number, const oc_shape *src, int64_t c, int64_t y, int64_t x,
                         int64_t dc, int64_t dy, int64_t dx) {
    const int64_t h = src->dim[2], w = src->dim[3];
    const int64_t top = dy * windows.stride - windows.pad, left = dx * windows.stride - windows.pad;
    const int64_t bottom = top + windows.kernel, right = left + windows.kernel;
    if (c != (kind == PART_SLICE ? dc + number : dc)) return 0;
    switch (kind) {
    case PART_SLICE:
        return y == dy && x == dx;
    case PART_SUBSAMPLE:
        return y == dy * number && x == dx * number;
    case PART_MEAN:
        return 1.0 / (double)(h * w);
    default:
        if (y < top || y >= bottom || x < left || x >= right) return 0;
        return 1.0 / (double)(((bottom < h ? bottom : h) - (top > 0 ? top : 0)) *
                              ((right < w ? right : w) - (left > 0 ? left : 0)));
    }
}

/* The bytes of a blocked layout's padding must be zero after the primitive, whatever was there. */
static void check_padding(const test_engine *f, const oc_layout *layout, const float *data) {
    oc_layout plain = oc_layout_plain(OC_F32, &layout->shape);
    float *there = bytes(oc_layout_bytes(&plain)), *back = bytes(oc_layout_bytes(layout));
    reorder(f, layout, data, &plain, there);
    reorder(f, &plain, there, layout, back);
    assert_memory_equal(data, back, oc_layout_bytes(layout));
    oc_free(there);
    oc_free(back);
}

static void part_case(const test_engine *f, part_kind kind, int64_t number, oc_shape shape, oc_shape part) {
    oc_layout src_plain = oc_layout_plain(OC_F32, &shape), dst_plain = oc_layout_plain(OC_F32, &part);
    const size_t count = (size_t)oc_shape_count(&shape), out = (size_t)oc_shape_count(&part);
    const int64_t per_c = shape.dim[2] * shape.dim[3], per_n = shape.dim[1] * per_c;
    const int64_t out_c = part.dim[2] * part.dim[3], out_n = part.dim[1] * out_c;
    float *src = random_floats(count, SEED + 3, 10), *diff = random_floats(out, SEED + 4, 0);
    double *want = bytes(out * sizeof *want), *want_diff = bytes(count * sizeof *want_diff);
    float *got = bytes(out * sizeof *got), *got_diff = bytes(count * sizeof *got_diff);
    for (int64_t i = 0; i < (int64_t)count; i++)
        for (int64_t j = i / per_n * out_n; j < (i / per_n + 1) * out_n; j++) {
            double share = part_share(kind, number, &shape, i % per_n / per_c, i % per_c / shape.dim[3],
                                      i % shape.dim[3], j % out_n / out_c, j % out_c / part.dim[3], j % part.dim[3]);
            want[j] += share * src[i];
            want_diff[i] += share * diff[j];
        }
    for (int form = 0; form < FORMS; form++) {
        oc_layout layout = layout_of(form, &shape);
        oc_primitive *forward = NULL, *backward = NULL;
        part_create(f, kind, number, &layout, &part, &forward, &backward);
        const oc_layout dst = *oc_primitive_layout(forward, OC_SLOT_DST);
        float *a = bytes(oc_layout_bytes(&layout)), *b = bytes(oc_layout_bytes(&dst));
        reorder(f, &src_plain, src, &layout, a);
        memset(b, 0xff, oc_layout_bytes(&dst));
        run(forward, (void *[OC_SLOTS]){[OC_SLOT_SRC] = a, [OC_SLOT_DST] = b});
        check_padding(f, &dst, b);
        reorder(f, &dst, b, &dst_plain, got);
        for (size_t i = 0; i < out; i++) assert_true(fabs(got[i] - want[i]) < 2e-7 * 20);
        reorder(f, &dst_plain, diff, &dst, b);
        memset(a, 0xff, oc_layout_bytes(&layout));
        run(backward, (void *[OC_SLOTS]){[OC_SLOT_DIFF_SRC] = a, [OC_SLOT_DIFF_DST] = b});
        check_padding(f, &layout, a);
        reorder(f, &layout, a, &src_plain, got_diff);
        for (size_t i = 0; i < count; i++) assert_true(fabs(got_diff[i] - want_diff[i]) < 1e-6);
        oc_primitive_destroy(&forward);
        oc_primitive_destroy(&backward);
        oc_free(a);
        oc_free(b);
    }
    oc_free(src);
    oc_free(diff);
    oc_free(want);
    oc_free(want_diff);
    oc_free(got);
    oc_free(got_diff);
}

static void test_parts(void **state) {
    static const int64_t slices[][2] = {{0, 8}, {8, 8}, {16, 11}, {3, 17}, {26, 1}, {0, 27}};
    for (size_t i = 0; i < sizeof slices / sizeof slices[0]; i++) {
        const int64_t begin = slices[i][0], count = slices[i][1];
        part_case(*state, PART_SLICE, begin, oc_shape_make(4, 3, 27, 2, 3), oc_shape_make(4, 3, count, 2, 3));
        part_case(*state, PART_SLICE, begin, oc_shape_make(4, 1, 27, 1, 1), oc_shape_make(4, 1, count, 1, 1));
    }
    part_case(*state, PART_SUBSAMPLE, 2, oc_shape_make(4, 3, 11, 5, 6), oc_shape_make(4, 3, 11, 3, 3));
    part_case(*state, PART_SUBSAMPLE, 3, oc_shape_make(4, 1, 16, 7, 2), oc_shape_make(4, 1, 16, 3, 1));
    part_case(*state, PART_SUBSAMPLE, 7, oc_shape_make(4, 2, 19, 3, 4), oc_shape_make(4, 2, 19, 1, 1));
    part_case(*state, PART_MEAN, 0, oc_shape_make(4, 3, 11, 5, 6), oc_shape_make(4, 3, 11, 1, 1));
    part_case(*state, PART_MEAN, 0, oc_shape_make(4, 1, 19, 13, 17), oc_shape_make(4, 1, 19, 1, 1));
    part_case(*state, PART_MEAN, 0, oc_shape_make(4, 2, 8, 1, 1), oc_shape_make(4, 2, 8, 1, 1));
    part_case(*state, PART_AVERAGE, 0, oc_shape_make(4, 3, 11, 5, 6), oc_shape_make(4, 3, 11, 3, 3));
    part_case(*state, PART_AVERAGE, 0, oc_shape_make(4, 1, 16, 4, 7), oc_shape_make(4, 1, 16, 3, 4));
    part_case(*state, PART_AVERAGE, 0, oc_shape_make(4, 2, 8, 2, 1), oc_shape_make(4, 2, 8, 1, 1));
}

/* The mean of a large image, which a running sum in single precision would miss in the fourth digit. */
static void test_exact_mean(void **state) {
    const test_engine *f = *state;
    oc_shape shape = oc_shape_make(4, 1, 16, 200, 200); /* the same in every order, and blocks are filled */
    const size_t count = (size_t)oc_shape_count(&shape);
    float *src = bytes(count * sizeof *src), mean[16];
    for (size_t i = 0; i < count; i++) src[i] = 0.1F;
    for (int form = 0; form < FORMS; form++) {
        oc_layout layout = layout_of(form, &shape);
        oc_primitive *primitive = NULL;
        assert_int_equal(oc_mean_forward_create(&primitive, f->engine, "test", &layout, NULL), OC_OK);
        run(primitive, (void *[OC_SLOTS]){[OC_SLOT_SRC] = src, [OC_SLOT_DST] = mean});
        for (int c = 0; c < 16; c++) assert_true(fabs(mean[c] - (double)0.1F) < 1e-7);
        oc_primitive_destroy(&primitive);
    }
    oc_free(src);
}

/* NaN is never lost on the way, or nobody could say where it came from. */
static void test_nan(void **state) {
    const test_engine *f = *state;
    oc_shape shape = oc_shape_make(4, 1, 16, 2, 2), pooled = oc_shape_make(4, 1, 16, 1, 1);
    oc_layout layout = oc_layout_blocked(OC_F32, &shape, oc_engine_block(f->engine));
    const oc_pool_spec spec = {2, 2, 0, false};
    for (int place = 0; place < 4; place++) {
        float *src = random_floats(64, SEED, 0), dst[64], sum[64];
        oc_primitive *primitive = NULL;
        src[16 * (place / 2) + 8 * (place % 2) + 3] = NAN;
        assert_int_equal(oc_pool_forward_create(&primitive, f->engine, "test", &spec, &layout, &pooled, NULL), OC_OK);
        run(primitive, (void *[OC_SLOTS]){[OC_SLOT_SRC] = src, [OC_SLOT_DST] = dst});
        oc_primitive_destroy(&primitive);
        int nan = 0;
        for (int i = 0; i < 16; i++) nan += isnan(dst[i]) != 0;
        assert_int_equal(nan, 1);
        assert_int_equal(oc_join_forward_create(&primitive, f->engine, "test", true, false, &layout, NULL), OC_OK);
        run(primitive,
            (void *[OC_SLOTS]){[OC_SLOT_SRC] = src, [OC_SLOT_SRC_1] = src, [OC_SLOT_SRC_2] = src, [OC_SLOT_DST] = sum});
        oc_primitive_destroy(&primitive);
        assert_true(isnan(sum[16 * (place / 2) + 8 * (place % 2) + 3]));
        assert_int_equal(oc_relu_forward_create(&primitive, f->engine, "test", &layout, NULL), OC_OK);
        run(primitive, (void *[OC_SLOTS]){[OC_SLOT_SRC] = src, [OC_SLOT_DST] = src});
        oc_primitive_destroy(&primitive);
        assert_true(isnan(src[16 * (place / 2) + 8 * (place % 2) + 3]));
        oc_free(src);
    }
}

/* What no kernel can take is an error that names the layer and the layout. */
static void test_refused(void **state) {
    const test_engine *f = *state;
    oc_error err = {0};
    oc_primitive *primitive = NULL;
    oc_shape src = oc_shape_make(4, 1, 4, 5, 5), wrong = oc_shape_make(3, 4, 4, 5);
    oc_layout cube = oc_layout_plain(OC_F32, &wrong), integers = oc_layout_plain(OC_I32, &src);
    const oc_norm_spec norm = {.training = true};
    assert_int_equal(oc_norm_forward_create(&primitive, f->engine, "layer8", &norm, &cube, &err), OC_E_COMPUTE);
    assert_null(primitive);
    assert_string_equal(err.where, "layer8");
    assert_non_null(strstr(err.message, "unsupported layout f32 abc"));
    assert_int_equal(oc_reorder_create(&primitive, f->engine, "layer7", &integers, &integers, &err), OC_E_COMPUTE);
    assert_null(primitive);
    assert_string_equal(err.where, "layer7");
    assert_non_null(strstr(err.message, "reorder"));
    const oc_pool_spec large = {17, 1, 0, false};
    oc_layout image = oc_layout_plain(OC_F32, &src);
    assert_int_equal(oc_pool_forward_create(&primitive, f->engine, "layer9", &large, &image, &src, &err), OC_E_COMPUTE);
    assert_null(primitive);
    oc_primitive_destroy(&primitive);
    oc_primitive_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts), cmocka_unit_test(test_moments),    cmocka_unit_test(test_pool),
        cmocka_unit_test(test_parts),   cmocka_unit_test(test_exact_mean), cmocka_unit_test(test_nan),
        cmocka_unit_test(test_refused),
    };
    print_message("seed %u\n", SEED);
    return cmocka_run_group_tests(tests, test_engine_setup, test_engine_teardown);
}
