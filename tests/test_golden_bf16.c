/* label: slow */
/* The models in bfloat16 (support/golden_bf16.h) as this processor computes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/golden_bf16.h"

static void test_reference_models(void **state) {
    (void)state;
    golden_bf16_check(NULL, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference_models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
