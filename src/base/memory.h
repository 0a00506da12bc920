/* Memory: zeroed, aligned for every vector instruction, overflow-checked; and copies of texts. */
#ifndef OC_BASE_MEMORY_H
#define OC_BASE_MEMORY_H

#include "ocelli/base.h"

#define OC_ALIGNMENT 64

/* *out = count × size zeroed bytes at a multiple of 64, or NULL when count or size is 0. OC_E_MEMORY when it
 * overflows or there is none. The caller frees with oc_free. */
oc_status oc_alloc(void *out, size_t count, size_t size, oc_error *err);

/* Grows *array (elements of `size` bytes, *capacity of them allocated, may be NULL/0) to hold at least `count`,
 * doubling; what is there stays, what is new is zero. OC_E_MEMORY. */
oc_status oc_grow(void *array, size_t *capacity, size_t count, size_t size, oc_error *err);

/* *out = a copy of the NUL-terminated `text`, freed with oc_free. */
oc_status oc_strdup(char **out, const char *text, oc_error *err);

/* Frees what the three above returned; NULL is allowed. */
void oc_free(void *memory);

/* The most memory that the process has had at once since its start or the last reset, bytes: its resident set, what it
 * has mapped of files included. 0 where the system does not tell (Linux's /proc/self/status). */
int64_t oc_memory_peak(void);
/* Begins anew with what the process has now, where the system lets it: so that one run does not count another's. */
void oc_memory_peak_reset(void);

/* a × b into *out; false when it overflows. */
bool oc_size_mul(size_t a, size_t b, size_t *out);

#endif
