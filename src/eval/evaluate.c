/* oc_evaluate and oc_evaluate_paired: what scores are worth. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "eval/evaluator.h"
#include "eval/ids.h"
#include "eval/scores.h"
#include "eval/statistics.h"
#include "ocelli/models.h"

oc_evaluation oc_scores_evaluation(const oc_scores *scores, double smoothing) {
    const int64_t classes = scores->classes;
    oc_evaluation e = {.images = scores->images, .skipped = scores->skipped, .trained_on = scores->trained_on};
    oc_score sum = {0};
    oc_score_labelled(scores->logits, scores->label, scores->images, classes, smoothing, &sum, NULL);
    const double rows = sum.rows > 0 ? (double)sum.rows : NAN;
    e.loss = sum.loss / rows;
    e.top1 = sum.top1 / rows;
    e.top5 = sum.top5 / rows;
    oc_wilson((int64_t)sum.top1, sum.rows, &e.top1_low, &e.top1_high);
    e.calibration_error = oc_calibration_error(scores->logits, scores->label, scores->images, classes);
    e.images_per_second = scores->seconds > 0 ? (double)scores->images / scores->seconds : 0;
    return e;
}

void oc_scores_confusion(const oc_scores *scores, int64_t *confusion) {
    const int64_t classes = scores->classes;
    memset(confusion, 0, (size_t)(classes * classes) * sizeof *confusion);
    for (int64_t i = 0; i < scores->images; i++)
        if (scores->label[i] >= 0)
            confusion[scores->label[i] * classes + oc_top1(scores->logits + i * classes, classes)]++;
}

/* Whether row `i` is guessed right, as the loss counts it: scores that are no numbers are right nowhere. */
static bool is_right(const oc_scores *scores, int64_t i) {
    const float *row = scores->logits + i * scores->classes;
    return oc_top1(row, scores->classes) == scores->label[i] && !isnan(row[scores->label[i]]);
}

oc_status oc_scores_pair(oc_paired *out, const oc_scores *a, const oc_scores *b, double smoothing, oc_error *err) {
    oc_paired pair = {0};
    bool same = a->images == b->images;
    for (int64_t i = 0; same && i < a->images; i++)
        same = strcmp(a->names.item[i], b->names.item[i]) == 0 && (a->label[i] < 0) == (b->label[i] < 0);
    if (!same) return oc_fail(err, OC_E_MISMATCH, NULL, "the two models' scores are not of the same images");
    for (int64_t i = 0; i < a->images; i++) {
        if (a->label[i] < 0) continue;
        const bool right_a = is_right(a, i), right_b = is_right(b, i);
        pair.images++;
        pair.both += right_a && right_b;
        pair.only_a += right_a && !right_b;
        pair.only_b += right_b && !right_a;
        pair.neither += !right_a && !right_b;
    }
    pair.a = oc_scores_evaluation(a, smoothing);
    pair.b = oc_scores_evaluation(b, smoothing);
    pair.p = oc_mcnemar(pair.only_a, pair.only_b);
    *out = pair;
    return OC_OK;
}

/* An absence of labels is told before minutes are spent. A split that is absent is told by who opens it. */
static oc_status check_labels(const oc_dataset *dataset, const oc_eval_options *options, oc_error *err) {
    const char *name = options->split ? options->split : "val";
    const oc_split *split = oc_dataset_split(dataset, name);
    for (int64_t i = 0; split && i < split->count; i++)
        if (split->sample[i].label >= 0) return OC_OK;
    if (!split || split->count == 0) return OC_OK;
    return oc_fail(err, OC_E_USAGE, oc_dataset_path(dataset),
                   "the split \"%s\" has no labels to compare with: only predictions can be made", name);
}

