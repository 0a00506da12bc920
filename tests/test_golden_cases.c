/* label: slow */
/* The models at other sizes, batches, class counts and stems, against PyTorch in float64: tests/data/cases.json holds
 * of each case scores, the loss, and digests of some gradients and running statistics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/golden.h"
#include "support/reference.h"

/* The number of fields that are wrong. */
static int check_case(const json_t *json) {
    static const char *const fields[] = {"model",       "batch",        "size",      "classes",
                                         "stem",        "stem_pool",    "input",     "labels_name",
                                         "labels",      "mixup_lambda", "tolerance", "label_smoothing",
                                         "logits_eval", "logits_train", "losses",    "grads",
                                         "running",     "ties",         NULL};
    golden g;
    reference_only_keys(json, fields);
    golden_open(&g, json, reference_member(json, "ties"));
    print_message("  %s, %lldx%lld, stem %s%s\n", json_string_value(reference_member(json, "model")), (long long)g.size,
                  (long long)g.size, json_string_value(reference_member(json, "stem")),
                  json_is_true(reference_member(json, "stem_pool")) ? "" : ", no pool");
    golden_fill(&g);
    const int wrong = golden_check_evaluation(&g) + golden_check_training(&g, false);
    golden_close(&g);
    return wrong;
}

static void test_cases(void **state) {
    (void)state;
    json_t *cases = NULL;
    oc_error err = {0};
    int wrong = 0;
    if (oc_json_read(&cases, OC_TEST_DATA "/cases.json", &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
    assert_true(json_array_size(cases) > 30);
    for (size_t i = 0; i < json_array_size(cases); i++) wrong += check_case(json_array_get(cases, i));
    json_decref(cases);
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
