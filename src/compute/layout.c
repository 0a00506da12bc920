/* Layouts over oneDNN's memory descriptors. */
#include "compute/layout.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "compute/internal.h"

static_assert(sizeof(dnnl_memory_desc_t) <= sizeof(oc_layout), "oc_layout holds a memory descriptor");
static_assert(_Alignof(dnnl_memory_desc_t) <= _Alignof(oc_layout), "oc_layout is aligned for a memory descriptor");

dnnl_memory_desc_t *oc_layout_desc(oc_layout *layout) {
    return (dnnl_memory_desc_t *)(void *)layout->opaque;
}

const dnnl_memory_desc_t *oc_layout_desc_const(const oc_layout *layout) {
    return (const dnnl_memory_desc_t *)(const void *)layout->opaque;
}

static dnnl_data_type_t data_type(oc_dtype dtype) {
    switch (dtype) {
    case OC_F32:
        return dnnl_f32;
    case OC_BF16:
        return dnnl_bf16;
    case OC_I32:
        return dnnl_s32;
    case OC_I8:
        return dnnl_s8;
    case OC_U8:
        return dnnl_u8;
    default:
        return dnnl_data_type_undef;
    }
}

/* A descriptor by format tag; dnnl_format_tag_undef: row-major. */
static oc_layout make(oc_dtype dtype, const oc_shape *shape, dnnl_format_tag_t tag) {
    oc_layout layout = {0};
    dnnl_dims_t dims = {0}, strides = {0};
    for (int i = shape->ndim - 1; i >= 0; i--) {
        dims[i] = shape->dim[i];
        strides[i] = i == shape->ndim - 1 ? 1 : strides[i + 1] * dims[i + 1];
    }
    dnnl_status_t made =
        tag == dnnl_format_tag_undef
            ? dnnl_memory_desc_init_by_strides(oc_layout_desc(&layout), shape->ndim, dims, data_type(dtype), strides)
            : dnnl_memory_desc_init_by_tag(oc_layout_desc(&layout), shape->ndim, dims, data_type(dtype), tag);
    assert(made == dnnl_success); /* only sizes below 1 and other types fail */
    if (made != dnnl_success) memset(&layout, 0, sizeof layout);
    return layout;
}

oc_layout oc_layout_plain(oc_dtype dtype, const oc_shape *shape) {
    return make(dtype, shape, dnnl_format_tag_undef);
}

oc_layout oc_layout_any(oc_dtype dtype, const oc_shape *shape) {
    return make(dtype, shape, dnnl_format_tag_any);
}

oc_layout oc_layout_blocked(oc_dtype dtype, const oc_shape *shape) {
    const unsigned isa = (unsigned)dnnl_get_effective_cpu_isa(), wide = (unsigned)dnnl_cpu_isa_avx512_core;
    return make(dtype, shape, (isa & wide) == wide ? dnnl_nChw16c : dnnl_nChw8c);
}

bool oc_layout_absent(const oc_layout *layout) {
    return oc_layout_desc_const(layout)->ndims == 0;
}

bool oc_layout_equal(const oc_layout *a, const oc_layout *b) {
    return dnnl_memory_desc_equal(oc_layout_desc_const(a), oc_layout_desc_const(b));
}

size_t oc_layout_bytes(const oc_layout *layout) {
    return oc_layout_absent(layout) ? 0 : dnnl_memory_desc_get_size(oc_layout_desc_const(layout));
}

oc_shape oc_layout_shape(const oc_layout *layout) {
    const dnnl_memory_desc_t *desc = oc_layout_desc_const(layout);
    oc_shape shape = {.ndim = desc->ndims < OC_MAX_DIMS ? desc->ndims : OC_MAX_DIMS};
    for (int i = 0; i < shape.ndim; i++) shape.dim[i] = desc->dims[i];
    return shape;
}

static const char *type_name(dnnl_data_type_t type) {
    switch (type) {
    case dnnl_f32:
        return "f32";
    case dnnl_bf16:
        return "bf16";
    case dnnl_s32:
        return "s32";
    case dnnl_s8:
        return "s8";
    case dnnl_u8:
        return "u8";
    default:
        return "?";
    }
}

