/* The reference of the operators: building a tape. */
#include "support/tape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *zeros(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) abort();
    return memory;
}

static tape_node *append(tape *t, tape_op op, int a, int64_t c, int64_t h, int64_t w) {
    if (t->nodes == TAPE_NODES || c < 1 || h < 1 || w < 1) abort();
    tape_node *node = &t->node[t->nodes++];
    *node = (tape_node){.op = op, .a = a, .b = TAPE_NONE, .third = TAPE_NONE, .c = c, .h = h, .w = w};
    node->weight = node->bias = node->running_mean = node->running_var = TAPE_NONE;
    node->count = (size_t)(t->batch * c * h * w);
    node->value = zeros(node->count, sizeof(double));
    node->diff = zeros(node->count, sizeof(double));
    return node;
}

static int add_param(tape *t, const char *layer, const char *part, int64_t count, bool trained) {
    if (t->params == TAPE_PARAMS) abort();
    tape_param *param = &t->param[t->params];
    snprintf(param->name, sizeof param->name, "%s.%s", layer, part);
    param->count = (size_t)count;
    param->value = zeros(param->count, sizeof(double));
    param->grad = trained ? zeros(param->count, sizeof(double)) : NULL;
    return t->params++;
}

tape *tape_create(int64_t batch, int64_t c, int64_t h, int64_t w) {
    tape *t = zeros(1, sizeof *t);
    t->batch = batch;
    append(t, TAPE_INPUT, TAPE_NONE, c, h, w);
    return t;
}

void tape_destroy(tape *t) {
    for (int i = 0; i < t->nodes; i++) {
        free(t->node[i].value);
        free(t->node[i].diff);
        free(t->node[i].mean);
        free(t->node[i].scale);
        free(t->node[i].factor);
    }
    for (int i = 0; i < t->params; i++) {
        free(t->param[i].value);
        free(t->param[i].grad);
    }
    free(t);
}

int tape_conv(tape *t, const char *name, int src, int64_t oc, int64_t kernel, int64_t stride, int64_t pad,
              int64_t dilation, int64_t groups, bool bias) {
    const tape_node *s = &t->node[src];
    const int64_t reach = dilation * (kernel - 1) + 1;
    tape_node *node =
        append(t, TAPE_CONV, src, oc, (s->h + 2 * pad - reach) / stride + 1, (s->w + 2 * pad - reach) / stride + 1);
    node->kernel = kernel, node->stride = stride, node->pad = pad, node->dilation = dilation, node->groups = groups;
    node->weight = add_param(t, name, "weight", oc * (s->c / groups) * kernel * kernel, true);
    if (bias) node->bias = add_param(t, name, "bias", oc, true);
    return t->nodes - 1;
}

int tape_batch_norm(tape *t, const char *name, int src) {
    const tape_node *s = &t->node[src];
    tape_node *node = append(t, TAPE_BATCH_NORM, src, s->c, s->h, s->w);
    node->weight = add_param(t, name, "weight", s->c, true);
    node->bias = add_param(t, name, "bias", s->c, true);
    node->running_mean = add_param(t, name, "running_mean", s->c, false);
    node->running_var = add_param(t, name, "running_var", s->c, false);
    node->mean = zeros((size_t)s->c, sizeof(double));
    node->scale = zeros((size_t)s->c, sizeof(double));
    return t->nodes - 1;
}

int tape_relu(tape *t, int src) {
    const tape_node *s = &t->node[src];
    append(t, TAPE_RELU, src, s->c, s->h, s->w);
    return t->nodes - 1;
}

int tape_add(tape *t, int a, int b) {
    const tape_node *s = &t->node[a];
    append(t, TAPE_ADD, a, s->c, s->h, s->w)->b = b;
    return t->nodes - 1;
}

