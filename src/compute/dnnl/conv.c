/* Convolution by oneDNN, in two rows of the table of algorithms: its direct one, and the Winograd's of version 2
 * (F(4×4, 3×3) with AVX-512; version 3 has none on x86).
 *
 * For activations of bf16 the weights are packed as bf16 too, from plain ones of f32; their gradients are f32.
 *
 * Only what oneDNN generates code for is supported: its reference implementation, tens of times slower, is left to our
 * own direct convolution. Activations are given; filters lie as oneDNN likes them, and are packed by its reorder, or
 * in the pass by weights brought back to the plain layout by it. */
#include <math.h>
#include <string.h>

#include "compute/conv/algorithm.h"
#include "compute/dnnl/dnnl.h"

/* What is needed to make a pass. Start from {0}. */
typedef struct conv_case {
    oc_desc src, dst, bias;
    oc_desc plain, any, gradient; /* of the weights, in groups where there are some; all but `any` of f32 */
    oc_window window;
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t posts;
    dnnl_primitive_desc_t hint, pd;
} conv_case;

static void conv_close(conv_case *c) {
    if (c->pd) dnnl_primitive_desc_destroy(c->pd);
    if (c->hint) dnnl_primitive_desc_destroy(c->hint);
    if (c->posts) dnnl_post_ops_destroy(c->posts);
    if (c->attr) dnnl_primitive_attr_destroy(c->attr);
    oc_desc_clear(&c->src);
    oc_desc_clear(&c->dst);
    oc_desc_clear(&c->bias);
    oc_desc_clear(&c->plain);
    oc_desc_clear(&c->any);
    oc_desc_clear(&c->gradient);
}

static dnnl_status_t weights_open(conv_case *c, const oc_conv_problem *problem) {
    const int64_t groups = problem->groups, oc = problem->dst.shape.dim[1] / groups;
    const int64_t ic = problem->src.shape.dim[1] / groups, kh = problem->kh, kw = problem->kw;
    const int ndims = groups > 1 ? 5 : 4, skip = 5 - ndims;
    const dnnl_dims_t dims = {groups, oc, ic, kh, kw};
    const dnnl_dims_t strides = {oc * ic * kh * kw, ic * kh * kw, kh * kw, kw, 1};
    dnnl_dims_t these = {0}, strides_of_these = {0};
    for (int i = 0; i < ndims; i++) {
        these[i] = dims[skip + i];
        strides_of_these[i] = strides[skip + i];
    }
    const dnnl_data_type_t type = problem->src.dtype == OC_BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_status_t made = oc_desc_by_strides(&c->plain, dnnl_f32, ndims, these, strides_of_these);
    if (made == dnnl_success) made = oc_desc_by_tag(&c->any, type, ndims, these, dnnl_format_tag_any);
    if (made == dnnl_success) made = oc_desc_by_tag(&c->gradient, dnnl_f32, ndims, these, dnnl_format_tag_any);
    return made;
}

/* On the far side the padding is what the size of the result leaves: less than `pad`, or even none, where the stride
 * does not reach the edge. */
static oc_window window_of(const oc_conv_problem *problem) {
    oc_window w = {{0}, {0}, {0}, {0}};
    const int64_t filter[2] = {problem->kh, problem->kw};
    for (int i = 0; i < 2; i++) {
        const int64_t span = problem->dilation * (filter[i] - 1) + 1;
        w.strides[i] = problem->stride;
        w.dilates[i] = problem->dilation - 1;
        w.before[i] = problem->pad;
        w.after[i] =
            (problem->dst.shape.dim[2 + i] - 1) * problem->stride + span - problem->src.shape.dim[2 + i] - problem->pad;
    }
    return w;
}

static dnnl_status_t posts_open(conv_case *c, const oc_conv_problem *problem) {
    if (!problem->posts) return dnnl_success;
    dnnl_status_t made = dnnl_post_ops_create(&c->posts);
    for (int i = 0; i < problem->posts && made == dnnl_success; i++)
        made = problem->post[i] == OC_POST_RELU ? oc_post_relu(c->posts) : oc_post_add(c->posts, &c->dst);
    return made == dnnl_success ? dnnl_primitive_attr_set_post_ops(c->attr, c->posts) : made;
}

