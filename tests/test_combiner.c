/* Joining scores: the weights of a mixture against a search, the linear layer against plain arithmetic in double
 * precision, and what both depend on. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "ensemble/ensemble_fit.h"
#include "support/run.h"

#define IMAGES 60
#define CLASSES 4
#define MEMBERS 3
#define INPUTS (MEMBERS * CLASSES)
#define SEED 11

/* Scores of made-up members, the first the best; every third image is one that none is sure of. */
typedef struct world {
    float score[MEMBERS][IMAGES * CLASSES];
    const float *member[MEMBERS];
    int32_t label[IMAGES];
    uint32_t row[IMAGES];
    oc_fit_set set;
    oc_team *team;
} world;
static world w;

static int setup(void **state) {
    static const double skill[MEMBERS] = {2, 1.2, 0.6};
    oc_random random;
    oc_error error = {0};
    (void)state;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 0, 0);
    print_message("seed %d\n", SEED);
    for (int i = 0; i < IMAGES; i++) {
        w.row[i] = (uint32_t)i;
        w.label[i] = (int32_t)oc_random_below(&random, CLASSES);
        for (int m = 0; m < MEMBERS; m++)
            for (int c = 0; c < CLASSES; c++)
                w.score[m][i * CLASSES + c] =
                    (float)(1.5 * oc_random_normal(&random) + (c == w.label[i] && i % 3 ? skill[m] : 0));
    }
    for (int m = 0; m < MEMBERS; m++) w.member[m] = w.score[m];
    w.set = (oc_fit_set){w.member, MEMBERS, CLASSES, w.label, w.row, IMAGES};
    test_require(oc_team_create(&w.team, 2, &error), OC_OK, &error);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    oc_team_destroy(&w.team);
    return 0;
}

static oc_fit_options options_make(void) {
    return (oc_fit_options){.schedule = "cosine",
                            .epochs = 5,
                            .batch_size = 16,
                            .lr = 1e-2,
                            .smoothing = 0.01,
                            .seed = SEED,
                            .team = w.team};
}

static oc_combiner *fit(oc_combine combine, const oc_fit_set *set, const oc_fit_options *options) {
    oc_combiner *combiner = NULL;
    oc_error error = {0};
    test_require(oc_combiner_fit(&combiner, combine, set, options, &error), OC_OK, &error);
    return combiner;
}

/* Probability of the right class by a member. */
static double right_probability(size_t m, int64_t image) {
    const float *score = w.score[m] + image * CLASSES;
    double sum = 0;
    for (int c = 0; c < CLASSES; c++) sum += exp((double)score[c]);
    return exp((double)score[w.label[image]]) / sum;
}

static double mixture_loss(const double *weight) {
    double loss = 0;
    for (int64_t i = 0; i < IMAGES; i++) {
        double p = 0;
        for (size_t m = 0; m < MEMBERS; m++) p += weight[m] * right_probability(m, i);
        loss -= log(p);
    }
    return loss / IMAGES;
}

/* Mean cross-entropy of joined scores. */
static double loss_of(const oc_combiner *combiner) {
    float joined[IMAGES * CLASSES];
    double loss = 0;
    oc_combiner_apply(combiner, w.member, IMAGES, joined, w.team);
    for (int64_t i = 0; i < IMAGES; i++) {
        double sum = 0;
        for (int c = 0; c < CLASSES; c++) sum += exp((double)joined[i * CLASSES + c]);
        loss += log(sum) - (double)joined[i * CLASSES + w.label[i]];
    }
    return loss / IMAGES;
}

/* ---- weighted ---- */

