/* Measuring convolutions where the estimate would decide (oc_conv_choose): the best few candidates are executed here,
 * on this processor, and the quickest is taken. What was measured is kept in a file of the user's cache folder, so that
 * the next plan on this machine need not measure it again. A measured choice depends on the day: whoever wants the same
 * bits again records it (the plan's text) and gives it back by name. */
#ifndef OC_COMPUTE_CONV_TUNE_H
#define OC_COMPUTE_CONV_TUNE_H

#include "compute/conv/conv.h"

/* How much is measured: nothing; the three that are estimated to be the quickest, briefly; all, for longer. */
typedef enum oc_tune { OC_TUNE_OFF, OC_TUNE_QUICK, OC_TUNE_FULL } oc_tune;

/* *out = the effort called `name`, "off" (NULL means that too), "quick" or "full". OC_E_USAGE, naming `where`. */
oc_status oc_tune_find(oc_tune *out, const char *name, const char *where, oc_error *err);

/* For plans on `team`, which is not kept; *out = NULL for OC_TUNE_OFF. `folder`: the cache's, NULL: the user's. A
 * cache that cannot be used (damaged, of another version, of another machine) is ignored with one line to `log`
 * (copied), and so is that there is no place for one. OC_E_MEMORY. */
oc_status oc_tuner_create(oc_tuner **out, oc_tune effort, const char *folder, const oc_team *team, const oc_log *log,
                          oc_error *err);
void oc_tuner_destroy(oc_tuner **tuner);

/* Orders candidates, which come by estimate, by what they take: those that are measured first, the quickest in front.
 * The team has been entered. OC_E_COMPUTE, OC_E_MEMORY. */
oc_status oc_tuner_order(oc_tuner *tuner, oc_engine *engine, const oc_conv_problem *problem, oc_conv_ranking *ranking,
                         oc_error *err);

/* Adds what was measured since to the cache's file and gives up the memory for it; where that cannot be written, or
 * another process writes it just then, one line to the log says so. For NULL nothing. */
void oc_tuner_keep(oc_tuner *tuner);

#endif
