/* The load that others make, in made-up systems. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/load.h"
#include "base/parallel.h"
#include "base/quota.h"
#include "support/temporary.h"

static double load(const char *folder, const char *text) {
    char path[300];
    snprintf(path, sizeof path, "%s/proc", folder);
    assert_int_equal(oc_folder_create(path, NULL), OC_OK);
    snprintf(path, sizeof path, "%s/proc/loadavg", folder);
    assert_int_equal(oc_file_write_atomic(path, text, strlen(text), NULL), OC_OK);
    return oc_load_others(folder);
}

static void test_load(void **state) {
    (void)state;
    char folder[128];
    test_temporary_create(folder, sizeof folder);
    assert_true(oc_load_others(folder) == 0); /* not told */
    assert_true(load(folder, "0.00 0.00 0.00 1/80 11206\n") == 0);
    assert_true(load(folder, "1.50 9.00 9.00 5/80 11206\n") == 1.5);
    assert_true(load(folder, "8.00 9.00 9.00 3/80 11206\n") == 2);    /* without ourselves */
    assert_true(load(folder, "8.00 9.00 9.00 1/80 11206\n") == 0);    /* what has ended */
    assert_true(load(folder, "0.02 9.00 9.00 9/80 11206\n") == 0.02); /* what has just begun */
    assert_true(load(folder, "8.00 9.00 9.00\n") == 0);
    assert_true(load(folder, "") == 0);
    test_temporary_remove(folder);
    assert_true(oc_load_others("") >= 0);
}

/* What is granted is what a team of the default size takes, but for what OpenMP's environment says. */
static void test_granted(void **state) {
    (void)state;
    oc_team *team;
    const int granted = oc_processors_granted();
    const double quota = oc_quota_cpus("");
    assert_int_equal(oc_team_create(&team, 0, NULL), OC_OK);
    assert_in_range(oc_team_threads(team), 1, granted);
    oc_team_destroy(&team);
    if (quota > 0) assert_true(granted == 1 || granted <= quota);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_granted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
