/* What an ensemble is worth, and each of its members. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "ensemble/ensemble_fit.h"
#include "eval/statistics.h"
#include "ocelli/models.h"

struct oc_ensemble_report {
    size_t members;
    oc_ensemble_member member[OC_ENSEMBLE_MOST]; /* texts owned */
    double *correlation;                         /* [members, members] */
    oc_evaluation whole;
    size_t best;
    double p;
    int64_t parameters, macs; /* of the whole */
    char *json;
};

/* ---- judging ---- */

/* Pearson's correlation of two series of right and wrong; NaN where one never changes. */
static double errors_correlation(const bool *a, const bool *b, int64_t images) {
    double n = (double)images, in_a = 0, in_b = 0, both = 0;
    for (int64_t i = 0; i < images; i++) {
        in_a += !a[i];
        in_b += !b[i];
        both += !a[i] && !b[i];
    }
    const double spread = sqrt(in_a * (n - in_a)) * sqrt(in_b * (n - in_b));
    return spread > 0 ? (n * both - in_a * in_b) / spread : NAN;
}

/* A member by itself: its figures on the validation images, and which of them it classifies rightly. */
static oc_status member_judge(oc_ensemble_member *member, bool *right, const oc_ensemble_job *job, size_t index,
                              oc_error *err) {
    oc_status status = OC_OK;
    const oc_model *model = job->whole->ensemble->member[index];
    bool use[OC_ENSEMBLE_MOST] = {false};
    char *path = NULL, *name = NULL;
    oc_evaluation figures;
    use[index] = true;
    OC_TRY(oc_choice_evaluate(&figures, right, job, use, NULL, err));
    OC_TRY(oc_strdup(&path, job->path[index], err));
    OC_TRY(oc_strdup(&name, oc_model_name(model), err));
    *member = (oc_ensemble_member){.path = path,
                                   .model = name,
                                   .top1 = figures.top1,
                                   .top1_low = figures.top1_low,
                                   .top1_high = figures.top1_high,
                                   .loss = figures.loss,
                                   .kept = job->kept[index],
                                   .seen = job->fitted.trained_on[index]};
    path = name = NULL;
    oc_model_totals(model, &member->parameters, &member->macs);
cleanup:
    oc_free(path);
    oc_free(name);
    return status;
}

/* What the whole loses when it is fitted again without a member. */
static oc_status gain_find(double *gain, const oc_ensemble_job *job, size_t without, double top1, oc_error *err) {
    oc_status status = OC_OK;
    oc_combiner *combiner = NULL;
    oc_evaluation figures;
    bool use[OC_ENSEMBLE_MOST];
    memcpy(use, job->kept, sizeof use);
    use[without] = false;
    OC_TRY(oc_choice_fit(&combiner, job, use, NULL, 0, err));
    OC_TRY(oc_choice_evaluate(&figures, NULL, job, use, combiner, err));
    *gain = top1 - figures.top1;
cleanup:
    oc_combiner_destroy(&combiner);
    return status;
}

static void correlations_fill(oc_ensemble_report *report, const bool *right, int64_t images) {
    const size_t members = report->members;
    for (size_t a = 0; a < members; a++)
        for (size_t b = 0; b < members; b++)
            report->correlation[a * members + b] =
                a == b ? 1 : errors_correlation(right + (int64_t)a * images, right + (int64_t)b * images, images);
}

static double test_p(const bool *a, const bool *b, int64_t images) {
    int64_t only_a = 0, only_b = 0;
    for (int64_t i = 0; i < images; i++) {
        only_a += a[i] && !b[i];
        only_b += b[i] && !a[i];
    }
    return oc_mcnemar(only_a, only_b);
}

static oc_status judge(oc_ensemble_report *report, const oc_ensemble_job *job, const oc_combiner *combiner,
                       oc_error *err) {
    oc_status status = OC_OK;
    const size_t members = job->members;
    const int64_t images = job->val.images;
    bool *right = NULL, *whole = NULL; /* [members, images], [images] */
    size_t place = 0;
    OC_TRY(oc_alloc(&whole, (size_t)images, sizeof *whole, err));
    OC_TRY(oc_alloc(&right, members * (size_t)images, sizeof *right, err));
    OC_TRY(oc_choice_evaluate(&report->whole, whole, job, job->kept, combiner, err));
    report->whole.trained_on = oc_trained_count(&job->trained, job->val.content, (size_t)images);
    /* Combiner: elements of its layer; each weight is one multiplication. */
    report->macs = (int64_t)oc_combiner_weights(job->combine, combiner->members, job->classes);
    if (job->combine == OC_COMBINE_WEIGHTED) report->macs *= job->classes;
    report->parameters = (int64_t)(oc_combiner_weights(job->combine, combiner->members, job->classes) +
                                   oc_combiner_biases(job->combine, job->classes));
    for (size_t m = 0; m < members; m++) {
        oc_ensemble_member *member = &report->member[m];
        OC_TRY(member_judge(member, right + (int64_t)m * images, job, m, err));
        if (member->top1 > report->member[report->best].top1) report->best = m;
        if (!job->kept[m]) continue;
        OC_TRY(gain_find(&member->gain, job, m, report->whole.top1, err));
        member->weight =
            job->combine == OC_COMBINE_WEIGHTED ? (double)combiner->weight[place++] : 1 / (double)combiner->members;
        report->parameters += member->parameters;
        report->macs += member->macs;
    }
    correlations_fill(report, right, images);
    report->p = test_p(whole, right + (int64_t)report->best * images, images);
cleanup:
    oc_free(right);
    oc_free(whole);
    return status;
}

