/* The files of a run folder: where they are, whether a run is there, and what is put there when one starts. */
#ifndef OC_TRAIN_RUN_FOLDER_H
#define OC_TRAIN_RUN_FOLDER_H

#include "base/lock.h"
#include "models/model.h"
#include "recipe/recipe.h"

/* Paths, owned. Start from {0}. The record (metrics, steps, events, log) has its files from src/record. */
typedef struct oc_run_folder {
    char *path;
    char *recipe, *plan, *data;        /* recipe.yaml, plan.txt, data.json */
    char *start, *best, *last, *state; /* *.safetensors */
    char *metrics, *steps;             /* *.csv: only to see whether a run is there */
    bool fresh;                        /* no run was there when it was looked at */
    oc_lock *lock;                     /* NULL before oc_run_folder_lock, or where there are no locks */
} oc_run_folder;

/* Makes the paths for folder `path`; touches no file. The caller frees, also after an error. */
oc_status oc_run_folder_name(oc_run_folder *folder, const char *path, oc_error *err);
void oc_run_folder_free(oc_run_folder *folder);

/* The path of a file in the folder that shows that a run is there; NULL when there is none. */
const char *oc_run_folder_used(const oc_run_folder *folder);

/* Locks the folder, which must exist, until it is freed. OC_E_EXISTS: another process is training in it. */
oc_status oc_run_folder_lock(oc_run_folder *folder, oc_error *err);

/* What plan.txt holds; NULL where it is absent or cannot be read. The caller frees. */
char *oc_run_folder_read_plan(const oc_run_folder *folder);

/* *out = what the plan.txt at `path`, of any run, holds; the caller frees. OC_E_NOT_FOUND, OC_E_IO; OC_E_FORMAT: that
 * is none. */
oc_status oc_plan_text_read(char **out, const char *path, oc_error *err);

/* Creates the folder and locks it, where that is still to be done; removes temporaries of killed processes, writes
 * start.safetensors where `start` is not NULL: the weights that a run begins with which are not its own random ones;
 * then recipe.yaml where it is absent, and the plan's description. *plan_changed = another description was there: the
 * run was computed otherwise so far. OC_E_EXISTS: another process is training in the folder, or has begun a run there
 * since it was found fresh. */
oc_status oc_run_folder_prepare(oc_run_folder *folder, const oc_recipe *recipe, const oc_model *start, const char *plan,
                                bool *plan_changed, oc_error *err);

#endif
