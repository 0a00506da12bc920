/* The numbers of feature maps as they lie in memory: float, or bfloat16, which is the upper half of a float. Sources
 * whose functions read or write maps are compiled once for each (OC_STORED_BF16), and name neither: maps are arrays of
 * oc_stored, which these functions turn into floats and back. All arithmetic is in float. For the sources of this
 * folder only.
 *
 * A float is stored as the nearest bfloat16, of two equally near ones the even one; what is too large becomes an
 * infinity, NaN stays NaN. Denormals are numbers like others (AVX-512's own conversion would make them zero). */
#ifndef OC_KERNELS_STORED_H
#define OC_KERNELS_STORED_H

#include "kernels/lanes.h"

#if defined OC_STORED_BF16

typedef uint16_t oc_stored;

typedef uint32_t oc_bits __attribute__((vector_size(4 * OC_LANES), may_alias));
typedef uint16_t oc_halves __attribute__((vector_size(2 * OC_LANES), may_alias));
typedef uint16_t oc_halves_at __attribute__((vector_size(2 * OC_LANES), aligned(2), may_alias));
typedef uint16_t oc_pairs __attribute__((vector_size(4 * OC_LANES), may_alias));

#define OC_HALF_ULP 0x7fffU /* less one: the last bit that stays makes up for it, so that ties go to even */
#define OC_QUIET 0x400000U  /* the bit that a NaN keeps, whatever else is cut off */

OC_INLINE float oc_widen(oc_stored x) {
    const uint32_t bits = (uint32_t)x << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return wide;
}

OC_INLINE oc_stored oc_narrow(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t rounded = bits + OC_HALF_ULP + (bits >> 16 & 1);
    return (oc_stored)((isnan(x) ? bits | OC_QUIET : rounded) >> 16);
}

/* Zeros above each. */
OC_INLINE oc_bits oc_extended(oc_halves v) {
#if defined OC_LEVEL_AVX512
    return (oc_bits)_mm512_cvtepu16_epi32((__m256i)v);
#elif defined OC_LEVEL_AVX2
    return (oc_bits)_mm256_cvtepu16_epi32((__m128i)v);
#else
    return __builtin_convertvector(v, oc_bits);
#endif
}

OC_INLINE oc_floats oc_load_stored(const oc_stored *from) {
    return (oc_floats)(oc_extended(*(const oc_halves_at *)from) << 16);
}

/* All ones where the bits are those of a NaN. In integers, for a comparison of floats is taken apart at the levels
 * whose vectors are wider than a register. */
OC_INLINE oc_bits oc_nan_mask(oc_bits bits) {
    return (oc_bits)((0x7f800000 - (oc_ints)(bits & 0x7fffffffU)) >> 31);
}

/* The nearest bfloat16's bits, in the upper half of each lane; what is in the lower does not matter. */
OC_INLINE oc_bits oc_rounded(oc_floats v) {
#if defined OC_LEVEL_AVX512
    /* The same with masks, a third fewer instructions. */
    const __m512i bits = (__m512i)v;
    const __mmask16 odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
    const __mmask16 nan = _mm512_cmp_ps_mask((__m512)v, (__m512)v, _CMP_UNORD_Q);
    const __m512i down = _mm512_set1_epi32(OC_HALF_ULP), up = _mm512_set1_epi32(OC_HALF_ULP + 1);
    const __m512i rounded = _mm512_add_epi32(bits, _mm512_mask_blend_epi32(odd, down, up));
    return (oc_bits)_mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(OC_QUIET));
#else
    const oc_bits bits = (oc_bits)v, nan = oc_nan_mask(bits);
    const oc_bits rounded = bits + OC_HALF_ULP + (bits >> 16 & 1);
    return (rounded & ~nan) | ((bits | OC_QUIET) & nan);
#endif
}

OC_INLINE void oc_store_stored(oc_stored *to, oc_floats v) {
#if defined OC_LEVEL_AVX512
    const __m512i high = _mm512_srli_epi32((__m512i)oc_rounded(v), 16);
    _mm256_storeu_si256((__m256i *)(void *)to, _mm512_cvtepi32_epi16(high));
#else
    *(oc_halves_at *)to = __builtin_convertvector(oc_rounded(v) >> 16, oc_halves);
#endif
}

