/* The library's version, which the build passes in so that it is written down once. */
#include "ocelli/base.h"

#ifndef OC_VERSION
#error "define OC_VERSION, e.g. -DOC_VERSION=\"0.1.0\""
#endif

const char *oc_version(void) {
    return OC_VERSION;
}
