/* The kernels of gates and drops below the operators: every pair of layouts of a map and its gate, padding that stays
 * zero, results written over sources, saturated numbers, and the same bits for any number of threads. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "compute/drop.h"
#include "compute/elementwise.h"
#include "compute/gate.h"

#define SEED 20240918U
#define TEAMS 3

typedef struct fixture {
    oc_team *team[TEAMS]; /* of 1, 2 and 3 threads */
    oc_engine *engine[TEAMS];
} fixture;

static int setup(void **state) {
    static fixture f;
    for (int i = 0; i < TEAMS; i++) {
        assert_int_equal(oc_team_create(&f.team[i], i + 1, NULL), OC_OK);
        assert_int_equal(oc_engine_create(&f.engine[i], f.team[i], NULL), OC_OK);
    }
    print_message("seed %u\n", SEED);
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    for (int i = 0; i < TEAMS; i++) {
        oc_engine_destroy(&f->engine[i]);
        oc_team_destroy(&f->team[i]);
    }
    return 0;
}

typedef enum form { PLAIN, BLOCKED_8, BLOCKED_16, LAST, FORMS } form;

static oc_layout layout_of(form form, int64_t n, int64_t c, int64_t h, int64_t w) {
    const oc_shape shape = oc_shape_make(4, n, c, h, w);
    return form == PLAIN        ? oc_layout_plain(OC_F32, &shape)
           : form == BLOCKED_8  ? oc_layout_blocked(OC_F32, &shape, 8)
           : form == BLOCKED_16 ? oc_layout_blocked(OC_F32, &shape, 16)
                                : oc_layout_channels_last(OC_F32, &shape);
}

/* A tensor in some layout, and its elements in PyTorch's order. */
typedef struct tensor {
    oc_layout layout;
    oc_map p;
    float *data;
} tensor;

static size_t elements(const tensor *t) {
    return oc_layout_bytes(&t->layout) / sizeof *t->data;
}

static float *at(const tensor *t, int64_t n, int64_t c, int64_t pixel) {
    return &t->data[n * t->p.image_stride + c / t->p.block * t->p.block_stride + pixel * t->p.block + c % t->p.block];
}

/* Padding is zero, or, of what is to be written, rubbish that must go. */
static tensor make(form form, int64_t n, int64_t c, int64_t h, int64_t w, bool written) {
    tensor t = {.layout = layout_of(form, n, c, h, w)};
    assert_true(oc_layout_map(&t.layout, &t.p));
    assert_int_equal(oc_alloc(&t.data, elements(&t), sizeof *t.data, NULL), OC_OK);
    for (size_t i = 0; written && i < elements(&t); i++) t.data[i] = NAN;
    return t;
}

static void fill(tensor *t, oc_random *random, double scale) {
    for (int64_t n = 0; n < t->p.images; n++)
        for (int64_t c = 0; c < t->p.channels; c++)
            for (int64_t i = 0; i < t->p.h * t->p.w; i++)
                *at(t, n, c, i) = (float)(scale * oc_random_range(random, -1, 1));
}

static void check_padding(const tensor *t) {
    double all = 0, used = 0;
    for (size_t i = 0; i < elements(t); i++) {
        assert_false(isnan(t->data[i]));
        all += fabs((double)t->data[i]);
    }
    for (int64_t n = 0; n < t->p.images; n++)
        for (int64_t c = 0; c < t->p.channels; c++)
            for (int64_t i = 0; i < t->p.h * t->p.w; i++) used += fabs((double)*at(t, n, c, i));
    assert_true(fabs(all - used) <= 1e-9 * all);
}

static void run(const fixture *f, int team, oc_primitive **work, float *const data[OC_SLOTS]) {
    const oc_layout *scratchpad = oc_primitive_layout(*work, OC_SLOT_SCRATCHPAD);
    float *scratch = NULL;
    oc_team_enter(f->team[team]);
    assert_int_equal(oc_alloc(&scratch, oc_layout_bytes(scratchpad) + 1, 1, NULL), OC_OK);
    memset(scratch, 0xff, oc_layout_bytes(scratchpad));
    for (int slot = 0; slot < OC_SLOTS; slot++) {
        if (oc_layout_absent(oc_primitive_layout(*work, (oc_slot)slot))) continue;
        float *memory = slot == OC_SLOT_SCRATCHPAD ? scratch : data[slot];
        assert_non_null(memory);
        assert_int_equal(oc_primitive_bind(*work, (oc_slot)slot, memory, NULL), OC_OK);
    }
    assert_int_equal(oc_primitive_execute(*work, NULL), OC_OK);
    oc_primitive_destroy(work);
    oc_free(scratch);
}

