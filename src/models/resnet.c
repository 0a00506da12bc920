/* ResNets as timm defines them (timm/models/resnet.py, sknet.py; tensor names, order and numbers are theirs): plain,
 * with squeeze-and-excitation (SE), with selective kernels (SK), with grouped convolutions (ResNeXt) and with the deep
 * stem and averaging shortcut of the D variant. One builder; the table at the end says how they differ.
 *
 * Where we deviate: nets that timm gives a 7×7 stem of stride 2, made for large images, have a 3×3 one of stride 1 by
 * default. That convolution begins as torch.nn.Conv2d does, as if it had been put in place of timm's. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/ops.h"
#include "models/families.h"

#define STAGES 4
#define STEM_PLANES 64 /* channels behind any stem */
#define DEEP_WIDTH 32  /* of the first two convolutions of a deep stem */
#define SMALLEST 32    /* sizes halve up to five times */
#define NAME 96

/* Two 3×3 convolutions, or 1×1, 3×3 and a 1×1 to four times the planes. */
typedef enum block_kind { BASIC, BOTTLENECK } block_kind;
typedef enum attention { NONE, SE, SK } attention;

typedef struct resnet_row {
    block_kind block;
    int layers[STAGES]; /* blocks of each stage */
    attention attention;
    int64_t groups, width; /* of the bottleneck's 3×3 convolution: groups, and channels of each for 64 planes */
    bool average;          /* shortcuts halve by average-pool and 1×1 convolution, not by a strided one */
} resnet_row;

/* ---- Layers ----------------------------------------------------------------------------------------------------- */

/* "<module>.<child>" into name[NAME]; returns name. */
static const char *join(char *name, const char *module, const char *child) {
    snprintf(name, NAME, "%.40s.%.40s", module, child);
    return name;
}

/* Kaiming-normal of gain √2 (He et al., ICCV 2015), as torch.nn.init.kaiming_normal_(mode='fan_out'), which counts all
 * output channels also of grouped convolutions. */
static oc_init kaiming_normal(int64_t oc, int64_t kernel) {
    return (oc_init){OC_INIT_NORMAL, sqrt(2.0 / (double)(oc * kernel * kernel))};
}

/* What torch.nn.Conv2d and Linear give weights and biases by themselves: ±1/√fan_in. */
static oc_init uniform(int64_t fan_in) {
    return (oc_init){OC_INIT_UNIFORM, 1 / sqrt((double)fan_in)};
}

/* A convolution without bias that keeps the size, but for its stride. */
static oc_value conv(oc_graph *g, const char *name, oc_value x, int64_t oc, int64_t kernel, int64_t stride,
                     int64_t dilation, int64_t groups) {
    return oc_op_conv(g, name, x,
                      &(oc_conv_attr){.oc = oc,
                                      .kernel = kernel,
                                      .stride = stride,
                                      .pad = dilation * (kernel - 1) / 2,
                                      .dilation = dilation,
                                      .groups = groups,
                                      .weight_init = kaiming_normal(oc, kernel)});
}

/* A 1×1 convolution with bias, of pooled features. */
static oc_value conv_bias(oc_graph *g, const char *name, oc_value x, int64_t ic, int64_t oc) {
    return oc_op_conv(g, name, x,
                      &(oc_conv_attr){.oc = oc,
                                      .kernel = 1,
                                      .stride = 1,
                                      .bias = true,
                                      .weight_init = kaiming_normal(oc, 1),
                                      .bias_init = uniform(ic)});
}

/* value / ratio to the nearest multiple of `divisor`, which it is at least (timm's make_divisible; its limit on
 * rounding down never matters for these rows). */
static int64_t reduced(int64_t value, int64_t ratio, int64_t divisor) {
    const int64_t nearest = (value / ratio + divisor / 2) / divisor * divisor;
    return nearest > divisor ? nearest : divisor;
}

/* Squeeze-and-excitation (Hu et al., CVPR 2018; timm's SEModule): channels weighed by what all of them hold. */
static oc_value squeeze_excite(oc_graph *g, const char *module, oc_value x, int64_t channels) {
    char name[NAME];
    const int64_t few = reduced(channels, 16, 8);
    oc_value gate = conv_bias(g, join(name, module, "fc1"), oc_op_global_pool(g, x), channels, few);
    gate = conv_bias(g, join(name, module, "fc2"), oc_op_relu(g, gate), few, channels);
    return oc_op_scale(g, x, oc_op_sigmoid(g, gate));
}

/* One path of a selective kernel: 3×3 convolution, batch norm, ReLU. */
static oc_value sk_path(oc_graph *g, const char *module, int path, oc_value x, int64_t planes, int64_t stride,
                        int64_t dilation) {
    char convolution[NAME], norm[NAME];
    snprintf(convolution, sizeof convolution, "%.40s.paths.%d.conv", module, path);
    snprintf(norm, sizeof norm, "%.40s.paths.%d.bn", module, path);
    x = conv(g, convolution, x, planes, 3, stride, dilation, 1);
    return oc_op_relu(g, oc_op_batch_norm(g, norm, x, 1));
}

