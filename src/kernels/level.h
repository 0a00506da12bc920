/* The names of a level's tables. The sources of this folder are compiled once for every level, with one of the macros
 * OC_LEVEL_… defined, and each family's one public symbol is its table, which must have a name of its own. */
#ifndef OC_KERNELS_LEVEL_H
#define OC_KERNELS_LEVEL_H

#if defined OC_LEVEL_BASELINE
#define OC_LANES 8 /* floats in a vector, and channels in a block of activations; here two or more registers */
#define OC_COPY_KERNELS oc_copy_kernels_baseline
#define OC_DIRECT_KERNELS oc_direct_kernels_baseline
#define OC_DIRECT_WEIGHTS oc_direct_weights_baseline
#define OC_ELEMENTWISE_KERNELS oc_elementwise_kernels_baseline
#define OC_GATE_KERNELS oc_gate_kernels_baseline
#define OC_IMAGE_KERNELS oc_image_kernels_baseline
#define OC_LOSS_KERNELS oc_loss_kernels_baseline
#define OC_NORM_KERNELS oc_norm_kernels_baseline
#define OC_OPTIMIZER_KERNELS oc_optimizer_kernels_baseline
#define OC_PEAK_KERNELS oc_peak_kernels_baseline
#define OC_POOL_KERNELS oc_pool_kernels_baseline
#define OC_PRODUCT_KERNELS oc_product_kernels_baseline
#define OC_WINOGRAD_BACKWARD oc_winograd_backward_baseline
#define OC_WINOGRAD_FILTERS oc_winograd_filters_baseline
#define OC_WINOGRAD_KERNELS oc_winograd_kernels_baseline
#define OC_WINOGRAD_TILES oc_winograd_tiles_baseline
#elif defined OC_LEVEL_AVX2
#define OC_LANES 8
#define OC_COPY_KERNELS oc_copy_kernels_avx2
#define OC_DIRECT_KERNELS oc_direct_kernels_avx2
#define OC_DIRECT_WEIGHTS oc_direct_weights_avx2
#define OC_ELEMENTWISE_KERNELS oc_elementwise_kernels_avx2
#define OC_GATE_KERNELS oc_gate_kernels_avx2
#define OC_IMAGE_KERNELS oc_image_kernels_avx2
#define OC_LOSS_KERNELS oc_loss_kernels_avx2
#define OC_NORM_KERNELS oc_norm_kernels_avx2
#define OC_OPTIMIZER_KERNELS oc_optimizer_kernels_avx2
#define OC_PEAK_KERNELS oc_peak_kernels_avx2
#define OC_POOL_KERNELS oc_pool_kernels_avx2
#define OC_PRODUCT_KERNELS oc_product_kernels_avx2
#define OC_WINOGRAD_BACKWARD oc_winograd_backward_avx2
#define OC_WINOGRAD_FILTERS oc_winograd_filters_avx2
#define OC_WINOGRAD_KERNELS oc_winograd_kernels_avx2
#define OC_WINOGRAD_TILES oc_winograd_tiles_avx2
#elif defined OC_LEVEL_AVX512
#define OC_LANES 16
#define OC_COPY_KERNELS oc_copy_kernels_avx512
#define OC_DIRECT_KERNELS oc_direct_kernels_avx512
#define OC_DIRECT_WEIGHTS oc_direct_weights_avx512
#define OC_ELEMENTWISE_KERNELS oc_elementwise_kernels_avx512
#define OC_GATE_KERNELS oc_gate_kernels_avx512
#define OC_IMAGE_KERNELS oc_image_kernels_avx512
#define OC_LOSS_KERNELS oc_loss_kernels_avx512
#define OC_NORM_KERNELS oc_norm_kernels_avx512
#define OC_OPTIMIZER_KERNELS oc_optimizer_kernels_avx512
#define OC_PEAK_KERNELS oc_peak_kernels_avx512
#define OC_POOL_KERNELS oc_pool_kernels_avx512
#define OC_PRODUCT_KERNELS oc_product_kernels_avx512
#define OC_WINOGRAD_BACKWARD oc_winograd_backward_avx512
#define OC_WINOGRAD_FILTERS oc_winograd_filters_avx512
#define OC_WINOGRAD_KERNELS oc_winograd_kernels_avx512
#define OC_WINOGRAD_TILES oc_winograd_tiles_avx512
#elif defined OC_LEVEL_WIDE
/* AVX-512's width for a processor with AVX2, each vector a pair of registers: only tests have it. */
#define OC_LANES 16
#define OC_COPY_KERNELS oc_copy_kernels_wide
#define OC_DIRECT_KERNELS oc_direct_kernels_wide
#define OC_DIRECT_WEIGHTS oc_direct_weights_wide
#define OC_ELEMENTWISE_KERNELS oc_elementwise_kernels_wide
#define OC_GATE_KERNELS oc_gate_kernels_wide
#define OC_IMAGE_KERNELS oc_image_kernels_wide
#define OC_LOSS_KERNELS oc_loss_kernels_wide
#define OC_NORM_KERNELS oc_norm_kernels_wide
#define OC_OPTIMIZER_KERNELS oc_optimizer_kernels_wide
#define OC_PEAK_KERNELS oc_peak_kernels_wide
#define OC_POOL_KERNELS oc_pool_kernels_wide
#define OC_PRODUCT_KERNELS oc_product_kernels_wide
#define OC_WINOGRAD_BACKWARD oc_winograd_backward_wide
#define OC_WINOGRAD_FILTERS oc_winograd_filters_wide
#define OC_WINOGRAD_KERNELS oc_winograd_kernels_wide
#define OC_WINOGRAD_TILES oc_winograd_tiles_wide
#else
#error "the kernels' sources are compiled for a level: define one of OC_LEVEL_…"
#endif

#endif
