/* Writing TensorBoard's event files. */
#define _GNU_SOURCE 1
#include "record/events.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "record/crc32c.h"
#include "record/event.pb-c.h"

#define FRAME_HEAD 12 /* length and its checksum */
#define FRAME_TAIL 4  /* checksum of the data */
#define HOST_LIMIT 64

struct oc_events {
    oc_file_appender *file;
    uint8_t *frame; /* grown as needed */
    size_t capacity;
};

static void put_little_endian(uint8_t *dst, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) dst[i] = (uint8_t)(value >> (8 * i));
}

double oc_events_now(void) {
    struct timespec now = {0};
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Frames the event and appends it in one write. */
static oc_status append(oc_events *events, const Oc__Record__Event *event, oc_error *err) {
    const size_t size = oc__record__event__get_packed_size(event);
    const oc_status status = oc_grow(&events->frame, &events->capacity, FRAME_HEAD + size + FRAME_TAIL, 1, err);
    if (status != OC_OK) return status;
    uint8_t *frame = events->frame, *data = frame + FRAME_HEAD;
    oc__record__event__pack(event, data);
    put_little_endian(frame, size, 8);
    put_little_endian(frame + 8, oc_crc32c_masked(frame, 8), 4);
    put_little_endian(data + size, oc_crc32c_masked(data, size), 4);
    return oc_file_appender_write(events->file, frame, FRAME_HEAD + size + FRAME_TAIL, err);
}

/* The host's name with what does not belong into a file name replaced. */
static void host_name(char host[HOST_LIMIT]) {
    if (gethostname(host, HOST_LIMIT) != 0 || host[0] == '\0') strcpy(host, "localhost");
    host[HOST_LIMIT - 1] = '\0';
    for (char *c = host; *c; c++)
        if (*c == '/' || *c <= ' ' || *c == 0x7F) *c = '_';
}

/* A file name that is not there yet, ordered after those of earlier starts: TensorBoard reads files by name. */
static oc_status new_path(char **out, const char *folder, oc_error *err) {
    oc_status status = OC_OK;
    char host[HOST_LIMIT], name[HOST_LIMIT + 96];
    host_name(host);
    long long seconds = (long long)time(NULL);
    for (int n = 0; n < 1000; n++) {
        snprintf(name, sizeof name, "events.out.tfevents.%010lld.%s.%07ld.%03d", seconds, host, (long)getpid(), n);
        OC_TRY(oc_path_join(out, folder, name, err));
        if (!oc_path_exists(*out)) return OC_OK;
        oc_free(*out);
        *out = NULL;
    }
    status = oc_fail(err, OC_E_IO, folder, "no free name for another events file");
cleanup:
    return status;
}

oc_status oc_events_create(oc_events **out, const char *folder, int64_t step, oc_error *err) {
    oc_status status = OC_OK;
    oc_events *events = NULL;
    char *path = NULL;
    *out = NULL;
    OC_TRY(oc_alloc(&events, 1, sizeof *events, err));
    OC_TRY(new_path(&path, folder, err));
    OC_TRY(oc_file_appender_create(&events->file, path, 0, err));

    Oc__Record__Event event = OC__RECORD__EVENT__INIT;
    event.wall_time = oc_events_now();
    event.what_case = OC__RECORD__EVENT__WHAT_FILE_VERSION;
    event.file_version = (char *)"brain.Event:2";
    OC_TRY(append(events, &event, err));

    Oc__Record__SessionLog session = OC__RECORD__SESSION_LOG__INIT;
    session.status = OC__RECORD__SESSION_LOG__STATUS__START;
    event.what_case = OC__RECORD__EVENT__WHAT_SESSION_LOG;
    event.session_log = &session;
    /* TensorBoard forgets events at START's step and beyond; those of `step` itself are done and stay. */
    event.step = step > 0 ? step + 1 : 0;
    OC_TRY(append(events, &event, err));
    *out = events;
    events = NULL;
cleanup:
    oc_free(path);
    oc_events_destroy(&events);
    return status;
}

void oc_events_destroy(oc_events **events) {
    if (!*events) return;
    oc_file_appender_destroy(&(*events)->file);
    oc_free((*events)->frame);
    oc_free(*events);
    *events = NULL;
}

/* One event of these values of a summary. */
static oc_status append_values(oc_events *events, int64_t step, Oc__Record__Summary__Value **values, size_t count,
                               oc_error *err) {
    Oc__Record__Summary summary = OC__RECORD__SUMMARY__INIT;
    summary.n_value = count;
    summary.value = values;
    Oc__Record__Event event = OC__RECORD__EVENT__INIT;
    event.wall_time = oc_events_now();
    event.step = step;
    event.what_case = OC__RECORD__EVENT__WHAT_SUMMARY;
    event.summary = &summary;
    return append(events, &event, err);
}

oc_status oc_events_write(oc_events *events, int64_t step, const oc_scalar *scalars, size_t count, oc_error *err) {
    assert(count <= OC_EVENT_SCALARS);
    Oc__Record__Summary__Value values[OC_EVENT_SCALARS];
    Oc__Record__Summary__Value *list[OC_EVENT_SCALARS];
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(scalars[i].value)) continue;
        Oc__Record__Summary__Value value = OC__RECORD__SUMMARY__VALUE__INIT;
        value.tag = (char *)scalars[i].tag;
        value.value_case = OC__RECORD__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
        value.simple_value = (float)scalars[i].value;
        values[used] = value;
        list[used] = &values[used];
        used++;
    }
    return used > 0 ? append_values(events, step, list, used, err) : OC_OK;
}

