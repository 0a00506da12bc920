/* Denormal numbers, as the calling thread's arithmetic has them now. */
#ifndef OC_TESTS_SUPPORT_DENORMALS_H
#define OC_TESTS_SUPPORT_DENORMALS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Whether this processor can count them as 0 (base/denormals.h). */
#if defined __x86_64__
#define TEST_FLUSHES true
#else
#define TEST_FLUSHES false
#endif

/* Whether both a denormal result and a denormal operand are other than 0. */
static inline bool test_keeps_denormals(void) {
    volatile float least = 1.17549435e-38F, half = 0.5F, denormal = 1e-40F, large = 1e30F;
    const float result = least * half;
    uint32_t bits; /* a comparison would count it as 0, too */
    memcpy(&bits, &result, sizeof bits);
    return bits != 0 && denormal * large > 0;
}

#endif