/* Finds oneDNN's implementation of the pass. */
static dnnl_status_t conv_open(conv_case *c, oc_engine *engine, const oc_conv_problem *problem, dnnl_alg_kind_t kind) {
    dnnl_engine_t e = engine->dnnl->engine;
    const bool forward = problem->pass == OC_CONV_FORWARD;
    c->window = window_of(problem);
    dnnl_status_t made = oc_desc_of_layout(&c->src, &problem->src);
    if (made == dnnl_success) made = oc_desc_of_layout(&c->dst, &problem->dst);
    if (made == dnnl_success) made = weights_open(c, problem);
    if (made == dnnl_success && problem->bias) {
        const oc_layout bias = oc_conv_bias_layout(problem);
        made = oc_desc_of_layout(&c->bias, &bias);
    }
    if (made == dnnl_success) made = oc_dnnl_attr(&c->attr);
    if (made == dnnl_success && forward) made = posts_open(c, problem);
    if (made != dnnl_success) return made;
    if (forward)
        return oc_pd_conv_forward(&c->pd, e, problem->training, kind, &c->src, &c->any, &c->bias, &c->dst, &c->window,
                                  c->attr);
    made = oc_pd_conv_forward(&c->hint, e, true, kind, &c->src, &c->any, &c->bias, &c->dst, &c->window, c->attr);
    if (made != dnnl_success) return made;
    return problem->pass == OC_CONV_BACKWARD_DATA
               ? oc_pd_conv_backward_data(&c->pd, e, kind, &c->src, &c->any, &c->dst, &c->window, c->hint, c->attr)
               : oc_pd_conv_backward_weights(&c->pd, e, kind, &c->src, &c->gradient, &c->bias, &c->dst, &c->window,
                                             c->hint, c->attr);
}

/* Whether plain weights of f32 can be packed as bf16 for the pass; as f32 they always can. */
static bool packs(oc_engine *engine, const oc_conv_problem *problem, const conv_case *c) {
    if (problem->src.dtype == OC_F32 || problem->pass == OC_CONV_BACKWARD_WEIGHTS) return true;
    oc_desc packed = {0};
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t made = oc_desc_of_argument(&packed, c->pd, DNNL_ARG_WEIGHTS);
    if (made == dnnl_success) made = oc_pd_reorder(&pd, engine->dnnl->engine, &c->plain, &packed, NULL);
    if (pd) dnnl_primitive_desc_destroy(pd);
    oc_desc_clear(&packed);
    return made == dnnl_success;
}

static bool supports(oc_engine *engine, const oc_conv_problem *problem, dnnl_alg_kind_t kind) {
    conv_case c = {0};
    const bool found = conv_open(&c, engine, problem, kind) == dnnl_success;
    const bool good = found && !oc_dnnl_is_reference(c.pd) && packs(engine, problem, &c);
    conv_close(&c);
    return good;
}

/* The primitive that packs plain weights as `packed`. */
static oc_status pack_create(oc_primitive **out, oc_engine *engine, const char *layer, const conv_case *c,
                             const oc_desc *packed, const oc_layout *plain, const oc_layout *layout, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "packing of the filter";
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = NULL; /* the convolution's may have post-ops */
    const oc_dnnl_argument argument[] = {{DNNL_ARG_FROM, OC_SLOT_WEIGHTS, plain, -1},
                                         {DNNL_ARG_TO, OC_SLOT_DST, layout, -1}};
    OC_DNNL(oc_dnnl_attr(&attr));
    OC_DNNL(oc_pd_reorder(&pd, engine->dnnl->engine, &c->plain, packed, attr));
    OC_TRY(oc_dnnl_begin(out, engine, layer, what, err));
    OC_TRY(oc_dnnl_stage_add(*out, pd, argument, 2, err));
cleanup:
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (attr) dnnl_primitive_attr_destroy(attr);
    if (status != OC_OK) oc_primitive_destroy(out);
    return status;
}

