/* The rows that each family's file gives to the registry (registry.c). */
#ifndef OC_MODELS_FAMILIES_H
#define OC_MODELS_FAMILIES_H

#include "models/model.h"

/* myresnet.c */
extern const oc_model_entry oc_myresnet_small;
extern const oc_model_entry oc_myresnet_base;

#endif
