/* The reference of the operators: forward and backward, in the order in which a textbook writes the sums. */
#include <math.h>
#include <string.h>

#include "support/tape.h"

#define EPSILON 1e-5
#define MOMENTUM 0.1

/* What becomes of one (dst, src, weight) triple of a convolution; for the backward passes dst is diff_dst, and src or
 * weight the gradient. */
typedef void (*product_fn)(double *dst, double *src, double *weight);

static void forward_product(double *dst, double *src, double *weight) {
    *dst += *src * *weight;
}

static void backward_data_product(double *dst, double *src, double *weight) {
    *src += *dst * *weight;
}

static void backward_weight_product(double *dst, double *src, double *weight) {
    *weight += *dst * *src;
}

/* Calls visit for every (dst, src, weight) triple of a convolution. */
static inline __attribute__((always_inline)) void visit_conv(const tape *t, const tape_node *d, double *dst,
                                                             double *src, double *weight, product_fn visit) {
    const tape_node *s = &t->node[d->a];
    const int64_t ic = s->c / d->groups, per_group = d->c / d->groups, k = d->kernel;
    for (int64_t n = 0; n < t->batch; n++)
        for (int64_t o = 0; o < d->c; o++)
            for (int64_t y = 0; y < d->h; y++)
                for (int64_t x = 0; x < d->w; x++)
                    for (int64_t ky = 0; ky < k; ky++)
                        for (int64_t kx = 0; kx < k; kx++) {
                            const int64_t sy = y * d->stride - d->pad + ky * d->dilation;
                            const int64_t sx = x * d->stride - d->pad + kx * d->dilation;
                            if (sy < 0 || sy >= s->h || sx < 0 || sx >= s->w) continue;
                            for (int64_t i = 0; i < ic; i++) {
                                const int64_t c = o / per_group * ic + i;
                                visit(&dst[((n * d->c + o) * d->h + y) * d->w + x],
                                      &src[((n * s->c + c) * s->h + sy) * s->w + sx],
                                      &weight[((o * ic + i) * k + ky) * k + kx]);
                            }
                        }
}

static void forward_conv(tape *t, tape_node *d) {
    const int64_t area = d->h * d->w;
    for (size_t i = 0; i < d->count; i++)
        d->value[i] = d->bias == TAPE_NONE ? 0 : t->param[d->bias].value[(int64_t)i / area % d->c];
    visit_conv(t, d, d->value, t->node[d->a].value, t->param[d->weight].value, forward_product);
}

static void backward_conv(tape *t, tape_node *d) {
    const int64_t area = d->h * d->w;
    tape_node *s = &t->node[d->a];
    visit_conv(t, d, d->diff, s->diff, t->param[d->weight].value, backward_data_product);
    visit_conv(t, d, d->diff, s->value, t->param[d->weight].grad, backward_weight_product);
    if (d->bias == TAPE_NONE) return;
    for (size_t i = 0; i < d->count; i++) t->param[d->bias].grad[(int64_t)i / area % d->c] += d->diff[i];
}

/* Element i of the m = batch × h × w ones of channel c. */
static size_t channel_place(const tape_node *d, int64_t c, int64_t i) {
    const int64_t area = d->h * d->w;
    return (size_t)((i / area * d->c + c) * area + i % area);
}

static void forward_batch_norm(tape *t, tape_node *d, bool train, bool update) {
    const double *src = t->node[d->a].value;
    double *running_mean = t->param[d->running_mean].value, *running_var = t->param[d->running_var].value;
    const int64_t m = t->batch * d->h * d->w;
    for (int64_t c = 0; c < d->c; c++) {
        double mean = running_mean[c], var = running_var[c];
        if (train) {
            mean = var = 0;
            for (int64_t i = 0; i < m; i++) mean += src[channel_place(d, c, i)] / (double)m;
            for (int64_t i = 0; i < m; i++) var += pow(src[channel_place(d, c, i)] - mean, 2) / (double)m;
        }
        if (update) {
            running_mean[c] += MOMENTUM * (mean - running_mean[c]);
            running_var[c] += MOMENTUM * (var * (double)m / (double)(m - 1) - running_var[c]);
        }
        d->mean[c] = mean;
        d->scale[c] = 1 / sqrt(var + EPSILON);
        for (int64_t i = 0; i < m; i++) {
            const size_t p = channel_place(d, c, i);
            d->value[p] = (src[p] - mean) * d->scale[c] * t->param[d->weight].value[c] + t->param[d->bias].value[c];
        }
    }
}