/* To a millionth of `scale`, as far as single precision has such small numbers. */
static void assert_near(double is, double want, double scale) {
    if (!(fabs(is - want) <= 1e-6 * scale + FLT_MIN)) fail_msg("%.9g is not %.9g", is, want);
}

typedef struct shape {
    int64_t n, c, h, w;
} shape;

static const shape shapes[] = {{1, 3, 7, 5},  {3, 8, 1, 1},    {3, 12, 9, 11},
                               {2, 64, 5, 3}, {1, 20, 40, 33}, {3, 1, 6, 7}};
#define SHAPES ((int)(sizeof shapes / sizeof *shapes))

/* Everything a call may do with one set of tensors: into memory of its own by one thread, over its sources by three;
 * the bits must agree. */
static void assert_same(const tensor *a, const float *b) {
    assert_memory_equal(a->data, b, elements(a) * sizeof *b);
}

static float *copy_of(const tensor *t) {
    float *copy = NULL;
    assert_int_equal(oc_alloc(&copy, elements(t), sizeof *copy, NULL), OC_OK);
    memcpy(copy, t->data, elements(t) * sizeof *copy);
    return copy;
}

static void scale_case(const fixture *f, shape s, form map, form small, double scale) {
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, (uint32_t)map, (uint64_t)small);
    tensor src = make(map, s.n, s.c, s.h, s.w, false), gate = make(small, s.n, s.c, 1, 1, false);
    tensor diff = make(map, s.n, s.c, s.h, s.w, false), dst = make(map, s.n, s.c, s.h, s.w, true);
    tensor diff_src = make(map, s.n, s.c, s.h, s.w, true), diff_gate = make(small, s.n, s.c, 1, 1, true);
    const int64_t area = s.h * s.w;
    oc_primitive *work = NULL;
    fill(&src, &random, scale), fill(&gate, &random, 1), fill(&diff, &random, 1);
    assert_int_equal(oc_scale_forward_create(&work, f->engine[0], "test", &src.layout, &gate.layout, NULL), OC_OK);
    run(f, 0, &work,
        (float *[OC_SLOTS]){[OC_SLOT_SRC] = src.data, [OC_SLOT_SRC_1] = gate.data, [OC_SLOT_DST] = dst.data});
    assert_int_equal(oc_scale_backward_create(&work, f->engine[0], "test", &src.layout, &gate.layout, NULL), OC_OK);
    run(f, 0, &work,
        (float *[OC_SLOTS]){[OC_SLOT_SRC] = src.data,
                            [OC_SLOT_SRC_1] = gate.data,
                            [OC_SLOT_DIFF_DST] = diff.data,
                            [OC_SLOT_DIFF_SRC] = diff_src.data,
                            [OC_SLOT_DIFF_SRC_1] = diff_gate.data});
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t c = 0; c < s.c; c++) {
            double sum = 0, size = 0;
            for (int64_t i = 0; i < area; i++) {
                const double product = (double)*at(&diff, n, c, i) * *at(&src, n, c, i);
                sum += product, size += fabs(product);
                assert_near(*at(&dst, n, c, i), (double)*at(&src, n, c, i) * *at(&gate, n, c, 0), scale);
                assert_near(*at(&diff_src, n, c, i), (double)*at(&diff, n, c, i) * *at(&gate, n, c, 0), 1);
            }
            assert_near(*at(&diff_gate, n, c, 0), sum, size);
        }
    check_padding(&dst), check_padding(&diff_src), check_padding(&diff_gate);
    for (int team = 1; team < TEAMS; team++) {
        float *over = copy_of(&src), *over_diff = copy_of(&diff), *other = copy_of(&diff_gate);
        assert_int_equal(oc_scale_forward_create(&work, f->engine[team], "test", &src.layout, &gate.layout, NULL),
                         OC_OK);
        run(f, team, &work,
            (float *[OC_SLOTS]){[OC_SLOT_SRC] = over, [OC_SLOT_SRC_1] = gate.data, [OC_SLOT_DST] = over});
        assert_same(&dst, over);
        memcpy(over, src.data, elements(&src) * sizeof *over);
        float *to = team == 1 ? over : over_diff; /* over the source, or over the gradient */
        assert_int_equal(oc_scale_backward_create(&work, f->engine[team], "test", &src.layout, &gate.layout, NULL),
                         OC_OK);
        run(f, team, &work,
            (float *[OC_SLOTS]){[OC_SLOT_SRC] = over,
                                [OC_SLOT_SRC_1] = gate.data,
                                [OC_SLOT_DIFF_DST] = over_diff,
                                [OC_SLOT_DIFF_SRC] = to,
                                [OC_SLOT_DIFF_SRC_1] = other});
        assert_same(&diff_src, to), assert_same(&diff_gate, other);
        oc_free(over), oc_free(over_diff), oc_free(other);
    }
    oc_free(src.data), oc_free(gate.data), oc_free(diff.data), oc_free(dst.data), oc_free(diff_src.data);
    oc_free(diff_gate.data);
}

