/* The cache's folder. */
#include "base/cache_folder.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

oc_status oc_cache_folder(char **out, const char *given, oc_error *err) {
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (given && *given) return oc_strdup(out, given, err);
    if (base && *base == '/') return oc_path_join(out, base, "ocelli", err);
    if (home && *home) return oc_path_join(out, home, ".cache/ocelli", err);
    return oc_fail(err, OC_E_USAGE, "--cache", "no folder for the cache: give --cache DIR, or set HOME");
}