static void backward_batch_norm(tape *t, tape_node *d) {
    tape_node *s = &t->node[d->a];
    const int64_t m = t->batch * d->h * d->w;
    for (int64_t c = 0; c < d->c; c++) {
        double sum = 0, dot = 0;
        for (int64_t i = 0; i < m; i++) {
            const size_t p = channel_place(d, c, i);
            sum += d->diff[p];
            dot += d->diff[p] * (s->value[p] - d->mean[c]) * d->scale[c];
        }
        t->param[d->bias].grad[c] += sum;
        t->param[d->weight].grad[c] += dot;
        for (int64_t i = 0; i < m; i++) {
            const size_t p = channel_place(d, c, i);
            const double normal = (s->value[p] - d->mean[c]) * d->scale[c];
            s->diff[p] += t->param[d->weight].value[c] * d->scale[c] * (d->diff[p] - (sum + normal * dot) / (double)m);
        }
    }
}

/* The place in src of the winner of the window at (plane, y, x): the first of the largest, in row order. */
static size_t pool_winner(const tape_node *s, const tape_node *d, int64_t plane, int64_t y, int64_t x) {
    size_t best = SIZE_MAX;
    for (int64_t ky = 0; ky < d->kernel; ky++)
        for (int64_t kx = 0; kx < d->kernel; kx++) {
            const int64_t sy = y * d->stride - d->pad + ky, sx = x * d->stride - d->pad + kx;
            if (sy < 0 || sy >= s->h || sx < 0 || sx >= s->w) continue;
            const size_t p = (size_t)((plane * s->h + sy) * s->w + sx);
            if (best == SIZE_MAX || s->value[p] > s->value[best]) best = p;
        }
    return best;
}

static void run_max_pool(tape *t, tape_node *d, bool backward) {
    tape_node *s = &t->node[d->a];
    for (int64_t plane = 0; plane < t->batch * d->c; plane++)
        for (int64_t y = 0; y < d->h; y++)
            for (int64_t x = 0; x < d->w; x++) {
                const size_t p = (size_t)((plane * d->h + y) * d->w + x), winner = pool_winner(s, d, plane, y, x);
                if (backward)
                    s->diff[winner] += d->diff[p];
                else
                    d->value[p] = s->value[winner];
            }
}

/* Averages over what of each window lies in the image; a global pool is one window over all. */
static void run_average(tape *t, tape_node *d, bool backward) {
    tape_node *s = &t->node[d->a];
    const bool all = d->op == TAPE_GLOBAL_POOL;
    for (int64_t plane = 0; plane < t->batch * d->c; plane++)
        for (int64_t y = 0; y < d->h; y++)
            for (int64_t x = 0; x < d->w; x++) {
                const size_t p = (size_t)((plane * d->h + y) * d->w + x);
                const int64_t top = y * d->stride - d->pad, left = x * d->stride - d->pad;
                double sum = 0, count = 0;
                for (int pass = 0; pass < 1 + backward; pass++)
                    for (int64_t sy = 0; sy < s->h; sy++)
                        for (int64_t sx = 0; sx < s->w; sx++) {
                            if (!all && (sy < top || sy >= top + d->kernel || sx < left || sx >= left + d->kernel))
                                continue;
                            const int64_t at = (plane * s->h + sy) * s->w + sx;
                            if (pass == 0) sum += s->value[at], count++;
                            if (pass == 1) s->diff[at] += d->diff[p] / count;
                        }
                if (!backward) d->value[p] = sum / count;
            }
}

/* Copies: of every stride-th pixel, or of the channels from `begin` on. */
static void run_pick(tape *t, tape_node *d, bool backward) {
    tape_node *s = &t->node[d->a];
    const int64_t step = d->op == TAPE_SUBSAMPLE ? d->stride : 1;
    for (size_t p = 0; p < d->count; p++) {
        const int64_t i = (int64_t)p, x = i % d->w, y = i / d->w % d->h, c = i / (d->w * d->h) % d->c;
        const int64_t n = i / (d->w * d->h * d->c);
        const int64_t at = ((n * s->c + c + d->begin) * s->h + y * step) * s->w + x * step;
        if (backward)
            s->diff[at] += d->diff[p];
        else
            d->value[p] = s->value[at];
    }
}

