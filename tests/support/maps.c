#include "support/maps.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"

#define GUARD 256 /* bytes */

/* Lies before the guard in front. */
typedef struct head {
    void *memory;
    size_t bytes;
} head;

oc_map test_map(test_form form, int64_t n, int64_t c, int64_t h, int64_t w) {
    const int64_t block[TEST_FORMS] = {1, 8, 16, c};
    oc_map map = {.images = n, .channels = c, .h = h, .w = w, .block = block[form]};
    map.blocks = (c + map.block - 1) / map.block;
    map.block_stride = h * w * map.block;
    map.image_stride = map.blocks * map.block_stride;
    return map;
}

oc_map test_map_apart(oc_map map) {
    map.block_stride += map.block + 3;
    map.image_stride = map.blocks * map.block_stride + 5;
    return map;
}

size_t test_map_size(const oc_map *map) {
    return (size_t)(map->images * map->image_stride);
}

size_t test_map_at(const oc_map *map, int64_t n, int64_t c, int64_t pixel) {
    return (size_t)(n * map->image_stride + c / map->block * map->block_stride + pixel * map->block + c % map->block);
}

void *test_guarded(size_t count, size_t size, size_t shift) {
    const size_t bytes = count * size;
    unsigned char *memory = NULL;
    assert_int_equal(oc_alloc(&memory, bytes + 2 * GUARD + 128 + shift * size, 1, NULL), OC_OK);
    unsigned char *data = memory + GUARD;
    data += (64 - (uintptr_t)data % 64) % 64 + shift * size;
    memset(data - GUARD, 0xa5, GUARD);
    memset(data, 0xff, bytes);
    memset(data + bytes, 0xa5, GUARD);
    memcpy(data - GUARD, &(head){memory, bytes}, sizeof(head));
    return data;
}

void test_guarded_free(void *memory) {
    unsigned char *data = memory;
    head h;
    memcpy(&h, data - GUARD, sizeof h);
    for (size_t i = sizeof h; i < GUARD; i++) assert_int_equal(data[(ptrdiff_t)i - GUARD], 0xa5);
    for (size_t i = 0; i < GUARD; i++) assert_int_equal(data[h.bytes + i], 0xa5);
    oc_free(h.memory);
}

float *test_floats(size_t count, double mean, uint64_t seed) {
    float *data = test_guarded(count, sizeof *data, seed % 3);
    oc_random random;
    oc_random_init(&random, TEST_SEED, OC_RANDOM_TEST, 78, seed);
    for (size_t i = 0; i < count; i++) data[i] = (float)(mean + oc_random_normal(&random));
    return data;
}

float *test_floats_copy(const float *from, size_t count) {
    float *data = test_guarded(count, sizeof *data, 1);
    memcpy(data, from, count * sizeof *data);
    return data;
}

/* Zeros, but for the gaps. */
static void clear(const oc_map *map, float *data) {
    for (int64_t part = 0; part < map->images * map->blocks; part++)
        memset(data + part / map->blocks * map->image_stride + part % map->blocks * map->block_stride, 0,
               (size_t)(map->h * map->w * map->block) * sizeof *data);
}

float *test_map_new(const oc_map *map, bool written, double mean, uint64_t seed) {
    float *data = test_guarded(test_map_size(map), sizeof *data, seed % 3); /* some lie across vectors */
    oc_random random;
    if (written) return data;
    clear(map, data);
    oc_random_init(&random, TEST_SEED, OC_RANDOM_TEST, 77, seed);
    for (int64_t n = 0; n < map->images; n++)
        for (int64_t c = 0; c < map->channels; c++)
            for (int64_t i = 0; i < map->h * map->w; i++)
                data[test_map_at(map, n, c, i)] = (float)(mean + oc_random_normal(&random));
    return data;
}

float *test_map_copy(const oc_map *map, const oc_map *from_map, const float *from) {
    float *data = test_guarded(test_map_size(map), sizeof *data, 1);
    clear(map, data);
    for (int64_t n = 0; n < map->images; n++)
        for (int64_t c = 0; c < map->channels; c++)
            for (int64_t i = 0; i < map->h * map->w; i++)
                data[test_map_at(map, n, c, i)] = from[test_map_at(from_map, n, c, i)];
    return data;
}

void test_map_check_padding(const oc_map *map, const float *data) {
    for (int64_t n = 0; n < map->images; n++)
        for (int64_t c = map->channels; c < map->blocks * map->block; c++)
            for (int64_t i = 0; i < map->h * map->w; i++) assert_true(data[test_map_at(map, n, c, i)] == 0);
    const uint32_t untouched = UINT32_MAX; /* test_guarded's */
    for (int64_t i = 0; i < map->images * map->image_stride; i++) {
        const int64_t in_image = i % map->image_stride, in_block = in_image % map->block_stride;
        if (in_image / map->block_stride < map->blocks && in_block < map->h * map->w * map->block) continue;
        assert_memory_equal(data + i, &untouched, sizeof untouched);
    }
}

void test_ranges(int64_t count, test_range range[TEST_RANGES]) {
    const int64_t first = count < 1 ? count : 1, second = count < 2 ? count : 2;
    range[0] = (test_range){first, second};
    range[1] = (test_range){second, count};
    range[2] = (test_range){0, first};
}

void test_near(double is, double want, double tolerance) {
    if (isnan(want) ? isnan(is) : is == want || fabs(is - want) <= tolerance) return;
    fail_msg("%.9g is not %.9g to %.3g", is, want, tolerance);
}

void test_same_floats(const char *what, const float *is, const float *want, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!(isnan(want[i]) && isnan(is[i])) && memcmp(is + i, want + i, sizeof *is) != 0)
            fail_msg("%s: number %zu of %zu is %a, not %a", what, i, count, (double)is[i], (double)want[i]);
}
