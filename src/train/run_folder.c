/* The files of a run folder. */
#include "train/run_folder.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#define PLAN_LIMIT (16u << 20) /* bytes of plan.txt worth reading back */

oc_status oc_run_folder_name(oc_run_folder *folder, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_strdup(&folder->path, path, err));
    OC_TRY(oc_path_join(&folder->recipe, path, "recipe.yaml", err));
    OC_TRY(oc_path_join(&folder->plan, path, "plan.txt", err));
    OC_TRY(oc_path_join(&folder->start, path, "start.safetensors", err));
    OC_TRY(oc_path_join(&folder->best, path, "best.safetensors", err));
    OC_TRY(oc_path_join(&folder->last, path, "last.safetensors", err));
    OC_TRY(oc_path_join(&folder->data, path, "data.json", err));
    OC_TRY(oc_path_join(&folder->state, path, "state.safetensors", err));
    OC_TRY(oc_path_join(&folder->metrics, path, "metrics.csv", err));
    OC_TRY(oc_path_join(&folder->steps, path, "steps.csv", err));
cleanup:
    return status;
}

void oc_run_folder_free(oc_run_folder *folder) {
    oc_lock_destroy(&folder->lock);
    oc_free(folder->path);
    oc_free(folder->recipe);
    oc_free(folder->plan);
    oc_free(folder->data);
    oc_free(folder->start);
    oc_free(folder->best);
    oc_free(folder->last);
    oc_free(folder->state);
    oc_free(folder->metrics);
    oc_free(folder->steps);
    *folder = (oc_run_folder){0};
}

const char *oc_run_folder_used(const oc_run_folder *folder) {
    const char *const signs[] = {folder->state, folder->recipe, folder->plan, folder->metrics,
                                 folder->steps, folder->last,   folder->best, folder->start};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (oc_path_exists(signs[i])) return signs[i];
    return NULL;
}

char *oc_run_folder_read_plan(const oc_run_folder *folder) {
    char *text = NULL;
    size_t size = 0;
    return oc_file_read(&text, &size, folder->plan, PLAN_LIMIT, NULL) == OC_OK ? text : NULL;
}

oc_status oc_plan_text_read(char **out, const char *path, oc_error *err) {
    size_t size = 0;
    const oc_status status = oc_file_read(out, &size, path, PLAN_LIMIT, err);
    if (status != OC_OK) return status;
    if (strncmp(*out, "batch ", 6) == 0 && strstr(*out, ": forward: ")) return OC_OK;
    oc_free(*out);
    *out = NULL;
    return oc_fail(err, OC_E_FORMAT, path, "this is no plan.txt of a run");
}

/* Writes plan.txt unless it says the same already. */
static oc_status write_plan(const oc_run_folder *folder, const char *plan, bool *changed, oc_error *err) {
    char *before = oc_run_folder_read_plan(folder);
    const bool same = before && strcmp(before, plan) == 0;
    *changed = before && !same;
    oc_free(before);
    return same ? OC_OK : oc_file_write_atomic(folder->plan, plan, strlen(plan), err);
}

oc_status oc_run_folder_lock(oc_run_folder *folder, oc_error *err) {
    const oc_status status = oc_lock_create(&folder->lock, folder->path, err);
    if (status != OC_E_EXISTS) return status;
    return oc_fail(err, status, folder->path,
                   "another process is training in this folder: wait for it, or choose another --out");
}

oc_status oc_run_folder_prepare(oc_run_folder *folder, const oc_recipe *recipe, const oc_model *start, const char *plan,
                                bool *plan_changed, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_folder_create(folder->path, err));
    if (!folder->lock) OC_TRY(oc_run_folder_lock(folder, err));
    if (folder->fresh && oc_run_folder_used(folder)) {
        status = oc_fail(err, OC_E_EXISTS, folder->path,
                         "another process has begun a run in this folder meanwhile: choose another --out");
        goto cleanup;
    }
    const char *const written[] = {folder->recipe, folder->plan, folder->data, folder->start,
                                   folder->best,   folder->last, folder->state};
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) OC_TRY(oc_file_remove_leftovers(written[i], err));
    /* First, so that a run which has a recipe has the weights that it begins with as well. */
    if (start) OC_TRY(oc_model_write(start, NULL, folder->start, err));
    if (!oc_path_exists(folder->recipe)) OC_TRY(oc_recipe_save(recipe, folder->recipe, err));
    OC_TRY(write_plan(folder, plan, plan_changed, err));
cleanup:
    return status;
}
