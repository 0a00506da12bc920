/* A place that one process at a time may write to. */
#ifndef OC_BASE_LOCK_H
#define OC_BASE_LOCK_H

#include "ocelli/base.h"

typedef struct oc_lock oc_lock;

/* Locks `folder`, which must exist, until the lock is destroyed or the process ends in whatever way; nothing is left
 * behind, and nobody waits. Advisory, by flock(2): who does not ask is not stopped. *out = NULL with OC_OK: the file
 * system has no such locks, and others may write, too. OC_E_EXISTS: somebody else has locked it, be it in the same
 * process; OC_E_IO. */
oc_status oc_lock_create(oc_lock **out, const char *folder, oc_error *err);
/* The same by a lock file at `path`, for what shares its folder with others: it is made, and removed with the lock.
 * One that a killed process left behind is in nobody's way. */
oc_status oc_lock_create_file(oc_lock **out, const char *path, oc_error *err);
/* Whether some process has locked `folder` by oc_lock_create, as far as the system tells (Linux's /proc/locks, by the
 * folder's inode); looking disturbs nobody who wants the lock. */
bool oc_lock_held(const char *folder);
/* Takes NULL; sets NULL. */
void oc_lock_destroy(oc_lock **lock);

#endif
