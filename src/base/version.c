/* The library's version and commit, which the build passes in so that they are written down once. */
#include "base/commit.h"
#include "ocelli/base.h"

#ifndef OC_VERSION
#error "define OC_VERSION, e.g. -DOC_VERSION=\"0.1.0\""
#endif

const char *oc_version(void) {
    return OC_VERSION;
}

const char *oc_commit(void) {
    return OC_COMMIT;
}
