/* The account of a data set: together, what was read and what was left out is all that is there. */
#ifndef OC_DATA_LEFT_OUT_H
#define OC_DATA_LEFT_OUT_H

#include "base/json.h"
#include "data/dataset.h"

/* *out, released with json_decref = {"path", "classes": [code], "splits": {name: {"folder", "images", "left_out"}},
 * "elsewhere"}, as ocelli/data.h's oc_data_info has them. No image is decoded. OC_E_MEMORY. */
oc_status oc_dataset_account(json_t **out, const oc_dataset *dataset, oc_error *err);

#endif
