/* Matrix products for winograd.h. One micro-kernel: R rows by J blocks of eight columns stay in registers while the sum
 * runs; each step loads J vectors and spreads R single numbers. 6×2 and 4×3 both keep twelve sums, as many as hide the
 * latency of two multipliers. */
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "compute/winograd.h"

/* Blocks of eight in one run of a sum: 256 rows of two blocks of U, 16 KB, stay in the nearest cache. */
#define RUN 32

#define INLINE static inline __attribute__((always_inline)) OC_AVX2

INLINE oc_floats multiply_add(float a, oc_floats b, oc_floats c) {
#ifdef __x86_64__
    return _mm256_fmadd_ps(_mm256_set1_ps(a), b, c);
#else
    return c + a * b;
#endif
}

/* How the left factor is read: floats between rows of the product, between steps of the sum, and between eight steps.
 */
typedef struct reading {
    int64_t row, step, eight;
} reading;

/* c (+)= a·b over 8·`eights` steps, R and J being constants; blocks of b and c are `b_block` and `c_block` apart. */
INLINE void micro(const int R, const int J, const reading by, const float *a, const float *b, int64_t b_block, float *c,
                  int64_t c_block, int64_t eights, bool add) {
    oc_floats sum[6][3];
#pragma GCC unroll 6
    for (int r = 0; r < R; r++)
#pragma GCC unroll 3
        for (int j = 0; j < J; j++)
            sum[r][j] = add ? *(const oc_floats *)(c + j * c_block + r * OC_LANES) : (oc_floats){0};
    for (int64_t e = 0; e < eights; e++, a += by.eight, b += 8 * OC_LANES) {
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++) {
            oc_floats right[3];
#pragma GCC unroll 3
            for (int j = 0; j < J; j++) right[j] = *(const oc_floats *)(b + j * b_block + k * OC_LANES);
#pragma GCC unroll 6
            for (int r = 0; r < R; r++)
#pragma GCC unroll 3
                for (int j = 0; j < J; j++) sum[r][j] = multiply_add(a[r * by.row + k * by.step], right[j], sum[r][j]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < R; r++)
#pragma GCC unroll 3
        for (int j = 0; j < J; j++) *(oc_floats *)(c + j * c_block + r * OC_LANES) = sum[r][j];
}

/* Six rows of M = V·U, for J blocks: rows of V are vectors apart, a step of the sum is the next number of a vector. */
INLINE void rows_of_product(const int J, const oc_matrix *m, const oc_matrix *v, const oc_matrix *u, int64_t inner,
                            bool add) {
    const reading by = {OC_LANES, 1, v->block};
    micro(OC_WINOGRAD_ROWS, J, by, v->at, u->at, u->block, m->at, m->block, inner, add);
}

OC_AVX2 static void panel(int64_t blocks, oc_matrix m, oc_matrix v, oc_matrix u, int64_t rows, int64_t inner,
                          bool add) {
    for (int64_t t = 0; t < rows; t += OC_WINOGRAD_ROWS) {
        if (blocks == 2)
            rows_of_product(2, &m, &v, &u, inner, add);
        else
            rows_of_product(1, &m, &v, &u, inner, add);
        m.at += OC_WINOGRAD_ROWS * OC_LANES;
        v.at += OC_WINOGRAD_ROWS * OC_LANES;
    }
}

void oc_winograd_multiply(oc_matrix m, oc_matrix v, oc_matrix u, int64_t rows, int64_t inner, int64_t blocks) {
    for (int64_t done = 0; done < inner; done += RUN) {
        const int64_t run = inner - done < RUN ? inner - done : RUN;
        const oc_matrix left = {v.at + done * v.block, v.block};
        for (int64_t o = 0; o < blocks; o += 2) {
            const oc_matrix right = {u.at + o * u.block + done * 8 * OC_LANES, u.block};
            const oc_matrix product = {m.at + o * m.block, m.block};
            panel(blocks - o < 2 ? 1 : 2, product, left, right, rows, run, done > 0);
        }
    }
}

/* Four rows of S = Vᵀ·W: its rows are the numbers of a vector of V, a step of the sum is the next vector. */
OC_AVX2 static void rows_of_transposed(int64_t blocks, float *s, int64_t s_block, const float *v, const oc_matrix *w,
                                       int64_t eights, bool add) {
    const reading by = {1, OC_LANES, 8 * OC_LANES};
    if (blocks == 3)
        micro(4, 3, by, v, w->at, w->block, s, s_block, eights, add);
    else if (blocks == 2)
        micro(4, 2, by, v, w->at, w->block, s, s_block, eights, add);
    else
        micro(4, 1, by, v, w->at, w->block, s, s_block, eights, add);
}

void oc_winograd_multiply_transposed(oc_matrix s, oc_matrix v, oc_matrix w, int64_t ic, int64_t oc, int64_t rows,
                                     bool add) {
    for (int64_t o = 0, blocks; o < oc; o += blocks) {
        const int64_t left = oc - o;
        const oc_matrix right = {w.at + o * w.block, w.block};
        blocks = left == 4 ? 2 : left < 3 ? left : 3; /* 2 + 2 rather than 3 + 1 */
        for (int64_t i = 0; i < 2 * ic; i++)
            rows_of_transposed(blocks, s.at + o * s.block + i * 4 * OC_LANES, s.block,
                               v.at + i / 2 * v.block + i % 2 * 4, &right, rows / 8, add);
    }
}
