/* Subcommands and their flags as const tables; parsing, --help and "did you mean" are all made from them. */
#ifndef OC_CLI_OPTIONS_H
#define OC_CLI_OPTIONS_H

#include <stdio.h>

#include "ocelli/ocelli.h"
#include "ocelli/recipe.h"

typedef struct oc_flag {
    const char *name; /* "--threads" */
    /* What stands for its value in --help; "[=NAME]": it may have one; NULL: a switch. Of "DIR", "FILE.yaml", "MODEL",
     * "fp32|bf16" and the other words of cli/manual/value.c the completions of shells know what to offer. */
    const char *value;
    const char *help; /* one line */
} oc_flag;

/* What was given: the flags in their order, the last one winning unless the subcommand reads all, and the rest. */
typedef struct oc_args oc_args;

typedef struct oc_command {
    const char *name;        /* "train"; of a group: "data pack" */
    const char *summary;     /* one line */
    const char *description; /* some paragraphs with an empty line between them; NULL: the summary says it all */
    const char *usage;       /* what follows the name */
    const char *example;     /* a whole command line */
    const char *docs;        /* the document that tells more, "docs/data.md", or NULL */
    const oc_flag *flags;    /* ended by a row without a name */
    bool recipe;             /* also takes the recipe's flags and --set */
    bool computes;           /* worth a run with the settings of cli/environment.c */
    int least, most;         /* words that are no flags */
    const char *words;    /* what they are, as oc_flag.value has it, the last for all further ones; NULL: any files */
    const char *helper;   /* the program that does it instead of `run`; NULL: `run` does */
    const char *packages; /* Debian's, without which that program is not built */
    /* Does it. Prints results; what went wrong is for the caller to print. */
    oc_status (*run)(const oc_args *args, oc_error *err);
} oc_command;

