/* The account of a data set: together, what was read and what was left out is all that is there. */
#ifndef OC_DATA_LEFT_OUT_H
#define OC_DATA_LEFT_OUT_H

#include "base/json.h"
#include "data/dataset.h"

/* *out, released with json_decref = what was found in a split and is no sample: its number, by reason and by class, and
 * the first that one would have expected to be an image, as ocelli/data.h's oc_data_info has it. OC_E_MEMORY. */
oc_status oc_left_out_json(json_t **out, const oc_dataset *dataset, const oc_split *split, oc_error *err);

/* *json, freed with oc_free = {"path", "classes": their number, "splits": {name: {"folder", "images", "left_out"}},
 * "elsewhere"}, the latter two as oc_left_out_json has them. No image is decoded. OC_E_MEMORY. */
oc_status oc_dataset_account(char **json, const oc_dataset *dataset, oc_error *err);

#endif
