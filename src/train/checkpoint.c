/* The state file: a safetensors file of ours with one tensor an arena and one scalar a number of the position. */
#include "train/checkpoint.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

#define KIND_KEY "kind"
#define KIND "state-1" /* grows when an older reader could not make sense of the file */
#define ARENAS_MAX 8
#define ABOUT_MAX 16

typedef struct field {
    const char *name;
    oc_dtype dtype; /* OC_I64 or OC_F64 */
    size_t place;
} field;

#define COUNT_FIELD(member)                                                                                            \
    { #member, OC_I64, offsetof(oc_position, member) }
#define REAL_FIELD(member)                                                                                             \
    { #member, OC_F64, offsetof(oc_position, member) }
static const field fields[] = {
    COUNT_FIELD(step),         COUNT_FIELD(metrics_rows),   COUNT_FIELD(epoch_images), REAL_FIELD(epoch_loss),
    REAL_FIELD(epoch_top1),    REAL_FIELD(epoch_top5),      REAL_FIELD(last_lr),       REAL_FIELD(last_loss),
    REAL_FIELD(val_loss),      REAL_FIELD(val_top1),        REAL_FIELD(val_top5),      REAL_FIELD(best_top1),
    REAL_FIELD(data),          REAL_FIELD(forward),         REAL_FIELD(backward),      REAL_FIELD(optimizer),
    REAL_FIELD(epoch_seconds), REAL_FIELD(elapsed_seconds),
};
#define FIELDS (sizeof fields / sizeof *fields)

struct oc_checkpoint {
    oc_safetensors *file;
    char *path;
    oc_position position;
};

oc_position oc_position_start(void) {
    return (oc_position){
        .last_lr = NAN, .last_loss = NAN, .val_loss = NAN, .val_top1 = NAN, .val_top5 = NAN, .best_top1 = NAN};
}

oc_status oc_checkpoint_write(const char *path, const oc_position *position, const oc_state_arena *arenas,
                              size_t arena_count, const oc_metadata *about, size_t about_count, oc_error *err) {
    oc_safetensors_view views[ARENAS_MAX + FIELDS];
    oc_metadata metadata[ABOUT_MAX + 1] = {{KIND_KEY, KIND}};
    size_t count = 0;
    if (arena_count > ARENAS_MAX || about_count > ABOUT_MAX)
        return oc_fail(err, OC_E_USAGE, path, "a state of %zu arenas and %zu notes is too large", arena_count,
                       about_count);
    for (size_t i = 0; i < about_count; i++) metadata[i + 1] = about[i];
    for (size_t i = 0; i < arena_count; i++)
        views[count++] = (oc_safetensors_view){.name = arenas[i].name,
                                               .dtype = OC_F32,
                                               .shape = oc_shape_make(1, (int64_t)arenas[i].count),
                                               .data = (const uint8_t *)arenas[i].data,
                                               .size = arenas[i].count * sizeof(float)};
    for (size_t i = 0; i < FIELDS; i++)
        views[count++] = (oc_safetensors_view){.name = fields[i].name,
                                               .dtype = fields[i].dtype,
                                               .data = (const uint8_t *)position + fields[i].place,
                                               .size = 8};
    return oc_safetensors_write(path, views, count, metadata, about_count + 1, err);
}

static oc_status read_position(oc_checkpoint *checkpoint, oc_error *err) {
    for (size_t i = 0; i < FIELDS; i++) {
        const oc_safetensors_view *view = oc_safetensors_find(checkpoint->file, fields[i].name);
        if (!view || view->dtype != fields[i].dtype || view->size != 8)
            return oc_fail(err, OC_E_FORMAT, checkpoint->path, "not a run's state: it lacks \"%s\"", fields[i].name);
        memcpy((char *)&checkpoint->position + fields[i].place, view->data, 8);
    }
    const oc_position *p = &checkpoint->position;
    if (p->step < 0 || p->metrics_rows < 0 || p->epoch_images < 0)
        return oc_fail(err, OC_E_FORMAT, checkpoint->path, "not a run's state: it holds negative counts");
    return OC_OK;
}

oc_status oc_checkpoint_open(oc_checkpoint **out, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    oc_checkpoint *checkpoint = NULL;
    OC_TRY(oc_alloc(&checkpoint, 1, sizeof *checkpoint, err));
    OC_TRY(oc_strdup(&checkpoint->path, path, err));
    OC_TRY(oc_safetensors_open(&checkpoint->file, path, err));
    const char *kind = oc_safetensors_metadata(checkpoint->file, KIND_KEY);
    if (!oc_safetensors_is_own(checkpoint->file) || !kind || strcmp(kind, KIND) != 0) {
        status = oc_fail(err, OC_E_FORMAT, path, "not a run's state of this version");
        goto cleanup;
    }
    OC_TRY(read_position(checkpoint, err));
    *out = checkpoint;
    checkpoint = NULL;
cleanup:
    oc_checkpoint_destroy(&checkpoint);
    return status;
}

void oc_checkpoint_destroy(oc_checkpoint **checkpoint) {
    if (!checkpoint || !*checkpoint) return;
    oc_safetensors_destroy(&(*checkpoint)->file);
    oc_free((*checkpoint)->path);
    oc_free(*checkpoint);
    *checkpoint = NULL;
}

const char *oc_checkpoint_about(const oc_checkpoint *checkpoint, const char *key) {
    return oc_safetensors_metadata(checkpoint->file, key);
}

oc_position oc_checkpoint_position(const oc_checkpoint *checkpoint) {
    return checkpoint->position;
}

oc_status oc_checkpoint_load(const oc_checkpoint *checkpoint, const oc_state_arena *arenas, size_t count,
                             oc_error *err) {
    for (size_t i = 0; i < count; i++) {
        const oc_safetensors_view *view = oc_safetensors_find(checkpoint->file, arenas[i].name);
        if (!view) return oc_fail(err, OC_E_MISMATCH, checkpoint->path, "the state lacks \"%s\"", arenas[i].name);
        if (view->dtype != OC_F32 || view->size != arenas[i].count * sizeof(float))
            return oc_fail(err, OC_E_MISMATCH, checkpoint->path, "\"%s\" of the state has %zu bytes, not %zu",
                           arenas[i].name, view->size, arenas[i].count * sizeof(float));
    }
    for (size_t i = 0; i < count; i++) {
        const oc_safetensors_view *view = oc_safetensors_find(checkpoint->file, arenas[i].name);
        if (view->size > 0) memcpy(arenas[i].data, view->data, view->size);
    }
    return OC_OK;
}
