/* The team of threads. Both backends only know how to run one function on every thread (team_run); the two
 * parallel-fors are built on that, so they divide the work alike. */
#define _GNU_SOURCE 1
#include "base/parallel.h"

#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#elif !defined OC_PARALLEL_PTHREAD
#error "compile with -fopenmp, or define OC_PARALLEL_PTHREAD"
#endif
#ifdef OC_PARALLEL_PTHREAD
#include <pthread.h>
#endif

#include "base/error.h"
#include "base/memory.h"

#define THREADS_MAX 1024

/* What each of `workers` threads runs. */
typedef void (*body_fn)(void *context, int worker, int workers);

static int threads_allowed(void) {
    int allowed = 0;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        allowed = CPU_COUNT(&set);
    } else {
        long online = sysconf(_SC_NPROCESSORS_ONLN); /* more processors than a cpu_set_t holds */
        allowed = online > THREADS_MAX ? THREADS_MAX : (int)online;
    }
#ifdef _OPENMP
    /* With OMP_PROC_BIND set, OpenMP has bound this thread to one place already, but knows the mask it had. */
    if (omp_get_num_procs() > allowed) allowed = omp_get_num_procs();
#endif
    return allowed < 1 ? 1 : allowed > THREADS_MAX ? THREADS_MAX : allowed;
}

#ifdef OC_PARALLEL_PTHREAD

typedef struct worker_place {
    oc_team *team;
    int worker;
} worker_place;

struct oc_team {
    int threads;
    int started; /* helper threads that run, worker numbers 1 … started */
    pthread_t *helper;
    worker_place *place;
    pthread_mutex_t lock;
    pthread_cond_t begin, end;
    /* Under the lock: */
    uint64_t round; /* grows by one with each task */
    int busy;       /* helpers that have not finished this round */
    bool quit;
    body_fn body;
    void *context;
};

static void *helper_main(void *argument) {
    worker_place *place = argument;
    oc_team *team = place->team;
    uint64_t round = 0;
    pthread_mutex_lock(&team->lock);
    for (;;) {
        while (team->round == round && !team->quit) pthread_cond_wait(&team->begin, &team->lock);
        if (team->quit) break;
        round = team->round;
        body_fn body = team->body;
        void *context = team->context;
        pthread_mutex_unlock(&team->lock);
        body(context, place->worker, team->threads);
        pthread_mutex_lock(&team->lock);
        if (--team->busy == 0) pthread_cond_signal(&team->end);
    }
    pthread_mutex_unlock(&team->lock);
    return NULL;
}

static void team_run(oc_team *team, body_fn body, void *context) {
    pthread_mutex_lock(&team->lock);
    team->body = body;
    team->context = context;
    team->busy = team->started;
    team->round++;
    pthread_cond_broadcast(&team->begin);
    pthread_mutex_unlock(&team->lock);
    body(context, 0, team->threads);
    pthread_mutex_lock(&team->lock);
    while (team->busy > 0) pthread_cond_wait(&team->end, &team->lock);
    pthread_mutex_unlock(&team->lock);
}

static oc_status backend_start(oc_team *team, oc_error *err) {
    oc_status status = OC_OK;
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->begin, NULL);
    pthread_cond_init(&team->end, NULL);
    OC_TRY(oc_alloc(&team->helper, (size_t)team->threads, sizeof *team->helper, err));
    OC_TRY(oc_alloc(&team->place, (size_t)team->threads, sizeof *team->place, err));
    for (int i = 1; i < team->threads; i++) {
        team->place[i] = (worker_place){team, i};
        if (pthread_create(&team->helper[i], NULL, helper_main, &team->place[i]) != 0) {
            status = oc_fail(err, OC_E_MEMORY, NULL, "cannot start thread %d of %d", i + 1, team->threads);
            goto cleanup;
        }
        team->started++;
    }
cleanup:
    return status;
}

