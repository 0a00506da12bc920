/* The subcommands: one file each, and what several of them do alike. */
#ifndef OC_CLI_COMMANDS_H
#define OC_CLI_COMMANDS_H

#include "options.h"

extern const oc_command oc_command_train, oc_command_eval, oc_command_predict, oc_command_models, oc_command_bench;
extern const oc_command oc_command_ensemble, oc_command_study, oc_command_report, oc_command_serve;
extern const oc_command oc_command_export;
extern const oc_command oc_command_data_info, oc_command_data_pack, oc_command_data_demo, oc_command_data_fetch;
extern const oc_command oc_command_data_doctor;

/* A list of owned strings; start from {0}. */
typedef struct oc_lines {
    char **item;
    size_t count;
} oc_lines;
/* The lines of a text file without spaces around them, empty ones left out. OC_E_NOT_FOUND, OC_E_IO, OC_E_MEMORY. */
oc_status oc_lines_read(oc_lines *lines, const char *path, oc_error *err);
void oc_lines_free(oc_lines *lines);

/* What says classes in words; start from {0}. */
typedef struct oc_words {
    const oc_dataset *dataset; /* borrowed; NULL: none */
    oc_lines lines;            /* "code\tname", sorted */
} oc_words;
/* Reads --words, where it is given: at least one line of it must look like a name. The caller frees, also after an
 * error. */
oc_status oc_words_read(oc_words *words, const oc_args *args, oc_error *err);
/* The name of a class; its code where there is none. */
const char *oc_words_name(const oc_words *words, const char *code);
void oc_words_free(oc_words *words);

/* *out = the default recipe, then --recipe, then flags and --set. */
oc_status oc_cli_recipe(oc_recipe **out, const oc_args *args, oc_error *err);

/* The number format that activations have, where nothing is trained: --precision's, else the recipe's. */
const char *oc_cli_precision(const oc_args *args, const oc_recipe *recipe);

/* Opens the data set at `path` with the recipe's hold-out share; `words`: with human names of its classes. */
oc_status oc_cli_dataset(oc_dataset **out, const char *path, const oc_recipe *recipe, bool words, oc_error *err);

/* Opens the data set that the first word names; `words`: with human names of its classes. What the recipe says of
 * images goes into *image, and its input size into *size (may be NULL). */
oc_status oc_cli_data_open(oc_dataset **out, bool words, oc_image_options *image, int64_t *size, const oc_args *args,
                           oc_error *err);

/* What --stem and --no-stem-pool say. The text is the arguments'. */
oc_model_options oc_cli_model_options(const oc_args *args);

/* Opens --weights, with --model, --classes, --size, --stem and --no-stem-pool where the file does not say them, as is
 * what the recipe has of reading images. `dataset` (may be NULL) gives the names where --classes is a count. Warnings
 * go to standard error. */
oc_status oc_cli_weights(oc_model **out, const oc_args *args, const oc_recipe *recipe, const oc_dataset *dataset,
                         oc_error *err);

/* Writes report.html into a folder of results, unless --no-report. Computes nothing if `stored`. What goes wrong is a
 * warning: the results are there all the same. True: it was written. */
bool oc_cli_report(const oc_args *args, const char *folder, bool stored);

/* Whether a call failed because a model does not take images of the given size. */
bool oc_cli_is_about_size(oc_status status, const oc_error *err);

/* "1,234,567" into text of at least 32 bytes, which is returned. */
const char *oc_count_text(int64_t count, char *text);

/* A number by `format`, or "-" where it is none; text of at least 32 bytes, which is returned. */
const char *oc_real_text(const char *format, double value, char *text);

#endif
