/* What computes here, for whoever runs it. */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "base/cpu.h"
#include "base/error.h"
#include "base/load.h"
#include "base/parallel.h"
#include "compute/engine.h"

#if defined __clang__
static const char compiler[] = "clang " __clang_version__;
#else
static const char compiler[] = "gcc " __VERSION__;
#endif

static void system_name(char *text, size_t size) {
    struct utsname name;
    const bool known = uname(&name) == 0;
    const char *libc = "another C library";
#ifdef __GLIBC__
    char glibc[32];
    snprintf(glibc, sizeof glibc, "glibc %s", gnu_get_libc_version());
    libc = glibc;
#endif
    snprintf(text, size, "%.24s %.32s, %s", known ? name.sysname : "?", known ? name.release : "", libc);
}

void oc_engine_machine(oc_system *out) {
    oc_cpu_name(out->processor, sizeof out->processor);
    out->level = oc_cpu_level_name(oc_cpu_level_now());
    oc_engine_dnnl_version(out->dnnl, sizeof out->dnnl);
    system_name(out->system, sizeof out->system);
    out->compiler = compiler;
    out->memory = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

int oc_system_processors(void) {
    return oc_processors_granted();
}

double oc_system_load(void) {
    return oc_load_others("");
}

oc_status oc_system_get(oc_system *out, oc_error *err) {
    oc_status status = OC_OK;
    oc_team *team = NULL;
    OC_TRY(oc_cpu_check(err));
    OC_TRY(oc_team_create(&team, 0, err));
    oc_engine_machine(out);
    out->threads = oc_team_threads(team);
    snprintf(out->threads_note, sizeof out->threads_note, "%s", oc_team_note(team));
cleanup:
    oc_team_destroy(&team);
    return status;
}
