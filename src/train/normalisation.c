/* Where mean and deviation come from. */
#include "train/normalisation.h"

#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/moments.h"
#include "models/model.h"

/* XXH3-64 over the sorted names of Tiny ImageNet's classes, each with its NUL. */
#define TINY_IMAGENET 0x5aa5b5bcdb0286d3ULL
#define TINY_IMAGENET_CLASSES 200

/* Per-channel statistics of Tiny ImageNet's training images after augmentation, on [0, 1]; the reference recipe's.
 * Everything else of the reference (evaluation, and training without augmentation) takes the other set, which a new
 * model has and a weights file carries. */
static const float augmented_mean[3] = {0.4650f, 0.4342f, 0.3944f};
static const float augmented_std[3] = {0.2729f, 0.2731f, 0.2707f};

/* ImageNet's, as torchvision's models have them. */
static const float imagenet_mean[3] = {0.485f, 0.456f, 0.406f};
static const float imagenet_std[3] = {0.229f, 0.224f, 0.225f};

static bool is(const oc_statistic *statistic, const char *source) {
    return strcmp(statistic->source, source) == 0;
}

static bool is_reference(const oc_statistic *statistic) {
    return is(statistic, "reference") || is(statistic, "auto");
}

static bool are_of_tiny_imagenet(const oc_names *classes) {
    XXH3_state_t *hash = XXH3_createState();
    if (!hash) return false;
    XXH3_64bits_reset(hash);
    for (size_t i = 0; i < classes->count; i++)
        XXH3_64bits_update(hash, classes->item[i], strlen(classes->item[i]) + 1);
    const bool same = classes->count == TINY_IMAGENET_CLASSES && XXH3_64bits_digest(hash) == TINY_IMAGENET;
    XXH3_freeState(hash);
    return same;
}

oc_status oc_normalisation_settle(oc_recipe *recipe, const oc_names *classes, oc_error *err) {
    static const char *const keys[] = {"data.mean", "data.std"};
    oc_status status = OC_OK;
    const char *source = are_of_tiny_imagenet(classes) ? "reference" : "dataset";
    for (size_t i = 0; i < 2; i++)
        if (strcmp(oc_recipe_get(recipe, keys[i]), "auto") == 0)
            OC_TRY(oc_recipe_set(recipe, keys[i], source, keys[i], err));
cleanup:
    return status;
}

/* Replaces dst by what the source says; nothing for the reference. */
static void take(float dst[3], const oc_statistic *statistic, const float imagenet[3], const double dataset[3]) {
    for (int c = 0; c < 3; c++) {
        if (is(statistic, "imagenet")) dst[c] = imagenet[c];
        if (is(statistic, "dataset")) dst[c] = (float)dataset[c];
        if (is(statistic, OC_STATISTIC_NUMBERS)) dst[c] = (float)statistic->value[c];
    }
}

void oc_normalisation_find(float mean[3], float std[3], const oc_recipe_values *values, const oc_pack *pack) {
    const oc_moments moments = oc_pack_moments(pack);
    double average[3], deviation[3];
    oc_moments_find(&moments, average, deviation);
    for (int c = 0; c < 3; c++)
        if (deviation[c] < 1.0 / 255) deviation[c] = 1;
    take(mean, &values->mean, imagenet_mean, average);
    take(std, &values->std, imagenet_std, deviation);
}

/* ---- A model that is only used ---------------------------------------------------------------------------------- */

/* Tells of a key that the recipe states and the weights file denies. */
static void warn(const oc_recipe *recipe, const oc_model *model, const char *key, bool same, const oc_log *log) {
    if (!same && oc_recipe_states(recipe, key))
        oc_log_line(log, OC_LOG_WARN, "%s: %s is of no account: %s says how images are read for it", key,
                    oc_recipe_get(recipe, key), model->path ? model->path : "the model");
}

/* Whether a statistic that does not depend on the training images is the model's; one that does cannot be told. */
static bool is_same(const oc_statistic *statistic, const float imagenet[3], const float of_model[3]) {
    float value[3];
    memcpy(value, of_model, sizeof value);
    if (!is(statistic, "dataset")) take(value, statistic, imagenet, (const double[3]){0});
    return value[0] == of_model[0] && value[1] == of_model[1] && value[2] == of_model[2];
}

oc_status oc_recipe_set_preprocessing(const oc_recipe *recipe, oc_model *model, const oc_log *log, oc_error *err) {
    const oc_recipe_values values = oc_recipe_resolve(recipe);
    const oc_image_options image = oc_recipe_values_image(&values);
    if (model->told) {
        warn(recipe, model, "data.exif", image.exif == model->image.exif, log);
        warn(recipe, model, "data.background",
             memcmp(image.background, model->image.background, sizeof image.background) == 0, log);
        warn(recipe, model, "data.fit", image.fit == model->image.fit, log);
        warn(recipe, model, "data.mean", is_same(&values.mean, imagenet_mean, model->mean), log);
        warn(recipe, model, "data.std", is_same(&values.std, imagenet_std, model->std), log);
        return OC_OK;
    }
    if (is(&values.mean, "dataset") || is(&values.std, "dataset"))
        return oc_fail(err, OC_E_USAGE, is(&values.mean, "dataset") ? "data.mean" : "data.std",
                       "\"dataset\" is of the images that the weights were trained on, which are not at hand: give the "
                       "numbers");
    model->image = image;
    take(model->mean, &values.mean, imagenet_mean, (const double[3]){0});
    take(model->std, &values.std, imagenet_std, (const double[3]){0});
    return OC_OK;
}

void oc_normalisation_of_training(float mean[3], float std[3], const oc_recipe_values *values) {
    if (!values->augment) return;
    if (is_reference(&values->mean)) memcpy(mean, augmented_mean, sizeof augmented_mean);
    if (is_reference(&values->std)) memcpy(std, augmented_std, sizeof augmented_std);
}
