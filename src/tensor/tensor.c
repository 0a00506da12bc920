/* Data types, shapes, and the table of named tensors. */
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "tensor/name_index.h"

/* Tensors start at multiples of this many floats: one cache line, one AVX-512 vector. */
#define ELEMENTS_ALIGNED ((size_t)16)
#define ARENA_MOST ((size_t)PTRDIFF_MAX / sizeof(double))

static const struct {
    const char *name;
    size_t size;
} dtype_rows[] = {
    [OC_F32] = {"F32", 4}, [OC_F64] = {"F64", 8},   [OC_F16] = {"F16", 2}, [OC_BF16] = {"BF16", 2},
    [OC_I64] = {"I64", 8}, [OC_I32] = {"I32", 4},   [OC_I16] = {"I16", 2}, [OC_I8] = {"I8", 1},
    [OC_U8] = {"U8", 1},   [OC_BOOL] = {"BOOL", 1},
};

size_t oc_dtype_size(oc_dtype dtype) {
    return dtype_rows[dtype].size;
}

const char *oc_dtype_name(oc_dtype dtype) {
    return dtype_rows[dtype].name;
}

oc_shape oc_shape_from(int ndim, const int64_t *dim) {
    oc_shape shape = {.ndim = ndim};
    for (int i = 0; i < ndim && i < OC_MAX_DIMS; i++) shape.dim[i] = dim[i];
    return shape;
}

int64_t oc_shape_count(const oc_shape *shape) {
    int64_t count = 1;
    bool zero = false;
    for (int i = 0; i < shape->ndim; i++) {
        if (shape->dim[i] < 0) return -1;
        if (shape->dim[i] == 0) zero = true;
    }
    for (int i = 0; i < shape->ndim && !zero; i++)
        if (__builtin_mul_overflow(count, shape->dim[i], &count)) return -1;
    return zero ? 0 : count;
}

bool oc_shape_equal(const oc_shape *a, const oc_shape *b) {
    if (a->ndim != b->ndim) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

const char *oc_shape_text(const oc_shape *shape, char *text, size_t size) {
    size_t used = 0;
    if (size == 0) return text;
    text[0] = '\0';
    for (int i = 0; i < shape->ndim && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "[", (long long)shape->dim[i]);
    if (used < size) snprintf(text + used, size - used, shape->ndim ? "]" : "[]");
    return text;
}

struct oc_table {
    oc_tensor *tensor;
    size_t count, capacity;
    size_t arena_size, parameters;
    oc_name_index index;
};

oc_status oc_table_create(oc_table **out, oc_error *err) {
    return oc_alloc(out, 1, sizeof(oc_table), err);
}

void oc_table_destroy(oc_table **table) {
    if (!table || !*table) return;
    oc_table *t = *table;
    oc_name_index_free(&t->index);
    for (size_t i = 0; i < t->count; i++) oc_free((char *)(uintptr_t)t->tensor[i].name);
    oc_free(t->tensor);
    oc_free(t);
    *table = NULL;
}

oc_status oc_table_add(oc_table *table, const oc_tensor *tensor, size_t *index, oc_error *err) {
    oc_status status = OC_OK;
    char *name = NULL;
    int64_t count = oc_shape_count(&tensor->shape);
    if (oc_name_index_find(&table->index, tensor->name) != OC_NAME_ABSENT)
        return oc_fail(err, OC_E_EXISTS, tensor->name, "there are two tensors of this name");
    if (count < 0 || (uint64_t)count > ARENA_MOST - ELEMENTS_ALIGNED - table->arena_size)
        return oc_fail(err, OC_E_MEMORY, tensor->name, "this tensor's size overflows");
    OC_TRY(oc_grow(&table->tensor, &table->capacity, table->count + 1, sizeof *table->tensor, err));
    OC_TRY(oc_strdup(&name, tensor->name, err));
    OC_TRY(oc_name_index_add(&table->index, name, table->count, err));
    oc_tensor *added = &table->tensor[table->count];
    *added = *tensor;
    added->name = name;
    name = NULL;
    added->offset = table->arena_size;
    added->count = (size_t)count;
    if (index) *index = table->count;
    table->count++;
    table->arena_size += (added->count + ELEMENTS_ALIGNED - 1) / ELEMENTS_ALIGNED * ELEMENTS_ALIGNED;
    if (added->parameter) table->parameters += added->count;
cleanup:
    oc_free(name);
    return status;
}

size_t oc_table_count(const oc_table *table) {
    return table->count;
}

const oc_tensor *oc_table_at(const oc_table *table, size_t index) {
    return &table->tensor[index];
}

const oc_tensor *oc_table_find(const oc_table *table, const char *name) {
    size_t index = oc_name_index_find(&table->index, name);
    return index == OC_NAME_ABSENT ? NULL : &table->tensor[index];
}

size_t oc_table_arena_size(const oc_table *table) {
    return table->arena_size;
}

size_t oc_table_parameters(const oc_table *table) {
    return table->parameters;
}
