/* The convolution algorithms. */
#include "compute/conv/algorithm.h"

const oc_conv_algorithm *const oc_conv_algorithms[] = {
    &oc_conv_winograd_4,      /* our own Winograd F(4×4, 3×3) */
    &oc_conv_winograd_2,      /* our own Winograd F(2×2, 3×3) */
    &oc_conv_winograd_2_bf16, /* the same with products of bf16 */
    &oc_conv_dnnl_winograd,   /* oneDNN 2.6's Winograd F(4×4, 3×3) */
    &oc_conv_dnnl_direct,     /* oneDNN's direct convolution */
    &oc_conv_widened,         /* the same for f32, of bf16 maps */
    &oc_conv_product,         /* our own matrix product for each tap */
    &oc_conv_product_bf16,    /* the same with products of bf16 */
    &oc_conv_direct,          /* our own direct convolution: supports everything */
    NULL,
};
