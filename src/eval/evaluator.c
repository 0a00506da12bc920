/* Scoring a network's weights over a packed split. */
#include "eval/evaluator.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "eval/statistics.h"

/* Classes named in an error before the rest is only counted. */
#define NAMES_SHOWN 5

struct oc_evaluator {
    oc_plan *plan;
    const oc_pack *pack;
    oc_model *checked;            /* as the options say */
    oc_batcher *batcher, *mirror; /* mirror: NULL without tta */
    float *average;               /* [batch, classes] of image and mirror image; NULL without tta */
    int64_t images, classes;
    double smoothing;
    oc_team *team;
};

oc_status oc_evaluator_create(oc_evaluator **out, const oc_graph *graph, const oc_pack *pack,
                              const oc_evaluator_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_evaluator *evaluator = NULL;
    *out = NULL;
    OC_TRY(oc_alloc(&evaluator, 1, sizeof *evaluator, err));
    evaluator->pack = pack;
    evaluator->checked = options->checked;
    evaluator->images = oc_pack_count(pack);
    evaluator->classes = oc_graph_output_shape(graph).dim[0];
    evaluator->smoothing = options->smoothing;
    evaluator->team = options->team;
    if (evaluator->images > 0) {
        /* A plan larger than the split would only compute empty rows. */
        int64_t batch = options->batch_size < evaluator->images ? options->batch_size : evaluator->images;
        oc_batch_options batches = {.batch_size = batch, .size = oc_graph_input_shape(graph).dim[2]};
        for (int c = 0; c < 3; c++) {
            batches.mean[c] = options->mean[c];
            batches.std[c] = options->std[c];
        }
        oc_plan_options plan = {.batch = batch,
                                .mode = OC_PLAN_INFER,
                                .precision = options->precision,
                                .exact = options->exact,
                                .team = options->team,
                                .slab = options->slab,
                                .yields = options->yields};
        OC_TRY(oc_batcher_create(&evaluator->batcher, pack, &batches, options->team, err));
        if (options->tta) {
            const size_t row = (size_t)evaluator->classes * sizeof *evaluator->average;
            batches.mirror = true;
            OC_TRY(oc_batcher_create(&evaluator->mirror, pack, &batches, options->team, err));
            OC_TRY(oc_alloc(&evaluator->average, (size_t)batch, row, err));
        }
        OC_TRY(oc_plan_create(&evaluator->plan, graph, &plan, err));
    }
    *out = evaluator;
    evaluator = NULL;
cleanup:
    oc_evaluator_destroy(&evaluator);
    return status;
}

void oc_evaluator_destroy(oc_evaluator **evaluator) {
    if (!*evaluator) return;
    oc_plan_destroy(&(*evaluator)->plan);
    oc_batcher_destroy(&(*evaluator)->batcher);
    oc_batcher_destroy(&(*evaluator)->mirror);
    oc_free((*evaluator)->average);
    oc_free(*evaluator);
    *evaluator = NULL;
}

void oc_score_labelled(const float *logits, const int32_t *label, int64_t rows, int64_t classes, double smoothing,
                       oc_score *score, oc_team *team) {
    /* Rows without a label may be any: those between them are scored at once. */
    for (int64_t begin = 0, end; begin < rows; begin = end) {
        bool labelled = label[begin] >= 0;
        for (end = begin + 1; end < rows && (label[end] >= 0) == labelled;) end++;
        if (!labelled) continue;
        oc_soft_labels labels = {.rows = end - begin, .lambda = 1, .label = label + begin};
        oc_loss_cross_entropy(logits + begin * classes, &labels, classes, smoothing, NULL, score, team);
    }
}

oc_status oc_model_forward_checked(oc_model *network, oc_plan *plan, oc_error *err) {
    oc_error why = {0};
    const oc_status status = oc_plan_forward_checked(plan, &network->weights, &why);
    if (status == OC_OK) return OC_OK;
    const char *where = status == OC_E_NON_FINITE && network->path ? network->path : why.where;
    return oc_fail(err, status, where, "%s", why.message);
}

