/* A data set in a zip, read in place. The names of all members are sorted once, so that a folder is a range of them.
 * They come from the central directory where it is of the common kind, and libzip opens the archive only when something
 * in it is read; of any other libzip tells.
 * A libzip handle serves one thread at a time: idle handles wait in a pool, and one more is opened when it is empty. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>
#include <zip.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/source.h"
#include "data/zip_directory.h"

#define PIECE ((size_t)1 << 20) /* of a member's memory, at first */

typedef struct zip_member {
    const char *name;   /* one of `names` */
    zip_uint64_t index; /* in the archive's order */
    uint64_t state;     /* as oc_entry has it */
} zip_member;

typedef struct zip_folder {
    oc_source base;
    oc_mapping file;
    zip_member *member;
    size_t count;
    char *names;
    pthread_mutex_t lock; /* of the pool */
    zip_t **idle;         /* with room for all that are open */
    size_t idle_count, idle_capacity, open_count;
} zip_folder;

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

static oc_status open_fail(const zip_folder *zip, zip_error_t *error, oc_error *err) {
    const int code = zip_error_code_zip(error);
    const char *path = zip->base.path, *kind = code == ZIP_ER_NOZIP ? other_archive(&zip->file) : NULL;
    if (kind)
        return oc_fail(err, OC_E_FORMAT, path,
                       "this is %s archive; only folders and zip archives are read: unpack it and give the folder",
                       kind);
    bool incomplete = code == ZIP_ER_NOZIP || code == ZIP_ER_INCONS || code == ZIP_ER_EOF;
#ifdef ZIP_ER_TRUNCATED_ZIP /* libzip 1.11 tells it apart */
    incomplete |= code == ZIP_ER_TRUNCATED_ZIP;
#endif
    if (incomplete)
        return oc_fail(err, OC_E_FORMAT, path, "neither a folder nor a whole zip; is the download complete?");
    return oc_fail(err, code == ZIP_ER_MEMORY ? OC_E_MEMORY : OC_E_IO, path, "cannot open the zip: %s",
                   zip_error_strerror(error));
}

/* One more handle over the mapping: all see the same archive, also when another takes its place at the path. */
static oc_status zip_open_one(zip_t **out, const zip_folder *zip, oc_error *err) {
    zip_error_t error;
    oc_status status = OC_OK;
    zip_error_init(&error);
    zip_source_t *bytes = zip_source_buffer_create(zip->file.data, zip->file.size, 0, &error);
    if (zip->file.size == 0) zip_error_set(&error, ZIP_ER_NOZIP, 0); /* which libzip would take for an empty zip */
    *out = bytes && zip->file.size > 0 ? zip_open_from_source(bytes, ZIP_RDONLY, &error) : NULL;
    if (!*out) {
        status = open_fail(zip, &error, err);
        if (bytes) zip_source_free(bytes);
    }
    zip_error_fini(&error);
    return status;
}

/* An idle handle, or NULL and room in the pool for one more. */
static oc_status pool_pop(zip_folder *zip, zip_t **out, oc_error *err) {
    oc_status status = OC_OK;
    *out = NULL;
    pthread_mutex_lock(&zip->lock);
    if (zip->idle_count > 0) {
        *out = zip->idle[--zip->idle_count];
    } else {
        status = oc_grow(&zip->idle, &zip->idle_capacity, zip->open_count + 1, sizeof(zip_t *), err);
        if (status == OC_OK) zip->open_count++;
    }
    pthread_mutex_unlock(&zip->lock);
    return status;
}

static void pool_give(zip_folder *zip, zip_t *archive) {
    pthread_mutex_lock(&zip->lock);
    if (archive)
        zip->idle[zip->idle_count++] = archive;
    else
        zip->open_count--;
    pthread_mutex_unlock(&zip->lock);
}

/* *out = a handle for this thread alone, until pool_give. */
static oc_status pool_take(zip_folder *zip, zip_t **out, oc_error *err) {
    oc_status status = pool_pop(zip, out, err);
    if (status != OC_OK || *out) return status;
    status = zip_open_one(out, zip, err);
    if (status != OC_OK) pool_give(zip, NULL);
    return status;
}

/* Of members with one name the last comes first: it counts, as in every program that unpacks one after the other. */
static int member_compare(const void *a, const void *b) {
    const zip_member *first = a, *second = b;
    const int order = strcmp(first->name, second->name);
    return order ? order : first->index > second->index ? -1 : 1;
}

