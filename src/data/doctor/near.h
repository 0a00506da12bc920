/* The search for near hashes: every pair within a Hamming distance, without looking at all pairs. */
#ifndef OC_DATA_DOCTOR_NEAR_H
#define OC_DATA_DOCTOR_NEAR_H

#include "ocelli/base.h"

/* Bits of 64 in which two that are found may differ. */
#define OC_NEAR_RADIUS 15

typedef struct oc_near oc_near;

/* *out = an index of hash[count], count below 2^32: 64 bytes each. OC_E_MEMORY. The caller destroys it. */
oc_status oc_near_create(oc_near **out, const uint64_t *hash, size_t count, oc_error *err);
void oc_near_destroy(oc_near **near);

/* The search is that many tasks; threads may do different ones at once. */
int oc_near_tasks(const oc_near *near);
/* Calls fn(user, a, b) for pairs of places, a < b, of which hash[a] ^ hash[b] ^ flip has at most OC_NEAR_RADIUS bits:
 * all tasks together for each pair once. */
typedef void (*oc_near_fn)(void *user, uint32_t a, uint32_t b);
void oc_near_find(const oc_near *near, int task, uint64_t flip, oc_near_fn fn, void *user);

#endif
