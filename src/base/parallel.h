/* A team of threads and the parallel-for over it: the one place that names OpenMP. With OC_PARALLEL_PTHREAD
 * defined the same interface runs on plain pthreads (for ThreadSanitizer, which does not understand libgomp). */
#ifndef OC_BASE_PARALLEL_H
#define OC_BASE_PARALLEL_H

#include "ocelli/base.h"

typedef struct oc_team oc_team;

/* *out = a team of `threads` (1 … 1024), or for 0 of as many as serve: the processors that the process may run on, but
 * no more than a CPU quota (base/quota.h), OMP_NUM_THREADS and the processors that OpenMP binds threads to allow. It
 * has fewer, at least one, where no more can be had: beyond OMP_THREAD_LIMIT, beyond what the system lets start, inside
 * an OpenMP region of the caller's; oc_team_note then tells. Starts OpenMP's threads of the calling thread, and for its
 * later regions turns OMP_DYNAMIC off and lets OMP_MAX_ACTIVE_LEVELS be at least 1. OC_E_USAGE out of range,
 * OC_E_MEMORY. The caller destroys it. */
oc_status oc_team_create(oc_team **out, int threads, oc_error *err);
void oc_team_destroy(oc_team **team);

/* Processors whose time the process may have: those that it may run on, or a CPU quota, rounded down; at least 1. */
int oc_processors_granted(void);

/* Number of threads, >= 1. */
int oc_team_threads(const oc_team *team);

/* What of the environment was overruled or made the team smaller, "OMP_THREAD_LIMIT=1: 1 thread instead of 2", one
 * line; "" where nothing did, and of a team NULL. The team's. */
const char *oc_team_note(const oc_team *team);
/* OC_LOG_WARN where the team has fewer threads than were asked for, else OC_LOG_INFO. */
oc_log_level oc_team_note_level(const oc_team *team);
/* Logs the note, where there is one: for whoever creates a team and has a log at hand. */
void oc_team_log(const oc_team *team, const oc_log *log);

/* Makes OpenMP regions opened by the calling thread, oneDNN's among them, use the team's number of threads, which they
 * then get: where the calling thread is the one that created the team, or no parallel region of the caller's is around.
 * Call it before creating or executing primitives. */
void oc_team_enter(const oc_team *team);

/* Around a row of primitives: from oc_team_flush on denormal numbers count as 0 (base/denormals.h) in every thread that
 * regions opened by the calling thread have, until oc_team_restore gives all of them the mode that the calling thread
 * had before, which the former returns. Neither is called from inside a task. */
unsigned oc_team_flush(oc_team *team);
void oc_team_restore(oc_team *team, unsigned mode);

/* Runs task(user, begin, end, worker) so that the ranges cover [0, count) once; ranges are contiguous, a function of
 * (count, grain, threads) only, and at least `grain` (>= 1) long but for the last. `worker` in [0, threads) tells which
 * scratch to use. In a task denormal numbers count as 0. The calling thread takes part; returns when all is done. One
 * call at a time a team, none from inside a task. `team` NULL: one thread. */
typedef void (*oc_task_fn)(void *user, int64_t begin, int64_t end, int worker);
void oc_parallel_for(oc_team *team, int64_t count, int64_t grain, oc_task_fn task, void *user);

/* The same, but workers take ranges of `grain` as they become free: for items of uneven cost (decoding files) whose
 * results do not depend on who computes them. */
void oc_parallel_for_dynamic(oc_team *team, int64_t count, int64_t grain, oc_task_fn task, void *user);

#endif
