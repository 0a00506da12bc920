/* The linear layer by oneDNN's inner product. */
#include "compute/linear.h"

#include "compute/dnnl/dnnl.h"

/* Layouts and descriptors of a layer. Start from {0}. */
typedef struct linear_case {
    oc_layout src, weights, bias, dst;
    oc_desc src_desc, weights_desc, bias_desc, dst_desc;
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t hint, pd;
} linear_case;

static dnnl_status_t linear_open(linear_case *c, oc_engine *engine, const oc_linear_spec *spec) {
    const oc_shape src = oc_shape_make(2, spec->batch, spec->ic), weights = oc_shape_make(2, spec->oc, spec->ic);
    const oc_shape dst = oc_shape_make(2, spec->batch, spec->oc);
    c->src = oc_layout_plain(OC_F32, &src);
    c->weights = oc_layout_plain(OC_F32, &weights);
    c->bias = oc_layout_vector(OC_F32, spec->oc);
    c->dst = oc_layout_plain(OC_F32, &dst);
    dnnl_status_t made = oc_desc_of_layout(&c->src_desc, &c->src);
    if (made == dnnl_success) made = oc_desc_of_layout(&c->weights_desc, &c->weights);
    if (made == dnnl_success) made = oc_desc_of_layout(&c->bias_desc, &c->bias);
    if (made == dnnl_success) made = oc_desc_of_layout(&c->dst_desc, &c->dst);
    if (made == dnnl_success) made = oc_dnnl_attr(&c->attr);
    if (made == dnnl_success)
        made = oc_pd_linear_forward(&c->hint, engine->dnnl->engine, spec->training, &c->src_desc, &c->weights_desc,
                                    &c->bias_desc, &c->dst_desc, c->attr);
    return made;
}

static void linear_close(linear_case *c) {
    if (c->pd) dnnl_primitive_desc_destroy(c->pd);
    if (c->hint) dnnl_primitive_desc_destroy(c->hint);
    if (c->attr) dnnl_primitive_attr_destroy(c->attr);
    oc_desc_clear(&c->src_desc);
    oc_desc_clear(&c->weights_desc);
    oc_desc_clear(&c->bias_desc);
    oc_desc_clear(&c->dst_desc);
}

oc_status oc_linear_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_linear_spec *spec,
                                   oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "inner product forward";
    linear_case c = {0};
    *out = NULL;
    OC_DNNL(linear_open(&c, engine, spec));
    const oc_dnnl_argument argument[] = {{DNNL_ARG_SRC, OC_SLOT_SRC, &c.src, -1},
                                         {DNNL_ARG_WEIGHTS, OC_SLOT_WEIGHTS, &c.weights, -1},
                                         {DNNL_ARG_BIAS, OC_SLOT_BIAS, &c.bias, -1},
                                         {DNNL_ARG_DST, OC_SLOT_DST, &c.dst, -1}};
    OC_TRY(oc_dnnl_begin(out, engine, layer, what, err));
    OC_TRY(oc_dnnl_stage_add(*out, c.hint, argument, 4, err));
cleanup:
    if (status != OC_OK) oc_primitive_destroy(out);
    linear_close(&c);
    return status;
}

oc_status oc_linear_backward_data_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                         const oc_linear_spec *spec, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "inner product backward by data";
    linear_case c = {0};
    *out = NULL;
    OC_DNNL(linear_open(&c, engine, spec));
    OC_DNNL(oc_pd_linear_backward_data(&c.pd, engine->dnnl->engine, &c.src_desc, &c.weights_desc, &c.dst_desc, c.hint,
                                       c.attr));
    const oc_dnnl_argument argument[] = {{DNNL_ARG_DIFF_DST, OC_SLOT_DIFF_DST, &c.dst, -1},
                                         {DNNL_ARG_WEIGHTS, OC_SLOT_WEIGHTS, &c.weights, -1},
                                         {DNNL_ARG_DIFF_SRC, OC_SLOT_DIFF_SRC, &c.src, -1}};
    OC_TRY(oc_dnnl_begin(out, engine, layer, what, err));
    OC_TRY(oc_dnnl_stage_add(*out, c.pd, argument, 3, err));
cleanup:
    if (status != OC_OK) oc_primitive_destroy(out);
    linear_close(&c);
    return status;
}

oc_status oc_linear_backward_weights_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                            const oc_linear_spec *spec, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "inner product backward by weights";
    linear_case c = {0};
    *out = NULL;
    OC_DNNL(linear_open(&c, engine, spec));
    OC_DNNL(oc_pd_linear_backward_weights(&c.pd, engine->dnnl->engine, &c.src_desc, &c.weights_desc, &c.bias_desc,
                                          &c.dst_desc, c.hint, c.attr));
    const oc_dnnl_argument argument[] = {{DNNL_ARG_SRC, OC_SLOT_SRC, &c.src, -1},
                                         {DNNL_ARG_DIFF_DST, OC_SLOT_DIFF_DST, &c.dst, -1},
                                         {DNNL_ARG_DIFF_WEIGHTS, OC_SLOT_DIFF_WEIGHTS, &c.weights, -1},
                                         {DNNL_ARG_DIFF_BIAS, OC_SLOT_DIFF_BIAS, &c.bias, -1}};
    OC_TRY(oc_dnnl_begin(out, engine, layer, what, err));
    OC_TRY(oc_dnnl_stage_add(*out, c.pd, argument, 4, err));
cleanup:
    if (status != OC_OK) oc_primitive_destroy(out);
    linear_close(&c);
    return status;
}
