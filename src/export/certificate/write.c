/* The texts of a certificate: certificate.json, and README.md and check.c made of their templates. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "export/certificate/certificate.h"
#include "export/templates.h"
#include "ocelli/models.h"

#define VERSION 1
#define STEPS 6

/* ---- How images are prepared, in words ---- */

typedef struct steps {
    oc_text text[STEPS];
    size_t count;
} steps;

static void steps_free(steps *s) {
    for (size_t i = 0; i < STEPS; i++) oc_text_free(&s->text[i]);
}

/* docs/data.md and data/kept.c in sentences; `limit` is 1.25 times the size. */
static oc_status say_fit(steps *s, oc_fit fit, int limit, int size, oc_error *err) {
    oc_status status = OC_OK;
    if (fit == OC_FIT_CROP) {
        OC_TRY(
            oc_text_printf(&s->text[s->count++], err,
                           "Where its shorter side is longer than %d pixels, the image is resized so that this side "
                           "has %d and the other as many as keep its shape (to the nearest whole number), and values "
                           "are rounded to whole numbers. Else it stays as it is.",
                           limit, limit));
        OC_TRY(
            oc_text_printf(&s->text[s->count++], err,
                           "The central square is cut out: %d pixels a side, or, where the shorter side is shorter, "
                           "all of that. Of an odd number of pixels around it the smaller half is left and above. If "
                           "it has not %d pixels a side it is resized to that, and values are not rounded.",
                           size, size));
        goto cleanup;
    }
    if (fit == OC_FIT_SQUASH)
        OC_TRY(
            oc_text_printf(&s->text[s->count++], err,
                           "The whole image is resized to a square, without keeping its shape: as many pixels a side "
                           "as its longer side has, but at most %d. Values are rounded to whole numbers.",
                           limit));
    else
        OC_TRY(
            oc_text_printf(&s->text[s->count++], err,
                           "Where its longer side is longer than %d pixels, the image is resized so that this side "
                           "has %d and the other as many as keep its shape (to the nearest whole number), and values "
                           "are rounded to whole numbers. Then it is put in the middle of a square of its longer "
                           "side, filled with the background; of an odd number of pixels the smaller half is left "
                           "and above.",
                           limit, limit));
    OC_TRY(oc_text_printf(&s->text[s->count++], err,
                          "The square is resized to %d pixels a side, if it has not that, and values are not rounded.",
                          size));
cleanup:
    return status;
}

static oc_status say(steps *s, const oc_model *network, oc_error *err) {
    oc_status status = OC_OK;
    const oc_image_options *image = &network->image;
    const int size = (int)network->size;
    OC_TRY(
        oc_text_printf(&s->text[s->count++], err,
                       "The image is decoded to red, green and blue, 8 bits each; pixels that are not opaque are put "
                       "on the background #%02x%02x%02x, and the image is %s.",
                       image->background[0], image->background[1], image->background[2],
                       image->exif ? "turned as its EXIF orientation says" : "not turned, whatever its EXIF says"));
    OC_TRY(say_fit(s, image->fit, size * 5 / 4, size, err));
    OC_TRY(
        oc_text_printf(&s->text[s->count++], err,
                       "Each resize is bilinear with antialiasing over half-pixel centres: a triangle filter that is "
                       "widened by the scale where the image shrinks, as Pillow's BILINEAR and torch's interpolate "
                       "with antialias=True have it, and neither as OpenCV's INTER_LINEAR."));
    OC_TRY(oc_text_printf(&s->text[s->count++], err,
                          "(value / 255 - mean) / std, a channel each, as float32 [N, 3, %d, %d]: red, green, blue.",
                          size, size));
cleanup:
    return status;
}

/* ---- certificate.json ---- */

/* The likeliest classes with their probabilities. */
static json_t *top(const oc_prediction *predictions, size_t count) {
    json_t *list = json_array();
    for (size_t k = 0; k < count; k++)
        json_array_append_new(list, json_pack("{s:o, s:f}", "class", oc_json_bytes(predictions[k].code), "probability",
                                              (double)predictions[k].probability));
    return list;
}