/* Forward or backward by data. */
static oc_status data_create(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                             const oc_conv_problem *problem, const conv_case *c, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = oc_conv_what(problem->pass);
    const bool forward = problem->pass == OC_CONV_FORWARD;
    const oc_layout plain = oc_conv_weights_layout(problem), bias = oc_conv_bias_layout(problem);
    oc_layout weights = plain;
    oc_desc packed = {0};
    OC_DNNL(oc_desc_of_argument(&packed, c->pd, DNNL_ARG_WEIGHTS));
    if (!oc_desc_equal(&packed, &c->plain)) {
        weights = oc_layout_packed(forward ? "oneDNN, forward" : "oneDNN, backward by data", &plain.shape,
                                   oc_desc_size(&packed));
        OC_TRY(pack_create(pack, engine, layer, c, &packed, &plain, &weights, err));
    }
    oc_dnnl_argument argument[4 + OC_POSTS_MAX] = {
        {forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_SRC, forward ? OC_SLOT_SRC : OC_SLOT_DIFF_SRC, &problem->src, -1},
        {forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, forward ? OC_SLOT_DST : OC_SLOT_DIFF_DST, &problem->dst, -1},
        {DNNL_ARG_WEIGHTS, OC_SLOT_WEIGHTS, &weights, -1},
    };
    int count = 3, addends = 0;
    if (forward && problem->bias) argument[count++] = (oc_dnnl_argument){DNNL_ARG_BIAS, OC_SLOT_BIAS, &bias, -1};
    for (int i = 0; forward && i < problem->posts; i++)
        if (problem->post[i] == OC_POST_ADD)
            argument[count++] = (oc_dnnl_argument){DNNL_ARG_ATTR_MULTIPLE_POST_OP(i) | DNNL_ARG_SRC_1,
                                                   (oc_slot)(OC_SLOT_SRC_1 + addends++), &problem->dst, -1};
    OC_TRY(oc_dnnl_begin(out, engine, layer, what, err));
    OC_TRY(oc_dnnl_stage_add(*out, c->pd, argument, count, err));
cleanup:
    oc_desc_clear(&packed);
    return status;
}

static oc_status weights_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                const oc_conv_problem *problem, const conv_case *c, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = oc_conv_what(problem->pass);
    const oc_layout plain = oc_conv_weights_layout(problem), bias = oc_conv_bias_layout(problem);
    dnnl_primitive_desc_t pd = NULL;
    oc_desc packed = {0};
    int inner = -1;
    OC_DNNL(oc_desc_of_argument(&packed, c->pd, DNNL_ARG_DIFF_WEIGHTS));
    OC_TRY(oc_dnnl_begin(out, engine, layer, what, err));
    const bool reorders = !oc_desc_equal(&packed, &c->plain);
    if (reorders) OC_TRY(oc_dnnl_inner_add(*out, &packed, &inner, err));
    const oc_dnnl_argument argument[] = {
        {DNNL_ARG_SRC, OC_SLOT_SRC, &problem->src, -1},
        {DNNL_ARG_DIFF_DST, OC_SLOT_DIFF_DST, &problem->dst, -1},
        {DNNL_ARG_DIFF_WEIGHTS, OC_SLOT_DIFF_WEIGHTS, &plain, inner},
        {DNNL_ARG_DIFF_BIAS, OC_SLOT_DIFF_BIAS, &bias, -1},
    };
    OC_TRY(oc_dnnl_stage_add(*out, c->pd, argument, problem->bias ? 4 : 3, err));
    if (reorders) {
        const oc_dnnl_argument back[] = {{DNNL_ARG_FROM, OC_SLOT_DIFF_WEIGHTS, NULL, inner},
                                         {DNNL_ARG_TO, OC_SLOT_DIFF_WEIGHTS, &plain, -1}};
        OC_DNNL(oc_pd_reorder(&pd, engine->dnnl->engine, &packed, &c->plain, c->attr));
        OC_TRY(oc_dnnl_stage_add(*out, pd, back, 2, err));
    }
cleanup:
    if (pd) dnnl_primitive_desc_destroy(pd);
    oc_desc_clear(&packed);
    return status;
}

static oc_status create(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                        const oc_conv_problem *problem, dnnl_alg_kind_t kind, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = oc_conv_what(problem->pass);
    conv_case c = {0};
    OC_DNNL(conv_open(&c, engine, problem, kind));
    OC_TRY(problem->pass == OC_CONV_BACKWARD_WEIGHTS ? weights_create(out, engine, layer, problem, &c, err)
                                                     : data_create(out, pack, engine, layer, problem, &c, err));
cleanup:
    conv_close(&c);
    if (status != OC_OK) {
        oc_primitive_destroy(out);
        oc_primitive_destroy(pack);
    }
    return status;
}

/* ---- The rows ---- */

/* Multiply-adds with channels filled up to whole blocks, as kernels for blocked layouts do them. */
static double filled_macs(const oc_engine *engine, const oc_conv_problem *problem) {
    const double block = (double)oc_engine_block(engine);
    const int64_t groups = problem->groups, in = problem->src.shape.dim[1] / groups;
    const int64_t out = problem->dst.shape.dim[1] / groups;
    const double ic = (double)in, oc = (double)out;
    const double inputs = problem->src.order == OC_ORDER_BLOCKED ? ceil(ic / block) * block : ic;
    return oc_conv_macs(problem) * (inputs / ic) * (ceil(oc / block) * block / oc);
}

static bool direct_supports(oc_engine *engine, const oc_conv_problem *problem) {
    return supports(engine, problem, dnnl_convolution_direct);
}

