/* Teams under OpenMP's environment, in a program that knows nothing of it: the program runs itself again with each
 * variable, for libgomp reads them when it is loaded. What never ends is killed, and fails. */
#define _GNU_SOURCE 1
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/parallel.h"
#include "support/run.h"

#define SECONDS_MOST 120 /* of a child; a training step takes one */
#define THREADS_MOST 1024

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
/* There the teams run on pthreads, and OpenMP's environment does not reach them. */
#ifdef __SANITIZE_THREAD__
#define ON_PTHREADS 1
#else
#define ON_PTHREADS 0
#endif

static test_world world;

/* ---- The child -------------------------------------------------------------------------------------------------- */

typedef struct meeting {
    atomic_int arrived;
    int expected;
} meeting;

/* Each range waits for all: that they meet means that the team's threads run at once. */
static void meet(void *user, int64_t begin, int64_t end, int worker) {
    (void)begin, (void)end, (void)worker;
    meeting *m = user;
    const double until = oc_clock_seconds() + 20;
    atomic_fetch_add(&m->arrived, 1);
    while (atomic_load(&m->arrived) < m->expected && oc_clock_seconds() < until) sched_yield();
    if (atomic_load(&m->arrived) < m->expected) atomic_fetch_sub(&m->arrived, THREADS_MOST);
}

/* Prints "THREADS met|NOTE" of two teams, one after the other. */
static int child_teams(int threads) {
    for (int i = 0; i < 2; i++) {
        oc_team *team = NULL;
        oc_error err;
        if (oc_team_create(&team, threads, &err) != OC_OK) return 1;
        meeting m = {.expected = oc_team_threads(team)};
        oc_parallel_for(team, m.expected, 1, meet, &m);
        printf("%d %s|%s\n", oc_team_threads(team), m.arrived == m.expected ? "met" : "missed", oc_team_note(team));
        oc_team_destroy(&team);
    }
    return 0;
}

/* Prints on how many processors the first thread may run once OpenMP is loaded. */
static int child_processors(void) {
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0) return 1;
    printf("%d", CPU_COUNT(&mask));
    return 0;
}

static void print_log(void *user, oc_log_level level, const char *line) {
    (void)user;
    if (strncmp(line, "threads: ", 9) == 0) printf("%s%s\n", level == OC_LOG_WARN ? "warning: " : "", line);
}

/* One step of a model whose backward pass divides work within oneDNN. */
static int child_train(const char *data, const char *out) {
    oc_error err;
    oc_dataset *dataset = NULL;
    oc_recipe *recipe = test_recipe_create("model.name=myresnet-small train.batch_size=10");
    const oc_train_options options = {.out = out, .threads = 2, .max_steps = 1, .log = {.fn = print_log}};
    oc_status status = oc_dataset_open(&dataset, data, NULL, &err);
    oc_trainer *trainer = NULL;
    if (status == OC_OK) status = oc_trainer_create(&trainer, dataset, recipe, &options, &err);
    if (status == OC_OK) status = oc_trainer_run(trainer, &err);
    if (status == OC_OK) printf("trained to step %d\n", (int)oc_trainer_status(trainer).step);
    oc_trainer_destroy(&trainer);
    oc_dataset_destroy(&dataset);
    oc_recipe_destroy(&recipe);
    return status == OC_OK ? 0 : 1;
}

/* ---- The parent ------------------------------------------------------------------------------------------------- */

/* Runs this program with the words of `environment` ("A=1 B=2") set and, unless 0, so many bytes of address space more
 * than it has at its start; what it prints goes into out[size]. Returns its exit status, or minus the signal. */
