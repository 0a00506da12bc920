/* Small ensembles for tests: networks of four classes, and the same with the classes in another order. Each fails the
 * test where it cannot. */
#ifndef OC_TESTS_SUPPORT_ENSEMBLES_H
#define OC_TESTS_SUPPORT_ENSEMBLES_H

#include "models/ensemble.h"

#define TEST_NETWORK "myresnet-tiny"
#define TEST_CLASSES ((size_t)4)
extern const char *const test_codes[TEST_CLASSES];
/* Another order: its place i holds what test_codes[test_turn[i]] is. */
extern const size_t test_turn[TEST_CLASSES];

/* TEST_NETWORK for `classes` [TEST_CLASSES], its weights drawn from `seed`. */
oc_model *test_network(const char *const *classes, int64_t size, uint64_t seed);
/* test_network(test_codes, size, seed) with its classes, and the rows of its head, in the other order. */
oc_model *test_network_turned(int64_t size, uint64_t seed);
size_t test_arena_bytes(const oc_model *network);

/* What the members of test_ensemble are called: "a.safetensors" … */
extern const char *const test_labels[3];
/* An ensemble of two or three members (c NULL: two), which it takes over. */
oc_model *test_ensemble(oc_combine combine, oc_model *a, oc_model *b, oc_model *c);
/* Numbers for its combiner. */
void test_combiner_fill(oc_model *model, uint64_t seed);

#endif
