/* Where oneDNN 2.6 and 3.x differ. In 2.6 memory descriptors are structs, a primitive's descriptor is made from an
 * operation's, and an eltwise post-op has a scale; in 3.x memory descriptors are handles, operations' descriptors are
 * gone, and so is the scale. */
#include "compute/dnnl/version.h"

#include <stdlib.h>

#if DNNL_VERSION_MAJOR >= 3

static const_dnnl_memory_desc_t md(const oc_desc *desc) {
    return desc->handle;
}

void oc_desc_clear(oc_desc *desc) {
    if (desc->handle) dnnl_memory_desc_destroy(desc->handle);
    desc->handle = NULL;
}

dnnl_status_t oc_desc_by_strides(oc_desc *desc, dnnl_data_type_t type, int ndims, const dnnl_dims_t dims,
                                 const dnnl_dims_t strides) {
    oc_desc_clear(desc);
    return dnnl_memory_desc_create_with_strides(&desc->handle, ndims, dims, type, strides);
}

dnnl_status_t oc_desc_by_tag(oc_desc *desc, dnnl_data_type_t type, int ndims, const dnnl_dims_t dims,
                             dnnl_format_tag_t tag) {
    oc_desc_clear(desc);
    return dnnl_memory_desc_create_with_tag(&desc->handle, ndims, dims, type, tag);
}

dnnl_status_t oc_desc_of_argument(oc_desc *desc, const_dnnl_primitive_desc_t pd, int arg) {
    oc_desc_clear(desc);
    const_dnnl_memory_desc_t found = dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, arg);
    return found && dnnl_memory_desc_get_size(found) > 0 ? dnnl_memory_desc_clone(&desc->handle, found) : dnnl_success;
}

#else

struct oc_desc_value {
    dnnl_memory_desc_t md;
};

static const dnnl_memory_desc_t *md(const oc_desc *desc) {
    return desc->handle ? &desc->handle->md : NULL;
}

void oc_desc_clear(oc_desc *desc) {
    free(desc->handle);
    desc->handle = NULL;
}

static dnnl_status_t set(oc_desc *desc, const dnnl_memory_desc_t *value) {
    oc_desc_clear(desc);
    desc->handle = malloc(sizeof *desc->handle);
    if (!desc->handle) return dnnl_out_of_memory;
    desc->handle->md = *value;
    return dnnl_success;
}

dnnl_status_t oc_desc_by_strides(oc_desc *desc, dnnl_data_type_t type, int ndims, const dnnl_dims_t dims,
                                 const dnnl_dims_t strides) {
    dnnl_memory_desc_t value;
    const dnnl_status_t status = dnnl_memory_desc_init_by_strides(&value, ndims, dims, type, strides);
    return status == dnnl_success ? set(desc, &value) : status;
}

dnnl_status_t oc_desc_by_tag(oc_desc *desc, dnnl_data_type_t type, int ndims, const dnnl_dims_t dims,
                             dnnl_format_tag_t tag) {
    dnnl_memory_desc_t value;
    const dnnl_status_t status = dnnl_memory_desc_init_by_tag(&value, ndims, dims, type, tag);
    return status == dnnl_success ? set(desc, &value) : status;
}

dnnl_status_t oc_desc_of_argument(oc_desc *desc, const_dnnl_primitive_desc_t pd, int arg) {
    oc_desc_clear(desc);
    const dnnl_memory_desc_t *found = dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, arg);
    return found && found->ndims > 0 && dnnl_memory_desc_get_size(found) > 0 ? set(desc, found) : dnnl_success;
}

#endif

bool oc_desc_equal(const oc_desc *a, const oc_desc *b) {
    return a->handle && b->handle && dnnl_memory_desc_equal(md(a), md(b));
}

size_t oc_desc_size(const oc_desc *desc) {
    return desc->handle ? dnnl_memory_desc_get_size(md(desc)) : 0;
}

