#include "support/golden_bf16.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/formula.h"
#include "support/golden.h"
#include "support/reference.h"

#define TOTAL 0.02     /* of the loss, of the norm of all gradients */
#define AS_PYTORCH 2.0 /* of a tensor's gradient */

/* Squared norms of a gradient, of the exact one, and of what lies between them. */
typedef struct distance {
    double is, exact, between;
} distance;

static distance distance_of(const oc_tensor *tensor, const float *is, const float *exact) {
    distance d = {0};
    for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i++) {
        d.is += (double)is[i] * is[i];
        d.exact += (double)exact[i] * exact[i];
        d.between += ((double)is[i] - exact[i]) * ((double)is[i] - exact[i]);
    }
    return d;
}

/* A gradient of few numbers is near or far by chance: what PyTorch's own are off by on average counts, if that is more.
 */
#define FEW 64

static double average_of_few(const golden *g, const json_t *pytorch) {
    double sum = 0;
    int count = 0;
    for (size_t i = 0; i < oc_table_count(g->table); i++) {
        const oc_tensor *tensor = oc_table_at(g->table, i);
        const json_t *off = json_object_get(pytorch, tensor->name);
        if (!off || tensor->count >= FEW) continue;
        sum += reference_number(off);
        count++;
    }
    return count > 0 ? sum / count : 0;
}

/* The number of tensors that are too far off; *all sums up over those of `pytorch`. */
static int check_tensors(const golden *g, const json_t *pytorch, const float *is, const float *exact, distance *all) {
    const double few = average_of_few(g, pytorch);
    double worst = 0;
    const char *place = "";
    int wrong = 0;
    size_t checked = 0;
    for (size_t i = 0; i < oc_table_count(g->table); i++) {
        const oc_tensor *tensor = oc_table_at(g->table, i);
        const json_t *off = json_object_get(pytorch, tensor->name);
        if (!off) continue; /* a statistic, or a bias without a gradient */
        const distance d = distance_of(tensor, is, exact);
        const double theirs = fmax(reference_number(off), tensor->count < FEW ? few : 0);
        const double ratio = sqrt(d.between / d.exact) / theirs;
        all->is += d.is, all->exact += d.exact, all->between += d.between;
        wrong += !(ratio <= AS_PYTORCH);
        checked++;
        if (ratio <= worst) continue;
        worst = ratio;
        place = tensor->name;
    }
    assert_int_equal(checked, json_object_size(pytorch));
    print_message("    %zu tensors, at most %.3g times as far off as PyTorch's, at %s\n", checked, worst, place);
    return wrong;
}

/* The reference's case with more images. */
static void enlarge(json_t *json, int64_t batch) {
    const char *name = json_string_value(json_object_get(json, "labels_name"));
    const int64_t classes = json_integer_value(reference_member(json, "classes"));
    int32_t *labels = calloc((size_t)batch, sizeof *labels);
    json_t *list = json_array();
    formula_labels(labels, name ? name : "labels", (size_t)batch, classes);
    for (int64_t i = 0; i < batch; i++) json_array_append_new(list, json_integer(labels[i]));
    json_object_set_new(json, "labels", list);
    json_object_set_new(json, "batch", json_integer(batch));
    free(labels);
}

static int check_model(const char *name, const json_t *pytorch, int64_t batch, const char *algorithm) {
    golden g;
    json_t *json = reference_read(name);
    enlarge(json, batch);
    golden_open(&g, json, NULL);
    golden_fill(&g);
    if (algorithm) assert_true(golden_plan_has(&g, OC_PRECISION_BF16, algorithm));
    float *exact = calloc(oc_table_arena_size(g.table), sizeof *exact);
    float *is = calloc(oc_table_arena_size(g.table), sizeof *is);
    const double want = golden_gradients(&g, OC_PRECISION_FP32, exact);
    const double loss = golden_gradients(&g, OC_PRECISION_BF16, is);
    distance all = {0};
    print_message("  %s\n", name);
    int wrong = check_tensors(&g, pytorch, is, exact, &all);
    const double loss_off = loss / want - 1, norm_off = sqrt(all.is / all.exact) - 1;
    print_message("    loss off by %.2g, the norm of all gradients by %.2g, all gradients by %.3g\n", loss_off,
                  norm_off, sqrt(all.between / all.exact));
    wrong += !(fabs(loss_off) <= TOTAL) + !(fabs(norm_off) <= TOTAL);
    free(exact), free(is);
    golden_close(&g);
    json_decref(json);
    return wrong;
}

static bool is_among(const char *name, const char *const *models) {
    for (; *models; models++)
        if (strcmp(name, *models) == 0) return true;
    return false;
}

void golden_bf16_check(const char *algorithm, const char *const *models) {
    json_t *data = reference_read("bf16");
    const char *name;
    json_t *pytorch;
    int wrong = 0;
    size_t checked = 0, wanted = 0;
    const int64_t batch = json_integer_value(reference_member(data, "batch"));
    while (models && models[wanted]) wanted++;
    json_object_foreach(data, name, pytorch) {
        if (!json_is_object(pytorch) || (models && !is_among(name, models))) continue;
        wrong += check_model(name, pytorch, batch, algorithm);
        checked++;
    }
    json_decref(data);
    assert_int_equal(checked, models ? wanted : 6);
    assert_int_equal(wrong, 0);
}