/* Selective kernel (Li et al., CVPR 2019; timm's SelectiveKernel with split_input): half of the channels seen through
 * 3×3, the other half through 5×5 (3×3 dilated by two), and a choice between the two results for each channel. */
static oc_value selective_kernel(oc_graph *g, const char *module, oc_value x, int64_t in, int64_t planes,
                                 int64_t stride) {
    char name[NAME];
    const int64_t half = in / 2, few = reduced(planes, 8, 16);
    const oc_value near = sk_path(g, module, 0, oc_op_slice(g, x, 0, half), planes, stride, 1);
    const oc_value far = sk_path(g, module, 1, oc_op_slice(g, x, half, half), planes, stride, 2);
    oc_value scores = oc_op_global_pool(g, oc_op_add(g, near, far));
    scores = conv(g, join(name, module, "attn.fc_reduce"), scores, few, 1, 1, 1, 1);
    scores = oc_op_relu(g, oc_op_batch_norm(g, join(name, module, "attn.bn"), scores, 1));
    scores = conv(g, join(name, module, "attn.fc_select"), scores, 2 * planes, 1, 1, 1, 1);
    return oc_op_select(g, near, far, scores);
}

/* ---- Blocks ----------------------------------------------------------------------------------------------------- */

/* A block's place in the net. */
typedef struct block_place {
    const char *module;         /* "layer1.0" */
    int64_t in, planes, stride; /* channels that come in, those of the stage, stride of the block */
    double drop;                /* probability of leaving the branch out */
} block_place;

/* Convolution `number` of a block and its batch norm, named as its class in timm names them. */
static oc_value conv_norm(oc_graph *g, const resnet_row *row, const char *module, int number, oc_value x, int64_t oc,
                          int64_t kernel, int64_t stride, int64_t groups, double gamma) {
    char convolution[NAME], norm[NAME];
    const bool nested = row->attention == SK;
    snprintf(convolution, sizeof convolution, "%.40s.conv%d%s", module, number, nested ? ".conv" : "");
    snprintf(norm, sizeof norm, nested ? "%.40s.conv%d.bn" : "%.40s.bn%d", module, number);
    return oc_op_batch_norm(g, norm, conv(g, convolution, x, oc, kernel, stride, 1, groups), gamma);
}

static oc_value basic_branch(oc_graph *g, const resnet_row *row, const block_place *p, oc_value x, double gamma) {
    char name[NAME];
    if (row->attention == SK)
        x = selective_kernel(g, join(name, p->module, "conv1"), x, p->in, p->planes, p->stride);
    else
        x = oc_op_relu(g, conv_norm(g, row, p->module, 1, x, p->planes, 3, p->stride, 1, 1));
    return conv_norm(g, row, p->module, 2, x, p->planes, 3, 1, 1, gamma);
}

static oc_value bottleneck_branch(oc_graph *g, const resnet_row *row, const block_place *p, oc_value x, int64_t out,
                                  double gamma) {
    const int64_t groups = row->groups, width = p->planes * row->width / 64 * groups;
    assert(row->attention != SK); /* its bottleneck has another shape */
    x = oc_op_relu(g, conv_norm(g, row, p->module, 1, x, width, 1, 1, 1, 1));
    x = oc_op_relu(g, conv_norm(g, row, p->module, 2, x, width, 3, p->stride, groups, 1));
    return conv_norm(g, row, p->module, 3, x, out, 1, 1, 1, gamma);
}

/* What x becomes where the branch's result has another shape. */
static oc_value shortcut(oc_graph *g, const resnet_row *row, const block_place *p, oc_value x, int64_t out) {
    char name[NAME];
    if (p->stride == 1 && p->in == out) return x;
    if (row->average && p->stride > 1) x = oc_op_avg_pool(g, x, 2, p->stride, 0, true);
    /* timm's list of modules begins with the pool, also where it is none. */
    join(name, p->module, row->average ? "downsample.1" : "downsample.0");
    x = conv(g, name, x, out, 1, row->average ? 1 : p->stride, 1, 1);
    return oc_op_batch_norm(g, join(name, p->module, row->average ? "downsample.2" : "downsample.1"), x, 1);
}

static int64_t expansion(const resnet_row *row) {
    return row->block == BOTTLENECK ? 4 : 1;
}

/* ReLU(branch(x) + shortcut(x)). The branch begins as zero, so that a new net is a shallow one; timm's SK nets do not.
 */
static oc_value block(oc_graph *g, const resnet_row *row, const block_place *p, oc_value x) {
    char name[NAME];
    const int64_t out = p->planes * expansion(row);
    const double gamma = row->attention == SK ? 1 : 0;
    oc_value branch =
        row->block == BASIC ? basic_branch(g, row, p, x, gamma) : bottleneck_branch(g, row, p, x, out, gamma);
    if (row->attention == SE) branch = squeeze_excite(g, join(name, p->module, "se"), branch, out);
    branch = oc_op_drop_path(g, branch, p->drop);
    return oc_op_relu(g, oc_op_add(g, branch, shortcut(g, row, p, x, out)));
}