/* Writes the file of --save-logits, for which images are named as for other programs. */
static oc_status save(oc_scores *scores, const oc_model *model, const oc_dataset *dataset,
                      const oc_eval_options *options, oc_error *err) {
    const char *split = options->split ? options->split : "val";
    const oc_names paths = scores->names;
    oc_names ids = {0};
    oc_id_form form;
    oc_status status;
    OC_TRY(oc_id_form_choose(&form, dataset, &split, 1, &options->log, err));
    for (size_t i = 0; i < paths.count; i++) OC_TRY(oc_id_add(&ids, form, split, paths.item[i], err));
    scores->names = ids;
    status = oc_scores_write(scores, model, options->save_logits, NULL, 0, err);
    scores->names = paths;
cleanup:
    oc_names_free(&ids);
    return status;
}

/* Says how many of the images the model knows from its training. Of the split that is for training that is no warning.
 */
static void report_trained(const oc_scores *scores, const oc_model *model, const oc_eval_options *options) {
    const char *split = options->split ? options->split : "val";
    const bool asked = strcmp(split, "train") == 0;
    const char *path = model->path ? model->path : oc_model_name(model);
    if (scores->trained_on > 0)
        oc_log_line(&options->log, asked ? OC_LOG_INFO : OC_LOG_WARN,
                    "%s: was trained on %s%lld of the %lld images of %s: on new ones it will be worse", path,
                    model->trained.unrecorded ? "at least " : "", (long long)scores->trained_on,
                    (long long)scores->images, split);
    else if (scores->trained_on < 0 && !asked)
        oc_log_line(&options->log, OC_LOG_INFO,
                    "%s: has no record of the images it was trained on: it cannot tell whether those of %s are among "
                    "them",
                    path, split);
}

/* Says what a person should know of the images, once however many networks score them. */
static void report_split(const oc_dataset *dataset, const oc_eval_options *options) {
    const oc_split *split = oc_dataset_split(dataset, options->split ? options->split : "val");
    if (split) oc_dataset_report(dataset, split, &options->log);
}

/* The scores of a model, and what of them the caller wants to keep. */
static oc_status compute(oc_scores *out, oc_model *model, const oc_dataset *dataset, const oc_eval_options *options,
                         oc_error *err) {
    oc_status status = OC_OK;
    if (options->save_logits) OC_TRY(oc_file_check_writable(options->save_logits, err));
    report_split(dataset, options);
    OC_TRY(oc_scores_compute(out, model, dataset, options, err));
    report_trained(out, model, options);
    if (options->save_logits) OC_TRY(save(out, model, dataset, options, err));
    if (options->confusion) oc_scores_confusion(out, options->confusion);
cleanup:
    return status;
}

oc_status oc_evaluate(oc_evaluation *out, oc_model *model, const oc_dataset *dataset, const oc_eval_options *options,
                      oc_error *err) {
    oc_status status = OC_OK;
    oc_scores scores = {0};
    const oc_eval_options defaults = {0};
    if (!options) options = &defaults;
    if (!options->save_logits) OC_TRY(check_labels(dataset, options, err));
    OC_TRY(compute(&scores, model, dataset, options, err));
    *out = oc_scores_evaluation(&scores, options->smoothing);
cleanup:
    oc_scores_free(&scores);
    return status;
}

oc_status oc_evaluate_paired(oc_paired *out, oc_model *a, oc_model *b, const oc_dataset *dataset,
                             const oc_eval_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_scores first = {0}, second = {0};
    int32_t *class_map = NULL;
    const oc_names *classes = oc_dataset_classes(dataset);
    const oc_eval_options defaults = {0};
    if (!options) options = &defaults;
    OC_TRY(check_labels(dataset, options, err));
    /* That the second does not fit is told before the first is scored, too. */
    OC_TRY(oc_alloc(&class_map, classes->count, sizeof *class_map, err));
    OC_TRY(oc_class_map(class_map, classes, b, NULL, err));
    OC_TRY(compute(&first, a, dataset, options, err));
    oc_eval_options again = *options;
    again.threads = first.threads; /* what became of the number asked for has been logged */
    OC_TRY(oc_scores_compute(&second, b, dataset, &again, err));
    report_trained(&second, b, options);
    OC_TRY(oc_scores_pair(out, &first, &second, options->smoothing, err));
cleanup:
    oc_free(class_map);
    oc_scores_free(&first);
    oc_scores_free(&second);
    return status;
}
