/* The processor's levels: what OC_CPU does, and that each level's kernels compute. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "kernels/peak.h"
#include "support/levels.h"

static void test_cap(void **state) {
    (void)state;
    oc_error err = {0};
    const oc_cpu_level highest = oc_cpu_highest();
    for (int level = 0; level < OC_CPU_LEVELS; level++) {
        assert_int_equal(setenv("OC_CPU", oc_cpu_level_name((oc_cpu_level)level), 1), 0);
        assert_int_equal(oc_cpu_check(&err), OC_OK);
        assert_int_equal(oc_cpu_level_now(), level < (int)highest ? level : (int)highest);
        assert_ptr_equal(oc_kernels_now(), oc_kernels_at(oc_cpu_level_now(), OC_STORAGE_F32));
    }
    assert_int_equal(setenv("OC_CPU", "", 1), 0);
    assert_int_equal(oc_cpu_check(&err), OC_OK);
    assert_int_equal(oc_cpu_level_now(), highest);
    assert_int_equal(unsetenv("OC_CPU"), 0);
    assert_int_equal(oc_cpu_level_now(), highest);
}

static void test_unknown_level(void **state) {
    (void)state;
    oc_error err = {0};
    assert_int_equal(setenv("OC_CPU", "avx521", 1), 0);
    assert_int_equal(oc_cpu_check(&err), OC_E_USAGE);
    assert_string_equal(err.where, "OC_CPU");
    assert_non_null(strstr(err.message, "avx512_bf16"));
    assert_non_null(strstr(err.message, "did you mean avx512?"));
    assert_int_equal(oc_cpu_level_now(), oc_cpu_highest());
    assert_int_equal(unsetenv("OC_CPU"), 0);
}

static void test_name(void **state) {
    (void)state;
    char name[64], cut[4];
    assert_true(strlen(oc_cpu_name(name, sizeof name)) > 0);
    assert_true(name[0] != ' ' && name[strlen(name) - 1] != ' ');
    assert_true(strlen(oc_cpu_name(cut, sizeof cut)) < sizeof cut);
}

/* Chains of x ← x/2 + 1e-3 all end at 2e-3. */
static void test_levels_compute(void **state) {
    (void)state;
    const oc_kernels *list[TEST_LEVELS_MOST];
    const size_t count = test_levels(list);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        const double chains = (double)list[i]->peak->multiply_adds;
        assert_int_equal(list[i]->peak->multiply_adds % list[i]->lanes, 0);
        assert_true(fabs(list[i]->peak->run(200, 0.5F) - 2e-3 * chains) < 1e-5 * chains);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_unknown_level),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_levels_compute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