static int run(const char *environment, rlim_t room, const char *const *arguments, char *out, size_t size) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char words[256], limit[32];
        snprintf(words, sizeof words, "%s", environment);
        for (char *rest = words, *word; (word = strtok_r(rest, " ", &rest));) putenv(word);
        snprintf(limit, sizeof limit, "%llu", (unsigned long long)room);
        setenv("OC_TEST_ROOM", limit, 1);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        alarm(SECONDS_MOST);
        execv("/proc/self/exe", (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t n; used < size - 1 && (n = read(ends[0], out + used, size - 1 - used)) > 0;) used += (size_t)n;
    out[used] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Two teams of `threads` (0: the default) under `environment` must print `expected`. */
static void teams(const char *environment, int threads, const char *expected) {
    char out[4096], number[16];
    snprintf(number, sizeof number, "%d", threads);
    const char *const arguments[] = {"test_team", "teams", number, NULL};
    const int status = run(environment, 0, arguments, out, sizeof out);
    if (status != 0 || strcmp(out, expected) != 0)
        fail_msg("%s, %d threads: status %d, \"%s\" instead of \"%s\"", environment, threads, status, out, expected);
}

static void test_sizes(void **state) {
    (void)state;
    if (ON_PTHREADS) skip();
    teams("OMP_DYNAMIC=false", 3, "3 met|\n3 met|\n");
    teams("OMP_THREAD_LIMIT=1", 2,
          "1 met|OMP_THREAD_LIMIT=1: 1 thread instead of 2\n1 met|OMP_THREAD_LIMIT=1: 1 thread instead of 2\n");
    teams("OMP_THREAD_LIMIT=2", 3,
          "2 met|OMP_THREAD_LIMIT=2: 2 threads instead of 3\n2 met|OMP_THREAD_LIMIT=2: 2 threads instead of 3\n");
    teams("OMP_THREAD_LIMIT=3", 3, "3 met|\n3 met|\n");
    /* What is overruled stays so. */
    teams("OMP_DYNAMIC=true", 3, "3 met|OMP_DYNAMIC=true is overruled\n3 met|\n");
    teams("OMP_MAX_ACTIVE_LEVELS=0", 3, "3 met|OMP_MAX_ACTIVE_LEVELS=0 is overruled\n3 met|\n");
    teams("OMP_DYNAMIC=true OMP_MAX_ACTIVE_LEVELS=0 OMP_THREAD_LIMIT=2", 3,
          "2 met|OMP_DYNAMIC=true is overruled; OMP_MAX_ACTIVE_LEVELS=0 is overruled; OMP_THREAD_LIMIT=2: 2 threads "
          "instead of 3\n2 met|OMP_THREAD_LIMIT=2: 2 threads instead of 3\n");
    /* A number asked for is not the default's. */
    teams("OMP_NUM_THREADS=1", 3, "3 met|\n3 met|\n");
}

static void test_default(void **state) {
    (void)state;
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0 || CPU_COUNT(&mask) < 2) skip();
    oc_team *team;
    assert_int_equal(oc_team_create(&team, 0, NULL), OC_OK);
    const int threads = oc_team_threads(team);
    oc_team_destroy(&team);
    assert_in_range(threads, 1, CPU_COUNT(&mask));
    if (threads < 2 || ON_PTHREADS) skip();
    char text[256];
    snprintf(text, sizeof text,
             "1 met|OMP_NUM_THREADS=1: 1 thread instead of %d\n1 met|OMP_NUM_THREADS=1: 1 thread instead of %d\n",
             threads, threads);
    teams("OMP_NUM_THREADS=1", 0, text);
    snprintf(text, sizeof text, "1 met|OMP_NUM_THREADS=1,4: 1 thread instead of %d\n", threads);
    char twice[512];
    snprintf(twice, sizeof twice, "%s%s", text, text);
    teams("OMP_NUM_THREADS=1,4", 0, twice);
    /* Bound, but each to its own. */
    snprintf(text, sizeof text, "%d met|\n%d met|\n", threads, threads);
    static const char *const bound[] = {"OMP_PROC_BIND=true", "OMP_PROC_BIND=close", "OMP_PROC_BIND=spread"};
    for (size_t i = 0; i < sizeof bound / sizeof *bound; i++) teams(bound[i], 0, text);
    /* Bound to one and the same, by versions of libgomp that bind the first thread: 12 does, 14 does not. */
    const char *const processors[] = {"test_team", "processors", NULL};
    char one[16];
    assert_int_equal(run("OMP_PROC_BIND=master", 0, processors, one, sizeof one), 0);
    if (strcmp(one, "1") == 0) {
        snprintf(text, sizeof text, "1 met|OMP_PROC_BIND=master: 1 thread instead of %d\n", threads);
        snprintf(twice, sizeof twice, "%s%s", text, text);
        teams("OMP_PROC_BIND=master", 0, twice);
        teams("OMP_PROC_BIND=master", 2,
              "2 met|OMP_PROC_BIND=master: 2 threads share 1 processor\n"
              "2 met|OMP_PROC_BIND=master: 2 threads share 1 processor\n");
    } else {
        teams("OMP_PROC_BIND=master", 0, text);
    }
    int first = 0;
    while (!CPU_ISSET(first, &mask)) first++;
    char environment[64];
    snprintf(environment, sizeof environment, "GOMP_CPU_AFFINITY=%d", first);
    snprintf(text, sizeof text, "1 met|%s: 1 thread instead of %d\n", environment, threads);
    snprintf(twice, sizeof twice, "%s%s", text, text);
    teams(environment, 0, twice);
    snprintf(environment, sizeof environment, "OMP_PROC_BIND=close OMP_PLACES={%d}", first);
    snprintf(text, sizeof text, "1 met|%s: 1 thread instead of %d\n", environment, threads);
    snprintf(twice, sizeof twice, "%s%s", text, text);
    teams(environment, 0, twice);
}

