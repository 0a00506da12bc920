/* The device (the CPU), the stream on which primitives are executed, and the team that executes. */
#ifndef OC_COMPUTE_ENGINE_H
#define OC_COMPUTE_ENGINE_H

#include "base/parallel.h"

typedef struct oc_engine oc_engine;

/* `team` is borrowed and outlives the engine. OC_E_COMPUTE, OC_E_MEMORY. */
oc_status oc_engine_create(oc_engine **out, oc_team *team, oc_error *err);
void oc_engine_destroy(oc_engine **engine);

#endif
