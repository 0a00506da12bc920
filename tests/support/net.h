/* A small network built twice: as a graph for the library's plan, and as a tape in double precision; and the check
 * that both compute the same. All numbers are drawn from one seed.
 *
 * What the plan keeps to itself can be seen all the same: a probe is a 1×1 convolution whose weight copies the input's
 * first channels, and is zero for the others, each of which is 1 at one place of one image only. Its weight gradient
 * then holds, element by element, the gradient with respect to its result. */
#ifndef OC_TESTS_SUPPORT_NET_H
#define OC_TESTS_SUPPORT_NET_H

#include "base/random.h"
#include "graph/graph.h"
#include "support/tape.h"

typedef struct net {
    oc_graph *graph;
    tape *tape;
    int value[TAPE_NODES]; /* the graph's value of a node of the tape */
    oc_random random;
    bool smooth;    /* finite differences make sense: no ties */
    int64_t probed; /* channels of the probe, 0: none */
    bool tied;      /* the probe's images have few different values, so that windows tie */
} net;

/* A net whose node 0 is the input. */
void net_create(net *n, uint64_t seed, int64_t batch, int64_t c, int64_t h, int64_t w);
/* A net that begins with a probe; *node = the probe's result, [c, h, w]. */
void net_create_probed(net *n, int *node, uint64_t seed, int64_t batch, int64_t c, int64_t h, int64_t w);

int net_conv(net *n, const char *name, int src, int64_t oc, int64_t kernel, int64_t stride, int64_t pad,
             int64_t dilation, int64_t groups, bool bias);
int net_batch_norm(net *n, const char *name, int src);
int net_relu(net *n, int src);
int net_add(net *n, int a, int b);
int net_max_pool(net *n, int src, int64_t kernel, int64_t stride, int64_t pad);
int net_avg_pool(net *n, int src, int64_t kernel, int64_t stride, int64_t pad, bool ceil);
int net_global_pool(net *n, int src);
int net_slice(net *n, int src, int64_t begin, int64_t count);
int net_subsample(net *n, int src, int64_t stride);
int net_sigmoid(net *n, int src);
int net_scale(net *n, int src, int gate);
int net_select(net *n, int a, int b, int scores);
int net_drop_path(net *n, int src, double p);
int net_dropout(net *n, int src, double p);
int net_flatten(net *n, int src);
int net_linear(net *n, const char *name, int src, int64_t out);

/* The largest error of each kind, relative to the largest magnitude of its array. */
typedef struct net_errors {
    double infer, train, running, gradients, differences;
} net_errors;

/* Marks the last node (flat) as the output, draws every number, and compares: dst in INFER mode; dst, running
 * statistics and every gradient in TRAIN mode, twice in a row; the tape's gradients with finite differences of its
 * forward. Fails the test beyond the tolerances. `what` names the case in messages. Destroys the net. Adds the errors
 * to *errors. */
void net_check(net *n, const char *what, net_errors *errors);

/* Prints what the cases of an operator came to. */
void net_report(const char *op, int cases, unsigned seed, const net_errors *errors);

/* For the shapes of cases: an integer in [low, high], and one of a list. */
int64_t net_pick(oc_random *random, int64_t low, int64_t high);
int64_t net_pick_of(oc_random *random, const int64_t *list, size_t count);
#define NET_PICK(random, ...)                                                                                          \
    net_pick_of(random, (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

#endif
