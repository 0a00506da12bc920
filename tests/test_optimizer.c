/* Optimizers, schedules, clipping and averaging against plain double-precision references written from the formulas.
 * (The comparison with PyTorch's own numbers is in test_golden_training.c.) */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "train/ema.h"
#include "train/optimizer.h"

#define SEED 20231
#define STEPS 7

/* A table with tensors of every kind; one is longer than a chunk and no multiple of any vector. */
typedef struct bench {
    oc_table *table;
    size_t size;
    float *parameters, *gradients;
    double *p, *m, *v; /* the reference */
} bench;

static void fill(float *x, size_t count, uint64_t stream, double scale) {
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 0, stream);
    for (size_t i = 0; i < count; i++) x[i] = (float)oc_random_range(&random, -scale, scale);
}

/* New gradients in the places of parameters only. */
static void fill_gradients(bench *b, uint64_t step) {
    for (size_t t = 0; t < oc_table_count(b->table); t++) {
        const oc_tensor *tensor = oc_table_at(b->table, t);
        if (tensor->parameter) fill(b->gradients + tensor->offset, tensor->count, 100 * (step + 1) + t, 0.1);
    }
}

static bench bench_create(void) {
    static const struct {
        const char *name;
        int64_t count;
        bool parameter, decay;
    } tensors[] = {{"conv.weight", 40013, true, true},
                   {"conv.bias", 7, true, false},
                   {"bn.running_mean", 7, false, false},
                   {"fc.weight", 65, true, true},
                   {"fc.bias", 1, true, false}};
    bench b = {0};
    assert_int_equal(oc_table_create(&b.table, NULL), OC_OK);
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        oc_tensor tensor = {.name = tensors[i].name,
                            .shape = oc_shape_make(1, tensors[i].count),
                            .parameter = tensors[i].parameter,
                            .decay = tensors[i].decay};
        assert_int_equal(oc_table_add(b.table, &tensor, NULL, NULL), OC_OK);
    }
    b.size = oc_table_arena_size(b.table);
    assert_int_equal(oc_alloc(&b.parameters, b.size, sizeof(float), NULL), OC_OK);
    assert_int_equal(oc_alloc(&b.gradients, b.size, sizeof(float), NULL), OC_OK);
    assert_int_equal(oc_alloc(&b.p, b.size, sizeof(double), NULL), OC_OK);
    assert_int_equal(oc_alloc(&b.m, b.size, sizeof(double), NULL), OC_OK);
    assert_int_equal(oc_alloc(&b.v, b.size, sizeof(double), NULL), OC_OK);
    for (size_t t = 0; t < oc_table_count(b.table); t++) {
        const oc_tensor *tensor = oc_table_at(b.table, t);
        fill(b.parameters + tensor->offset, tensor->count, t, 0.5);
    }
    for (size_t i = 0; i < b.size; i++) b.p[i] = b.parameters[i];
    return b;
}

static void bench_destroy(bench *b) {
    oc_table_destroy(&b->table);
    oc_free(b->parameters);
    oc_free(b->gradients);
    oc_free(b->p);
    oc_free(b->m);
    oc_free(b->v);
}

static oc_recipe_values settings(const char *name) {
    return (oc_recipe_values){.optimizer = name,
                              .weight_decay = 0.1,
                              .beta1 = 0.9,
                              .beta2 = 0.99,
                              .eps = 1e-8,
                              .momentum = 0.9,
                              .nesterov = true};
}

static void reference_adamw(const oc_recipe_values *s, double decay, int step, double lr, double g, double *p,
                            double *m, double *v) {
    *p -= lr * decay * *p;
    *m = s->beta1 * *m + (1 - s->beta1) * g;
    *v = s->beta2 * *v + (1 - s->beta2) * g * g;
    double m_hat = *m / (1 - pow(s->beta1, step)), v_hat = *v / (1 - pow(s->beta2, step));
    *p -= lr * m_hat / (sqrt(v_hat) + s->eps);
}

static void reference_sgd(const oc_recipe_values *s, double decay, int step, double lr, double g, double *p, double *m,
                          double *v) {
    (void)v;
    g += decay * *p;
    if (s->momentum > 0) {
        *m = step == 1 ? g : s->momentum * *m + g;
        g = s->nesterov ? g + s->momentum * *m : *m;
    }
    *p -= lr * g;
}

typedef void (*reference_fn)(const oc_recipe_values *, double, int, double, double, double *, double *, double *);

