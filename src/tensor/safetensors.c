/* Reading safetensors files. Everything in a file is taken for hostile: no size is used before it is checked. */
#include "tensor/safetensors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tensor/foreign.h"
#include "tensor/name_index.h"
#include "tensor/safetensors_format.h"

struct oc_safetensors {
    oc_mapping mapping; /* empty where the bytes are the caller's */
    const uint8_t *bytes;
    size_t size;
    size_t header_size;
    const char *where; /* borrowed while opening */
    json_t *header;    /* owns the names and the metadata */
    json_t *metadata;  /* inside header, or NULL */
    oc_safetensors_view *view;
    size_t count;
    oc_name_index index;
    bool own;
};

/* OC_E_FORMAT with the reason and what to do. */
static oc_status __attribute__((format(printf, 3, 4)))
refuse(const oc_safetensors *file, oc_error *err, const char *format, ...) {
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return oc_fail(
        err, OC_E_FORMAT, file->where,
        "damaged, cut or not a safetensors file (%s); restore it from a copy or use another generation of it", reason);
}

static oc_status read_header(oc_safetensors *file, oc_error *err) {
    oc_status status = OC_OK;
    const char *foreign = oc_foreign_file(file->bytes, file->size);
    if (foreign) return oc_fail(err, OC_E_FORMAT, file->where, "%s", foreign);
    if (file->size < OC_SAFETENSORS_PREFIX)
        return refuse(file, err, "%zu bytes are too few for any header", file->size);
    uint64_t size = 0;
    for (size_t i = OC_SAFETENSORS_PREFIX; i-- > 0;) size = size << 8 | file->bytes[i];
    if (size > OC_SAFETENSORS_HEADER_MOST || size > file->size - OC_SAFETENSORS_PREFIX)
        return refuse(file, err, "its header should have %llu bytes, the file has %zu", (unsigned long long)size,
                      file->size);
    file->header_size = (size_t)size;
    const char *text = (const char *)file->bytes + OC_SAFETENSORS_PREFIX;
    if (size == 0 || text[0] != '{') return refuse(file, err, "its header does not begin with {");
    oc_error inner = {0};
    status = oc_json_parse(&file->header, text, file->header_size, file->where, &inner);
    if (status == OC_E_FORMAT) return refuse(file, err, "its header is %.300s", inner.message);
    if (status != OC_OK) return oc_fail(err, status, inner.where, "%s", inner.message);
    if (!json_is_object(file->header)) return refuse(file, err, "its header is no JSON object");
    return OC_OK;
}

static oc_status read_metadata(oc_safetensors *file, oc_error *err) {
    json_t *metadata = json_object_get(file->header, OC_SAFETENSORS_METADATA), *value;
    const char *key;
    if (!metadata) return OC_OK;
    if (!json_is_object(metadata)) return refuse(file, err, "its metadata is no JSON object");
    json_object_foreach(metadata, key, value) {
        if (!json_is_string(value)) return refuse(file, err, "metadata \"%.100s\" is no string", key);
    }
    file->metadata = metadata;
    return OC_OK;
}

static bool dtype_find(const char *name, oc_dtype *dtype) {
    for (int i = OC_F32; name && i <= OC_BOOL; i++) {
        if (strcmp(name, oc_dtype_name((oc_dtype)i)) == 0) {
            *dtype = (oc_dtype)i;
            return true;
        }
    }
    return false;
}

/* A size of the file: an integer >= 0. */
static bool size_get(const json_t *json, uint64_t *size) {
    if (!json_is_integer(json) || json_integer_value(json) < 0) return false;
    *size = (uint64_t)json_integer_value(json);
    return true;
}