const char *oc_layout_text(const oc_layout *layout, char *text, size_t size) {
    const dnnl_memory_desc_t *desc = oc_layout_desc_const(layout);
    if (size == 0) return text;
    if (desc->ndims == 0) {
        snprintf(text, size, "-");
        return text;
    }
    if (desc->format_kind != dnnl_blocked) {
        snprintf(text, size, "%s %s", type_name(desc->data_type),
                 desc->format_kind == dnnl_format_kind_any ? "any" : "opaque");
        return text;
    }
    const dnnl_blocking_desc_t *blocking = &desc->format_desc.blocking;
    char tag[64];
    size_t used = 0;
    bool blocked[DNNL_MAX_NDIMS] = {false}, taken[DNNL_MAX_NDIMS] = {false};
    for (int i = 0; i < blocking->inner_nblks; i++) blocked[blocking->inner_idxs[i]] = true;
    for (int i = 0; i < desc->ndims && used + 1 < sizeof tag; i++) {
        /* The outermost of those left: largest stride; equal strides (a size of 1) in order. */
        int next = -1;
        for (int j = 0; j < desc->ndims; j++)
            if (!taken[j] && (next < 0 || blocking->strides[j] > blocking->strides[next])) next = j;
        taken[next] = true;
        tag[used++] = (char)((blocked[next] ? 'A' : 'a') + next);
    }
    tag[used] = '\0';
    for (int i = 0; i < blocking->inner_nblks && used < sizeof tag; i++)
        used += (size_t)snprintf(tag + used, sizeof tag - used, "%d%c", (int)blocking->inner_blks[i],
                                 (char)('a' + blocking->inner_idxs[i]));
    snprintf(text, size, "%s %s", type_name(desc->data_type), tag);
    return text;
}

bool oc_layout_map(const oc_layout *layout, oc_map *out) {
    const dnnl_memory_desc_t *desc = oc_layout_desc_const(layout);
    const dnnl_blocking_desc_t *b = &desc->format_desc.blocking;
    if (desc->ndims != 4 || desc->format_kind != dnnl_blocked || desc->data_type != dnnl_f32 || b->inner_nblks > 1 ||
        (b->inner_nblks == 1 && b->inner_idxs[0] != 1))
        return false;
    *out = (oc_map){.images = desc->dims[0],
                    .channels = desc->dims[1],
                    .h = desc->dims[2],
                    .w = desc->dims[3],
                    .block = b->inner_nblks ? b->inner_blks[0] : 1,
                    .image_stride = b->strides[0],
                    .block_stride = b->strides[1]};
    if (!b->inner_nblks && b->strides[1] == 1 && out->h * out->w > 1) out->block = out->channels; /* channels last */
    out->blocks = (out->channels + out->block - 1) / out->block;
    return (out->w == 1 || b->strides[3] == out->block) && (out->h == 1 || b->strides[2] == out->w * out->block);
}

oc_layout oc_layout_resized(const oc_layout *src, const oc_shape *dst) {
    oc_layout layout = *src;
    dnnl_memory_desc_t *desc = oc_layout_desc(&layout);
    dnnl_blocking_desc_t *b = &desc->format_desc.blocking;
    int64_t block = b->inner_nblks ? b->inner_blks[0] : 1;
    bool last = !b->inner_nblks && b->strides[1] == 1 && desc->dims[2] * desc->dims[3] > 1;
    for (int i = 1; i < 4; i++) desc->dims[i] = desc->padded_dims[i] = dst->dim[i];
    desc->padded_dims[1] = (dst->dim[1] + block - 1) / block * block;
    int64_t pixel = last ? desc->dims[1] : block, pixels = dst->dim[2] * dst->dim[3];
    b->strides[3] = pixel;
    b->strides[2] = pixel * dst->dim[3];
    b->strides[1] = last ? 1 : pixel * pixels;
    b->strides[0] = desc->padded_dims[1] * pixels;
    return layout;
}

oc_map oc_map_resized(const oc_map *src, const oc_layout *dst) {
    const dnnl_memory_desc_t *desc = oc_layout_desc_const(dst);
    oc_map p = *src;
    p.h = desc->dims[2];
    p.w = desc->dims[3];
    p.image_stride = desc->format_desc.blocking.strides[0];
    p.block_stride = desc->format_desc.blocking.strides[1];
    return p;
}

oc_status(oc_layout_refuse)(oc_error *err, const char *layer, const char *what, const oc_layout *layout) {
    char text[96];
    return oc_fail(err, OC_E_COMPUTE, layer, "there is no kernel for %s in the layout %s; please report it", what,
                   oc_layout_text(layout, text, sizeof text));
}
