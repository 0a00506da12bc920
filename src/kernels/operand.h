/* The numbers of matrices that are multiplied (product.h): float, or bfloat16 in the sources that are compiled once
 * more with OC_PRODUCTS_BF16. Those name neither: they see oc_operand, of which one instruction multiplies OC_STEP and
 * adds their products to a float. For the sources of this folder only.
 *
 * With bfloat16 that is VDPBF16PS, which computes c + a₁b₁ + a₀b₀ as two fused multiply-adds, the odd one first; for it
 * denormals are zeros, as factors and as sums (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2).
 * The wide build has the same in two instructions of AVX2's, so that what is built on it is tested anywhere. */
#ifndef OC_KERNELS_OPERAND_H
#define OC_KERNELS_OPERAND_H

#include "kernels/stored.h"

#if defined OC_PRODUCTS_BF16

#if !defined OC_STORED_BF16
#error "products of bfloat16 are for maps of bfloat16"
#endif

#define OC_STEP 2

typedef uint16_t oc_operand;
typedef uint16_t oc_operands __attribute__((vector_size(4 * OC_LANES), may_alias));
typedef uint16_t oc_operands_at __attribute__((vector_size(4 * OC_LANES), aligned(2), may_alias));

/* OC_LANES · OC_STEP operands. */
OC_INLINE oc_operands oc_load_operands(const oc_operand *from) {
    return *(const oc_operands_at *)from;
}

/* One step's operands, the same in every lane. */
OC_INLINE oc_operands oc_spread_operands(const oc_operand *from) {
    uint32_t step;
    memcpy(&step, from, sizeof step);
    return (oc_operands)(step - (oc_bits){0});
}

/* Zeros for denormals. */
OC_INLINE oc_floats oc_flushed(oc_floats v) {
    const oc_bits bits = (oc_bits)v;
    const oc_bits normal = (oc_bits)((0 - (oc_ints)(bits & 0x7f800000U)) >> 31);
    return (oc_floats)(bits & (normal | 0x80000000U));
}

/* The sum of a step's products and of `sum`, lane by lane. */
OC_INLINE oc_floats oc_multiply_add(oc_operands a, oc_operands b, oc_floats sum) {
#if defined OC_LEVEL_AVX512
    return (oc_floats)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    const oc_floats odd_a = oc_flushed((oc_floats)((oc_bits)a & 0xffff0000U)),
                    odd_b = oc_flushed((oc_floats)((oc_bits)b & 0xffff0000U));
    const oc_floats even_a = oc_flushed((oc_floats)((oc_bits)a << 16)),
                    even_b = oc_flushed((oc_floats)((oc_bits)b << 16));
    return oc_flushed(oc_fma(even_a, even_b, oc_flushed(oc_fma(odd_a, odd_b, oc_flushed(sum)))));
#endif
}

/* The nearest to each. */
OC_INLINE oc_halves oc_nearest_operands(oc_floats v) {
#if defined OC_LEVEL_AVX512
    return (oc_halves)_mm512_cvtneps_pbh((__m512)v);
#else
    return __builtin_convertvector(oc_rounded(oc_flushed(v)) >> 16, oc_halves);
#endif
}

/* A row of the left factor of a·b: the operands of one step lie side by side. */
OC_INLINE void oc_store_operands(oc_operand *to, oc_floats v) {
    *(oc_halves_at *)to = oc_nearest_operands(v);
}

/* A row of any other factor: the operands of one step lie side by side, and then those of the next lane. The step
 * begins at `to`, and the row is its number `part`; they are stored in this order, and with the first the others are
 * zero. */
OC_INLINE void oc_store_part(oc_operand *to, int part, oc_floats v) {
    oc_bits step = oc_extended(oc_nearest_operands(v));
    if (part > 0) step = (oc_bits)oc_load_operands(to) | step << 16;
    *(oc_operands_at *)to = (oc_operands)step;
}

/* oc_store_operands of a map's numbers. */
OC_INLINE void oc_copy_operands(oc_operand *to, const oc_stored *from) {
    *(oc_halves_at *)to = *(const oc_halves_at *)from;
}

#else

#define OC_STEP 1

typedef float oc_operand;
typedef oc_floats oc_operands;

OC_INLINE oc_operands oc_load_operands(const oc_operand *from) {
    return oc_load(from);
}

OC_INLINE oc_operands oc_spread_operands(const oc_operand *from) {
    return oc_broadcast(*from);
}

OC_INLINE oc_floats oc_multiply_add(oc_operands a, oc_operands b, oc_floats sum) {
    return oc_fma(a, b, sum);
}

OC_INLINE void oc_store_operands(oc_operand *to, oc_floats v) {
    oc_store(to, v);
}

OC_INLINE void oc_store_part(oc_operand *to, int part, oc_floats v) {
    (void)part;
    oc_store(to, v);
}

OC_INLINE void oc_copy_operands(oc_operand *to, const oc_stored *from) {
    oc_store(to, oc_load_stored(from));
}

#endif

#endif
