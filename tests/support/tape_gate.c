/* The reference of the operators: gates, selection and drops. */
#include <math.h>

#include "base/random.h"
#include "support/tape.h"

/* Which of a node's planes (image, channel) an element belongs to. */
static size_t plane_of(const tape_node *d, size_t i) {
    return i / (size_t)(d->h * d->w);
}

/* Places of the two scores of an element. */
static void scores_of(const tape_node *d, size_t i, size_t *first, size_t *second) {
    const size_t c = (size_t)d->c, plane = plane_of(d, i);
    *first = plane / c * 2 * c + plane % c;
    *second = *first + c;
}

static double share(const tape_node *scores, size_t first, size_t second) {
    return 1 / (1 + exp(scores->value[second] - scores->value[first]));
}

static void draw_factors(tape *t, tape_node *d) {
    const size_t image = d->count / (size_t)t->batch;
    for (int64_t n = 0; n < t->batch; n++) {
        oc_random random;
        double factor = 0;
        oc_random_init(&random, t->seed, OC_RANDOM_DROP, (uint32_t)t->step, (uint64_t)d->stream << 32 | (uint64_t)n);
        for (size_t i = 0; i < image; i++) {
            if (i == 0 || d->elements) factor = oc_random_u32(&random) < d->p * 4294967296.0 ? 0 : 1 / (1 - d->p);
            d->factor[(size_t)n * image + i] = factor;
        }
    }
}

void tape_forward_gate(tape *t, tape_node *d, bool train) {
    const double *a = t->node[d->a].value;
    if (d->op == TAPE_DROP && train) draw_factors(t, d);
    for (size_t i = 0; i < d->count; i++) {
        size_t first, second;
        double s;
        switch (d->op) {
        case TAPE_SIGMOID:
            d->value[i] = 1 / (1 + exp(-a[i]));
            break;
        case TAPE_SCALE:
            d->value[i] = a[i] * t->node[d->b].value[plane_of(d, i)];
            break;
        case TAPE_SELECT:
            scores_of(d, i, &first, &second);
            s = share(&t->node[d->third], first, second);
            d->value[i] = a[i] * s + t->node[d->b].value[i] * (1 - s);
            break;
        default:
            d->value[i] = train ? a[i] * d->factor[i] : a[i];
            break;
        }
    }
}

void tape_backward_gate(tape *t, tape_node *d) {
    tape_node *a = &t->node[d->a];
    for (size_t i = 0; i < d->count; i++) {
        const size_t plane = plane_of(d, i);
        size_t first, second;
        double s;
        switch (d->op) {
        case TAPE_SIGMOID:
            a->diff[i] += d->diff[i] * d->value[i] * (1 - d->value[i]);
            break;
        case TAPE_SCALE:
            a->diff[i] += d->diff[i] * t->node[d->b].value[plane];
            t->node[d->b].diff[plane] += d->diff[i] * a->value[i];
            break;
        case TAPE_SELECT: {
            tape_node *b = &t->node[d->b], *scores = &t->node[d->third];
            scores_of(d, i, &first, &second);
            s = share(scores, first, second);
            const double slope = d->diff[i] * (a->value[i] - b->value[i]) * s * (1 - s);
            a->diff[i] += d->diff[i] * s;
            b->diff[i] += d->diff[i] * (1 - s);
            scores->diff[first] += slope;
            scores->diff[second] -= slope;
            break;
        }
        default:
            a->diff[i] += d->diff[i] * d->factor[i];
            break;
        }
    }
}
