/* The metadata of weights files, read and written. */
#include "models/weights_info.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "ocelli/models.h"

/* How the "kind" of a run's state begins, a number behind it: a file of ours, but none of weights. */
#define STATE_KIND "state-"

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

static oc_status missing_key(const char *key, const char *path, oc_error *err) {
    return oc_fail(err, OC_E_FORMAT, path, "damaged metadata: '%s' is missing or not what it should be", key);
}

/* What is no JSON is told by its key alone: a line and column within it would help nobody. */
static oc_status parse_json(json_t **out, const char *key, const char *text, const char *path, oc_error *err) {
    const oc_status status = oc_json_parse(out, text, strlen(text), path, err);
    return status == OC_E_FORMAT ? missing_key(key, path, err) : status;
}

static oc_status parse_classes(oc_names *out, const char *text, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    json_t *list = NULL;
    OC_TRY(parse_json(&list, "classes", text, path, err));
    if (!json_is_array(list)) {
        status = missing_key("classes", path, err);
        goto cleanup;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *code = json_string_value(json_array_get(list, i));
        if (!code) {
            status = missing_key("classes", path, err);
            goto cleanup;
        }
        OC_TRY(oc_names_add(out, code, err));
    }
cleanup:
    json_decref(list);
    return status;
}

/* Three finite numbers above `lowest`. */
static oc_status parse_triple(float out[3], const char *key, double lowest, const oc_weights_info_source *source,
                              const char *path, oc_error *err) {
    oc_status status = OC_OK;
    json_t *list = NULL;
    const char *text = source->find(source->from, key);
    if (!text) return missing_key(key, path, err);
    OC_TRY(parse_json(&list, key, text, path, err));
    bool good = json_is_array(list) && json_array_size(list) == 3;
    for (size_t i = 0; good && i < 3; i++) {
        const json_t *number = json_array_get(list, i);
        out[i] = (float)json_number_value(number);
        good = json_is_number(number) && isfinite(out[i]) && out[i] > lowest;
    }
    if (!good) status = missing_key(key, path, err);
cleanup:
    json_decref(list);
    return status;
}

static oc_status parse_size(int64_t *out, const oc_weights_info_source *source, const char *path, oc_error *err) {
    const char *text = source->find(source->from, "size");
    char *end = NULL;
    errno = 0;
    long long size = text ? strtoll(text, &end, 10) : 0;
    if (size < 1 || errno != 0 || *end != '\0') return missing_key("size", path, err);
    *out = size;
    return OC_OK;
}

/* Keys that are there only where a model is not as usual. */
static oc_status parse_variant(oc_weights_info *out, const oc_weights_info_source *source, const char *path,
                               oc_error *err) {
    const char *stem = source->find(source->from, "stem"), *pool = source->find(source->from, "stem_pool");
    if (stem && !(out->stem = oc_model_stem(stem))) return missing_key("stem", path, err);
    out->no_stem_pool = pool && strcmp(pool, "false") == 0;
    if (pool && !out->no_stem_pool && strcmp(pool, "true") != 0) return missing_key("stem_pool", path, err);
    return OC_OK;
}

static oc_status parse_holdout(oc_weights_info *out, const oc_weights_info_source *source, const char *path,
                               oc_error *err) {
    const char *text = source->find(source->from, "holdout");
    char *end = NULL;
    if (!text) return OC_OK;
    out->holdout = oc_number_read(text, &end);
    if (text[0] == '\0' || *end != '\0' || !(out->holdout >= 0 && out->holdout < 1))
        return missing_key("holdout", path, err);
    return OC_OK;
}

static oc_status parse_image(oc_image_options *out, const oc_weights_info_source *source, const char *path,
                             oc_error *err) {
    const char *exif = source->find(source->from, "exif"), *fit = source->find(source->from, "fit");
    oc_status status = OC_OK;
    float background[3];
    *out = (oc_image_options)OC_IMAGE_OPTIONS_DEFAULT;
    out->exif = !exif || strcmp(exif, "false") != 0;
    if (exif && out->exif && strcmp(exif, "true") != 0) return missing_key("exif", path, err);
    if (fit && !oc_fit_find(&out->fit, fit)) return missing_key("fit", path, err);
    if (!source->find(source->from, "background")) return OC_OK;
    OC_TRY(parse_triple(background, "background", -1, source, path, err));
    for (int c = 0; c < 3; c++) {
        if (background[c] > 255 || background[c] != floorf(background[c])) return missing_key("background", path, err);
        out->background[c] = (uint8_t)background[c];
    }
cleanup:
    return status;
}

static oc_weights_info nothing(void) {
    return (oc_weights_info){.trained.unrecorded = true};
}

