/* The table of subcommands. The command, its manual pages and its completions are all made from it. */
#include "commands.h"

const oc_command *const oc_commands[] = {
    &oc_command_train,     &oc_command_eval,      &oc_command_predict,    &oc_command_ensemble,
    &oc_command_study,     &oc_command_report,    &oc_command_serve,      &oc_command_export,
    &oc_command_models,    &oc_command_bench,     &oc_command_data_info,  &oc_command_data_doctor,
    &oc_command_data_pack, &oc_command_data_demo, &oc_command_data_fetch, NULL,
};