/* Place of the first member whose name is not below `name`; with `past`, not below any name that begins with it. */
static size_t member_lower(const zip_folder *zip, const char *name, bool past) {
    const size_t length = strlen(name);
    size_t low = 0, high = zip->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order =
            past ? strncmp(zip->member[middle].name, name, length) : strcmp(zip->member[middle].name, name);
        if (past ? order <= 0 : order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The archive's refusal in the words of its library; a damaged member is a matter of format. */
static oc_status member_fail(zip_folder *zip, const char *path, zip_error_t *error, oc_error *err) {
    char where[OC_ERROR_WHERE_SIZE];
    const int code = zip_error_code_zip(error);
    const bool system = code == ZIP_ER_READ || code == ZIP_ER_SEEK || code == ZIP_ER_OPEN;
    oc_source_where(&zip->base, path, where, sizeof where);
    if (code == ZIP_ER_COMPNOTSUPP)
        return oc_fail(err, OC_E_FORMAT, where,
                       "cannot read it from the zip: %s; unpack it, or pack it again with deflate (zip -r)",
                       zip_error_strerror(error));
    return oc_fail(err,
                   code == ZIP_ER_MEMORY ? OC_E_MEMORY
                   : system              ? OC_E_IO
                                         : OC_E_FORMAT,
                   where, "cannot read it from the zip: %s", zip_error_strerror(error));
}

/* Adds the i-th member, whose name in the folder is `name`. */
static oc_status file_add(zip_folder *zip, size_t i, const char *name, oc_folder *out, oc_error *err) {
    const zip_member *member = &zip->member[i];
    const bool repeated = i > 0 && strcmp(member[-1].name, member->name) == 0;
    return oc_folder_add_entry(out, name,
                               oc_entry_hidden(name) ? OC_ENTRY_HIDDEN
                               : repeated            ? OC_ENTRY_REPEATED
                                                     : OC_ENTRY_FILE,
                               member->state, err);
}

/* Adds the folder that the i-th member lies in, `length` bytes of its name, which is `name` in `out`; *next = the first
 * member past it. */
static oc_status folder_add(zip_folder *zip, size_t i, size_t length, const char *name, oc_folder *out, size_t *next,
                            oc_error *err) {
    char *path = strndup(zip->member[i].name, length + 1);
    if (!path) return oc_fail(err, OC_E_MEMORY, zip->base.path, "no memory to list the zip");
    *next = member_lower(zip, path, true);
    path[length] = '\0';
    const char *own = path + (name - zip->member[i].name);
    const oc_status status = oc_folder_add_folder(out, own, false, err);
    free(path);
    return status;
}

static oc_status zip_list(oc_source *source, oc_folder *out, oc_error *err) {
    zip_folder *zip = (zip_folder *)source;
    oc_status status = OC_OK;
    oc_text prefix = {0};
    OC_TRY(oc_text_printf(&prefix, err, *out->path ? "%s/" : "%s", out->path));
    size_t i = *out->path ? member_lower(zip, prefix.data, false) : 0;
    const size_t end = *out->path ? member_lower(zip, prefix.data, true) : zip->count;
    while (i < end) {
        const char *name = zip->member[i].name + prefix.size, *slash = strchr(name, '/');
        if (slash) {
            OC_TRY(folder_add(zip, i, (size_t)(slash - zip->member[i].name), name, out, &i, err));
            continue;
        }
        if (*name) OC_TRY(file_add(zip, i, name, out, err));
        i++;
    }
cleanup:
    oc_text_free(&prefix);
    return status;
}

/* More memory for a member's bytes, at most `most`. It grows as they come: to state a size costs a damaged archive
 * nothing. */
static oc_status room_make(char **bytes, size_t *room, size_t most, oc_error *err) {
    const size_t wanted = *room == 0 ? PIECE : 2 * *room, size = wanted < most ? wanted : most;
    char *more;
    const oc_status status = oc_alloc(&more, size, 1, err);
    if (status != OC_OK) return status;
    if (*bytes) memcpy(more, *bytes, *room);
    oc_free(*bytes);
    *bytes = more;
    *room = size;
    return OC_OK;
}

static oc_status zip_read(oc_source *source, const char *path, size_t limit, char **data, size_t *size, oc_error *err) {
    zip_folder *zip = (zip_folder *)source;
    oc_status status = OC_OK;
    zip_t *archive = NULL;
    zip_file_t *file = NULL;
    char *bytes = NULL;
    char where[OC_ERROR_WHERE_SIZE];
    zip_stat_t info;
    *data = NULL;
    *size = 0;
    const size_t place = member_lower(zip, path, false);
    if (place == zip->count || strcmp(zip->member[place].name, path) != 0) {
        oc_source_where(source, path, where, sizeof where);
        return oc_fail(err, OC_E_NOT_FOUND, where, "there is no such file in the zip");
    }
    OC_TRY(pool_take(zip, &archive, err));
    if (zip_stat_index(archive, zip->member[place].index, 0, &info) != 0) {
        status = member_fail(zip, path, zip_get_error(archive), err);
        goto cleanup;
    }
    if (!(info.valid & ZIP_STAT_SIZE) || info.size > limit) {
        oc_source_where(source, path, where, sizeof where);
        status = oc_fail(err, OC_E_FORMAT, where, "too large: more than %zu bytes", limit);
        goto cleanup;
    }
    file = zip_fopen_index(archive, zip->member[place].index, 0);
    if (!file) {
        status = member_fail(zip, path, zip_get_error(archive), err);
        goto cleanup;
    }
    /* One byte more than there should be is asked for: the checksum is compared where the member ends. */
    size_t got = 0, room = 0;
    for (;;) {
        if (got == room) OC_TRY(room_make(&bytes, &room, (size_t)info.size + 1, err));
        const zip_int64_t n = zip_fread(file, bytes + got, room - got);
        if (n < 0) {
            status = member_fail(zip, path, zip_file_get_error(file), err);
            goto cleanup;
        }
        if (n == 0) break;
        got += (size_t)n;
        if (got > info.size) break;
    }
    if (got != info.size) {
        oc_source_where(source, path, where, sizeof where);
        status = oc_fail(err, OC_E_FORMAT, where, "damaged in the zip: its length is not what the directory says");
        goto cleanup;
    }
    bytes[got] = '\0';
    *data = bytes;
    *size = got;
    bytes = NULL;
cleanup:
    if (file) zip_fclose(file);
    if (archive) pool_give(zip, archive);
    oc_free(bytes);
    return status;
}

static oc_status zip_peek(oc_source *source, const char *path, void *data, size_t size, size_t *got, oc_error *err) {
    zip_folder *zip = (zip_folder *)source;
    const size_t place = member_lower(zip, path, false);
    zip_t *archive = NULL;
    zip_int64_t n = -1;
    oc_status status;
    *got = 0;
    OC_TRY(pool_take(zip, &archive, err));
    zip_file_t *file = zip_fopen_index(archive, zip->member[place].index, 0);
    if (file) n = zip_fread(file, data, size);
    if (n < 0)
        status = member_fail(zip, path, file ? zip_file_get_error(file) : zip_get_error(archive), err);
    else
        *got = (size_t)n;
    if (file) zip_fclose(file);
    pool_give(zip, archive);
cleanup:
    return status;
}

static void zip_destroy(oc_source *source) {
    zip_folder *zip = (zip_folder *)source;
    for (size_t i = 0; i < zip->idle_count; i++) zip_discard(zip->idle[i]);
    oc_mapping_close(&zip->file);
    pthread_mutex_destroy(&zip->lock);
    oc_free(zip->idle);
    oc_free(zip->member);
    oc_free(zip->names);
    oc_free(source->path);
    oc_free(zip);
}

/* Refuses an archive that keeps its folders apart with backslashes only, against the format's rule: it would look as if
 * it had no folders. */
static oc_status backslashes_refuse(const zip_folder *zip, oc_error *err) {
    const char *first = NULL;
    for (size_t i = 0; i < zip->count; i++) {
        if (strchr(zip->member[i].name, '/')) return OC_OK;
        if (!first && strchr(zip->member[i].name, '\\')) first = zip->member[i].name;
    }
    if (!first) return OC_OK;
    return oc_fail(
        err, OC_E_FORMAT, zip->base.path,
        "its names have backslashes for slashes (%.100s), as some Windows programs write them: unpack it, or "
        "pack it again with another program",
        first);
}

/* Whether a part of a name is "..". */
static bool name_leads_out(const char *name) {
    for (size_t length; *name; name += length + (name[length] == '/')) {
        length = strcspn(name, "/");
        if (length == 2 && memcmp(name, "..", 2) == 0) return true;
    }
    return false;
}

/* Takes the parts out of a name that say nothing to who unpacks it ("/train//a/./1.jpg" is train/a/1.jpg). */
static void name_clean(char *name) {
    char *out = name;
    for (size_t length; *name; name += length + (name[length] == '/')) {
        length = strcspn(name, "/");
        const bool folder = name[length] == '/';
        if (length == 0 || (folder && length == 1 && *name == '.')) continue;
        if (out != name) memmove(out, name, length + folder);
        out += length + folder;
    }
    *out = '\0';
}

/* Adds what the archive has at a place, unless it is the root. `name` is in zip->names; `size` unpacked. */
static oc_status member_add(zip_folder *zip, zip_uint64_t index, char *name, uint64_t size, uint32_t crc,
                            oc_error *err) {
    const uint64_t entry[] = {size, crc}; /* what tells a member from a changed one */
    if (!*name) return oc_fail(err, OC_E_FORMAT, zip->base.path, "something in it has no name: pack it again");
    if (name_leads_out(name))
        return oc_fail(err, OC_E_FORMAT, zip->base.path,
                       "the name %.100s in it leads out of a folder with \"..\": pack it again", name);
    name_clean(name);
    if (*name) zip->member[zip->count++] = (zip_member){name, index, XXH3_64bits(entry, sizeof entry)};
    return OC_OK;
}

/* The members as the central directory has them. */
static oc_status members_of_directory(zip_folder *zip, oc_zip_cursor cursor, oc_error *err) {
    const zip_uint64_t count = cursor.left;
    size_t length = 0;
    oc_status status;
    for (oc_zip_cursor walk = cursor; walk.left > 0;) length += oc_zip_directory_next(&walk).length + 1;
    OC_TRY(oc_alloc(&zip->member, (size_t)count, sizeof(*zip->member), err));
    OC_TRY(oc_alloc(&zip->names, length, 1, err));
    char *name = zip->names;
    for (zip_uint64_t i = 0; i < count; i++) {
        const oc_zip_entry entry = oc_zip_directory_next(&cursor);
        memcpy(name, entry.name, entry.length);
        OC_TRY(member_add(zip, i, name, entry.size, entry.crc, err));
        name += entry.length + 1;
    }
cleanup:
    return status;
}

/* The members as libzip has them. */
static oc_status members_of_archive(zip_folder *zip, zip_t *archive, oc_error *err) {
    const zip_int64_t count = zip_get_num_entries(archive, 0);
    size_t length = 0;
    oc_status status;
    for (zip_int64_t i = 0; i < count; i++) {
        const char *name = zip_get_name(archive, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        if (!name) return member_fail(zip, "", zip_get_error(archive), err);
        length += strlen(name) + 1;
    }
    OC_TRY(oc_alloc(&zip->member, (size_t)count, sizeof(*zip->member), err));
    OC_TRY(oc_alloc(&zip->names, length, 1, err));
    char *name = zip->names;
    for (zip_int64_t i = 0; i < count; i++) {
        zip_stat_t info;
        if (zip_stat_index(archive, (zip_uint64_t)i, 0, &info) != 0)
            return member_fail(zip, "", zip_get_error(archive), err);
        const char *own = zip_get_name(archive, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        length = strlen(own) + 1;
        memcpy(name, own, length);
        OC_TRY(member_add(zip, (zip_uint64_t)i, name, info.valid & ZIP_STAT_SIZE ? info.size : 0,
                          info.valid & ZIP_STAT_CRC ? info.crc : 0, err));
        name += length;
    }
cleanup:
    return status;
}

static oc_status members_find(zip_folder *zip, oc_error *err) {
    oc_zip_cursor cursor;
    zip_t *archive = NULL;
    if (oc_zip_directory_find(&cursor, &zip->file)) return members_of_directory(zip, cursor, err);
    oc_status status = pool_take(zip, &archive, err);
    if (status != OC_OK) return status;
    status = members_of_archive(zip, archive, err);
    pool_give(zip, archive);
    return status;
}

static const oc_source_ops zip_ops = {zip_list, zip_read, zip_peek, zip_destroy};

oc_status oc_source_zip_create(oc_source **out, const char *path, oc_error *err) {
    zip_folder *zip = NULL;
    oc_status status;
    struct stat info;
    OC_TRY(oc_alloc(&zip, 1, sizeof(*zip), err));
    zip->base.ops = &zip_ops;
    if (pthread_mutex_init(&zip->lock, NULL) != 0) {
        oc_free(zip);
        return oc_fail(err, OC_E_MEMORY, path, "no memory for a lock");
    }
    OC_TRY(oc_strdup(&zip->base.path, path, err));
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = oc_fail(err, OC_E_FORMAT, path, "neither a folder nor a zip");
        goto cleanup;
    }
    OC_TRY(oc_mapping_open(&zip->file, path, err));
    OC_TRY(members_find(zip, err));
    if (zip->count > 1) qsort(zip->member, zip->count, sizeof(*zip->member), member_compare);
    OC_TRY(backslashes_refuse(zip, err));
    *out = &zip->base;
    zip = NULL;
cleanup:
    if (zip) zip_destroy(&zip->base);
    return status;
}
