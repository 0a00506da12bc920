/* The team of threads. Both backends only know how to run one function on every thread (team_run); the two
 * parallel-fors are built on that, so they divide the work alike. */
#define _GNU_SOURCE 1
#include "base/parallel.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#elif !defined OC_PARALLEL_PTHREAD
#error "compile with -fopenmp, or define OC_PARALLEL_PTHREAD"
#endif

#include "base/denormals.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/quota.h"

#define THREADS_MAX 1024
#define NOTE_SIZE 512
#define NO_MORE_START "the system lets no more threads start (ulimit -u, ulimit -v, pids.max)"

/* What each of `workers` threads runs. */
typedef void (*body_fn)(void *context, int worker, int workers);

#ifdef OC_PARALLEL_PTHREAD
typedef struct worker_place {
    oc_team *team;
    int worker;
} worker_place;
#endif

struct oc_team {
    int threads;
    bool given;           /* their number was asked for, not chosen here */
    bool fewer;           /* than were asked for */
    char note[NOTE_SIZE]; /* see oc_team_note */
#ifdef OC_PARALLEL_PTHREAD
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
#endif
};

/* ---- How many threads ------------------------------------------------------------------------------------------- */

/* Adds to the note. */
__attribute__((format(printf, 2, 3))) static void note(oc_team *team, const char *format, ...) {
    const size_t used = strlen(team->note);
    int begin = 0;
    if (used > 0) begin = snprintf(team->note + used, sizeof team->note - used, "; ");
    if (used + (size_t)begin >= sizeof team->note) return;
    va_list args;
    va_start(args, format);
    vsnprintf(team->note + used + begin, sizeof team->note - used - (size_t)begin, format, args);
    va_end(args);
    oc_text_line(team->note); /* it holds what the environment does */
}

/* Makes the team smaller, where it is larger than `threads`, and notes that, and why. */
static void reduce(oc_team *team, int threads, const char *why) {
    if (threads >= team->threads) return;
    note(team, "%s: %d thread%s instead of %d", why, threads, threads == 1 ? "" : "s", team->threads);
    team->threads = threads;
    team->fewer = team->given;
}

/* "NAME=value" of the environment into text[size], or `otherwise` where the variable is not set; returns text. */
static const char *setting(char *text, size_t size, const char *name, const char *otherwise) {
    const char *value = getenv(name);
    if (value)
        snprintf(text, size, "%s=%.40s", name, value);
    else
        snprintf(text, size, "%s", otherwise);
    return text;
}

/* Processors that the process may run on. */
static int processors_allowed(void) {
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

/* Threads that a quota serves: one where it is less than a processor, and no part of one. */
static int quota_threads(double quota) {
    return quota < 1 ? 1 : (int)quota;
}

int oc_processors_granted(void) {
    const int allowed = processors_allowed();
    const double quota = oc_quota_cpus("");
    return quota > 0 && quota < allowed ? quota_threads(quota) : allowed;
}

/* As many threads as processors, or fewer, where a control group grants fewer processors' worth of time: threads that
 * have used it up are all stopped for the rest of each tenth of a second, and the others wait for them. */
static void size_by_default(oc_team *team) {
    char why[96];
    team->threads = processors_allowed();
    const double quota = oc_quota_cpus("");
    if (quota > 0 && quota < team->threads) {
        snprintf(why, sizeof why, "a CPU quota of %.4g processors (cgroup)", quota);
        reduce(team, quota_threads(quota), why);
    }
    /* "4" or, of nested regions, "4,2"; what is no number, OpenMP itself complains of. */
    const char *asked = getenv("OMP_NUM_THREADS");
    const long threads = asked ? strtol(asked, NULL, 10) : 0;
    if (threads < 1 || threads == team->threads) return;
    setting(why, sizeof why, "OMP_NUM_THREADS", "");
    if (threads < team->threads)
        reduce(team, (int)threads, why);
    else
        note(team, "%s is overruled: more than %d here would wait for each other", why, team->threads);
}

#ifdef OC_PARALLEL_PTHREAD

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
    bool all = true;
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->begin, NULL);
    pthread_cond_init(&team->end, NULL);
    OC_TRY(oc_alloc(&team->helper, (size_t)team->threads, sizeof *team->helper, err));
    OC_TRY(oc_alloc(&team->place, (size_t)team->threads, sizeof *team->place, err));
    for (int i = 1; i < team->threads && all; i++) {
        team->place[i] = (worker_place){team, i};
        all = pthread_create(&team->helper[i], NULL, helper_main, &team->place[i]) == 0;
        if (all) team->started++;
    }
    reduce(team, team->started + 1, NO_MORE_START); /* helpers read it in a round, and there was none */
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