/* No point of a grid over all weights is better than what is found, and the best one is close to it. */
static void test_weighted_is_best(void **state) {
    (void)state;
    const oc_fit_options options = options_make();
    oc_combiner *combiner = fit(OC_COMBINE_WEIGHTED, &w.set, &options);
    const double equal[MEMBERS] = {1.0 / 3, 1.0 / 3, 1.0 / 3};
    double found[MEMBERS], best[MEMBERS] = {0}, best_loss = INFINITY, sum = 0;
    for (int m = 0; m < MEMBERS; m++) {
        found[m] = (double)combiner->weight[m];
        assert_true(found[m] >= 0);
        sum += found[m];
    }
    assert_true(fabs(sum - 1) < 1e-6);
    assert_null(combiner->bias);
    const double loss = mixture_loss(found);
    for (int a = 0; a <= 200; a++)
        for (int b = 0; a + b <= 200; b++) {
            const double weight[MEMBERS] = {a / 200.0, b / 200.0, (200 - a - b) / 200.0};
            const double here = mixture_loss(weight);
            assert_true(loss <= here + 1e-7);
            if (here >= best_loss) continue;
            best_loss = here;
            memcpy(best, weight, sizeof best);
        }
    print_message("weights %.4f %.4f %.4f, by search %.3f %.3f %.3f\n", found[0], found[1], found[2], best[0], best[1],
                  best[2]);
    for (int m = 0; m < MEMBERS; m++) assert_true(fabs(found[m] - best[m]) < 0.011);
    assert_true(loss < mixture_loss(equal) - 1e-3);
    /* What is joined has that loss. */
    assert_true(fabs(loss_of(combiner) - loss) < 1e-6);
    oc_combiner_destroy(&combiner);
}

/* Only the rows named take part, and scores that underflow as probabilities do no harm. */
static void test_weighted_rows(void **state) {
    (void)state;
    const oc_fit_options options = options_make();
    static float sure[IMAGES * CLASSES], wrong[IMAGES * CLASSES];
    uint32_t row[2] = {4, 7};
    for (int i = 0; i < IMAGES; i++)
        for (int c = 0; c < CLASSES; c++) {
            const bool right = c == w.label[i], asked = i == 4 || i == 7;
            sure[i * CLASSES + c] = right == asked ? 1000 : 0;
            wrong[i * CLASSES + c] = right == asked ? 0 : 1000;
        }
    const float *member[2] = {wrong, sure};
    const oc_fit_set set = {member, 2, CLASSES, w.label, row, 2};
    oc_combiner *combiner = fit(OC_COMBINE_WEIGHTED, &set, &options);
    assert_true(combiner->weight[0] < 1e-6F && combiner->weight[1] > 1 - 1e-6F);
    oc_combiner_destroy(&combiner);
}

/* Members of which each is the first with a little of its own, which `own` scales. */
#define ALIKE 10
#define ALIKE_CLASSES 10
#define ALIKE_IMAGES 1000
typedef struct crowd {
    float score[ALIKE][ALIKE_IMAGES * ALIKE_CLASSES];
    int32_t label[ALIKE_IMAGES];
    uint32_t row[ALIKE_IMAGES];
    const float *member[ALIKE];
} crowd;

static oc_fit_set crowd_make(crowd *x, double own, double skill) {
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 1, 0);
    for (int i = 0; i < ALIKE_IMAGES; i++) {
        x->row[i] = (uint32_t)i;
        x->label[i] = (int32_t)oc_random_below(&random, ALIKE_CLASSES);
        for (int c = 0; c < ALIKE_CLASSES; c++) {
            const double shared = 1.5 * oc_random_normal(&random) + (c == x->label[i] ? skill : 0);
            for (int m = 0; m < ALIKE; m++)
                x->score[m][i * ALIKE_CLASSES + c] = (float)(shared * (1 + 0.01 * m) + own * oc_random_normal(&random));
        }
    }
    for (int m = 0; m < ALIKE; m++) x->member[m] = x->score[m];
    return (oc_fit_set){x->member, ALIKE, ALIKE_CLASSES, x->label, x->row, ALIKE_IMAGES};
}

