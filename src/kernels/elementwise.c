/* Loops over elements: plain ones, which the compiler turns into the level's vectors. */
#include "kernels/elementwise.h"

#include <math.h>

#include "kernels/stored.h"

static void sum_2(void *dst, const void *a, const void *b, int64_t n) {
    oc_stored *to = dst;
    const oc_stored *x = a, *y = b;
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) to[i] = oc_narrow(oc_widen(x[i]) + oc_widen(y[i]));
}

static void sum_3(void *dst, const void *a, const void *b, const void *c, int64_t n) {
    oc_stored *to = dst;
    const oc_stored *x = a, *y = b, *z = c;
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) to[i] = oc_narrow(oc_widen(x[i]) + oc_widen(y[i]) + oc_widen(z[i]));
}

OC_INLINE float relu_of(float x) {
    return x < 0 ? 0 : x;
}

static void relu(void *dst, const void *src, int64_t n) {
    oc_stored *to = dst;
    const oc_stored *from = src;
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) to[i] = oc_narrow(relu_of(oc_widen(from[i])));
}

static void relu_backward(void *diff_src, const void *dst, const void *diff_dst, int64_t n) {
    oc_stored *to = diff_src;
    const oc_stored *result = dst, *diff = diff_dst;
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) to[i] = oc_widen(result[i]) > 0 ? diff[i] : 0;
}

/* Stretches stay in the nearest cache between two loops over them. */
#define STRETCH 1024

static void join(void *dst, uint8_t *mask, const void *a, const void *b, const void *c, int64_t n) {
    oc_stored *to = dst;
    const oc_stored *x = a, *y = b, *z = c;
    for (int64_t at = 0; at < n; at += STRETCH) {
        const int64_t end = n - at < STRETCH ? n : at + STRETCH;
        if (mask) {
            OC_INDEPENDENT
            for (int64_t i = at; i < end; i++) mask[i] = oc_widen(x[i]) + oc_widen(y[i]) > 0;
        }
        if (z) {
            OC_INDEPENDENT
            for (int64_t i = at; i < end; i++)
                to[i] = oc_narrow(relu_of(oc_widen(x[i]) + oc_widen(y[i])) + oc_widen(z[i]));
        } else {
            OC_INDEPENDENT
            for (int64_t i = at; i < end; i++) to[i] = oc_narrow(relu_of(oc_widen(x[i]) + oc_widen(y[i])));
        }
    }
}

static void join_backward(void *diff_src, const uint8_t *mask, const void *diff_dst, int64_t n) {
    oc_stored *to = diff_src;
    const oc_stored *diff = diff_dst;
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) to[i] = mask[i] ? diff[i] : 0;
}

static void sigmoid(void *dst, const void *src, int64_t n) {
    oc_stored *to = dst;
    const oc_stored *from = src;
    for (int64_t i = 0; i < n; i++) to[i] = oc_narrow((float)(1 / (1 + exp(-(double)oc_widen(from[i])))));
}

static void sigmoid_backward(void *diff_src, const void *dst, const void *diff_dst, int64_t n) {
    oc_stored *to = diff_src;
    const oc_stored *result = dst, *diff = diff_dst;
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        const float s = oc_widen(result[i]);
        to[i] = oc_narrow(oc_widen(diff[i]) * (s * (1 - s)));
    }
}

static void scale(void *dst, const void *src, float factor, int64_t n) {
    oc_stored *to = dst;
    const oc_stored *from = src;
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) to[i] = oc_narrow(oc_widen(from[i]) * factor);
}

static void scale_kept(void *dst, const void *src, const uint8_t *kept, float factor, int64_t n) {
    oc_stored *to = dst;
    const oc_stored *from = src;
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) to[i] = oc_narrow(oc_widen(from[i]) * (kept[i] ? factor : 0.0F));
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
