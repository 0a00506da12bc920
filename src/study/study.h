/* The inside of a study: what its file says (file.c), the runs that come of it (study.c), their execution (run.c),
 * their costs (estimate.c) and the table (table.c). */
#ifndef OC_STUDY_STUDY_H
#define OC_STUDY_STUDY_H

#include "base/text.h"
#include "data/dataset.h"
#include "ocelli/study.h"
#include "recipe/recipe.h"
#include "record/record.h"

#define OC_STUDY_CSV "study.csv"
#define OC_STUDY_JSON "study.json"

/* ---- What the file says ------------------------------------------------------------------------------------------ */

/* One changed setting and where it is written, "file:line". */
typedef struct oc_study_change {
    const char *key;
    char *value, *where;
} oc_study_change;

typedef struct oc_study_changes {
    oc_study_change *item;
    size_t count, capacity;
} oc_study_changes;

/* A name and the line where it is written; text NULL: not given. */
typedef struct oc_study_name {
    char *text;
    size_t line;
} oc_study_name;

/* One entry of `runs`. */
typedef struct oc_study_entry {
    oc_study_name name, from, start;
    oc_study_changes set;
    uint64_t *seed; /* [seeds] */
    size_t seeds, seed_capacity;
} oc_study_entry;

/* `ensemble`; zeros and NULL where the file says nothing. */
typedef struct oc_study_join {
    oc_study_name name; /* text NULL: the file has no ensemble */
    oc_study_name *member;
    size_t members, member_capacity;
    size_t line;
    char *method, *init;
    char *fit_on;   /* "train" or "holdout" */
    double holdout; /* share of "holdout:F"; 0: that of the members */
    int64_t prune, epochs, batch_size;
    uint64_t seed;
    double lr, smoothing;
} oc_study_join;

typedef struct oc_study_file {
    const char *path; /* as given; borrowed */
    char *base;       /* path of the base recipe; NULL: the defaults */
    oc_study_changes set;
    oc_study_entry *entry;
    size_t entries, entry_capacity;
    oc_study_join join;
} oc_study_file;

/* Reads the file: keys, types, names that name something. Start from {0}; the caller frees, also after an error. */
oc_status oc_study_file_read(oc_study_file *file, const char *path, oc_error *err);
void oc_study_file_free(oc_study_file *file);
/* The entry of this name, or NULL. */
const oc_study_entry *oc_study_file_find(const oc_study_file *file, const char *name);

/* ---- The study --------------------------------------------------------------------------------------------------- */

typedef struct oc_study_task {
    char *name, *reason, *changes;
    const oc_study_entry *entry;
    oc_recipe *recipe;
    oc_recipe_values values; /* of `recipe` */
    int64_t start;           /* place of the run that it starts from; −1: none */
    oc_study_row row;        /* its texts are those above and the recipe's */
    /* Of this call (run.c, estimate.c): */
    const oc_dataset *dataset; /* borrowed from the call */
    int64_t epoch_steps;
    char data[17];  /* fingerprint of the data set, hexadecimal; "" before it is known */
    bool confirmed; /* study.json has it as done on this data */
    bool skipped;   /* was finished before this call */
} oc_study_task;

/* The ensemble, the last row. */
typedef struct oc_study_ensemble {
    size_t *member; /* [members]: places of runs */
    size_t members;
    double holdout; /* share that the data set is to leave out for it */
    char *members_text, *reason;
    char key[17];     /* what it is made of, hexadecimal; "" before it is known */
    char earlier[17]; /* the same of the one that an earlier study.json knows as done, whose figures are `figures` */
    oc_study_row figures;
    oc_study_row row;
} oc_study_ensemble;

struct oc_study {
    char *path;
    oc_study_file file;
    oc_study_task *run;
    size_t runs;
    bool joined; /* there is an ensemble */
    oc_study_ensemble ensemble;
    char *json; /* of oc_study_json */
};

/* Row `index`, to be changed. */
oc_study_row *oc_study_row_of(oc_study *study, size_t index);

/* Sets a row's state; `reason` (copied; NULL: none) where it failed. */
oc_status oc_study_row_state(oc_study *study, size_t index, oc_study_state state, const char *reason, oc_error *err);

/* ---- Data sets of a call ----------------------------------------------------------------------------------------- */

/* The data set opened in each way that the study needs. Start from {0}. */
typedef struct oc_study_data {
    const char *path;
    oc_dataset *dataset[16];
    oc_dataset_options options[16];
    size_t count;
} oc_study_data;
void oc_study_data_close(oc_study_data *data);
/* *out = the data set opened so, owned by `data`, which keeps the options' text. */
oc_status oc_study_data_get(oc_study_data *data, const oc_dataset_options *options, oc_dataset **out, oc_error *err);
/* How the ensemble's is opened. */
oc_dataset_options oc_study_ensemble_options(const oc_study *study);

/* Images of a split, 0 where it is absent. */
int64_t oc_study_images(const oc_dataset *dataset, const char *name);

/* Checks every run against the data set and fills its dataset, epoch_steps, fingerprint, steps and parameters. */
oc_status oc_study_check_data(oc_study *study, oc_study_data *data, oc_error *err);

/* ---- Figures and the table --------------------------------------------------------------------------------------- */

/* Fills a run's figures from its metrics.csv in folder `out`, where there is one; `validation`: images that top-1 is
 * a share of. *epochs = epochs done, −1: none recorded. */
oc_status oc_study_row_fill(oc_study_task *run, const char *out, int64_t validation, int64_t *epochs, oc_error *err);

/* Writes study.csv and study.json into folder `out`. */
oc_status oc_study_table_write(oc_study *study, const char *out, oc_error *err);

/* Takes from an earlier study.json in `out` what it knows to be done: `confirmed` of the runs, and the ensemble's
 * `earlier`. One that is damaged or absent knows nothing. */
oc_status oc_study_table_recall(oc_study *study, const char *out, oc_error *err);

#endif
