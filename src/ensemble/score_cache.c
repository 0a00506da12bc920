/* Scores kept in files: <folder>/<key>.safetensors, each as `ocelli eval --save-logits` writes it. */
#include "ensemble/score_cache.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/pack.h"
#include "eval/evaluator.h"
#include "models/precision.h"
#include "tensor/safetensors.h"

#define KEY_NAME "key"
#define KEY_SIZE 17 /* 16 digits and the end */

/* ---- the key ---- */

static oc_status key_make(char key[KEY_SIZE], const oc_score_cache *cache, const oc_split *split, const oc_model *model,
                          const char *path, oc_error *err) {
    oc_status status = OC_OK;
    oc_mapping file = {0};
    char text[256];
    oc_precision precision;
    OC_TRY(oc_precision_find(&precision, cache->eval.precision, "--precision", err));
    OC_TRY(oc_mapping_open(&file, path, err));
    const uint64_t weights = file.size > 0 ? XXH3_64bits(file.data, file.size) : 0;
    oc_mapping_close(&file);
    /* Precision, threads and versions: the scores' bits may depend on them, and what is computed from them shall not
     * depend on what an earlier call left here. How images are read stands in the weights file. */
    const int length =
        snprintf(text, sizeof text, "%016llx %016llx %.32s %lld %s %d %.32s %s", (unsigned long long)weights,
                 (unsigned long long)(split ? split->fingerprint : 0), cache->eval.split, (long long)model->size,
                 oc_precision_name(precision), cache->eval.threads, oc_version(), oc_pack_version());
    snprintf(key, KEY_SIZE, "%016llx", (unsigned long long)XXH3_64bits(text, (size_t)length));
cleanup:
    return status;
}

/* ---- reading ---- */

static oc_status useless(const char *path, const char *what, oc_error *err) {
    return oc_fail(err, OC_E_FORMAT, path, "%s", what);
}

/* The list of strings under `key`; *out is released with json_decref. */
static oc_status list_read(json_t **out, const oc_safetensors *file, const char *key, const char *path, oc_error *err) {
    const char *text = oc_safetensors_metadata(file, key);
    oc_status status;
    if (!text) return useless(path, "it does not say of what it holds scores", err);
    OC_TRY(oc_json_parse(out, text, strlen(text), path, err));
    if (!json_is_array(*out)) status = useless(path, "its lists are none", err);
cleanup:
    return status;
}

/* Whether item `index` of a list is `name`; a name that is not UTF-8 stands there as something else. */
static bool item_is(const json_t *list, size_t index, const char *name) {
    const char *text = json_string_value(json_array_get(list, index));
    json_t *test = json_string(name);
    const bool same = text && (!test || strcmp(text, name) == 0);
    json_decref(test);
    return same;
}

static bool classes_are(const json_t *list, const oc_names *classes) {
    bool same = json_array_size(list) == classes->count;
    for (size_t i = 0; same && i < classes->count; i++) same = item_is(list, i, classes->item[i]);
    return same;
}

/* Checks that row by row names and labels are the split's, whose undecodable images have no row. */
static oc_status rows_check(oc_scores *scores, const json_t *names, const oc_split *split, const int32_t *class_map,
                            const char *path, oc_error *err) {
    oc_status status = OC_OK;
    int64_t row = 0;
    for (int64_t i = 0; i < split->count && row < scores->images; i++) {
        const oc_sample *sample = &split->sample[i];
        if (!item_is(names, (size_t)row, sample->in_split)) continue;
        if (scores->label[row] != (sample->label < 0 ? -1 : class_map[sample->label])) continue;
        OC_TRY(oc_names_add(&scores->names, sample->in_split, err));
        row++;
    }
    if (row != scores->images || scores->images > split->count)
        status = useless(path, "its images are not those of the split", err);
    scores->skipped = split->count - row;
cleanup:
    return status;
}