/* By how much other weights could be better, at most: the largest derivative of the log-likelihood, less 1. */
static double crowd_gap(const crowd *x, const float *weight) {
    double derivative[ALIKE] = {0}, gap = 0;
    for (int i = 0; i < ALIKE_IMAGES; i++) {
        double p[ALIKE], mixed = 0;
        for (int m = 0; m < ALIKE; m++) {
            const float *z = x->score[m] + (int64_t)i * ALIKE_CLASSES;
            double sum = 0;
            for (int c = 0; c < ALIKE_CLASSES; c++) sum += exp((double)z[c] - (double)z[x->label[i]]);
            p[m] = 1 / sum;
            mixed += (double)weight[m] * p[m];
        }
        for (int m = 0; m < ALIKE; m++) derivative[m] += p[m] / mixed / ALIKE_IMAGES;
    }
    for (int m = 0; m < ALIKE; m++) gap = fmax(gap, derivative[m] - 1);
    return gap;
}

static void on_log(void *user, oc_log_level level, const char *line) {
    (void)level;
    if (strstr(line, "not exact")) ++*(int *)user;
}

/* Weights of members that hardly differ are the best as well, and where they are not, that is said. */
static void test_weighted_of_alike(void **state) {
    (void)state;
    static const struct {
        double own, skill;
    } cases[] = {{0.05, 2.1}, {0.05, 2.25}, {0.02, 2.3}, {0, 2}, {1, 0}, {40, 20}};
    crowd *x = malloc(sizeof *x);
    assert_non_null(x);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const oc_fit_set set = crowd_make(x, cases[k].own, cases[k].skill);
        int warned = 0;
        const oc_log log = {on_log, &warned};
        oc_fit_options options = options_make();
        options.log = &log;
        oc_combiner *combiner = fit(OC_COMBINE_WEIGHTED, &set, &options);
        const double gap = crowd_gap(x, combiner->weight);
        print_message("own %g, skill %g: to the optimum at most %.1e%s\n", cases[k].own, cases[k].skill, gap,
                      warned ? ", warned" : "");
        assert_int_equal(warned, 0);
        assert_true(gap < 3e-7); /* of the weights' rounding to float */
        oc_combiner_destroy(&combiner);
    }
    free(x);
}

/* ---- stack ---- */

/* One full batch a step in double precision: AdamW with decay on the weight, cosine, smoothing; from the mean. */
static void plain_stack(const oc_fit_options *o, double *weight, double *bias) {
    enum { COUNT = CLASSES * INPUTS };
    static double g[COUNT + CLASSES], first[COUNT + CLASSES], second[COUNT + CLASSES];
    memset(first, 0, sizeof first);
    memset(second, 0, sizeof second);
    memset(weight, 0, COUNT * sizeof *weight);
    memset(bias, 0, CLASSES * sizeof *bias);
    for (int c = 0; c < CLASSES; c++)
        for (int m = 0; m < MEMBERS; m++) weight[c * INPUTS + m * CLASSES + c] = 1.0 / MEMBERS;
    for (int t = 0; t < o->epochs; t++) {
        memset(g, 0, sizeof g);
        for (int i = 0; i < IMAGES; i++) {
            double z[CLASSES], sum = 0;
            for (int c = 0; c < CLASSES; c++) {
                z[c] = bias[c];
                for (int x = 0; x < INPUTS; x++)
                    z[c] += weight[c * INPUTS + x] * (double)w.score[x / CLASSES][i * CLASSES + x % CLASSES];
                sum += exp(z[c]);
            }
            for (int c = 0; c < CLASSES; c++) {
                const double target = (1 - o->smoothing) * (c == w.label[i]) + o->smoothing / CLASSES;
                const double diff = (exp(z[c]) / sum - target) / IMAGES;
                g[COUNT + c] += diff;
                for (int x = 0; x < INPUTS; x++)
                    g[c * INPUTS + x] += diff * (double)w.score[x / CLASSES][i * CLASSES + x % CLASSES];
            }
        }
        const double pi = 3.14159265358979323846, low = 1e-6;
        const double lr = low + 0.5 * (o->lr - low) * (1 + cos(pi * t / (double)o->epochs));
        for (int k = 0; k < COUNT + CLASSES; k++) {
            double *p = k < COUNT ? weight + k : bias + (k - COUNT);
            first[k] += 0.1 * (g[k] - first[k]);
            second[k] += 0.001 * (g[k] * g[k] - second[k]);
            if (k < COUNT) *p *= 1 - lr * 0.01;
            *p -= lr * (first[k] / (1 - pow(0.9, t + 1))) / (sqrt(second[k] / (1 - pow(0.999, t + 1))) + 1e-8);
        }
    }
}

