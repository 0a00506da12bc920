/* The search for near fingerprints among many: every pair within a Hamming distance, without looking at all pairs. */
#ifndef OC_DATA_DOCTOR_NEAR_H
#define OC_DATA_DOCTOR_NEAR_H

#include "ocelli/base.h"

/* Bits of 64 in which two that are found may differ. */
#define OC_NEAR_RADIUS 15

typedef struct oc_near oc_near;

/* *out = an index of hash[count], which is borrowed and outlives it; count at most 2^32 − 1. OC_E_MEMORY. The caller
 * destroys it. */
oc_status oc_near_create(oc_near **out, const uint64_t *hash, size_t count, oc_error *err);
void oc_near_destroy(oc_near **near);

/* Calls fn(user, place) once for each place in [0, below) whose hash is within OC_NEAR_RADIUS of `hash`, in an order that
 * depends on the hashes alone. Thread-safe. */
typedef void (*oc_near_fn)(void *user, uint32_t place);
void oc_near_find(const oc_near *near, uint64_t hash, size_t below, oc_near_fn fn, void *user);

#endif
