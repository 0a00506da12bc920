/* What computes: the team of threads, the kernels of the processor's level, and oneDNN's engine for it. */
#ifndef OC_COMPUTE_ENGINE_H
#define OC_COMPUTE_ENGINE_H

#include "base/parallel.h"
#include "kernels/kernels.h"

typedef struct oc_engine oc_engine;

/* For the level that oc_cpu_level_now() tells; oneDNN is capped to the same, which works until the first engine of the
 * process is made and not after. `team` is borrowed and outlives the engine. OC_E_COMPUTE, OC_E_MEMORY; OC_E_USAGE for
 * an OC_CPU that names no level. */
oc_status oc_engine_create(oc_engine **out, oc_team *team, oc_error *err);
void oc_engine_destroy(oc_engine **engine);

/* Channels in a block of activations: one vector of the level's kernels. */
int64_t oc_engine_block(const oc_engine *engine);

/* Fills what of *out is the same whatever a run does: all but the threads and their note. */
void oc_engine_machine(oc_system *out);

/* oneDNN's version as it is loaded, "2.6.3", into text[size]; returns text. */
const char *oc_engine_dnnl_version(char *text, size_t size);

#endif
