/* What a subcommand writes: files that must not be those it reads, and text that a terminal may be shown. */
#ifndef OC_CLI_OUTPUT_H
#define OC_CLI_OUTPUT_H

#include "options.h"

/* OC_E_USAGE when writing to the file of `output` ("--submission") would destroy what another flag reads; names both.
 * OK when the flag was not given. */
oc_status oc_cli_check_output(const oc_args *args, const char *output, oc_error *err);

/* Prints text from files as messages do: one line, without control codes. */
void oc_cli_print(const char *text);

#endif
