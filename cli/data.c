/* ocelli data info, pack and demo; fetch is in fetch.c */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "environment.h"
#include "ocelli/data.h"
#include "ocelli/recipe.h"
#include "progress.h"

static const oc_flag info_flags[] = {
    OC_FLAG_JSON, OC_FLAG_RECIPE, OC_FLAG_SET, OC_FLAG_THREADS, OC_FLAG_END,
};

static const oc_flag pack_flags[] = {
    {"--size", "N", "input size that the images are packed for; the recipe's data.size unless given"},
    {"--verify", "[=all]", "compare every byte with its checksum, and 500 images, or all, with what their files give"},
    OC_FLAG_SKIP_BAD,
    OC_FLAG_CACHE,
    OC_FLAG_RECIPE,
    OC_FLAG_SET,
    OC_FLAG_THREADS,
    OC_FLAG_END,
};

static const oc_flag demo_flags[] = {
    {"--classes", "N", "classes; 10 unless given"},
    {"--per-class", "N", "training images a class; 200 unless given"},
    {"--seed", "N", "which images; 0 unless given"},
    OC_FLAG_THREADS,
    OC_FLAG_END,
};

oc_status oc_cli_data_open(oc_dataset **out, bool words, oc_image_options *image, int64_t *size, const oc_args *args,
                           oc_error *err) {
    oc_recipe *recipe = NULL;
    oc_status status = oc_cli_recipe(&recipe, args, err);
    if (status == OC_OK) *image = oc_recipe_image_options(recipe);
    if (status == OC_OK && size) *size = strtoll(oc_recipe_get(recipe, "data.size"), NULL, 10);
    if (status == OC_OK) status = oc_cli_dataset(out, oc_args_word(args)[0], recipe, words, err);
    oc_recipe_destroy(&recipe);
    return status;
}

static void print_real_list(const char *label, const json_t *list) {
    if (!json_is_array(list)) return;
    printf("  %-18s", label);
    for (size_t i = 0; i < json_array_size(list); i++) printf(" %.4f", json_number_value(json_array_get(list, i)));
    printf("\n");
}

static void print_counts(const char *label, json_t *counts) {
    const char *key;
    json_t *value;
    if (!json_is_object(counts) || json_object_size(counts) == 0) return;
    printf("  %-18s", label);
    size_t shown = 0;
    json_object_foreach(counts, key, value) {
        if (shown++ < 6) printf(" %s: %" JSON_INTEGER_FORMAT, key, json_integer_value(value));
    }
    if (shown > 6) printf(" and %zu others", shown - 6);
    printf("\n");
}

/* What is there and was not read, with the reasons. */
static void print_left_out(const char *indent, const json_t *left_out) {
    const char *reason;
    json_t *count;
    printf("%s%-*s %" JSON_INTEGER_FORMAT "\n", indent, *indent ? 18 : 20, *indent ? "not read" : "elsewhere",
           json_integer_value(json_object_get(left_out, "all")));
    json_object_foreach(json_object_get(left_out, "reasons"), reason, count) {
        printf("%s  %" JSON_INTEGER_FORMAT " %s\n", indent, json_integer_value(count), reason);
    }
}

/* A number of images that is mostly 0. */
static void print_count(const char *label, const json_t *count, const char *of) {
    const json_int_t images = json_integer_value(count);
    printf("  %-18s %" JSON_INTEGER_FORMAT "%s\n", label, images, images > 0 ? of : "");
}

/* The statistics as a person reads them; what each is: oc_data_info in ocelli/data.h. */
static void print_info(json_t *info) {
    const char *name;
    json_t *split;
    printf("%s\n  %-18s %zu\n", json_string_value(json_object_get(info, "path")), "classes",
           json_array_size(json_object_get(info, "classes")));
    json_object_foreach(json_object_get(info, "splits"), name, split) {
        json_t *each = json_object_get(split, "images_per_class"), *bad = json_object_get(split, "undecodable");
        printf("%s\n  %-18s %" JSON_INTEGER_FORMAT "\n", name, "images",
               json_integer_value(json_object_get(split, "images")));
        if (json_is_object(each))
            printf("  %-18s %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT "\n", "a class",
                   json_integer_value(json_object_get(each, "min")), json_integer_value(json_object_get(each, "max")));
        print_counts("sizes", json_object_get(split, "sizes"));
        print_counts("colours", json_object_get(split, "colour_modes"));
        print_count("turned", json_object_get(split, "turned"), " by their EXIF data");
        print_count("transparent", json_object_get(split, "transparent"), " with pixels that are not opaque");
        print_count("wide", json_object_get(split, "wide"), " of more than 8 bits a sample, of which 8 are kept");
        print_count("several", json_object_get(split, "several"), " with frames or pages behind the first, not seen");
        const double cropped = json_real_value(json_object_get(split, "cropped"));
        if (cropped > 0) printf("  %-18s %.1f %% of the area, by data.fit: crop\n", "cropped", 100 * cropped);
        print_real_list("mean", json_object_get(split, "mean"));
        print_real_list("std", json_object_get(split, "std"));
        printf("  %-18s %" JSON_INTEGER_FORMAT "\n", "undecodable", json_integer_value(json_object_get(bad, "count")));
        json_t *files = json_object_get(bad, "files");
        for (size_t i = 0; i < json_array_size(files); i++) {
            json_t *file = json_array_get(files, i);
            printf("    %s: %s\n", json_string_value(json_object_get(file, "name")),
                   json_string_value(json_object_get(file, "reason")));
        }
        print_left_out("  ", json_object_get(split, "left_out"));
    }
    print_left_out("", json_object_get(info, "elsewhere"));
}

