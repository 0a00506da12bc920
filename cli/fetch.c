/* ocelli data fetch: its flags. What it does is done by a program of its own, which has the libraries that it needs:
 * helpers/fetch.c. */
#include "commands.h"

static const oc_flag flags[] = {
    {"--url", "URL", "fetch it from this address (http or https) instead; it must be the same file"},
    OC_FLAG_END,
};

const oc_command oc_command_data_fetch = {
    .name = "data fetch",
    .summary = "downloads a data set that is known by name, tiny-imagenet, or the rest of it",
    .usage = "tiny-imagenet DIR [--url URL]",
    .example = "ocelli data fetch tiny-imagenet .",
    .flags = flags,
    .least = 2,
    .most = 2,
    .helper = "ocelli-fetch",
    .packages = "libcurl4-openssl-dev and libmd-dev",
};
