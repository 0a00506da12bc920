/* The matrices of winograd.h applied to vectors, one direction at a time. */
#ifndef OC_KERNELS_WINOGRAD_POINTS_H
#define OC_KERNELS_WINOGRAD_POINTS_H

#include "kernels/winograd_transform.h"

/* The points of F(4×4), ±P and ±Q, and what is made of them; all but the filters' scales are exact in a float. */
#define P 0.6875F
#define Q 1.4375F
#define P2 (P * P)
#define Q2 (Q * Q)
#define SUM2 (P2 + Q2)
#define PRODUCT2 (P2 * Q2)
#define G0 ((float)(1 / ((double)P2 * Q2)))
#define GP ((double)1 / (2 * (double)P2 * ((double)P2 - Q2)))
#define GQ ((double)1 / (2 * (double)Q2 * ((double)Q2 - P2)))

/* a·b + c with a constant. */
OC_INLINE oc_floats oc_scaled(float a, oc_floats b, oc_floats c) {
    return oc_fma(oc_broadcast(a), b, c);
}

/* One group of Bᵀ d. */
OC_INLINE void oc_source_group(const int m, const int group, const oc_floats *d, oc_floats *t) {
    if (m == 2) {
        if (group == 0) {
            t[0] = d[0] - d[2];
        } else if (group == 1) {
            t[0] = d[1] + d[2];
            t[1] = d[2] - d[1];
        } else {
            t[0] = d[1] - d[3];
        }
    } else if (group == 0) {
        t[0] = oc_scaled(PRODUCT2, d[0], oc_scaled(-SUM2, d[2], d[4]));
    } else if (group == 3) {
        t[0] = oc_scaled(PRODUCT2, d[1], oc_scaled(-SUM2, d[3], d[5]));
    } else {
        const float point = group == 1 ? P : Q, other2 = group == 1 ? Q2 : P2;
        const oc_floats even = oc_scaled(-other2, d[2], d[4]), odd = oc_scaled(-other2, d[1], d[3]);
        t[0] = oc_scaled(point, odd, even);
        t[1] = oc_scaled(-point, odd, even);
    }
}

/* One group of A y. */
OC_INLINE void oc_gradient_group(const int m, const int group, const oc_floats *y, oc_floats *t) {
    if (group == 0) {
        t[0] = y[0];
    } else if (m == 2) {
        if (group == 1) {
            t[0] = y[0] + y[1];
            t[1] = y[0] - y[1];
        } else {
            t[0] = -y[1];
        }
    } else if (group == 3) {
        t[0] = y[3];
    } else {
        const float point = group == 1 ? P : Q, square = group == 1 ? P2 : Q2;
        const oc_floats even = oc_scaled(square, y[2], y[0]), odd = oc_scaled(square, y[3], y[1]);
        t[0] = oc_scaled(point, odd, even);
        t[1] = oc_scaled(-point, odd, even);
    }
}

/* Aᵀ t. */
OC_INLINE void oc_result(const int m, const oc_floats *t, oc_floats *y) {
    if (m == 2) {
        y[0] = t[0] + t[1] + t[2];
        y[1] = t[1] - t[2] - t[3];
    } else {
        const oc_floats even_p = t[1] + t[2], odd_p = t[1] - t[2], even_q = t[3] + t[4], odd_q = t[3] - t[4];
        y[0] = t[0] + (even_p + even_q);
        y[1] = oc_scaled(P, odd_p, oc_broadcast(Q) * odd_q);
        y[2] = oc_scaled(P2, even_p, oc_broadcast(Q2) * even_q);
        y[3] = oc_scaled(P * P2, odd_p, oc_scaled(Q * Q2, odd_q, t[5]));
    }
}

/* G g: from three vectors, `g_step` vectors apart, to n, `t_step` apart. */
OC_INLINE void oc_filter(const int m, const oc_floats *g, int g_step, oc_floats *t, int t_step) {
    const oc_floats g0 = g[0], g1 = g[g_step], g2 = g[2 * g_step];
    if (m == 2) {
        const oc_floats outer = 0.5F * (g0 + g2), inner = 0.5F * g1;
        t[0] = g0;
        t[t_step] = outer + inner;
        t[2 * t_step] = outer - inner;
        t[3 * t_step] = g2;
    } else {
        const oc_floats even_p = oc_scaled(P2, g2, g0), even_q = oc_scaled(Q2, g2, g0);
        t[0] = G0 * g0;
        t[t_step] = (float)GP * oc_scaled(P, g1, even_p);
        t[2 * t_step] = (float)GP * oc_scaled(-P, g1, even_p);
        t[3 * t_step] = (float)GQ * oc_scaled(Q, g1, even_q);
        t[4 * t_step] = (float)GQ * oc_scaled(-Q, g1, even_q);
        t[5 * t_step] = g2;
    }
}

/* Gᵀ t: from n vectors to three. */
OC_INLINE void oc_filter_gradient(const int m, const oc_floats *t, int t_step, oc_floats *g, int g_step) {
    if (m == 2) {
        const oc_floats sum = 0.5F * (t[t_step] + t[2 * t_step]);
        g[0] = t[0] + sum;
        g[g_step] = 0.5F * (t[t_step] - t[2 * t_step]);
        g[2 * g_step] = sum + t[3 * t_step];
    } else {
        const oc_floats even_p = (float)GP * (t[t_step] + t[2 * t_step]);
        const oc_floats odd_p = (float)GP * (t[t_step] - t[2 * t_step]);
        const oc_floats even_q = (float)GQ * (t[3 * t_step] + t[4 * t_step]);
        const oc_floats odd_q = (float)GQ * (t[3 * t_step] - t[4 * t_step]);
        g[0] = oc_scaled(G0, t[0], even_p + even_q);
        g[g_step] = oc_scaled(P, odd_p, oc_broadcast(Q) * odd_q);
        g[2 * g_step] = oc_scaled(P2, even_p, oc_scaled(Q2, even_q, t[5 * t_step]));
    }
}

#endif
