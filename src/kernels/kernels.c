/* The rows: one level's kernels each, for one storage of maps. */
#include "kernels/kernels.h"

extern const oc_copy_kernels oc_copy_kernels_baseline, oc_copy_kernels_avx2, oc_copy_kernels_avx512,
    oc_copy_kernels_bf16_baseline, oc_copy_kernels_bf16_avx2, oc_copy_kernels_bf16_avx512;
extern const oc_direct_kernels oc_direct_kernels_baseline, oc_direct_kernels_avx2, oc_direct_kernels_avx512,
    oc_direct_kernels_bf16_baseline, oc_direct_kernels_bf16_avx2, oc_direct_kernels_bf16_avx512;
extern const oc_elementwise_kernels oc_elementwise_kernels_baseline, oc_elementwise_kernels_avx2,
    oc_elementwise_kernels_avx512, oc_elementwise_kernels_bf16_baseline, oc_elementwise_kernels_bf16_avx2,
    oc_elementwise_kernels_bf16_avx512;
extern const oc_gate_kernels oc_gate_kernels_baseline, oc_gate_kernels_avx2, oc_gate_kernels_avx512,
    oc_gate_kernels_bf16_baseline, oc_gate_kernels_bf16_avx2, oc_gate_kernels_bf16_avx512;
extern const oc_im2col_kernels oc_im2col_kernels_baseline, oc_im2col_kernels_avx2, oc_im2col_kernels_avx512,
    oc_im2col_kernels_bf16_baseline, oc_im2col_kernels_bf16_avx2, oc_im2col_kernels_bf16_avx512;
extern const oc_image_kernels oc_image_kernels_baseline, oc_image_kernels_avx2, oc_image_kernels_avx512;
extern const oc_loss_kernels oc_loss_kernels_baseline, oc_loss_kernels_avx2, oc_loss_kernels_avx512;
extern const oc_norm_kernels oc_norm_kernels_baseline, oc_norm_kernels_avx2, oc_norm_kernels_avx512,
    oc_norm_kernels_bf16_baseline, oc_norm_kernels_bf16_avx2, oc_norm_kernels_bf16_avx512;
extern const oc_optimizer_kernels oc_optimizer_kernels_baseline, oc_optimizer_kernels_avx2, oc_optimizer_kernels_avx512;
extern const oc_peak_kernels oc_peak_kernels_baseline, oc_peak_kernels_avx2, oc_peak_kernels_avx512;
extern const oc_pool_kernels oc_pool_kernels_baseline, oc_pool_kernels_avx2, oc_pool_kernels_avx512,
    oc_pool_kernels_bf16_baseline, oc_pool_kernels_bf16_avx2, oc_pool_kernels_bf16_avx512;
extern const oc_winograd_kernels oc_winograd_kernels_baseline, oc_winograd_kernels_avx2, oc_winograd_kernels_avx512,
    oc_winograd_kernels_bf16_baseline, oc_winograd_kernels_bf16_avx2, oc_winograd_kernels_bf16_avx512;

static const oc_kernels baseline = {
    .name = "baseline",
    .lanes = 8,
    .copy = &oc_copy_kernels_baseline,
    .direct = &oc_direct_kernels_baseline,
    .elementwise = &oc_elementwise_kernels_baseline,
    .gate = &oc_gate_kernels_baseline,
    .im2col = &oc_im2col_kernels_baseline,
    .image = &oc_image_kernels_baseline,
    .loss = &oc_loss_kernels_baseline,
    .norm = &oc_norm_kernels_baseline,
    .optimizer = &oc_optimizer_kernels_baseline,
    .peak = &oc_peak_kernels_baseline,
    .pool = &oc_pool_kernels_baseline,
    .winograd = &oc_winograd_kernels_baseline,
};

static const oc_kernels bf16_baseline = {
    .name = "baseline, bf16 maps",
    .lanes = 8,
    .copy = &oc_copy_kernels_bf16_baseline,
    .direct = &oc_direct_kernels_bf16_baseline,
    .elementwise = &oc_elementwise_kernels_bf16_baseline,
    .gate = &oc_gate_kernels_bf16_baseline,
    .im2col = &oc_im2col_kernels_bf16_baseline,
    .image = &oc_image_kernels_baseline,
    .loss = &oc_loss_kernels_baseline,
    .norm = &oc_norm_kernels_bf16_baseline,
    .optimizer = &oc_optimizer_kernels_baseline,
    .peak = &oc_peak_kernels_baseline,
    .pool = &oc_pool_kernels_bf16_baseline,
    .winograd = &oc_winograd_kernels_bf16_baseline,
};

