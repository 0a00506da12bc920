/* Building graphs: shapes, tensors in PyTorch's order, counts, latched errors; and what the rewrites make of them. */
#define _POSIX_C_SOURCE 200809L
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/op.h"
#include "graph/ops.h"
#include "graph/ops/add.h"
#include "graph/ops/batch_norm.h"
#include "graph/ops/conv.h"
#include "graph/rewrite.h"
#include "support/bytes.h"

static const oc_init zero = {OC_INIT_CONSTANT, 0};

static oc_graph *create(void) {
    oc_graph *graph = NULL;
    assert_int_equal(oc_graph_create(&graph, NULL), OC_OK);
    return graph;
}

static oc_value conv(oc_graph *graph, const char *name, oc_value src, int64_t oc, bool bias) {
    return oc_op_conv(graph, name, src,
                      &(oc_conv_attr){.oc = oc, .kernel = 3, .stride = 1, .pad = 1, .bias = bias, .weight_init = zero});
}

/* conv → norm → ReLU → conv → norm, joined with a shortcut that is computed after them, and once more. */
static oc_graph *residual(bool again) {
    oc_graph *graph = create();
    oc_value x = oc_graph_input(graph, 3, 8, 8);
    x = oc_op_relu(graph, oc_op_batch_norm(graph, "n0", conv(graph, "c0", x, 8, true), 1));
    oc_value y = oc_op_relu(graph, oc_op_batch_norm(graph, "n1", conv(graph, "c1", x, 8, true), 1));
    y = oc_op_batch_norm(graph, "n2", conv(graph, "c2", y, 8, false), 0);
    oc_value s = oc_op_batch_norm(graph, "n3", conv(graph, "c3", x, 8, false), 1);
    y = oc_op_relu(graph, oc_op_add(graph, y, s));
    if (again) y = oc_op_add(graph, x, y);
    y = oc_op_linear(graph, "fc", oc_op_flatten(graph, oc_op_max_pool(graph, y, 2, 2, 0)), 10, zero, zero);
    oc_graph_output(graph, y);
    assert_int_equal(oc_graph_finish(graph, NULL), OC_OK);
    return graph;
}

static void assert_shape(oc_shape shape, int ndim, int64_t a, int64_t b, int64_t c) {
    const int64_t dim[] = {a, b, c};
    assert_int_equal(shape.ndim, ndim);
    for (int i = 0; i < ndim; i++) assert_int_equal(shape.dim[i], dim[i]);
}

