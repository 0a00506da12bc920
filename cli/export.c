/* ocelli export */
#include "ocelli/export.h"

#include "commands.h"
#include "ocelli/models.h"
#include "ocelli/recipe.h"
#include "output.h"

static const oc_flag flags[] = {
    OC_FLAG_WEIGHTS,
    {"--onnx", "FILE.onnx", "write an ONNX file of it, for any batch size"},
    {"--with-preprocessing", NULL, "let the ONNX file take images as bytes, and normalise them itself"},
    OC_FLAG_MODEL,
    OC_FLAG_CLASSES,
    OC_FLAG_SIZE,
    OC_FLAG_STEM,
    OC_FLAG_NO_STEM_POOL,
    OC_FLAG_RECIPE,
    OC_FLAG_SET,
    OC_FLAG_END,
};

static oc_status run(const oc_args *args, oc_error *err) {
    oc_recipe *recipe = NULL;
    oc_model *model = NULL;
    const char *onnx = oc_args_text(args, "--onnx");
    const oc_onnx_options options = {.preprocessing = oc_args_has(args, "--with-preprocessing")};
    if (!onnx) return oc_cli_fail(err, OC_E_USAGE, "--onnx", "is needed: what is to be written, say --onnx model.onnx");
    oc_status status = oc_cli_recipe(&recipe, args, err);
    if (status == OC_OK) status = oc_cli_weights(&model, args, recipe, NULL, err);
    if (status == OC_OK && (oc_path_same(onnx, oc_args_text(args, "--weights"))))
        status = oc_cli_fail(err, OC_E_USAGE, "--onnx", "is the weights file itself; name another");
    if (status == OC_OK) status = oc_export_onnx(model, onnx, &options, err);
    if (status == OC_OK) printf("%s: %s, %zu classes\n", onnx, oc_model_name(model), oc_model_class_count(model));
    oc_model_destroy(&model);
    oc_recipe_destroy(&recipe);
    return status;
}

const oc_command oc_command_export = {
    .name = "export",
    .summary = "writes a trained model or ensemble for other programs: as an ONNX file",
    .description = "Writes a network or an ensemble as an ONNX file, for ONNX Runtime, OpenCV, TensorRT, OpenVINO "
                   "and others, with its classes inside. The same weights give the same bytes. The file takes "
                   "normalised images in float, or with --with-preprocessing the bytes of decoded ones.",
    .usage = "--weights FILE --onnx FILE.onnx [--with-preprocessing]",
    .example = "ocelli export --weights run/best.safetensors --onnx model.onnx",
    .docs = "docs/export.md",
    .flags = flags,
    .computes = true,
    .run = run,
};
