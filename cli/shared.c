/* What several subcommands do alike. */
#define _GNU_SOURCE 1
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "environment.h"
#include "ocelli/data.h"
#include "ocelli/models.h"
#include "ocelli/recipe.h"
#include "ocelli/report.h"
#include "progress.h"

#define CLASSES_MOST 100000
#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* with which some editors begin a text */

/* False: out of memory. */
static bool add_line(oc_lines *lines, size_t *capacity, const char *text) {
    if (lines->count == *capacity) {
        size_t wanted = *capacity ? 2 * *capacity : 64;
        char **grown = realloc(lines->item, wanted * sizeof *grown);
        if (!grown) return false;
        lines->item = grown;
        *capacity = wanted;
    }
    char *copy = strdup(text);
    if (copy) lines->item[lines->count++] = copy;
    return copy != NULL;
}

oc_status oc_lines_read(oc_lines *lines, const char *path, oc_error *err) {
    FILE *file = fopen(path, "r");
    if (!file)
        return oc_cli_fail(err, errno == ENOENT ? OC_E_NOT_FOUND : OC_E_IO, path, "cannot open: %s", strerror(errno));
    oc_status status = OC_OK;
    char *line = NULL;
    size_t room = 0, capacity = 0;
    errno = 0;
    for (ssize_t length; status == OC_OK && (length = getline(&line, &room, file)) >= 0;) {
        if (memchr(line, '\0', (size_t)length)) {
            status = oc_cli_fail(err, OC_E_FORMAT, path, "this is no text: it holds bytes of zero");
            break;
        }
        char *begin = line, *end = line + strlen(line);
        if (lines->count == 0 && strncmp(begin, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
            begin += strlen(BYTE_ORDER_MARK);
        while (isspace((unsigned char)*begin)) begin++;
        while (end > begin && isspace((unsigned char)end[-1])) *--end = '\0';
        if (begin == end) continue;
        if (!add_line(lines, &capacity, begin)) status = oc_cli_fail(err, OC_E_MEMORY, path, "out of memory");
    }
    if (status == OC_OK && ferror(file))
        status = oc_cli_fail(err, OC_E_IO, path, "cannot read: %s", strerror(errno ? errno : EIO));
    free(line);
    fclose(file);
    return status;
}

void oc_lines_free(oc_lines *lines) {
    for (size_t i = 0; i < lines->count; i++) free(lines->item[i]);
    free(lines->item);
    *lines = (oc_lines){0};
}

oc_status oc_cli_recipe(oc_recipe **out, const oc_args *args, oc_error *err) {
    oc_recipe *recipe = NULL;
    const char *path = oc_args_text(args, "--recipe");
    oc_status status = oc_recipe_create(&recipe, err);
    if (status == OC_OK && path) status = oc_recipe_load(recipe, path, err);
    if (status == OC_OK) status = oc_args_recipe(args, recipe, err);
    if (status != OC_OK) oc_recipe_destroy(&recipe);
    *out = recipe;
    return status;
}

const char *oc_cli_precision(const oc_args *args, const oc_recipe *recipe) {
    const char *given = oc_args_text(args, "--precision");
    return given ? given : oc_recipe_get(recipe, "train.precision");
}

oc_status oc_cli_dataset(oc_dataset **out, const char *path, const oc_recipe *recipe, bool words, oc_error *err) {
    oc_dataset_options options = {.holdout = strtod(oc_recipe_get(recipe, "data.holdout"), NULL),
                                  .val = oc_recipe_get(recipe, "data.val"),
                                  .without_words = !words};
    return oc_dataset_open(out, path, &options, err);
}

/* The class codes that --classes means. A count takes the data's sorted names, or, without data, plain numbers. */
static oc_status read_classes(oc_lines *classes, const char *text, const oc_dataset *dataset, oc_error *err) {
    const char *digits = text + (text[0] == '-');
    if (digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0') {
        oc_status status = oc_lines_read(classes, text, err);
        if (status == OC_OK && classes->count == 0)
            status = oc_cli_fail(err, OC_E_FORMAT, text, "no class is named in it");
        return status;
    }
    long long count = strtoll(text, NULL, 10);
    if (count < 1 || count > CLASSES_MOST)
        return oc_cli_fail(err, OC_E_USAGE, "--classes", "\"%s\" is not from 1 to %d", text, CLASSES_MOST);
    if (dataset && (size_t)count != oc_dataset_class_count(dataset))
        return oc_cli_fail(err, OC_E_MISMATCH, "--classes", "%lld given, but the data set has %zu classes", count,
                           oc_dataset_class_count(dataset));
    classes->item = calloc((size_t)count, sizeof *classes->item);
    if (!classes->item) return oc_cli_fail(err, OC_E_MEMORY, NULL, "out of memory");
    for (; classes->count < (size_t)count; classes->count++) {
        char number[32];
        snprintf(number, sizeof number, "%zu", classes->count);
        char *name = strdup(dataset ? oc_dataset_class(dataset, classes->count) : number);
        if (!name) return oc_cli_fail(err, OC_E_MEMORY, NULL, "out of memory");
        classes->item[classes->count] = name;
    }
    return OC_OK;
}

oc_model_options oc_cli_model_options(const oc_args *args) {
    return (oc_model_options){.stem = oc_args_text(args, "--stem"),
                              .no_stem_pool = oc_args_has(args, "--no-stem-pool")};
}

static void warn(void *user, oc_log_level level, const char *line) {
    (void)user;
    (void)level;
    fprintf(stderr, "ocelli: warning: %s\n", line);
}

oc_status oc_cli_weights(oc_model **out, const oc_args *args, const oc_recipe *recipe, const oc_dataset *dataset,
                         oc_error *err) {
    oc_lines classes = {0};
    const char *weights = NULL, *list = oc_args_text(args, "--classes");
    int64_t size = 0;
    const oc_model_options options = oc_cli_model_options(args);
    oc_status status = oc_args_need(args, "--weights", &weights, err);
    if (status == OC_OK) status = oc_args_size(args, &size, err);
    if (status == OC_OK && list) status = read_classes(&classes, list, dataset, err);
    if (status == OC_OK)
        status = oc_model_open(out, weights, oc_args_text(args, "--model"), (const char *const *)classes.item,
                               classes.count, size, &options, err);
    if (status == OC_OK) status = oc_recipe_set_preprocessing(recipe, *out, &(oc_log){warn, NULL}, err);
    if (status == OC_OK && oc_model_note(*out)[0])
        fprintf(stderr, "ocelli: warning: %s: %s\n", weights, oc_model_note(*out));
    /* What the library lacks, these flags can say. */
    if (status == OC_E_USAGE && weights && strcmp(err->where, weights) == 0) {
        const bool model = oc_args_has(args, "--model");
        const oc_error why = *err;
        oc_cli_fail(err, status, weights, "%s: pass %s%s%s", why.message, model ? "" : "--model NAME",
                    model || list ? "" : " and ", list ? "" : "--classes N (a count) or FILE (a file of names)");
    }
    oc_lines_free(&classes);
    return status;
}

bool oc_cli_report(const oc_args *args, const char *folder, bool stored) {
    oc_error why = {0};
    oc_bar bar = oc_bar_make(oc_environment_stop_flag());
    oc_report_options options = {.stored = stored,
                                 .cache = oc_args_text(args, "--cache"),
                                 .skip_bad = oc_args_has(args, "--skip-bad"),
                                 .progress = oc_bar_progress(&bar)};
    char path[4096];
    if (oc_args_has(args, "--no-report")) return false;
    if (oc_args_threads(args, &options.threads, &why) != OC_OK) return false;
    oc_status status = (size_t)snprintf(path, sizeof path, "%s/report.html", folder) < sizeof path
                           ? oc_report_write(path, &folder, 1, &options, &why)
                           : oc_cli_fail(&why, OC_E_USAGE, folder, "the path is too long");
    oc_bar_clear(&bar);
    if (status != OC_OK)
        fprintf(stderr, "ocelli: warning: no report: %s%s%s\n", why.where, why.where[0] ? ": " : "", why.message);
    return status == OC_OK;
}

bool oc_cli_is_about_size(oc_status status, const oc_error *err) {
    return status == OC_E_USAGE && strcmp(err->where, "data.size") == 0;
}

const char *oc_count_text(int64_t count, char *text) {
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)count), used = 0;
    for (int i = 0; i < length && used < 30; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-') text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
    return text;
}

const char *oc_real_text(const char *format, double value, char *text) {
    if (isfinite(value))
        snprintf(text, 32, format, value);
    else
        snprintf(text, 32, "-");
    return text;
}