int tape_max_pool(tape *t, int src, int64_t kernel, int64_t stride, int64_t pad) {
    const tape_node *s = &t->node[src];
    tape_node *node = append(t, TAPE_MAX_POOL, src, s->c, (s->h + 2 * pad - kernel) / stride + 1,
                             (s->w + 2 * pad - kernel) / stride + 1);
    node->kernel = kernel, node->stride = stride, node->pad = pad;
    return t->nodes - 1;
}

/* Windows along `size` pixels: in ceil mode one more as long as pixels or padding are left over, if it begins before
 * the far border of the image. */
static int64_t count_windows(int64_t size, int64_t kernel, int64_t stride, int64_t pad, bool ceil) {
    int64_t count = 0;
    for (int64_t at = -pad; at + kernel <= size + pad; at += stride) count++;
    const int64_t next = count * stride - pad;
    return count + (ceil && next < size && next - stride + kernel < size + pad);
}

int tape_avg_pool(tape *t, int src, int64_t kernel, int64_t stride, int64_t pad, bool ceil) {
    const tape_node *s = &t->node[src];
    tape_node *node = append(t, TAPE_AVG_POOL, src, s->c, count_windows(s->h, kernel, stride, pad, ceil),
                             count_windows(s->w, kernel, stride, pad, ceil));
    node->kernel = kernel, node->stride = stride, node->pad = pad;
    return t->nodes - 1;
}

int tape_global_pool(tape *t, int src) {
    const tape_node *s = &t->node[src];
    append(t, TAPE_GLOBAL_POOL, src, s->c, 1, 1);
    return t->nodes - 1;
}

int tape_slice(tape *t, int src, int64_t begin, int64_t count) {
    const tape_node *s = &t->node[src];
    append(t, TAPE_SLICE, src, count, s->h, s->w)->begin = begin;
    return t->nodes - 1;
}

int tape_subsample(tape *t, int src, int64_t stride) {
    const tape_node *s = &t->node[src];
    append(t, TAPE_SUBSAMPLE, src, s->c, (s->h + stride - 1) / stride, (s->w + stride - 1) / stride)->stride = stride;
    return t->nodes - 1;
}

int tape_sigmoid(tape *t, int src) {
    const tape_node *s = &t->node[src];
    append(t, TAPE_SIGMOID, src, s->c, s->h, s->w);
    return t->nodes - 1;
}

int tape_scale(tape *t, int src, int gate) {
    const tape_node *s = &t->node[src];
    append(t, TAPE_SCALE, src, s->c, s->h, s->w)->b = gate;
    return t->nodes - 1;
}

int tape_select(tape *t, int a, int b, int scores) {
    const tape_node *s = &t->node[a];
    tape_node *node = append(t, TAPE_SELECT, a, s->c, s->h, s->w);
    node->b = b, node->third = scores;
    return t->nodes - 1;
}

int tape_drop(tape *t, int src, double p, bool elements, uint32_t stream) {
    const tape_node *s = &t->node[src];
    tape_node *node = append(t, TAPE_DROP, src, s->c, s->h, s->w);
    node->p = p, node->elements = elements, node->stream = stream;
    node->factor = zeros(node->count, sizeof(double));
    return t->nodes - 1;
}

int tape_flatten(tape *t, int src) {
    const tape_node *s = &t->node[src];
    append(t, TAPE_FLATTEN, src, s->c * s->h * s->w, 1, 1);
    return t->nodes - 1;
}

int tape_linear(tape *t, const char *name, int src, int64_t out) {
    const tape_node *s = &t->node[src];
    tape_node *node = append(t, TAPE_LINEAR, src, out, 1, 1);
    node->weight = add_param(t, name, "weight", out * s->c, true);
    node->bias = add_param(t, name, "bias", out, true);
    return t->nodes - 1;
}

tape_param *tape_find(tape *t, const char *name) {
    for (int i = 0; i < t->params; i++)
        if (strcmp(t->param[i].name, name) == 0) return &t->param[i];
    return NULL;
}
