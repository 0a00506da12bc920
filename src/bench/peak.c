/* The measured peak: chains of multiply-adds long enough to hide their latency, in the vectors of the level in use. */
#include "bench/peak.h"

#include "base/clock.h"
#include "kernels/peak.h"

#define ROUND_SECONDS 0.05

typedef struct peak_round {
    const oc_peak_kernels *kernels;
    int64_t n;
    float sink; /* written only if a sum were negative, which none is */
} peak_round;

static void run_range(void *user, int64_t begin, int64_t end, int worker) {
    peak_round *r = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        float sum = r->kernels->run(r->n, 0.999f);
        if (sum < 0) r->sink = sum;
    }
}

double oc_peak_gflops(oc_team *team, double seconds) {
    const int threads = oc_team_threads(team);
    peak_round r = {.kernels = oc_kernels_now()->peak, .n = 1 << 16};
    double begin = oc_clock_seconds(), best = 0;
    do {
        double start = oc_clock_seconds();
        oc_parallel_for(team, threads, 1, run_range, &r);
        double spent = oc_clock_seconds() - start;
        double rate = 2e-9 * (double)r.n * (double)r.kernels->multiply_adds * threads / spent;
        best = rate > best ? rate : best;
        if (spent < ROUND_SECONDS) r.n *= 2;
    } while (oc_clock_seconds() - begin < seconds);
    return best;
}
