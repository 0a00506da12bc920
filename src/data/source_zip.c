/* A data set in a zip, read in place. The names of all members are sorted once, so that a folder is a range of them.
 * They come from the central directory where it is of the common kind, and libzip sees only the members that are read,
 * each by itself; of any other libzip tells. */
#define _GNU_SOURCE 1
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>
#include <zip.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/sort.h"
#include "data/source.h"
#include "data/zip_archive.h"

#define PIECE ((size_t)1 << 20) /* of a member's memory, at first */

typedef struct zip_member {
    const char *name;      /* one of `names` */
    zip_uint64_t index;    /* in the archive's order */
    const uint8_t *record; /* in the central directory; NULL where that is not of the common kind */
    uint64_t state;        /* as oc_entry has it */
} zip_member;

typedef struct zip_folder {
    oc_source base;
    oc_mapping file;
    zip_member *member;
    size_t count;
    char *names;
    oc_zip_archive *archive;
} zip_folder;

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

/* A member's bytes, all of `size` that the directory promises; freed with oc_free. */
static oc_status bytes_read(char **out, zip_folder *zip, const char *path, zip_file_t *file, size_t size,
                            oc_error *err) {
    oc_status status;
    char *bytes = NULL, where[OC_ERROR_WHERE_SIZE];
    size_t got = 0, room = 0;
    /* One byte more than there should be is asked for: the checksum is compared where the member ends. */
    for (;;) {
        if (got == room) OC_TRY(room_make(&bytes, &room, size + 1, err));
        const zip_int64_t n = zip_fread(file, bytes + got, room - got);
        if (n < 0) {
            status = member_fail(zip, path, zip_file_get_error(file), err);
            goto cleanup;
        }
        if (n == 0) break;
        got += (size_t)n;
        if (got > size) break;
    }
    if (got != size) {
        oc_source_where(&zip->base, path, where, sizeof where);
        status = oc_fail(err, OC_E_FORMAT, where, "damaged in the zip: its length is not what the directory says");
        goto cleanup;
    }
    bytes[got] = '\0';
    *out = bytes;
    bytes = NULL;
cleanup:
    oc_free(bytes);
    return status;
}

static oc_status zip_read(oc_source *source, const char *path, size_t limit, char **data, size_t *size, oc_error *err) {
    zip_folder *zip = (zip_folder *)source;
    oc_status status;
    oc_zip_handle handle = {0};
    zip_file_t *file = NULL;
    char where[OC_ERROR_WHERE_SIZE];
    zip_stat_t info;
    *data = NULL;
    *size = 0;
    oc_source_where(source, path, where, sizeof where);
    const size_t place = member_lower(zip, path, false);
    if (place == zip->count || strcmp(zip->member[place].name, path) != 0)
        return oc_fail(err, OC_E_NOT_FOUND, where, "there is no such file in the zip");
    OC_TRY(oc_zip_archive_take(zip->archive, &handle, zip->member[place].index, zip->member[place].record, err));
    if (zip_stat_index(handle.zip, handle.index, 0, &info) != 0) {
        status = member_fail(zip, path, zip_get_error(handle.zip), err);
        goto cleanup;
    }
    if (!(info.valid & ZIP_STAT_SIZE) || info.size > limit) {
        status = oc_fail(err, OC_E_FORMAT, where, "too large: more than %zu bytes", limit);
        goto cleanup;
    }
    file = zip_fopen_index(handle.zip, handle.index, 0);
    if (!file) {
        status = member_fail(zip, path, zip_get_error(handle.zip), err);
        goto cleanup;
    }
    OC_TRY(bytes_read(data, zip, path, file, (size_t)info.size, err));
    *size = (size_t)info.size;
cleanup:
    if (file) zip_fclose(file);
    if (handle.zip) oc_zip_archive_give(zip->archive, &handle);
    return status;
}

