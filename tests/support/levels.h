/* Tests of kernels run at every level that the processor has, and with the wide build (sixteen lanes as pairs of
 * registers of AVX2), so that no path goes untested because of where one happens to sit. */
#ifndef OC_TESTS_SUPPORT_LEVELS_H
#define OC_TESTS_SUPPORT_LEVELS_H

#include <stddef.h>

#include "kernels/kernels.h"

#define TEST_LEVELS_MOST (OC_CPU_LEVELS + 1)

/* Fills list[TEST_LEVELS_MOST] with the tables that can run here, prints their names, and returns how many. */
size_t test_levels(const oc_kernels **list);

/* The same level's table for maps of bfloat16. */
const oc_kernels *test_level_bf16(const oc_kernels *level);

/* Fills list[TEST_LEVELS_MOST] with the tables for maps of bfloat16 that multiply bfloat16 and can run here: with the
 * processor's instruction, if it has it, and the wide build's emulation of that, which comes last. Prints their names,
 * and returns how many. */
size_t test_levels_bf16_products(const oc_kernels **list);

/* The wide build's table for maps of `storage`. */
const oc_kernels *test_level_wide(oc_storage storage);

/* Runs `check` with each of them, printing its name before, so that what fails is known. */
void test_each_level(void (*check)(const oc_kernels *level));

#endif
