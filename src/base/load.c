/* Reading the load. */
#define _POSIX_C_SOURCE 200809L
#include "base/load.h"

#include <limits.h>
#include <stdio.h>

double oc_load_others(const char *root) {
    char path[PATH_MAX];
    double minute = 0;
    int running = 0; /* the calling thread among them */
    if ((size_t)snprintf(path, sizeof path, "%s/proc/loadavg", root) >= sizeof path) return 0;
    FILE *file = fopen(path, "re");
    /* "0.20 0.18 0.12 1/80 11206" */
    if (file && fscanf(file, "%lf %*f %*f %d/", &minute, &running) != 2) running = 0; /* NOLINT(cert-err34-c) */
    if (file) fclose(file);
    const double others = running > 1 ? running - 1 : 0;
    return minute < others ? minute : others;
}
