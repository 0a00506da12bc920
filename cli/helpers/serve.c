/* ocelli-serve: what `ocelli serve` executes. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "environment.h"
#include "ocelli/models.h"
#include "ocelli/recipe.h"
#include "ocelli/serve.h"

#define TOKEN_LEAST 8
#define TOKEN_MOST 500

/* The one word in a file. */
static oc_status read_token(char **out, const char *path, oc_error *err) {
    oc_lines lines = {0};
    struct stat info;
    oc_status status = oc_lines_read(&lines, path, err);
    if (status == OC_OK && lines.count != 1)
        status = oc_cli_fail(err, OC_E_FORMAT, path, "a token is one line; here are %zu", lines.count);
    if (status == OC_OK) {
        const size_t length = strlen(lines.item[0]);
        bool printable = true;
        for (const char *c = lines.item[0]; *c; c++) printable = printable && *c > ' ' && *c < 127;
        if (length < TOKEN_LEAST || length > TOKEN_MOST || !printable)
            status =
                oc_cli_fail(err, OC_E_FORMAT, path, "a token has %d to %d letters, digits and signs, and no spaces",
                            TOKEN_LEAST, TOKEN_MOST);
    }
    if (status == OC_OK) {
        if (stat(path, &info) == 0 && (info.st_mode & (S_IRGRP | S_IROTH)))
            fprintf(stderr, "ocelli: warning: %s: others can read the token: \"chmod 600\" it\n", path);
        *out = lines.item[0];
        lines.item[0] = NULL;
    }
    oc_lines_free(&lines);
    return status;
}

/* A number of a flag in [least, most], times `unit`, into *out, which stays where it was not given. */
static oc_status read_number(const oc_args *args, const char *flag, double least, double most, double unit, double *out,
                             oc_error *err) {
    const char *text = oc_args_text(args, flag);
    char *end = NULL;
    if (!text) return OC_OK;
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < least || value > most)
        return oc_cli_fail(err, OC_E_USAGE, flag, "\"%s\" is not from %g to %g", text, least, most);
    *out = value * unit;
    return OC_OK;
}

/* The flags that are numbers. */
static oc_status read_limits(const oc_args *args, oc_server_options *options, oc_error *err) {
    int64_t port = 8080, connections = 0;
    double wait = 0.002, body = 0, pixels = 0;
    oc_status status = oc_args_int(args, "--port", 0, 65535, &port, err);
    if (status == OC_OK) status = oc_args_int(args, "--batch-size", 1, 4096, &options->batch, err);
    if (status == OC_OK) status = read_number(args, "--wait", 0, 10000, 1e-3, &wait, err);
    if (status == OC_OK) status = oc_args_int(args, "--queue", 1, 1000000, &options->queue, err);
    if (status == OC_OK) status = read_number(args, "--max-body", 0.001, 1000, 1e6, &body, err);
    if (status == OC_OK) status = read_number(args, "--max-pixels", 0.001, 100, 1e6, &pixels, err);
    if (status == OC_OK) status = oc_args_int(args, "--max-connections", 1, 100000, &connections, err);
    if (status == OC_OK) status = read_number(args, "--timeout", 0.1, 86400, 1, &options->seconds, err);
    if (status == OC_OK) status = oc_args_threads(args, &options->threads, err);
    options->port = (int)port;
    options->wait = wait > 0 ? wait : -1;
    options->body = (int64_t)body;
    options->pixels = (int64_t)pixels;
    options->connections = (int)connections;
    return status;
}

/* The names of the model's classes, where something was given that says them. */
static oc_status read_names(const oc_args *args, const oc_model *model, const oc_words *words, const char ***out,
                            oc_error *err) {
    const size_t count = oc_model_class_count(model);
    if (!words->dataset && !oc_args_has(args, "--words")) return OC_OK;
    *out = calloc(count, sizeof **out);
    if (!*out) return oc_cli_fail(err, OC_E_MEMORY, NULL, "out of memory");
    for (size_t i = 0; i < count; i++) (*out)[i] = oc_words_name(words, oc_model_class(model, i));
    return OC_OK;
}

static bool is_local(const char *host) {
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}

/* Says where it is, which a script may wait for. */
static void announce(const oc_server *server, const oc_server_options *options) {
    const char *host = options->host ? options->host : "127.0.0.1";
    const bool bare = strchr(host, ':') != NULL;
    printf("serving at http://%s%s%s:%d/\n", bare ? "[" : "", host, bare ? "]" : "", oc_server_port(server));
    fflush(stdout);
    if (!is_local(host) && !options->token)
        fprintf(stderr, "ocelli: warning: whoever reaches this machine may ask, without --token\n");
    if (oc_server_note(server)[0]) fprintf(stderr, "threads: %s\n", oc_server_note(server));
}

static oc_status serve(const oc_args *args, oc_error *err) {
    oc_server_options options = {.host = oc_args_text(args, "--host"), .runs = oc_args_text(args, "--runs")};
    const char *data = oc_args_text(args, "--data"), *token_path = oc_args_text(args, "--token");
    const char **names = NULL;
    char *token = NULL;
    oc_words words = {0};
    oc_recipe *recipe = NULL;
    oc_dataset *dataset = NULL;
    oc_server *server = NULL;
    oc_status status = OC_OK;
    if (!oc_args_has(args, "--weights") && !options.runs)
        status = oc_cli_fail(err, OC_E_USAGE, "serve", "name --weights, --runs, or both");
    if (status == OC_OK) status = read_limits(args, &options, err);
    if (status == OC_OK && token_path) status = read_token(&token, token_path, err);
    options.token = token;
    if (status == OC_OK) status = oc_cli_recipe(&recipe, args, err);
    if (status == OC_OK) options.precision = oc_cli_precision(args, recipe);
    if (status == OC_OK && data) status = oc_cli_dataset(&dataset, data, recipe, true, err);
    words.dataset = dataset;
    if (status == OC_OK) status = oc_words_read(&words, args, err);
    if (status == OC_OK && oc_args_has(args, "--weights"))
        status = oc_cli_weights(&options.model, args, recipe, dataset, err);
    if (status == OC_OK && options.model) status = read_names(args, options.model, &words, &names, err);
    options.class_names = names;
    if (status == OC_OK) status = oc_server_create(&server, &options, err);
    if (status == OC_OK) {
        const volatile int *stop = oc_environment_stop_flag();
        announce(server, &options);
        status = oc_server_run(server, stop, err);
    }
    oc_server_destroy(&server);
    oc_model_destroy(&options.model);
    oc_dataset_destroy(&dataset);
    oc_recipe_destroy(&recipe);
    oc_words_free(&words);
    free(names);
    free(token);
    return status;
}

int main(int argc, char **argv) {
    oc_error err = {0};
    oc_args *args = NULL;
    /* The word `serve` is handed on with the rest. */
    const int skip = argc > 1 && strcmp(argv[1], oc_command_serve.name) == 0 ? 2 : 1;
    oc_environment_hold_standard_files();
    oc_environment_ignore_signals();
    if (oc_args_wants_help(argc - skip, argv + skip)) {
        oc_command_help(&oc_command_serve, stdout);
        return oc_cli_end(OC_OK, &err);
    }
    oc_status status = oc_args_create(&args, &oc_command_serve, argc - skip, argv + skip, &err);
    if (status == OC_OK) {
        oc_environment_prepare(argv);
        status = serve(args, &err);
    }
    oc_args_destroy(&args);
    return oc_cli_end(status, &err);
}
