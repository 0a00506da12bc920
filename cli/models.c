/* ocelli models */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "ocelli/models.h"

static const oc_flag flags[] = {
    {"--tensors", NULL, "list the named tensors of a weights file instead of the layers"},
    {"--classes", "N", "classes of the model; 200 unless given"},
    {"--size", "N", "input height and width; 64 unless given"},
    OC_FLAG_STEM,
    OC_FLAG_NO_STEM_POOL,
    OC_FLAG_END,
};

#define CLASSES_MOST 100000

/* A model for counting: its classes are numbers. */
static oc_status make(oc_model **out, const char *name, int64_t classes, int64_t size, const oc_model_options *options,
                      oc_error *err) {
    char(*text)[8] = calloc((size_t)classes, sizeof *text);
    const char **names = calloc((size_t)classes, sizeof *names);
    oc_status status;
    if (text && names) {
        for (int64_t i = 0; i < classes; i++) {
            snprintf(text[i], sizeof text[i], "%d", (int)i);
            names[i] = text[i];
        }
        status = oc_model_create(out, name, names, (size_t)classes, size, options, err);
    } else {
        status = oc_cli_fail(err, OC_E_MEMORY, NULL, "out of memory");
    }
    free(text);
    free(names);
    return status;
}

static void shape_text(int dims, const int64_t *shape, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (int d = 0; d < dims && used < size; d++)
        used += (size_t)snprintf(text + used, size - used, "%s%" PRId64, d ? "x" : "", shape[d]);
}

static void totals(const oc_model *model, int64_t *parameters, int64_t *macs) {
    *parameters = *macs = 0;
    for (size_t i = 0; i < oc_model_layers(model); i++) {
        oc_layer layer = oc_model_layer(model, i);
        *parameters += layer.parameters;
        *macs += layer.macs;
    }
}

/* A model that does not take images of this size has "-" for its numbers; a size that no model takes is an error. */
static oc_status print_list(int64_t classes, int64_t size, oc_error *err) {
    const char *name;
    oc_status status = OC_OK;
    bool any = false;
    printf("%-20s %12s %10s  %s\n", "model", "parameters", "MACs", "");
    for (size_t i = 0; (name = oc_models_name(i)); i++) {
        oc_model *model = NULL;
        char count[32];
        int64_t parameters, macs;
        status = make(&model, name, classes, size, NULL, err);
        if (oc_cli_is_about_size(status, err)) {
            printf("%-20s %12s %10s  %s\n", name, "-", "-", oc_models_summary(i));
            continue;
        }
        if (status != OC_OK) return status;
        any = true;
        totals(model, &parameters, &macs);
        printf("%-20s %12s %9.3fG  %s\n", name, oc_count_text(parameters, count), (double)macs * 1e-9,
               oc_models_summary(i));
        oc_model_destroy(&model);
    }
    return any ? OC_OK : status;
}

static void print_layers(const oc_model *model) {
    char shape[64], parameters[32], macs[32];
    int64_t all_parameters, all_macs;
    printf("%-12s %-28s %-14s %12s %14s\n", "layer", "name", "output", "parameters", "MACs");
    for (size_t i = 0; i < oc_model_layers(model); i++) {
        oc_layer layer = oc_model_layer(model, i);
        shape_text(layer.dims, layer.dst, shape, sizeof shape);
        printf("%-12s %-28s %-14s %12s %14s\n", layer.op, layer.name, shape,
               oc_count_text(layer.parameters, parameters), oc_count_text(layer.macs, macs));
    }
    totals(model, &all_parameters, &all_macs);
    printf("%-12s %-28s %-14s %12s %14s\n", "total", "", "", oc_count_text(all_parameters, parameters),
           oc_count_text(all_macs, macs));
}

static void print_tensors(const oc_model *model) {
    char shape[96];
    for (size_t i = 0; i < oc_model_tensors(model); i++) {
        oc_tensor_info tensor = oc_model_tensor(model, i);
        shape_text(tensor.dims, tensor.shape, shape, sizeof shape);
        printf("%-40s %-18s %s\n", tensor.name, shape, tensor.parameter ? "parameter" : "statistic");
    }
}

static oc_status run(const oc_args *args, oc_error *err) {
    int64_t classes = 200, size = 64;
    oc_model *model = NULL;
    const char *name = oc_args_words(args) > 0 ? oc_args_word(args)[0] : NULL;
    oc_status status = oc_args_int(args, "--classes", 1, CLASSES_MOST, &classes, err);
    if (status == OC_OK) status = oc_args_size(args, &size, err);
    if (status == OC_OK && !name && oc_args_has(args, "--tensors"))
        status = oc_cli_fail(err, OC_E_USAGE, "--tensors", "needs the model's name");
    if (status == OC_OK && !name && (oc_args_has(args, "--stem") || oc_args_has(args, "--no-stem-pool")))
        status = oc_cli_fail(err, OC_E_USAGE, oc_args_has(args, "--stem") ? "--stem" : "--no-stem-pool",
                             "needs the model's name");
    if (status != OC_OK) return status;
    if (!name) return print_list(classes, size, err);
    const oc_model_options options = oc_cli_model_options(args);
    status = make(&model, name, classes, size, &options, err);
    if (status == OC_OK && oc_args_has(args, "--tensors"))
        print_tensors(model);
    else if (status == OC_OK)
        print_layers(model);
    oc_model_destroy(&model);
    return status;
}

const oc_command oc_command_models = {
    .name = "models",
    .summary = "lists the models, or one model's layers with output shape, parameters and MACs",
    .description = "Without a name, lists the models with their parameters and multiply-accumulates. With one, lists "
                   "its layers, or by --tensors the named tensors that a weights file of it has, which are "
                   "PyTorch's. A model that takes other classes or another input size has other numbers: --classes "
                   "and --size.",
    .usage = "[MODEL] [--tensors] [--classes N] [--size N] [--stem 3x3|7x7|deep] [--no-stem-pool]",
    .example = "ocelli models myresnet-small",
    .flags = flags,
    .most = 1,
    .words = "MODEL",
    .run = run,
};
