/* The processor's peak at this level, as many independent chains as hide the latency of its multiply-adds; and its
 * bandwidth. */
#include "kernels/peak.h"

#include "kernels/lanes.h"

/* At two a cycle and a latency of 4 or 5 cycles ten chains of one register each are needed. */
#define CHAINS 12

static float run(int64_t rounds, float factor) {
    oc_floats chain[CHAINS], m = oc_broadcast(factor), b = oc_broadcast(1e-3F);
    for (int i = 0; i < CHAINS; i++) chain[i] = oc_broadcast((float)i);
    for (int64_t k = 0; k < rounds; k++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) chain[i] = oc_fma(chain[i], m, b);
    float sum = 0;
    for (int i = 0; i < CHAINS; i++)
        for (int l = 0; l < OC_LANES; l++) sum += chain[i][l];
    return sum;
}

static void stream(float *to, const float *from, int64_t count, float factor) {
    const oc_floats f = oc_broadcast(factor);
    int64_t i = 0;
    for (; i + OC_LANES <= count; i += OC_LANES) oc_store(to + i, oc_load(from + i) * f);
    for (; i < count; i++) to[i] = from[i] * factor;
}

const oc_peak_kernels OC_PEAK_KERNELS = {.multiply_adds = (int64_t)CHAINS * OC_LANES, .run = run, .stream = stream};
