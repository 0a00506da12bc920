/* Elements of a safetensors view as float. The half formats are widened exactly (IEEE 754-2008, binary16; bfloat16
 * is the upper half of binary32). */
#include <string.h>

#include "base/error.h"
#include "tensor/safetensors.h"

static float float_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float float_from_f16(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 0x1F, fraction = half & 0x3FF;
    if (exponent == 0) return (sign ? -0x1p-24f : 0x1p-24f) * (float)fraction; /* zero and subnormal */
    if (exponent == 0x1F) return float_from_bits(sign | 0x7F800000 | fraction << 13);
    return float_from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

oc_status oc_safetensors_read_f32(const oc_safetensors_view *view, float *dst, oc_error *err) {
    size_t count = view->size / oc_dtype_size(view->dtype);
    switch (view->dtype) {
    case OC_F32:
        if (count > 0) memcpy(dst, view->data, view->size);
        return OC_OK;
    case OC_F64:
        for (size_t i = 0; i < count; i++) {
            double value;
            memcpy(&value, view->data + 8 * i, sizeof value);
            dst[i] = (float)value;
        }
        return OC_OK;
    case OC_F16:
    case OC_BF16:
        for (size_t i = 0; i < count; i++) {
            uint16_t half;
            memcpy(&half, view->data + 2 * i, sizeof half);
            dst[i] = view->dtype == OC_F16 ? float_from_f16(half) : float_from_bits((uint32_t)half << 16);
        }
        return OC_OK;
    default:
        return oc_fail(err, OC_E_FORMAT, view->name, "this tensor is of dtype %s, not of floating-point numbers",
                       oc_dtype_name(view->dtype));
    }
}