oc_status oc_weights_info_read_source(oc_weights_info *out, const oc_weights_info_source *source, const char *path,
                                      oc_error *err) {
    oc_status status = OC_OK;
    const char *model = source->find(source->from, "model"), *classes = source->find(source->from, "classes"),
               *trained = source->find(source->from, "trained_on");
    *out = nothing();
    if (!model) return missing_key("model", path, err);
    if (!classes) return missing_key("classes", path, err);
    OC_TRY(parse_classes(&out->classes, classes, path, err));
    OC_TRY(parse_size(&out->size, source, path, err));
    OC_TRY(parse_triple(out->mean, "mean", -INFINITY, source, path, err));
    OC_TRY(parse_triple(out->std, "std", 0, source, path, err));
    OC_TRY(parse_variant(out, source, path, err));
    OC_TRY(parse_holdout(out, source, path, err));
    OC_TRY(parse_image(&out->image, source, path, err));
    if (trained) OC_TRY(oc_trained_read(&out->trained, trained, path, err));
    OC_TRY(oc_strdup(&out->model, model, err));
cleanup:
    return status;
}

static const char *find_in_file(const void *from, const char *key) {
    return oc_safetensors_metadata(from, key);
}

oc_status oc_weights_info_read(oc_weights_info *out, const oc_safetensors *file, const char *path, oc_error *err) {
    const bool own = oc_safetensors_is_own(file), model = oc_safetensors_metadata(file, "model") != NULL,
               classes = oc_safetensors_metadata(file, "classes") != NULL;
    const char *kind = oc_safetensors_metadata(file, "kind");
    *out = nothing();
    if (own && kind && strncmp(kind, STATE_KIND, strlen(STATE_KIND)) == 0)
        return oc_fail(err, OC_E_FORMAT, path,
                       "this is the state of a run, which resumes from it: its weights are in last.safetensors and "
                       "best.safetensors beside it");
    if (!model && !classes) return OC_OK;
    oc_error why = {0};
    oc_status status = oc_weights_info_read_source(out, &(oc_weights_info_source){find_in_file, file}, path, &why);
    if (status == OC_OK) return OC_OK;
    oc_weights_info_free(out);
    if (status == OC_E_FORMAT && (!own || !model || !classes)) return oc_strdup(&out->why, why.message, err);
    return oc_fail(err, status, why.where, "%s", why.message);
}

void oc_weights_info_free(oc_weights_info *info) {
    oc_free(info->model);
    oc_free(info->why);
    oc_names_free(&info->classes);
    oc_trained_free(&info->trained);
    *info = nothing();
}

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

/* "[0.4824,0.4495,0.3981]": the fewest digits that give the same floats back, and a point whatever the locale. */
static oc_status text_of_triple(char **out, const float value[3], oc_error *err) {
    oc_status status = OC_OK;
    oc_text text = {0};
    for (int i = 0; i < 3; i++) {
        char number[40];
        int digits = 1;
        do snprintf(number, sizeof number, "%.*g", digits, (double)value[i]);
        while (strtof(number, NULL) != value[i] && digits++ < 9);
        for (char *c = number; *c; c++)
            if (!strchr("+-0123456789e", *c)) *c = '.';
        OC_TRY(oc_text_printf(&text, err, "%s%s", i ? "," : "[", number));
    }
    OC_TRY(oc_text_append(&text, "]", 1, err));
    *out = text.data;
    text = (oc_text){0};
cleanup:
    oc_text_free(&text);
    return status;
}

static void add_pair(oc_weights_info_text *out, const char *key, const char *value) {
    out->pair[out->pairs++] = (oc_metadata){key, value};
}

oc_status oc_weights_info_write(oc_weights_info_text *out, const oc_model *model, oc_error *err) {
    oc_status status = OC_OK;
    *out = (oc_weights_info_text){0};
    OC_TRY(oc_json_names(&out->classes, &model->classes, err));
    OC_TRY(text_of_triple(&out->mean, model->mean, err));
    OC_TRY(text_of_triple(&out->std, model->std, err));
    snprintf(out->size, sizeof out->size, "%" PRId64, model->size);
    oc_number_write(model->holdout, out->holdout);
    const oc_image_options usual = OC_IMAGE_OPTIONS_DEFAULT;
    const uint8_t *background = model->image.background;
    snprintf(out->background, sizeof out->background, "[%d,%d,%d]", background[0], background[1], background[2]);
    add_pair(out, "model", oc_model_name(model));
    add_pair(out, "classes", out->classes);
    add_pair(out, "size", out->size);
    add_pair(out, "mean", out->mean);
    add_pair(out, "std", out->std);
    if (model->options.stem) add_pair(out, "stem", model->options.stem);
    if (model->options.no_stem_pool) add_pair(out, "stem_pool", "false");
    if (model->holdout > 0) add_pair(out, "holdout", out->holdout);
    if (!model->image.exif) add_pair(out, "exif", "false");
    if (model->image.fit != usual.fit) add_pair(out, "fit", oc_fit_name(model->image.fit));
    if (memcmp(background, usual.background, sizeof usual.background) != 0)
        add_pair(out, "background", out->background);
    if (model->trained.count > 0 || !model->trained.unrecorded) {
        OC_TRY(oc_trained_write(&out->trained, &model->trained, err));
        add_pair(out, "trained_on", out->trained.data);
    }
cleanup:
    return status;
}

void oc_weights_info_text_free(oc_weights_info_text *text) {
    oc_free(text->classes);
    oc_free(text->mean);
    oc_free(text->std);
    oc_text_free(&text->trained);
    *text = (oc_weights_info_text){0};
}
