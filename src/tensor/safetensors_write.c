/* Writing safetensors files: metadata first, then the tensors in the caller's order, compact JSON padded with
 * spaces, so that equal arguments give equal bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tensor/safetensors.h"
#include "tensor/safetensors_format.h"

#define DATA_ALIGNED ((size_t)64) /* where the data begins in the file, for whoever maps it */

/* object[key] = value, unless the key is there. Steals `value`, which may be NULL: out of memory or not UTF-8. */
static oc_status object_add(json_t *object, const char *key, json_t *value, oc_error *err) {
    if (json_object_get(object, key)) {
        json_decref(value);
        return oc_fail(err, OC_E_USAGE, key, "this name is given twice, or is the writer's own");
    }
    if (json_object_set_new(object, key, value) == 0) return OC_OK;
    return oc_fail(err, OC_E_FORMAT, key, "cannot be written as JSON: not UTF-8, or out of memory");
}

static oc_status add_metadata(json_t *header, const oc_metadata *metadata, size_t count, oc_error *err) {
    static const char zeros[] = "0000000000000000";
    oc_status status = OC_OK;
    json_t *object = json_object();
    OC_TRY(object_add(header, OC_SAFETENSORS_METADATA, object, err));
    /* These two first: OC_SAFETENSORS_BEGINNING. */
    OC_TRY(object_add(object, OC_SAFETENSORS_FORMAT_KEY, json_string(OC_SAFETENSORS_FORMAT), err));
    OC_TRY(object_add(object, OC_SAFETENSORS_HASH_KEY, json_string(zeros), err));
    for (size_t i = 0; i < count; i++) OC_TRY(object_add(object, metadata[i].key, json_string(metadata[i].value), err));
cleanup:
    return status;
}

static oc_status add_tensor(json_t *header, const oc_safetensors_view *tensor, size_t *offset, oc_error *err) {
    size_t size, end;
    int64_t count = oc_shape_count(&tensor->shape);
    if (count < 0 || !oc_size_mul((size_t)count, oc_dtype_size(tensor->dtype), &size) || size != tensor->size ||
        __builtin_add_overflow(*offset, size, &end) || end > INT64_MAX)
        return oc_fail(err, OC_E_MISMATCH, tensor->name, "this tensor's size is not that of its shape and dtype");
    json_t *shape = json_array(), *entry;
    for (int i = 0; i < tensor->shape.ndim; i++) json_array_append_new(shape, json_integer(tensor->shape.dim[i]));
    entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", oc_dtype_name(tensor->dtype), "shape", shape, "data_offsets",
                      (json_int_t)*offset, (json_int_t)end);
    *offset = end;
    return object_add(header, tensor->name, entry, err);
}

/* *out[*size] = the 8 bytes of the size, the header with zeros for the checksum, and the padding. */
static oc_status make_header(uint8_t **out, size_t *size, const oc_safetensors_view *tensors, size_t tensor_count,
                             const oc_metadata *metadata, size_t metadata_count, oc_error *err) {
    oc_status status = OC_OK;
    char *text = NULL;
    size_t offset = 0;
    json_t *header = json_object();
    *out = NULL;
    OC_TRY(add_metadata(header, metadata, metadata_count, err));
    for (size_t i = 0; i < tensor_count; i++) OC_TRY(add_tensor(header, &tensors[i], &offset, err));
    OC_TRY(oc_json_text(&text, header, err));
    size_t length = strlen(text);
    *size = (OC_SAFETENSORS_PREFIX + length + DATA_ALIGNED - 1) / DATA_ALIGNED * DATA_ALIGNED;
    uint64_t header_size = *size - OC_SAFETENSORS_PREFIX;
    if (header_size > OC_SAFETENSORS_HEADER_MOST) {
        status =
            oc_fail(err, OC_E_FORMAT, NULL, "the header would be longer than %zu bytes: too many or too long names",
                    OC_SAFETENSORS_HEADER_MOST);
        goto cleanup;
    }
    OC_TRY(oc_alloc(out, *size, 1, err));
    for (size_t i = 0; i < OC_SAFETENSORS_PREFIX; i++) (*out)[i] = (uint8_t)(header_size >> 8 * i);
    memcpy(*out + OC_SAFETENSORS_PREFIX, text, length);
    memset(*out + OC_SAFETENSORS_PREFIX + length, ' ', *size - OC_SAFETENSORS_PREFIX - length);
cleanup:
    json_decref(header);
    oc_free(text);
    return status;
}

/* Puts the checksum of header and data in the place of the zeros. */
static oc_status put_hash(uint8_t *header, size_t size, const oc_safetensors_view *tensors, size_t tensor_count,
                          oc_error *err) {
    XXH3_state_t *state = XXH3_createState();
    if (!state) return oc_fail(err, OC_E_MEMORY, NULL, "out of memory for the checksum");
    XXH3_64bits_reset(state);
    XXH3_64bits_update(state, header, size);
    for (size_t i = 0; i < tensor_count; i++)
        if (tensors[i].size > 0) XXH3_64bits_update(state, tensors[i].data, tensors[i].size);
    char digits[OC_SAFETENSORS_HASH_DIGITS + 1];
    snprintf(digits, sizeof digits, "%016" PRIx64, (uint64_t)XXH3_64bits_digest(state));
    XXH3_freeState(state);
    size_t place = OC_SAFETENSORS_PREFIX + strlen(OC_SAFETENSORS_BEGINNING);
    memcpy(header + place, digits, OC_SAFETENSORS_HASH_DIGITS);
    return OC_OK;
}

oc_status oc_safetensors_write(const char *path, const oc_safetensors_view *tensors, size_t tensor_count,
                               const oc_metadata *metadata, size_t metadata_count, oc_error *err) {
    oc_status status = OC_OK;
    uint8_t *header = NULL;
    size_t size = 0;
    oc_file_writer *writer = NULL;
    OC_TRY(make_header(&header, &size, tensors, tensor_count, metadata, metadata_count, err));
    OC_TRY(put_hash(header, size, tensors, tensor_count, err));
    OC_TRY(oc_file_writer_create(&writer, path, err));
    OC_TRY(oc_file_writer_write(writer, header, size, err));
    for (size_t i = 0; i < tensor_count; i++)
        OC_TRY(oc_file_writer_write(writer, tensors[i].data, tensors[i].size, err));
    OC_TRY(oc_file_writer_commit(writer, err));
cleanup:
    oc_file_writer_destroy(&writer);
    oc_free(header);
    return status;
}
