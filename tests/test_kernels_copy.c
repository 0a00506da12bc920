/* The kernels that copy, at every level: bits as they were, from each layout to each, with gaps between the blocks. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/copy.h"
#include "support/levels.h"
#include "support/maps.h"

static oc_map map_of(int form, bool apart, int64_t n, int64_t c, int64_t h, int64_t w) {
    const oc_map map = test_map((test_form)form, n, c, h, w);
    return apart ? test_map_apart(map) : map;
}

/* What is to be copied, something odd in the last image. */
static float *source_of(const oc_map *map, uint64_t seed) {
    static const float odd[] = {NAN, -0.F, -INFINITY, 1e-40F};
    float *data = test_map_new(map, false, 0, seed);
    for (int i = 0; i < 4; i++)
        data[test_map_at(map, map->images - 1, i % map->channels, i * 3 % (map->h * map->w))] = odd[i];
    return data;
}

/* Element (n, c, pixel) of `to` is that of `from`, or 0 where that is NULL. */
static void check_element(const float *to, const float *from) {
    const float zero = 0;
    assert_memory_equal(to, from ? from : &zero, sizeof *to);
}

static void check_channels_between(const oc_copy_kernels *copy, const oc_map *to_map, const oc_map *from_map,
                                   int64_t shift) {
    float *from = source_of(from_map, 3), *to = test_map_new(to_map, true, 0, 4);
    test_range range[TEST_RANGES];
    test_ranges(to_map->images * to_map->blocks, range);
    for (int r = 0; r < TEST_RANGES; r++)
        copy->channels(to_map, to, from_map, from, shift, range[r].begin, range[r].end);
    for (int64_t n = 0; n < to_map->images; n++)
        for (int64_t c = 0; c < to_map->channels; c++)
            for (int64_t p = 0; p < to_map->h * to_map->w; p++) {
                const bool there = c + shift >= 0 && c + shift < from_map->channels;
                check_element(to + test_map_at(to_map, n, c, p),
                              there ? from + test_map_at(from_map, n, c + shift, p) : NULL);
            }
    test_map_check_padding(to_map, to);
    test_guarded_free(from), test_guarded_free(to);
}

static void check_channels(const oc_kernels *level) {
    static const struct {
        int64_t to, from, shift;
    } cases[] = {{8, 16, 0},  {8, 16, 8},  {5, 23, 7},    {23, 5, -7}, {23, 5, 0}, {1, 1, 0},    {16, 16, -3},
                 {16, 16, 3}, {37, 40, 1}, {40, 21, -16}, {3, 4, 9},   {3, 4, -9}, {33, 17, -24}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int forms = 0; forms < TEST_FORMS * TEST_FORMS; forms++)
            for (int apart = 0; apart < 4; apart++) {
                const oc_map to = map_of(forms % TEST_FORMS, apart % 2, 3, cases[i].to, 3, 5);
                const oc_map from = map_of(forms / TEST_FORMS, apart / 2, 3, cases[i].from, 3, 5);
                check_channels_between(level->copy, &to, &from, cases[i].shift);
            }
}

static void test_channels(void **state) {
    (void)state;
    test_each_level(check_channels);
}

static void check_subsampled(const oc_copy_kernels *copy, const oc_map *src_map, const oc_map *dst_map,
                             int64_t stride) {
    float *src = source_of(src_map, 5), *dst = test_map_new(dst_map, true, 0, 6);
    float *diff_dst = source_of(dst_map, 7), *diff_src = test_map_new(src_map, true, 0, 8);
    test_range range[TEST_RANGES];
    test_ranges(src_map->images * src_map->blocks, range);
    for (int r = 0; r < TEST_RANGES; r++) {
        copy->subsample(dst_map, dst, src_map, src, stride, range[r].begin, range[r].end);
        copy->subsample_backward(src_map, diff_src, dst_map, diff_dst, stride, range[r].begin, range[r].end);
    }
    for (int64_t n = 0; n < src_map->images; n++)
        for (int64_t c = 0; c < src_map->channels; c++)
            for (int64_t y = 0; y < src_map->h; y++)
                for (int64_t x = 0; x < src_map->w; x++) {
                    const bool kept =
                        y % stride == 0 && x % stride == 0 && y / stride < dst_map->h && x / stride < dst_map->w;
                    const size_t of_src = test_map_at(src_map, n, c, y * src_map->w + x);
                    const size_t of_dst = kept ? test_map_at(dst_map, n, c, y / stride * dst_map->w + x / stride) : 0;
                    if (kept) check_element(dst + of_dst, src + of_src);
                    check_element(diff_src + of_src, kept ? diff_dst + of_dst : NULL);
                }
    test_map_check_padding(dst_map, dst);
    test_map_check_padding(src_map, diff_src);
    test_guarded_free(src), test_guarded_free(dst), test_guarded_free(diff_dst), test_guarded_free(diff_src);
}

static void check_subsample(const oc_kernels *level) {
    static const int64_t sizes[][2] = {{1, 1}, {5, 8}, {7, 3}, {12, 9}}, channels[] = {1, 8, 19, 32};
    for (int64_t stride = 1; stride <= 4; stride++)
        for (int k = 0; k < 4 * 4 * TEST_FORMS * 4; k++) {
            const int64_t h = sizes[k % 4][0], w = sizes[k % 4][1], c = channels[k / 4 % 4];
            const int form = k / 16 % TEST_FORMS;
            const oc_map src = map_of(form, k / 64 % 2, 2, c, h, w);
            const oc_map dst = map_of(form, k / 128, 2, c, (h + stride - 1) / stride, (w + stride - 1) / stride);
            check_subsampled(level->copy, &src, &dst, stride);
        }
}

static void test_subsample(void **state) {
    (void)state;
    test_each_level(check_subsample);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_subsample),
    };
    printf("seed %u\n", TEST_SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