static void test_stack_by_plain_arithmetic(void **state) {
    (void)state;
    double weight[CLASSES * INPUTS], bias[CLASSES];
    oc_fit_options options = options_make();
    options.batch_size = 1000; /* more than there are: one step an epoch */
    options.epochs = 12;
    oc_combiner *combiner = fit(OC_COMBINE_STACK, &w.set, &options);
    plain_stack(&options, weight, bias);
    for (int i = 0; i < CLASSES * INPUTS; i++) assert_true(fabs((double)combiner->weight[i] - weight[i]) < 1e-5);
    for (int i = 0; i < CLASSES; i++) assert_true(fabs((double)combiner->bias[i] - bias[i]) < 1e-5);
    oc_combiner_destroy(&combiner);
}

/* Fitting betters what it starts from; a start and an order of its own for each seed; the same again. */
static void test_stack_learns(void **state) {
    (void)state;
    oc_fit_options options = options_make();
    float start[CLASSES * INPUTS] = {0}, nothing[CLASSES] = {0};
    for (int c = 0; c < CLASSES; c++)
        for (int m = 0; m < MEMBERS; m++) start[c * INPUTS + m * CLASSES + c] = 1.0F / MEMBERS;
    const oc_combiner begin = {OC_COMBINE_STACK, MEMBERS, CLASSES, start, nothing};
    oc_combiner *one = fit(OC_COMBINE_STACK, &w.set, &options), *again = fit(OC_COMBINE_STACK, &w.set, &options);
    print_message("cross-entropy %.4f, fitted %.4f\n", loss_of(&begin), loss_of(one));
    assert_true(loss_of(one) < loss_of(&begin));
    assert_memory_equal(one->weight, again->weight, sizeof start);
    oc_combiner_destroy(&again);
    options.seed++;
    again = fit(OC_COMBINE_STACK, &w.set, &options);
    assert_memory_not_equal(one->weight, again->weight, sizeof start);
    oc_combiner_destroy(&again);
    oc_combiner_destroy(&one);

    /* Random starts lie within ±1/√fan_in; a learning rate of next to nothing leaves them there. */
    options.random = true;
    options.lr = 1e-12;
    options.epochs = 1;
    one = fit(OC_COMBINE_STACK, &w.set, &options);
    const float bound = (float)(1 / sqrt(INPUTS));
    float largest = 0;
    for (int i = 0; i < CLASSES * INPUTS; i++) largest = fmaxf(largest, fabsf(one->weight[i]));
    assert_true(largest <= bound && largest > 0.8F * bound);
    for (int i = 0; i < CLASSES; i++) assert_true(one->bias[i] != 0 && fabsf(one->bias[i]) <= bound);
    options.seed--;
    again = fit(OC_COMBINE_STACK, &w.set, &options);
    assert_memory_not_equal(one->weight, again->weight, sizeof start);
    oc_combiner_destroy(&again);
    oc_combiner_destroy(&one);
}

static bool refuse(void *user, const char *what, int64_t done, int64_t total) {
    (void)what;
    (void)total;
    return done < *(const int *)user;
}

