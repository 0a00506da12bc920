/* What tests of primitives compute with: an engine on a team of two. */
#ifndef OC_TESTS_SUPPORT_ENGINE_H
#define OC_TESTS_SUPPORT_ENGINE_H

#include "compute/engine.h"

typedef struct test_engine {
    oc_team *team;
    oc_engine *engine;
} test_engine;

/* For a group of tests: *state is a test_engine *, whose team has been entered. */
int test_engine_setup(void **state);
int test_engine_teardown(void **state);

/* Gives the engine the wide build's kernels, which have products of bfloat16 whatever the processor has. For plans and
 * primitives that are made after it; needs AVX2. */
void test_engine_widen(oc_engine *engine);

#endif
