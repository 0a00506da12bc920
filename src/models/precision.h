/* From the word for a number format, which a recipe, a flag or a program gives, to what plans compute in. Every room
 * that plans, training or not, may include this one. */
#ifndef OC_MODELS_PRECISION_H
#define OC_MODELS_PRECISION_H

#include "graph/plan.h"

/* *out = the precision called `name`: "fp32", "bf16", or "auto" (NULL means that too), the best that this processor
 * computes fast; so far always fp32. Whether plans can compute in it is for them to say. OC_E_USAGE, naming `where`,
 * lists the names. */
oc_status oc_precision_find(oc_precision *out, const char *name, const char *where, oc_error *err);
/* Its name, never "auto". Static text. */
const char *oc_precision_name(oc_precision precision);

#endif
