/* Data types, shapes, and the one table of named tensors behind which a model's parameters, their gradients and the
 * optimizer's moments lie, each in one arena of float, in PyTorch's names, order and plain layout. */
#ifndef OC_TENSOR_TENSOR_H
#define OC_TENSOR_TENSOR_H

#include "ocelli/base.h"

typedef enum oc_dtype { OC_F32, OC_F64, OC_F16, OC_BF16, OC_I64, OC_I32, OC_I16, OC_I8, OC_U8, OC_BOOL } oc_dtype;
size_t oc_dtype_size(oc_dtype dtype);
/* safetensors' name, "F32". */
const char *oc_dtype_name(oc_dtype dtype);

#define OC_MAX_DIMS 6
/* Outermost first. ndim 0 is a scalar. */
typedef struct oc_shape {
    int ndim;
    int64_t dim[OC_MAX_DIMS];
} oc_shape;
/* The shape dim[ndim]; ndim at most OC_MAX_DIMS. */
oc_shape oc_shape_from(int ndim, const int64_t *dim);
/* The shape of the `ndim` sizes that follow, of any integer type (a C variadic function would read ints as garbage). */
#define oc_shape_make(ndim, ...) oc_shape_from((ndim), (const int64_t[OC_MAX_DIMS]){__VA_ARGS__})
/* Product of the sizes; −1 when it overflows or a size is negative. */
int64_t oc_shape_count(const oc_shape *shape);
bool oc_shape_equal(const oc_shape *a, const oc_shape *b);
/* "[64, 3, 3, 3]" into text[size]; returns text. */
const char *oc_shape_text(const oc_shape *shape, char *text, size_t size);

/* How a tensor starts. value: bound of UNIFORM (±value), deviation of NORMAL, the constant of CONSTANT. */
typedef enum oc_init_kind { OC_INIT_CONSTANT, OC_INIT_UNIFORM, OC_INIT_NORMAL } oc_init_kind;
typedef struct oc_init {
    oc_init_kind kind;
    double value;
} oc_init;

typedef struct oc_tensor {
    const char *name; /* PyTorch's, owned by the table */
    oc_shape shape;
    size_t offset;  /* in elements, a multiple of 16, into each arena */
    size_t count;   /* elements */
    bool parameter; /* has a gradient; false: a running statistic */
    bool decay;     /* weight decay applies */
    oc_init init;
} oc_tensor;

/* Built by the graph, then constant: pointers into it hold from the last oc_table_add on. Order is PyTorch's state_dict
 * order. */
typedef struct oc_table oc_table;
oc_status oc_table_create(oc_table **out, oc_error *err);
void oc_table_destroy(oc_table **table);
/* Appends; OC_E_EXISTS on a name twice, OC_E_MEMORY. *index (may be NULL) = its place. Copies the name; offset and
 * count are set here. */
oc_status oc_table_add(oc_table *table, const oc_tensor *tensor, size_t *index, oc_error *err);
size_t oc_table_count(const oc_table *table);
const oc_tensor *oc_table_at(const oc_table *table, size_t index);
/* NULL when absent. */
const oc_tensor *oc_table_find(const oc_table *table, const char *name);
/* Elements an arena must have (with padding; the padding is zero and stays zero). */
size_t oc_table_arena_size(const oc_table *table);
/* Elements of tensors with `parameter`. */
size_t oc_table_parameters(const oc_table *table);

#endif
