/* Every algorithm for every convolution of a model, timed: what the estimates of src/compute/conv/ are held against.
 *
 *     bench_convolutions [MODEL [BATCH [SIZE [PRECISION]]]]        (OC_CPU lowers the instruction set)
 *
 * A line for each different convolution and pass: its sizes, and for each algorithm that supports it the milliseconds
 * of one execution, packing of the filter included, with the estimate behind the slash. "*" marks the chosen one,
 * "!" marks one that is quicker than it and exact enough to be chosen. Sources lie in blocks but for the image. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peak.h"
#include "compute/conv/algorithm.h"
#include "graph/op.h"
#include "graph/ops/conv.h"
#include "models/model.h"
#include "timed.h"

#define MOST 64 /* different convolutions */

typedef struct bench {
    oc_team *team;
    oc_engine *engine;
    oc_model *model;
    oc_dtype dtype; /* of the maps: OC_F32 or OC_BF16 */
    double peak;    /* multiply-adds a second */
    oc_conv_problem seen[MOST];
    int times[MOST];  /* that each occurs */
    bool first[MOST]; /* it reads the image */
    int count;
    double chosen, quickest; /* seconds of all layers */
} bench;

static bool same(const oc_conv_problem *a, const oc_conv_problem *b) {
    return a->groups == b->groups && a->kh == b->kh && a->stride == b->stride && a->pad == b->pad &&
           a->dilation == b->dilation && oc_layout_equal(&a->src, &b->src) && oc_layout_equal(&a->dst, &b->dst);
}

static void pass(bench *b, oc_conv_problem problem, int times) {
    oc_error err = {0};
    const oc_shape *src = &problem.src.shape, *dst = &problem.dst.shape;
    oc_conv_ranking ranking;
    oc_bench_refuse(oc_conv_choose(&ranking, b->engine, &problem, NULL, NULL, &err), &err);
    const oc_conv_algorithm *chosen = ranking.candidate[0].algorithm;
    double seconds[16], least = 1e9, taken = 0;
    printf("%3d x %4lld->%-4lld g%-3lld %lldx%lld/%lld %3lld %-8s", times, (long long)src->dim[1],
           (long long)dst->dim[1], (long long)problem.groups, (long long)problem.kh, (long long)problem.kw,
           (long long)problem.stride, (long long)src->dim[2],
           (const char *[]){"forward", "data", "weights"}[problem.pass]);
    for (int a = 0; oc_conv_algorithms[a]; a++) {
        const double cost = oc_conv_cost(b->engine, oc_conv_algorithms[a], &problem);
        if (cost == HUGE_VAL) continue;
        oc_primitive *primitive = NULL, *pack = NULL;
        oc_bench_refuse(oc_conv_create(&primitive, &pack, b->engine, "bench", oc_conv_algorithms[a], &problem, &err),
                        &err);
        seconds[a] = oc_bench_timed(&primitive) + oc_bench_timed(&pack);
        if (oc_conv_algorithms[a] == chosen) taken = seconds[a];
        if (seconds[a] < least) least = seconds[a];
        printf(" | %s%s %.2f/%.2f", oc_conv_algorithms[a] == chosen ? "*" : "", oc_conv_algorithms[a]->name,
               1e3 * seconds[a], 1e3 * cost / b->peak);
        fflush(stdout);
    }
    if (least < 0.97 * taken) printf(" ! %.2f", 1e3 * least);
    printf("\n");
    b->chosen += times * taken;
    b->quickest += times * least;
}

/* The convolutions of the model's graph, equal ones once. */
static void collect(bench *b, int64_t batch) {
    const oc_graph *graph = b->model->graph;
    for (int i = 0; i < graph->nodes; i++) {
        const oc_node *node = &graph->node[i];
        if (node->op != &oc_conv_op) continue;
        const oc_conv_attr *attr = &((const oc_conv_node *)node->attr)->conv;
        const oc_shape *in = &graph->node[node->input[0]].dst, *out = &node->dst;
        const oc_shape src = oc_shape_make(4, batch, in->dim[0], in->dim[1], in->dim[2]);
        const oc_shape dst = oc_shape_make(4, batch, out->dim[0], out->dim[1], out->dim[2]);
        const int64_t block = oc_engine_block(b->engine);
        const bool image = node->input[0] == graph->input;
        const oc_conv_problem problem = {.training = true,
                                         .groups = attr->groups,
                                         .kh = attr->kernel,
                                         .kw = attr->kernel,
                                         .stride = attr->stride,
                                         .pad = attr->pad,
                                         .dilation = attr->dilation,
                                         .src = image ? oc_layout_plain(b->dtype, &src)
                                                      : oc_layout_blocked(b->dtype, &src, block),
                                         .dst = oc_layout_blocked(b->dtype, &dst, block)};
        int at = 0;
        while (at < b->count && !same(&b->seen[at], &problem)) at++;
        if (at == MOST) continue;
        if (at == b->count) b->seen[b->count++] = problem;
        b->times[at]++;
        b->first[at] |= image;
    }
}

int main(int argc, char **argv) {
    static bench b;
    oc_error err = {0};
    const char *name = argc > 1 ? argv[1] : "myresnet-small", *classes[] = {"a", "b"};
    const long batch = argc > 2 ? strtol(argv[2], NULL, 10) : 64, size = argc > 3 ? strtol(argv[3], NULL, 10) : 64;
    if (batch < 1 || argc > 5 || !oc_bench_precision(&b.dtype, argc > 4 ? argv[4] : "fp32")) {
        fprintf(stderr, "usage: bench_convolutions [MODEL [BATCH [SIZE [fp32|bf16]]]]\n");
        return EXIT_FAILURE;
    }
    oc_bench_refuse(oc_model_create(&b.model, name, classes, 2, size, NULL, &err), &err);
    oc_bench_refuse(oc_team_create(&b.team, 0, &err), &err);
    oc_team_enter(b.team);
    oc_bench_refuse(oc_engine_create(&b.engine, b.team, &err), &err);
    b.peak = 0.5e9 * oc_peak_measure(b.team, 0.5).best;
    collect(&b, batch);
    for (int i = 0; i < b.count; i++)
        for (int p = OC_CONV_FORWARD; p <= OC_CONV_BACKWARD_WEIGHTS; p++) {
            if (p == OC_CONV_BACKWARD_DATA && b.first[i]) continue; /* nobody wants an image's gradient */
            b.seen[i].pass = (oc_conv_pass)p;
            pass(&b, b.seen[i], b.times[i]);
        }
    printf("chosen %.1f ms, quickest %.1f ms\n", 1e3 * b.chosen, 1e3 * b.quickest);
    oc_engine_destroy(&b.engine);
    oc_team_destroy(&b.team);
    oc_model_destroy(&b.model);
    return EXIT_SUCCESS;
}
