/* Handles that know all members wait in a pool once they are open, and one more is opened when it is empty: to list
 * 100,000 members takes libzip a tenth of a second. Those of one member are made anew each time. */
#include "data/zip_archive.h"

#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

struct oc_zip_archive {
    const char *path;
    const oc_mapping *file;
    pthread_mutex_t lock; /* of the pool */
    zip_t **idle;         /* with room for all that are open */
    size_t idle_count, idle_capacity, open_count;
};

/* What a file is that is no zip but an archive of another kind; NULL: none of those. */
static const char *other_archive(const oc_mapping *file) {
    static const struct {
        size_t offset;
        const char *mark, *kind;
    } kinds[] = {{0, "\x1f\x8b", "a gzip"},         {0, "BZh", "a bzip2"},   {0, "\xfd\x37zXZ", "an xz"},
                 {0, "\x28\xb5\x2f\xfd", "a zstd"}, {257, "ustar", "a tar"}, {0, "7z\xbc\xaf\x27\x1c", "a 7z"},
                 {0, "Rar!\x1a\x07", "a RAR"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const size_t length = strlen(kinds[i].mark);
        if (file->size >= kinds[i].offset + length && memcmp(file->data + kinds[i].offset, kinds[i].mark, length) == 0)
            return kinds[i].kind;
    }
    return NULL;
}

static oc_status open_fail(const oc_zip_archive *archive, zip_error_t *error, oc_error *err) {
    const int code = zip_error_code_zip(error);
    const char *kind = code == ZIP_ER_NOZIP ? other_archive(archive->file) : NULL;
    if (kind)
        return oc_fail(err, OC_E_FORMAT, archive->path,
                       "this is %s archive; only folders and zip archives are read: unpack it and give the folder",
                       kind);
    bool incomplete = code == ZIP_ER_NOZIP || code == ZIP_ER_INCONS || code == ZIP_ER_EOF;
#ifdef ZIP_ER_TRUNCATED_ZIP /* libzip 1.11 tells it apart */
    incomplete |= code == ZIP_ER_TRUNCATED_ZIP;
#endif
    if (incomplete)
        return oc_fail(err, OC_E_FORMAT, archive->path, "neither a folder nor a whole zip; is the download complete?");
    return oc_fail(err, code == ZIP_ER_MEMORY ? OC_E_MEMORY : OC_E_IO, archive->path, "cannot open the zip: %s",
                   zip_error_strerror(error));
}

/* Opens what `bytes` is of, which it takes; NULL where libzip refuses. */
static zip_t *source_open(zip_source_t *bytes, zip_error_t *error) {
    zip_t *zip = bytes ? zip_open_from_source(bytes, ZIP_RDONLY, error) : NULL;
    if (!zip && bytes) zip_source_free(bytes);
    return zip;
}

/* ---- all members ---- */

/* One more handle over the mapping: all see the same archive, also when another takes its place at the path. */
static oc_status whole_open(zip_t **out, const oc_zip_archive *archive, oc_error *err) {
    const oc_mapping *file = archive->file;
    zip_error_t error;
    oc_status status = OC_OK;
    zip_error_init(&error);
    zip_error_set(&error, ZIP_ER_NOZIP, 0); /* an empty file, which libzip would take for an empty zip */
    *out = file->size > 0 ? source_open(zip_source_buffer_create(file->data, file->size, 0, &error), &error) : NULL;
    if (!*out) status = open_fail(archive, &error, err);
    zip_error_fini(&error);
    return status;
}

/* An idle handle, or NULL and room in the pool for one more. */
static oc_status pool_pop(oc_zip_archive *archive, zip_t **out, oc_error *err) {
    oc_status status = OC_OK;
    *out = NULL;
    pthread_mutex_lock(&archive->lock);
    if (archive->idle_count > 0) {
        *out = archive->idle[--archive->idle_count];
    } else {
        status = oc_grow(&archive->idle, &archive->idle_capacity, archive->open_count + 1, sizeof(zip_t *), err);
        if (status == OC_OK) archive->open_count++;
    }
    pthread_mutex_unlock(&archive->lock);
    return status;
}

static void pool_push(oc_zip_archive *archive, zip_t *zip) {
    pthread_mutex_lock(&archive->lock);
    if (zip)
        archive->idle[archive->idle_count++] = zip;
    else
        archive->open_count--;
    pthread_mutex_unlock(&archive->lock);
}

static oc_status pool_take(oc_zip_archive *archive, zip_t **out, oc_error *err) {
    oc_status status = pool_pop(archive, out, err);
    if (status != OC_OK || *out) return status;
    status = whole_open(out, archive, err);
    if (status != OC_OK) pool_push(archive, NULL);
    return status;
}

/* ---- one member ---- */

/* NULL where it cannot be made, or where libzip refuses it: then the whole archive is to be judged. */
static zip_t *single_open(oc_zip_single *single, const oc_mapping *file, const uint8_t *record) {
    zip_buffer_fragment_t part[OC_ZIP_PARTS];
    if (!oc_zip_directory_single(single, file, record)) return NULL;
    /* libzip does not write to what it is given; only its type says that it could. */
    for (int i = 0; i < OC_ZIP_PARTS; i++)
        part[i] = (zip_buffer_fragment_t){(zip_uint8_t *)(uintptr_t)single->part[i].data, single->part[i].size};
    return source_open(zip_source_buffer_fragment_create(part, OC_ZIP_PARTS, 0, NULL), NULL);
}

/* ---- handles ---- */

oc_status oc_zip_archive_create(oc_zip_archive **out, const char *path, const oc_mapping *file, oc_error *err) {
    oc_zip_archive *archive = NULL;
    const oc_status status = oc_alloc(&archive, 1, sizeof *archive, err);
    if (status != OC_OK) return status;
    *archive = (oc_zip_archive){.path = path, .file = file};
    if (pthread_mutex_init(&archive->lock, NULL) != 0) {
        oc_free(archive);
        return oc_fail(err, OC_E_MEMORY, path, "no memory for a lock");
    }
    *out = archive;
    return OC_OK;
}

void oc_zip_archive_destroy(oc_zip_archive **archive) {
    oc_zip_archive *a = *archive;
    if (!a) return;
    for (size_t i = 0; i < a->idle_count; i++) zip_discard(a->idle[i]);
    pthread_mutex_destroy(&a->lock);
    oc_free(a->idle);
    oc_free(a);
    *archive = NULL;
}

oc_status oc_zip_archive_take(oc_zip_archive *archive, oc_zip_handle *out, zip_uint64_t index, const uint8_t *record,
                              oc_error *err) {
    out->zip = record ? single_open(&out->single, archive->file, record) : NULL;
    out->whole = !out->zip;
    out->index = out->whole ? index : 0;
    return out->whole ? pool_take(archive, &out->zip, err) : OC_OK;
}

void oc_zip_archive_give(oc_zip_archive *archive, oc_zip_handle *handle) {
    if (handle->whole)
        pool_push(archive, handle->zip);
    else
        zip_discard(handle->zip);
    handle->zip = NULL;
}