/* Fills *out from the file at `path`. OC_E_NOT_FOUND; OC_E_FORMAT when it is not to be used. */
static oc_status cache_read(oc_scores *out, const oc_score_cache *cache, const oc_split *split, const oc_model *model,
                            const char *key, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    const oc_names *data_classes = oc_dataset_classes(cache->dataset);
    oc_safetensors *file = NULL;
    json_t *classes = NULL, *names = NULL;
    int32_t *class_map = NULL;
    OC_TRY(oc_safetensors_open(&file, path, err));
    const oc_safetensors_view *logits = oc_safetensors_find(file, "logits");
    const oc_safetensors_view *labels = oc_safetensors_find(file, "labels");
    const oc_safetensors_view *content = oc_safetensors_find(file, "content");
    const char *said = oc_safetensors_metadata(file, KEY_NAME);
    if (!oc_safetensors_is_own(file) || !said || strcmp(said, key) != 0 || !logits || !labels || !content ||
        logits->dtype != OC_F32 || labels->dtype != OC_I32 || content->dtype != OC_I64 || logits->shape.ndim != 2 ||
        labels->shape.ndim != 1 || content->shape.ndim != 1 || logits->shape.dim[0] != labels->shape.dim[0] ||
        logits->shape.dim[0] != content->shape.dim[0] || logits->shape.dim[1] != (int64_t)model->classes.count) {
        status = useless(path, "it holds something else", err);
        goto cleanup;
    }
    OC_TRY(list_read(&classes, file, "classes", path, err));
    OC_TRY(list_read(&names, file, "names", path, err));
    out->images = logits->shape.dim[0];
    out->classes = logits->shape.dim[1];
    if (!classes_are(classes, &model->classes) || json_array_size(names) != (size_t)out->images) {
        status = useless(path, "its classes are not the model's", err);
        goto cleanup;
    }
    OC_TRY(oc_alloc(&out->logits, logits->size, 1, err));
    OC_TRY(oc_alloc(&out->label, labels->size, 1, err));
    memcpy(out->logits, logits->data, logits->size);
    memcpy(out->label, labels->data, labels->size);
    OC_TRY(oc_alloc(&out->content, content->size, 1, err));
    memcpy(out->content, content->data, content->size);
    out->trained_on = oc_trained_count(&model->trained, out->content, (size_t)out->images);
    OC_TRY(oc_alloc(&class_map, data_classes->count, sizeof *class_map, err));
    OC_TRY(oc_class_map(class_map, data_classes, model, NULL, err));
    OC_TRY(rows_check(out, names, split, class_map, path, err));
    /* Where images are missing, computing again says which, and whether that is allowed. */
    if (out->skipped > 0 && !cache->eval.skip_bad) status = useless(path, "it leaves images out", err);
cleanup:
    if (status != OC_OK) oc_scores_free(out);
    oc_free(class_map);
    json_decref(classes);
    json_decref(names);
    oc_safetensors_destroy(&file);
    return status;
}

/* ---- the cache ---- */

oc_status oc_score_cache_get(oc_scores *out, bool *computed, const oc_score_cache *cache, oc_model *model,
                             const char *path, oc_error *err) {
    oc_status status = OC_OK;
    const oc_split *split = oc_dataset_split(cache->dataset, cache->eval.split);
    oc_error reason = {0};
    char *file = NULL;
    char key[KEY_SIZE], name[64];
    OC_TRY(key_make(key, cache, split, model, path, err));
    snprintf(name, sizeof name, "%s.safetensors", key);
    OC_TRY(oc_path_join(&file, cache->folder, name, err));
    OC_TRY(oc_file_remove_leftovers(file, err));
    if (computed) *computed = false;
    if (split && cache_read(out, cache, split, model, key, file, &reason) == OC_OK) goto cleanup;
    if (oc_path_exists(file))
        oc_log_line(&cache->eval.log, OC_LOG_WARN, "%s: %s; computing the scores again", file, reason.message);
    OC_TRY(oc_scores_compute(out, model, cache->dataset, &cache->eval, err));
    if (computed) *computed = true;
    OC_TRY(oc_folder_create(cache->folder, err));
    OC_TRY(oc_scores_write(out, model, file, &(oc_metadata){KEY_NAME, key}, 1, err));
cleanup:
    if (status != OC_OK) oc_scores_free(out);
    oc_free(file);
    return status;
}
