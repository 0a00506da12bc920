/* Feature maps and arrays for tests of kernels: every kind of layout, with memory around them that must stay as it is.
 */
#ifndef OC_TESTS_SUPPORT_MAPS_H
#define OC_TESTS_SUPPORT_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/map.h"

#define TEST_SEED 20240918U /* of the random numbers here, and of the tests that print it */

typedef enum test_form { TEST_PLAIN, TEST_BLOCKED_8, TEST_BLOCKED_16, TEST_LAST, TEST_FORMS } test_form;

/* How [n, c, h, w] lies in a form. */
oc_map test_map(test_form form, int64_t n, int64_t c, int64_t h, int64_t w);

/* The same map with gaps between blocks and between images, as in a part of a larger one. */
oc_map test_map_apart(oc_map map);

/* Floats of a map, padding and gaps included. */
size_t test_map_size(const oc_map *map);

/* Where element (n, c, pixel) lies. */
size_t test_map_at(const oc_map *map, int64_t n, int64_t c, int64_t pixel);

/* `count` numbers of `size` bytes with a guard on either side, filled with 0xff (NaN); test_guarded_free sees that the
 * guards are whole. They begin at a multiple of 64 bytes, plus `shift`·size. */
void *test_guarded(size_t count, size_t size, size_t shift);
void test_guarded_free(void *memory);

/* Guarded memory with `count` random numbers, normal around `mean`; some lie across vectors. */
float *test_floats(size_t count, double mean, uint64_t seed);

/* Guarded memory with the same `count` numbers. */
float *test_floats_copy(const float *from, size_t count);

/* Guarded memory for a map; `written`: all NaN, as what a kernel writes; else random, normal around `mean`, with zeros
 * for padding and NaN in the gaps. */
float *test_map_new(const oc_map *map, bool written, double mean, uint64_t seed);

/* Guarded memory for a map with the numbers of another one of the same shape, else like a random one. */
float *test_map_copy(const oc_map *map, const oc_map *from_map, const float *from);

/* Fails the test unless the padding is zero and the gaps are untouched. */
void test_map_check_padding(const oc_map *map, const float *data);

/* Pieces of numbered work [begin, end) that are done one after the other: those of `count`, none twice, out of order.
 */
#define TEST_RANGES 3
typedef struct test_range {
    int64_t begin, end;
} test_range;
void test_ranges(int64_t count, test_range range[TEST_RANGES]);

/* Fails the test unless is and want agree to `tolerance`, or are the same infinity, or both NaN. */
void test_near(double is, double want, double tolerance);

/* Fails the test, saying `what` differs, unless `count` floats have the same bits, any NaN being as good as another. */
void test_same_floats(const char *what, const float *is, const float *want, size_t count);

#endif