/* Where the system lets no more threads start, the team has those that did, and the next team as many. */
static void test_no_room(void **state) {
    (void)state;
    struct rlimit stack;
    if (SANITIZED || getrlimit(RLIMIT_STACK, &stack) != 0 || stack.rlim_cur != (rlim_t)8 << 20) skip();
    char out[4096];
    int first = 0, second = 0, used = 0;
    static const char *const arguments[] = {"test_team", "teams", "100", NULL};
    const int status = run("MALLOC_ARENA_MAX=1", (rlim_t)400 << 20, arguments, out, sizeof out);
    if (status != 0 || sscanf(out, "%d met|%*[^\n]\n%d%n", &first, &second, &used) != 2) /* NOLINT(cert-err34-c) */
        fail_msg("status %d, \"%s\"", status, out);
    assert_in_range(first, 2, 60);
    assert_int_equal(second, first);
    assert_non_null(strstr(out, "lets no more threads start"));
}

static void test_training(void **state) {
    (void)state;
    static const struct {
        const char *environment, *expected;
    } cases[] = {
        {"OMP_DYNAMIC=false", "trained to step 1\n"},
        {"OMP_THREAD_LIMIT=1", "warning: threads: OMP_THREAD_LIMIT=1: 1 thread instead of 2\ntrained to step 1\n"},
        {"OMP_DYNAMIC=true", "threads: OMP_DYNAMIC=true is overruled\ntrained to step 1\n"},
        {"OMP_MAX_ACTIVE_LEVELS=0", "threads: OMP_MAX_ACTIVE_LEVELS=0 is overruled\ntrained to step 1\n"},
    };
    if (ON_PTHREADS) skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[16], folder[320], out[4096], cache[400];
        snprintf(name, sizeof name, "run%zu", i);
        snprintf(cache, sizeof cache, "%s XDG_CACHE_HOME=%s", cases[i].environment, world.cache);
        const char *const arguments[] = {"test_team", "train", world.data, test_world_path(&world, name, folder), NULL};
        const int status = run(cache, 0, arguments, out, sizeof out);
        if (status != 0 || strcmp(out, cases[i].expected) != 0)
            fail_msg("%s: status %d, \"%s\" instead of \"%s\"", cases[i].environment, status, out, cases[i].expected);
    }
}

static int create_world(void **state) {
    (void)state;
    test_world_create(&world);
    return 0;
}

static int destroy_world(void **state) {
    (void)state;
    test_world_destroy(&world);
    return 0;
}

/* Leaves so many bytes of address space. */
static void limit_room(unsigned long long room) {
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return;
    if (fscanf(file, "%llu", &pages) != 1) pages = 0; /* NOLINT(cert-err34-c) */
    fclose(file);
    const rlim_t bytes = (rlim_t)(pages * (unsigned long long)sysconf(_SC_PAGESIZE) + room);
    setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes});
}

int main(int argc, char **argv) {
    const char *room = getenv("OC_TEST_ROOM");
    if (room && strcmp(room, "0") != 0) limit_room(strtoull(room, NULL, 10));
    if (argc == 3 && strcmp(argv[1], "teams") == 0) return child_teams((int)strtol(argv[2], NULL, 10));
    if (argc == 2 && strcmp(argv[1], "processors") == 0) return child_processors();
    if (argc == 4 && strcmp(argv[1], "train") == 0) return child_train(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_training),
    };
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
