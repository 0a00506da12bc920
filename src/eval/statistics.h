/* Figures of scores, and statistical tests. Pure functions. */
#ifndef OC_EVAL_STATISTICS_H
#define OC_EVAL_STATISTICS_H

#include <stdbool.h>
#include <stdint.h>

/* The likeliest class of a row of scores; the lower one of equals. A score that is not a number is below all others. */
int32_t oc_top1(const float *logits, int64_t classes);

/* The softmax of a row of scores at class `c`; NaN where a score is. */
double oc_probability(const float *logits, int64_t classes, int32_t c);

/* Whether a row of scores has neither an infinity nor a NaN. */
bool oc_scores_finite(const float *logits, int64_t classes);

/* Wilson's 95 % interval of a share of `right` out of `all` (Wilson, JASA 1927); NaN for all = 0. */
void oc_wilson(int64_t right, int64_t all, double *low, double *high);

/* McNemar's test, exact: two-sided probability that `only_a` and `only_b` differ as much by chance, given their sum
 * (binomial, ½); 1 when both are 0. */
double oc_mcnemar(int64_t only_a, int64_t only_b);

/* A bin of a reliability diagram: images whose guess has a probability in it. */
#define OC_RELIABILITY_BINS 15
typedef struct oc_reliability_bin {
    int64_t images, right;
    double confidence; /* sum of the guesses' probabilities */
} oc_reliability_bin;
/* Fills 15 equal bins of confidence, bin b for (b, b + 1] / 15, from the rows that have a label (DeGroot and Fienberg,
 * 1983). False: a score among them is not a number; such a row is in no bin. */
bool oc_reliability(oc_reliability_bin bin[OC_RELIABILITY_BINS], const float *logits, const int32_t *label,
                    int64_t rows, int64_t classes);

/* Expected calibration error over the bins of oc_reliability (Guo et al., ICML 2017); rows labelled −1 are left
 * out; NaN when none remains or a score among them is not a number. logits [rows, classes], label
 * [rows]. */
double oc_calibration_error(const float *logits, const int32_t *label, int64_t rows, int64_t classes);

#endif
