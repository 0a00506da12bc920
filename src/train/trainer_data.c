/* The images of a run: the packs, notes on what is in them, and what is told of them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/kept.h"
#include "train/normalisation.h"
#include "train/trainer.h"

#define PIXEL_SAMPLES 64 /* images of a split whose pixels tell data sets apart */

/* File names and classes of all images, and the pixels of some: enough to tell two data sets apart. */
static void hash_pack(XXH3_state_t *hash, const oc_pack *pack) {
    int64_t count = oc_pack_count(pack), stride = count / PIXEL_SAMPLES + 1;
    XXH3_64bits_update(hash, &count, sizeof count);
    for (int64_t i = 0; i < count; i++) {
        oc_image image = oc_pack_image(pack, i);
        const char *slash = strrchr(image.name, '/'), *name = slash ? slash + 1 : image.name;
        XXH3_64bits_update(hash, name, strlen(name) + 1);
        XXH3_64bits_update(hash, &image.label, sizeof image.label);
        if (i % stride == 0) XXH3_64bits_update(hash, image.pixels, (size_t)image.width * (size_t)image.height * 3);
    }
}

/* Notes which images the run is on, wherever they lie. */
static oc_status describe_data(oc_trainer *trainer, oc_error *err) {
    const oc_names *classes = oc_dataset_classes(trainer->dataset);
    XXH3_state_t *hash = XXH3_createState();
    if (!hash || XXH3_64bits_reset(hash) != XXH_OK) {
        XXH3_freeState(hash);
        return oc_fail(err, OC_E_MEMORY, NULL, "out of memory");
    }
    for (size_t i = 0; i < classes->count; i++)
        XXH3_64bits_update(hash, classes->item[i], strlen(classes->item[i]) + 1);
    hash_pack(hash, trainer->train_pack);
    hash_pack(hash, trainer->val_pack);
    uint64_t digest = XXH3_64bits_digest(hash);
    XXH3_freeState(hash);
    snprintf(trainer->fingerprint, sizeof trainer->fingerprint, "%016" PRIx64, digest);
    return oc_trainer_note(
        trainer, OC_ABOUT_DATA, err, "%zu classes, %" PRId64 " training and %" PRId64 " validation images, hash %s",
        classes->count, oc_pack_count(trainer->train_pack), oc_pack_count(trainer->val_pack), trainer->fingerprint);
}

oc_status oc_trainer_check_splits(const oc_trainer *trainer, oc_error *err) {
    const char *path = oc_dataset_path(trainer->dataset);
    const double holdout = oc_dataset_holdout(trainer->dataset);
    if (holdout != trainer->values.holdout)
        return oc_fail(err, OC_E_MISMATCH, path,
                       "opened with a hold-out of %g, but the recipe's data.holdout is %g: the run would not be what "
                       "its recipe says",
                       holdout, trainer->values.holdout);
    const oc_split *train = oc_dataset_split(trainer->dataset, "train"),
                   *val = oc_dataset_split(trainer->dataset, "val");
    const oc_names *classes = oc_dataset_classes(trainer->dataset);
    if (!train) return oc_fail(err, OC_E_NOT_FOUND, path, "the data set has no training images");
    if (classes->count < 2)
        return oc_fail(err, OC_E_FORMAT, path,
                       "understood as images of one class alone, %s, the first of which is %s: a classifier needs two "
                       "classes at least; give the path of the folder that holds a folder for each",
                       classes->item[0], train->sample[0].path);
    if (!val || val->count == 0)
        return oc_fail(err, OC_E_NOT_FOUND, path, "the data set has no validation images%s%s",
                       holdout > 0 ? ", and data.holdout is too little to hold any out: raise it" : ": ",
                       holdout > 0 ? "" : oc_dataset_val_advice(trainer->dataset));
    const oc_batch_options batch = oc_train_step_batch_options(&trainer->values, trainer->model);
    return oc_batch_options_check(&batch, train->count, err);
}

/* Notes which images the run learns, and says how many of those that it is judged by are among them: by copies in both
 * splits, or by what its first weights have learnt. */
