/* Setting up the evaluation of a model over a split. */
#include "eval/session.h"

#include "base/error.h"
#include "base/memory.h"

#define DEFAULT_BATCH 64

oc_status oc_eval_session_open(oc_eval_session *session, const oc_model *model, const oc_dataset *dataset,
                               const char *split, const oc_eval_options *options, oc_error *err) {
    oc_status status = OC_OK;
    const oc_names *classes = oc_dataset_classes(dataset);
    if (options->batch_size < 0)
        return oc_fail(err, OC_E_USAGE, "batch_size", "%lld is no batch size", (long long)options->batch_size);
    OC_TRY(oc_alloc(&session->class_map, classes->count, sizeof *session->class_map, err));
    OC_TRY(oc_class_map(session->class_map, classes, &model->classes, err));
    OC_TRY(oc_team_create(&session->team, options->threads, err));
    OC_TRY(oc_slab_create(&session->slab, err));
    oc_team_enter(session->team);
    oc_pack_options pack = {.size = model->size,
                            .cache = options->cache,
                            .skip_bad = options->skip_bad,
                            .team = session->team,
                            .progress = options->progress,
                            .log = options->log};
    OC_TRY(oc_pack_open(&session->pack, dataset, split, &pack, err));
    if (oc_pack_count(session->pack) == 0) {
        status = oc_fail(err, OC_E_FORMAT, oc_dataset_path(dataset), "the split \"%s\" has no image", split);
        goto cleanup;
    }
    oc_evaluator_options evaluation = {.batch_size = options->batch_size > 0 ? options->batch_size : DEFAULT_BATCH,
                                       .smoothing = options->smoothing,
                                       .class_map = session->class_map,
                                       .team = session->team,
                                       .slab = session->slab};
    for (int c = 0; c < 3; c++) {
        evaluation.mean[c] = model->mean[c];
        evaluation.std[c] = model->std[c];
    }
    OC_TRY(oc_evaluator_create(&session->evaluator, model->graph, session->pack, &evaluation, err));
cleanup:
    return status;
}

void oc_eval_session_close(oc_eval_session *session) {
    oc_evaluator_destroy(&session->evaluator);
    oc_pack_destroy(&session->pack);
    oc_slab_destroy(&session->slab);
    oc_team_destroy(&session->team);
    oc_free(session->class_map);
    *session = (oc_eval_session){0};
}
