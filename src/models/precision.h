/* From the word for a number format, which a recipe, a flag or a program gives, to what plans compute in. Every room
 * that plans, training or not, may include this one. */
#ifndef OC_MODELS_PRECISION_H
#define OC_MODELS_PRECISION_H

#include "graph/plan.h"

/* *out = the precision called `name`: "fp32", "bf16", or "auto". "auto", and NULL, are fp32 here, which gives the same
 * numbers on every processor: only a new run tries which is the quicker (src/train/auto_precision.h), and says so in
 * its recipe. Whether plans can compute in it is for them to say. OC_E_USAGE, naming `where`, lists the names. */
oc_status oc_precision_find(oc_precision *out, const char *name, const char *where, oc_error *err);
/* Its name, never "auto". Static text. */
const char *oc_precision_name(oc_precision precision);

#endif