static void team_run(oc_team *team, body_fn body, void *context) {
    /* Always the whole team, also for little work: it is the size oneDNN's regions have, and libgomp keeps its
     * threads at hand only while the size stays. */
#pragma omp parallel num_threads(team->threads)
    body(context, omp_get_thread_num(), omp_get_num_threads());
}

/* Lets regions that the calling thread opens have the size that they ask for. OpenMP keeps these settings for each
 * thread that opens regions, and begins them with what OMP_DYNAMIC and OMP_MAX_ACTIVE_LEVELS say. */
static void settle(void) {
    if (omp_get_dynamic()) omp_set_dynamic(0);
    if (omp_get_max_active_levels() < 1) omp_set_max_active_levels(1);
}

/* Threads of a trial wait here for its end. */
typedef struct trial {
    pthread_mutex_t lock;
    pthread_cond_t ends;
    bool over;
} trial;

static void *trial_main(void *argument) {
    trial *t = argument;
    pthread_mutex_lock(&t->lock);
    while (!t->over) pthread_cond_wait(&t->ends, &t->lock);
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* Threads that the process has, or 0 where that is not told. */
static int threads_alive(void) {
    int alive = 0;
    DIR *folder = opendir("/proc/self/task");
    if (!folder) return 0;
    for (const struct dirent *entry; (entry = readdir(folder));) alive += entry->d_name[0] != '.';
    closedir(folder);
    return alive;
}

/* How many of `wanted` threads the system lets start beside the calling one. libgomp ends the process when one does
 * not, so that as many are started and ended here before. At the limit, other threads of the process are taken for
 * libgomp's, which keeps those of earlier regions. Nothing helps where another process takes the room in between. */
static int threads_startable(int wanted) {
    pthread_t thread[THREADS_MAX];
    trial t = {.over = false};
    const int before = threads_alive();
    int started = 0;
    pthread_mutex_init(&t.lock, NULL);
    pthread_cond_init(&t.ends, NULL);
    while (started < wanted && pthread_create(&thread[started], NULL, trial_main, &t) == 0) started++;
    pthread_mutex_lock(&t.lock);
    t.over = true;
    pthread_cond_broadcast(&t.ends);
    pthread_mutex_unlock(&t.lock);
    for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
    pthread_cond_destroy(&t.ends);
    pthread_mutex_destroy(&t.lock);
    /* A thread that was joined counts until the system has cleared it away. */
    for (int i = 0; i < 100 && before > 0 && threads_alive() > before; i++)
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    if (started < wanted && started < before - 1) started = before - 1 < wanted ? before - 1 : wanted;
    return started;
}

/* What a region that asks for `threads` has: *processors = on how many its threads may run in all; as many as threads
 * where that is not told. Returns the number of its threads. */
static int region_size(int threads, int *processors) {
    int got = 1;
    bool told = true;
    cpu_set_t all;
    /* Not "omp critical": with a name it is a symbol that the library exports, without one it is the caller's, too. */
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    CPU_ZERO(&all);
#pragma omp parallel num_threads(threads)
    {
        cpu_set_t mine;
        const bool known = sched_getaffinity(0, sizeof mine, &mine) == 0;
        pthread_mutex_lock(&lock);
        got = omp_get_num_threads();
        told = told && known;
        if (known) CPU_OR(&all, &all, &mine);
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_destroy(&lock);
    *processors = told ? CPU_COUNT(&all) : got;
    return got;
}

/* What binds OpenMP's threads to processors, into text[size]; returns text. libgomp's own variable counts where the
 * standard's are not set. */
static const char *binding(char *text, size_t size) {
    if (!getenv("OMP_PROC_BIND") && !getenv("OMP_PLACES"))
        return setting(text, size, "GOMP_CPU_AFFINITY", "OpenMP's binding of threads");
    setting(text, size, "OMP_PROC_BIND", "");
    const size_t used = strlen(text);
    if (getenv("OMP_PLACES"))
        snprintf(text + used, size - used, "%sOMP_PLACES=%.40s", used ? " " : "", getenv("OMP_PLACES"));
    return text;
}

/* libgomp starts its threads with the first region, which is here: only a region tells what regions get. oneDNN divides
 * its work by the number it asked for, and waits for ever where there are fewer. */
static oc_status backend_start(oc_team *team, oc_error *err) {
    (void)err;
    char text[128];
    if (omp_get_dynamic()) note(team, "%s is overruled", setting(text, sizeof text, "OMP_DYNAMIC", "OpenMP's dynamic"));
    if (omp_get_max_active_levels() < 1)
        note(team, "%s is overruled",
             setting(text, sizeof text, "OMP_MAX_ACTIVE_LEVELS", "OpenMP's limit of 0 active levels"));
    settle();
    reduce(team, omp_get_thread_limit(), setting(text, sizeof text, "OMP_THREAD_LIMIT", "OpenMP's thread limit"));
    reduce(team, threads_startable(team->threads - 1) + 1, NO_MORE_START);
    const int allowed = processors_allowed();
    for (;;) {
        const int threads = team->threads;
        int processors;
        reduce(team, region_size(threads, &processors),
               omp_in_parallel() ? "called inside a parallel region" : "OpenMP gives no more");
        if (team->threads < threads) continue;
        if (processors >= threads || processors >= allowed) return OC_OK;
        if (team->given) {
            note(team, "%s: %d threads share %d processor%s", binding(text, sizeof text), threads, processors,
                 processors == 1 ? "" : "s");
            return OC_OK;
        }
        reduce(team, processors, binding(text, sizeof text));
    }
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
    team->given = threads > 0;
    team->threads = threads;
    if (!team->given) size_by_default(team);
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

const char *oc_team_note(const oc_team *team) {
    return team ? team->note : "";
}

oc_log_level oc_team_note_level(const oc_team *team) {
    return team && team->fewer ? OC_LOG_WARN : OC_LOG_INFO;
}

void oc_team_log(const oc_team *team, const oc_log *log) {
    if (oc_team_note(team)[0]) oc_log_line(log, oc_team_note_level(team), "threads: %s", oc_team_note(team));
}

void oc_team_enter(const oc_team *team) {
#ifdef _OPENMP
    settle();
    omp_set_num_threads(oc_team_threads(team));
#else
    (void)team;
#endif
}

static void thread_flush(void *context, int worker, int workers) {
    (void)context, (void)worker, (void)workers;
    oc_denormals_flush();
}

static void thread_restore(void *context, int worker, int workers) {
    (void)worker, (void)workers;
    oc_denormals_restore(*(const unsigned *)context);
}

/* Runs on the calling thread alone where it is the whole team. */
static void team_each(oc_team *team, body_fn body, void *context) {
    if (oc_team_threads(team) == 1)
        body(context, 0, 1);
    else
        team_run(team, body, context);
}

unsigned oc_team_flush(oc_team *team) {
    const unsigned mode = oc_denormals_flush();
    team_each(team, thread_flush, NULL);
    return mode;
}

void oc_team_restore(oc_team *team, unsigned mode) {
    team_each(team, thread_restore, &mode);
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
    const unsigned mode = oc_denormals_flush();
    /* One range a worker; more only if OpenMP gave fewer threads than asked for. */
    for (int64_t range = worker; range < l->ranges; range += workers) loop_range(l, range, worker);
    oc_denormals_restore(mode);
}

static void loop_dynamic(void *context, int worker, int workers) {
    (void)workers;
    loop *l = context;
    const unsigned mode = oc_denormals_flush();
    for (int64_t range; (range = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed)) < l->ranges;)
        loop_range(l, range, worker);
    oc_denormals_restore(mode);
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
