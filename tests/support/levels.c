#include "support/levels.h"

#include <stdio.h>

#if defined __x86_64__
extern const oc_copy_kernels oc_copy_kernels_wide, oc_copy_kernels_bf16_wide;
extern const oc_direct_kernels oc_direct_kernels_wide, oc_direct_kernels_bf16_wide;
extern const oc_direct_weights_kernels oc_direct_weights_bf16_products_wide;
extern const oc_elementwise_kernels oc_elementwise_kernels_wide, oc_elementwise_kernels_bf16_wide;
extern const oc_gate_kernels oc_gate_kernels_wide, oc_gate_kernels_bf16_wide;
extern const oc_im2col_kernels oc_im2col_kernels_wide, oc_im2col_kernels_bf16_wide,
    oc_im2col_kernels_bf16_products_wide;
extern const oc_image_kernels oc_image_kernels_wide;
extern const oc_loss_kernels oc_loss_kernels_wide;
extern const oc_norm_kernels oc_norm_kernels_wide, oc_norm_kernels_bf16_wide;
extern const oc_optimizer_kernels oc_optimizer_kernels_wide;
extern const oc_peak_kernels oc_peak_kernels_wide;
extern const oc_pool_kernels oc_pool_kernels_wide, oc_pool_kernels_bf16_wide;
extern const oc_winograd_kernels oc_winograd_kernels_wide, oc_winograd_kernels_bf16_wide,
    oc_winograd_kernels_bf16_products_wide;

static const oc_kernels wide = {
    .name = "wide",
    .lanes = 16,
    .copy = &oc_copy_kernels_wide,
    .direct = &oc_direct_kernels_wide,
    .elementwise = &oc_elementwise_kernels_wide,
    .gate = &oc_gate_kernels_wide,
    .im2col = &oc_im2col_kernels_wide,
    .image = &oc_image_kernels_wide,
    .loss = &oc_loss_kernels_wide,
    .norm = &oc_norm_kernels_wide,
    .optimizer = &oc_optimizer_kernels_wide,
    .peak = &oc_peak_kernels_wide,
    .pool = &oc_pool_kernels_wide,
    .winograd = &oc_winograd_kernels_wide,
};

static const oc_kernels bf16_wide = {
    .name = "wide, bf16 maps",
    .lanes = 16,
    .copy = &oc_copy_kernels_bf16_wide,
    .direct = &oc_direct_kernels_bf16_wide,
    .elementwise = &oc_elementwise_kernels_bf16_wide,
    .gate = &oc_gate_kernels_bf16_wide,
    .im2col = &oc_im2col_kernels_bf16_wide,
    .image = &oc_image_kernels_wide,
    .loss = &oc_loss_kernels_wide,
    .norm = &oc_norm_kernels_bf16_wide,
    .optimizer = &oc_optimizer_kernels_wide,
    .peak = &oc_peak_kernels_wide,
    .pool = &oc_pool_kernels_bf16_wide,
    .winograd = &oc_winograd_kernels_bf16_wide,
    .direct_weights_bf16 = &oc_direct_weights_bf16_products_wide,
    .im2col_bf16 = &oc_im2col_kernels_bf16_products_wide,
    .winograd_bf16 = &oc_winograd_kernels_bf16_products_wide,
};
#endif

static void print_names(const oc_kernels *const *list, size_t count) {
    printf("levels:");
    for (size_t i = 0; i < count; i++) printf(" %s", list[i]->name);
    printf("\n");
}

const oc_kernels *test_level_wide(oc_storage storage) {
#if defined __x86_64__
    return storage == OC_STORAGE_BF16 ? &bf16_wide : &wide;
#else
    (void)storage;
    return NULL;
#endif
}

size_t test_levels(const oc_kernels **list) {
    size_t count = 0;
    for (int level = 0; level <= (int)oc_cpu_level_now(); level++) {
        const oc_kernels *kernels = oc_kernels_at((oc_cpu_level)level, OC_STORAGE_F32);
        if (count == 0 || list[count - 1] != kernels) list[count++] = kernels;
    }
#if defined __x86_64__
    if (oc_cpu_level_now() >= OC_CPU_AVX2) list[count++] = &wide;
#endif
    print_names(list, count);
    return count;
}

size_t test_levels_bf16_products(const oc_kernels **list) {
    size_t count = 0;
    const oc_kernels *own = oc_kernels_at(oc_cpu_level_now(), OC_STORAGE_BF16);
    if (own->winograd_bf16) list[count++] = own;
    if (oc_cpu_level_now() >= OC_CPU_AVX2) list[count++] = test_level_wide(OC_STORAGE_BF16);
    print_names(list, count);
    return count;
}

const oc_kernels *test_level_bf16(const oc_kernels *level) {
    for (int i = 0; i < OC_CPU_LEVELS; i++)
        if (level == oc_kernels_at((oc_cpu_level)i, OC_STORAGE_F32))
            return oc_kernels_at((oc_cpu_level)i, OC_STORAGE_BF16);
    return test_level_wide(OC_STORAGE_BF16);
}

void test_each_level(void (*check)(const oc_kernels *level)) {
    const oc_kernels *list[TEST_LEVELS_MOST];
    const size_t count = test_levels(list);
    for (size_t i = 0; i < count; i++) {
        printf("at %s\n", list[i]->name);
        check(list[i]);
    }
}
