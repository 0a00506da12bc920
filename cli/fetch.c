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
    .description =
        "Makes a file in DIR of a data set that is known by name, as `ocelli train` reads it. Stopped by Ctrl-C, "
        "cut off or out of disk, the same command goes on where it was; a connection that is lost is made "
        "again by itself. The file gets its name when its size and its MD5 are right. One of that name that "
        "is there stays; one that is right is not fetched again.\n\n"
        "A proxy is taken from the environment: http_proxy, https_proxy, no_proxy.",
    .usage = "tiny-imagenet DIR [--url URL]",
    .example = "ocelli data fetch tiny-imagenet .",
    .docs = "docs/data.md",
    .flags = flags,
    .least = 2,
    .most = 2,
    .words = "tiny-imagenet DIR",
    .helper = "ocelli-fetch",
    .packages = "libcurl4-openssl-dev and libmd-dev",
};
