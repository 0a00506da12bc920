/* How images are read, as recipes and weights files name it. */
#ifndef OC_BASE_IMAGE_OPTIONS_H
#define OC_BASE_IMAGE_OPTIONS_H

#include "ocelli/ocelli.h"

/* "crop", "squash", "letterbox"; static. */
const char *oc_fit_name(oc_fit fit);
/* The fit of that name; false for another. */
bool oc_fit_find(oc_fit *out, const char *name);

/* Whether images are read in the same way. */
bool oc_image_options_equal(const oc_image_options *a, const oc_image_options *b);

#endif