static void check_steps(const oc_recipe_values *s, reference_fn reference, int states) {
    bench b = bench_create();
    oc_optimizer *optimizer = NULL;
    oc_team *team = NULL;
    const char *names[OC_OPTIMIZER_MAX_STATE];
    float *arenas[OC_OPTIMIZER_MAX_STATE];
    assert_int_equal(oc_team_create(&team, 2, NULL), OC_OK);
    assert_int_equal(oc_optimizer_create(&optimizer, s, b.table, NULL), OC_OK);
    assert_int_equal(oc_optimizer_state(optimizer, names, arenas), states);
    for (int step = 1; step <= STEPS; step++) {
        double lr = 0.01 / step;
        fill_gradients(&b, (uint64_t)step);
        for (size_t t = 0; t < oc_table_count(b.table); t++) {
            const oc_tensor *tensor = oc_table_at(b.table, t);
            for (size_t i = tensor->offset; tensor->parameter && i < tensor->offset + tensor->count; i++)
                reference(s, tensor->decay ? s->weight_decay : 0, step, lr, (double)b.gradients[i], &b.p[i], &b.m[i],
                          &b.v[i]);
        }
        oc_optimizer_step(optimizer, b.parameters, b.gradients, lr, team);
        assert_int_equal(oc_optimizer_steps(optimizer), step);
        double worst = 0;
        for (size_t i = 0; i < b.size; i++) worst = fmax(worst, fabs((double)b.parameters[i] - b.p[i]));
        if (!(worst < 1e-6)) fail_msg("step %d of %s is off by %g", step, s->optimizer, worst);
    }
    oc_optimizer_destroy(&optimizer);
    oc_team_destroy(&team);
    bench_destroy(&b);
}

static void test_adamw(void **state) {
    (void)state;
    oc_recipe_values s = settings("adamw");
    check_steps(&s, reference_adamw, 2);
}

static void test_sgd(void **state) {
    (void)state;
    oc_recipe_values s = settings("sgd");
    check_steps(&s, reference_sgd, 1);
    s.nesterov = false;
    check_steps(&s, reference_sgd, 1);
    s.momentum = 0;
    check_steps(&s, reference_sgd, 0);
}

/* Zero gradients: decayed tensors shrink by 1 − lr·decay exactly, the others and running statistics stay. */
static void test_decay_groups(void **state) {
    (void)state;
    bench b = bench_create();
    oc_recipe_values s = settings("adamw");
    oc_optimizer *optimizer = NULL;
    assert_int_equal(oc_optimizer_create(&optimizer, &s, b.table, NULL), OC_OK);
    oc_optimizer_step(optimizer, b.parameters, b.gradients, 0.5, NULL);
    for (size_t t = 0; t < oc_table_count(b.table); t++) {
        const oc_tensor *tensor = oc_table_at(b.table, t);
        for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i++)
            assert_true(b.parameters[i] == (tensor->decay ? (float)b.p[i] * 0.95f : (float)b.p[i]));
    }
    oc_optimizer_destroy(&optimizer);
    bench_destroy(&b);
}

/* The same bits with 1, 2 and 3 threads: steps, clipping, averaging. */
static void test_threads(void **state) {
    (void)state;
    float *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        bench b = bench_create();
        oc_recipe_values s = settings("adamw");
        oc_optimizer *optimizer = NULL;
        oc_team *team = NULL;
        float *average = NULL;
        assert_int_equal(oc_alloc(&average, b.size, sizeof(float), NULL), OC_OK);
        assert_int_equal(oc_team_create(&team, threads, NULL), OC_OK);
        assert_int_equal(oc_optimizer_create(&optimizer, &s, b.table, NULL), OC_OK);
        for (int step = 0; step < 3; step++) {
            fill_gradients(&b, (uint64_t)step);
            oc_gradients_clip(b.table, b.gradients, 2.5, team);
            oc_optimizer_step(optimizer, b.parameters, b.gradients, 0.01, team);
            oc_ema_update(average, b.parameters, b.size, 0.9, team);
        }
        for (size_t i = 0; i < b.size; i++) average[i] += 3 * b.parameters[i];
        if (first) {
            assert_memory_equal(first, average, b.size * sizeof(float));
            oc_free(average);
        } else {
            first = average;
        }
        oc_optimizer_destroy(&optimizer);
        oc_team_destroy(&team);
        bench_destroy(&b);
    }
    oc_free(first);
}

/* A step after restoring moments and count is the step that would have come. */
static void test_restore(void **state) {
    (void)state;
    bench b = bench_create();
    oc_recipe_values s = settings("adamw");
    oc_optimizer *one = NULL, *two = NULL;
    const char *names[OC_OPTIMIZER_MAX_STATE];
    float *from[OC_OPTIMIZER_MAX_STATE], *to[OC_OPTIMIZER_MAX_STATE], *copy = NULL;
    assert_int_equal(oc_optimizer_create(&one, &s, b.table, NULL), OC_OK);
    assert_int_equal(oc_optimizer_create(&two, &s, b.table, NULL), OC_OK);
    assert_int_equal(oc_alloc(&copy, b.size, sizeof(float), NULL), OC_OK);
    fill_gradients(&b, 0);
    for (int step = 0; step < 3; step++) oc_optimizer_step(one, b.parameters, b.gradients, 0.01, NULL);
    int states = oc_optimizer_state(one, names, from);
    assert_string_equal(names[0], "exp_avg");
    assert_string_equal(names[1], "exp_avg_sq");
    oc_optimizer_state(two, names, to);
    for (int i = 0; i < states; i++) memcpy(to[i], from[i], b.size * sizeof(float));
    memcpy(copy, b.parameters, b.size * sizeof(float));
    oc_optimizer_set_steps(two, 3);
    oc_optimizer_step(one, b.parameters, b.gradients, 0.01, NULL);
    oc_optimizer_step(two, copy, b.gradients, 0.01, NULL);
    assert_memory_equal(copy, b.parameters, b.size * sizeof(float));
    oc_optimizer_destroy(&one);
    oc_optimizer_destroy(&two);
    oc_free(copy);
    bench_destroy(&b);
}

