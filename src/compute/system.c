/* What computes here, for whoever runs it. */
#include <stdio.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/parallel.h"
#include "compute/engine.h"

oc_status oc_system_get(oc_system *out, oc_error *err) {
    oc_status status = OC_OK;
    oc_team *team = NULL;
    OC_TRY(oc_cpu_check(err));
    OC_TRY(oc_team_create(&team, 0, err));
    oc_cpu_name(out->processor, sizeof out->processor);
    out->level = oc_cpu_level_name(oc_cpu_level_now());
    oc_engine_dnnl_version(out->dnnl, sizeof out->dnnl);
    out->threads = oc_team_threads(team);
    snprintf(out->threads_note, sizeof out->threads_note, "%s", oc_team_note(team));
cleanup:
    oc_team_destroy(&team);
    return status;
}
