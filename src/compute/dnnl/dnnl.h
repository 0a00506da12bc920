/* What the files that call oneDNN share: primitives of one or more stages, each a primitive of oneDNN's. Stages hand
 * memory on to each other in the scratchpad. */
#ifndef OC_COMPUTE_DNNL_DNNL_H
#define OC_COMPUTE_DNNL_DNNL_H

#include "base/error.h"
#include "compute/dnnl/version.h"
#include "compute/internal.h"

struct oc_dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

#define OC_DNNL_STAGES 2
#define OC_DNNL_ARGS 12
#define OC_DNNL_INNER 4

typedef struct oc_dnnl_stage {
    dnnl_primitive_t primitive;
    int args;
    dnnl_exec_arg_t arg[OC_DNNL_ARGS];
} oc_dnnl_stage;

typedef struct oc_dnnl_primitive {
    oc_primitive primitive;
    oc_dnnl_stage stage[OC_DNNL_STAGES];
    int stages;
    dnnl_memory_t memory[OC_SLOTS];
    /* Memory within the scratchpad. */
    dnnl_memory_t inner[OC_DNNL_INNER];
    size_t inner_offset[OC_DNNL_INNER];
    int inners;
    char implementation[64];
} oc_dnnl_primitive;

/* Fills `err` for a status of oneDNN's other than success: layer, what was tried, the status's name, what to do. */
oc_status oc_dnnl_fail(oc_error *err, const char *layer, const char *what, dnnl_status_t status);

/* OC_TRY for a call of oneDNN's, in a function with `status`, `err`, `layer` and `what`. */
#define OC_DNNL(call)                                                                                                  \
    do {                                                                                                               \
        dnnl_status_t dnnl_result = (call);                                                                            \
        if (dnnl_result != dnnl_success) {                                                                             \
            status = oc_dnnl_fail(err, layer, what, dnnl_result);                                                      \
            goto cleanup;                                                                                              \
        }                                                                                                              \
    } while (0)

/* The descriptor of a layout of f32 or bf16; dnnl_unimplemented for one that oneDNN has no name for. */
dnnl_status_t oc_desc_of_layout(oc_desc *desc, const oc_layout *layout);

/* *attr: scratchpads are given by the user, so that executing allocates nothing. */
dnnl_status_t oc_dnnl_attr(dnnl_primitive_attr_t *attr);

/* A primitive without stages. */
oc_status oc_dnnl_begin(oc_primitive **out, oc_engine *engine, const char *layer, const char *what, oc_error *err);

/* An argument of a stage: memory that a slot is bound to, with the slot's layout; or inner memory of another stage. */
typedef struct oc_dnnl_argument {
    int index;               /* DNNL_ARG_… */
    oc_slot slot;            /* unless inner >= 0 */
    const oc_layout *layout; /* of the slot; NULL: it is as large as oneDNN says, and lies as only it knows */
    int inner;               /* −1: a slot */
} oc_dnnl_argument;

/* Appends what `pd` describes. Arguments that it does not have are left out. */
oc_status oc_dnnl_stage_add(oc_primitive *primitive, const_dnnl_primitive_desc_t pd, const oc_dnnl_argument *argument,
                            int count, oc_error *err);

/* Inner memory of a descriptor: its number in *inner. */
oc_status oc_dnnl_inner_add(oc_primitive *primitive, const oc_desc *desc, int *inner, oc_error *err);

/* oneDNN's name of the implementation, static: "" where it has none. */
const char *oc_dnnl_implementation(const_dnnl_primitive_desc_t pd);
/* Whether it is oneDNN's reference implementation, which is there for every case and for none quick. */
bool oc_dnnl_is_reference(const_dnnl_primitive_desc_t pd);

#endif
