/* How the pixels of augmented training images are normalised. Everything else (evaluation, and training without
 * augmentation) takes the model's own mean and std, which its weights file carries. */
#ifndef OC_TRAIN_NORMALISATION_H
#define OC_TRAIN_NORMALISATION_H

/* Per-channel statistics of Tiny ImageNet's training images after augmentation, on [0, 1]; the reference recipe's. */
static const float oc_augmented_mean[3] = {0.4650f, 0.4342f, 0.3944f};
static const float oc_augmented_std[3] = {0.2729f, 0.2731f, 0.2707f};

#endif