dnnl_status_t oc_desc_memory(dnnl_memory_t *memory, const oc_desc *desc, dnnl_engine_t engine) {
    return dnnl_memory_create(memory, md(desc), engine, DNNL_MEMORY_NONE);
}

static dnnl_prop_kind_t prop(bool training) {
    return training ? dnnl_forward_training : dnnl_forward_inference;
}

dnnl_status_t oc_pd_reorder(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const oc_desc *from, const oc_desc *to,
                            const_dnnl_primitive_attr_t attr) {
    return dnnl_reorder_primitive_desc_create(pd, md(from), engine, md(to), engine, attr);
}

dnnl_status_t oc_post_add(dnnl_post_ops_t posts, const oc_desc *addend) {
    return dnnl_post_ops_append_binary(posts, dnnl_binary_add, md(addend));
}

#if DNNL_VERSION_MAJOR >= 3

dnnl_status_t oc_post_relu(dnnl_post_ops_t posts) {
    return dnnl_post_ops_append_eltwise(posts, dnnl_eltwise_relu, 0.0F, 0.0F);
}

dnnl_status_t oc_pd_conv_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, bool training, dnnl_alg_kind_t kind,
                                 const oc_desc *src, const oc_desc *weights, const oc_desc *bias, const oc_desc *dst,
                                 const oc_window *w, const_dnnl_primitive_attr_t attr) {
    return dnnl_convolution_forward_primitive_desc_create(pd, engine, prop(training), kind, md(src), md(weights),
                                                          md(bias), md(dst), w->strides, w->dilates, w->before,
                                                          w->after, attr);
}

dnnl_status_t oc_pd_conv_backward_data(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t kind,
                                       const oc_desc *diff_src, const oc_desc *weights, const oc_desc *diff_dst,
                                       const oc_window *w, const_dnnl_primitive_desc_t hint,
                                       const_dnnl_primitive_attr_t attr) {
    return dnnl_convolution_backward_data_primitive_desc_create(pd, engine, kind, md(diff_src), md(weights),
                                                                md(diff_dst), w->strides, w->dilates, w->before,
                                                                w->after, hint, attr);
}

dnnl_status_t oc_pd_conv_backward_weights(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t kind,
                                          const oc_desc *src, const oc_desc *diff_weights, const oc_desc *diff_bias,
                                          const oc_desc *diff_dst, const oc_window *w, const_dnnl_primitive_desc_t hint,
                                          const_dnnl_primitive_attr_t attr) {
    return dnnl_convolution_backward_weights_primitive_desc_create(pd, engine, kind, md(src), md(diff_weights),
                                                                   md(diff_bias), md(diff_dst), w->strides, w->dilates,
                                                                   w->before, w->after, hint, attr);
}

dnnl_status_t oc_pd_linear_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, bool training, const oc_desc *src,
                                   const oc_desc *weights, const oc_desc *bias, const oc_desc *dst,
                                   const_dnnl_primitive_attr_t attr) {
    return dnnl_inner_product_forward_primitive_desc_create(pd, engine, prop(training), md(src), md(weights), md(bias),
                                                            md(dst), attr);
}

dnnl_status_t oc_pd_linear_backward_data(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const oc_desc *diff_src,
                                         const oc_desc *weights, const oc_desc *diff_dst,
                                         const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr) {
    return dnnl_inner_product_backward_data_primitive_desc_create(pd, engine, md(diff_src), md(weights), md(diff_dst),
                                                                  hint, attr);
}

dnnl_status_t oc_pd_linear_backward_weights(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const oc_desc *src,
                                            const oc_desc *diff_weights, const oc_desc *diff_bias,
                                            const oc_desc *diff_dst, const_dnnl_primitive_desc_t hint,
                                            const_dnnl_primitive_attr_t attr) {
    return dnnl_inner_product_backward_weights_primitive_desc_create(pd, engine, md(src), md(diff_weights),
                                                                     md(diff_bias), md(diff_dst), hint, attr);
}

#else

