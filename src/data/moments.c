/* Sums over pixels. */
#include "data/moments.h"

#include <math.h>

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
