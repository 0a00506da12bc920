/* Streams of random numbers over Random123's Philox4x32-10. */
#include "base/random.h"

#include <Random123/philox.h>
#include <math.h>

void oc_random_init(oc_random *random, uint64_t seed, oc_random_domain domain, uint32_t a, uint64_t b) {
    /* The domain goes into the key's top byte: two streams share no numbers while seeds are below 2^56. */
    random->key[0] = (uint32_t)seed;
    random->key[1] = (uint32_t)(seed >> 32) ^ ((uint32_t)domain << 24);
    random->counter[0] = 0;
    random->counter[1] = a;
    random->counter[2] = (uint32_t)b;
    random->counter[3] = (uint32_t)(b >> 32);
    random->used = 4;
}

uint32_t oc_random_u32(oc_random *random) {
    if (random->used == 4) {
        philox4x32_key_t key = {{random->key[0], random->key[1]}};
        philox4x32_ctr_t counter = {{random->counter[0], random->counter[1], random->counter[2], random->counter[3]}};
        philox4x32_ctr_t block = philox4x32(counter, key);
        for (int i = 0; i < 4; i++) random->block[i] = block.v[i];
        random->counter[0]++;
        random->used = 0;
    }
    return random->block[random->used++];
}

double oc_random_uniform(oc_random *random) {
    uint64_t high = oc_random_u32(random);
    uint64_t low = oc_random_u32(random);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

/* Uniform in (0, 1], for logarithms. */
static double uniform_positive(oc_random *random) {
    return 1.0 - oc_random_uniform(random);
}

double oc_random_range(oc_random *random, double low, double high) {
    double x = low + (high - low) * oc_random_uniform(random);
    /* Rounding may reach `high`. */
    return x < high || high <= low ? x : nextafter(high, low);
}

uint32_t oc_random_below(oc_random *random, uint32_t n) {
    /* Lemire, "Fast random integer generation in an interval", 2019, algorithm 5. */
    uint64_t product = (uint64_t)oc_random_u32(random) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = (uint32_t)-n % n;
        while ((uint32_t)product < threshold) product = (uint64_t)oc_random_u32(random) * n;
    }
    return (uint32_t)(product >> 32);
}

double oc_random_normal(oc_random *random) {
    double radius = sqrt(-2.0 * log(uniform_positive(random)));
    return radius * cos(6.283185307179586476925 * oc_random_uniform(random));
}

/* Logarithm of a Gamma(shape, 1) number (Marsaglia and Tsang, "A simple method for generating gamma variables",
 * 2000; for shape < 1 their boost U^(1/shape), which in plain numbers would underflow). */
static double log_gamma_number(oc_random *random, double shape) {
    double boost = 0.0;
    if (shape < 1.0) {
        boost = log(uniform_positive(random)) / shape;
        shape += 1.0;
    }
    double d = shape - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x = oc_random_normal(random), t = 1.0 + c * x;
        if (t <= 0.0) continue;
        double v = t * t * t;
        if (log(uniform_positive(random)) < 0.5 * x * x + d * (1.0 - v + log(v))) return log(d * v) + boost;
    }
}

double oc_random_beta(oc_random *random, double alpha, double beta) {
    if (alpha > 1.0 || beta > 1.0) {
        double x = log_gamma_number(random, alpha), y = log_gamma_number(random, beta);
        return 1.0 / (1.0 + exp(y - x));
    }
    /* Jöhnk: X = U^(1/α), Y = V^(1/β), accepted when X + Y <= 1, give X / (X + Y). For small α and β both powers
     * underflow together, so the whole is done with their logarithms. */
    for (;;) {
        double x = log(uniform_positive(random)) / alpha, y = log(uniform_positive(random)) / beta;
        double largest = x > y ? x : y;
        double sum = largest + log(exp(x - largest) + exp(y - largest));
        if (sum <= 0.0) return exp(x - sum);
    }
}

void oc_random_permutation(oc_random *random, uint32_t *order, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = oc_random_below(random, i), swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
}
