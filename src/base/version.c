/* The library's version and commit. */
#include "base/commit.h"
#include "ocelli/base.h"

const char *oc_version(void) {
    return OC_VERSION_STRING;
}

int oc_version_number(void) {
    return OC_VERSION_NUMBER;
}

/* What programs are linked with: 0.MINOR before 1.0, else MAJOR. CMakeLists.txt names the shared library by it. */
static int abi(int version) {
    return version < 10000 ? version / 100 : version / 10000 * 100;
}

bool oc_version_fits(int compiled, int running) {
    return compiled > 0 && running >= compiled && abi(running) == abi(compiled);
}

const char *oc_commit(void) {
    return OC_COMMIT;
}