static void test_clip(void **state) {
    (void)state;
    bench b = bench_create();
    fill_gradients(&b, 3);
    double sum = 0;
    float *before = NULL;
    assert_int_equal(oc_alloc(&before, b.size, sizeof(float), NULL), OC_OK);
    memcpy(before, b.gradients, b.size * sizeof(float));
    for (size_t i = 0; i < b.size; i++) sum += (double)before[i] * (double)before[i];
    double norm = sqrt(sum);
    assert_true(fabs(oc_gradients_clip(b.table, b.gradients, 1e9, NULL) - norm) < 1e-9 * norm);
    assert_memory_equal(before, b.gradients, b.size * sizeof(float)); /* small enough: untouched */
    assert_true(fabs(oc_gradients_clip(b.table, b.gradients, norm / 4, NULL) - norm) < 1e-9 * norm);
    for (size_t i = 0; i < b.size; i++)
        assert_true(fabs((double)b.gradients[i] - (double)before[i] / 4) <= 1e-6 * fabs((double)before[i]));
    b.gradients[5] = INFINITY;
    assert_false(isfinite(oc_gradients_clip(b.table, b.gradients, 1, NULL)));
    oc_free(before);
    bench_destroy(&b);
}

static void test_ema(void **state) {
    (void)state;
    float average[100], weights[100];
    fill(average, 100, 1, 1);
    fill(weights, 100, 2, 1);
    for (int i = 0; i < 100; i++) {
        double want = 0.75 * (double)average[i] + 0.25 * (double)weights[i];
        float one = average[i];
        oc_ema_update(&one, &weights[i], 1, 0.75, NULL);
        assert_true(fabs((double)one - want) < 1e-7);
    }
}

static void near(double is, double want) {
    if (!(fabs(is - want) <= 1e-9 * fabs(want))) fail_msg("%.12g is not %.12g", is, want);
}

static void test_schedules(void **state) {
    (void)state;
    oc_recipe_values s = {.schedule = "constant", .lr = 1e-3, .final_lr = 1e-6};
    near(oc_schedule_lr(&s, 0, 100), 1e-3);
    near(oc_schedule_lr(&s, 99, 100), 1e-3);
    s.warmup_steps = 10;
    near(oc_schedule_lr(&s, 5, 100), 5e-4);
    near(oc_schedule_lr(&s, 10, 100), 1e-3);

    s.schedule = "cosine";
    assert_true(oc_schedule_lr(&s, 0, 100) == 0);
    near(oc_schedule_lr(&s, 10, 100), 1e-3);
    near(oc_schedule_lr(&s, 55, 100), 1e-6 + 0.5 * (1e-3 - 1e-6));
    near(oc_schedule_lr(&s, 100, 100), 1e-6);
    s.warmup_steps = 200; /* longer than the run: it never leaves the warm-up */
    near(oc_schedule_lr(&s, 99, 100), 1e-3 * 0.5 * (1 - cos(3.14159265358979323846 * 99 / 200)));

    /* torch.optim.lr_scheduler.OneCycleLR(max_lr=1e-3, total_steps=100): peak at step 29, ends at 99. */
    s.schedule = "one-cycle";
    near(oc_schedule_lr(&s, 0, 100), 4e-5);
    near(oc_schedule_lr(&s, 29, 100), 1e-3);
    near(oc_schedule_lr(&s, 99, 100), 4e-9);
    near(oc_schedule_lr(&s, 64, 100), 4e-9 + 0.5 * (1e-3 - 4e-9));
    for (int t = 0; t < 99; t++) assert_true(isfinite(oc_schedule_lr(&s, t, 100)));
    for (int total = 1; total < 8; total++)
        for (int t = 0; t < total; t++) {
            double lr = oc_schedule_lr(&s, t, total);
            assert_true(lr > 0 && lr <= 1e-3);
        }
}

static void test_unknown(void **state) {
    (void)state;
    bench b = bench_create();
    oc_recipe_values s = settings("lion");
    oc_optimizer *optimizer = NULL;
    oc_error error = {0};
    assert_int_equal(oc_optimizer_create(&optimizer, &s, b.table, &error), OC_E_USAGE);
    assert_null(optimizer);
    bench_destroy(&b);
}

int main(void) {
    print_message("seed %d\n", SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adamw),   cmocka_unit_test(test_sgd),       cmocka_unit_test(test_decay_groups),
        cmocka_unit_test(test_threads), cmocka_unit_test(test_restore),   cmocka_unit_test(test_clip),
        cmocka_unit_test(test_ema),     cmocka_unit_test(test_schedules), cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