static void test_scale(void **state) {
    for (int i = 0; i < SHAPES; i++)
        for (int map = 0; map < FORMS; map++)
            for (int small = 0; small < FORMS; small++)
                scale_case(*state, shapes[i], (form)map, (form)small, small % 2 ? 1 : 100);
}

static void select_case(const fixture *f, shape s, form map, form small, double steep) {
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 100 + (uint32_t)map, (uint64_t)small);
    tensor a = make(map, s.n, s.c, s.h, s.w, false), b = make(map, s.n, s.c, s.h, s.w, false);
    tensor scores = make(small, s.n, 2 * s.c, 1, 1, false), diff = make(map, s.n, s.c, s.h, s.w, false);
    tensor dst = make(map, s.n, s.c, s.h, s.w, true), diff_a = make(map, s.n, s.c, s.h, s.w, true);
    tensor diff_b = make(map, s.n, s.c, s.h, s.w, true), diff_scores = make(small, s.n, 2 * s.c, 1, 1, true);
    const int64_t area = s.h * s.w;
    oc_primitive *work = NULL;
    fill(&a, &random, 1), fill(&b, &random, 1), fill(&scores, &random, steep), fill(&diff, &random, 1);
    assert_int_equal(oc_select_forward_create(&work, f->engine[0], "test", &a.layout, &scores.layout, NULL), OC_OK);
    run(f, 0, &work,
        (float *[OC_SLOTS]){
            [OC_SLOT_SRC] = a.data, [OC_SLOT_SRC_1] = b.data, [OC_SLOT_SRC_2] = scores.data, [OC_SLOT_DST] = dst.data});
    assert_int_equal(oc_select_backward_create(&work, f->engine[0], "test", &a.layout, &scores.layout, NULL), OC_OK);
    run(f, 0, &work,
        (float *[OC_SLOTS]){[OC_SLOT_SRC] = a.data,
                            [OC_SLOT_SRC_1] = b.data,
                            [OC_SLOT_SRC_2] = scores.data,
                            [OC_SLOT_DIFF_DST] = diff.data,
                            [OC_SLOT_DIFF_SRC] = diff_a.data,
                            [OC_SLOT_DIFF_SRC_1] = diff_b.data,
                            [OC_SLOT_DIFF_SRC_2] = diff_scores.data});
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t c = 0; c < s.c; c++) {
            /* Each share on its own, so that the smaller keeps its digits. */
            const double t = (double)*at(&scores, n, c, 0) - *at(&scores, n, s.c + c, 0);
            const double first = 1 / (1 + exp(-t)), second = 1 / (1 + exp(t));
            double sum = 0, size = 0;
            for (int64_t i = 0; i < area; i++) {
                const double d = *at(&diff, n, c, i), x = *at(&a, n, c, i), y = *at(&b, n, c, i);
                sum += d * (x - y), size += fabs(d) * (fabs(x) + fabs(y));
                assert_near(*at(&dst, n, c, i), x * first + y * second, 1);
                assert_near(*at(&diff_a, n, c, i), d * first, first);
                assert_near(*at(&diff_b, n, c, i), d * second, second);
            }
            const double slope = first * second;
            assert_near(*at(&diff_scores, n, c, 0), sum * slope, size * slope);
            assert_near(*at(&diff_scores, n, s.c + c, 0), -sum * slope, size * slope);
        }
    check_padding(&dst), check_padding(&diff_a), check_padding(&diff_b), check_padding(&diff_scores);
    for (int team = 1; team < TEAMS; team++) {
        float *x = copy_of(&a), *y = copy_of(&b), *over = copy_of(&diff), *other = copy_of(&diff_scores);
        assert_int_equal(oc_select_forward_create(&work, f->engine[team], "test", &a.layout, &scores.layout, NULL),
                         OC_OK);
        float *to = team == 1 ? x : y;
        run(f, team, &work,
            (float *[OC_SLOTS]){
                [OC_SLOT_SRC] = x, [OC_SLOT_SRC_1] = y, [OC_SLOT_SRC_2] = scores.data, [OC_SLOT_DST] = to});
        assert_same(&dst, to);
        memcpy(x, a.data, elements(&a) * sizeof *x), memcpy(y, b.data, elements(&b) * sizeof *y);
        float *to_a = team == 1 ? over : x;
        assert_int_equal(oc_select_backward_create(&work, f->engine[team], "test", &a.layout, &scores.layout, NULL),
                         OC_OK);
        run(f, team, &work,
            (float *[OC_SLOTS]){[OC_SLOT_SRC] = x,
                                [OC_SLOT_SRC_1] = y,
                                [OC_SLOT_SRC_2] = scores.data,
                                [OC_SLOT_DIFF_DST] = over,
                                [OC_SLOT_DIFF_SRC] = to_a,
                                [OC_SLOT_DIFF_SRC_1] = y,
                                [OC_SLOT_DIFF_SRC_2] = other});
        assert_same(&diff_a, to_a), assert_same(&diff_b, y), assert_same(&diff_scores, other);
        oc_free(x), oc_free(y), oc_free(over), oc_free(other);
    }
    oc_free(a.data), oc_free(b.data), oc_free(scores.data), oc_free(diff.data), oc_free(dst.data);
    oc_free(diff_a.data), oc_free(diff_b.data), oc_free(diff_scores.data);
}

