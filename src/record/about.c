/* {"model", "parameters", "macs", "size", "epochs", "steps",
 *  "data": {"path", "fingerprint", "holdout", "validates_on", "classes", "train", "val", "left_out"}, "peak_memory",
 *  "starts": [{"step", "time", "command", "machine": {"processor", "instructions", "threads", "memory", "system"},
 *              "versions": {"ocelli", "commit", "onednn", "compiler"}}]} */
#define _GNU_SOURCE 1
#include "record/about.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

struct oc_about {
    char *path;
    json_t *root;
};

/* A text that may be NULL or no UTF-8. */
static json_t *text(const char *value) {
    return value && value[0] ? oc_json_bytes(value) : json_null();
}

/* "2026-01-31T12:00:00Z" */
static json_t *now(void) {
    char stamp[32];
    struct tm parts;
    const time_t seconds = time(NULL);
    if (!gmtime_r(&seconds, &parts)) return json_null();
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return json_string(stamp);
}

static json_t *start_json(const oc_about_start *s) {
    json_t *machine = json_pack("{s:o, s:o, s:i, s:I, s:o}", "processor", text(s->system->processor), "instructions",
                                text(s->system->level), "threads", s->threads, "memory", (json_int_t)s->system->memory,
                                "system", text(s->system->system));
    json_t *versions = json_pack("{s:o, s:o, s:o, s:o}", "ocelli", text(oc_version()), "commit", text(oc_commit()),
                                 "onednn", text(s->system->dnnl), "compiler", text(s->system->compiler));
    return json_pack("{s:I, s:o, s:o, s:o, s:o}", "step", (json_int_t)s->step, "time", now(), "command",
                     text(s->command), "machine", machine, "versions", versions);
}

static oc_status fill(json_t *root, const oc_about_start *s, oc_error *err) {
    oc_status status = OC_OK;
    char *path = realpath(s->data_path, NULL); /* to be found from any folder */
    json_t *data = json_pack("{s:o, s:o, s:f, s:o, s:I, s:I, s:I, s:I}", "path", text(path ? path : s->data_path),
                             "fingerprint", text(s->data_fingerprint), "holdout", s->holdout, "validates_on",
                             text(s->validates_on), "classes", (json_int_t)s->classes, "train", (json_int_t)s->train,
                             "val", (json_int_t)s->val, "left_out", (json_int_t)s->left_out);
    free(path);
    OC_TRY(oc_json_put(root, "data", data, err));
    OC_TRY(oc_json_put(root, "model", text(s->model), err));
    OC_TRY(oc_json_put(root, "parameters", json_integer(s->parameters), err));
    OC_TRY(oc_json_put(root, "macs", json_integer(s->macs), err));
    OC_TRY(oc_json_put(root, "size", json_integer(s->size), err));
    OC_TRY(oc_json_put(root, "epochs", json_integer(s->epochs), err));
    OC_TRY(oc_json_put(root, "steps", json_integer(s->steps), err));
    if (!json_is_array(json_object_get(root, "starts"))) OC_TRY(oc_json_put(root, "starts", json_array(), err));
    if (json_array_append_new(json_object_get(root, "starts"), start_json(s)) != 0) status = oc_json_no_memory(err);
cleanup:
    return status;
}

static oc_status about_write(const oc_about *about, oc_error *err) {
    oc_status status = OC_OK;
    char *text = NULL;
    OC_TRY(oc_json_text(&text, about->root, err));
    OC_TRY(oc_file_write_atomic(about->path, text, strlen(text), err));
cleanup:
    oc_free(text);
    return status;
}

oc_status oc_about_create(oc_about **out, const char *folder, const oc_about_start *start, oc_error *err) {
    oc_status status = OC_OK;
    oc_about *about = NULL;
    *out = NULL;
    OC_TRY(oc_alloc(&about, 1, sizeof *about, err));
    OC_TRY(oc_path_join(&about->path, folder, OC_ABOUT_FILE, err));
    if (start->step == 0 || oc_json_read(&about->root, about->path, NULL) != OC_OK || !json_is_object(about->root)) {
        json_decref(about->root);
        about->root = json_object();
    }
    OC_TRY(fill(about->root, start, err));
    OC_TRY(about_write(about, err));
    *out = about;
    about = NULL;
cleanup:
    oc_about_destroy(&about);
    return status;
}

oc_status oc_about_memory(oc_about *about, oc_error *err) {
    const int64_t peak = oc_memory_peak();
    if (peak <= json_integer_value(json_object_get(about->root, "peak_memory"))) return OC_OK;
    oc_status status = oc_json_put(about->root, "peak_memory", json_integer(peak), err);
    return status == OC_OK ? about_write(about, err) : status;
}

void oc_about_destroy(oc_about **about) {
    if (!about || !*about) return;
    json_decref((*about)->root);
    oc_free((*about)->path);
    oc_free(*about);
    *about = NULL;
}
