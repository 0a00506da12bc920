/* What convolutions were measured to take, in a file that outlives the process: tuning-<hash>.json in the cache folder,
 * {"format": OC_TUNING_FORMAT, "machine": everything but the problem that times depend on, which the hash is of,
 *  "seconds": {problem: {algorithm: seconds, …}, …}}. */
#ifndef OC_COMPUTE_CONV_TUNING_CACHE_H
#define OC_COMPUTE_CONV_TUNING_CACHE_H

#include "ocelli/base.h"

/* The number grows when an older reader could not make sense of the file. */
#define OC_TUNING_FORMAT "ocelli tuning 1"

typedef struct oc_tuning_cache oc_tuning_cache;

/* Reads the cache of `machine` (a text, copied) in `folder` (NULL: the user's). One that is no such file is taken for
 * empty, with one line to `log` (copied). OC_E_MEMORY. */
oc_status oc_tuning_cache_create(oc_tuning_cache **out, const char *folder, const char *machine, const oc_log *log,
                                 oc_error *err);
void oc_tuning_cache_destroy(oc_tuning_cache **cache);

/* Seconds that the algorithm takes for the problem; 0: not known. */
double oc_tuning_cache_find(const oc_tuning_cache *cache, const char *problem, const char *algorithm);
/* Remembers them, > 0. OC_E_MEMORY. */
oc_status oc_tuning_cache_add(oc_tuning_cache *cache, const char *problem, const char *algorithm, double seconds,
                              oc_error *err);

/* Writes what was added since into the file, beside what other processes have put there meanwhile. Errors are told to
 * the log, and what was added is kept for the next time. */
void oc_tuning_cache_save(oc_tuning_cache *cache);

#endif
