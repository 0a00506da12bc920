/* The measured rates: chains of multiply-adds long enough to hide their latency, and a stream from one array to
 * another, both in the vectors of the level in use. */
#include "bench/peak.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "bench/timing.h"
#include "kernels/peak.h"

#define ROUND_SECONDS 0.05
#define ROUNDS_MOST 64 /* of each measurement */
#define PEAK_SECONDS 0.5
#define COPY_SECONDS 0.2

static oc_rate rate_of(double *rounds, int count) {
    const oc_spread spread = oc_bench_spread(rounds, count);
    return (oc_rate){.best = oc_bench_quantile(rounds, count, 1), .middle = spread.median};
}

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

oc_rate oc_peak_measure(oc_team *team, double seconds) {
    const int threads = oc_team_threads(team);
    peak_round r = {.kernels = oc_kernels_now()->peak, .n = 1 << 16};
    const double begin = oc_clock_seconds();
    double rate[ROUNDS_MOST];
    int rounds = 0;
    do {
        const double start = oc_clock_seconds();
        oc_parallel_for(team, threads, 1, run_range, &r);
        const double spent = oc_clock_seconds() - start;
        if (spent < ROUND_SECONDS / 2) {
            r.n *= 2; /* too short to count */
            continue;
        }
        rate[rounds++] = 2e-9 * (double)r.n * (double)r.kernels->multiply_adds * threads / spent;
    } while (rounds < ROUNDS_MOST && (rounds == 0 || oc_clock_seconds() - begin < seconds));
    return rate_of(rate, rounds);
}

/* Every thread copies a part of its own, several times a round where that is short. */
typedef struct copy_round {
    const oc_peak_kernels *kernels;
    float *to;
    const float *from;
    int64_t part; /* floats */
    int times;
} copy_round;

static void copy_range(void *user, int64_t begin, int64_t end, int worker) {
    const copy_round *r = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        for (int k = 0; k < r->times; k++) r->kernels->stream(r->to + i * r->part, r->from + i * r->part, r->part, 1);
}

oc_status oc_copy_measure(oc_rate *rate, oc_team *team, size_t bytes, double seconds, oc_error *err) {
    oc_status status = OC_OK;
    float *to = NULL, *from = NULL;
    double rates[ROUNDS_MOST];
    int rounds = 0;
    const int threads = oc_team_threads(team);
    const size_t count = bytes / 2 / sizeof *to;
    OC_TRY(oc_alloc(&to, count, sizeof *to, err));
    OC_TRY(oc_alloc(&from, count, sizeof *from, err));
    copy_round r = {.kernels = oc_kernels_now()->peak,
                    .to = to,
                    .from = from,
                    .part = (int64_t)count / threads,
                    .times = (int)(OC_COPY_UNCACHED / bytes)};
    const double moved = 2e-9 * sizeof *to * (double)r.part * threads * r.times, begin = oc_clock_seconds();
    do {
        const double start = oc_clock_seconds();
        oc_parallel_for(team, threads, 1, copy_range, &r);
        rates[rounds++] = moved / (oc_clock_seconds() - start);
    } while (rounds < ROUNDS_MOST && oc_clock_seconds() - begin < seconds);
    *rate = rate_of(rates, rounds);
cleanup:
    oc_free(to);
    oc_free(from);
    return status;
}

/* The best of all rates so far, and the lowest of their medians. */
static void take(double *best, double *low, const oc_rate *rate) {
    if (*best == 0 || rate->middle < *low) *low = rate->middle;
    if (rate->best > *best) *best = rate->best;
}

oc_status oc_machine_measure(oc_machine *machine, oc_team *team, oc_error *err) {
    oc_status status = OC_OK;
    oc_rate cached, uncached;
    const oc_usage begin = oc_usage_now();
    const oc_rate peak = oc_peak_measure(team, PEAK_SECONDS);
    const oc_usage end = oc_usage_now(), meanwhile = oc_usage_between(&begin, &end);
    OC_TRY(oc_copy_measure(&cached, team, OC_COPY_CACHED, COPY_SECONDS, err));
    OC_TRY(oc_copy_measure(&uncached, team, OC_COPY_UNCACHED, COPY_SECONDS, err));
    take(&machine->peak, &machine->peak_low, &peak);
    take(&machine->cached, &machine->cached_low, &cached);
    take(&machine->uncached, &machine->uncached_low, &uncached);
    machine->usage = oc_usage_sum(&machine->usage, &meanwhile);
cleanup:
    return status;
}

double oc_machine_flops_seconds(const oc_machine *machine, double flops) {
    return flops / (1e9 * machine->peak);
}

double oc_machine_bytes_seconds(const oc_machine *machine, double bytes) {
    return bytes / (1e9 * (bytes <= (double)OC_COPY_CACHED ? machine->cached : machine->uncached));
}