/* ---- telling ---- */

/* A number of images; null where it cannot be told. */
static json_t *known(int64_t images) {
    return images < 0 ? json_null() : json_integer((json_int_t)images);
}

static json_t *text(const char *value) {
    return value ? oc_json_bytes(value) : json_null();
}

static json_t *member_json(const oc_ensemble_member *m) {
    return json_pack("{s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "weights", text(m->path), "model",
                     text(m->model), "parameters", (json_int_t)m->parameters, "macs", (json_int_t)m->macs, "top1",
                     oc_json_real(m->top1), "top1_low", oc_json_real(m->top1_low), "top1_high",
                     oc_json_real(m->top1_high), "loss", oc_json_real(m->loss), "gain", oc_json_real(m->gain), "weight",
                     oc_json_real(m->weight), "kept", m->kept, "seen", known(m->seen));
}

static json_t *whole_json(const oc_ensemble_report *r) {
    const oc_evaluation *e = &r->whole;
    return json_pack(
        "{s:I, s:I, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "images", (json_int_t)e->images, "skipped",
        (json_int_t)e->skipped, "trained_on", known(e->trained_on), "parameters", (json_int_t)r->parameters, "macs",
        (json_int_t)r->macs, "top1", oc_json_real(e->top1), "top1_low", oc_json_real(e->top1_low), "top1_high",
        oc_json_real(e->top1_high), "top5", oc_json_real(e->top5), "loss", oc_json_real(e->loss), "calibration_error",
        oc_json_real(e->calibration_error), "best_member", (json_int_t)r->best, "p", oc_json_real(r->p));
}

static oc_status json_make(oc_ensemble_report *report, const oc_ensemble_job *job, oc_error *err) {
    oc_status status = OC_OK;
    const oc_fit_options *fit = &job->fit;
    const bool stack = job->combine == OC_COMBINE_STACK;
    json_t *members = json_array(), *correlation = json_array();
    for (size_t a = 0; a < report->members; a++) {
        json_t *row = json_array();
        for (size_t b = 0; b < report->members; b++)
            json_array_append_new(row, oc_json_real(report->correlation[a * report->members + b]));
        json_array_append_new(correlation, row);
        json_array_append_new(members, member_json(&report->member[a]));
    }
    json_t *root =
        json_pack("{s:s, s:o, s:I, s:o}", "method", oc_combine_name(job->combine), "fit_on", text(job->fit_on),
                  "fit_images", (json_int_t)job->fitted.images, "smoothing", oc_json_real(fit->smoothing));
    if (stack && root)
        json_object_update_new(root,
                               json_pack("{s:s, s:I, s:I, s:f, s:I}", "init", fit->random ? "random" : "mean", "epochs",
                                         (json_int_t)fit->epochs, "batch_size", (json_int_t)fit->batch_size, "lr",
                                         fit->lr, "seed", (json_int_t)fit->seed));
    if (!root || !members || !correlation || json_array_size(members) != report->members ||
        json_object_set(root, "members", members) != 0 || json_object_set(root, "correlation", correlation) != 0 ||
        json_object_set_new(root, "ensemble", whole_json(report)) != 0) {
        status = oc_fail(err, OC_E_MEMORY, NULL, "no memory for JSON");
        goto cleanup;
    }
    OC_TRY(oc_json_text(&report->json, root, err));
cleanup:
    json_decref(members);
    json_decref(correlation);
    json_decref(root);
    return status;
}

/* ---- the handle ---- */

oc_status oc_ensemble_report_create(oc_ensemble_report **out, const oc_ensemble_job *job, const oc_combiner *combiner,
                                    oc_error *err) {
    oc_status status = OC_OK;
    oc_ensemble_report *report = NULL;
    OC_TRY(oc_alloc(&report, 1, sizeof *report, err));
    report->members = job->members;
    OC_TRY(oc_alloc(&report->correlation, job->members * job->members, sizeof *report->correlation, err));
    OC_TRY(judge(report, job, combiner, err));
    OC_TRY(json_make(report, job, err));
    *out = report;
    report = NULL;
cleanup:
    oc_ensemble_report_destroy(&report);
    return status;
}

void oc_ensemble_report_destroy(oc_ensemble_report **report) {
    if (!report || !*report) return;
    for (size_t m = 0; m < (*report)->members; m++) {
        oc_free((char *)(uintptr_t)(*report)->member[m].path);
        oc_free((char *)(uintptr_t)(*report)->member[m].model);
    }
    oc_free((*report)->correlation);
    oc_free((*report)->json);
    oc_free(*report);
    *report = NULL;
}

size_t oc_ensemble_report_count(const oc_ensemble_report *report) {
    return report->members;
}

oc_ensemble_member oc_ensemble_report_member(const oc_ensemble_report *report, size_t index) {
    return index < report->members ? report->member[index] : (oc_ensemble_member){0};
}

double oc_ensemble_report_correlation(const oc_ensemble_report *report, size_t a, size_t b) {
    return a < report->members && b < report->members ? report->correlation[a * report->members + b] : NAN;
}

oc_evaluation oc_ensemble_report_whole(const oc_ensemble_report *report, size_t *best, double *p) {
    if (best) *best = report->best;
    if (p) *p = report->p;
    return report->whole;
}

void oc_ensemble_report_size(const oc_ensemble_report *report, int64_t *parameters, int64_t *macs) {
    *parameters = report->parameters;
    *macs = report->macs;
}

const char *oc_ensemble_report_json(const oc_ensemble_report *report) {
    return report->json;
}
