/* The reference of the operators: networks in double precision, plain loops, nothing shared with the library but its
 * random numbers. A tape is a list of nodes, each the operator, its sources and its values; backward goes through it
 * in reverse. Its backward is itself proven by finite differences of its forward. Out of memory: the test aborts. */
#ifndef TESTS_SUPPORT_TAPE_H
#define TESTS_SUPPORT_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum tape_op {
    TAPE_INPUT,
    TAPE_CONV,
    TAPE_BATCH_NORM,
    TAPE_RELU,
    TAPE_ADD,
    TAPE_MAX_POOL,
    TAPE_AVG_POOL,
    TAPE_GLOBAL_POOL,
    TAPE_SLICE,
    TAPE_SUBSAMPLE,
    TAPE_SIGMOID,
    TAPE_SCALE,
    TAPE_SELECT,
    TAPE_DROP,
    TAPE_FLATTEN,
    TAPE_LINEAR
} tape_op;

/* A parameter, or a running statistic (grad NULL). */
typedef struct tape_param {
    char name[64];
    size_t count;
    double *value, *grad;
} tape_param;

#define TAPE_NODES 32
#define TAPE_PARAMS 64
#define TAPE_NONE (-1)

typedef struct tape_node {
    tape_op op;
    int a, b, third; /* sources; b only of add, scale and select, third only of select */
    int64_t c, h, w; /* of the result, [batch, c, h, w] */
    int64_t kernel, stride, pad, dilation, groups;
    int64_t begin;                               /* of slice */
    int weight, bias, running_mean, running_var; /* places in param, or TAPE_NONE */
    size_t count;
    double *value, *diff;
    double *mean, *scale; /* of batch norm: per channel, scale = 1/√(variance + ε) */
    double p;             /* of drop, as what follows */
    bool elements;        /* not whole images */
    uint32_t stream;      /* beside the tape's seed and step: place of the node in the graph */
    double *factor;       /* one an element: 0, or 1/(1 − p) */
} tape_node;

typedef struct tape {
    int64_t batch;
    int nodes, params;
    uint64_t seed; /* what drops draw from */
    int64_t step;
    tape_node node[TAPE_NODES];
    tape_param param[TAPE_PARAMS];
} tape;

/* A tape whose node 0 is the input. */
tape *tape_create(int64_t batch, int64_t c, int64_t h, int64_t w);
void tape_destroy(tape *t);

/* Each appends a node and returns its place. Parameters are zero. */
int tape_conv(tape *t, const char *name, int src, int64_t oc, int64_t kernel, int64_t stride, int64_t pad,
              int64_t dilation, int64_t groups, bool bias);
int tape_batch_norm(tape *t, const char *name, int src);
int tape_relu(tape *t, int src);
int tape_add(tape *t, int a, int b);
int tape_max_pool(tape *t, int src, int64_t kernel, int64_t stride, int64_t pad);
int tape_avg_pool(tape *t, int src, int64_t kernel, int64_t stride, int64_t pad, bool ceil);
int tape_global_pool(tape *t, int src);
int tape_slice(tape *t, int src, int64_t begin, int64_t count);
int tape_subsample(tape *t, int src, int64_t stride);
int tape_sigmoid(tape *t, int src);
int tape_scale(tape *t, int src, int gate);
int tape_select(tape *t, int a, int b, int scores);
int tape_drop(tape *t, int src, double p, bool elements, uint32_t stream);
int tape_flatten(tape *t, int src);
int tape_linear(tape *t, const char *name, int src, int64_t out);

/* NULL when there is none. */
tape_param *tape_find(tape *t, const char *name);

/* Computes every node's value. train: batch norm takes the batch's statistics and, where `update`, moves the running
 * ones. */
void tape_forward(tape *t, bool train, bool update);
/* The gates and drops of both passes, in a file of their own (tape_gate.c). */
void tape_forward_gate(tape *t, tape_node *d, bool train);
void tape_backward_gate(tape *t, tape_node *d);
/* After a forward in training: from the last node's `diff`, every other diff (of the input too) and every grad. */
void tape_backward(tape *t);

#endif
