/* Counter-based random numbers: Philox4x32-10 of Random123 (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). A stream is a pure function of (seed, domain, a, b); nothing depends on threads or order. */
#ifndef OC_BASE_RANDOM_H
#define OC_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* What a stream is for, so that no two uses share numbers. */
typedef enum oc_random_domain {
    OC_RANDOM_INIT = 1, /* a = tensor's place in the table */
    OC_RANDOM_SHUFFLE,  /* a = epoch */
    OC_RANDOM_AUGMENT,  /* a = epoch, b = sample */
    OC_RANDOM_MIXUP,    /* a = epoch, b = batch in the epoch */
    OC_RANDOM_UNUSED,   /* keeps the numbers of those below */
    OC_RANDOM_DEMO,     /* a = split, b = image */
    OC_RANDOM_DROP,     /* a = step, b = layer */
    OC_RANDOM_TEST
} oc_random_domain;

typedef struct oc_random {
    uint32_t key[2];
    uint32_t counter[4]; /* [0] block within the stream, [1] a, [2..3] b */
    uint32_t block[4];
    int used; /* words of `block` handed out */
} oc_random;

/* Starts stream (seed, domain, a, b). With seeds below 2^56 no two streams share numbers; one has 2^34 of 32 bits. */
void oc_random_init(oc_random *random, uint64_t seed, oc_random_domain domain, uint32_t a, uint64_t b);

uint32_t oc_random_u32(oc_random *random);

/* Uniform in [0, 1), 53 bits. */
double oc_random_uniform(oc_random *random);

/* Uniform in [low, high). */
double oc_random_range(oc_random *random, double low, double high);

/* Uniform integer in [0, n), unbiased (Lemire's rejection); n >= 1. */
uint32_t oc_random_below(oc_random *random, uint32_t n);

/* Standard normal (Box–Muller). */
double oc_random_normal(oc_random *random);

/* Beta(alpha, beta), both > 0: Jöhnk's method in logarithms where both are <= 1, ratio of Marsaglia–Tsang gammas
 * otherwise. */
double oc_random_beta(oc_random *random, double alpha, double beta);

/* A uniformly random permutation of 0 … n−1 into `order` (Fisher–Yates). */
void oc_random_permutation(oc_random *random, uint32_t *order, uint32_t n);

#endif
