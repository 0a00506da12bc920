/* The own ResNet of the reference: plain 3×3 convolutions with a bias, each followed by batch norm, three residual
 * blocks, and one linear layer over the flattened last feature map, which ties a model to one input size.
 *
 * A curiosity that is kept because published weights depend on it: the network adds a residual block's input to the
 * block's result although the block has added it already, so that x becomes res(x) + x. */
#include <math.h>
#include <stdio.h>

#include "graph/ops.h"
#include "models/families.h"

/* Five poolings by two. */
#define REDUCTION 32

/* Xavier-uniform, gain 1 (Glorot & Bengio, AISTATS 2010), as torch.nn.init.xavier_uniform_: ±√(6 / (fan_in + fan_out)),
 * each fan counting the `receptive` places of a kernel. */
static oc_init xavier_uniform(int64_t in, int64_t out, int64_t receptive) {
    return (oc_init){OC_INIT_UNIFORM, sqrt(6.0 / ((double)(in + out) * (double)receptive))};
}

typedef struct myresnet_row {
    int64_t planes; /* channels of the first convolution */
} myresnet_row;

/* Convolution 3×3 and batch norm, numbered `place` and `place` + 1 in the sequence `name`. */
static oc_value conv_norm(oc_graph *g, const char *name, int place, oc_value x, int64_t in, int64_t out, double gamma) {
    char conv[64], norm[64];
    snprintf(conv, sizeof conv, "%s.%d", name, place);
    snprintf(norm, sizeof norm, "%s.%d", name, place + 1);
    x = oc_op_conv(g, conv, x,
                   &(oc_conv_attr){.oc = out,
                                   .kernel = 3,
                                   .stride = 1,
                                   .pad = 1,
                                   .bias = true,
                                   .weight_init = xavier_uniform(in, out, 9),
                                   .bias_init = {OC_INIT_CONSTANT, 0}});
    return oc_op_batch_norm(g, norm, x, gamma);
}

static oc_value block(oc_graph *g, const char *name, oc_value x, int64_t in, int64_t out) {
    return oc_op_relu(g, conv_norm(g, name, 0, x, in, out, 1));
}

/* ReLU(x + branch(x)), and x once more. */
static oc_value residual(oc_graph *g, const char *name, oc_value x, int64_t channels) {
    oc_value branch = oc_op_relu(g, conv_norm(g, name, 0, x, channels, channels, 1));
    branch = conv_norm(g, name, 3, branch, channels, channels, 0);
    return oc_op_add(g, oc_op_relu(g, oc_op_add(g, x, branch)), x);
}

static oc_value halve(oc_graph *g, oc_value x) {
    return oc_op_max_pool(g, x, 2, 2, 0);
}

static void build(oc_graph *g, const oc_model_entry *entry, const oc_model_spec *spec) {
    const int64_t classes = spec->classes, size = spec->size;
    const int64_t p = ((const myresnet_row *)entry->row)->planes, side = size / REDUCTION,
                  features = 16 * p * side * side;
    if (size < REDUCTION || size % REDUCTION != 0) {
        oc_graph_fail(g, OC_E_USAGE, "data.size",
                      "%s takes images of a side that is a multiple of %d, from %d up, not %lld", entry->name,
                      REDUCTION, REDUCTION, (long long)size);
        return;
    }
    oc_value x = oc_graph_input(g, 3, size, size);
    x = block(g, "conv1", x, 3, p);
    x = halve(g, block(g, "conv2", x, p, 2 * p));
    x = residual(g, "res1.layers", x, 2 * p);
    x = halve(g, block(g, "conv3", x, 2 * p, 4 * p));
    x = halve(g, block(g, "conv4", x, 4 * p, 8 * p));
    x = residual(g, "res2.layers", x, 8 * p);
    x = halve(g, block(g, "conv5", x, 8 * p, 16 * p));
    x = residual(g, "res3.layers", x, 16 * p);
    x = oc_op_flatten(g, halve(g, x));
    x = oc_op_linear(g, "fc.1", x, classes, xavier_uniform(features, classes, 1), (oc_init){OC_INIT_CONSTANT, 0});
    oc_graph_output(g, x);
}

const oc_model_entry oc_myresnets[] = {
    {.name = "myresnet-tiny",
     .summary = "own ResNet, 4 planes: 0.2 million parameters at 64x64, for trying things out",
     .build = build,
     .row = &(const myresnet_row){.planes = 4},
     .fixed_size = true},
    {.name = "myresnet-small",
     .summary = "own ResNet, 32 planes: 8 million parameters at 64x64",
     .build = build,
     .row = &(const myresnet_row){.planes = 32},
     .fixed_size = true},
    {.name = "myresnet-base",
     .summary = "own ResNet, 64 planes: 31 million parameters at 64x64",
     .build = build,
     .row = &(const myresnet_row){.planes = 64},
     .fixed_size = true},
    {.name = NULL},
};
