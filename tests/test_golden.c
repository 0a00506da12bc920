/* label: slow */
/* The models against PyTorch in float64: tests/data/<model>.json holds, for weights, images and labels that a formula
 * gives, the table of tensors, the scores in evaluation, and of three training steps the scores, running statistics,
 * gradients and losses. Every field is checked to the file's own tolerance, and a field that this test does not know
 * fails it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ocelli/models.h"
#include "support/formula.h"
#include "support/golden.h"
#include "support/reference.h"

static void check_fields(const json_t *json, const char *name) {
    static const char *const fields[] = {
        "model",   "batch",        "size",      "classes",         "parameters", "labels",       "tolerance",
        "tensors", "mixup_lambda", "optimizer", "label_smoothing", "losses",     "logits_train", "logits_eval",
        "grads",   "running",      "input",     "labels_name",     NULL};
    static const char *const settings[] = {"name", "lr", "betas", "eps", "weight_decay", NULL};
    const json_t *optimizer = reference_member(json, "optimizer"), *betas = reference_member(optimizer, "betas");
    reference_only_keys(json, fields);
    reference_only_keys(optimizer, settings);
    assert_string_equal(json_string_value(reference_member(json, "model")), name);
    assert_int_equal(json_array_size(reference_member(json, "losses")), 3);
    /* What support/golden.c takes a step with. */
    assert_string_equal(json_string_value(reference_member(optimizer, "name")), "adamw");
    assert_true(reference_number(reference_member(optimizer, "lr")) == 1e-5);
    assert_true(reference_number(reference_member(optimizer, "eps")) == 1e-8);
    assert_true(reference_number(reference_member(optimizer, "weight_decay")) == 0.01);
    assert_true(reference_number(json_array_get(betas, 0)) == 0.9);
    assert_true(reference_number(json_array_get(betas, 1)) == 0.999);
}

/* Names, order, shapes, kinds, flags and the number of parameters. */
static void check_table(const golden *g) {
    static const char *const known[] = {"name", "shape", "kind", "parameter", "decay", "zero_gradient", NULL};
    const json_t *tensors = reference_member(g->json, "tensors");
    float *filled = calloc(oc_table_arena_size(g->table), sizeof *filled);
    assert_int_equal(oc_table_count(g->table), json_array_size(tensors));
    for (size_t i = 0; i < json_array_size(tensors); i++) {
        const json_t *want = json_array_get(tensors, i), *shape = reference_member(want, "shape");
        const oc_tensor *tensor = oc_table_at(g->table, i);
        reference_only_keys(want, known);
        assert_string_equal(tensor->name, json_string_value(reference_member(want, "name")));
        assert_int_equal(tensor->shape.ndim, json_array_size(shape));
        for (int d = 0; d < tensor->shape.ndim; d++)
            assert_int_equal(tensor->shape.dim[d], json_integer_value(json_array_get(shape, (size_t)d)));
        assert_int_equal(tensor->parameter, json_is_true(reference_member(want, "parameter")));
        assert_int_equal(tensor->decay, json_is_true(reference_member(want, "decay")));
        /* The weights are those of the kind. */
        const char *kind = json_string_value(reference_member(want, "kind"));
        assert_int_equal(formula_fill(filled, tensor->name, kind, &tensor->shape), 0);
        assert_memory_equal(filled, g->model->weights.arena + tensor->offset, tensor->count * sizeof *filled);
        /* Exactly the biases that have no gradient in truth have none in the reference. */
        assert_int_equal(json_is_true(json_object_get(want, "zero_gradient")),
                         tensor->parameter && !json_object_get(reference_member(g->json, "grads"), tensor->name));
    }
    assert_int_equal(oc_table_parameters(g->table), json_integer_value(reference_member(g->json, "parameters")));
    free(filled);
}

/* The number of fields that are wrong. */
static int check_model(const char *name, const json_t *ties) {
    golden g;
    json_t *json = reference_read(name);
    print_message("  %s\n", name);
    check_fields(json, name);
    /* The own ResNets are held to their tolerances as they compute; nothing is settled for them. */
    golden_open(&g, json, strncmp(name, "myresnet-", 9) == 0 ? NULL : reference_member(ties, name));
    golden_fill(&g);
    check_table(&g);
    const int wrong = golden_check_evaluation(&g) + golden_check_training(&g, true);
    golden_close(&g);
    json_decref(json);
    return wrong;
}

/* Every model of the registry has its reference. */
static void test_every_model(void **state) {
    (void)state;
    json_t *ties = reference_read("ties");
    int wrong = 0;
    assert_true(oc_models_count() >= 14);
    assert_int_equal(json_object_size(ties), oc_models_count());
    for (size_t i = 0; i < oc_models_count(); i++) wrong += check_model(oc_models_name(i), ties);
    json_decref(ties);
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