/* One event of one value, which metadata tell a plugin about. */
static oc_status append_described(oc_events *events, int64_t step, const char *tag, const char *plugin,
                                  const void *content, size_t size, Oc__Record__SummaryMetadata *metadata,
                                  Oc__Record__Summary__Value *value, oc_error *err) {
    Oc__Record__SummaryMetadata__PluginData data = OC__RECORD__SUMMARY_METADATA__PLUGIN_DATA__INIT;
    data.plugin_name = (char *)plugin;
    data.content = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)(uintptr_t)content};
    metadata->plugin_data = &data;
    value->tag = (char *)tag;
    value->metadata = metadata;
    return append_values(events, step, &value, 1, err);
}

oc_status oc_events_write_data(oc_events *events, const char *tag, const char *plugin, const void *content, size_t size,
                               oc_error *err) {
    /* A value is asked for where there is nothing to say but the content: TensorBoard's own writers take an empty one.
     */
    Oc__Record__TensorShape__Dim none = OC__RECORD__TENSOR_SHAPE__DIM__INIT, *dims[] = {&none};
    Oc__Record__TensorShape shape = OC__RECORD__TENSOR_SHAPE__INIT;
    shape.n_dim = 1;
    shape.dim = dims;
    Oc__Record__Tensor empty = OC__RECORD__TENSOR__INIT;
    empty.dtype = OC__RECORD__TENSOR__TYPE__FLOAT;
    empty.shape = &shape;
    Oc__Record__Summary__Value value = OC__RECORD__SUMMARY__VALUE__INIT;
    value.value_case = OC__RECORD__SUMMARY__VALUE__VALUE_TENSOR;
    value.tensor = &empty;
    Oc__Record__SummaryMetadata metadata = OC__RECORD__SUMMARY_METADATA__INIT;
    metadata.data_class = OC__RECORD__SUMMARY_METADATA__DATA_CLASS__TENSOR;
    return append_described(events, 0, tag, plugin, content, size, &metadata, &value, err);
}

oc_status oc_events_write_image(oc_events *events, int64_t step, const oc_record_image *image, oc_error *err) {
    Oc__Record__Summary__Image picture = OC__RECORD__SUMMARY__IMAGE__INIT;
    picture.height = image->height;
    picture.width = image->width;
    picture.colorspace = 3; /* RGB */
    picture.encoded_image_string = (ProtobufCBinaryData){.len = image->size, .data = (uint8_t *)(uintptr_t)image->png};
    Oc__Record__Summary__Value value = OC__RECORD__SUMMARY__VALUE__INIT;
    value.value_case = OC__RECORD__SUMMARY__VALUE__VALUE_IMAGE;
    value.image = &picture;
    Oc__Record__SummaryMetadata metadata = OC__RECORD__SUMMARY_METADATA__INIT;
    metadata.summary_description = (char *)image->description;
    metadata.data_class = OC__RECORD__SUMMARY_METADATA__DATA_CLASS__BLOB_SEQUENCE;
    return append_described(events, step, image->tag, "images", NULL, 0, &metadata, &value, err);
}

oc_status oc_events_sync(oc_events *events, oc_error *err) {
    return oc_file_appender_sync(events->file, err);
}
