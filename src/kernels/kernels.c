/* The rows: one level's kernels each. */
#include "kernels/kernels.h"

extern const oc_peak_kernels oc_peak_kernels_baseline, oc_peak_kernels_avx2, oc_peak_kernels_avx512;
extern const oc_winograd_kernels oc_winograd_kernels_baseline, oc_winograd_kernels_avx2, oc_winograd_kernels_avx512;

static const oc_kernels baseline = {
    .name = "baseline",
    .lanes = 8,
    .peak = &oc_peak_kernels_baseline,
    .winograd = &oc_winograd_kernels_baseline,
};

#if defined __x86_64__
static const oc_kernels avx2 = {
    .name = "avx2",
    .lanes = 8,
    .peak = &oc_peak_kernels_avx2,
    .winograd = &oc_winograd_kernels_avx2,
};

static const oc_kernels avx512 = {
    .name = "avx512",
    .lanes = 16,
    .peak = &oc_peak_kernels_avx512,
    .winograd = &oc_winograd_kernels_avx512,
};
#endif

const oc_kernels *oc_kernels_at(oc_cpu_level level) {
#if defined __x86_64__
    /* What has bfloat16 has no kernels of its own yet. */
    static const oc_kernels *const table[OC_CPU_LEVELS] = {&baseline, &avx2, &avx512, &avx512};
    return table[level];
#else
    (void)level;
    return &baseline;
#endif
}

const oc_kernels *oc_kernels_now(void) {
    return oc_kernels_at(oc_cpu_level_now());
}
