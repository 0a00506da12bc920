/* ocelli data doctor */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "commands.h"
#include "environment.h"
#include "ocelli/data.h"
#include "output.h"
#include "progress.h"

#define EXAMPLES 3 /* items that are shown unless all are */
#define FILES 4    /* of an item, likewise */
#define INDENT "    "

static const oc_flag flags[] = {
    {"--all", NULL, "list every file that is meant, instead of the first few"},
    {"--strict", NULL, "exit with status 1 where there are serious findings, as for a pipeline"},
    {"--size", "N", "input size that images are judged for; the recipe's data.size unless given"},
    OC_FLAG_JSON,
    OC_FLAG_RECIPE,
    OC_FLAG_SET,
    OC_FLAG_THREADS,
    OC_FLAG_END,
};

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int64_t count_of(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

/* "3 images of train, 1 of val" */
static void print_images(json_t *images) {
    const char *split, *noun = " image";
    char text[32];
    json_t *count;
    json_object_foreach(images, split, count) {
        const int64_t n = json_integer_value(count);
        printf("%s%s%s%s of %s", *noun ? "" : ", ", oc_count_text(n, text), noun, *noun && n != 1 ? "s" : "", split);
        noun = "";
    }
}

/* The files of an item: "=" before one of the same pixels as some before it, "~" before a copy. */
static void print_files(const json_t *files, bool classes, bool all) {
    const size_t count = json_array_size(files), shown = all || count <= FILES ? count : FILES;
    int64_t pictures = 0;
    for (size_t i = 0; i < shown; i++) {
        const json_t *file = json_array_get(files, i);
        const int64_t picture = count_of(file, "picture");
        if (i > 0) printf(picture < pictures ? " = " : " ~ ");
        if (picture >= pictures) pictures = picture + 1;
        oc_cli_print(text_of(file, "path"));
        if (!classes || !*text_of(file, "class")) continue;
        printf(" (");
        oc_cli_print(text_of(file, "class"));
        printf(")");
    }
    if (shown < count) printf(" and %zu more", count - shown);
}

static void print_codes(const json_t *codes, const char *split) {
    for (size_t i = 0; i < json_array_size(codes); i++) {
        if (i > 0) printf(", ");
        oc_cli_print(json_string_value(json_array_get(codes, i)));
    }
    if (*split) printf(" in %s", split);
}

static void print_item(const json_t *item, bool classes, bool all) {
    const char *why = text_of(item, "why");
    printf(INDENT);
    print_files(json_object_get(item, "files"), classes, all);
    print_codes(json_object_get(item, "classes"), text_of(item, "split"));
    if (*why) {
        printf(": ");
        oc_cli_print(why);
    }
    printf("\n");
}

static void print_finding(const json_t *finding, bool all) {
    const json_t *items = json_object_get(finding, "items");
    json_t *images = json_object_get(finding, "images");
    const size_t count = json_array_size(items), shown = all || count <= EXAMPLES + 1 ? count : EXAMPLES;
    const bool classes = strstr(text_of(finding, "kind"), "two-classes") != NULL;
    char text[32];
    printf("  %s: %s", text_of(finding, "title"), oc_count_text(count_of(finding, "count"), text));
    if (json_object_size(images) > 0) {
        printf(" (");
        print_images(images);
        printf(")");
    }
    printf("\n" INDENT "-> %s\n", text_of(finding, "advice"));
    for (size_t i = 0; i < shown; i++) print_item(json_array_get(items, i), classes, all);
    if (shown < count) printf(INDENT "and %zu more, which --all lists\n", count - shown);
}

/* The findings of one severity, under its name. */
static void print_severity(const json_t *findings, const char *severity, bool all) {
    bool begun = false;
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *finding = json_array_get(findings, i);
        if (strcmp(text_of(finding, "severity"), severity) != 0) continue;
        if (!begun) printf("\n%s\n", severity);
        begun = true;
        print_finding(finding, all);
    }
}

static void print_report(const json_t *report, bool all) {
    static const char *const severities[] = {"serious", "warning", "note", NULL};
    const json_t *findings = json_object_get(report, "findings");
    oc_cli_print(text_of(report, "path"));
    printf(": ");
    print_images(json_object_get(report, "images"));
    printf("; %" PRId64 " classes\n", count_of(report, "classes"));
    for (const char *const *severity = severities; *severity; severity++) print_severity(findings, *severity, all);
    if (json_array_size(findings) == 0)
        printf("nothing found\n");
    else
        printf("\n%" PRId64 " serious, %" PRId64 " to be warned of, %" PRId64 " to note\n", count_of(report, "serious"),
               count_of(report, "warning"), count_of(report, "note"));
}

static oc_status run(const oc_args *args, oc_error *err) {
    oc_dataset *dataset = NULL;
    json_t *report = NULL;
    char *text = NULL;
    oc_bar bar = oc_bar_make(oc_environment_stop_flag());
    oc_image_options image;
    oc_data_options options = {.image = &image, .progress = oc_bar_progress(&bar), .log = oc_bar_log(&bar)};
    oc_status status = oc_args_threads(args, &options.threads, err);
    if (status == OC_OK) status = oc_cli_data_open(&dataset, false, &image, &options.size, args, err);
    if (status == OC_OK) status = oc_args_size(args, &options.size, err);
    if (status == OC_OK) status = oc_data_doctor(&text, dataset, &options, err);
    oc_bar_clear(&bar);
    if (status == OC_OK) {
        report = json_loads(text, 0, NULL);
        if (!report) status = oc_cli_fail(err, OC_E_MEMORY, NULL, "out of memory");
    }
    if (status == OC_OK && oc_args_has(args, "--json"))
        puts(text);
    else if (status == OC_OK)
        print_report(report, oc_args_has(args, "--all"));
    const int64_t serious = count_of(report, "serious");
    if (status == OC_OK && oc_args_has(args, "--strict") && serious > 0)
        status = oc_cli_fail(err, OC_E_FORMAT, oc_args_word(args)[0], "%" PRId64 " serious finding%s", serious,
                             serious > 1 ? "s" : "");
    json_decref(report);
    oc_data_free(text);
    oc_dataset_destroy(&dataset);
    return status;
}

const oc_command oc_command_data_doctor = {
    .name = "data doctor",
    .summary = "what is wrong with a data set: broken files, copies, leaks between splits, uneven classes",
    .description = "Looks at every image of a data set and compares all with all, and tells what would spoil a "
                   "training: files that are broken or odd, the same picture several times, in several splits or under "
                   "several classes, also where it was saved again, resized or cropped a little, and classes that are "
                   "missing, rare or uneven. The findings stand by how grave they are, each with what to do.\n\n"
                   "Nothing is changed. The exit status is 0 whatever is found, unless --strict.",
    .usage = "PATH [--all] [--json] [--strict]",
    .example = "ocelli data doctor tiny-imagenet-200.zip",
    .docs = "docs/data.md",
    .flags = flags,
    .computes = true,
    .least = 1,
    .most = 1,
    .words = "PATH",
    .run = run,
};
