/* Numbers that a formula gives, so that no weights need to be shipped with the reference values. */
#ifndef TESTS_SUPPORT_FORMULA_H
#define TESTS_SUPPORT_FORMULA_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/tensor.h"

/* Element i of the sequence `name`: SplitMix64's output function over FNV-1a 64 of the name, upper 24 bits / 2^24,
 * in [0, 1). */
double formula_uniform(const char *name, uint64_t i);

/* A tensor of the kind "weight", "norm_weight", "running_var", "bias" or "running_mean". Returns 0, or −1 for another
 * kind. */
int formula_fill(float *dst, const char *name, const char *kind, const oc_shape *shape);

/* Images: 4u − 2. */
void formula_input(float *dst, const char *name, size_t count);

/* Labels: floor(u · classes). */
void formula_labels(int32_t *dst, const char *name, size_t count, int64_t classes);

#endif
