/* Parsing the command line by the tables of the subcommands. */
#define _POSIX_C_SOURCE 200809L
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ocelli/recipe.h"

#define FLAGS_MOST 128

typedef struct given {
    const char *flag, *value; /* value NULL: a switch */
} given;

struct oc_args {
    const oc_command *command;
    given *flag;
    size_t flags;
    const char **word;
    size_t words;
    char *line; /* as oc_args_line has it */
};

oc_status oc_cli_fail(oc_error *err, oc_status status, const char *where, const char *format, ...) {
    /* The arguments may be texts of *err itself. */
    oc_error made = {.status = status};
    va_list args;
    va_start(args, format);
    vsnprintf(made.message, sizeof made.message, format, args);
    va_end(args);
    snprintf(made.where, sizeof made.where, "%s", where ? where : "");
    oc_text_line(made.message);
    oc_text_line(made.where);
    *err = made;
    return status;
}

/* ---- the tables ---- */

size_t oc_command_group(const oc_command *command) {
    const char *space = strchr(command->name, ' ');
    return space ? (size_t)(space - command->name) : 0;
}

const char *oc_command_in_group(const oc_command *command, const char *group) {
    const size_t length = strlen(group);
    if (oc_command_group(command) != length || strncmp(command->name, group, length) != 0) return NULL;
    return command->name + (length ? length + 1 : 0);
}

bool oc_flag_may_stand_alone(const oc_flag *flag) {
    return !flag->value || flag->value[0] == '[';
}

const char *oc_key_value(const oc_recipe_key *key) {
    switch (key->type) {
    case OC_KEY_BOOL:
        return "true|false";
    case OC_KEY_INT:
        return "N";
    case OC_KEY_REAL:
        return "X";
    case OC_KEY_TEXT:
        return "MODEL"; /* the one text is the model's name */
    case OC_KEY_CHOICE:
    case OC_KEY_STATISTIC:
        return key->choices;
    case OC_KEY_COLOR:
        return "GREY|R,G,B";
    }
    return "";
}

/* The recipe key that has this flag, or NULL. */
static const oc_recipe_key *recipe_key(const char *flag) {
    const oc_recipe_key *key;
    for (size_t i = 0; (key = oc_recipe_key_at(i)); i++)
        if (key->flag && strcmp(key->flag, flag) == 0) return key;
    return NULL;
}

bool oc_command_flag(const oc_command *command, size_t index, oc_flag *out, const oc_recipe_key **key) {
    *key = NULL;
    for (const oc_flag *flag = command->flags; flag->name; flag++)
        if (index-- == 0) {
            *out = *flag;
            return true;
        }
    for (size_t i = 0; command->recipe && (*key = oc_recipe_key_at(i)); i++)
        if ((*key)->flag && index-- == 0) {
            /* "--no-…" stands for "false" by itself. */
            const bool is_switch = strncmp((*key)->flag, "--no-", 5) == 0;
            *out = (oc_flag){(*key)->flag, is_switch ? NULL : oc_key_value(*key), (*key)->help};
            return true;
        }
    *out = (oc_flag){"--help", NULL, "print usage, flags and an example"};
    return index == 0;
}

/* Whether the subcommand has a flag of this name. */
static bool find_flag(const oc_command *command, const char *name, oc_flag *out) {
    const oc_recipe_key *key;
    for (size_t i = 0; oc_command_flag(command, i, out, &key); i++)
        if (strcmp(out->name, name) == 0) return true;
    return false;
}

static oc_status unknown_flag(const oc_command *command, const char *name, oc_error *err) {
    const char *candidates[FLAGS_MOST];
    size_t count = 0;
    oc_flag flag;
    const oc_recipe_key *key;
    for (; count < FLAGS_MOST && oc_command_flag(command, count, &flag, &key); count++) candidates[count] = flag.name;
    const char *nearest = oc_text_nearest(name, candidates, count);
    if (nearest) return oc_cli_fail(err, OC_E_USAGE, name, "unknown flag; did you mean %s?", nearest);
    return oc_cli_fail(err, OC_E_USAGE, name, "unknown flag; \"ocelli %s --help\" lists the valid ones", command->name);
}

/* ---- parsing ---- */

