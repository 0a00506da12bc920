/* Finding the control groups of this process, and reading their CPU quotas. /proc/self/cgroup says which group of each
 * hierarchy the process is in, /proc/self/mountinfo which part of a hierarchy is mounted where (in a container often
 * just the group itself); see cgroups(7) and proc(5). Whatever is not as expected there counts as no quota. */
#define _GNU_SOURCE 1
#include "base/quota.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The two versions of control groups; a process may be in a group of each. */
enum { V1, V2, VERSIONS };

/* Lines of these files are short, but a mount's options (overlays) may be long. */
typedef struct lines {
    FILE *file;
    char *text;
    size_t capacity;
} lines;

static lines lines_open(const char *root, const char *path) {
    char whole[PATH_MAX];
    if ((size_t)snprintf(whole, sizeof whole, "%s%s", root, path) >= sizeof whole) return (lines){0};
    return (lines){.file = fopen(whole, "re")};
}

/* The next line without its end, valid until the next call; NULL at the end. */
static char *lines_next(lines *l) {
    if (!l->file || getline(&l->text, &l->capacity, l->file) < 0) return NULL;
    l->text[strcspn(l->text, "\n")] = '\0';
    return l->text;
}

static void lines_close(lines *l) {
    if (l->file) fclose(l->file);
    free(l->text);
}

/* Whether a comma-separated list holds the word. */
static bool list_has(const char *list, const char *word) {
    const size_t length = strlen(word);
    for (const char *item = list; item; item = strchr(item, ',') ? strchr(item, ',') + 1 : NULL)
        if (strncmp(item, word, length) == 0 && (item[length] == '\0' || item[length] == ',')) return true;
    return false;
}

/* The groups that have a say over processors, by version: path within the hierarchy, "" where there is none. */
static void groups_find(const char *root, char group[VERSIONS][PATH_MAX]) {
    lines l = lines_open(root, "/proc/self/cgroup");
    for (char *line; (line = lines_next(&l));) {
        /* "4:cpu,cpuacct:/path"; version 2 is "0::/path" */
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path) continue;
        *controllers++ = '\0';
        *path++ = '\0';
        const bool v2 = *controllers == '\0';
        if (!v2 && !list_has(controllers, "cpu")) continue;
        snprintf(group[v2 ? V2 : V1], PATH_MAX, "%s", path);
    }
    lines_close(&l);
}

/* Resolves the octal escapes of mountinfo ("\040" is a blank), in place. */
static void unescape(char *text) {
    char *to = text;
    for (const char *from = text; *from; to++) {
        const bool escape = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' &&
                            from[3] >= '0' && from[3] <= '7';
        *to = escape ? (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0')) : *from;
        from += escape ? 4 : 1;
    }
    *to = '\0';
}

/* The number that is the file's word `skip` (from 0); 0 where there is none, as for "max" and −1. */
static double number_read(const char *folder, const char *name, int skip) {
    lines l = lines_open(folder, name);
    const char *word = lines_next(&l);
    for (; word && skip > 0; skip--) word = strchr(word, ' ') ? strchr(word, ' ') + 1 : NULL;
    const double number = word ? strtod(word, NULL) : 0;
    lines_close(&l);
    return number > 0 ? number : 0;
}

static double folder_quota(const char *folder, int version) {
    const double quota =
        version == V2 ? number_read(folder, "/cpu.max", 0) : number_read(folder, "/cpu.cfs_quota_us", 0);
    const double period =
        version == V2 ? number_read(folder, "/cpu.max", 1) : number_read(folder, "/cpu.cfs_period_us", 0);
    return period > 0 ? quota / period : 0;
}

/* What of `group` lies below `top`, both paths in one hierarchy; "" for the top itself and for a group that is not
 * below it, of which nothing more can be seen here. */
static const char *below(const char *group, const char *top) {
    if (strstr(group, "/..")) return ""; /* outside of this process's namespace */
    if (strcmp(top, "/") == 0) return strcmp(group, "/") == 0 ? "" : group;
    const size_t length = strlen(top);
    return strncmp(group, top, length) == 0 && group[length] == '/' ? group + length : "";
}

/* The tightest quota from the group up to where the hierarchy is mounted. */
static double mount_quota(const char *root, const char *mounted, const char *rest, int version) {
    char folder[PATH_MAX];
    double tightest = 0;
    const int least = snprintf(folder, sizeof folder, "%s%s", root, mounted);
    if ((size_t)snprintf(folder, sizeof folder, "%s%s%s", root, mounted, rest) >= sizeof folder) return 0;
    for (;;) {
        const double quota = folder_quota(folder, version);
        if (quota > 0 && (tightest <= 0 || quota < tightest)) tightest = quota;
        char *slash = strrchr(folder, '/');
        if (!slash || slash - folder < least) return tightest;
        *slash = '\0';
    }
}

double oc_quota_cpus(const char *root) {
    char group[VERSIONS][PATH_MAX] = {"", ""};
    double tightest = 0;
    groups_find(root, group);
    lines l = lines_open(root, "/proc/self/mountinfo");
    for (char *line; (line = lines_next(&l));) {
        /* "32 31 0:29 ROOT MOUNTED rw,… optional… - TYPE SOURCE OPTIONS" */
        char *rest = line, *field[5] = {NULL}, *tail = strstr(line, " - ");
        if (!tail) continue;
        *tail = '\0';
        tail += 3;
        for (int i = 0; i < 5 && rest; i++) field[i] = strsep(&rest, " ");
        const char *type = strsep(&tail, " ");
        if (tail) strsep(&tail, " ");
        const int version = strcmp(type, "cgroup2") == 0 ? V2 : V1;
        if (version == V1 && (strcmp(type, "cgroup") != 0 || !tail || !list_has(tail, "cpu"))) continue;
        if (!field[4] || group[version][0] == '\0') continue;
        unescape(field[3]);
        unescape(field[4]);
        const double quota = mount_quota(root, field[4], below(group[version], field[3]), version);
        if (quota > 0 && (tightest <= 0 || quota < tightest)) tightest = quota;
    }
    lines_close(&l);
    return tightest;
}
