/* Loops over elements: plain ones, which the compiler turns into the level's vectors. */
#include "kernels/elementwise.h"

#include <math.h>

#include "kernels/lanes.h"

static void sum_2(float *dst, const float *a, const float *b, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dst[i] = a[i] + b[i];
}

static void sum_3(float *dst, const float *a, const float *b, const float *c, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dst[i] = a[i] + b[i] + c[i];
}

static void relu(float *dst, const float *src, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dst[i] = src[i] < 0 ? 0 : src[i];
}

static void relu_backward(float *diff_src, const float *dst, const float *diff_dst, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) diff_src[i] = dst[i] > 0 ? diff_dst[i] : 0;
}

/* Stretches stay in the nearest cache between two loops over them. */
#define STRETCH 1024

static void join(float *dst, uint8_t *mask, const float *a, const float *b, const float *c, int64_t n) {
    for (int64_t at = 0; at < n; at += STRETCH) {
        const int64_t end = n - at < STRETCH ? n : at + STRETCH;
        if (mask) {
            OC_INDEPENDENT
            for (int64_t i = at; i < end; i++) mask[i] = a[i] + b[i] > 0;
        }
        if (c) {
            OC_INDEPENDENT
            for (int64_t i = at; i < end; i++) {
                const float s = a[i] + b[i];
                dst[i] = (s < 0 ? 0 : s) + c[i];
            }
        } else {
            OC_INDEPENDENT
            for (int64_t i = at; i < end; i++) {
                const float s = a[i] + b[i];
                dst[i] = s < 0 ? 0 : s;
            }
        }
    }
}

static void join_backward(float *diff_src, const uint8_t *mask, const float *diff_dst, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) diff_src[i] = mask[i] ? diff_dst[i] : 0;
}

static void sigmoid(float *dst, const float *src, int64_t n) {
    for (int64_t i = 0; i < n; i++) dst[i] = (float)(1 / (1 + exp(-(double)src[i])));
}

static void sigmoid_backward(float *diff_src, const float *dst, const float *diff_dst, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) diff_src[i] = diff_dst[i] * (dst[i] * (1 - dst[i]));
}

static void scale(float *dst, const float *src, float factor, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dst[i] = src[i] * factor;
}

static void scale_kept(float *dst, const float *src, const uint8_t *kept, float factor, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dst[i] = src[i] * (kept[i] ? factor : 0.0F);
}

static void scale_exact(float *dst, const float *src, double factor, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dst[i] = (float)(src[i] * factor);
}

static void blend(float *dst, float a, const float *x, float b, const float *y, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dst[i] = a * x[i] + b * y[i];
}

static void average(float *average, const float *src, float rate, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) average[i] += rate * (src[i] - average[i]);
}

#define SUMS 8 /* at every level, so that the sum is the same bits at all of them */

static double sum_of_squares(const float *x, int64_t n) {
    double part[SUMS] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (int k = 0; k < SUMS; k++) part[k] += (double)x[i + k] * (double)x[i + k];
    for (; i < n; i++) sum += (double)x[i] * (double)x[i];
    for (int k = 0; k < SUMS; k++) sum += part[k];
    return sum;
}

const oc_elementwise_kernels OC_ELEMENTWISE_KERNELS = {.sum_2 = sum_2,
                                                       .sum_3 = sum_3,
                                                       .relu = relu,
                                                       .relu_backward = relu_backward,
                                                       .join = join,
                                                       .join_backward = join_backward,
                                                       .sigmoid = sigmoid,
                                                       .sigmoid_backward = sigmoid_backward,
                                                       .scale = scale,
                                                       .scale_kept = scale_kept,
                                                       .scale_exact = scale_exact,
                                                       .blend = blend,
                                                       .average = average,
                                                       .sum_of_squares = sum_of_squares};
