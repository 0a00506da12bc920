/* label: slow */
/* What conv.exact is for: the error against PyTorch in float64 (tests/data, as in test_golden.c) of scores in
 * evaluation and of the first training step of each model of the reference, with the quick algorithms of convolutions
 * and without. What it prints is the table of results/exactness.md. The batch is the reference's four images four times
 * over, for which every algorithm is open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/golden.h"
#include "support/reference.h"

#define COPIES 4
/* No more than this may come of the less exact algorithms; without them the reference's tolerance holds. */
#define LOGITS 1e-4

static void measure(const char *name, const json_t *ties) {
    json_t *json = reference_read(name);
    golden_errors e[2];
    for (int exact = 0; exact < 2; exact++) {
        golden g;
        golden_open(&g, json, strncmp(name, "myresnet-", 9) == 0 ? NULL : reference_member(ties, name));
        golden_fill(&g);
        golden_repeat(&g, COPIES);
        e[exact] = golden_measure(&g, exact);
        const double allowed = exact ? reference_number(reference_member(g.tolerance, "logits")) : LOGITS;
        if (!(e[exact].logits <= allowed)) fail_msg("%s: scores off by %g, not %g", name, e[exact].logits, allowed);
        if (!(e[exact].evaluation <= allowed))
            fail_msg("%s: scores in evaluation off by %g, not %g", name, e[exact].evaluation, allowed);
        golden_close(&g);
    }
    print_message("| `%s` | %.1e, %.1e | %.1e, %.1e | %.1e, %.1e | %.1e, %.1e | %.1e, %.1e | %.1e, %.1e |\n", name,
                  e[0].evaluation, e[1].evaluation, e[0].logits, e[1].logits, e[0].loss, e[1].loss, e[0].norm,
                  e[1].norm, e[0].tensor_norm, e[1].tensor_norm, e[0].element, e[1].element);
    json_decref(json);
}

static void test_errors(void **state) {
    (void)state;
    static const char *const models[] = {"myresnet-small", "myresnet-base",      "seresnet18",
                                         "seresnet34",     "seresnext26d_32x4d", "skresnet18",
                                         "skresnet34",     "resnet18",           "resnet34"};
    json_t *ties = reference_read("ties");
    print_message("| model | scores in evaluation | scores in training | loss | norm of all gradients | a tensor's "
                  "norm | an element |\n");
    print_message("| --- | --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) measure(models[i], ties);
    json_decref(ties);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
