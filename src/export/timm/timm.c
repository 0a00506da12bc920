/* A network as a folder that timm opens: config.json (as timm/models/_hub.py reads it), model.safetensors, and for
 * stems that timm does not have load.py. */
#include <string.h>

#include "base/error.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "export/samples.h"
#include "export/templates.h"
#include "models/model.h"
#include "ocelli/export.h"
#include "ocelli/models.h"

#define CONFIG "config.json"
#define WEIGHTS "model.safetensors"
#define LOADER "load.py"
#define CREATOR "ocelli"
#define DEEP_WIDTH 32 /* timm's stem_width for a deep stem; 64 for the others */
#define PLAIN_WIDTH 64
#define LARGE_CROP 0.8 /* what evaluation shows of the shorter side of large images */

static const char *const names[] = {CONFIG, WEIGHTS, LOADER, "__pycache__", NULL};
static const oc_folder_mark mark = {names, CONFIG, "\"creator\": \"" CREATOR "\""};

/* ---- What can be said ---- */

static const char *stem_of(const oc_model *model) {
    return model->options.stem ? model->options.stem : model->entry->stem;
}

/* Whether timm's own constructor cannot make it. */
static bool needs_loader(const oc_model *model) {
    return strcmp(stem_of(model), "3x3") == 0 || model->options.no_stem_pool;
}

static oc_status check_model(const oc_model *model, oc_error *err) {
    if (model->ensemble)
        return oc_fail(err, OC_E_USAGE, model->path,
                       "an ensemble is no model of timm's: export each member's own weights file for timm, or the "
                       "whole with --onnx");
    if (!model->entry->stem)
        return oc_fail(err, OC_E_USAGE, model->path,
                       "%s is a model of Ocelli's own, which timm does not have: use "
                       "--onnx",
                       oc_model_name(model));
    return OC_OK;
}

static oc_status check_crop(const oc_model *model, double crop_pct, oc_error *err) {
    if (!(crop_pct > 0 && crop_pct <= 1))
        return oc_fail(err, OC_E_USAGE, "--crop-pct", "%g is not above 0 and up to 1", crop_pct);
    if (model->image.fit != OC_FIT_CROP && crop_pct != 1)
        return oc_fail(err, OC_E_USAGE, "--crop-pct",
                       "this model sees images whole (data.fit=%s): there is nothing to crop",
                       oc_fit_name(model->image.fit));
    return OC_OK;
}

/* What is right for most images of a data set: see docs/export.md. */
static oc_status choose_crop(double *crop_pct, const oc_model *model, const oc_dataset *dataset, oc_error *err) {
    oc_status status = OC_OK;
    oc_samples samples = {0};
    size_t large = 0;
    *crop_pct = 1;
    if (model->image.fit != OC_FIT_CROP || !dataset || !oc_dataset_split(dataset, "val")) return OC_OK;
    OC_TRY(oc_samples_take(&samples, dataset, &model->image, err));
    for (size_t i = 0; i < samples.count; i++) {
        const oc_sample_image *image = &samples.image[i];
        const int64_t shorter = image->width < image->height ? image->width : image->height;
        large += shorter >= model->size * 5 / 4;
    }
    if (2 * large > samples.count) *crop_pct = LARGE_CROP;
cleanup:
    oc_samples_free(&samples);
    return status;
}

/* ---- config.json ---- */

/* What the constructor of the architecture is given where its own default is another. */
static json_t *model_args(const oc_model *model) {
    const char *stem = stem_of(model), *usual = model->entry->stem;
    const bool deep = strcmp(stem, "deep") == 0, usually = strcmp(usual, "deep") == 0;
    json_t *args = json_object();
    /* A 3×3 stem is put in the place of what the architecture has. */
    if (strcmp(stem, "3x3") != 0 && deep != usually) {
        json_object_set_new(args, "stem_type", json_string(deep ? "deep" : ""));
        json_object_set_new(args, "stem_width", json_integer(deep ? DEEP_WIDTH : PLAIN_WIDTH));
    }
    /* No constructor knows it: who does not go by load.py fails by this name, instead of computing without a word what
     * the weights are not for. */
    if (needs_loader(model))
        json_object_set_new(args, "open_with_load_py",
                            json_pack("{s:s, s:b}", "conv1", stem, "maxpool", !model->options.no_stem_pool));
    return args;
}