static void backend_stop(oc_team *team) {
    pthread_mutex_lock(&team->lock);
    team->quit = true;
    pthread_cond_broadcast(&team->begin);
    pthread_mutex_unlock(&team->lock);
    for (int i = 1; i <= team->started; i++) pthread_join(team->helper[i], NULL);
    pthread_cond_destroy(&team->end);
    pthread_cond_destroy(&team->begin);
    pthread_mutex_destroy(&team->lock);
    oc_free(team->place);
    oc_free(team->helper);
}

#else

struct oc_team {
    int threads;
};

static void team_run(oc_team *team, body_fn body, void *context) {
    /* Always the whole team, also for little work: it is the size oneDNN's regions have, and libgomp keeps its
     * threads at hand only while the size stays. */
#pragma omp parallel num_threads(team->threads)
    body(context, omp_get_thread_num(), omp_get_num_threads());
}

static oc_status backend_start(oc_team *team, oc_error *err) {
    (void)team;
    (void)err;
    return OC_OK; /* libgomp starts its threads with the first region */
}

static void backend_stop(oc_team *team) {
    (void)team;
}

#endif

oc_status oc_team_create(oc_team **out, int threads, oc_error *err) {
    oc_status status = OC_OK;
    oc_team *team = NULL;
    *out = NULL;
    if (threads < 0 || threads > THREADS_MAX)
        return oc_fail(err, OC_E_USAGE, "threads", "%d threads: give 1 … %d, or 0 for all processors", threads,
                       THREADS_MAX);
    OC_TRY(oc_alloc(&team, 1, sizeof *team, err));
    team->threads = threads > 0 ? threads : threads_allowed();
    OC_TRY(backend_start(team, err));
    *out = team;
    team = NULL;
cleanup:
    oc_team_destroy(&team);
    return status;
}

void oc_team_destroy(oc_team **team) {
    if (!team || !*team) return;
    backend_stop(*team);
    oc_free(*team);
    *team = NULL;
}

int oc_team_threads(const oc_team *team) {
    return team ? team->threads : 1;
}

void oc_team_enter(const oc_team *team) {
#ifdef _OPENMP
    omp_set_num_threads(oc_team_threads(team));
#else
    (void)team;
#endif
}

/* One parallel-for. */
typedef struct loop {
    int64_t count, step; /* the ranges are [i·step, (i+1)·step), the last one cut at count */
    int64_t ranges;
    oc_task_fn task;
    void *user;
    _Atomic int64_t next; /* dynamic: first range that nobody took */
} loop;

static int64_t divide_up(int64_t a, int64_t b) {
    return a / b + (a % b != 0);
}

static void loop_range(loop *l, int64_t range, int worker) {
    int64_t begin = range * l->step;
    l->task(l->user, begin, l->count - begin > l->step ? begin + l->step : l->count, worker);
}

static void loop_static(void *context, int worker, int workers) {
    loop *l = context;
    /* One range a worker; more only if OpenMP gave fewer threads than asked for. */
    for (int64_t range = worker; range < l->ranges; range += workers) loop_range(l, range, worker);
}

static void loop_dynamic(void *context, int worker, int workers) {
    (void)workers;
    loop *l = context;
    for (;;) {
        int64_t range = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed);
        if (range >= l->ranges) return;
        loop_range(l, range, worker);
    }
}

static void loop_run(oc_team *team, int64_t count, int64_t step, oc_task_fn task, void *user, body_fn body) {
    loop l = {.count = count, .step = step, .ranges = divide_up(count, step), .task = task, .user = user};
    if (oc_team_threads(team) == 1 || l.ranges == 1)
        body(&l, 0, 1);
    else
        team_run(team, body, &l);
}

void oc_parallel_for(oc_team *team, int64_t count, int64_t grain, oc_task_fn task, void *user) {
    if (count <= 0) return;
    int64_t share = divide_up(count, oc_team_threads(team));
    if (grain < 1) grain = 1;
    loop_run(team, count, share > grain ? share : grain, task, user, loop_static);
}

void oc_parallel_for_dynamic(oc_team *team, int64_t count, int64_t grain, oc_task_fn task, void *user) {
    if (count <= 0) return;
    loop_run(team, count, grain < 1 ? 1 : grain, task, user, loop_dynamic);
}
