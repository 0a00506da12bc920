/* Denormal numbers in OpenMP's own regions, which oneDNN opens: 0 while a team flushes them, and only then, whatever
 * mode the caller has. */
/* links: openmp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/denormals.h"
#include "base/parallel.h"
#include "support/denormals.h"

#define THREADS 3

/* How many threads of a region keep them; all of the calling thread's team are in it. */
static int keepers(void) {
    int count = 0;
#ifdef _OPENMP
#pragma omp parallel num_threads(THREADS) reduction(+ : count)
    count += test_keeps_denormals();
#else
    count = THREADS * test_keeps_denormals();
#endif
    return count;
}

static void test_regions(void **state) {
    (void)state;
    oc_team *team;
    assert_int_equal(oc_team_create(&team, THREADS, NULL), OC_OK);
    assert_int_equal(oc_team_threads(team), THREADS);
    for (int round = 0; round < 100; round++) {
        assert_int_equal(keepers(), THREADS);
        const unsigned mode = oc_team_flush(team);
        assert_int_equal(keepers(), TEST_FLUSHES ? 0 : THREADS);
        oc_team_restore(team, mode);
    }
    assert_int_equal(keepers(), THREADS);
    oc_team_destroy(&team);
}

/* A caller that flushes them goes on doing so. */
static void test_callers_mode(void **state) {
    (void)state;
    oc_team *team;
    assert_int_equal(oc_team_create(&team, THREADS, NULL), OC_OK);
    const unsigned own = oc_denormals_flush(), mode = oc_team_flush(team);
    oc_team_restore(team, mode);
    assert_int_equal(test_keeps_denormals(), !TEST_FLUSHES);
    oc_denormals_restore(own);
    oc_team_flush(team);
    oc_team_restore(team, own);
    assert_int_equal(keepers(), THREADS);
    const unsigned alone = oc_team_flush(NULL);
    assert_int_equal(test_keeps_denormals(), !TEST_FLUSHES);
    oc_team_restore(NULL, alone);
    assert_true(test_keeps_denormals());
    oc_team_destroy(&team);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regions),
        cmocka_unit_test(test_callers_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
