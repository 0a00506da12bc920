/* Where what can be made again at any time is kept. */
#ifndef OC_BASE_CACHE_FOLDER_H
#define OC_BASE_CACHE_FOLDER_H

#include "ocelli/base.h"

/* *out = the folder `given`, or the user's where that is NULL or "": $XDG_CACHE_HOME/ocelli, or ~/.cache/ocelli; freed
 * with oc_free. It need not exist. OC_E_USAGE, about --cache: there is none. */
oc_status oc_cache_folder(char **out, const char *given, oc_error *err);

#endif
