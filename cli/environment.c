/* Settings of the thread runtime, and signals. */
#define _GNU_SOURCE 1
#include "environment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Says that the settings are made; so that they are made once. */
#define GUARD "OCELLI_ENVIRONMENT"

/* The processors that the process was started on. Where OMP_PROC_BIND, or another of OpenMP's variables, binds threads
 * to processors, libgomp has left the first thread only its own by the time that main begins, and does not tell the
 * others; what is executed then would have just that one for all of its threads. Hence this is looked up before any
 * library's constructor runs (and before the sanitizers are ready for anything but a call to the system). */
static cpu_set_t first_processors;
static long first_size; /* bytes of it that hold anything; <= 0: unknown */

__attribute__((no_sanitize("address", "thread", "undefined"))) static void note_processors(void) {
    first_size = syscall(SYS_sched_getaffinity, 0, sizeof first_processors, &first_processors);
}

__attribute__((section(".preinit_array"), used)) static void (*const before_libraries)(void) = note_processors;

/* Makes the settings that are not made yet; how many. */
static size_t make_settings(void) {
    /* Waiting threads spin for some microseconds, which spares nets of many small layers most of the time of waking
     * (8 % of a step), and then sleep: beside another busy process, where a spinning thread keeps the one that it waits
     * for from running, endless spinning makes a step several times slower. */
    static const struct {
        const char *name, *value;
    } settings[] = {
        {"OMP_WAIT_POLICY", "passive"},
        {"GOMP_SPINCOUNT", "1000"},
        {"OMP_DYNAMIC", "false"},
        /* What glibc takes by default, but then it looks anew for each date, of which libzip has one a file. */
        {"TZ", ":/etc/localtime"},
    };
    size_t made = 0;
    if (getenv(GUARD)) return 0;
    setenv(GUARD, "1", 1);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (!getenv(settings[i].name) && setenv(settings[i].name, settings[i].value, 1) == 0) made++;
    return made;
}

/* Executes a program on the processors that this one was started on. Returns errno. */
static int execute(const char *path, char *const *argv) {
    cpu_set_t bound;
    const bool known = first_size > 0 && sched_getaffinity(0, sizeof bound, &bound) == 0;
    if (known) sched_setaffinity(0, (size_t)first_size, &first_processors);
    execv(path, argv);
    const int reason = errno;
    if (known) sched_setaffinity(0, sizeof bound, &bound);
    return reason;
}

void oc_environment_prepare(char *const *argv) {
    if (make_settings() > 0) execute("/proc/self/exe", argv);
}

int oc_environment_execute_helper(const char *name, char *const *argv) {
    /* Where an installation has the helpers, seen from the folder of the command. */
    static const char *const folders[] = {"", OC_HELPERS "/"};
    char own[PATH_MAX], path[PATH_MAX + 256];
    const ssize_t size = readlink("/proc/self/exe", own, sizeof own - 1);
    if (size <= 0) return ENOENT;
    own[size] = '\0';
    char *slash = strrchr(own, '/');
    if (!slash) return ENOENT;
    slash[1] = '\0';
    make_settings();
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        const int length = snprintf(path, sizeof path, "%s%s%s", own, folders[i], name);
        if (length < 0 || (size_t)length >= sizeof path || access(path, F_OK) != 0) continue;
        return execute(path, argv);
    }
    return ENOENT;
}

void oc_environment_hold_standard_files(void) {
    /* Opened the wrong way round, so that using them still fails. */
    static const int mode[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF && open("/dev/null", mode[fd]) != fd) _exit(1);
}

void oc_environment_ignore_signals(void) {
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
}

/* A signal handler can only reach what is global. */
static volatile int stop_flag;
static atomic_flag asked = ATOMIC_FLAG_INIT; /* signals may come to two threads at once */

/* The second one ends the process: what was asked to stop may never come to look. A SIGHUP is no second: of a terminal
 * that closes, the system sends one and the shell another. */
static void on_signal(int number) {
    if (atomic_flag_test_and_set(&asked) && number != SIGHUP) {
        signal(number, SIG_DFL);
        raise(number); /* held back until this returns */
    }
    stop_flag = 1;
}

const volatile int *oc_environment_stop_flag(void) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction before, action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        /* A run under nohup has SIGHUP ignored, and keeps it so. */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
    return &stop_flag;
}
