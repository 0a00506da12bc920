/* oneDNN 2.6 and 3.x alike: what this folder says to it, in 3.x's terms. Everything in which the two differ is behind
 * these functions, in version.c. */
#ifndef OC_COMPUTE_DNNL_VERSION_H
#define OC_COMPUTE_DNNL_VERSION_H

#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>
#include <stddef.h>

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t oc_desc_handle;
#else
typedef struct oc_desc_value *oc_desc_handle; /* a dnnl_memory_desc_t on the heap */
#endif

/* A memory descriptor. Start from {0}; oc_desc_clear frees what is in it. */
typedef struct oc_desc {
    oc_desc_handle handle;
} oc_desc;

void oc_desc_clear(oc_desc *desc);
dnnl_status_t oc_desc_by_strides(oc_desc *desc, dnnl_data_type_t type, int ndims, const dnnl_dims_t dims,
                                 const dnnl_dims_t strides);
dnnl_status_t oc_desc_by_tag(oc_desc *desc, dnnl_data_type_t type, int ndims, const dnnl_dims_t dims,
                             dnnl_format_tag_t tag);
/* Of the argument `arg` of a primitive: empty when it has none. */
dnnl_status_t oc_desc_of_argument(oc_desc *desc, const_dnnl_primitive_desc_t pd, int arg);
bool oc_desc_equal(const oc_desc *a, const oc_desc *b);
/* 0 for an empty one. */
size_t oc_desc_size(const oc_desc *desc);
dnnl_status_t oc_desc_memory(dnnl_memory_t *memory, const oc_desc *desc, dnnl_engine_t engine);

/* Both directions of space, y first; dilates count from 0, as oneDNN's do. */
typedef struct oc_window {
    dnnl_dims_t strides, dilates, before, after;
} oc_window;

/* Primitive descriptors. `bias` may be empty; `hint` is the forward pass's. */
dnnl_status_t oc_pd_conv_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, bool training, dnnl_alg_kind_t kind,
                                 const oc_desc *src, const oc_desc *weights, const oc_desc *bias, const oc_desc *dst,
                                 const oc_window *window, const_dnnl_primitive_attr_t attr);
dnnl_status_t oc_pd_conv_backward_data(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t kind,
                                       const oc_desc *diff_src, const oc_desc *weights, const oc_desc *diff_dst,
                                       const oc_window *window, const_dnnl_primitive_desc_t hint,
                                       const_dnnl_primitive_attr_t attr);
dnnl_status_t oc_pd_conv_backward_weights(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t kind,
                                          const oc_desc *src, const oc_desc *diff_weights, const oc_desc *diff_bias,
                                          const oc_desc *diff_dst, const oc_window *window,
                                          const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr);
dnnl_status_t oc_pd_linear_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, bool training, const oc_desc *src,
                                   const oc_desc *weights, const oc_desc *bias, const oc_desc *dst,
                                   const_dnnl_primitive_attr_t attr);
dnnl_status_t oc_pd_linear_backward_data(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const oc_desc *diff_src,
                                         const oc_desc *weights, const oc_desc *diff_dst,
                                         const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr);
dnnl_status_t oc_pd_linear_backward_weights(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const oc_desc *src,
                                            const oc_desc *diff_weights, const oc_desc *diff_bias,
                                            const oc_desc *diff_dst, const_dnnl_primitive_desc_t hint,
                                            const_dnnl_primitive_attr_t attr);
dnnl_status_t oc_pd_reorder(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const oc_desc *from, const oc_desc *to,
                            const_dnnl_primitive_attr_t attr);

/* Appends to post-ops: max(x, 0); the addition of a tensor. */
dnnl_status_t oc_post_relu(dnnl_post_ops_t posts);
dnnl_status_t oc_post_add(dnnl_post_ops_t posts, const oc_desc *addend);

#endif
