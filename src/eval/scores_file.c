/* Scores as a file. */
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "eval/scores.h"
#include "ocelli/models.h"

/* Metadata of every file of scores. */
#define OWN_METADATA 3

oc_status oc_scores_write(const oc_scores *scores, const oc_model *model, const char *path, const oc_metadata *metadata,
                          size_t metadata_count, oc_error *err) {
    oc_status status = OC_OK;
    char *names = NULL, *classes = NULL;
    oc_metadata *all = NULL;
    OC_TRY(oc_json_names(&names, &scores->names, err));
    OC_TRY(oc_json_names(&classes, &model->classes, err));
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
        {.name = "content",
         .dtype = OC_I64,
         .shape = oc_shape_make(1, scores->images),
         .data = (const uint8_t *)scores->content,
         .size = (size_t)scores->images * sizeof *scores->content},
    };
    OC_TRY(
        oc_safetensors_write(path, tensors, sizeof tensors / sizeof *tensors, all, OWN_METADATA + metadata_count, err));
cleanup:
    oc_free(all);
    oc_free(names);
    oc_free(classes);
    return status;
}
