/* The weights file of an ensemble: one safetensors file whose tensors are `models.<i>.<tensor>` for each member in turn
 * and `clf.weight`, `clf.bias` of the combiner, and whose metadata is that of any weights file, the key "ensemble"
 * added:
 *
 *     {"combine": "stack", "members": [{"model": "seresnet18", "size": 64, "mean": [...], "std": [...]}, ...]}
 *
 * A member is told by the keys of a weights file of its own; "classes" is there only where they are not the whole's,
 * and what it was trained on is in the whole's alone. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "models/build.h"
#include "models/ensemble_parts.h"
#include "models/match.h"
#include "models/weights_io.h"

#define ENSEMBLE_KEY "ensemble"

/* How far from 1 the sum of a file's weights may be: much more than rounding. */
#define SUM_TOLERANCE 1e-3

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

static bool same_order(const oc_names *a, const oc_names *b) {
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) same = strcmp(a->item[i], b->item[i]) == 0;
    return same;
}

/* Appends one member's object: the keys of a weights file of its own. Their texts are JSON already, or names that need
 * no escape. */
static oc_status write_member(oc_text *json, const oc_model *model, const oc_model *member, oc_error *err) {
    oc_status status = OC_OK;
    oc_weights_info_text text = {0};
    OC_TRY(oc_weights_info_write(&text, member, err));
    for (size_t i = 0; i < text.pairs; i++) {
        const char *key = text.pair[i].key, *value = text.pair[i].value;
        if (strcmp(key, "classes") == 0 && same_order(&model->classes, &member->classes)) continue;
        if (strcmp(key, "trained_on") == 0) continue;
        const char *quote =
            strcmp(key, "model") == 0 || strcmp(key, "stem") == 0 || strcmp(key, "fit") == 0 ? "\"" : "";
        OC_TRY(oc_text_printf(json, err, "%c\"%s\":%s", i ? ',' : '{', key, quote));
        OC_TRY(oc_text_append(json, value, strlen(value), err));
        OC_TRY(oc_text_append(json, quote, strlen(quote), err));
    }
    OC_TRY(oc_text_append(json, "}", 1, err));
cleanup:
    oc_weights_info_text_free(&text);
    return status;
}

/* The steps of training behind each tensor, as oc_weights_write wants them: *out, freed with oc_free. */
static oc_status steps_of_tensors(int64_t **out, const oc_ensemble *e, oc_error *err) {
    oc_status status = OC_OK;
    size_t place = 0;
    OC_TRY(oc_alloc(out, oc_table_count(e->table), sizeof **out, err));
    for (size_t m = 0; m < e->members; m++) {
        const size_t tensors = oc_model_tensors(e->member[m]);
        for (size_t i = 0; i < tensors; i++) (*out)[place++] = e->member[m]->steps;
    }
cleanup:
    return status;
}

oc_status oc_ensemble_write(const oc_model *model, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    const oc_ensemble *e = model->ensemble;
    oc_weights_info_text text = {0};
    oc_text json = {0};
    int64_t *steps = NULL;
    oc_metadata metadata[OC_WEIGHTS_INFO_KEYS + 1];
    OC_TRY(oc_weights_info_write(&text, model, err));
    OC_TRY(oc_text_printf(&json, err, "{\"combine\":\"%s\",\"members\":[", oc_combine_name(e->combine)));
    for (size_t m = 0; m < e->members; m++) {
        if (m > 0) OC_TRY(oc_text_append(&json, ",", 1, err));
        OC_TRY(write_member(&json, model, e->member[m], err));
    }
    OC_TRY(oc_text_append(&json, "]}", 2, err));
    memcpy(metadata, text.pair, text.pairs * sizeof *metadata);
    metadata[text.pairs] = (oc_metadata){ENSEMBLE_KEY, json.data};
    OC_TRY(steps_of_tensors(&steps, e, err));
    OC_TRY(oc_weights_write(path, e->table, e->data, steps, metadata, text.pairs + 1, err));
cleanup:
    oc_free(steps);
    oc_text_free(&json);
    oc_weights_info_text_free(&text);
    return status;
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

static oc_status damaged(const char *path, oc_error *err, const char *what) {
    return oc_fail(err, OC_E_FORMAT, path, "damaged metadata of an ensemble: %s", what);
}

/* One member's object as the texts that a weights file of its own would hold. */
typedef struct member_text {
    oc_names keys, values;
    const char *classes; /* the whole's, where the member has none */
} member_text;

static const char *find_in_member(const void *from, const char *key) {
    const member_text *text = from;
    for (size_t i = 0; i < text->keys.count; i++)
        if (strcmp(text->keys.item[i], key) == 0) return text->values.item[i];
    return strcmp(key, "classes") == 0 ? text->classes : NULL;
}

static oc_status read_texts(member_text *text, const json_t *object, oc_error *err) {
    oc_status status = OC_OK;
    char *value_text = NULL;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        OC_TRY(oc_names_add(&text->keys, key, err));
        if (json_is_string(value)) {
            OC_TRY(oc_names_add(&text->values, json_string_value(value), err));
            continue;
        }
        OC_TRY(oc_json_text(&value_text, value, err));
        OC_TRY(oc_names_add(&text->values, value_text, err));
        oc_free(value_text);
        value_text = NULL;
    }
cleanup:
    oc_free(value_text);
    return status;
}

