/* ocelli-fetch: what `ocelli data fetch` executes. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "environment.h"
#include "ocelli/fetch.h"
#include "progress.h"

static oc_status fetch(const oc_args *args, oc_error *err) {
    const char *const *words = oc_args_word(args);
    const oc_archive *archive;
    bool there = false;
    oc_bar bar = oc_bar_make(oc_environment_stop_flag());
    oc_fetch_options options = {
        .url = oc_args_text(args, "--url"), .progress = oc_bar_bytes(&bar), .log = oc_bar_log(&bar)};
    oc_status status = oc_archive_find(&archive, words[0], err);
    if (status == OC_OK && !words[1][0])
        status = oc_cli_fail(err, OC_E_USAGE, "data fetch", "the name of the folder is empty; \".\" is this one");
    if (status == OC_OK) status = oc_fetch(&there, archive, words[1], &options, err);
    oc_bar_clear(&bar);
    if (status == OC_OK) {
        const size_t length = strlen(words[1]);
        printf("%s%s%s is %scomplete\n", words[1], length && words[1][length - 1] == '/' ? "" : "/", archive->file,
               there ? "there and " : "");
    }
    return status;
}

int main(int argc, char **argv) {
    oc_error err = {0};
    oc_args *args = NULL;
    /* The words `data fetch` are handed on with the rest. */
    const int skip = argc > 2 && strcmp(argv[1], "data") == 0 && strcmp(argv[2], "fetch") == 0 ? 3 : 1;
    oc_environment_hold_standard_files();
    oc_environment_ignore_signals();
    if (oc_args_wants_help(argc - skip, argv + skip)) {
        oc_command_help(&oc_command_data_fetch, stdout);
        return oc_cli_end(OC_OK, &err);
    }
    oc_status status = oc_args_create(&args, &oc_command_data_fetch, argc - skip, argv + skip, &err);
    if (status == OC_OK) status = fetch(args, &err);
    oc_args_destroy(&args);
    return oc_cli_end(status, &err);
}