static oc_status describe_images(oc_trainer *trainer, const oc_checkpoint *state, oc_error *err) {
    oc_status status = OC_OK;
    const size_t train_count = (size_t)oc_pack_count(trainer->train_pack),
                 val_count = (size_t)oc_pack_count(trainer->val_pack);
    uint64_t *train = NULL, *val = NULL;
    OC_TRY(oc_pack_contents(&train, trainer->train_pack, err));
    OC_TRY(oc_pack_contents(&val, trainer->val_pack, err));
    OC_TRY(oc_trainer_note(trainer, OC_ABOUT_IMAGES, err,
                           "bytes %016" PRIx64 " of training, %016" PRIx64 " of validation",
                           XXH3_64bits(train, train_count * sizeof *train), XXH3_64bits(val, val_count * sizeof *val)));
    OC_TRY(oc_trainer_note_check(trainer, state, OC_ABOUT_IMAGES, "the image files", err));
    oc_trained *trained = &trainer->model->trained;
    OC_TRY(oc_trained_add(trained, train, train_count, err));
    const int64_t known = oc_trained_count(trained, val, val_count);
    if (known > 0)
        oc_trainer_log(trainer, OC_LOG_WARN,
                       "%" PRId64 " of the %zu validation images are among those that the model is trained on: on new "
                       "images it will be worse than on these",
                       known, val_count);
    if (trained->unrecorded)
        oc_trainer_log(trainer, OC_LOG_INFO,
                       "the first weights have no record of the images they were trained on: whether validation images "
                       "are among them cannot be told");
cleanup:
    oc_free(train);
    oc_free(val);
    return status;
}

static void on_line(void *user, oc_log_level level, const char *line) {
    oc_trainer_log(user, level, "%s", line);
}

oc_status oc_trainer_open_data(oc_trainer *trainer, const oc_checkpoint *state, oc_error *err) {
    oc_status status = OC_OK;
    const oc_image_options image = oc_recipe_values_image(&trainer->values);
    oc_pack_options options = {.size = trainer->values.size,
                               .image = &image,
                               .cache = trainer->options.cache,
                               .skip_bad = trainer->options.skip_bad,
                               .team = trainer->team,
                               .progress = trainer->options.progress,
                               .log = {on_line, trainer}};
    oc_dataset_report(trainer->dataset, oc_dataset_split(trainer->dataset, "train"), &options.log);
    oc_dataset_report(trainer->dataset, oc_dataset_split(trainer->dataset, "val"), &options.log);
    OC_TRY(oc_pack_open(&trainer->train_pack, trainer->dataset, "train", &options, err));
    OC_TRY(oc_pack_open(&trainer->val_pack, trainer->dataset, "val", &options, err));
    const oc_cropped cropped = oc_pack_cropped(trainer->train_pack);
    oc_cropped_warn(&cropped, "train", &options.log);
    OC_TRY(describe_data(trainer, err));
    status = oc_trainer_note_check(trainer, state, OC_ABOUT_DATA, "the data set", err);
    if (status != OC_OK && !oc_trainer_note_of(state, OC_ABOUT_IMAGES)) {
        const oc_error why = err ? *err : (oc_error){0};
        oc_fail(
            err, status, why.where,
            "%s. The run is of a version that read data sets otherwise (which images are held out, their orientation "
            "and transparency, folders within classes): go on from its weights, in another folder, by --weights "
            "last.safetensors",
            why.message);
    }
    if (status != OC_OK) goto cleanup;
    OC_TRY(describe_images(trainer, state, err));
    oc_model *model = trainer->model;
    oc_normalisation_find(model->mean, model->std, &trainer->values, trainer->train_pack);
    oc_trainer_log(trainer, OC_LOG_INFO, "data.mean: %s, data.std: %s: %.4f %.4f %.4f and %.4f %.4f %.4f in evaluation",
                   trainer->values.mean.source, trainer->values.std.source, (double)model->mean[0],
                   (double)model->mean[1], (double)model->mean[2], (double)model->std[0], (double)model->std[1],
                   (double)model->std[2]);
cleanup:
    return status;
}