/* Also with scores so far apart that one share is all but nothing, or nothing. */
static void test_select(void **state) {
    static const double steep[] = {1, 20, 1000, 3e38};
    for (int i = 0; i < SHAPES; i++)
        for (int map = 0; map < FORMS; map++)
            for (int small = 0; small < FORMS; small++)
                select_case(*state, shapes[i], (form)map, (form)small, steep[(map + small) % 4]);
}

static void test_sigmoid(void **state) {
    const fixture *f = *state;
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 200, 0);
    for (int k = 0; k < SHAPES * FORMS; k++) {
        const shape s = shapes[k / FORMS];
        const form map = (form)(k % FORMS);
        tensor src = make(map, s.n, s.c, s.h, s.w, false), dst = make(map, s.n, s.c, s.h, s.w, true);
        tensor diff = make(map, s.n, s.c, s.h, s.w, false);
        oc_primitive *work = NULL;
        fill(&src, &random, k % 3 ? 4 : 200), fill(&diff, &random, 1);
        assert_int_equal(oc_sigmoid_forward_create(&work, f->engine[0], "test", &src.layout, NULL), OC_OK);
        run(f, 0, &work, (float *[OC_SLOTS]){[OC_SLOT_SRC] = src.data, [OC_SLOT_DST] = dst.data});
        check_padding(&dst);
        float *over = copy_of(&src), *over_diff = copy_of(&diff);
        assert_int_equal(oc_sigmoid_forward_create(&work, f->engine[2], "test", &src.layout, NULL), OC_OK);
        run(f, 2, &work, (float *[OC_SLOTS]){[OC_SLOT_SRC] = over, [OC_SLOT_DST] = over});
        assert_same(&dst, over);
        assert_int_equal(oc_sigmoid_backward_create(&work, f->engine[1], "test", &src.layout, NULL), OC_OK);
        run(f, 1, &work,
            (float *[OC_SLOTS]){
                [OC_SLOT_DST] = dst.data, [OC_SLOT_DIFF_DST] = over_diff, [OC_SLOT_DIFF_SRC] = over_diff});
        tensor result = src;
        result.data = over_diff;
        check_padding(&result);
        for (int64_t i = 0; i < s.n * s.c * s.h * s.w; i++) {
            const int64_t pixel = i % (s.h * s.w), c = i / (s.h * s.w) % s.c, n = i / (s.h * s.w * s.c);
            const double y = 1 / (1 + exp(-(double)*at(&src, n, c, pixel)));
            assert_near(*at(&dst, n, c, pixel), y, y);
            assert_near(*at(&result, n, c, pixel), *at(&diff, n, c, pixel) * y * (1 - y), 0.25);
        }
        oc_free(src.data), oc_free(dst.data), oc_free(diff.data), oc_free(over), oc_free(over_diff);
    }
}

