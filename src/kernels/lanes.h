/* Vectors of the level that is being compiled: their types, and the few operations for which C has no operator. For the
 * sources of this folder only. Arithmetic is written with + - * / on vectors; nothing is contracted, so a multiply-add
 * is fused where oc_fma says so and nowhere else. Results are the same bits at every level that has fused
 * multiply-adds, as long as a kernel sums in the same order at each. */
#ifndef OC_KERNELS_LANES_H
#define OC_KERNELS_LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined __x86_64__
#include <immintrin.h>
#endif

#include "kernels/level.h"

#define OC_INLINE static inline __attribute__((always_inline))

/* A loop whose pointers are equal or do not overlap: it can be vectorised without asking. */
#ifdef __clang__
#define OC_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define OC_INDEPENDENT _Pragma("GCC ivdep")
#endif

OC_INLINE int64_t oc_divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* OC_LANES numbers. The aligned types may only be read from and written to multiples of their size; those ending in
 * _at anywhere. */
typedef float oc_floats __attribute__((vector_size(4 * OC_LANES), may_alias));
typedef float oc_floats_at __attribute__((vector_size(4 * OC_LANES), aligned(4), may_alias));
typedef int32_t oc_ints __attribute__((vector_size(4 * OC_LANES), may_alias));
typedef double oc_doubles __attribute__((vector_size(8 * OC_LANES), may_alias));
typedef uint8_t oc_bytes __attribute__((vector_size(OC_LANES), may_alias));
typedef uint8_t oc_bytes_at __attribute__((vector_size(OC_LANES), aligned(1), may_alias));

OC_INLINE oc_floats oc_load(const float *from) {
    return *(const oc_floats_at *)from;
}

OC_INLINE void oc_store(float *to, oc_floats v) {
    *(oc_floats_at *)to = v;
}

/* The same number in every lane. */
OC_INLINE oc_floats oc_broadcast(float x) {
    return x - (oc_floats){0};
}

/* a·b + c, rounded once where the level has FMA, twice at the baseline. */
OC_INLINE oc_floats oc_fma(oc_floats a, oc_floats b, oc_floats c) {
#if defined OC_LEVEL_AVX512
    return (oc_floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined OC_LEVEL_AVX2
    return (oc_floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined OC_LEVEL_WIDE
    __m256 x[2], y[2], z[2];
    memcpy(x, &a, sizeof a);
    memcpy(y, &b, sizeof b);
    memcpy(z, &c, sizeof c);
    for (int i = 0; i < 2; i++) z[i] = _mm256_fmadd_ps(x[i], y[i], z[i]);
    memcpy(&c, z, sizeof c);
    return c;
#else
    return c + a * b;
#endif
}

/* √x, exactly rounded. */
OC_INLINE oc_floats oc_sqrt(oc_floats x) {
#if defined OC_LEVEL_AVX512
    return (oc_floats)_mm512_sqrt_ps((__m512)x);
#elif defined OC_LEVEL_AVX2
    return (oc_floats)_mm256_sqrt_ps((__m256)x);
#elif defined OC_LEVEL_WIDE
    __m256 half[2];
    memcpy(half, &x, sizeof x);
    for (int i = 0; i < 2; i++) half[i] = _mm256_sqrt_ps(half[i]);
    memcpy(&x, half, sizeof x);
    return x;
#elif defined __x86_64__
    __m128 part[OC_LANES / 4];
    memcpy(part, &x, sizeof x);
    for (int i = 0; i < OC_LANES / 4; i++) part[i] = _mm_sqrt_ps(part[i]);
    memcpy(&x, part, sizeof x);
    return x;
#else
    for (int i = 0; i < OC_LANES; i++) x[i] = sqrtf(x[i]);
    return x;
#endif
}

/* Which lanes a comparison is true of, and what is taken there: a bit each, or all ones or all zeros. */
#if defined OC_LEVEL_AVX512
typedef __mmask16 oc_mask;
#else
typedef oc_ints oc_mask;
#endif

/* Where a is larger than b or NaN. */
OC_INLINE oc_mask oc_exceeds(oc_floats a, oc_floats b) {
#if defined OC_LEVEL_AVX512
    return _kor_mask16(_mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ),
                       _mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_UNORD_Q));
#else
    return (a > b) | ~(a >= -INFINITY); /* only NaN is not even that */
#endif
}