dnnl_status_t oc_post_relu(dnnl_post_ops_t posts) {
    return dnnl_post_ops_append_eltwise(posts, 1.0F, dnnl_eltwise_relu, 0.0F, 0.0F);
}

/* Makes the primitive's descriptor from the operation's, if that could be made. */
static dnnl_status_t create(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_status_t made,
                            const_dnnl_op_desc_t desc, const_dnnl_primitive_attr_t attr,
                            const_dnnl_primitive_desc_t hint) {
    return made == dnnl_success ? dnnl_primitive_desc_create(pd, desc, attr, engine, hint) : made;
}

dnnl_status_t oc_pd_conv_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, bool training, dnnl_alg_kind_t kind,
                                 const oc_desc *src, const oc_desc *weights, const oc_desc *bias, const oc_desc *dst,
                                 const oc_window *w, const_dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t desc;
    const dnnl_status_t made =
        dnnl_dilated_convolution_forward_desc_init(&desc, prop(training), kind, md(src), md(weights), md(bias), md(dst),
                                                   w->strides, w->dilates, w->before, w->after);
    return create(pd, engine, made, &desc, attr, NULL);
}

dnnl_status_t oc_pd_conv_backward_data(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t kind,
                                       const oc_desc *diff_src, const oc_desc *weights, const oc_desc *diff_dst,
                                       const oc_window *w, const_dnnl_primitive_desc_t hint,
                                       const_dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t desc;
    const dnnl_status_t made = dnnl_dilated_convolution_backward_data_desc_init(
        &desc, kind, md(diff_src), md(weights), md(diff_dst), w->strides, w->dilates, w->before, w->after);
    return create(pd, engine, made, &desc, attr, hint);
}

dnnl_status_t oc_pd_conv_backward_weights(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, dnnl_alg_kind_t kind,
                                          const oc_desc *src, const oc_desc *diff_weights, const oc_desc *diff_bias,
                                          const oc_desc *diff_dst, const oc_window *w, const_dnnl_primitive_desc_t hint,
                                          const_dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t desc;
    const dnnl_status_t made =
        dnnl_dilated_convolution_backward_weights_desc_init(&desc, kind, md(src), md(diff_weights), md(diff_bias),
                                                            md(diff_dst), w->strides, w->dilates, w->before, w->after);
    return create(pd, engine, made, &desc, attr, hint);
}

dnnl_status_t oc_pd_linear_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, bool training, const oc_desc *src,
                                   const oc_desc *weights, const oc_desc *bias, const oc_desc *dst,
                                   const_dnnl_primitive_attr_t attr) {
    dnnl_inner_product_desc_t desc;
    const dnnl_status_t made =
        dnnl_inner_product_forward_desc_init(&desc, prop(training), md(src), md(weights), md(bias), md(dst));
    return create(pd, engine, made, &desc, attr, NULL);
}

dnnl_status_t oc_pd_linear_backward_data(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const oc_desc *diff_src,
                                         const oc_desc *weights, const oc_desc *diff_dst,
                                         const_dnnl_primitive_desc_t hint, const_dnnl_primitive_attr_t attr) {
    dnnl_inner_product_desc_t desc;
    const dnnl_status_t made =
        dnnl_inner_product_backward_data_desc_init(&desc, md(diff_src), md(weights), md(diff_dst));
    return create(pd, engine, made, &desc, attr, hint);
}

dnnl_status_t oc_pd_linear_backward_weights(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const oc_desc *src,
                                            const oc_desc *diff_weights, const oc_desc *diff_bias,
                                            const oc_desc *diff_dst, const_dnnl_primitive_desc_t hint,
                                            const_dnnl_primitive_attr_t attr) {
    dnnl_inner_product_desc_t desc;
    const dnnl_status_t made =
        dnnl_inner_product_backward_weights_desc_init(&desc, md(src), md(diff_weights), md(diff_bias), md(diff_dst));
    return create(pd, engine, made, &desc, attr, hint);
}

#endif
