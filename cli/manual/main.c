/* ocelli-manual: writes the manual pages and the completions of bash, zsh and fish, all from the table of subcommands.
 *
 *     ocelli-manual FOLDER TEMPLATES DATE
 *
 * FOLDER exists and gets man1/NAME.1, ocelli.bash, _ocelli and ocelli.fish; TEMPLATES has completion.bash, .zsh and
 * .fish; DATE, YYYY-MM-DD, stands on the pages unless SOURCE_DATE_EPOCH says another. The build runs it; it is not
 * installed. What it writes depends on nothing else, so that it is the same everywhere. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "manual.h"

static int failed(const char *path) {
    fprintf(stderr, "ocelli-manual: %s: %s\n", path, strerror(errno ? errno : EIO));
    return 1;
}

static FILE *open_in(const char *folder, const char *name, const char *mode, char *path, size_t size) {
    snprintf(path, size, "%s/%s", folder, name);
    return fopen(path, mode);
}

static int write_page(const char *folder, const oc_command *command, const char *date) {
    char name[64], file[96], path[4096];
    snprintf(file, sizeof file, "man1/%s.1", oc_page_name(command, name));
    FILE *out = open_in(folder, file, "w", path, sizeof path);
    if (!out) return failed(path);
    if (command)
        oc_manual_command(out, command, date);
    else
        oc_manual_overview(out, date);
    const bool bad = ferror(out);
    return fclose(out) != 0 || bad ? failed(path) : 0;
}

static int write_completion(const char *folder, const char *name, const char *templates, const char *template_name,
                            const oc_part *parts) {
    char path[4096], template_path[4096];
    FILE *template = open_in(templates, template_name, "r", template_path, sizeof template_path);
    if (!template) return failed(template_path);
    FILE *out = open_in(folder, name, "w", path, sizeof path);
    int status = out ? oc_completion_fill(out, template, parts) : failed(path);
    if (ferror(template)) status = failed(template_path);
    fclose(template);
    const bool bad = out && ferror(out);
    if (out && (fclose(out) != 0 || bad)) status = failed(path);
    return status;
}

/* The date of the pages, into text of at least 11 bytes. */
static bool choose_date(const char *given, char *text) {
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    char *end = NULL;
    struct tm day;
    snprintf(text, 11, "%s", given);
    if (!epoch || !*epoch) return true;
    const time_t seconds = (time_t)strtoll(epoch, &end, 10);
    if (*end == '\0' && gmtime_r(&seconds, &day) && strftime(text, 11, "%Y-%m-%d", &day) > 0) return true;
    fprintf(stderr, "ocelli-manual: SOURCE_DATE_EPOCH: \"%s\" is no number of seconds\n", epoch);
    return false;
}

const char *oc_page_name(const oc_command *command, char *name) {
    snprintf(name, 64, "ocelli%s%s", command ? "-" : "", command ? command->name : "");
    for (char *c = name; *c; c++)
        if (*c == ' ') *c = '-';
    return name;
}

int main(int argc, char **argv) {
    char pages[4096], date[11];
    if (argc != 4) {
        fputs("usage: ocelli-manual FOLDER TEMPLATES DATE\n", stderr);
        return 2;
    }
    if (!choose_date(argv[3], date)) return 1;
    snprintf(pages, sizeof pages, "%s/man1", argv[1]);
    if (mkdir(pages, 0777) != 0 && errno != EEXIST) return failed(pages);
    int status = write_page(argv[1], NULL, date);
    for (size_t i = 0; status == 0 && oc_commands[i]; i++) status = write_page(argv[1], oc_commands[i], date);
    if (status == 0) status = write_completion(argv[1], "ocelli.bash", argv[2], "completion.bash", oc_completion_bash);
    if (status == 0) status = write_completion(argv[1], "_ocelli", argv[2], "completion.zsh", oc_completion_zsh);
    if (status == 0) status = write_completion(argv[1], "ocelli.fish", argv[2], "completion.fish", oc_completion_fish);
    return status;
}