/* *logits = the scores of one batch's rows, until the next. */
static oc_status score_batch(oc_evaluator *evaluator, oc_weights *weights, int64_t index, const float **logits,
                             oc_targets *targets, oc_error *err) {
    oc_status status = OC_OK;
    oc_batcher_fill(evaluator->batcher, 0, index, oc_plan_src(evaluator->plan), targets);
    if (evaluator->checked && index == 0)
        OC_TRY(oc_model_forward_checked(evaluator->checked, evaluator->plan, err));
    else
        OC_TRY(oc_plan_forward(evaluator->plan, weights, err));
    *logits = oc_plan_dst(evaluator->plan);
    if (!evaluator->mirror) goto cleanup;
    oc_targets same;
    const int64_t count = targets->rows * evaluator->classes;
    memcpy(evaluator->average, *logits, (size_t)count * sizeof **logits);
    oc_batcher_fill(evaluator->mirror, 0, index, oc_plan_src(evaluator->plan), &same);
    OC_TRY(oc_plan_forward(evaluator->plan, weights, err));
    const float *mirrored = oc_plan_dst(evaluator->plan);
    for (int64_t i = 0; i < count; i++) evaluator->average[i] = 0.5F * (evaluator->average[i] + mirrored[i]);
    *logits = evaluator->average;
cleanup:
    return status;
}

static oc_status finite_check(const oc_evaluator *evaluator, const float *logits, const oc_targets *targets,
                              oc_error *err) {
    for (int64_t i = 0; i < targets->rows; i++)
        if (!oc_scores_finite(logits + i * evaluator->classes, evaluator->classes))
            return oc_fail(err, OC_E_NON_FINITE, oc_pack_image(evaluator->pack, targets->sample[i]).name,
                           "the scores of this image are not finite");
    return OC_OK;
}

oc_status oc_evaluator_run(oc_evaluator *evaluator, oc_weights *weights, oc_score *score, oc_on_logits on_batch,
                           void *user, oc_error *err) {
    oc_status status = OC_OK;
    int64_t batches = evaluator->batcher ? oc_batcher_count(evaluator->batcher) : 0, done = 0;
    if (score) *score = (oc_score){0};
    oc_team_enter(evaluator->team);
    for (int64_t index = 0; index < batches; index++) {
        oc_targets targets;
        const float *logits;
        OC_TRY(score_batch(evaluator, weights, index, &logits, &targets, err));
        if (evaluator->checked) OC_TRY(finite_check(evaluator, logits, &targets, err));
        if (score)
            oc_score_labelled(logits, targets.label, targets.rows, evaluator->classes, evaluator->smoothing, score,
                              evaluator->team);
        done += targets.rows;
        if (on_batch && !on_batch(user, logits, targets.sample, targets.rows, done, evaluator->images)) {
            status = oc_fail(err, OC_E_STOPPED, NULL, "stopped after %lld of %lld images", (long long)done,
                             (long long)evaluator->images);
            goto cleanup;
        }
    }
cleanup:
    return status;
}

/* The model's class of a name, or −1. The model's order is its own: weights made elsewhere need not have it sorted.
 * Mostly the place is the same. */
static int32_t class_find(const oc_names *classes, const char *name, size_t likely, bool same_bytes) {
    if (same_bytes && likely < classes->count && strcmp(classes->item[likely], name) == 0) return (int32_t)likely;
    for (size_t j = 0; j < classes->count; j++)
        if (same_bytes ? strcmp(classes->item[j], name) == 0 : oc_text_alike(classes->item[j], name)) return (int32_t)j;
    return -1;
}

oc_status oc_class_map(int32_t *map, const oc_names *data_classes, const oc_model *model, const oc_log *log,
                       oc_error *err) {
    oc_status status = OC_OK;
    const oc_names *model_classes = &model->classes;
    oc_text_list absent = {.limit = NAMES_SHOWN};
    const char *first = NULL;
    size_t alike = 0;
    for (size_t i = 0; i < data_classes->count; i++) {
        const char *name = data_classes->item[i];
        map[i] = class_find(model_classes, name, i, true);
        if (map[i] < 0 && (map[i] = class_find(model_classes, name, i, false)) >= 0 && alike++ == 0) first = name;
        if (map[i] < 0) OC_TRY(oc_text_list_add(&absent, err, "%s", name));
    }
    OC_TRY(oc_text_list_close(&absent, err));
    if (absent.count > 0)
        status = oc_fail(err, OC_E_MISMATCH, model->path ? model->path : "classes",
                         "the model (%zu classes) does not know %zu of the data's %zu classes: %s",
                         model_classes->count, absent.count, data_classes->count, absent.text.data);
    else if (alike > 0)
        oc_log_line(log, OC_LOG_WARN,
                    "%s: %zu of the data's classes (%s, say) are written in another way of Unicode there, with or "
                    "without composed accents: they are taken for the same",
                    model->path ? model->path : "the model", alike, first);
cleanup:
    oc_text_list_free(&absent);
    return status;
}
