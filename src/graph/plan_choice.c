/* Choosing the algorithms of convolutions, also as an earlier plan did, whose choices are read back from its text
 * (plan_report.c). */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "graph/plan_internal.h"

/* Lines are "<layer>: <kind>: <what>: <algorithm>", and then, after " (" or ",", details. */
const char *oc_plan_choice(const char *plan, const char *layer, oc_step_kind kind, char *text, size_t size) {
    char begin[512];
    const int length = snprintf(begin, sizeof begin, "%s: %s: ", layer, oc_step_kind_text(kind));
    if (!plan || length < 0 || (size_t)length >= sizeof begin) return NULL;
    for (const char *line = plan, *end; *line; line = *end ? end + 1 : end) {
        end = line + strcspn(line, "\n");
        if (strncmp(line, begin, (size_t)length) != 0) continue;
        const char *what = line + length, *name = strstr(what, ": ");
        if (!name || name >= end) continue;
        name += 2;
        size_t used = strcspn(name, ",\n");
        const char *details = strstr(name, " (");
        if (details && details < name + used) used = (size_t)(details - name);
        if (used >= size) return NULL;
        memcpy(text, name, used);
        text[used] = '\0';
        return text;
    }
    return NULL;
}

oc_status oc_lower_choose(const oc_conv_algorithm **out, oc_lower *lower, const oc_node *node, oc_conv_problem *problem,
                          oc_error *err) {
    static const oc_step_kind kinds[] = {OC_STEP_FORWARD, OC_STEP_BACKWARD_DATA, OC_STEP_BACKWARD_WEIGHTS};
    oc_status status = OC_OK;
    oc_plan *plan = lower->plan;
    const oc_plan_guide *guide = &plan->options.guide;
    const oc_step_kind kind = kinds[problem->pass];
    char text[64];
    const char *chosen = oc_plan_choice(guide->choices, oc_node_layer(node), kind, text, sizeof text);
    OC_TRY(oc_grow(&plan->ranking, &plan->ranking_capacity, (size_t)plan->rankings + 1, sizeof *plan->ranking, err));
    oc_plan_ranking *entry = &plan->ranking[plan->rankings++];
    *entry = (oc_plan_ranking){.node = (int)(node - plan->graph->node), .pass = problem->pass};
    OC_TRY(oc_conv_choose(&entry->ranking, plan->engine, problem, chosen, guide->tuner, err));
    *out = entry->ranking.candidate[0].algorithm;
    if (guide->choices && (!chosen || strcmp(chosen, oc_conv_algorithm_name(*out)) != 0))
        OC_TRY(oc_text_list_add(&lower->unheeded, err, "%s %s: %s", oc_node_layer(node), oc_step_kind_text(kind),
                                chosen ? chosen : "none named"));
cleanup:
    return status;
}

oc_status oc_plan_tell_unheeded(const oc_plan *plan, oc_text_list *unheeded, oc_error *err) {
    if (unheeded->count == 0 || !plan->options.guide.log) return OC_OK;
    const oc_status status = oc_text_list_close(unheeded, err);
    if (status == OC_OK)
        oc_log_line(plan->options.guide.log, OC_LOG_WARN,
                    "algorithms of the recorded plan that this processor, library or version lacks are chosen anew: %s",
                    unheeded->text.data);
    return status;
}