/* Fills `err` as the library does and returns `status`. */
oc_status oc_cli_fail(oc_error *err, oc_status status, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Parses the words after the subcommand's name. *out is freed with oc_args_destroy; argv outlives it. OC_E_USAGE names
 * the flag and the nearest valid one. */
oc_status oc_args_create(oc_args **out, const oc_command *command, int argc, char *const *argv, oc_error *err);
void oc_args_destroy(oc_args **args);
/* True when -h or --help is among the words: nothing else is looked at then. */
bool oc_args_wants_help(int argc, char *const *argv);

bool oc_args_has(const oc_args *args, const char *flag);
/* The last value of a flag, NULL when it was not given; and the n-th (from 0) of one that may be repeated. */
const char *oc_args_text(const oc_args *args, const char *flag);
const char *oc_args_nth(const oc_args *args, const char *flag, size_t n);
/* The value, or OC_E_USAGE that says the flag is needed. */
oc_status oc_args_need(const oc_args *args, const char *flag, const char **out, oc_error *err);
/* A whole number in [min, max] into *out, which stays as it is when the flag was not given. */
oc_status oc_args_int(const oc_args *args, const char *flag, int64_t min, int64_t max, int64_t *out, oc_error *err);
/* The same of --size, in the range that the recipe has for it. */
oc_status oc_args_size(const oc_args *args, int64_t *out, oc_error *err);
/* The same as an int, and of the flag --threads (0: all). Warns of more than the process is granted processors. */
oc_status oc_args_threads(const oc_args *args, int *out, oc_error *err);
/* Warns, before long work by so many threads (0: all), where other programs leave fewer processors to them. */
void oc_warn_of_load(int threads);
/* A span of time, "2h30m", "90s", "10m" or plain seconds. */
oc_status oc_args_seconds(const oc_args *args, const char *flag, double *out, oc_error *err);

/* The whole command line, as a shell would take it again; owned by the arguments. */
const char *oc_args_line(const oc_args *args);

/* Words that are no flags. */
size_t oc_args_words(const oc_args *args);
const char *const *oc_args_word(const oc_args *args);

/* Sets in `recipe` what the flags of recipe keys and --set say, in their order. */
oc_status oc_args_recipe(const oc_args *args, oc_recipe *recipe, oc_error *err);

/* Writes what is left of the output, prints the line of an error, and returns the exit status for the process. */
int oc_cli_end(oc_status status, oc_error *err);

/* Prints a subcommand's --help. */
void oc_command_help(const oc_command *command, FILE *out);

/* The subcommands (in commands.c); ended by NULL. */
extern const oc_command *const oc_commands[];
/* Length of the group's name ("data" of "data pack"), 0 where the subcommand is in none. */
size_t oc_command_group(const oc_command *command);
/* Its name in this group ("pack" of "data pack"; "": in none), NULL where it is in another. */
const char *oc_command_in_group(const oc_command *command, const char *group);

/* The flags that a subcommand takes, one by one: its own, then, with *key, those of recipe keys, then --help; *key is
 * NULL for all others. Of a switch of a key the help says what it turns off. False beyond the last. */
bool oc_command_flag(const oc_command *command, size_t index, oc_flag *out, const oc_recipe_key **key);
/* Whether it is complete without a value. */
bool oc_flag_may_stand_alone(const oc_flag *flag);
/* What stands for the value of a recipe key, as oc_flag.value has it. */
const char *oc_key_value(const oc_recipe_key *key);

/* Flags that several subcommands have, so that they read the same everywhere. */
#define OC_FLAG_DATA                                                                                                   \
    { "--data", "PATH", "the data set: a Tiny ImageNet folder or its .zip, or a folder of class folders" }
#define OC_FLAG_THREADS                                                                                                \
    { "--threads", "N", "threads; unless given all processors, fewer under a CPU quota or OMP_NUM_THREADS" }
#define OC_FLAG_PRECISION                                                                                              \
    { "--precision", "fp32|bf16|auto", "number format of activations; fp32 unless given, which auto is here too" }
#define OC_FLAG_TUNE                                                                                                   \
    {                                                                                                                  \
        "--tune", "off|quick|full",                                                                                    \
            "how convolutions are chosen: off, by estimate (default); quick or full, by measuring"                     \
    }
#define OC_FLAG_CACHE                                                                                                  \
    { "--cache", "DIR", "where decoded images are kept; $XDG_CACHE_HOME/ocelli unless given" }
#define OC_FLAG_SKIP_BAD                                                                                               \
    { "--skip-bad", NULL, "leave out images that cannot be decoded, instead of stopping" }
#define OC_FLAG_NO_REPORT                                                                                              \
    { "--no-report", NULL, "write no report.html at the end" }
#define OC_FLAG_JSON                                                                                                   \
    { "--json", NULL, "print JSON" }
#define OC_FLAG_RECIPE                                                                                                 \
    { "--recipe", "FILE.yaml", "settings from a YAML file" }
#define OC_FLAG_SET                                                                                                    \
    { "--set", "KEY=VALUE", "one setting of the recipe; may be repeated" }
#define OC_FLAG_WORDS                                                                                                  \
    { "--words", "FILE", "human names of classes: lines of code, tab, name (words.txt); those of --data unless given" }
#define OC_FLAG_WEIGHTS                                                                                                \
    { "--weights", "FILE.safetensors", "the weights file" }
#define OC_FLAG_MODEL                                                                                                  \
    { "--model", "MODEL", "model of a weights file that does not say it" }
#define OC_FLAG_CLASSES                                                                                                \
    { "--classes", "N|FILE", "classes of a weights file that does not say them: a count, or a file of names" }
#define OC_FLAG_SIZE                                                                                                   \
    { "--size", "N", "input size of a weights file that does not say it" }
#define OC_FLAG_STEM                                                                                                   \
    { "--stem", "3x3|7x7|deep", "stem of a model that is not its own" }
#define OC_FLAG_NO_STEM_POOL                                                                                           \
    { "--no-stem-pool", NULL, "of a model without the max-pool behind its stem" }
#define OC_FLAG_END                                                                                                    \
    { NULL, NULL, NULL }

#endif
