/* The moving average of an arena of weights. */
#include "train/ema.h"

#define GRAIN 16384

typedef struct ema_job {
    float *average;
    const float *weights;
    float rate; /* 1 − decay */
} ema_job;

static void ema_range(void *user, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const ema_job *job = user;
    float *restrict average = job->average;
    const float *restrict weights = job->weights;
    const float rate = job->rate;
    for (int64_t i = begin; i < end; i++) average[i] += rate * (weights[i] - average[i]);
}

void oc_ema_update(float *average, const float *weights, size_t count, double decay, oc_team *team) {
    ema_job job = {average, weights, (float)(1 - decay)};
    oc_parallel_for(team, (int64_t)count, GRAIN, ema_range, &job);
}
