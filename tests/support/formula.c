/* Numbers that a formula gives. */
#include "support/formula.h"

#include <math.h>
#include <string.h>

double formula_uniform(const char *name, uint64_t i) {
    uint64_t h = 0xCBF29CE484222325U;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001B3U;
    uint64_t z = h + (i + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    z ^= z >> 31;
    return (double)(z >> 40) / 16777216.0;
}

int formula_fill(float *dst, const char *name, const char *kind, const oc_shape *shape) {
    double scale, shift;
    const int64_t count = oc_shape_count(shape);
    if (strcmp(kind, "weight") == 0) {
        const double bound = sqrt(6.0 / ((double)count / (double)shape->dim[0]));
        scale = 2 * bound, shift = -bound;
    } else if (strcmp(kind, "norm_weight") == 0) {
        scale = 0.4, shift = 0.8;
    } else if (strcmp(kind, "running_var") == 0) {
        scale = 0.5, shift = 0.75;
    } else if (strcmp(kind, "bias") == 0 || strcmp(kind, "running_mean") == 0) {
        scale = 0.2, shift = -0.1;
    } else {
        return -1;
    }
    for (int64_t i = 0; i < count; i++) dst[i] = (float)(scale * formula_uniform(name, (uint64_t)i) + shift);
    return 0;
}

void formula_input(float *dst, const char *name, size_t count) {
    for (size_t i = 0; i < count; i++) dst[i] = (float)(4 * formula_uniform(name, i) - 2);
}

void formula_labels(int32_t *dst, const char *name, size_t count, int64_t classes) {
    for (size_t i = 0; i < count; i++) dst[i] = (int32_t)(formula_uniform(name, i) * (double)classes);
}
