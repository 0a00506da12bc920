/* Fitting and judging choices of members. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ensemble/ensemble_fit.h"
#include "eval/evaluator.h"
#include "eval/statistics.h"

#define HALVES 2

/* The scores of the members in `use`, one after the other; returns their number. */
static size_t choose(const float **score, const oc_split_scores *scores, const oc_ensemble_job *job, const bool *use) {
    size_t count = 0;
    for (size_t m = 0; m < job->members; m++)
        if (use[m]) score[count++] = scores->score[m];
    return count;
}

oc_status oc_choice_fit(oc_combiner **out, const oc_ensemble_job *job, const bool *use, const uint32_t *row,
                        int64_t rows, oc_error *err) {
    oc_status status = OC_OK;
    const float *score[OC_ENSEMBLE_MOST];
    uint32_t *all = NULL;
    oc_fit_set set = {.score = score, .classes = job->classes, .label = job->fitted.label, .row = row, .rows = rows};
    set.members = choose(score, &job->fitted, job, use);
    if (!row) {
        set.rows = job->fitted.images;
        OC_TRY(oc_alloc(&all, (size_t)set.rows, sizeof *all, err));
        for (int64_t i = 0; i < set.rows; i++) all[i] = (uint32_t)i;
        set.row = all;
    }
    OC_TRY(oc_combiner_fit(out, job->combine, &set, &job->fit, err));
cleanup:
    oc_free(all);
    return status;
}

oc_status oc_choice_evaluate(oc_evaluation *out, bool *right, const oc_ensemble_job *job, const bool *use,
                             const oc_combiner *combiner, oc_error *err) {
    oc_status status = OC_OK;
    const float *score[OC_ENSEMBLE_MOST];
    oc_scores joined = {.images = job->val.images,
                        .classes = job->classes,
                        .skipped = job->val.skipped,
                        .label = job->val.label,
                        .trained_on = -1};
    const size_t chosen = choose(score, &job->val, job, use);
    OC_TRY(oc_alloc(&joined.logits, (size_t)(joined.images * joined.classes), sizeof *joined.logits, err));
    if (combiner)
        oc_combiner_apply(combiner, score, joined.images, joined.logits, job->team);
    else if (chosen > 0)
        memcpy(joined.logits, score[0], (size_t)(joined.images * joined.classes) * sizeof *joined.logits);
    for (size_t m = 0; m < job->members; m++)
        if (use[m]) joined.seconds += job->val.seconds[m];
    *out = oc_scores_evaluation(&joined, job->fit.smoothing);
    if (!(joined.seconds > 0)) out->images_per_second = NAN;
    for (int64_t i = 0; right && i < joined.images; i++)
        right[i] = oc_top1(joined.logits + i * joined.classes, joined.classes) == joined.label[i];
cleanup:
    oc_free(joined.logits);
    return status;
}

/* ---- pruning ---- */

/* *loss = summed cross-entropy of the choice on the fit split, each half of it judged by a combiner fitted on the
 * other. Halves are the images at even and at odd places, which splits every class evenly. */
static oc_status halves_loss(double *loss, const oc_ensemble_job *job, const bool *use, oc_error *err) {
    oc_status status = OC_OK;
    const int64_t images = job->fitted.images;
    const float *score[OC_ENSEMBLE_MOST];
    oc_combiner *combiner = NULL;
    uint32_t *row = NULL;
    int32_t *label = NULL;
    float *joined = NULL;
    oc_score sum = {0};
    choose(score, &job->fitted, job, use);
    OC_TRY(oc_alloc(&row, (size_t)images, sizeof *row, err));
    OC_TRY(oc_alloc(&label, (size_t)images, sizeof *label, err));
    OC_TRY(oc_alloc(&joined, (size_t)(images * job->classes), sizeof *joined, err));
    for (int64_t half = 0; half < HALVES; half++) {
        int64_t rows = 0;
        for (int64_t i = 0; i < images; i++) {
            const bool judged = i % HALVES == half;
            label[i] = judged ? job->fitted.label[i] : -1;
            if (!judged) row[rows++] = (uint32_t)i;
        }
        OC_TRY(oc_choice_fit(&combiner, job, use, row, rows, err));
        oc_combiner_apply(combiner, score, images, joined, job->team);
        oc_score_labelled(joined, label, images, job->classes, 0, &sum, job->team);
        oc_combiner_destroy(&combiner);
    }
    *loss = sum.loss;
cleanup:
    oc_combiner_destroy(&combiner);
    oc_free(row);
    oc_free(label);
    oc_free(joined);
    return status;
}

oc_status oc_choice_prune(oc_ensemble_job *job, oc_error *err) {
    oc_status status = OC_OK;
    size_t left = 0;
    for (size_t m = 0; m < job->members; m++) left += job->kept[m];
    if ((int64_t)left > job->options.prune && job->fitted.images < HALVES)
        return oc_fail(err, OC_E_USAGE, "--prune",
                       "%s has too few images (%lld) to choose members by: each half of them judges what was fitted on "
                       "the other",
                       job->fit_on, (long long)job->fitted.images);
    for (; (int64_t)left > job->options.prune; left--) {
        bool use[OC_ENSEMBLE_MOST];
        double best = 0;
        size_t worst = job->members; /* the member without which the loss is `best` */
        memcpy(use, job->kept, sizeof use);
        for (size_t m = 0; m < job->members; m++) {
            double loss = 0;
            if (!job->kept[m]) continue;
            use[m] = false;
            OC_TRY(halves_loss(&loss, job, use, err));
            use[m] = true;
            /* Of equals the later one goes. */
            if (worst == job->members || loss <= best) {
                best = loss;
                worst = m;
            }
        }
        assert(worst < job->members);
        job->kept[worst] = false;
        oc_log_line(&job->options.log, OC_LOG_INFO, "%s: left out; cross-entropy without it %.4f", job->path[worst],
                    best / (double)job->fitted.images);
    }
cleanup:
    return status;
}