#if defined __x86_64__
static const oc_kernels avx2 = {
    .name = "avx2",
    .lanes = 8,
    .copy = &oc_copy_kernels_avx2,
    .direct = &oc_direct_kernels_avx2,
    .elementwise = &oc_elementwise_kernels_avx2,
    .gate = &oc_gate_kernels_avx2,
    .im2col = &oc_im2col_kernels_avx2,
    .image = &oc_image_kernels_avx2,
    .loss = &oc_loss_kernels_avx2,
    .norm = &oc_norm_kernels_avx2,
    .optimizer = &oc_optimizer_kernels_avx2,
    .peak = &oc_peak_kernels_avx2,
    .pool = &oc_pool_kernels_avx2,
    .winograd = &oc_winograd_kernels_avx2,
};

static const oc_kernels bf16_avx2 = {
    .name = "avx2, bf16 maps",
    .lanes = 8,
    .copy = &oc_copy_kernels_bf16_avx2,
    .direct = &oc_direct_kernels_bf16_avx2,
    .elementwise = &oc_elementwise_kernels_bf16_avx2,
    .gate = &oc_gate_kernels_bf16_avx2,
    .im2col = &oc_im2col_kernels_bf16_avx2,
    .image = &oc_image_kernels_avx2,
    .loss = &oc_loss_kernels_avx2,
    .norm = &oc_norm_kernels_bf16_avx2,
    .optimizer = &oc_optimizer_kernels_avx2,
    .peak = &oc_peak_kernels_avx2,
    .pool = &oc_pool_kernels_bf16_avx2,
    .winograd = &oc_winograd_kernels_bf16_avx2,
};

static const oc_kernels avx512 = {
    .name = "avx512",
    .lanes = 16,
    .copy = &oc_copy_kernels_avx512,
    .direct = &oc_direct_kernels_avx512,
    .elementwise = &oc_elementwise_kernels_avx512,
    .gate = &oc_gate_kernels_avx512,
    .im2col = &oc_im2col_kernels_avx512,
    .image = &oc_image_kernels_avx512,
    .loss = &oc_loss_kernels_avx512,
    .norm = &oc_norm_kernels_avx512,
    .optimizer = &oc_optimizer_kernels_avx512,
    .peak = &oc_peak_kernels_avx512,
    .pool = &oc_pool_kernels_avx512,
    .winograd = &oc_winograd_kernels_avx512,
};

/* Of both rows for maps of bfloat16. */
#define BF16_AVX512                                                                                                    \
    .lanes = 16, .copy = &oc_copy_kernels_bf16_avx512, .direct = &oc_direct_kernels_bf16_avx512,                       \
    .elementwise = &oc_elementwise_kernels_bf16_avx512, .gate = &oc_gate_kernels_bf16_avx512,                          \
    .im2col = &oc_im2col_kernels_bf16_avx512, .image = &oc_image_kernels_avx512, .loss = &oc_loss_kernels_avx512,      \
    .norm = &oc_norm_kernels_bf16_avx512, .optimizer = &oc_optimizer_kernels_avx512, .peak = &oc_peak_kernels_avx512,  \
    .pool = &oc_pool_kernels_bf16_avx512, .winograd = &oc_winograd_kernels_bf16_avx512

static const oc_kernels bf16_avx512 = {.name = "avx512, bf16 maps", BF16_AVX512};

/* Of the level that multiplies bfloat16 too; a compiler that does not know it leaves the one without. */
#if defined OC_BF16_PRODUCTS
extern const oc_direct_weights_kernels oc_direct_weights_bf16_products_avx512;
extern const oc_im2col_kernels oc_im2col_kernels_bf16_products_avx512;
extern const oc_winograd_kernels oc_winograd_kernels_bf16_products_avx512;

static const oc_kernels bf16_avx512_bf16 = {
    .name = "avx512_bf16, bf16 maps",
    BF16_AVX512,
    .direct_weights_bf16 = &oc_direct_weights_bf16_products_avx512,
    .im2col_bf16 = &oc_im2col_kernels_bf16_products_avx512,
    .winograd_bf16 = &oc_winograd_kernels_bf16_products_avx512,
};
#else
#define bf16_avx512_bf16 bf16_avx512
#endif
#endif

const oc_kernels *oc_kernels_at(oc_cpu_level level, oc_storage storage) {
#if defined __x86_64__
    static const oc_kernels *const table[OC_CPU_LEVELS][OC_STORAGES] = {
        {&baseline, &bf16_baseline}, {&avx2, &bf16_avx2}, {&avx512, &bf16_avx512}, {&avx512, &bf16_avx512_bf16}};
    return table[level][storage];
#else
    (void)level;
    return storage == OC_STORAGE_F32 ? &baseline : &bf16_baseline;
#endif
}

const oc_kernels *oc_kernels_now(void) {
    return oc_kernels_at(oc_cpu_level_now(), OC_STORAGE_F32);
}