/* What is dropped does not depend on the layout, nor on threads; the backward pass drops the same. */
static void test_drop(void **state) {
    const fixture *f = *state;
    for (int k = 0; k < SHAPES * FORMS * 2; k++) {
        const shape s = shapes[k / FORMS / 2];
        const form map = (form)(k / 2 % FORMS);
        const oc_drop_spec spec = {.p = 0.4, .elements = k % 2, .stream = 11};
        tensor src = make(map, s.n, s.c, s.h, s.w, false), dst = make(map, s.n, s.c, s.h, s.w, true);
        oc_draw draw = {.seed = SEED, .step = 5};
        oc_primitive *work = NULL;
        float *kept = NULL;
        oc_random random;
        oc_random_init(&random, SEED, OC_RANDOM_TEST, 300, (uint64_t)k);
        fill(&src, &random, 1);
        for (int team = 0; team < TEAMS; team++) {
            float *over = copy_of(&src);
            assert_int_equal(oc_drop_forward_create(&work, f->engine[team], "test", &spec, &src.layout, NULL), OC_OK);
            if (!kept) {
                assert_int_equal(
                    oc_alloc(&kept, oc_layout_bytes(oc_primitive_layout(work, OC_SLOT_WORKSPACE)), 1, NULL), OC_OK);
            }
            float *to = team == 0 ? dst.data : over;
            run(f, team, &work,
                (float *[OC_SLOTS]){[OC_SLOT_DRAW] = (float *)(void *)&draw,
                                    [OC_SLOT_SRC] = team == 0 ? src.data : over,
                                    [OC_SLOT_DST] = to,
                                    [OC_SLOT_WORKSPACE] = kept});
            assert_same(&dst, to);
            memcpy(over, src.data, elements(&src) * sizeof *over);
            assert_int_equal(oc_drop_backward_create(&work, f->engine[team], "test", &spec, &src.layout, NULL), OC_OK);
            run(f, team, &work,
                (float *[OC_SLOTS]){[OC_SLOT_DIFF_DST] = over, [OC_SLOT_DIFF_SRC] = over, [OC_SLOT_WORKSPACE] = kept});
            assert_same(&dst, over);
            oc_free(over);
        }
        check_padding(&dst);
        for (int64_t n = 0; n < s.n; n++) {
            bool keep = false;
            oc_random_init(&random, SEED, OC_RANDOM_DROP, 5, (uint64_t)11 << 32 | (uint64_t)n);
            for (int64_t i = 0; i < s.c * s.h * s.w; i++) {
                const int64_t c = i / (s.h * s.w), pixel = i % (s.h * s.w);
                if (i == 0 || spec.elements) keep = oc_random_u32(&random) >= 0.4 * 4294967296.0;
                assert_near(*at(&dst, n, c, pixel), keep ? *at(&src, n, c, pixel) / 0.6 : 0, 1);
            }
        }
        oc_free(src.data), oc_free(dst.data), oc_free(kept);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_select),
        cmocka_unit_test(test_sigmoid),
        cmocka_unit_test(test_drop),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
