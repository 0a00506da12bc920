/* Figures of scores, and statistical tests. */
#include "eval/statistics.h"

#include <math.h>

/* The normal distribution's 0.975 quantile. */
static const double z_95 = 1.959963984540054;

int32_t oc_top1(const float *logits, int64_t classes) {
    int64_t best = 0;
    for (int64_t c = 1; c < classes; c++)
        if (logits[c] > logits[best] || (isnan(logits[best]) && !isnan(logits[c]))) best = c;
    return (int32_t)best;
}

double oc_probability(const float *logits, int64_t classes, int32_t c) {
    double sum = 0;
    for (int64_t k = 0; k < classes; k++) sum += exp((double)logits[k] - (double)logits[c]);
    return 1 / sum;
}

bool oc_scores_finite(const float *logits, int64_t classes) {
    for (int64_t c = 0; c < classes; c++)
        if (!isfinite(logits[c])) return false;
    return true;
}

void oc_wilson(int64_t right, int64_t all, double *low, double *high) {
    *low = *high = NAN;
    if (all <= 0) return;
    const double n = (double)all, share = (double)right / n, z2 = z_95 * z_95;
    const double centre = share + z2 / (2 * n);
    const double spread = z_95 * sqrt(share * (1 - share) / n + z2 / (4 * n * n));
    /* At the ends one bound is the share itself, which rounding would miss. */
    *low = right == 0 ? 0 : (centre - spread) / (1 + z2 / n);
    *high = right == all ? 1 : (centre + spread) / (1 + z2 / n);
}

double oc_mcnemar(int64_t only_a, int64_t only_b) {
    const int64_t fewer = only_a < only_b ? only_a : only_b;
    const double less = (double)fewer, n = (double)only_a + (double)only_b, more = n - less;
    if (only_a == only_b) return 1;
    /* Both tails are Σ C(n, i) / 2ⁿ for i = 0 … less. The largest term, the last, may be far below what a double can
     * hold only where p is: its logarithm is taken, and the others follow as shares of it. */
    const double last = lgamma(n + 1) - lgamma(less + 1) - lgamma(more + 1) - n * log(2.0);
    double sum = 1, term = 1;
    for (int64_t i = fewer; i > 0 && term > sum * 1e-17; i--) sum += term *= (double)i / (n - (double)i + 1);
    const double p = 2 * exp(last + log(sum));
    return p < 1 ? p : 1;
}

bool oc_reliability(oc_reliability_bin bin[OC_RELIABILITY_BINS], const float *logits, const int32_t *label,
                    int64_t rows, int64_t classes) {
    bool numbers = true;
    for (int b = 0; b < OC_RELIABILITY_BINS; b++) bin[b] = (oc_reliability_bin){0};
    for (int64_t i = 0; i < rows; i++) {
        if (label[i] < 0) continue;
        const float *row = logits + i * classes;
        const int32_t best = oc_top1(row, classes);
        const double likeliest = oc_probability(row, classes, best);
        numbers = numbers && !isnan(likeliest);
        if (isnan(likeliest)) continue;
        /* Bin b holds confidences in (b, b + 1] / bins. */
        int place = (int)ceil(likeliest * OC_RELIABILITY_BINS) - 1;
        if (place < 0) place = 0;
        if (place > OC_RELIABILITY_BINS - 1) place = OC_RELIABILITY_BINS - 1;
        bin[place].images++;
        bin[place].confidence += likeliest;
        bin[place].right += best == label[i];
    }
    return numbers;
}

double oc_calibration_error(const float *logits, const int32_t *label, int64_t rows, int64_t classes) {
    oc_reliability_bin bin[OC_RELIABILITY_BINS];
    double error = 0;
    int64_t counted = 0;
    if (!oc_reliability(bin, logits, label, rows, classes)) return NAN;
    for (int b = 0; b < OC_RELIABILITY_BINS; b++) {
        error += fabs((double)bin[b].right - bin[b].confidence);
        counted += bin[b].images;
    }
    return counted > 0 ? error / (double)counted : NAN;
}
