/* Studies for tests, from the text of their file. */
#ifndef OC_TESTS_SUPPORT_STUDIES_H
#define OC_TESTS_SUPPORT_STUDIES_H

#include "ocelli/study.h"
#include "support/run.h"

/* Writes s.yaml into the world's folder and opens it; *study is NULL after an error. */
oc_status test_study_open(oc_study **study, const test_world *world, const char *text, oc_error *error);
/* The same of a text that must be good. */
oc_study *test_study_create(const test_world *world, const char *text);

#endif
