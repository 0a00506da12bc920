/* The loss's kernels at every level: the same bits as those of plain loops in double precision, for any number of
 * classes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "kernels/loss.h"
#include "support/levels.h"
#include "support/maps.h"

static void check_row(const oc_loss_kernels *k, size_t n) {
    float *z = test_floats(n, 0, n), *diff = test_guarded(n, sizeof *diff, 1), *want = test_guarded(n, sizeof *want, 0);
    double maximum = -INFINITY, sum = 0, exps = 0;
    for (size_t c = 0; c < n; c++) maximum = fmax(maximum, z[c]);
    for (size_t c = 0; c < n; c++) sum += z[c] - maximum;
    for (size_t c = 0; c < n; c++) exps += exp(z[c] - maximum);
    const oc_loss_row row = k->row(z, (int64_t)n);
    assert_true(row.maximum == maximum && row.sum == sum && row.log_sum == log(exps));
    k->gradient(diff, z, (int64_t)n, &row, 0.001, 64);
    for (size_t c = 0; c < n; c++) want[c] = (float)((exp(z[c] - maximum - log(exps)) - 0.001) / 64);
    test_same_floats("gradient", diff, want, n);
    for (size_t c = 0; c < n; c++) z[c] = NAN;
    assert_true(k->row(z, (int64_t)n).maximum == -INFINITY);
    test_guarded_free(z), test_guarded_free(diff), test_guarded_free(want);
}

static void check_rows(const oc_kernels *level) {
    for (size_t n = 1; n <= 1061; n += n < 70 ? 1 : 991) check_row(level->loss, n);
}

static void test_rows(void **state) {
    (void)state;
    test_each_level(check_rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    printf("seed %u\n", TEST_SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
