/* Inside the graph: a node, an operator's const struct of functions, and what operators and rewrites do with both.
 *
 * Adding an operator is one file in ops/ (its oc_op and its builder), a line in graph/ops.h and a row in ops/list.c. */
#ifndef OC_GRAPH_OP_H
#define OC_GRAPH_OP_H

#include "graph/graph.h"
#include "graph/lower.h"

#define OC_NODE_INPUTS 8
#define OC_NODE_TENSORS 6

/* A node makes one value, whose number is the node's place. Inputs come earlier. */
typedef struct oc_node {
    const oc_op *op;
    char *name; /* PyTorch's module path; "" where there are no tensors. Owned */
    int inputs, input[OC_NODE_INPUTS];
    void *attr;   /* op->attr_size bytes, or NULL when that is 0. Owned */
    oc_shape dst; /* without the batch dimension */
    int tensors;
    size_t tensor[OC_NODE_TENSORS]; /* places in the table, in the operator's own order */
    int built; /* its place in the graph as built: after rewriting, of the node that it stands for */
} oc_node;

struct oc_op {
    const char *name;
    size_t attr_size;
    /* Shape rule: checks inputs and attr, sets node->dst and adds the node's tensors. Errors are latched. */
    void (*shape)(oc_graph *graph, oc_node *node);
    /* Multiply-accumulates of one forward pass of one image; NULL: none. */
    int64_t (*macs)(const oc_graph *graph, const oc_node *node);
    /* Lowers the forward pass to steps of the plan, in order of the nodes; then, in TRAIN mode, the backward pass in
     * the opposite order, unless nothing before or in the node has a gradient (see graph/lower.h). */
    oc_status (*forward)(oc_lower *lower, const oc_node *node, oc_error *err);
    oc_status (*backward)(oc_lower *lower, const oc_node *node, oc_error *err);
};

/* Every operator, NULL-terminated. */
extern const oc_op *const oc_ops[];
extern const oc_op oc_input_op, oc_conv_op, oc_batch_norm_op, oc_relu_op, oc_add_op, oc_max_pool_op, oc_flatten_op,
    oc_linear_op, oc_avg_pool_op, oc_global_pool_op, oc_slice_op, oc_subsample_op, oc_sigmoid_op, oc_scale_op,
    oc_select_op, oc_drop_path_op, oc_dropout_op;

struct oc_graph {
    oc_table *own_table;   /* NULL in a copy */
    const oc_table *table; /* its own, or borrowed from the graph it was copied from */
    oc_node *node;
    int nodes;
    size_t capacity;
    int input, output; /* nodes, −1 while absent */
    bool finished;
    oc_status status;
    oc_error error; /* the first failure */
};

/* Appends a node with a copy of name and attr and runs its shape rule. Returns its value; −1, and nothing appended,
 * once an error is latched. A value that is −1 is someone else's error, already latched. */
oc_value oc_graph_append(oc_graph *graph, const oc_op *op, const char *name, int inputs, const oc_value *input,
                         const void *attr);

/* For shape rules: adds the tensor "<node's name>.<suffix>" to the table and to the node. */
void oc_graph_tensor(oc_graph *graph, oc_node *node, const char *suffix, oc_shape shape, bool parameter, bool decay,
                     oc_init init);

/* Shape of input `index` of a node. */
const oc_shape *oc_node_src(const oc_graph *graph, const oc_node *node, int index);

/* Rewriting. A copy shares the table of the original, which outlives it. Nodes are changed in place: a node whose `op`
 * is NULL is dead; oc_graph_compact removes the dead ones and renumbers. */
oc_status oc_graph_copy(oc_graph **out, const oc_graph *graph, oc_error *err);
/* Number of uses of a value by inputs and as the output. */
int oc_graph_uses(const oc_graph *graph, oc_value value);
/* Lets everyone who uses `from` use `to`. */
void oc_graph_redirect(oc_graph *graph, oc_value from, oc_value to);
void oc_graph_kill(oc_graph *graph, oc_value value);
/* Puts a node without a name or tensors before node `at`; that one and those behind it move on by one. It works for
 * the same node of the graph as built as that one does. OC_E_USAGE when its shape rule refuses the inputs. */
oc_status oc_graph_insert(oc_graph *graph, int at, const oc_op *op, int inputs, const oc_value *input, const void *attr,
                          oc_error *err);
oc_status oc_graph_compact(oc_graph *graph, oc_error *err);

#endif