bool oc_args_wants_help(int argc, char *const *argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

/* Takes the flag argv[*i], and its value, which may be the next word. */
static oc_status take_flag(oc_args *args, int argc, char *const *argv, int *i, oc_error *err) {
    char name[64];
    oc_flag flag;
    const char *word = argv[*i], *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1), word);
    if (length >= sizeof name || !find_flag(args->command, name, &flag)) return unknown_flag(args->command, name, err);
    const char *value = equals ? equals + 1 : NULL;
    if (!flag.value && value) return oc_cli_fail(err, OC_E_USAGE, flag.name, "takes no value");
    if (!oc_flag_may_stand_alone(&flag) && !value) {
        if (*i + 1 >= argc) return oc_cli_fail(err, OC_E_USAGE, flag.name, "needs a value");
        value = argv[++*i];
    }
    args->flag[args->flags++] = (given){.flag = flag.name, .value = value};
    return OC_OK;
}

/* Appends `word` as a shell reads it again: in quotes where it holds more than what is plain anywhere. */
static size_t add_word(char *line, const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";
    char *to = line;
    *to++ = ' ';
    if (*word && word[strspn(word, plain)] == '\0') return (size_t)(stpcpy(to, word) - line);
    *to++ = '\'';
    for (; *word; word++) {
        if (*word == '\'')
            to = stpcpy(to, "'\\''");
        else
            *to++ = *word;
    }
    *to++ = '\'';
    *to = '\0';
    return (size_t)(to - line);
}

static char *make_line(const oc_command *command, int argc, char *const *argv) {
    size_t room = sizeof "ocelli " + strlen(command->name);
    for (int i = 0; i < argc; i++) room += 4 * strlen(argv[i]) + 3; /* a quote takes four */
    char *line = malloc(room);
    if (!line) return NULL;
    size_t size = (size_t)sprintf(line, "ocelli %s", command->name);
    for (int i = 0; i < argc; i++) size += add_word(line + size, argv[i]);
    return line;
}

oc_status oc_args_create(oc_args **out, const oc_command *command, int argc, char *const *argv, oc_error *err) {
    oc_status status = OC_OK;
    oc_args *args = calloc(1, sizeof *args);
    if (args) {
        args->command = command;
        args->flag = calloc((size_t)argc + 1, sizeof *args->flag);
        args->word = calloc((size_t)argc + 1, sizeof *args->word);
        args->line = make_line(command, argc, argv);
    }
    if (!args || !args->flag || !args->word || !args->line) {
        status = oc_cli_fail(err, OC_E_MEMORY, NULL, "out of memory");
        goto cleanup;
    }
    bool flags_over = false;
    for (int i = 0; i < argc; i++) {
        if (!flags_over && strcmp(argv[i], "--") == 0) {
            flags_over = true;
        } else if (!flags_over && argv[i][0] == '-' && argv[i][1] != '\0') {
            status = take_flag(args, argc, argv, &i, err);
            if (status != OC_OK) goto cleanup;
        } else {
            args->word[args->words++] = argv[i];
        }
    }
    if (args->words > (size_t)command->most)
        status = oc_cli_fail(err, OC_E_USAGE, args->word[command->most], "one word too many; usage: ocelli %s %s",
                             command->name, command->usage);
    else if (args->words < (size_t)command->least)
        status = oc_cli_fail(err, OC_E_USAGE, command->name, "too few words; usage: ocelli %s %s", command->name,
                             command->usage);
    if (status != OC_OK) goto cleanup;
    *out = args;
    args = NULL;
cleanup:
    oc_args_destroy(&args);
    return status;
}

void oc_args_destroy(oc_args **args) {
    if (!*args) return;
    free((*args)->flag);
    free((*args)->word);
    free((*args)->line);
    free(*args);
    *args = NULL;
}

/* ---- reading ---- */

bool oc_args_has(const oc_args *args, const char *flag) {
    for (size_t i = 0; i < args->flags; i++)
        if (strcmp(args->flag[i].flag, flag) == 0) return true;
    return false;
}

const char *oc_args_text(const oc_args *args, const char *flag) {
    for (size_t i = args->flags; i-- > 0;)
        if (strcmp(args->flag[i].flag, flag) == 0) return args->flag[i].value;
    return NULL;
}

const char *oc_args_nth(const oc_args *args, const char *flag, size_t n) {
    for (size_t i = 0; i < args->flags; i++)
        if (strcmp(args->flag[i].flag, flag) == 0 && n-- == 0) return args->flag[i].value;
    return NULL;
}

oc_status oc_args_need(const oc_args *args, const char *flag, const char **out, oc_error *err) {
    *out = oc_args_text(args, flag);
    if (*out && **out) return OC_OK;
    return oc_cli_fail(err, OC_E_USAGE, flag, "is needed; usage: ocelli %s %s", args->command->name,
                       args->command->usage);
}

