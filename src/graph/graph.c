/* Building a graph, and the little surgery that rewrites need. */
#include "graph/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/op.h"

oc_status oc_graph_create(oc_graph **out, oc_error *err) {
    oc_status status = OC_OK;
    oc_graph *graph = NULL;
    *out = NULL;
    OC_TRY(oc_alloc(&graph, 1, sizeof *graph, err));
    graph->input = graph->output = -1;
    OC_TRY(oc_table_create(&graph->own_table, err));
    graph->table = graph->own_table;
    *out = graph;
    graph = NULL;
cleanup:
    oc_graph_destroy(&graph);
    return status;
}

void oc_graph_destroy(oc_graph **graph) {
    if (!graph || !*graph) return;
    for (int i = 0; i < (*graph)->nodes; i++) {
        oc_free((*graph)->node[i].name);
        oc_free((*graph)->node[i].attr);
    }
    oc_free((*graph)->node);
    oc_table_destroy(&(*graph)->own_table);
    oc_free(*graph);
    *graph = NULL;
}

void oc_graph_fail(oc_graph *graph, oc_status status, const char *where, const char *format, ...) {
    if (graph->status != OC_OK) return;
    char message[OC_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    graph->status = oc_fail(&graph->error, status, where, "%s", message);
}

/* Latches a status whose text is already in graph->error. */
static bool latched(oc_graph *graph, oc_status status) {
    if (graph->status == OC_OK) graph->status = status;
    return graph->status != OC_OK;
}

static oc_status append(oc_graph *graph, const oc_op *op, const char *name, const void *attr, oc_node **out,
                        oc_error *err) {
    oc_status status = OC_OK;
    oc_node node = {.op = op, .built = graph->nodes};
    OC_TRY(oc_strdup(&node.name, name, err));
    OC_TRY(oc_alloc(&node.attr, 1, op->attr_size, err));
    if (node.attr) memcpy(node.attr, attr, op->attr_size);
    OC_TRY(oc_grow(&graph->node, &graph->capacity, (size_t)graph->nodes + 1, sizeof node, err));
    graph->node[graph->nodes] = node;
    *out = &graph->node[graph->nodes];
    node = (oc_node){0};
cleanup:
    oc_free(node.name);
    oc_free(node.attr);
    return status;
}

oc_value oc_graph_append(oc_graph *graph, const oc_op *op, const char *name, int inputs, const oc_value *input,
                         const void *attr) {
    if (graph->status != OC_OK) return -1;
    if (graph->finished) {
        oc_graph_fail(graph, OC_E_USAGE, name, "%s: the graph is finished", op->name);
        return -1;
    }
    if (inputs > OC_NODE_INPUTS) {
        oc_graph_fail(graph, OC_E_USAGE, name, "%s: at most %d inputs, not %d", op->name, OC_NODE_INPUTS, inputs);
        return -1;
    }
    for (int i = 0; i < inputs; i++)
        if (input[i] < 0 || input[i] >= graph->nodes) {
            oc_graph_fail(graph, OC_E_USAGE, name, "%s: input %d is no value of this graph", op->name, i);
            return -1;
        }
    oc_node *node = NULL;
    if (latched(graph, append(graph, op, name ? name : "", attr, &node, &graph->error))) return -1;
    node->inputs = inputs;
    if (inputs) memcpy(node->input, input, (size_t)inputs * sizeof *input);
    op->shape(graph, node);
    if (graph->status != OC_OK) {
        oc_free(node->name);
        oc_free(node->attr);
        return -1;
    }
    return graph->nodes++;
}

void oc_graph_tensor(oc_graph *graph, oc_node *node, const char *suffix, oc_shape shape, bool parameter, bool decay,
                     oc_init init) {
    char name[512];
    if (graph->status != OC_OK) return;
    int length = snprintf(name, sizeof name, "%s%s%s", node->name, node->name[0] ? "." : "", suffix);
    if (length < 0 || (size_t)length >= sizeof name) {
        oc_graph_fail(graph, OC_E_USAGE, NULL, "a tensor's name is longer than %zu bytes", sizeof name - 1);
        return;
    }
    if (oc_shape_count(&shape) <= 0) {
        char text[128];
        oc_graph_fail(graph, OC_E_USAGE, name, "no tensor can have the shape %s",
                      oc_shape_text(&shape, text, sizeof text));
        return;
    }
    oc_tensor tensor = {.name = name, .shape = shape, .parameter = parameter, .decay = decay, .init = init};
    size_t index = 0;
    if (latched(graph, oc_table_add(graph->own_table, &tensor, &index, &graph->error))) return;
    node->tensor[node->tensors++] = index;
}

const oc_shape *oc_node_src(const oc_graph *graph, const oc_node *node, int index) {
    return &graph->node[node->input[index]].dst;
}

void oc_graph_output(oc_graph *graph, oc_value value) {
    if (graph->status != OC_OK) return;
    if (graph->finished)
        oc_graph_fail(graph, OC_E_USAGE, NULL, "output: the graph is finished");
    else if (value < 0 || value >= graph->nodes)
        oc_graph_fail(graph, OC_E_USAGE, NULL, "output: no value of this graph");
    else if (graph->output >= 0)
        oc_graph_fail(graph, OC_E_USAGE, NULL, "output: marked twice");
    else if (graph->node[value].dst.ndim != 1)
        oc_graph_fail(graph, OC_E_USAGE, graph->node[value].name, "output: class scores have one dimension, not %d",
                      graph->node[value].dst.ndim);
    else
        graph->output = value;
}

oc_status oc_graph_finish(oc_graph *graph, oc_error *err) {
    if (graph->status == OC_OK && graph->input < 0) oc_graph_fail(graph, OC_E_USAGE, NULL, "the graph has no input");
    if (graph->status == OC_OK && graph->output < 0) oc_graph_fail(graph, OC_E_USAGE, NULL, "the graph has no output");
    for (int i = 0; i < graph->nodes && graph->status == OC_OK; i++)
        if (oc_graph_uses(graph, i) == 0)
            oc_graph_fail(graph, OC_E_USAGE, graph->node[i].name, "%s: unused result", graph->node[i].op->name);
    graph->finished = graph->status == OC_OK;
    if (!graph->finished && err) *err = graph->error;
    return graph->status;
}

const oc_table *oc_graph_table(const oc_graph *graph) {
    return graph->table;
}

int oc_graph_nodes(const oc_graph *graph) {
    return graph->nodes;
}

oc_node_info oc_graph_node_info(const oc_graph *graph, int index) {
    const oc_node *node = &graph->node[index];
    oc_node_info info = {.op = node->op->name, .name = node->name, .dst = node->dst};
    for (int i = 0; i < node->tensors; i++) {
        const oc_tensor *tensor = oc_table_at(graph->table, node->tensor[i]);
        if (tensor->parameter) info.parameters += (int64_t)tensor->count;
    }
    if (node->op->macs) info.macs = node->op->macs(graph, node);
    return info;
}

oc_shape oc_graph_input_shape(const oc_graph *graph) {
    return graph->input < 0 ? (oc_shape){0} : graph->node[graph->input].dst;
}

oc_shape oc_graph_output_shape(const oc_graph *graph) {
    return graph->output < 0 ? (oc_shape){0} : graph->node[graph->output].dst;
}

oc_status oc_graph_copy(oc_graph **out, const oc_graph *graph, oc_error *err) {
    oc_status status = OC_OK;
    oc_graph *copy = NULL;
    *out = NULL;
    OC_TRY(oc_alloc(&copy, 1, sizeof *copy, err));
    copy->table = graph->table;
    for (int i = 0; i < graph->nodes; i++) {
        const oc_node *from = &graph->node[i];
        oc_node *to = NULL;
        OC_TRY(append(copy, from->op, from->name, from->attr, &to, err));
        char *name = to->name;
        void *attr = to->attr;
        *to = *from;
        to->name = name;
        to->attr = attr;
        copy->nodes++;
    }
    copy->input = graph->input;
    copy->output = graph->output;
    copy->finished = true;
    *out = copy;
    copy = NULL;
cleanup:
    oc_graph_destroy(&copy);
    return status;
}

int oc_graph_uses(const oc_graph *graph, oc_value value) {
    int uses = graph->output == value;
    for (int i = 0; i < graph->nodes; i++)
        for (int j = 0; graph->node[i].op && j < graph->node[i].inputs; j++) uses += graph->node[i].input[j] == value;
    return uses;
}

void oc_graph_redirect(oc_graph *graph, oc_value from, oc_value to) {
    for (int i = 0; i < graph->nodes; i++)
        for (int j = 0; j < graph->node[i].inputs; j++)
            if (graph->node[i].input[j] == from) graph->node[i].input[j] = to;
    if (graph->output == from) graph->output = to;
}

void oc_graph_kill(oc_graph *graph, oc_value value) {
    graph->node[value].op = NULL;
    graph->node[value].inputs = 0;
}

oc_status oc_graph_insert(oc_graph *graph, int at, const oc_op *op, int inputs, const oc_value *input, const void *attr,
                          oc_error *err) {
    oc_status status = OC_OK;
    oc_node *node = NULL;
    OC_TRY(append(graph, op, "", attr, &node, err));
    node->inputs = inputs;
    memcpy(node->input, input, (size_t)inputs * sizeof *input);
    node->built = graph->node[at].built;
    op->shape(graph, node);
    if (graph->status != OC_OK) {
        if (err) *err = graph->error;
        status = graph->status;
        oc_free(node->name);
        oc_free(node->attr);
        goto cleanup;
    }
    oc_node inserted = *node;
    memmove(&graph->node[at + 1], &graph->node[at], (size_t)(graph->nodes - at) * sizeof *node);
    graph->node[at] = inserted;
    graph->nodes++;
    for (int i = at + 1; i < graph->nodes; i++)
        for (int j = 0; j < graph->node[i].inputs; j++) graph->node[i].input[j] += graph->node[i].input[j] >= at;
    graph->input += graph->input >= at;
    graph->output += graph->output >= at;
cleanup:
    return status;
}

oc_status oc_graph_compact(oc_graph *graph, oc_error *err) {
    oc_status status = OC_OK;
    int *place = NULL, kept = 0;
    OC_TRY(oc_alloc(&place, (size_t)graph->nodes, sizeof *place, err));
    for (int i = 0; i < graph->nodes; i++) {
        oc_node *node = &graph->node[i];
        if (!node->op) {
            oc_free(node->name);
            oc_free(node->attr);
            continue;
        }
        for (int j = 0; j < node->inputs; j++) node->input[j] = place[node->input[j]];
        place[i] = kept;
        graph->node[kept++] = *node;
    }
    graph->input = place[graph->input];
    graph->output = place[graph->output];
    graph->nodes = kept;
cleanup:
    oc_free(place);
    return status;
}
