/* What the files of this folder share; the only header that includes oneDNN. */
#ifndef OC_COMPUTE_INTERNAL_H
#define OC_COMPUTE_INTERNAL_H

#include <oneapi/dnnl/dnnl.h>

#include "compute/primitives.h"
#include "kernels/kernels.h"
#include "kernels/map.h"

struct oc_engine {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    oc_team *team;
    const oc_kernels *kernels;
};

#define OC_PRIMITIVE_ARGS 16

struct oc_primitive {
    const char *what, *layer; /* static; borrowed */
    oc_engine *engine;
    oc_layout layout[OC_SLOTS];
    /* A primitive … */
    dnnl_primitive_t primitive;
    dnnl_memory_t memory[OC_SLOTS];
    int args;
    dnnl_exec_arg_t arg[OC_PRIMITIVE_ARGS];
    /* … or a kernel of our own, with the numbers it needs. */
    void (*kernel)(const oc_primitive *work);
    const char *impl; /* its name, NULL: "own" */
    int posts;        /* of a convolution */
    oc_post_kind post[OC_POSTS_MAX];
    void *data[OC_SLOTS];
    int64_t count, rows;
    int sources;
    bool flag;
    double number[2];
    uint64_t stream; /* of random numbers */
    oc_map pixels, dst_pixels;
    int64_t kernel_size, stride, pad, shift;
};

/* The descriptor inside a layout. */
dnnl_memory_desc_t *oc_layout_desc(oc_layout *layout);
const dnnl_memory_desc_t *oc_layout_desc_const(const oc_layout *layout);

/* Sees a layout as pixels; false for one that is not made so. */
bool oc_layout_map(const oc_layout *layout, oc_map *out);
/* The layout of `src`, which can be seen as pixels, with the sizes C, H and W of `dst` [N, C, H, W]. */
oc_layout oc_layout_resized(const oc_layout *src, const oc_shape *dst);
/* `dst`, resized from a layout seen as `src` in H and W alone, seen in the same blocks: a single pixel would not show
 * them. */
oc_map oc_map_resized(const oc_map *src, const oc_layout *dst);
/* OC_E_COMPUTE: no kernel of our own can do `what` in this layout. */
oc_status oc_layout_refuse(oc_error *err, const char *layer, const char *what, const oc_layout *layout);
#ifdef __clang_analyzer__
/* As oc_fail in base/error.h: what is returned, for the static analyser. */
#define oc_layout_refuse(err, layer, what, layout)                                                                     \
    ((void)(oc_layout_refuse)((err), (layer), (what), (layout)), OC_E_COMPUTE)
#endif

/* Fills `err` for a oneDNN status other than success: layer, what was tried, the status's name, what to do. */
oc_status oc_dnnl_fail(oc_error *err, const char *layer, const char *what, dnnl_status_t status);

/* OC_TRY for a oneDNN call, in a function with `status`, `err`, `layer` and `what`. */
#define OC_DNNL(call)                                                                                                  \
    do {                                                                                                               \
        dnnl_status_t dnnl_result = (call);                                                                            \
        if (dnnl_result != dnnl_success) {                                                                             \
            status = oc_dnnl_fail(err, layer, what, dnnl_result);                                                      \
            goto cleanup;                                                                                              \
        }                                                                                                              \
    } while (0)

/* An argument of a primitive: which slot stands for which DNNL_ARG_…, and from which its layout is asked (they differ
 * only where oneDNN does not answer for the argument itself). */
typedef struct oc_argument {
    oc_slot slot;
    int index, layout_index;
} oc_argument;

/* Makes work from a descriptor: refuses reference implementations, and builds the arguments of `count` slots and the
 * scratchpad; those that the primitive does not have are left out. `attr` NULL: only a scratchpad of the user's. */
oc_status oc_primitive_from_desc(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                                 const_dnnl_op_desc_t desc, dnnl_primitive_attr_t attr, const oc_primitive *forward,
                                 const oc_argument *argument, int count, oc_error *err);

/* The same for a primitive descriptor that exists already. */
oc_status oc_primitive_from_pd(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                               const_dnnl_primitive_desc_t pd, const oc_argument *argument, int count, oc_error *err);

/* Work for a kernel of our own; the caller fills slots and numbers. */
oc_status oc_primitive_own(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                           void (*kernel)(const oc_primitive *work), oc_error *err);

#endif
