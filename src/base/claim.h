/* A place that one process at a time may write to. */
#ifndef OC_BASE_CLAIM_H
#define OC_BASE_CLAIM_H

#include "ocelli/base.h"

typedef struct oc_claim oc_claim;

/* Claims `folder`, which must exist, until the claim is destroyed or the process ends in whatever way; nothing is left
 * behind, and nobody waits. Advisory, by flock(2): who does not ask is not stopped. *out = NULL with OC_OK: the file
 * system has no such locks, and others may write, too. OC_E_EXISTS: somebody else has claimed it, be it in the same
 * process; OC_E_IO. */
oc_status oc_claim_create(oc_claim **out, const char *folder, oc_error *err);
/* The same by a lock file at `path`, for what shares its folder with others: it is made, and removed with the claim.
 * One that a killed process left behind is in nobody's way. */
oc_status oc_claim_create_file(oc_claim **out, const char *path, oc_error *err);
/* Takes NULL; sets NULL. */
void oc_claim_destroy(oc_claim **claim);

#endif
