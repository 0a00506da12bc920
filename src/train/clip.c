/* Clipping of the gradient's norm. The arena is cut into a fixed number of pieces, each summed in double by one
 * thread in one order, so that the norm's bits depend on neither the team nor its size. */
#include <math.h>

#include "kernels/elementwise.h"
#include "train/optimizer.h"

#define PIECES 256

typedef struct norm_job {
    const oc_elementwise_kernels *kernels;
    const float *gradients;
    int64_t count;
    double sum[PIECES];
} norm_job;

static int64_t piece_begin(const norm_job *job, int64_t piece) {
    return job->count / PIECES * piece + (piece < job->count % PIECES ? piece : job->count % PIECES);
}

static void sum_pieces(void *user, int64_t begin, int64_t end, int worker) {
    (void)worker;
    norm_job *job = user;
    for (int64_t piece = begin; piece < end; piece++) {
        const int64_t from = piece_begin(job, piece);
        job->sum[piece] = job->kernels->sum_of_squares(job->gradients + from, piece_begin(job, piece + 1) - from);
    }
}

typedef struct scale_job {
    const oc_elementwise_kernels *kernels;
    float *gradients;
    float factor;
} scale_job;

static void scale_range(void *user, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const scale_job *job = user;
    job->kernels->scale(job->gradients + begin, job->gradients + begin, job->factor, end - begin);
}

double oc_gradients_clip(const oc_table *table, float *gradients, double clip_norm, oc_team *team) {
    /* Running statistics' and padding's places in an arena of gradients hold zeros. */
    norm_job job = {
        .kernels = oc_kernels_now()->elementwise, .gradients = gradients, .count = (int64_t)oc_table_arena_size(table)};
    oc_parallel_for(team, PIECES, 1, sum_pieces, &job);
    double sum = 0;
    for (int i = 0; i < PIECES; i++) sum += job.sum[i];
    double norm = sqrt(sum), factor = clip_norm / (norm + 1e-6); /* torch's guard against a zero norm */
    if (clip_norm > 0 && factor < 1) {
        scale_job scale = {job.kernels, gradients, (float)factor};
        oc_parallel_for(team, job.count, 16384, scale_range, &scale);
    }
    return norm;
}
