/* ocelli export */
#include "ocelli/export.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "ocelli/models.h"
#include "ocelli/recipe.h"
#include "output.h"

static const oc_flag flags[] = {
    OC_FLAG_WEIGHTS,
    {"--onnx", "FILE.onnx", "write an ONNX file of it, for any batch size"},
    {"--with-preprocessing", NULL, "let the ONNX file take images as bytes, and normalise them itself"},
    {"--timm", "DIR", "write a folder that timm opens"},
    {"--crop-pct", "P",
     "the share of an image that timm is to show: 1, or 0.8 for photos; unless given as --data needs it, or 1"},
    {"--certificate", "DIR", "write a folder by which any deployment can be judged; with --data by its own images"},
    OC_FLAG_WORDS,
    OC_FLAG_DATA,
    OC_FLAG_MODEL,
    OC_FLAG_CLASSES,
    OC_FLAG_SIZE,
    OC_FLAG_STEM,
    OC_FLAG_NO_STEM_POOL,
    OC_FLAG_RECIPE,
    OC_FLAG_SET,
    OC_FLAG_END,
};

/* What is written, each by its flag, in this order. */
typedef struct export_job {
    const oc_args *args;
    oc_model *model;
    const oc_dataset *dataset; /* NULL: no --data */
} export_job;

static oc_status write_onnx(const export_job *job, const char *path, oc_error *err) {
    const oc_onnx_options options = {.preprocessing = oc_args_has(job->args, "--with-preprocessing")};
    return oc_export_onnx(job->model, path, &options, err);
}

static oc_status write_timm(const export_job *job, const char *path, oc_error *err) {
    oc_timm_options options = {.dataset = job->dataset};
    oc_words words = {.dataset = job->dataset};
    const size_t classes = oc_model_class_count(job->model);
    const char **list = calloc(classes, sizeof *list), *crop = oc_args_text(job->args, "--crop-pct");
    char *end = NULL;
    if (crop) {
        options.crop_pct = strtod(crop, &end);
        if (end == crop || *end != '\0' || !(options.crop_pct > 0)) options.crop_pct = NAN;
    }
    oc_status status = list ? OC_OK : oc_cli_fail(err, OC_E_MEMORY, NULL, "out of memory");
    if (status == OC_OK) status = oc_words_read(&words, job->args, err);
    for (size_t c = 0; list && status == OC_OK && c < classes; c++)
        list[c] = oc_words_name(&words, oc_model_class(job->model, c));
    options.words = list;
    if (status == OC_OK) status = oc_export_timm(job->model, path, &options, err);
    oc_words_free(&words);
    free(list);
    return status;
}

static oc_status write_certificate(const export_job *job, const char *path, oc_error *err) {
    const oc_certificate_options options = {.dataset = job->dataset};
    return oc_export_certificate(job->model, path, &options, err);
}

static const struct {
    const char *flag;
    oc_status (*write)(const export_job *job, const char *path, oc_error *err);
} exports[] = {{"--onnx", write_onnx}, {"--timm", write_timm}, {"--certificate", write_certificate}};
#define EXPORTS (sizeof exports / sizeof *exports)

/* Something to write, and each to a place of its own. */
static oc_status check(const oc_args *args, oc_error *err) {
    const char *weights = oc_args_text(args, "--weights");
    size_t given = 0;
    for (size_t i = 0; i < EXPORTS; i++) {
        const char *path = oc_args_text(args, exports[i].flag);
        if (!path) continue;
        given++;
        if (weights && oc_path_same(path, weights))
            return oc_cli_fail(err, OC_E_USAGE, exports[i].flag, "is the weights file itself; name another");
        for (size_t j = 0; j < i; j++) {
            const char *other = oc_args_text(args, exports[j].flag);
            if (other && (strcmp(path, other) == 0 || oc_path_same(path, other)))
                return oc_cli_fail(err, OC_E_USAGE, exports[i].flag, "is what %s names too; name another",
                                   exports[j].flag);
        }
    }
    if (given == 0)
        return oc_cli_fail(err, OC_E_USAGE, "--onnx",
                           "is needed, or --timm or --certificate: what is to be written, say --onnx model.onnx");
    return OC_OK;
}

static oc_status run(const oc_args *args, oc_error *err) {
    oc_recipe *recipe = NULL;
    oc_dataset *dataset = NULL;
    export_job job = {.args = args};
    const char *data = oc_args_text(args, "--data");
    oc_status status = check(args, err);
    if (status == OC_OK) status = oc_cli_recipe(&recipe, args, err);
    if (status == OC_OK && data) status = oc_cli_dataset(&dataset, data, recipe, true, err);
    job.dataset = dataset;
    if (status == OC_OK) status = oc_cli_weights(&job.model, args, recipe, dataset, err);
    for (size_t i = 0; status == OC_OK && i < EXPORTS; i++) {
        const char *path = oc_args_text(args, exports[i].flag);
        if (!path) continue;
        status = exports[i].write(&job, path, err);
        if (status == OC_OK)
            printf("%s: %s, %zu classes\n", path, oc_model_name(job.model), oc_model_class_count(job.model));
    }
    oc_model_destroy(&job.model);
    oc_dataset_destroy(&dataset);
    oc_recipe_destroy(&recipe);
    return status;
}

const oc_command oc_command_export = {
    .name = "export",
    .summary = "writes a trained model or ensemble for other programs: ONNX, timm, and what judges them there",
    .description = "Writes a network or an ensemble as an ONNX file, for ONNX Runtime, OpenCV, TensorRT, OpenVINO "
                   "and others, with its classes inside. The same weights give the same bytes. The file takes "
                   "normalised images in float, or with --with-preprocessing the bytes of decoded ones.\n\n"
                   "For timm, a network becomes a folder that timm.create_model opens in one call, with its classes "
                   "and how images are prepared; a stem that timm does not have comes with a small Python file that "
                   "puts it right.\n\n"
                   "A certificate is a folder by which any deployment is judged, in whatever language: images, the "
                   "logits that are right for them, and two programs, in Python and in C, that compare and name the "
                   "likely mistake (docs/certificate.md).",
    .usage = "--weights FILE [--onnx FILE.onnx] [--timm DIR] [--certificate DIR]",
    .example = "ocelli export --weights run/best.safetensors --onnx model.onnx",
    .docs = "docs/export.md",
    .flags = flags,
    .computes = true,
    .run = run,
};
