/* The moving average of an arena of weights. */
#include "train/ema.h"

#include "kernels/elementwise.h"

#define GRAIN 16384

typedef struct ema_job {
    const oc_elementwise_kernels *kernels;
    float *average;
    const float *weights;
    float rate; /* 1 − decay */
} ema_job;

static void ema_range(void *user, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const ema_job *job = user;
    job->kernels->average(job->average + begin, job->weights + begin, job->rate, end - begin);
}

void oc_ema_update(float *average, const float *weights, size_t count, double decay, oc_team *team) {
    ema_job job = {oc_kernels_now()->elementwise, average, weights, (float)(1 - decay)};
    oc_parallel_for(team, (int64_t)count, GRAIN, ema_range, &job);
}