/* ---- Nets ------------------------------------------------------------------------------------------------------- */

static oc_value stem(oc_graph *g, const char *kind, oc_value x) {
    if (strcmp(kind, "deep") == 0) {
        x = conv(g, "conv1.0", x, DEEP_WIDTH, 3, 2, 1, 1);
        x = oc_op_relu(g, oc_op_batch_norm(g, "conv1.1", x, 1));
        x = conv(g, "conv1.3", x, DEEP_WIDTH, 3, 1, 1, 1);
        x = oc_op_relu(g, oc_op_batch_norm(g, "conv1.4", x, 1));
        x = conv(g, "conv1.6", x, STEM_PLANES, 3, 1, 1, 1);
    } else if (strcmp(kind, "7x7") == 0) {
        x = conv(g, "conv1", x, STEM_PLANES, 7, 2, 1, 1);
    } else {
        assert(strcmp(kind, "3x3") == 0);
        x = oc_op_conv(
            g, "conv1", x,
            &(oc_conv_attr){.oc = STEM_PLANES, .kernel = 3, .stride = 1, .pad = 1, .weight_init = uniform(3 * 3 * 3)});
    }
    return oc_op_relu(g, oc_op_batch_norm(g, "bn1", x, 1));
}

static void build(oc_graph *g, const oc_model_entry *entry, const oc_model_spec *spec) {
    const resnet_row *row = entry->row;
    const oc_model_options *options = &spec->options;
    if (spec->size < SMALLEST) {
        oc_graph_fail(g, OC_E_USAGE, "data.size", "%s takes images of a side from %d up, not %lld", entry->name,
                      SMALLEST, (long long)spec->size);
        return;
    }
    oc_value x = oc_graph_input(g, 3, spec->size, spec->size);
    x = stem(g, options->stem ? options->stem : entry->stem, x);
    if (!options->no_stem_pool) x = oc_op_max_pool(g, x, 3, 2, 1);

    int blocks = 0, place = 0;
    for (int s = 0; s < STAGES; s++) blocks += row->layers[s];
    int64_t channels = STEM_PLANES;
    for (int s = 0; s < STAGES; s++)
        for (int b = 0; b < row->layers[s]; b++) {
            char module[NAME];
            snprintf(module, sizeof module, "layer%d.%d", s + 1, b);
            const block_place p = {.module = module,
                                   .in = channels,
                                   .planes = (int64_t)STEM_PLANES << s,
                                   .stride = s > 0 && b == 0 ? 2 : 1,
                                   .drop = options->drop_path * place++ / (blocks - 1)};
            x = block(g, row, &p, x);
            channels = p.planes * expansion(row);
        }
    x = oc_op_dropout(g, oc_op_flatten(g, oc_op_global_pool(g, x)), options->dropout);
    oc_graph_output(g, oc_op_linear(g, "fc", x, spec->classes, uniform(channels), uniform(channels)));
}

/* clang-format off */
#define NET(own_stem, ...) .stem = (own_stem), .build = build, .row = &(const resnet_row){__VA_ARGS__}
const oc_model_entry oc_resnets[] = {
    /*                                                                         stem    block       layers        attention groups width average */
    {"resnet18",           "ResNet-18",                                    NET("3x3",  BASIC,      {2, 2, 2, 2}, NONE,  1, 64, false)},
    {"resnet34",           "ResNet-34",                                    NET("3x3",  BASIC,      {3, 4, 6, 3}, NONE,  1, 64, false)},
    {"seresnet18",         "ResNet-18 with squeeze-and-excitation",        NET("3x3",  BASIC,      {2, 2, 2, 2}, SE,    1, 64, false)},
    {"seresnet34",         "ResNet-34 with squeeze-and-excitation",        NET("3x3",  BASIC,      {3, 4, 6, 3}, SE,    1, 64, false)},
    {"skresnet18",         "ResNet-18 with selective kernels",             NET("3x3",  BASIC,      {2, 2, 2, 2}, SK,    1, 64, false)},
    {"skresnet34",         "ResNet-34 with selective kernels",             NET("3x3",  BASIC,      {3, 4, 6, 3}, SK,    1, 64, false)},
    {"seresnext26d_32x4d", "ResNeXt-26-D with squeeze-and-excitation",     NET("deep", BOTTLENECK, {2, 2, 2, 2}, SE,   32,  4, true)},
    {"resnet26d",          "ResNet-26-D: deep stem, averaging shortcuts",  NET("deep", BOTTLENECK, {2, 2, 2, 2}, NONE,  1, 64, true)},
    {"resnet50",           "ResNet-50",                                    NET("3x3",  BOTTLENECK, {3, 4, 6, 3}, NONE,  1, 64, false)},
    {"seresnet50",         "ResNet-50 with squeeze-and-excitation",        NET("3x3",  BOTTLENECK, {3, 4, 6, 3}, SE,    1, 64, false)},
    {"resnext50_32x4d",    "ResNeXt-50: 32 groups",                        NET("3x3",  BOTTLENECK, {3, 4, 6, 3}, NONE, 32,  4, false)},
    {.name = NULL},
};
/* clang-format on */