static oc_status run_info(const oc_args *args, oc_error *err) {
    oc_dataset *dataset = NULL;
    char *text = NULL;
    oc_bar bar = oc_bar_make(oc_environment_stop_flag());
    oc_image_options image;
    oc_data_options options = {.image = &image, .progress = oc_bar_progress(&bar), .log = oc_bar_log(&bar)};
    oc_status status = oc_args_threads(args, &options.threads, err);
    if (status == OC_OK) status = oc_cli_data_open(&dataset, true, &image, NULL, args, err);
    if (status == OC_OK) status = oc_data_info(&text, dataset, &options, err);
    oc_bar_clear(&bar);
    if (status == OC_OK && oc_args_has(args, "--json")) {
        puts(text);
    } else if (status == OC_OK) {
        json_t *info = json_loads(text, 0, NULL);
        if (info) print_info(info);
        json_decref(info);
    }
    oc_data_free(text);
    oc_dataset_destroy(&dataset);
    return status;
}

static oc_status run_pack(const oc_args *args, oc_error *err) {
    oc_dataset *dataset = NULL;
    oc_bar bar = oc_bar_make(oc_environment_stop_flag());
    oc_image_options image;
    oc_data_options options = {.image = &image,
                               .cache = oc_args_text(args, "--cache"),
                               .skip_bad = oc_args_has(args, "--skip-bad"),
                               .progress = oc_bar_progress(&bar),
                               .log = oc_bar_log(&bar)};
    const char *verify = oc_args_text(args, "--verify");
    oc_status status = oc_args_threads(args, &options.threads, err);
    if (oc_args_has(args, "--verify")) options.verify = verify ? OC_VERIFY_ALL : OC_VERIFY_SAMPLE;
    if (status == OC_OK && verify && strcmp(verify, "all") != 0)
        status = oc_cli_fail(err, OC_E_USAGE, "--verify", "\"%s\" is not all", verify);
    if (status == OC_OK) status = oc_cli_data_open(&dataset, false, &image, &options.size, args, err);
    if (status == OC_OK) status = oc_args_size(args, &options.size, err);
    if (status == OC_OK) status = oc_data_pack(dataset, &options, err);
    oc_bar_clear(&bar);
    if (status == OC_OK)
        printf("%s is packed%s\n", oc_args_word(args)[0],
               options.verify ? ", and the cache is what the files give" : "");
    oc_dataset_destroy(&dataset);
    return status;
}

static oc_status run_demo(const oc_args *args, oc_error *err) {
    const char *folder = oc_args_word(args)[0];
    int64_t classes = 0, per_class = 0, seed = 0;
    oc_bar bar = oc_bar_make(oc_environment_stop_flag());
    oc_demo_options options = {.progress = oc_bar_progress(&bar), .log = oc_bar_log(&bar)};
    oc_status status = oc_args_threads(args, &options.threads, err);
    if (status == OC_OK) status = oc_args_int(args, "--classes", 2, 1000, &classes, err);
    if (status == OC_OK) status = oc_args_int(args, "--per-class", 1, 100000, &per_class, err);
    if (status == OC_OK) status = oc_args_int(args, "--seed", 0, INT64_MAX, &seed, err);
    options.classes = (int)classes;
    options.per_class = (int)per_class;
    options.seed = (uint64_t)seed;
    if (status == OC_OK) status = oc_data_demo(folder, &options, err);
    oc_bar_clear(&bar);
    if (status == OC_OK) printf("data set in %s\n", folder);
    return status;
}

const oc_command oc_command_data_info = {
    .name = "data info",
    .summary = "what is in a data set: counts, sizes, colours, turned, transparent and broken files",
    .description = "Reads every file of a data set and tells what is there: splits and classes, sizes, colour modes, "
                   "turned and transparent images, mean and deviation of the colours; and what is not read, with the "
                   "reason, files that cannot be decoded among them.\n\n"
                   "PATH is a Tiny ImageNet folder or its .zip as distributed, or a folder (or .zip) of class "
                   "folders.",
    .usage = "PATH [--json]",
    .example = "ocelli data info tiny-imagenet-200.zip",
    .docs = "docs/data.md",
    .flags = info_flags,
    .computes = true,
    .least = 1,
    .most = 1,
    .words = "PATH",
    .run = run_info,
};

const oc_command oc_command_data_pack = {
    .name = "data pack",
    .summary = "decodes a data set into the cache, or checks what is there",
    .description = "Decodes every image of a data set once into the cache, from which training and evaluation then "
                   "read it. A run does so by itself where it is needed; this does it beforehand, or with --verify "
                   "checks what is there against the files.",
    .usage = "PATH [--verify[=all]] [--size N] [--cache DIR]",
    .example = "ocelli data pack tiny-imagenet-200.zip",
    .docs = "docs/data.md",
    .flags = pack_flags,
    .computes = true,
    .least = 1,
    .most = 1,
    .words = "PATH",
    .run = run_pack,
};

const oc_command oc_command_data_demo = {
    .name = "data demo",
    .summary = "writes a generated data set in Tiny ImageNet's layout",
    .description = "Draws a data set of simple shapes that can be learnt in minutes, for trying things out without a "
                   "download. The same flags give the same images.",
    .usage = "DIR [--classes N] [--per-class N] [--seed N]",
    .example = "ocelli data demo demo --classes 10 --per-class 200",
    .docs = "docs/data.md",
    .flags = demo_flags,
    .computes = true,
    .least = 1,
    .most = 1,
    .words = "DIR",
    .run = run_demo,
};