static json_t *images(const oc_certificate *certificate) {
    json_t *list = json_array();
    const size_t classes = certificate->model->classes.count;
    for (size_t i = 0; i < certificate->samples.count; i++) {
        const oc_sample_image *image = &certificate->samples.image[i];
        const float *logits = certificate->logits + i * classes;
        json_t *entry = json_pack("{s:s, s:I, s:I}", "file", image->file, "width", (json_int_t)image->width, "height",
                                  (json_int_t)image->height);
        if (image->from) json_object_set_new(entry, "from", oc_json_bytes(image->from));
        json_object_set_new(entry, "top", top(certificate->top + i * certificate->tops, certificate->tops));
        json_object_set_new(entry, "logits", oc_json_floats(logits, classes));
        json_array_append_new(list, entry);
    }
    return list;
}

static json_t *mistakes(const oc_certificate *certificate) {
    json_t *list = json_array();
    const size_t classes = certificate->model->classes.count;
    for (size_t m = 0; m < certificate->mistakes; m++) {
        const oc_certificate_mistake *mistake = &certificate->mistake[m];
        json_t *rows = json_array();
        for (size_t i = 0; i < certificate->samples.count; i++)
            json_array_append_new(rows, oc_json_floats(mistake->logits + i * classes, classes));
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:o}", "name", mistake->name, "cause", mistake->cause, "logits", rows));
    }
    return list;
}

static json_t *preprocessing(const oc_model *network, const steps *s) {
    const oc_image_options *image = &network->image;
    json_t *words = json_array();
    for (size_t i = 0; i < s->count; i++) json_array_append_new(words, json_string(s->text[i].data));
    return json_pack("{s:s, s:I, s:I, s:s, s:b, s:[i, i, i], s:o, s:o, s:o}", "fit", oc_fit_name(image->fit), "size",
                     (json_int_t)network->size, "kept", (json_int_t)(network->size * 5 / 4), "filter",
                     "bilinear, antialiased, half-pixel centres", "exif", image->exif, "background",
                     image->background[0], image->background[1], image->background[2], "mean",
                     oc_json_floats(network->mean, 3), "std", oc_json_floats(network->std, 3), "steps", words);
}

static oc_status write_json(const oc_certificate *certificate, const oc_folder_writer *writer, const steps *s,
                            oc_error *err) {
    oc_status status = OC_OK;
    char *text = NULL;
    const oc_model *model = certificate->model;
    json_t *json = json_pack("{s:s, s:i, s:s, s:s, s:f, s:f}", "kind", "ocelli certificate", "version", VERSION,
                             "ocelli", oc_version(), "model", oc_model_name(model), "tolerance",
                             OC_CERTIFICATE_TOLERANCE, "largest", oc_certificate_largest(certificate));
    OC_TRY(oc_json_put(json, "classes", oc_json_strings(&model->classes), err));
    OC_TRY(oc_json_put(json, "preprocessing", preprocessing(oc_certificate_network(certificate), s), err));
    OC_TRY(oc_json_put(json, "images", images(certificate), err));
    OC_TRY(oc_json_put(json, "mistakes", mistakes(certificate), err));
    OC_TRY(oc_json_pretty(&text, json, err));
    OC_TRY(oc_folder_writer_file(writer, "certificate.json", text, strlen(text), err));
cleanup:
    oc_free(text);
    json_decref(json);
    return status;
}

/* ---- The templates ---- */

/* What stands in a template as {{key}}. */
typedef struct field {
    const char *key;
    oc_text text;
} field;

