/* Scores as a file. */
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "eval/scores.h"
#include "ocelli/models.h"

/* Metadata of every file of scores. */
#define OWN_METADATA 3

/* *out = the names as a JSON list, freed with oc_free. */
static oc_status json_list(char **out, const oc_names *names, oc_error *err) {
    oc_status status = OC_OK;
    json_t *list = json_array();
    for (size_t i = 0; i < names->count; i++) {
        /* File names need not be UTF-8, JSON must. */
        json_t *text = json_string(names->item[i]);
        if (!text) text = json_string_nocheck("?");
        if (!list || json_array_append_new(list, text) != 0) {
            status = oc_fail(err, OC_E_MEMORY, NULL, "out of memory for a list of names");
            goto cleanup;
        }
    }
    OC_TRY(oc_json_text(out, list, err));
cleanup:
    json_decref(list);
    return status;
}

oc_status oc_scores_write(const oc_scores *scores, const oc_model *model, const char *path, const oc_metadata *metadata,
                          size_t metadata_count, oc_error *err) {
    oc_status status = OC_OK;
    char *names = NULL, *classes = NULL;
    oc_metadata *all = NULL;
    OC_TRY(json_list(&names, &scores->names, err));
    OC_TRY(json_list(&classes, &model->classes, err));
    OC_TRY(oc_alloc(&all, OWN_METADATA + metadata_count, sizeof *all, err));
    all[0] = (oc_metadata){"model", oc_model_name(model)};
    all[1] = (oc_metadata){"classes", classes};
    all[2] = (oc_metadata){"names", names};
    for (size_t i = 0; i < metadata_count; i++) all[OWN_METADATA + i] = metadata[i];
    const oc_safetensors_view tensors[] = {
        {.name = "logits",
         .dtype = OC_F32,
         .shape = oc_shape_make(2, scores->images, scores->classes),
         .data = (const uint8_t *)scores->logits,
         .size = (size_t)scores->images * (size_t)scores->classes * sizeof *scores->logits},
        {.name = "labels",
         .dtype = OC_I32,
         .shape = oc_shape_make(1, scores->images),
         .data = (const uint8_t *)scores->label,
         .size = (size_t)scores->images * sizeof *scores->label},
    };
    OC_TRY(oc_safetensors_write(path, tensors, 2, all, OWN_METADATA + metadata_count, err));
cleanup:
    oc_free(all);
    oc_free(names);
    oc_free(classes);
    return status;
}