static oc_status read_view(oc_safetensors *file, oc_safetensors_view *view, const char *name, const json_t *entry,
                           oc_error *err) {
    const json_t *dtype = json_object_get(entry, "dtype"), *shape = json_object_get(entry, "shape");
    const json_t *offsets = json_object_get(entry, "data_offsets");
    size_t data_size = file->size - OC_SAFETENSORS_PREFIX - file->header_size;
    if (!json_is_object(entry) || json_object_size(entry) != 3 || !json_is_string(dtype) || !json_is_array(shape) ||
        !json_is_array(offsets) || json_array_size(offsets) != 2)
        return refuse(file, err, "tensor \"%.100s\" has not just a dtype, a shape and two data_offsets", name);
    view->name = name;
    if (!dtype_find(json_string_value(dtype), &view->dtype))
        return refuse(file, err, "tensor \"%.100s\" is of dtype \"%.20s\", which is not known here", name,
                      json_string_value(dtype));
    size_t ndim = json_array_size(shape);
    if (ndim > OC_MAX_DIMS)
        return refuse(file, err, "tensor \"%.100s\" has %zu dimensions, at most %d are possible", name, ndim,
                      OC_MAX_DIMS);
    view->shape.ndim = (int)ndim;
    for (size_t i = 0; i < ndim; i++) {
        uint64_t dim;
        if (!size_get(json_array_get(shape, i), &dim))
            return refuse(file, err, "the shape of tensor \"%.100s\" is not made of sizes", name);
        view->shape.dim[i] = (int64_t)dim;
    }
    int64_t count = oc_shape_count(&view->shape);
    uint64_t begin, end;
    if (count < 0 || !oc_size_mul((size_t)count, oc_dtype_size(view->dtype), &view->size))
        return refuse(file, err, "the size of tensor \"%.100s\" overflows", name);
    if (!size_get(json_array_get(offsets, 0), &begin) || !size_get(json_array_get(offsets, 1), &end) || begin > end ||
        end > data_size)
        return refuse(file, err, "tensor \"%.100s\" lies outside the %zu bytes of data that are there", name,
                      data_size);
    if (end - begin != view->size)
        return refuse(file, err, "tensor \"%.100s\" has %llu bytes, its shape needs %zu", name,
                      (unsigned long long)(end - begin), view->size);
    view->data = file->bytes + OC_SAFETENSORS_PREFIX + file->header_size + begin;
    return OC_OK;
}

/* Where a tensor lies. */
typedef struct extent {
    const uint8_t *data;
    size_t size;
    const char *name;
} extent;

static int compare_extents(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->size > y->size) - (x->size < y->size); /* an empty tensor before the one that begins where it is */
}

/* The tensors must lie end to end over all the data, in whatever order the header names them. */
static oc_status check_cover(const oc_safetensors *file, oc_error *err) {
    oc_status status = OC_OK;
    extent *by_place = NULL;
    const uint8_t *end = file->bytes + OC_SAFETENSORS_PREFIX + file->header_size;
    OC_TRY(oc_alloc(&by_place, file->count, sizeof *by_place, err));
    for (size_t i = 0; i < file->count; i++)
        by_place[i] = (extent){file->view[i].data, file->view[i].size, file->view[i].name};
    if (file->count > 1) qsort(by_place, file->count, sizeof *by_place, compare_extents);
    for (size_t i = 0; i < file->count; i++) {
        if (by_place[i].data != end) {
            status =
                refuse(file, err, "tensor \"%.100s\" does not begin where the one before it ends", by_place[i].name);
            goto cleanup;
        }
        end += by_place[i].size;
    }
    size_t rest = (size_t)(file->bytes + file->size - end);
    if (rest != 0) status = refuse(file, err, "%zu bytes at its end belong to no tensor", rest);
cleanup:
    oc_free(by_place);
    return status;
}

static oc_status read_views(oc_safetensors *file, oc_error *err) {
    oc_status status = OC_OK;
    const char *name;
    json_t *entry;
    OC_TRY(oc_alloc(&file->view, json_object_size(file->header), sizeof *file->view, err));
    json_object_foreach(file->header, name, entry) {
        if (strcmp(name, OC_SAFETENSORS_METADATA) == 0) continue;
        OC_TRY(read_view(file, &file->view[file->count], name, entry, err));
        OC_TRY(oc_name_index_add(&file->index, name, file->count, err));
        file->count++;
    }
    OC_TRY(check_cover(file, err));
cleanup:
    return status;
}

/* Whether the raw header begins as we write it, with these digits: there they are read as zeros. */
static bool digits_in_place(const oc_safetensors *file, const char *digits) {
    size_t beginning = strlen(OC_SAFETENSORS_BEGINNING);
    const uint8_t *header = file->bytes + OC_SAFETENSORS_PREFIX;
    return file->header_size >= beginning + OC_SAFETENSORS_HASH_DIGITS &&
           memcmp(header, OC_SAFETENSORS_BEGINNING, beginning) == 0 &&
           memcmp(header + beginning, digits, OC_SAFETENSORS_HASH_DIGITS) == 0;
}