/* A member by its object, without an arena. */
static oc_status build_member(oc_model **out, const json_t *object, size_t place, const char *classes, const char *path,
                              oc_error *err) {
    oc_status status = OC_OK;
    member_text text = {.classes = classes};
    oc_weights_info info = {0};
    oc_error why = {0};
    *out = NULL;
    if (!json_is_object(object)) return damaged(path, err, "a member is no object");
    OC_TRY(read_texts(&text, object, err));
    status = oc_weights_info_read_source(&info, &(oc_weights_info_source){find_in_member, &text}, path, &why);
    if (status == OC_OK && strcmp(info.model, OC_ENSEMBLE_NAME) == 0)
        status = oc_fail(&why, OC_E_FORMAT, path, "it is an ensemble, which no member can be");
    if (status == OC_OK)
        status = oc_model_build(out, info.model, (const char *const *)info.classes.item, info.classes.count, info.size,
                                &(oc_model_options){.stem = info.stem, .no_stem_pool = info.no_stem_pool}, &why);
    if (status != OC_OK) {
        status = oc_fail(err, status == OC_E_USAGE ? OC_E_FORMAT : status, path, "member %zu: %s", place, why.message);
        goto cleanup;
    }
    memcpy((*out)->mean, info.mean, sizeof info.mean);
    memcpy((*out)->std, info.std, sizeof info.std);
    (*out)->image = info.image;
    (*out)->holdout = info.holdout;
cleanup:
    oc_weights_info_free(&info);
    oc_names_free(&text.keys);
    oc_names_free(&text.values);
    return status;
}

/* The first member's are the whole's, which the other keys of the file must not deny. */
static bool is_of_first_member(const oc_model *model, const oc_weights_info *info) {
    return info->size == model->size && oc_normalisation_equal(info->mean, info->std, model->mean, model->std) &&
           oc_image_options_equal(&info->image, &model->image);
}

/* Each class of each member has at least a byte of weights: what a file claims beyond that is not worth memory for its
 * names, which a short list would else cost once a member. */
static bool has_room_for(const oc_safetensors *file, size_t classes, size_t members) {
    size_t bytes = 0, least;
    for (size_t i = 0; i < oc_safetensors_count(file); i++) bytes += oc_safetensors_at(file, i)->size;
    return oc_size_mul(classes, members, &least) && least <= bytes;
}

/* An ensemble as the file's metadata tells it, without memory for weights. */
static oc_status build_told(oc_model **out, const oc_safetensors *file, const oc_weights_info *info, const char *path,
                            oc_error *err) {
    oc_status status = OC_OK;
    json_t *root = NULL;
    oc_model *member[OC_ENSEMBLE_MOST] = {0};
    char names[OC_ENSEMBLE_MOST][16];
    const char *label[OC_ENSEMBLE_MOST];
    oc_combine combine;
    oc_error why = {0};
    const char *text = oc_safetensors_metadata(file, ENSEMBLE_KEY);
    *out = NULL;
    if (!text) return damaged(path, err, "'" ENSEMBLE_KEY "' is missing");
    status = oc_json_parse(&root, text, strlen(text), path, &why);
    if (status != OC_OK) return oc_fail(err, status, path, "damaged metadata of an ensemble: %s", why.message);
    const char *way = json_string_value(json_object_get(root, "combine"));
    const json_t *list = json_object_get(root, "members");
    const size_t count = json_array_size(list);
    if (!way || oc_combine_find(&combine, way, path, NULL) != OC_OK) {
        status = damaged(path, err, "'combine' is not stack, mean or weighted");
        goto cleanup;
    }
    if (count < OC_ENSEMBLE_LEAST || count > OC_ENSEMBLE_MOST) {
        status = damaged(path, err, "'members' is no list of 2 to 64");
        goto cleanup;
    }
    if (!has_room_for(file, info->classes.count, count)) {
        status = oc_fail(err, OC_E_MISMATCH, path, "these weights are too few for %zu members and %zu classes", count,
                         info->classes.count);
        goto cleanup;
    }
    for (size_t m = 0; m < count; m++) {
        OC_TRY(
            build_member(&member[m], json_array_get(list, m), m, oc_safetensors_metadata(file, "classes"), path, err));
        snprintf(names[m], sizeof names[m], "member %zu", m);
        label[m] = names[m];
    }
    status = oc_ensemble_build(out, combine, member, label, count, &why);
    if (status == OC_E_MISMATCH) status = OC_E_FORMAT; /* within the file */
    if (status != OC_OK) {
        status = oc_fail(err, status, path, "%s: %s", why.where, why.message);
        goto cleanup;
    }
    if (!same_order(&(*out)->classes, &info->classes) || !is_of_first_member(*out, info))
        status = damaged(path, err, "its classes, size, mean and std are not those of its first member");
cleanup:
    for (size_t m = 0; m < OC_ENSEMBLE_MOST; m++) oc_model_destroy(&member[m]);
    if (status != OC_OK) oc_model_destroy(out);
    json_decref(root);
    return status;
}

