/* safetensors: 8 bytes little-endian header size, a JSON header, contiguous data
 * (https://github.com/huggingface/safetensors#format). Strict: offsets must be contiguous and cover the file, names
 * unique, sizes consistent. Files of our own carry, in __metadata__, "format" = "ocelli" and "xxh3": XXH3-64 over
 * the header (its own 16 digits read as '0') and the data, checked on opening, so that a file cut or changed at any
 * byte is refused. A file without either key is someone else's and is only checked for its structure. */
#ifndef OC_TENSOR_SAFETENSORS_H
#define OC_TENSOR_SAFETENSORS_H

#include "tensor/tensor.h"

typedef struct oc_safetensors oc_safetensors;

/* One tensor inside an open file. `data` points into the mapping and may be unaligned: read it by memcpy. */
typedef struct oc_safetensors_view {
    const char *name;
    oc_dtype dtype;
    oc_shape shape;
    const uint8_t *data;
    size_t size; /* bytes */
} oc_safetensors_view;

/* Maps and checks. OC_E_NOT_FOUND, OC_E_IO, OC_E_FORMAT (says what is wrong). The caller destroys. */
oc_status oc_safetensors_open(oc_safetensors **out, const char *path, oc_error *err);
/* The same over bytes in memory (borrowed until destroy); `where` names them in errors. */
oc_status oc_safetensors_open_memory(oc_safetensors **out, const void *data, size_t size, const char *where,
                                     oc_error *err);
void oc_safetensors_destroy(oc_safetensors **file);
size_t oc_safetensors_count(const oc_safetensors *file);
const oc_safetensors_view *oc_safetensors_at(const oc_safetensors *file, size_t index);
const oc_safetensors_view *oc_safetensors_find(const oc_safetensors *file, const char *name);
/* A value of __metadata__, or NULL. Owned by the file. */
const char *oc_safetensors_metadata(const oc_safetensors *file, const char *key);
/* Takes the prefix off the name of every tensor, where all have it and something behind it: *stripped. After an error
 * the file can only be destroyed. OC_E_MEMORY. */
oc_status oc_safetensors_strip(oc_safetensors *file, const char *prefix, bool *stripped, oc_error *err);
/* True when Ocelli wrote it. */
bool oc_safetensors_is_own(const oc_safetensors *file);
/* Elements as float (from F32, F64, F16, BF16) into dst[count of the view]; OC_E_FORMAT for another dtype. */
oc_status oc_safetensors_read_f32(const oc_safetensors_view *view, float *dst, oc_error *err);

/* Metadata to write: `count` pairs, written in this order. "format" and "xxh3" are added by the writer. */
typedef struct oc_metadata {
    const char *key, *value;
} oc_metadata;

/* Writes all tensors, atomically, in the order given. Names and data are borrowed. OC_E_IO, OC_E_MEMORY. The bytes are
 * a function of the arguments only. */
oc_status oc_safetensors_write(const char *path, const oc_safetensors_view *tensors, size_t tensor_count,
                               const oc_metadata *metadata, size_t metadata_count, oc_error *err);

#endif