/* mask ? a : b, lane by lane. */
OC_INLINE oc_ints oc_select_ints(oc_mask mask, oc_ints a, oc_ints b) {
#if defined OC_LEVEL_AVX512
    return (oc_ints)_mm512_mask_mov_epi32((__m512i)b, mask, (__m512i)a);
#else
    return (a & mask) | (b & ~mask);
#endif
}

OC_INLINE oc_floats oc_select(oc_mask mask, oc_floats a, oc_floats b) {
    return (oc_floats)oc_select_ints(mask, (oc_ints)a, (oc_ints)b);
}

/* Integers 0 … 255 as bytes at any address, and back. Written out, since compilers convert them one by one. */
#if defined OC_LEVEL_AVX2 || defined OC_LEVEL_WIDE
OC_INLINE __m256i oc_bytes_load_8(const uint8_t *from) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)from));
}

OC_INLINE void oc_bytes_store_8(uint8_t *to, __m256i v) {
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    _mm_storel_epi64((__m128i *)(void *)to, _mm_packus_epi16(words, words));
}
#endif

OC_INLINE oc_ints oc_bytes_load(const uint8_t *from) {
#if defined OC_LEVEL_AVX512
    return (oc_ints)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));
#elif defined OC_LEVEL_AVX2
    return (oc_ints)oc_bytes_load_8(from);
#elif defined OC_LEVEL_WIDE
    const __m256i half[2] = {oc_bytes_load_8(from), oc_bytes_load_8(from + 8)};
    oc_ints v;
    memcpy(&v, half, sizeof v);
    return v;
#else
    return __builtin_convertvector(*(const oc_bytes_at *)from, oc_ints);
#endif
}

OC_INLINE void oc_bytes_store(uint8_t *to, oc_ints v) {
#if defined OC_LEVEL_AVX512
    _mm_storeu_si128((__m128i *)(void *)to, _mm512_cvtepi32_epi8((__m512i)v));
#elif defined OC_LEVEL_AVX2
    oc_bytes_store_8(to, (__m256i)v);
#elif defined OC_LEVEL_WIDE
    __m256i half[2];
    memcpy(half, &v, sizeof v);
    for (int i = 0; i < 2; i++) oc_bytes_store_8(to + 8 * i, half[i]);
#else
    *(oc_bytes_at *)to = __builtin_convertvector(v, oc_bytes);
#endif
}

/* max(x, 0) as PyTorch's ReLU: NaN stays NaN. */
OC_INLINE oc_floats oc_relu(oc_floats x) {
#if defined OC_LEVEL_AVX512
    const __mmask16 keep = _mm512_cmp_ps_mask((__m512)x, _mm512_setzero_ps(), _CMP_NLT_UQ);
    return (oc_floats)_mm512_maskz_mov_ps(keep, (__m512)x);
#else
    return (oc_floats)((oc_ints)x & ~(x < 0));
#endif
}

/* v where x > 0, and 0 elsewhere: the gradient of ReLU. */
OC_INLINE oc_floats oc_where_positive(oc_floats x, oc_floats v) {
#if defined OC_LEVEL_AVX512
    const __mmask16 keep = _mm512_cmp_ps_mask((__m512)x, _mm512_setzero_ps(), _CMP_GT_OQ);
    return (oc_floats)_mm512_maskz_mov_ps(keep, (__m512)v);
#else
    return (oc_floats)((oc_ints)v & (x > 0));
#endif
}

#endif