/* timm's word for each fit, in the order of oc_fit. */
static const char *const crop_mode[] = {"center", "squash", "border"};

static json_t *pretrained_cfg(const oc_model *model, double crop_pct) {
    return json_pack("{s:[i, I, I], s:b, s:o, s:o, s:s, s:f, s:s, s:i, s:s, s:s}", "input_size", 3,
                     (json_int_t)model->size, (json_int_t)model->size, "fixed_input_size", false, "mean",
                     oc_json_floats(model->mean, 3), "std", oc_json_floats(model->std, 3), "interpolation", "bilinear",
                     "crop_pct", crop_pct, "crop_mode", crop_mode[model->image.fit], "num_classes",
                     (int)model->classes.count, "first_conv", strcmp(stem_of(model), "deep") == 0 ? "conv1.0" : "conv1",
                     "classifier", "fc");
}

/* Only where there are words that say more than the names. */
static oc_status put_words(json_t *config, const oc_model *model, const char *const *words, oc_error *err) {
    oc_status status = OC_OK;
    json_t *described = json_object();
    for (size_t c = 0; words && c < model->classes.count; c++) {
        if (!words[c] || strcmp(words[c], model->classes.item[c]) == 0) continue;
        OC_TRY(oc_json_put_bytes(described, model->classes.item[c], words[c], err));
    }
    if (json_object_size(described) > 0) OC_TRY(oc_json_put(config, "label_descriptions", json_incref(described), err));
cleanup:
    json_decref(described);
    return status;
}

static oc_status write_config(const oc_folder_writer *writer, const oc_model *model, const oc_timm_options *options,
                              oc_error *err) {
    oc_status status = OC_OK;
    json_t *config = json_object();
    char *text = NULL;
    OC_TRY(oc_json_put(config, "creator", json_string(CREATOR), err));
    OC_TRY(oc_json_put(config, "architecture", json_string(oc_model_name(model)), err));
    OC_TRY(oc_json_put(config, "num_classes", json_integer((json_int_t)model->classes.count), err));
    OC_TRY(oc_json_put(config, "label_names", oc_json_strings(&model->classes), err));
    OC_TRY(put_words(config, model, options->words, err));
    OC_TRY(oc_json_put(config, "model_args", model_args(model), err));
    OC_TRY(oc_json_put(config, "pretrained_cfg", pretrained_cfg(model, options->crop_pct), err));
    OC_TRY(oc_json_pretty(&text, config, err));
    OC_TRY(oc_folder_writer_file(writer, CONFIG, text, strlen(text), err));
cleanup:
    oc_free(text);
    json_decref(config);
    return status;
}

/* ---- The folder ---- */

oc_status oc_export_timm(const oc_model *model, const char *folder, const oc_timm_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_folder_writer *writer = NULL;
    oc_timm_options all = options ? *options : (oc_timm_options){0};
    char *weights = NULL;
    OC_TRY(check_model(model, err));
    if (all.crop_pct == 0) OC_TRY(choose_crop(&all.crop_pct, model, all.dataset, err));
    OC_TRY(check_crop(model, all.crop_pct, err));
    OC_TRY(oc_folder_writer_create(&writer, folder, &mark, err));
    OC_TRY(write_config(writer, model, &all, err));
    OC_TRY(oc_folder_writer_path(writer, &weights, WEIGHTS, err));
    OC_TRY(oc_model_save(model, weights, err));
    if (needs_loader(model))
        OC_TRY(oc_folder_writer_file(writer, LOADER, oc_template_load_py, oc_template_load_py_size, err));
    OC_TRY(oc_folder_writer_commit(writer, err));
cleanup:
    oc_free(weights);
    oc_folder_writer_destroy(&writer);
    return status;
}
