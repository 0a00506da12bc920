/* What pixels are normalised by: the recipe's data.mean and data.std. */
#ifndef OC_TRAIN_NORMALISATION_H
#define OC_TRAIN_NORMALISATION_H

#include "data/pack.h"
#include "recipe/recipe.h"

/* Settles what the recipe leaves open ("auto"): "reference" for exactly the 200 classes of Tiny ImageNet, whose numbers
 * those are, "dataset" for any other list. `classes` is sorted. OC_E_MEMORY. */
oc_status oc_normalisation_settle(oc_recipe *recipe, const oc_names *classes, oc_error *err);

/* mean and std on [0, 1] for evaluation, and for training unless oc_normalisation_of_training says otherwise. They come
 * in as the reference's, which "reference" and "auto" leave; "dataset": of all pixels of `pack`, the training side's,
 * as they are kept (a deviation below 1/255 becomes 1: a channel that does not vary tells nothing); "imagenet":
 * torchvision's. */
void oc_normalisation_find(float mean[3], float std[3], const oc_recipe_values *values, const oc_pack *pack);

/* Replaces mean and std by those of augmented training images, where the reference has such: it has two sets. */
void oc_normalisation_of_training(float mean[3], float std[3], const oc_recipe_values *values);

#endif
