/* Clipping of the gradient's norm. The arena is cut into a fixed number of pieces, each summed in double by one
 * thread in one order, so that the norm's bits depend on neither the team nor its size. */
#include <math.h>

#include "train/optimizer.h"

#define PIECES 256
#define LANES 8 /* independent sums, for the vector unit */

typedef struct norm_job {
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
        const float *x = job->gradients + piece_begin(job, piece);
        int64_t count = piece_begin(job, piece + 1) - piece_begin(job, piece), i = 0;
        double lane[LANES] = {0}, sum = 0;
        for (; i + LANES <= count; i += LANES)
            for (int k = 0; k < LANES; k++) lane[k] += (double)x[i + k] * (double)x[i + k];
        for (; i < count; i++) sum += (double)x[i] * (double)x[i];
        for (int k = 0; k < LANES; k++) sum += lane[k];
        job->sum[piece] = sum;
    }
}

typedef struct scale_job {
    float *gradients;
    float factor;
} scale_job;

static void scale_range(void *user, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const scale_job *job = user;
    for (int64_t i = begin; i < end; i++) job->gradients[i] *= job->factor;
}

double oc_gradients_clip(const oc_table *table, float *gradients, double clip_norm, oc_team *team) {
    /* Running statistics' and padding's places in an arena of gradients hold zeros. */
    norm_job job = {.gradients = gradients, .count = (int64_t)oc_table_arena_size(table)};
    oc_parallel_for(team, PIECES, 1, sum_pieces, &job);
    double sum = 0;
    for (int i = 0; i < PIECES; i++) sum += job.sum[i];
    double norm = sqrt(sum), factor = clip_norm / (norm + 1e-6); /* torch's guard against a zero norm */
    if (clip_norm > 0 && factor < 1) {
        scale_job scale = {gradients, (float)factor};
        oc_parallel_for(team, job.count, 16384, scale_range, &scale);
    }
    return norm;
}
