/* ocelli serve: its flags. What it does is done by a program of its own, which has the libraries that it needs:
 * helpers/serve.c. */
#include "commands.h"

static const oc_flag flags[] = {
    OC_FLAG_WEIGHTS,
    {"--runs", "DIR", "show the runs and studies in this folder, as they are now"},
    {"--host", "ADDRESS", "name or address to listen at; 127.0.0.1 unless given: this machine only"},
    {"--port", "N", "port to listen at, 0 for any that is free; 8080 unless given"},
    {"--token", "FILE", "a file with the token that requests must show; unless given none"},
    {"--batch-size", "N", "images that are computed at once, at most; 8 unless given"},
    {"--wait", "MS", "milliseconds that an image waits for others to be computed with; 2 unless given"},
    {"--queue", "N", "images that wait to be computed, at most; 256 unless given"},
    {"--max-body", "MB", "size of a request's body, at most, in million bytes; 20 unless given"},
    {"--max-pixels", "MP", "million pixels of an image, at most; 50 unless given"},
    {"--max-connections", "N", "connections at once, at most; 256 unless given"},
    {"--timeout", "S", "seconds that a request may take to arrive, besides what 64 kB/s take; 10 unless given"},
    OC_FLAG_WORDS,
    {"--data", "PATH", "a data set, for human names of classes"},
    OC_FLAG_MODEL,
    OC_FLAG_CLASSES,
    OC_FLAG_SIZE,
    OC_FLAG_STEM,
    OC_FLAG_NO_STEM_POOL,
    OC_FLAG_RECIPE,
    OC_FLAG_SET,
    OC_FLAG_PRECISION,
    OC_FLAG_THREADS,
    OC_FLAG_END,
};

const oc_command oc_command_serve = {
    .name = "serve",
    .summary = "classifies images over HTTP, and shows runs as they train",
    .description = "Serves over HTTP until it is stopped by Ctrl-C or SIGTERM. With --weights it classifies images, "
                   "for programs and on a page for people; with --runs it shows the runs in a folder as `ocelli "
                   "report` does, also those that still train. At least one of the two is needed.\n\n"
                   "It listens to this machine alone unless --host says otherwise; --token then keeps strangers out.",
    .usage = "[--weights FILE] [--runs DIR] [--host 127.0.0.1] [--port 8080]",
    .example = "ocelli serve --weights run/best.safetensors --runs .",
    .docs = "docs/serve.md",
    .flags = flags,
    .helper = "ocelli-serve",
    .packages = "libmicrohttpd-dev",
};