static void test_tensors(void **state) {
    (void)state;
    oc_graph *graph = residual(true);
    const oc_table *table = oc_graph_table(graph);
    static const char *const names[] = {"c0.weight",       "c0.bias",        "n0.weight", "n0.bias",
                                        "n0.running_mean", "n0.running_var", "c1.weight"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_equal(oc_table_at(table, i)->name, names[i]);
    const oc_tensor *weight = oc_table_find(table, "c0.weight"), *gamma = oc_table_find(table, "n2.weight");
    const oc_tensor *bias = oc_table_find(table, "c0.bias"), *variance = oc_table_find(table, "n0.running_var");
    assert_int_equal(weight->count, 8 * 3 * 9);
    assert_true(weight->parameter && weight->decay);
    assert_true(bias->parameter && !bias->decay);
    assert_true(gamma->parameter && !gamma->decay);
    assert_true(gamma->init.value == 0 && oc_table_find(table, "n0.weight")->init.value == 1);
    assert_true(!variance->parameter && variance->init.value == 1);
    assert_true(oc_table_find(table, "fc.weight")->decay);
    assert_null(oc_table_find(table, "c2.bias"));
    assert_shape(oc_graph_input_shape(graph), 3, 3, 8, 8);
    assert_shape(oc_graph_output_shape(graph), 1, 10, 0, 0);
    oc_graph_destroy(&graph);
    assert_null(graph);
}

static void test_node_info(void **state) {
    (void)state;
    oc_graph *graph = residual(false);
    oc_node_info input = oc_graph_node_info(graph, 0), first = oc_graph_node_info(graph, 1);
    assert_string_equal(input.op, "input");
    assert_string_equal(input.name, "");
    assert_string_equal(first.op, "conv");
    assert_string_equal(first.name, "c0");
    assert_shape(first.dst, 3, 8, 8, 8);
    assert_int_equal(first.parameters, 8 * 3 * 9 + 8);
    assert_int_equal(first.macs, 8 * 8 * 8 * 3 * 9);
    oc_node_info last = oc_graph_node_info(graph, oc_graph_nodes(graph) - 1);
    assert_string_equal(last.op, "linear");
    assert_int_equal(last.macs, 10 * 8 * 16);
    assert_int_equal(last.parameters, 10 * 8 * 16 + 10);
    oc_node_info norm = oc_graph_node_info(graph, 2);
    assert_int_equal(norm.parameters, 16);
    assert_int_equal(norm.macs, 0);
    oc_graph_destroy(&graph);
}

static void test_shapes(void **state) {
    (void)state;
    static const struct {
        int64_t size, kernel, stride, pad, dilation, conv, pool;
    } rows[] = {
        /* From PyTorch's Conv2d and, where pad <= kernel / 2, MaxPool2d without dilation. */
        {7, 3, 2, 1, 1, 4, 4}, {8, 3, 2, 1, 1, 4, 4}, {8, 2, 2, 0, 1, 4, 4}, {9, 2, 2, 0, 1, 4, 4},
        {9, 7, 2, 3, 1, 5, 5}, {9, 3, 1, 2, 2, 9, 0}, {5, 5, 3, 0, 1, 1, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        oc_graph *graph = create();
        oc_value x = oc_graph_input(graph, 4, rows[i].size, rows[i].size + 1);
        oc_conv_attr attr = {.oc = 6,
                             .kernel = rows[i].kernel,
                             .stride = rows[i].stride,
                             .pad = rows[i].pad,
                             .dilation = rows[i].dilation,
                             .groups = 2};
        oc_value c = oc_op_conv(graph, "c", x, &attr);
        assert_int_equal(oc_graph_node_info(graph, c).dst.dim[1], rows[i].conv);
        assert_int_equal(oc_graph_node_info(graph, c).parameters, 6 * 2 * rows[i].kernel * rows[i].kernel);
        if (rows[i].pool) {
            oc_value p = oc_op_max_pool(graph, x, rows[i].kernel, rows[i].stride, rows[i].pad);
            assert_int_equal(oc_graph_node_info(graph, p).dst.dim[1], rows[i].pool);
        }
        oc_graph_destroy(&graph);
    }
}

/* Each builds a wrong graph; `where` and a piece of the message are what a person needs to find it. */
static void wrong_conv_groups(oc_graph *g) {
    oc_op_conv(g, "c", oc_graph_input(g, 3, 8, 8), &(oc_conv_attr){.oc = 4, .kernel = 1, .stride = 1, .groups = 2});
}
static void wrong_conv_kernel(oc_graph *g) {
    oc_op_conv(g, "c", oc_graph_input(g, 3, 4, 4), &(oc_conv_attr){.oc = 4, .kernel = 5, .stride = 1});
}
static void wrong_conv_stride(oc_graph *g) {
    oc_op_conv(g, "c", oc_graph_input(g, 3, 4, 4), &(oc_conv_attr){.oc = 4, .kernel = 1});
}
static void wrong_name_twice(oc_graph *g) {
    conv(g, "c", conv(g, "c", oc_graph_input(g, 3, 4, 4), 3, true), 3, true);
}
static void wrong_add(oc_graph *g) {
    oc_value x = oc_graph_input(g, 3, 4, 4);
    oc_op_add(g, x, conv(g, "c", x, 4, true));
}
static void wrong_linear(oc_graph *g) {
    oc_op_linear(g, "fc", oc_graph_input(g, 3, 4, 4), 4, zero, zero);
}
static void wrong_norm(oc_graph *g) {
    oc_op_batch_norm(g, "n", oc_op_flatten(g, oc_graph_input(g, 3, 4, 4)), 1);
}
static void wrong_pool(oc_graph *g) {
    oc_op_max_pool(g, oc_graph_input(g, 3, 4, 4), 2, 2, 2);
}
static void wrong_second_input(oc_graph *g) {
    oc_graph_input(g, 3, 4, 4);
    oc_graph_input(g, 3, 4, 4);
}
static void wrong_input(oc_graph *g) {
    oc_graph_input(g, 0, 4, 4);
}
static void wrong_output(oc_graph *g) {
    oc_graph_output(g, oc_graph_input(g, 3, 4, 4));
}
static void wrong_no_output(oc_graph *g) {
    oc_op_flatten(g, oc_graph_input(g, 3, 4, 4));
}
static void wrong_unused(oc_graph *g) {
    oc_value x = oc_graph_input(g, 3, 4, 4);
    conv(g, "c", x, 4, true);
    oc_graph_output(g, oc_op_flatten(g, x));
}
static void wrong_own(oc_graph *g) {
    oc_graph_fail(g, OC_E_USAGE, "data.size", "made for %d, not %d", 64, 32);
}
static void wrong_nothing(oc_graph *g) {
    (void)g;
}

static void test_errors(void **state) {
    (void)state;
    static const struct {
        void (*build)(oc_graph *graph);
        const char *where, *message;
    } rows[] = {
        {wrong_conv_groups, "c", "do not divide"},
        {wrong_conv_kernel, "c", "does not fit into 4×4"},
        {wrong_conv_stride, "c", "stride 0"},
        {wrong_name_twice, "c.weight", ""},
        {wrong_add, "", "[3, 4, 4] and [4, 4, 4] differ"},
        {wrong_linear, "fc", "flatten"},
        {wrong_norm, "n", "1 dimensions"},
        {wrong_pool, "", "at most 16, pad at most half"},
        {wrong_second_input, "", "exactly once"},
        {wrong_input, "", "[0, 4, 4]"},
        {wrong_output, "", "one dimension"},
        {wrong_no_output, "", "no output"},
        {wrong_unused, "c", "unused result"},
        {wrong_own, "data.size", "made for 64, not 32"},
        {wrong_nothing, "", "no input"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        oc_graph *graph = create();
        oc_error err = {0};
        rows[i].build(graph);
        assert_int_not_equal(oc_graph_finish(graph, &err), OC_OK);
        assert_string_equal(err.where, rows[i].where);
        assert_non_null(strstr(err.message, rows[i].message));
        oc_graph_destroy(&graph);
    }
}

/* What comes after the first error changes nothing. */
static void test_latched(void **state) {
    (void)state;
    oc_graph *graph = create();
    oc_error err = {0};
    oc_value x = oc_graph_input(graph, 3, 8, 8);
    oc_value wrong = oc_op_max_pool(graph, x, 9, 1, 0);
    assert_int_equal(wrong, -1);
    assert_int_equal(conv(graph, "c", wrong, 4, true), -1);
    assert_int_equal(conv(graph, "d", x, 4, true), -1);
    oc_graph_fail(graph, OC_E_IO, "later", "later");
    oc_graph_output(graph, x);
    assert_int_equal(oc_graph_nodes(graph), 1);
    assert_int_equal(oc_graph_finish(graph, &err), OC_E_USAGE);
    assert_int_equal(err.status, OC_E_USAGE);
    assert_non_null(strstr(err.message, "max_pool"));
    oc_graph_destroy(&graph);
}

static void test_finished(void **state) {
    (void)state;
    oc_graph *graph = residual(false);
    int nodes = oc_graph_nodes(graph);
    assert_int_equal(oc_op_relu(graph, 0), -1);
    assert_int_equal(oc_graph_nodes(graph), nodes);
    oc_graph_destroy(&graph);
    oc_graph_destroy(&graph);
}

static int count_op(const oc_graph *graph, const oc_op *op) {
    int count = 0;
    for (int i = 0; i < graph->nodes; i++) count += graph->node[i].op == op;
    return count;
}

static void assert_ordered(const oc_graph *graph) {
    for (int i = 0; i < graph->nodes; i++)
        for (int j = 0; j < graph->node[i].inputs; j++) assert_in_range(graph->node[i].input[j], 0, i - 1);
}

static void test_rewrite_training(void **state) {
    (void)state;
    for (int again = 0; again < 2; again++) {
        oc_graph *graph = residual(again), *copy = NULL;
        assert_int_equal(oc_graph_copy(&copy, graph, NULL), OC_OK);
        assert_int_equal(oc_rewrite_norm_relu(copy, NULL), OC_OK);
        assert_int_equal(oc_rewrite_join(copy, NULL), OC_OK);
        assert_int_equal(count_op(copy, &oc_relu_op), 0);
        assert_int_equal(count_op(copy, &oc_add_op), 1);
        assert_int_equal(count_op(copy, &oc_batch_norm_op), 4);
        assert_ordered(copy);
        for (int i = 0; i < copy->nodes; i++) {
            const oc_node *node = &copy->node[i];
            if (node->op == &oc_add_op) {
                assert_true(((oc_add_node *)node->attr)->relu);
                assert_int_equal(node->inputs, 2 + again);
                if (again) assert_string_equal(copy->node[node->input[2]].name, "n0");
            }
            if (node->op == &oc_batch_norm_op)
                assert_int_equal(((oc_batch_norm_node *)node->attr)->relu,
                                 strcmp(node->name, "n0") == 0 || strcmp(node->name, "n1") == 0);
            assert_string_equal(node->name, graph->node[node->built].name);
        }
        assert_int_equal(count_op(graph, &oc_relu_op), 3); /* the original is as it was */
        oc_graph_destroy(&copy);
        oc_graph_destroy(&graph);
    }
}

static void test_rewrite_inference(void **state) {
    (void)state;
    for (int again = 0; again < 2; again++) {
        oc_graph *graph = residual(again), *copy = NULL;
        assert_int_equal(oc_graph_copy(&copy, graph, NULL), OC_OK);
        assert_int_equal(oc_rewrite_fold(copy, NULL), OC_OK);
        assert_int_equal(oc_rewrite_post(copy, NULL), OC_OK);
        assert_int_equal(count_op(copy, &oc_batch_norm_op) + count_op(copy, &oc_relu_op) + count_op(copy, &oc_add_op),
                         0);
        assert_int_equal(copy->nodes, 8);
        assert_ordered(copy);
        const oc_node *joined = &copy->node[4]; /* the shortcut came last and takes the other summand in */
        const oc_conv_node *attr = joined->attr;
        assert_string_equal(joined->name, "c3");
        assert_true(attr->folded);
        assert_int_equal(joined->tensors, 5);
        assert_int_equal(attr->posts, 2 + again);
        assert_int_equal(attr->post[0], OC_POST_ADD);
        assert_int_equal(attr->post[1], OC_POST_RELU);
        assert_string_equal(copy->node[joined->input[1]].name, "c2");
        if (again) assert_string_equal(copy->node[joined->input[2]].name, "c0");
        oc_graph_destroy(&copy);
        oc_graph_destroy(&graph);
    }
}

/* Values with other users stay what they are. */
static void test_rewrite_keeps(void **state) {
    (void)state;
    oc_graph *graph = create(), *copy = NULL;
    oc_value x = conv(graph, "c", oc_graph_input(graph, 3, 8, 8), 8, true);
    oc_value y = oc_op_batch_norm(graph, "n", x, 1);
    oc_value z = oc_op_add(graph, oc_op_relu(graph, y), oc_op_add(graph, y, x));
    oc_graph_output(graph, oc_op_flatten(graph, z));
    assert_int_equal(oc_graph_finish(graph, NULL), OC_OK);
    assert_int_equal(oc_graph_copy(&copy, graph, NULL), OC_OK);
    assert_int_equal(oc_rewrite_norm_relu(copy, NULL), OC_OK);
    assert_int_equal(oc_rewrite_fold(copy, NULL), OC_OK);
    assert_int_equal(oc_rewrite_post(copy, NULL), OC_OK);
    assert_int_equal(oc_rewrite_join(copy, NULL), OC_OK);
    assert_int_equal(copy->nodes, graph->nodes);
    oc_graph_destroy(&copy);
    oc_graph_destroy(&graph);
}

/* Each operator that a file of src/graph/ops defines has its row in the list. */
static void test_list(void **state) {
    (void)state;
    int rows = 0, defined = 0;
    for (; oc_ops[rows]; rows++) {
        assert_non_null(oc_ops[rows]->shape);
        assert_non_null(oc_ops[rows]->forward);
        for (int i = 0; i < rows; i++) assert_string_not_equal(oc_ops[i]->name, oc_ops[rows]->name);
    }
    glob_t files = {0};
    assert_int_equal(glob("src/graph/ops/*.c", 0, NULL, &files), 0);
    for (size_t f = 0; f < files.gl_pathc; f++) {
        size_t size = 0;
        char *text = (char *)test_bytes_read(files.gl_pathv[f], &size);
        for (char *at = text; (at = strstr(at, "\nconst oc_op oc_")); at++, defined++) {
            char *begin = strstr(at, ".name = \""), *name = begin + strlen(".name = \""), *end;
            assert_non_null(begin);
            assert_non_null(end = strchr(name, '"'));
            bool found = false;
            for (int i = 0; i < rows; i++)
                found |= strlen(oc_ops[i]->name) == (size_t)(end - name) &&
                         strncmp(oc_ops[i]->name, name, (size_t)(end - name)) == 0;
            if (!found)
                print_message("%s: \"%.*s\" is missing in oc_ops\n", files.gl_pathv[f], (int)(end - name), name);
            assert_true(found);
        }
        free(text);
    }
    globfree(&files);
    assert_int_equal(defined, rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors),          cmocka_unit_test(test_node_info),
        cmocka_unit_test(test_shapes),           cmocka_unit_test(test_errors),
        cmocka_unit_test(test_latched),          cmocka_unit_test(test_finished),
        cmocka_unit_test(test_rewrite_training), cmocka_unit_test(test_rewrite_inference),
        cmocka_unit_test(test_rewrite_keeps),    cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
