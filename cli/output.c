/* What a subcommand writes. */
#define _POSIX_C_SOURCE 200809L
#include "output.h"

#include <stdlib.h>
#include <string.h>

oc_status oc_cli_check_output(const oc_args *args, const char *output, oc_error *err) {
    static const char *const inputs[] = {"--weights", "--paired", "--data", "--recipe", "--classes", "--words"};
    const char *path = oc_args_text(args, output);
    if (!path) return OC_OK;
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        const char *input = oc_args_text(args, inputs[i]);
        if (!input) continue;
        if (oc_path_same(path, input))
            return oc_cli_fail(err, OC_E_USAGE, output, "%s is what %s reads, and would be overwritten", path,
                               inputs[i]);
        if (oc_path_inside(path, input))
            return oc_cli_fail(err, OC_E_USAGE, output, "%s lies in the folder of %s, and would be overwritten", path,
                               inputs[i]);
    }
    return OC_OK;
}

void oc_cli_print(const char *text) {
    char *line = strdup(text);
    if (line) {
        oc_text_line(line);
        fputs(line, stdout);
    }
    free(line);
}
