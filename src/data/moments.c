/* Sums over pixels. */
#include "data/moments.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"

#define GRAIN 64 /* images */

/* 32 bits suffice for a row: 66,000 pixels of 255² are below 2³². */
void oc_moments_add(oc_moments *moments, const uint8_t *pixels, int64_t width, int64_t height) {
    for (int64_t y = 0; y < height; y++) {
        const uint8_t *row = pixels + y * width * 3;
        uint32_t sum[3] = {0}, squares[3] = {0};
        for (int64_t x = 0; x < width; x++)
            for (int c = 0; c < 3; c++) {
                const uint32_t v = row[3 * x + c];
                sum[c] += v;
                squares[c] += v * v;
            }
        for (int c = 0; c < 3; c++) {
            moments->sum[c] += sum[c];
            moments->squares[c] += squares[c];
        }
    }
    moments->pixels += (uint64_t)(width * height);
}

void oc_moments_join(oc_moments *moments, const oc_moments *other) {
    moments->pixels += other->pixels;
    for (int c = 0; c < 3; c++) {
        moments->sum[c] += other->sum[c];
        moments->squares[c] += other->squares[c];
    }
}

void oc_moments_find(const oc_moments *moments, double mean[3], double std[3]) {
    for (int c = 0; c < 3; c++) {
        const double pixels = moments->pixels > 0 ? (double)moments->pixels : 1;
        const double average = (double)moments->sum[c] / pixels;
        const double variance = (double)moments->squares[c] / pixels - average * average;
        mean[c] = average / 255;
        std[c] = sqrt(variance > 0 ? variance : 0) / 255;
    }
}

typedef struct job {
    const oc_pack *pack;
    oc_moments *moments; /* [threads] */
} job;

static void add_range(void *user, int64_t begin, int64_t end, int worker) {
    const job *j = user;
    for (int64_t i = begin; i < end; i++) {
        const oc_image image = oc_pack_image(j->pack, i);
        oc_moments_add(&j->moments[worker], image.pixels, image.width, image.height);
    }
}

oc_status oc_pack_moments(double mean[3], double std[3], const oc_pack *pack, oc_team *team, oc_error *err) {
    oc_status status = OC_OK;
    oc_moments all = {0};
    job j = {.pack = pack};
    const int threads = oc_team_threads(team);
    OC_TRY(oc_alloc(&j.moments, (size_t)threads, sizeof *j.moments, err));
    oc_parallel_for_dynamic(team, oc_pack_count(pack), GRAIN, add_range, &j);
    for (int i = 0; i < threads; i++) oc_moments_join(&all, &j.moments[i]);
    oc_moments_find(&all, mean, std);
cleanup:
    oc_free(j.moments);
    return status;
}
