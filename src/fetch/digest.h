/* Whether a file is the one that it should be. */
#ifndef OC_FETCH_DIGEST_H
#define OC_FETCH_DIGEST_H

#include "ocelli/base.h"

#define OC_DIGEST_SIZE 33

/* digest = MD5 (RFC 1321) of a file of `bytes` bytes, in lower-case hexadecimal digits. Reports progress as "check".
 * OC_E_IO, also where the file is shorter; OC_E_MEMORY; OC_E_STOPPED. */
oc_status oc_digest_file(char digest[OC_DIGEST_SIZE], const char *path, int64_t bytes, const oc_progress *progress,
                         oc_error *err);

#endif
