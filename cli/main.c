/* ocelli: finds the subcommand, runs it, and turns what went wrong into one line and an exit status. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "environment.h"
#include "options.h"

static void print_usage(FILE *out) {
    fprintf(out,
            "ocelli %s: trains image classifiers on ordinary CPUs, and classifies with them\n\n"
            "usage: ocelli SUBCOMMAND ...   or   ocelli --version\n\n",
            oc_version());
    for (size_t i = 0; oc_commands[i]; i++) fprintf(out, "  %-12s %s\n", oc_commands[i]->name, oc_commands[i]->summary);
    fprintf(out, "\n\"ocelli SUBCOMMAND --help\" tells all about one.\n"
                 "example: ocelli train --data tiny-imagenet-200.zip --model myresnet-small --out run\n");
}

static bool is_group(const char *word) {
    for (size_t i = 0; word[0] && oc_commands[i]; i++)
        if (oc_command_in_group(oc_commands[i], word)) return true;
    return false;
}

static void print_group(const char *group, FILE *out) {
    for (size_t i = 0; oc_commands[i]; i++)
        if (oc_command_in_group(oc_commands[i], group))
            fprintf(out, "ocelli %s %s\n  %s\n  example: %s\n", oc_commands[i]->name, oc_commands[i]->usage,
                    oc_commands[i]->summary, oc_commands[i]->example);
}

static const oc_command *find(const char *name) {
    for (size_t i = 0; oc_commands[i]; i++)
        if (strcmp(oc_commands[i]->name, name) == 0) return oc_commands[i];
    return NULL;
}

/* "unknown subcommand", with the nearest one of the group (NULL: of the top). */
static oc_status unknown(const char *group, const char *word, oc_error *err) {
    const char *candidates[32] = {0};
    size_t count = 0;
    if (!group) candidates[count++] = "data";
    for (size_t i = 0; oc_commands[i] && count < 32; i++) {
        const char *name = oc_command_in_group(oc_commands[i], group ? group : "");
        if (name) candidates[count++] = name;
    }
    const char *nearest = oc_text_nearest(word, candidates, count);
    char where[256];
    snprintf(where, sizeof where, "%s%s%s", group ? group : "", group ? " " : "", word);
    if (nearest) return oc_cli_fail(err, OC_E_USAGE, where, "unknown subcommand; did you mean \"%s\"?", nearest);
    return oc_cli_fail(err, OC_E_USAGE, where, "unknown subcommand; \"ocelli --help\" lists the valid ones");
}

/* Only returns where that cannot be done. */
static oc_status execute_helper(const oc_command *command, char *const *whole, oc_error *err) {
    const int reason = oc_environment_execute_helper(command->helper, whole);
    if (reason == ENOENT)
        return oc_cli_fail(err, OC_E_NOT_FOUND, command->name,
                           "its program %s is not there: install what it needs (Debian's %s) and build ocelli again",
                           command->helper, command->packages);
    return oc_cli_fail(err, OC_E_IO, command->name, "its program %s cannot be executed: %s", command->helper,
                       strerror(reason));
}

/* Parses the words after the subcommand's name and runs it. */
static oc_status run(const oc_command *command, int argc, char *const *argv, char *const *whole, oc_error *err) {
    if (oc_args_wants_help(argc, argv)) {
        oc_command_help(command, stdout);
        return OC_OK;
    }
    oc_args *args = NULL;
    oc_status status = oc_args_create(&args, command, argc, argv, err);
    if (status == OC_OK) {
        if (command->helper)
            status = execute_helper(command, whole, err);
        else if (command->computes)
            oc_environment_prepare(whole);
        if (!command->helper) status = command->run(args, err);
    }
    oc_args_destroy(&args);
    return status;
}

static oc_status print_version(oc_error *err) {
    oc_system system;
    oc_status status = oc_system_get(&system, err);
    if (status != OC_OK) return status;
    printf("ocelli %s\nprocessor %s, instructions %s\noneDNN %s\nthreads %d%s%s%s\n", oc_version(), system.processor,
           system.level, system.dnnl, system.threads, system.threads_note[0] ? " (" : "", system.threads_note,
           system.threads_note[0] ? ")" : "");
    return OC_OK;
}

static oc_status dispatch(int argc, char *const *argv, oc_error *err) {
    const char *word = argc > 1 ? argv[1] : "";
    if (argc < 2) {
        print_usage(stderr);
        return oc_cli_fail(err, OC_E_USAGE, NULL, "no subcommand given");
    }
    if (strcmp(word, "--version") == 0) {
        return print_version(err);
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_usage(stdout);
        return OC_OK;
    }
    if (is_group(word)) {
        char name[64];
        if (argc < 3 || oc_args_wants_help(1, argv + 2)) {
            print_group(word, argc < 3 ? stderr : stdout);
            return argc < 3 ? oc_cli_fail(err, OC_E_USAGE, word, "needs one of the above") : OC_OK;
        }
        snprintf(name, sizeof name, "%s %s", word, argv[2]);
        const oc_command *command = find(name);
        return command ? run(command, argc - 3, argv + 3, argv, err) : unknown(word, argv[2], err);
    }
    if (word[0] == '-') return oc_cli_fail(err, OC_E_USAGE, word, "a subcommand comes first; see \"ocelli --help\"");
    const oc_command *command = find(word);
    return command ? run(command, argc - 2, argv + 2, argv, err) : unknown(NULL, word, err);
}

int main(int argc, char **argv) {
    oc_error err = {0};
    oc_environment_hold_standard_files();
    oc_environment_ignore_signals();
    oc_status status = dispatch(argc, argv, &err);
    return oc_cli_end(status, &err);
}
