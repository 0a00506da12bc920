/* Studies for tests. */
#include "support/studies.h"

#include <string.h>

#include "support/bytes.h"

oc_status test_study_open(oc_study **study, const test_world *world, const char *text, oc_error *error) {
    char path[320];
    test_bytes_write(test_world_path(world, "s.yaml", path), text, strlen(text));
    *error = (oc_error){0};
    *study = NULL;
    return oc_study_open(study, path, error);
}

oc_study *test_study_create(const test_world *world, const char *text) {
    oc_study *study = NULL;
    oc_error error;
    test_require(test_study_open(&study, world, text, &error), OC_OK, &error);
    return study;
}
