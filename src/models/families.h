/* The table that each family's file gives to the registry (registry.c): its models, ended by a row without a name. */
#ifndef OC_MODELS_FAMILIES_H
#define OC_MODELS_FAMILIES_H

#include "models/model.h"

extern const oc_model_entry oc_myresnets[]; /* myresnet.c */
extern const oc_model_entry oc_resnets[];   /* resnet.c */

#endif