static void test_stack_stops(void **state) {
    (void)state;
    int until = 2;
    oc_error error = {0};
    oc_combiner *combiner = NULL;
    const oc_progress progress = {refuse, &until};
    oc_fit_options options = options_make();
    options.progress = &progress;
    assert_int_equal(oc_combiner_fit(&combiner, OC_COMBINE_STACK, &w.set, &options, &error), OC_E_STOPPED);
    assert_null(combiner);
    w.score[1][5] = INFINITY;
    options.progress = NULL;
    assert_int_equal(oc_combiner_fit(&combiner, OC_COMBINE_STACK, &w.set, &options, &error), OC_E_NON_FINITE);
    assert_null(combiner);
    w.score[1][5] = 0;
}

static void test_weighted_stops(void **state) {
    (void)state;
    oc_error error = {0};
    oc_combiner *combiner = NULL;
    oc_fit_options options = options_make();
    for (int until = 0; until < 3; until++) {
        const oc_progress progress = {refuse, &until};
        options.progress = &progress;
        assert_int_equal(oc_combiner_fit(&combiner, OC_COMBINE_WEIGHTED, &w.set, &options, &error), OC_E_STOPPED);
        assert_null(combiner);
    }
}

/* A mean of one member is that member; joined scores do not depend on the team. */
static void test_apply(void **state) {
    (void)state;
    const oc_fit_options options = options_make();
    const oc_fit_set alone = {w.member, 1, CLASSES, w.label, w.row, IMAGES};
    float joined[IMAGES * CLASSES], other[IMAGES * CLASSES];
    oc_combiner *combiner = fit(OC_COMBINE_MEAN, &alone, &options);
    assert_null(combiner->weight);
    oc_combiner_apply(combiner, w.member, IMAGES, joined, w.team);
    for (int64_t i = 0; i < IMAGES; i++) {
        const float shift = joined[i * CLASSES] - w.score[0][i * CLASSES];
        for (int c = 1; c < CLASSES; c++)
            assert_true(fabsf(joined[i * CLASSES + c] - w.score[0][i * CLASSES + c] - shift) < 1e-5F);
    }
    oc_combiner_destroy(&combiner);
    combiner = fit(OC_COMBINE_STACK, &w.set, &options);
    oc_combiner_apply(combiner, w.member, IMAGES, joined, w.team);
    oc_combiner_apply(combiner, w.member, IMAGES, other, NULL);
    assert_memory_equal(joined, other, sizeof joined);
    oc_combiner_destroy(&combiner);
}

/* ---- choosing members ---- */

/* Scores of one image cannot be split into one half to fit on and one to judge by. */
static void test_prune_of_one_image(void **state) {
    (void)state;
    static const char *const methods[] = {"mean", "weighted", "stack"};
    static const float score[MEMBERS][CLASSES] = {{1}, {0, 1}, {0, 0, 1}};
    int32_t label[1] = {0};
    oc_error error = {0};
    for (int k = 0; k < 3; k++) {
        oc_ensemble_job job = {.options = {.prune = 2},
                               .fit = {.schedule = "constant", .epochs = 1, .batch_size = 1, .lr = 1e-3},
                               .fit_on = "holdout",
                               .members = MEMBERS,
                               .classes = CLASSES,
                               .kept = {true, true, true},
                               .fitted = {.images = 1, .label = label}};
        for (int m = 0; m < MEMBERS; m++) job.fitted.score[m] = score[m];
        test_require(oc_combine_find(&job.combine, methods[k], "", &error), OC_OK, &error);
        assert_int_equal(oc_choice_prune(&job, &error), OC_E_USAGE);
        assert_string_equal(error.where, "--prune");
        test_says(&error, "holdout has too few images (1) to choose members by");
        job.options.prune = MEMBERS; /* nothing is to be chosen */
        test_require(oc_choice_prune(&job, &error), OC_OK, &error);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weighted_is_best),   cmocka_unit_test(test_weighted_rows),
        cmocka_unit_test(test_weighted_of_alike),  cmocka_unit_test(test_stack_by_plain_arithmetic),
        cmocka_unit_test(test_stack_learns),       cmocka_unit_test(test_stack_stops),
        cmocka_unit_test(test_weighted_stops),     cmocka_unit_test(test_apply),
        cmocka_unit_test(test_prune_of_one_image),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
