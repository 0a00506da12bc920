/* A folder that one process at a time may write to. */
#ifndef OC_BASE_CLAIM_H
#define OC_BASE_CLAIM_H

#include "ocelli/base.h"

typedef struct oc_claim oc_claim;

/* Claims `folder`, which must exist, until the claim is destroyed or the process ends in whatever way; nothing is left
 * behind. Advisory, by flock(2): who does not ask is not stopped, and on a file system without such locks every claim
 * succeeds. OC_E_EXISTS: somebody else has claimed it, be it in the same process; OC_E_IO. */
oc_status oc_claim_create(oc_claim **out, const char *folder, oc_error *err);
/* Takes NULL; sets NULL. */
void oc_claim_destroy(oc_claim **claim);

#endif