static oc_status write_template(const oc_folder_writer *writer, const char *name, const unsigned char *template,
                                const field *fields, size_t count, oc_error *err) {
    oc_status status = OC_OK;
    oc_text text = {0};
    const char *rest = (const char *)template; /* a NUL is behind its bytes */
    for (const char *open; (open = strstr(rest, "{{")) != NULL;) {
        const char *key = open + 2, *close = strstr(key, "}}");
        size_t f = 0;
        while (
            close && f < count &&
            (strlen(fields[f].key) != (size_t)(close - key) || strncmp(fields[f].key, key, (size_t)(close - key)) != 0))
            f++;
        const bool found = close && f < count;
        OC_TRY(oc_text_append(&text, rest, (size_t)((found ? open : open + 1) - rest), err));
        if (found) OC_TRY(oc_text_append(&text, fields[f].text.data, fields[f].text.size, err));
        rest = found ? close + 2 : open + 1; /* a brace of the text's own may stand before a field */
    }
    OC_TRY(oc_text_append(&text, rest, strlen(rest), err));
    OC_TRY(oc_folder_writer_file(writer, name, text.data, text.size, err));
cleanup:
    oc_text_free(&text);
    return status;
}

static void fields_free(field *fields, size_t count) {
    for (size_t f = 0; f < count; f++) oc_text_free(&fields[f].text);
}

/* A C string; whatever could mean something else there by its number. */
static oc_status put_string(oc_text *out, const char *string, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_text_append(out, "\"", 1, err));
    for (const unsigned char *c = (const unsigned char *)string; *c; c++) {
        const bool plain = *c >= ' ' && *c < 127 && *c != '"' && *c != '\\' && *c != '?';
        OC_TRY(plain ? oc_text_append(out, c, 1, err) : oc_text_printf(out, err, "\\%03o", *c));
    }
    OC_TRY(oc_text_append(out, "\"", 1, err));
cleanup:
    return status;
}

/* Rows of numbers as a C initialiser, whatever the locale: JSON with other brackets. */
static oc_status put_rows(oc_text *out, const float *values, size_t count, size_t classes, oc_error *err) {
    oc_status status = OC_OK;
    char *text = NULL;
    for (size_t i = 0; i < count; i++) {
        json_t *list = oc_json_floats(values + i * classes, classes);
        status = oc_json_figures(&text, list, err);
        json_decref(list);
        if (status != OC_OK) break;
        OC_TRY(oc_text_printf(out, err, "%s    {%.*s}", i ? ",\n" : "", (int)strlen(text) - 2, text + 1));
        oc_free(text);
        text = NULL;
    }
cleanup:
    oc_free(text);
    return status;
}

static oc_status write_check_c(const oc_certificate *certificate, const oc_folder_writer *writer, oc_error *err) {
    enum { MODEL, SIZES, TOLERANCE, FILES, EXACT, CLASSES, LOGITS, CAUSES, MISTAKEN, FIELDS };
    field f[FIELDS] = {{"model", {0}},   {"sizes", {0}},  {"tolerance", {0}}, {"files", {0}},   {"exact", {0}},
                       {"classes", {0}}, {"logits", {0}}, {"causes", {0}},    {"mistaken", {0}}};
    oc_status status = OC_OK;
    const oc_model *model = certificate->model;
    const size_t classes = model->classes.count;
    const int64_t size = oc_certificate_network(certificate)->size;
    char number[32];
    oc_number_write(OC_CERTIFICATE_TOLERANCE, number);
    OC_TRY(oc_text_printf(&f[MODEL].text, err, "%s", oc_model_name(model)));
    OC_TRY(oc_text_printf(&f[SIZES].text, err, "#define IMAGES %zu\n#define CLASSES %zu\n#define MISTAKES %zu",
                          certificate->samples.count, classes, certificate->mistakes));
    OC_TRY(oc_text_printf(&f[TOLERANCE].text, err, "%s", number));
    for (size_t i = 0; i < certificate->samples.count; i++) {
        const oc_sample_image *image = &certificate->samples.image[i];
        OC_TRY(oc_text_printf(&f[FILES].text, err, "%s\"%s\"", i ? ", " : "", image->file));
        OC_TRY(
            oc_text_printf(&f[EXACT].text, err, "%s%d", i ? ", " : "", image->width == size && image->height == size));
    }
    for (size_t c = 0; c < classes; c++) {
        OC_TRY(oc_text_printf(&f[CLASSES].text, err, c ? ",\n    " : "    "));
        OC_TRY(put_string(&f[CLASSES].text, model->classes.item[c], err));
    }
    OC_TRY(put_rows(&f[LOGITS].text, certificate->logits, certificate->samples.count, classes, err));
    for (size_t m = 0; m < certificate->mistakes; m++) {
        OC_TRY(oc_text_printf(&f[CAUSES].text, err, m ? ",\n    " : "    "));
        OC_TRY(put_string(&f[CAUSES].text, certificate->mistake[m].cause, err));
        OC_TRY(oc_text_printf(&f[MISTAKEN].text, err, m ? ",\n    {\n" : "    {\n"));
        OC_TRY(put_rows(&f[MISTAKEN].text, certificate->mistake[m].logits, certificate->samples.count, classes, err));
        OC_TRY(oc_text_printf(&f[MISTAKEN].text, err, "}"));
    }
    OC_TRY(write_template(writer, "check.c", oc_template_check_c, f, FIELDS, err));
cleanup:
    fields_free(f, FIELDS);
    return status;
}