static void forward_linear(tape *t, tape_node *d) {
    const tape_node *s = &t->node[d->a];
    for (int64_t n = 0; n < t->batch; n++)
        for (int64_t o = 0; o < d->c; o++) {
            double sum = t->param[d->bias].value[o];
            for (int64_t i = 0; i < s->c; i++) sum += s->value[n * s->c + i] * t->param[d->weight].value[o * s->c + i];
            d->value[n * d->c + o] = sum;
        }
}

static void backward_linear(tape *t, tape_node *d) {
    tape_node *s = &t->node[d->a];
    for (int64_t n = 0; n < t->batch; n++)
        for (int64_t o = 0; o < d->c; o++) {
            const double diff = d->diff[n * d->c + o];
            t->param[d->bias].grad[o] += diff;
            for (int64_t i = 0; i < s->c; i++) {
                s->diff[n * s->c + i] += diff * t->param[d->weight].value[o * s->c + i];
                t->param[d->weight].grad[o * s->c + i] += diff * s->value[n * s->c + i];
            }
        }
}

void tape_forward(tape *t, bool train, bool update) {
    for (int k = 1; k < t->nodes; k++) {
        tape_node *d = &t->node[k];
        const double *a = t->node[d->a].value;
        switch (d->op) {
        case TAPE_INPUT:
            break;
        case TAPE_CONV:
            forward_conv(t, d);
            break;
        case TAPE_BATCH_NORM:
            forward_batch_norm(t, d, train, update);
            break;
        case TAPE_MAX_POOL:
            run_max_pool(t, d, false);
            break;
        case TAPE_AVG_POOL:
        case TAPE_GLOBAL_POOL:
            run_average(t, d, false);
            break;
        case TAPE_SLICE:
        case TAPE_SUBSAMPLE:
            run_pick(t, d, false);
            break;
        case TAPE_SIGMOID:
        case TAPE_SCALE:
        case TAPE_SELECT:
        case TAPE_DROP:
            tape_forward_gate(t, d, train);
            break;
        case TAPE_LINEAR:
            forward_linear(t, d);
            break;
        case TAPE_FLATTEN:
            memcpy(d->value, a, d->count * sizeof *a);
            break;
        case TAPE_RELU:
            for (size_t i = 0; i < d->count; i++) d->value[i] = a[i] > 0 ? a[i] : 0;
            break;
        case TAPE_ADD:
            for (size_t i = 0; i < d->count; i++) d->value[i] = a[i] + t->node[d->b].value[i];
            break;
        }
    }
}

void tape_backward(tape *t) {
    for (int k = 0; k < t->nodes - 1; k++) memset(t->node[k].diff, 0, t->node[k].count * sizeof(double));
    for (int k = 0; k < t->params; k++)
        if (t->param[k].grad) memset(t->param[k].grad, 0, t->param[k].count * sizeof(double));
    for (int k = t->nodes - 1; k > 0; k--) {
        tape_node *d = &t->node[k], *a = &t->node[d->a];
        switch (d->op) {
        case TAPE_INPUT:
            break;
        case TAPE_CONV:
            backward_conv(t, d);
            break;
        case TAPE_BATCH_NORM:
            backward_batch_norm(t, d);
            break;
        case TAPE_MAX_POOL:
            run_max_pool(t, d, true);
            break;
        case TAPE_AVG_POOL:
        case TAPE_GLOBAL_POOL:
            run_average(t, d, true);
            break;
        case TAPE_SLICE:
        case TAPE_SUBSAMPLE:
            run_pick(t, d, true);
            break;
        case TAPE_SIGMOID:
        case TAPE_SCALE:
        case TAPE_SELECT:
        case TAPE_DROP:
            tape_backward_gate(t, d);
            break;
        case TAPE_LINEAR:
            backward_linear(t, d);
            break;
        case TAPE_FLATTEN:
            for (size_t i = 0; i < d->count; i++) a->diff[i] += d->diff[i];
            break;
        case TAPE_RELU:
            for (size_t i = 0; i < d->count; i++) a->diff[i] += a->value[i] > 0 ? d->diff[i] : 0;
            break;
        case TAPE_ADD:
            for (size_t i = 0; i < d->count; i++) a->diff[i] += d->diff[i];
            for (size_t i = 0; i < d->count; i++) t->node[d->b].diff[i] += d->diff[i];
            break;
        }
    }
}
