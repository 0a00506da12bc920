/* Where in an image a classifier sees what it says: a patch of the data's mean colour is laid over one place after the
 * other, and the fall of a class's probability noted (occlusion sensitivity: Zeiler & Fergus, Visualizing and
 * Understanding Convolutional Networks, ECCV 2014). Needs forward passes only, so that every network and ensemble has
 * it. Deviation from the paper: the patch is a quarter of the image's side, and its steps an eighth. */
#ifndef OC_EVAL_OCCLUSION_H
#define OC_EVAL_OCCLUSION_H

#include "eval/classifier.h"

#define OC_OCCLUSION_CELLS 8 /* a side */

typedef struct oc_occlusion oc_occlusion;

/* What was found. Cells are of the square that the networks see, rows from its top. */
typedef struct oc_occlusion_map {
    int32_t class_index;
    float probability; /* of the class in the whole image */
    /* That less its probability with a patch over the middle of the cell: above 0 where the class is seen. */
    float fall[OC_OCCLUSION_CELLS][OC_OCCLUSION_CELLS];
    /* The square in the upright image, as shares of its width and height; it reaches beyond a letterboxed one. Of an
     * ensemble whose networks see different squares, the first one's. */
    double left, top, width, height;
} oc_occlusion_map;

/* Prepares an image, which is not used any more after this. `classifier` is borrowed until destroy, and may classify
 * others in between. class_index −1: the class that is likeliest. OC_E_FORMAT, with the reason, for an image that
 * cannot be decoded; OC_E_USAGE for a class that the model does not have. */
oc_status oc_occlusion_create(oc_occlusion **out, oc_classifier *classifier, oc_classifier_item *item,
                              int32_t class_index, oc_error *err);
void oc_occlusion_destroy(oc_occlusion **occlusion);
/* One batch of it, as large as the classifier's; *done = nothing is left to do. */
oc_status oc_occlusion_step(oc_occlusion *occlusion, bool *done, oc_error *err);
const oc_occlusion_map *oc_occlusion_get(const oc_occlusion *occlusion);

#endif
