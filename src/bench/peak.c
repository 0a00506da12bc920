/* The measured peak: chains of multiply-adds long enough to hide their latency, in the widest vectors there are. */
#include "bench/peak.h"

#include "base/clock.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Independent chains: at two a cycle and a latency of 4 or 5 cycles, ten are needed. */
#define CHAINS 12
#define ROUND_SECONDS 0.05

/* Runs n × CHAINS vector multiply-adds; the returned sum only keeps them from being optimised away. */
typedef float (*loop_fn)(int64_t n, float factor);

/* A loop for one instruction set. */
typedef struct loop {
    loop_fn run;
    int lanes;
} loop;

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float loop_avx512(int64_t n, float factor) {
    __m512 chain[CHAINS], m = _mm512_set1_ps(factor), b = _mm512_set1_ps(1e-3f);
    for (int i = 0; i < CHAINS; i++) chain[i] = _mm512_set1_ps((float)i);
    for (int64_t k = 0; k < n; k++)
        for (int i = 0; i < CHAINS; i++) chain[i] = _mm512_fmadd_ps(chain[i], m, b);
    float sum = 0;
    for (int i = 0; i < CHAINS; i++) sum += _mm512_reduce_add_ps(chain[i]);
    return sum;
}

__attribute__((target("avx2,fma"))) static float loop_avx2(int64_t n, float factor) {
    __m256 chain[CHAINS], m = _mm256_set1_ps(factor), b = _mm256_set1_ps(1e-3f);
    for (int i = 0; i < CHAINS; i++) chain[i] = _mm256_set1_ps((float)i);
    for (int64_t k = 0; k < n; k++)
        for (int i = 0; i < CHAINS; i++) chain[i] = _mm256_fmadd_ps(chain[i], m, b);
    float sum = 0, lane[8];
    for (int i = 0; i < CHAINS; i++) {
        _mm256_storeu_ps(lane, chain[i]);
        for (int l = 0; l < 8; l++) sum += lane[l];
    }
    return sum;
}
#endif

/* Four lanes are what every 64-bit processor has; without a fused instruction the two parts are done apart. */
static float loop_plain(int64_t n, float factor) {
    typedef float vector __attribute__((vector_size(16)));
    vector chain[CHAINS], m = {factor, factor, factor, factor}, b = {1e-3f, 1e-3f, 1e-3f, 1e-3f};
    for (int i = 0; i < CHAINS; i++) chain[i] = b * (float)i;
    for (int64_t k = 0; k < n; k++)
        for (int i = 0; i < CHAINS; i++) chain[i] = chain[i] * m + b;
    float sum = 0;
    for (int i = 0; i < CHAINS; i++)
        for (int l = 0; l < 4; l++) sum += chain[i][l];
    return sum;
}

static loop best_loop(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return (loop){loop_avx512, 16};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return (loop){loop_avx2, 8};
#endif
    return (loop){loop_plain, 4};
}

typedef struct peak_round {
    loop loop;
    int64_t n;
    float sink; /* written only if a sum were negative, which none is */
} peak_round;

static void run_range(void *user, int64_t begin, int64_t end, int worker) {
    peak_round *r = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        float sum = r->loop.run(r->n, 0.999f);
        if (sum < 0) r->sink = sum;
    }
}

double oc_peak_gflops(oc_team *team, double seconds) {
    const int threads = oc_team_threads(team);
    peak_round r = {.loop = best_loop(), .n = 1 << 16};
    double begin = oc_clock_seconds(), best = 0;
    do {
        double start = oc_clock_seconds();
        oc_parallel_for(team, threads, 1, run_range, &r);
        double spent = oc_clock_seconds() - start;
        double rate = 2e-9 * (double)r.n * CHAINS * r.loop.lanes * threads / spent;
        best = rate > best ? rate : best;
        if (spent < ROUND_SECONDS) r.n *= 2;
    } while (oc_clock_seconds() - begin < seconds);
    return best;
}