static oc_status write_readme(const oc_certificate *certificate, const oc_folder_writer *writer, const steps *s,
                              oc_error *err) {
    enum { MODEL, CLASSES, SIZE, STEPS_TEXT, MEAN, STD, IMAGES, MISTAKES, FIELDS };
    field f[FIELDS] = {{"model", {0}}, {"classes", {0}}, {"size", {0}},   {"steps", {0}},
                       {"mean", {0}},  {"std", {0}},     {"images", {0}}, {"mistakes", {0}}};
    oc_status status = OC_OK;
    const oc_model *network = oc_certificate_network(certificate);
    char *mean = NULL, *std = NULL;
    json_t *means = oc_json_floats(network->mean, 3), *stds = oc_json_floats(network->std, 3);
    OC_TRY(oc_json_figures(&mean, means, err));
    OC_TRY(oc_json_figures(&std, stds, err));
    OC_TRY(oc_text_printf(&f[MODEL].text, err, "%s", oc_model_name(certificate->model)));
    OC_TRY(oc_text_printf(&f[CLASSES].text, err, "%zu", certificate->model->classes.count));
    OC_TRY(oc_text_printf(&f[SIZE].text, err, "%lld", (long long)network->size));
    OC_TRY(oc_text_printf(&f[MEAN].text, err, "%s", mean));
    OC_TRY(oc_text_printf(&f[STD].text, err, "%s", std));
    for (size_t i = 0; i < s->count; i++)
        OC_TRY(oc_text_printf(&f[STEPS_TEXT].text, err, "%s%zu. %s", i ? "\n" : "", i + 1, s->text[i].data));
    for (size_t i = 0; i < certificate->samples.count; i++) {
        const oc_sample_image *image = &certificate->samples.image[i];
        OC_TRY(oc_text_printf(&f[IMAGES].text, err, "%s| %s | %lld x %lld |", i ? "\n" : "", image->file,
                              (long long)image->width, (long long)image->height));
    }
    for (size_t m = 0; m < certificate->mistakes; m++)
        OC_TRY(oc_text_printf(&f[MISTAKES].text, err, "%s- %s", m ? "\n" : "", certificate->mistake[m].cause));
    OC_TRY(write_template(writer, "README.md", oc_template_certificate_readme, f, FIELDS, err));
cleanup:
    json_decref(means);
    json_decref(stds);
    oc_free(mean);
    oc_free(std);
    fields_free(f, FIELDS);
    return status;
}

oc_status oc_certificate_write(const oc_certificate *certificate, const oc_folder_writer *writer, oc_error *err) {
    oc_status status = OC_OK;
    steps s = {0};
    OC_TRY(say(&s, oc_certificate_network(certificate), err));
    OC_TRY(write_json(certificate, writer, &s, err));
    OC_TRY(write_readme(certificate, writer, &s, err));
    OC_TRY(write_check_c(certificate, writer, err));
    OC_TRY(oc_folder_writer_file(writer, "check.py", oc_template_check_py, oc_template_check_py_size, err));
cleanup:
    steps_free(&s);
    return status;
}