/* What the caller says of the model against what the file says. */
static oc_status check_asked(const oc_model *model, const char *path, const char *name, const char *const *classes,
                             size_t count, int64_t size, const oc_model_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_text sentence = {0};
    oc_names asked = {0};
    if (name && strcmp(name, OC_ENSEMBLE_NAME) != 0)
        OC_TRY(oc_text_printf(&sentence, err, "they are not of %.100s", name));
    if (size != 0 && size != model->size)
        OC_TRY(oc_text_printf(&sentence, err, "%sits first member is for images of size %lld, not %lld",
                              sentence.size ? "; " : "", (long long)model->size, (long long)size));
    if (options && ((options->stem && strcmp(options->stem, "own") != 0) || options->no_stem_pool))
        OC_TRY(oc_text_printf(&sentence, err, "%sits members have stems of their own", sentence.size ? "; " : ""));
    for (size_t i = 0; i < count; i++) OC_TRY(oc_names_add(&asked, classes[i], err));
    if (count > 0) OC_TRY(oc_match_classes(&sentence, &asked, &model->classes, err));
    if (sentence.size > 0)
        status = oc_fail(err, OC_E_MISMATCH, path, "these weights are of an ensemble: %s", sentence.data);
cleanup:
    oc_text_free(&sentence);
    oc_names_free(&asked);
    return status;
}

/* The weights of an average are shares. */
static oc_status check_weights(const oc_ensemble *e, const char *path, oc_error *err) {
    double sum = 0;
    if (e->combine != OC_COMBINE_WEIGHTED) return OC_OK;
    for (size_t m = 0; m < e->members; m++) {
        if (!(e->weight[m] >= 0)) sum = NAN;
        sum += (double)e->weight[m];
    }
    if (!(fabs(sum - 1) <= SUM_TOLERANCE))
        return oc_fail(err, OC_E_FORMAT, path, "clf.weight does not hold shares of 1, one a member");
    return OC_OK;
}

oc_status oc_ensemble_open(oc_model **out, const oc_safetensors *file, const oc_weights_info *info, const char *path,
                           const char *name, const char *const *classes, size_t count, int64_t size,
                           const oc_model_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_model *model = NULL;
    oc_text sentence = {0};
    *out = NULL;
    OC_TRY(build_told(&model, file, info, path, err));
    OC_TRY(check_asked(model, path, name, classes, count, size, options, err));
    OC_TRY(oc_match_tensors(&sentence, model->ensemble->table, file, err));
    if (sentence.size > 0) {
        status = oc_fail(err, OC_E_MISMATCH, path, "these weights do not fit the ensemble that they are said to be: %s",
                         sentence.data);
        goto cleanup;
    }
    OC_TRY(oc_ensemble_allocate(model, err));
    OC_TRY(oc_trained_join(&model->trained, &info->trained, err));
    model->told = true;
    OC_TRY(oc_weights_read(model->ensemble->data, model->ensemble->table, file, path, err));
    OC_TRY(check_weights(model->ensemble, path, err));
    for (size_t m = 0; m < model->ensemble->members; m++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "models.%zu.", m);
        model->ensemble->member[m]->steps = oc_weights_steps(file, prefix);
        model->ensemble->member[m]->weights.version++;
    }
    *out = model;
    model = NULL;
cleanup:
    oc_text_free(&sentence);
    oc_model_destroy(&model);
    return status;
}
