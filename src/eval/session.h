/* What evaluating a model over a split of a data set needs, set up once: shared by oc_evaluate and the submission. */
#ifndef OC_EVAL_SESSION_H
#define OC_EVAL_SESSION_H

#include "eval/evaluator.h"
#include "models/model.h"

/* Start from {0}; end with oc_eval_session_close. All members are owned. */
typedef struct oc_eval_session {
    oc_team *team;
    oc_slab *slab;
    int32_t *class_map; /* [data set's classes] → the model's */
    oc_pack *pack;
    oc_evaluator *evaluator;
} oc_eval_session;

/* Joins the classes by name, opens `split`'s pack, plans the model over it. `model` and `dataset` are borrowed until
 * the end. OC_E_MISMATCH, OC_E_NOT_FOUND (no such split), OC_E_FORMAT (bad images, or none). */
oc_status oc_eval_session_open(oc_eval_session *session, const oc_model *model, const oc_dataset *dataset,
                               const char *split, const oc_eval_options *options, oc_error *err);
void oc_eval_session_close(oc_eval_session *session);

#endif
