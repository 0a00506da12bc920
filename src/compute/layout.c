/* Layouts. */
#include "compute/layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

oc_layout oc_layout_plain(oc_dtype dtype, const oc_shape *shape) {
    return (oc_layout){.dtype = dtype, .shape = *shape, .order = OC_ORDER_PLAIN};
}

oc_layout oc_layout_vector(oc_dtype dtype, int64_t count) {
    const oc_shape shape = oc_shape_make(1, count);
    return oc_layout_plain(dtype, &shape);
}

oc_layout oc_layout_blocked(oc_dtype dtype, const oc_shape *shape, int64_t block) {
    if (block == 1) return oc_layout_plain(dtype, shape);
    return (oc_layout){.dtype = dtype, .shape = *shape, .order = OC_ORDER_BLOCKED, .block = block};
}

oc_layout oc_layout_channels_last(oc_dtype dtype, const oc_shape *shape) {
    return (oc_layout){.dtype = dtype, .shape = *shape, .order = OC_ORDER_CHANNELS_LAST};
}

oc_layout oc_layout_packed(const char *packing, const oc_shape *shape, size_t bytes) {
    return (oc_layout){.dtype = OC_U8, .shape = *shape, .order = OC_ORDER_PACKED, .packing = packing, .bytes = bytes};
}

bool oc_layout_absent(const oc_layout *layout) {
    return layout->shape.ndim == 0;
}

bool oc_layout_equal(const oc_layout *a, const oc_layout *b) {
    return a->dtype == b->dtype && oc_shape_equal(&a->shape, &b->shape) && a->order == b->order &&
           a->block == b->block && a->bytes == b->bytes &&
           (a->packing == b->packing || (a->packing && b->packing && strcmp(a->packing, b->packing) == 0));
}

/* Channels with the padding of the last block. */
static int64_t padded(const oc_layout *layout) {
    const int64_t channels = layout->shape.dim[1];
    return layout->order == OC_ORDER_BLOCKED ? (channels + layout->block - 1) / layout->block * layout->block
                                             : channels;
}

int64_t oc_layout_count(const oc_layout *layout) {
    int64_t count = oc_shape_count(&layout->shape);
    if (layout->order == OC_ORDER_BLOCKED) count = count / layout->shape.dim[1] * padded(layout);
    return count;
}

size_t oc_layout_bytes(const oc_layout *layout) {
    if (oc_layout_absent(layout)) return 0;
    if (layout->order == OC_ORDER_PACKED) return layout->bytes;
    return (size_t)oc_layout_count(layout) * oc_dtype_size(layout->dtype);
}

const char *oc_layout_text(const oc_layout *layout, char *text, size_t size) {
    static const char *const types[] = {
        [OC_F32] = "f32", [OC_F64] = "f64", [OC_F16] = "f16", [OC_BF16] = "bf16", [OC_I64] = "s64",
        [OC_I32] = "s32", [OC_I16] = "s16", [OC_I8] = "s8",   [OC_U8] = "u8",     [OC_BOOL] = "bool"};
    if (oc_layout_absent(layout))
        snprintf(text, size, "-");
    else if (layout->order == OC_ORDER_PACKED)
        snprintf(text, size, "packed for %s", layout->packing);
    else if (layout->order == OC_ORDER_BLOCKED)
        snprintf(text, size, "%s aBcd%" PRId64 "b", types[layout->dtype], layout->block);
    else if (layout->order == OC_ORDER_CHANNELS_LAST)
        snprintf(text, size, "%s acdb", types[layout->dtype]);
    else
        snprintf(text, size, "%s %.*s", types[layout->dtype], layout->shape.ndim, "abcdef");
    return text;
}

bool oc_layout_map(const oc_layout *layout, oc_map *out) {
    const oc_shape *shape = &layout->shape;
    if ((shape->ndim != 4 && shape->ndim != 2) || (layout->dtype != OC_F32 && layout->dtype != OC_BF16) ||
        layout->order == OC_ORDER_PACKED)
        return false;
    oc_map map = {.images = shape->dim[0], .channels = shape->dim[1], .h = 1, .w = 1, .block = 1};
    if (shape->ndim == 4) {
        map.h = shape->dim[2];
        map.w = shape->dim[3];
    }
    if (layout->order == OC_ORDER_BLOCKED) map.block = layout->block;
    if (layout->order == OC_ORDER_CHANNELS_LAST) map.block = map.channels;
    map.blocks = (map.channels + map.block - 1) / map.block;
    map.block_stride = map.h * map.w * map.block;
    map.image_stride = map.blocks * map.block_stride;
    *out = map;
    return true;
}

oc_layout oc_layout_resized(const oc_layout *layout, const oc_shape *shape) {
    oc_layout resized = *layout;
    resized.shape = *shape;
    return resized;
}