static oc_status check_hash(oc_safetensors *file, oc_error *err) {
    const char *format = oc_safetensors_metadata(file, OC_SAFETENSORS_FORMAT_KEY);
    const char *digits = oc_safetensors_metadata(file, OC_SAFETENSORS_HASH_KEY);
    bool says_own = format && strcmp(format, OC_SAFETENSORS_FORMAT) == 0;
    if (!says_own && !digits) return OC_OK;
    if (!says_own || !digits || strlen(digits) != OC_SAFETENSORS_HASH_DIGITS || !digits_in_place(file, digits))
        return refuse(file, err, "its checksum is missing or not where it belongs");
    XXH3_state_t *state = XXH3_createState();
    if (!state) return oc_fail(err, OC_E_MEMORY, file->where, "out of memory for the checksum");
    char zeros[OC_SAFETENSORS_HASH_DIGITS], text[OC_SAFETENSORS_HASH_DIGITS + 1];
    memset(zeros, '0', sizeof zeros);
    size_t offset = OC_SAFETENSORS_PREFIX + strlen(OC_SAFETENSORS_BEGINNING);
    XXH3_64bits_reset(state);
    XXH3_64bits_update(state, file->bytes, offset);
    XXH3_64bits_update(state, zeros, sizeof zeros);
    offset += sizeof zeros;
    XXH3_64bits_update(state, file->bytes + offset, file->size - offset);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)XXH3_64bits_digest(state));
    XXH3_freeState(state);
    if (memcmp(text, digits, sizeof zeros) != 0) return refuse(file, err, "its bytes do not match its checksum");
    file->own = true;
    return OC_OK;
}

/* Checks file->bytes. */
static oc_status open_bytes(oc_safetensors *file, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(read_header(file, err));
    OC_TRY(read_metadata(file, err));
    OC_TRY(read_views(file, err));
    OC_TRY(check_hash(file, err));
    file->where = NULL;
cleanup:
    return status;
}

oc_status oc_safetensors_strip(oc_safetensors *file, const char *prefix, bool *stripped, oc_error *err) {
    oc_status status = OC_OK;
    const size_t length = strlen(prefix);
    *stripped = file->count > 0;
    for (size_t i = 0; *stripped && i < file->count; i++)
        *stripped = strncmp(file->view[i].name, prefix, length) == 0 && file->view[i].name[length];
    if (!*stripped) return OC_OK;
    oc_name_index_free(&file->index);
    for (size_t i = 0; i < file->count; i++) {
        file->view[i].name += length;
        OC_TRY(oc_name_index_add(&file->index, file->view[i].name, i, err));
    }
cleanup:
    return status;
}

oc_status oc_safetensors_open(oc_safetensors **out, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    oc_safetensors *file = NULL;
    *out = NULL;
    OC_TRY(oc_alloc(&file, 1, sizeof *file, err));
    OC_TRY(oc_mapping_open(&file->mapping, path, err));
    file->bytes = file->mapping.data;
    file->size = file->mapping.size;
    file->where = path;
    OC_TRY(open_bytes(file, err));
    *out = file;
    file = NULL;
cleanup:
    oc_safetensors_destroy(&file);
    return status;
}

oc_status oc_safetensors_open_memory(oc_safetensors **out, const void *data, size_t size, const char *where,
                                     oc_error *err) {
    oc_status status = OC_OK;
    oc_safetensors *file = NULL;
    *out = NULL;
    OC_TRY(oc_alloc(&file, 1, sizeof *file, err));
    file->bytes = data;
    file->size = size;
    file->where = where;
    OC_TRY(open_bytes(file, err));
    *out = file;
    file = NULL;
cleanup:
    oc_safetensors_destroy(&file);
    return status;
}

void oc_safetensors_destroy(oc_safetensors **file) {
    if (!file || !*file) return;
    oc_safetensors *f = *file;
    oc_name_index_free(&f->index);
    oc_free(f->view);
    json_decref(f->header);
    oc_mapping_close(&f->mapping);
    oc_free(f);
    *file = NULL;
}

size_t oc_safetensors_count(const oc_safetensors *file) {
    return file->count;
}

const oc_safetensors_view *oc_safetensors_at(const oc_safetensors *file, size_t index) {
    return &file->view[index];
}

const oc_safetensors_view *oc_safetensors_find(const oc_safetensors *file, const char *name) {
    size_t index = oc_name_index_find(&file->index, name);
    return index == OC_NAME_ABSENT ? NULL : &file->view[index];
}

const char *oc_safetensors_metadata(const oc_safetensors *file, const char *key) {
    return json_string_value(json_object_get(file->metadata, key));
}

bool oc_safetensors_is_own(const oc_safetensors *file) {
    return file->own;
}