/* 2 · OC_LANES numbers, those at even and those at odd places, which is less work than keeping their order. */
#if defined OC_LEVEL_AVX512
#define OC_PAIRED 1

OC_INLINE void oc_load_pair(const oc_stored *from, oc_floats *even, oc_floats *odd) {
    const oc_bits both = (oc_bits)_mm512_loadu_si512(from);
    *even = (oc_floats)(both << 16);
    *odd = (oc_floats)(both & 0xffff0000U);
}

OC_INLINE void oc_store_pair(oc_stored *to, oc_floats even, oc_floats odd) {
    const __m512i low = (__m512i)(oc_rounded(even) >> 16), high = (__m512i)oc_rounded(odd);
    _mm512_storeu_si512(to, _mm512_mask_blend_epi16(0xaaaaaaaaU, low, high));
}

/* From a vector, twice, to a pair, and from a pair back to two vectors. */
OC_INLINE void oc_pair_of(oc_floats v, oc_floats *even, oc_floats *odd) {
    const __m512i at = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 0, 2, 4, 6, 8, 10, 12, 14);
    *even = (oc_floats)_mm512_permutexvar_ps(at, (__m512)v);
    *odd = (oc_floats)_mm512_permutexvar_ps(_mm512_add_epi32(at, _mm512_set1_epi32(1)), (__m512)v);
}

OC_INLINE void oc_unpair(oc_floats even, oc_floats odd, oc_floats *first, oc_floats *second) {
    const __m512i at = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    *first = (oc_floats)_mm512_permutex2var_ps((__m512)even, at, (__m512)odd);
    *second = (oc_floats)_mm512_permutex2var_ps((__m512)even, _mm512_add_epi32(at, _mm512_set1_epi32(8)), (__m512)odd);
}
#endif

/* Bits as they lie in memory: numbers that are only moved. */
typedef oc_halves oc_patterns;

OC_INLINE oc_patterns oc_load_patterns(const oc_stored *from) {
    return *(const oc_halves_at *)from;
}

OC_INLINE void oc_store_patterns(oc_stored *to, oc_patterns v) {
    *(oc_halves_at *)to = v;
}

/* A byte for each lane. */
OC_INLINE oc_patterns oc_load_bytes(const uint8_t *from) {
    return __builtin_convertvector(*(const oc_bytes_at *)from, oc_patterns);
}

/* One number in every lane: twice in each, of which the lower half is cleared. */
OC_INLINE oc_floats oc_spread(const oc_stored *from) {
    return (oc_floats)((oc_bits)(*from - (oc_pairs){0}) & 0xffff0000U);
}

#else

typedef float oc_stored;

OC_INLINE float oc_widen(oc_stored x) {
    return x;
}

OC_INLINE oc_stored oc_narrow(float x) {
    return x;
}

OC_INLINE oc_floats oc_load_stored(const oc_stored *from) {
    return oc_load(from);
}

OC_INLINE void oc_store_stored(oc_stored *to, oc_floats v) {
    oc_store(to, v);
}

typedef oc_ints oc_patterns;

OC_INLINE oc_patterns oc_load_patterns(const oc_stored *from) {
    return (oc_ints)oc_load(from);
}

OC_INLINE void oc_store_patterns(oc_stored *to, oc_patterns v) {
    oc_store(to, (oc_floats)v);
}

OC_INLINE oc_patterns oc_load_bytes(const uint8_t *from) {
    return oc_bytes_load(from);
}

OC_INLINE oc_floats oc_spread(const oc_stored *from) {
    return oc_broadcast(*from);
}

#endif

/* `v` where `place` is `which`, zero elsewhere. */
OC_INLINE oc_patterns oc_where(oc_patterns place, uint8_t which, oc_patterns v) {
    return v & (oc_patterns)(place == (oc_patterns){0} + which);
}

#endif