oc_status oc_args_int(const oc_args *args, const char *flag, int64_t min, int64_t max, int64_t *out, oc_error *err) {
    const char *text = oc_args_text(args, flag);
    if (!text) return OC_OK;
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    bool digits = text[0] == '-' ? isdigit((unsigned char)text[1]) : isdigit((unsigned char)text[0]);
    if (!digits || *end != '\0' || errno != 0 || number < min || number > max)
        return oc_cli_fail(err, OC_E_USAGE, flag, "\"%s\" is not a whole number from %lld to %lld", text,
                           (long long)min, (long long)max);
    *out = number;
    return OC_OK;
}

oc_status oc_args_size(const oc_args *args, int64_t *out, oc_error *err) {
    const oc_recipe_key *key = recipe_key("--size");
    return oc_args_int(args, "--size", (int64_t)key->min, (int64_t)key->max, out, err);
}

oc_status oc_args_threads(const oc_args *args, int *out, oc_error *err) {
    int64_t threads = 0;
    oc_status status = oc_args_int(args, "--threads", 1, 1024, &threads, err);
    const int processors = threads > 1 ? oc_system_processors() : 1;
    if (threads > processors)
        fprintf(stderr, "ocelli: warning: --threads: %d threads on %d processor%s are slow\n", (int)threads, processors,
                processors == 1 ? "" : "s");
    *out = (int)threads;
    return status;
}

void oc_warn_of_load(int threads) {
    const double others = oc_system_load();
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads == 0) threads = oc_system_processors();
    if (processors < 1 || others < 0.5 || threads + others < (double)processors + 0.5) return;
    fprintf(stderr,
            "ocelli: warning: other programs keep about %.0f of the %ld processors busy: a step's threads wait for "
            "each other, and it may take several times as long\n",
            others < (double)processors ? others : (double)processors, processors);
}

oc_status oc_args_seconds(const oc_args *args, const char *flag, double *out, oc_error *err) {
    const char *text = oc_args_text(args, flag);
    if (!text) return OC_OK;
    static const struct {
        char unit;
        double seconds;
    } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
    double sum = 0;
    size_t next = 0; /* units come in this order, each at most once */
    const char *c = text;
    bool good = *c != '\0';
    while (good && *c) {
        char *end;
        double number = strtod(c, &end);
        good = isdigit((unsigned char)*c) && isfinite(number);
        if (!good) break;
        if (*end == '\0' && c == text) { /* a plain number */
            sum = number;
            break;
        }
        while (next < 4 && units[next].unit != *end) next++;
        good = next < 4;
        if (!good) break;
        sum += number * units[next++].seconds;
        c = end + 1;
    }
    if (!good || !(sum > 0))
        return oc_cli_fail(err, OC_E_USAGE, flag, "\"%s\" is no span of time: write it like 2h30m, 10m or 90s", text);
    *out = sum;
    return OC_OK;
}

const char *oc_args_line(const oc_args *args) {
    return args->line;
}

size_t oc_args_words(const oc_args *args) {
    return args->words;
}

const char *const *oc_args_word(const oc_args *args) {
    return args->word;
}

oc_status oc_args_recipe(const oc_args *args, oc_recipe *recipe, oc_error *err) {
    for (size_t i = 0; i < args->flags; i++) {
        const given *g = &args->flag[i];
        const oc_recipe_key *key = args->command->recipe ? recipe_key(g->flag) : NULL;
        oc_status status = OC_OK;
        if (key) {
            status = oc_recipe_set(recipe, key->key, g->value ? g->value : "false", g->flag, err);
        } else if (strcmp(g->flag, "--set") == 0) {
            char name[128], where[160];
            const char *equals = strchr(g->value, '=');
            if (!equals || equals == g->value || (size_t)(equals - g->value) >= sizeof name)
                return oc_cli_fail(err, OC_E_USAGE, "--set", "\"%s\" is not of the form key=value", g->value);
            snprintf(name, sizeof name, "%.*s", (int)(equals - g->value), g->value);
            snprintf(where, sizeof where, "--set %s", name);
            status = oc_recipe_set(recipe, name, equals + 1, where, err);
        }
        if (status != OC_OK) return status;
    }
    return OC_OK;
}

int oc_cli_end(oc_status status, oc_error *err) {
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == OC_OK)
        status = oc_cli_fail(err, OC_E_IO, "standard output", "cannot write: %s", strerror(errno ? errno : EIO));
    if (status == OC_OK) return 0;
    fprintf(stderr, "ocelli: %s%s%s\n", err->where, err->where[0] ? ": " : "",
            err->message[0] ? err->message : oc_status_text(status));
    return status == OC_E_USAGE ? 2 : status == OC_E_STOPPED ? 130 : 1;
}
