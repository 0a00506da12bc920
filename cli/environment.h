/* The process around the library: settings of the thread runtime, and signals. */
#ifndef OC_CLI_ENVIRONMENT_H
#define OC_CLI_ENVIRONMENT_H

/* Executes the command once more with the settings that libgomp only reads when it is loaded, where they are not set
 * yet, on the processors that it was started on. Returns when nothing is to be set, or when the system refuses, which
 * costs speed only. */
void oc_environment_prepare(char *const *argv);

/* Executes a helper program of the command, with those settings and the same words: one that lies beside the command,
 * or where an installation has it. Returns why it cannot, as errno has it: ENOENT where it is in neither. */
int oc_environment_execute_helper(const char *name, char *const *argv);

/* Standard input, output and error that the caller has closed stay closed to use, but no file that is opened later gets
 * their numbers, and with them what is printed. */
void oc_environment_hold_standard_files(void);

/* A write beyond the limit on file sizes, or to a closed pipe, becomes an error instead of the end. */
void oc_environment_ignore_signals(void);

/* Catches SIGINT, SIGTERM and SIGHUP: the first sets the flag that is returned, another SIGINT or SIGTERM ends the
 * process at once. */
const volatile int *oc_environment_stop_flag(void);

#endif
