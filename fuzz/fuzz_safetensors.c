/* Fuzzes the safetensors reader: any bytes are refused or read, every view and every element; and what the metadata
 * says, of a network or of an ensemble and its members, is refused or understood. */
#include <stdlib.h>
#include <string.h>

#include "models/ensemble_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything that the metadata claims. */
static void read_metadata(const oc_safetensors *file) {
    oc_error err = {0};
    oc_weights_info info;
    oc_model *model = NULL;
    oc_status status = oc_weights_info_read(&info, file, "fuzz", &err);
    if (status != OC_OK && (err.status != status || err.message[0] == '\0')) abort();
    if (status == OC_OK && info.model && strcmp(info.model, OC_ENSEMBLE_NAME) == 0) {
        status = oc_ensemble_open(&model, file, &info, "fuzz", NULL, NULL, 0, 0, NULL, &err);
        if ((status == OC_OK) != (model != NULL)) abort();
        if (status != OC_OK && (err.status != status || err.message[0] == '\0')) abort();
    }
    oc_model_destroy(&model);
    oc_weights_info_free(&info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    oc_safetensors *file;
    oc_error err = {0};
    oc_status status = oc_safetensors_open_memory(&file, data, size, "fuzz", &err);
    if (status != OC_OK) {
        if (file || err.status != status || err.message[0] == '\0') abort();
        return 0;
    }
    size_t covered = 0;
    for (size_t i = 0; i < oc_safetensors_count(file); i++) {
        const oc_safetensors_view *view = oc_safetensors_at(file, i);
        if (oc_safetensors_find(file, view->name) != view) abort();
        if (oc_shape_count(&view->shape) < 0) abort();
        covered += view->size;
        /* the elements are at least one byte each, so this is bounded by the input's size */
        float *values = malloc((size_t)oc_shape_count(&view->shape) * sizeof *values + 1);
        if (!values) abort();
        if (oc_safetensors_read_f32(view, values, &err) != OC_OK) {
            uint8_t sum = 0;
            for (size_t j = 0; j < view->size; j++) sum ^= view->data[j];
            memset(values, sum, 1);
        }
        free(values);
    }
    if (covered > size) abort();
    read_metadata(file);
    oc_safetensors_destroy(&file);
    return 0;
}