#define L2_BYTES 1e6

/* Multiply-adds for each weight's gradient, which is brought to the plain layout: from blocks of sixteen slowly. Of
 * bfloat16 maps the pixels are first turned, for products of two at a time: what that takes shows most where few pixels
 * of a row are used. */
static double gradients_cost(const oc_engine *engine, const oc_conv_problem *problem, bool native) {
    if (native && (problem->stride > 1 || problem->kh * problem->kw == 1)) return 400;
    return oc_engine_block(engine) > 8 ? 250 : 40;
}

/* Shares of the peak measured on Zen 3 to Zen 5: 0.75 to 0.95 for 3×3 and 1×1 on blocks, less from the three plain
 * channels of an image, and by weights of groups of bfloat16. */
static double direct_cost(const oc_engine *engine, const oc_conv_problem *problem) {
    const oc_layout weights = oc_conv_weights_layout(problem);
    const bool one = problem->kh * problem->kw == 1, by_weights = problem->pass == OC_CONV_BACKWARD_WEIGHTS;
    const bool bf16 = problem->src.dtype == OC_BF16, native = bf16 && oc_cpu_level_now() == OC_CPU_AVX512_BF16;
    /* Of bf16 two products take the time of one where the processor has them; elsewhere they are emulated. */
    const double products = native ? 2 : bf16 ? 0.5 : 1;
    const double shared = native && by_weights && problem->groups > 1 ? 0.5 : one ? 0.9 : 0.85;
    const double share = products * (problem->src.order != OC_ORDER_BLOCKED ? 0.6 : shared);
    const double macs = filled_macs(engine, problem) / share;
    if (by_weights) return macs + gradients_cost(engine, problem, native) * (double)oc_layout_count(&weights);
    /* Image by image a filter beyond L2 comes from the last cache again. */
    const double bytes = (double)oc_layout_bytes(&weights) / (bf16 ? 2 : 1), again = one ? 0.2 : 0.9;
    return macs + (bytes > L2_BYTES ? again * bytes * (double)problem->src.shape.dim[0] : 0);
}

static oc_status direct_create(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                               const oc_conv_problem *problem, oc_error *err) {
    return create(out, pack, engine, layer, problem, dnnl_convolution_direct, err);
}

const oc_conv_algorithm oc_conv_dnnl_direct = {
    .name = "oneDNN direct", .supports = direct_supports, .cost = direct_cost, .create = direct_create};

/* oneDNN's Winograd reads and writes activations of the direct one's layout. It is made for many channels; with few
 * tiles the transforms of the filter are most of its time. */
static bool winograd_supports(oc_engine *engine, const oc_conv_problem *problem) {
    return problem->kh == 3 && problem->kw == 3 && problem->stride == 1 && problem->dilation == 1 &&
           problem->groups == 1 && problem->src.order == OC_ORDER_BLOCKED &&
           problem->src.shape.dim[1] >= 2 * oc_engine_block(engine) &&
           supports(engine, problem, dnnl_convolution_winograd);
}

/* As of our own, see src/compute/conv/winograd.c: its transforms are slower, in the pass by weights above all. */
static double winograd_cost(const oc_engine *engine, const oc_conv_problem *problem) {
    const oc_shape *src = &problem->src.shape, *dst = &problem->dst.shape;
    const double tiles = (double)dst->dim[0] * ceil((double)dst->dim[2] / 4) * ceil((double)dst->dim[3] / 4);
    const double useful = (double)(dst->dim[0] * dst->dim[2] * dst->dim[3]) / (16 * tiles);
    const double products = filled_macs(engine, problem) / useful / 4; /* 36 where the definition has 144 */
    const double pixels = 16 * tiles * (double)(src->dim[1] + dst->dim[1]);
    const double weights = (double)src->dim[1] * (double)dst->dim[1];
    const double filter = !problem->training                             ? oc_conv_moving(27 * sizeof(float))
                          : oc_conv_cached(36 * weights * sizeof(float)) ? 500
                                                                         : 3500;
    return products / 0.85 + pixels * (problem->pass == OC_CONV_BACKWARD_WEIGHTS ? 180 : 60) + weights * filter;
}

static oc_status winograd_create(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                                 const oc_conv_problem *problem, oc_error *err) {
    return create(out, pack, engine, layer, problem, dnnl_convolution_winograd, err);
}

const oc_conv_algorithm oc_conv_dnnl_winograd = {.name = "oneDNN Winograd",
                                                 .exactness = OC_CONV_COARSE,
                                                 .supports = winograd_supports,
                                                 .cost = winograd_cost,
                                                 .create = winograd_create};