static oc_status zip_peek(oc_source *source, const char *path, void *data, size_t size, size_t *got, oc_error *err) {
    zip_folder *zip = (zip_folder *)source;
    const zip_member *member = &zip->member[member_lower(zip, path, false)];
    oc_zip_handle handle;
    zip_int64_t n = -1;
    oc_status status;
    *got = 0;
    OC_TRY(oc_zip_archive_take(zip->archive, &handle, member->index, member->record, err));
    zip_file_t *file = zip_fopen_index(handle.zip, handle.index, 0);
    if (file) n = zip_fread(file, data, size);
    if (n < 0)
        status = member_fail(zip, path, file ? zip_file_get_error(file) : zip_get_error(handle.zip), err);
    else
        *got = (size_t)n;
    if (file) zip_fclose(file);
    oc_zip_archive_give(zip->archive, &handle);
cleanup:
    return status;
}

static void zip_destroy(oc_source *source) {
    zip_folder *zip = (zip_folder *)source;
    oc_zip_archive_destroy(&zip->archive);
    oc_mapping_close(&zip->file);
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
        length = (size_t)(strchrnul(name, '/') - name);
        if (length == 2 && memcmp(name, "..", 2) == 0) return true;
    }
    return false;
}

/* Takes the parts out of a name that say nothing to who unpacks it ("/train//a/./1.jpg" is train/a/1.jpg). */
static void name_clean(char *name) {
    char *out = name;
    for (size_t length; *name; name += length + (name[length] == '/')) {
        length = (size_t)(strchrnul(name, '/') - name);
        const bool folder = name[length] == '/';
        if (length == 0 || (folder && length == 1 && *name == '.')) continue;
        if (out != name) memmove(out, name, length + folder);
        out += length + folder;
    }
    *out = '\0';
}

/* Adds what the archive has at a place, unless it is the root. `name` is a copy of the entry's in zip->names. */
static oc_status member_add(zip_folder *zip, zip_uint64_t index, char *name, const oc_zip_entry *entry, oc_error *err) {
    const uint64_t state[] = {entry->size, entry->crc}; /* what tells a member from a changed one */
    if (!*name) return oc_fail(err, OC_E_FORMAT, zip->base.path, "something in it has no name: pack it again");
    if (name_leads_out(name))
        return oc_fail(err, OC_E_FORMAT, zip->base.path,
                       "the name %.100s in it leads out of a folder with \"..\": pack it again", name);
    name_clean(name);
    if (*name) zip->member[zip->count++] = (zip_member){name, index, entry->record, XXH3_64bits(state, sizeof state)};
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
        OC_TRY(member_add(zip, i, name, &entry, err));
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
        const oc_zip_entry entry = {.size = info.valid & ZIP_STAT_SIZE ? info.size : 0,
                                    .crc = info.valid & ZIP_STAT_CRC ? info.crc : 0};
        length = strlen(own) + 1;
        memcpy(name, own, length);
        OC_TRY(member_add(zip, (zip_uint64_t)i, name, &entry, err));
        name += length;
    }
cleanup:
    return status;
}

static oc_status members_find(zip_folder *zip, oc_error *err) {
    oc_zip_cursor cursor;
    oc_zip_handle handle;
    if (oc_zip_directory_find(&cursor, &zip->file)) return members_of_directory(zip, cursor, err);
    oc_status status = oc_zip_archive_take(zip->archive, &handle, 0, NULL, err);
    if (status != OC_OK) return status;
    status = members_of_archive(zip, handle.zip, err);
    oc_zip_archive_give(zip->archive, &handle);
    return status;
}

static const oc_source_ops zip_ops = {zip_list, zip_read, zip_peek, zip_destroy};

oc_status oc_source_zip_create(oc_source **out, const char *path, oc_error *err) {
    zip_folder *zip = NULL;
    oc_status status;
    struct stat info;
    OC_TRY(oc_alloc(&zip, 1, sizeof(*zip), err));
    zip->base.ops = &zip_ops;
    OC_TRY(oc_strdup(&zip->base.path, path, err));
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = oc_fail(err, OC_E_FORMAT, path, "neither a folder nor a zip");
        goto cleanup;
    }
    OC_TRY(oc_mapping_open(&zip->file, path, err));
    OC_TRY(oc_zip_archive_create(&zip->archive, zip->base.path, &zip->file, err));
    OC_TRY(members_find(zip, err));
    oc_sort(zip->member, zip->count, sizeof(*zip->member), member_compare);
    OC_TRY(backslashes_refuse(zip, err));
    *out = &zip->base;
    zip = NULL;
cleanup:
    if (zip) zip_destroy(&zip->base);
    return status;
}
