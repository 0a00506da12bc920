/* label: slow */
/* The models in bfloat16 (support/golden_bf16.h) with products of bfloat16 wherever there are any, on any processor
 * with AVX2: by the wide build's emulation of VDPBF16PS. This program has the wide build's kernels in place of the
 * levels', and a table of algorithms without those that are exacter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compute/conv/algorithm.h"
#include "support/golden_bf16.h"
#include "support/levels.h"

const oc_kernels *oc_kernels_at(oc_cpu_level level, oc_storage storage) {
    (void)level;
    return test_level_wide(storage);
}

const oc_kernels *oc_kernels_now(void) {
    return test_level_wide(OC_STORAGE_F32);
}

/* Of the same method with products of float and of bfloat16 the latter is estimated to be the quicker one. */
const oc_conv_algorithm *const oc_conv_algorithms[] = {
    &oc_conv_winograd_2, &oc_conv_winograd_2_bf16, &oc_conv_product, &oc_conv_product_bf16, &oc_conv_direct, NULL};

/* The deepest of the six, whose gradients are farthest off, and the one with groups: emulated, all take minutes. */
static void test_reference_models(void **state) {
    static const char *const models[] = {"seresnet34", "seresnext26d_32x4d", NULL};
    (void)state;
    if (oc_cpu_level_now() < OC_CPU_AVX2) skip();
    golden_bf16_check("Winograd F(2x2) in bf16", models);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference_models)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
