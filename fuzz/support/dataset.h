/* What holds of every data set that could be opened, however odd. */
#ifndef OC_FUZZ_SUPPORT_DATASET_H
#define OC_FUZZ_SUPPORT_DATASET_H

#include "data/dataset.h"

/* Opens `path`, aborting where an error has no words; NULL: refused. */
oc_dataset *fuzz_dataset_open(const char *path, const oc_dataset_options *options);

/* Walks everything: classes, samples, what was left out, the report and the account, and reads some samples' files;
 * aborts where they contradict each other. Returns images and entries left out, elsewhere included: all that is there.
 */
int64_t fuzz_dataset_walk(const oc_dataset *dataset);

#endif
