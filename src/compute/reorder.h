/* Changes of layout. */
#ifndef OC_COMPUTE_REORDER_H
#define OC_COMPUTE_REORDER_H

#include "compute/primitive.h"

/* Copies between two given layouts of equal sizes, each of f32 or bf16; what is rounded is rounded to nearest even.
 * Slots SRC, DST. OC_E_COMPUTE, OC_E_MEMORY. */
oc_status oc_reorder_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                            const oc_layout *dst, oc_error *err);

#endif
