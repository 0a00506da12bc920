/* Reports for tests: their JSON, an own reading of the tables they are made of, and folders of records without a run
 * behind them. All functions fail the test where they cannot. */
#ifndef OC_TESTS_SUPPORT_REPORTS_H
#define OC_TESTS_SUPPORT_REPORTS_H

#include <jansson.h>

#include "ocelli/report.h"
#include "support/run.h"

/* ---- the JSON of a report ---- */

/* The report on folders, released with json_decref; `options` may be NULL. */
json_t *test_report(const char *const *paths, size_t count, const oc_report_options *options);
/* On one folder, computing with the world's cache on two threads. */
json_t *test_report_of(const test_world *world, const char *folder);
/* The same without computing anything. */
json_t *test_report_stored(const char *folder);

/* RUN `index` of a report; the run of that name. Borrowed. */
json_t *test_report_run(const json_t *report, size_t index);
json_t *test_report_named(const json_t *report, const char *name);

/* The value under a path of keys and places, "runs/0/best/top1", which must be there; NaN for null. Borrowed. */
json_t *test_at(const json_t *json, const char *path);
double test_real(const json_t *json, const char *path);
int64_t test_integer(const json_t *json, const char *path);
const char *test_text(const json_t *json, const char *path);
bool test_null(const json_t *json, const char *path);

/* Both are the same, numbers to nine digits. */
void test_same_json(const json_t *is, const json_t *want, const char *where);

/* It is the commit that is built; null where that is not known, as in a copy of the tree. */
void test_same_commit(const json_t *is);

/* A JSON file; released with json_decref. */
json_t *test_json_read(const char *path);
void test_json_write(const char *path, const json_t *json);

/* ---- tables ---- */

/* Numbers of a CSV file by line and column, as this file's own reader has them; NaN for an empty field. */
typedef struct test_table {
    int rows, columns;
    char name[24][32];
    double *value; /* [rows, columns]; freed by the caller */
} test_table;
test_table test_table_read(const char *path);

/* 95 % confidence interval of a share (Wilson, 1927). */
void test_interval(double right, double all, double *low, double *high);

/* ---- folders of records that nobody trained ---- */

typedef struct test_made {
    int classes, epochs, steps; /* steps of each epoch */
    int images;                 /* validation images of each class */
    double top1;                /* the best, at the last epoch but one */
    size_t example;             /* bytes of each example's image; 0: none */
    unsigned seed;
    bool ensemble; /* ensemble.json of six members in place of recipe and metrics */
    bool unevaluated;
} test_made;

/* Writes them into `folder`, which is made: recipe.yaml, metrics.csv, steps.csv, run.json, log.txt, some bytes for
 * best.safetensors, and evaluation.json of them. */
void test_made_write(const char *folder, const test_made *made);
/* evaluation.json for best.safetensors in the folder, as it is now. */
void test_made_evaluation(const char *folder, const json_t *evaluation, const char *data);

#endif
