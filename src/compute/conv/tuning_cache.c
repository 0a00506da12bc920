/* The file of measured times. */
#include "compute/conv/tuning_cache.h"

#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "base/cache_folder.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/memory.h"

#define FORMAT_NAME 14 /* bytes of OC_TUNING_FORMAT before its number */

struct oc_tuning_cache {
    char *machine;
    char *folder, *path, *lock; /* NULL: nothing is kept */
    json_t *known;              /* problem → algorithm → seconds: the file's, and what was added */
    json_t *added;              /* what the file lacks */
    oc_log log;
};

static void tell(const oc_tuning_cache *cache, const char *what, const oc_error *why) {
    oc_log_line(&cache->log, OC_LOG_WARN, "the tuning cache %s %s: %s", cache->path ? cache->path : "", what,
                why->message);
}

/* ---- The file --------------------------------------------------------------------------------------------------- */

/* What keeps `root` from being this machine's cache; NULL: nothing. */
static const char *fault_of(const oc_tuning_cache *cache, const json_t *root) {
    const char *format = json_string_value(json_object_get(root, "format"));
    const char *machine = json_string_value(json_object_get(root, "machine"));
    const json_t *seconds = json_object_get(root, "seconds");
    const char *problem;
    json_t *times;
    if (!format || strncmp(format, OC_TUNING_FORMAT, FORMAT_NAME) != 0) return "it is another kind of file";
    if (strcmp(format, OC_TUNING_FORMAT) != 0) return "it is of another version";
    if (!machine || strcmp(machine, cache->machine) != 0) return "it is of another machine";
    if (!json_is_object(seconds)) return "it lacks its times";
    json_object_foreach((json_t *)(uintptr_t)seconds, problem, times) {
        const char *algorithm;
        json_t *time;
        if (!json_is_object(times)) return "it is damaged";
        json_object_foreach(times, algorithm, time) {
            if (!(json_number_value(time) > 0)) return "it is damaged";
        }
    }
    return NULL;
}

/* *out = the file's times, empty where there is none. OC_E_FORMAT, OC_E_IO, OC_E_MEMORY. */
static oc_status read_times(json_t **out, const oc_tuning_cache *cache, oc_error *err) {
    oc_status status = OC_OK;
    json_t *root = NULL;
    *out = NULL;
    if (cache->path && oc_path_exists(cache->path)) {
        OC_TRY(oc_json_read(&root, cache->path, err));
        const char *fault = fault_of(cache, root);
        if (fault) {
            status = oc_fail(err, OC_E_FORMAT, cache->path, "%s", fault);
            goto cleanup;
        }
        *out = json_incref(json_object_get(root, "seconds"));
    } else {
        *out = json_object();
        if (!*out) status = oc_json_no_memory(err);
    }
cleanup:
    json_decref(root);
    return status;
}

/* Adds every time of `from` to those of `to`. */
static oc_status join(json_t *to, const json_t *from, oc_error *err) {
    const char *problem;
    json_t *times;
    json_object_foreach((json_t *)(uintptr_t)from, problem, times) {
        json_t *there = json_object_get(to, problem);
        const int failed =
            there ? json_object_update(there, times) : json_object_set_new(to, problem, json_copy(times));
        if (failed) return oc_json_no_memory(err);
    }
    return OC_OK;
}

/* Takes over the reference to `times`. */
static oc_status write_times(const oc_tuning_cache *cache, json_t *times, oc_error *err) {
    oc_status status = OC_OK;
    char *text = NULL;
    json_t *root =
        json_pack("{s:s, s:s, s:o}", "format", OC_TUNING_FORMAT, "machine", cache->machine, "seconds", times);
    if (!root) return oc_json_no_memory(err);
    OC_TRY(oc_json_text(&text, root, err));
    OC_TRY(oc_file_write_atomic(cache->path, text, strlen(text), err));
cleanup:
    oc_free(text);
    json_decref(root);
    return status;
}

/* ---- The cache -------------------------------------------------------------------------------------------------- */

/* Where it lies. OC_E_USAGE: nowhere. */
static oc_status find_place(oc_tuning_cache *cache, const char *folder, oc_error *err) {
    oc_status status = OC_OK;
    oc_text name = {0};
    char *path = NULL;
    OC_TRY(oc_cache_folder(&cache->folder, folder, err));
    OC_TRY(oc_text_printf(&name, err, "tuning-%016" PRIx64 ".json",
                          (uint64_t)XXH3_64bits(cache->machine, strlen(cache->machine))));
    OC_TRY(oc_path_join(&path, cache->folder, name.data, err));
    OC_TRY(oc_path_join(&cache->lock, cache->folder, "tuning.lock", err));
    cache->path = path;
    path = NULL;
cleanup:
    oc_free(path);
    oc_text_free(&name);
    return status;
}

oc_status oc_tuning_cache_create(oc_tuning_cache **out, const char *folder, const char *machine, const oc_log *log,
                                 oc_error *err) {
    oc_status status = OC_OK;
    oc_tuning_cache *cache = NULL;
    oc_error why = {0};
    OC_TRY(oc_alloc(&cache, 1, sizeof *cache, err));
    cache->log = *log;
    OC_TRY(oc_strdup(&cache->machine, machine, err));
    if (find_place(cache, folder, &why) != OC_OK) tell(cache, "has no place", &why);
    if (read_times(&cache->known, cache, &why) != OC_OK) {
        tell(cache, "is ignored", &why);
        cache->known = json_object();
    }
    cache->added = json_object();
    if (!cache->known || !cache->added) status = oc_json_no_memory(err);
    if (status != OC_OK) goto cleanup;
    *out = cache;
    cache = NULL;
cleanup:
    oc_tuning_cache_destroy(&cache);
    return status;
}

void oc_tuning_cache_destroy(oc_tuning_cache **cache) {
    if (!cache || !*cache) return;
    json_decref((*cache)->known);
    json_decref((*cache)->added);
    oc_free((*cache)->machine);
    oc_free((*cache)->folder);
    oc_free((*cache)->path);
    oc_free((*cache)->lock);
    oc_free(*cache);
    *cache = NULL;
}

double oc_tuning_cache_find(const oc_tuning_cache *cache, const char *problem, const char *algorithm) {
    return json_number_value(json_object_get(json_object_get(cache->known, problem), algorithm));
}

oc_status oc_tuning_cache_add(oc_tuning_cache *cache, const char *problem, const char *algorithm, double seconds,
                              oc_error *err) {
    oc_status status = OC_OK;
    json_t *one = json_pack("{s:{s:f}}", problem, algorithm, seconds);
    if (!one) return oc_json_no_memory(err);
    OC_TRY(join(cache->known, one, err));
    OC_TRY(join(cache->added, one, err));
cleanup:
    json_decref(one);
    return status;
}

static oc_status save(oc_tuning_cache *cache, oc_error *err) {
    oc_status status = OC_OK;
    oc_lock *lock = NULL;
    json_t *times = NULL;
    OC_TRY(oc_folder_create(cache->folder, err));
    OC_TRY(oc_lock_create_file(&lock, cache->lock, err));
    if (lock) OC_TRY(oc_file_remove_leftovers(cache->path, err));
    /* A file that is none of ours is replaced; that was told when it was first read. */
    if (read_times(&times, cache, NULL) != OC_OK) times = json_object();
    if (!times) {
        status = oc_json_no_memory(err);
        goto cleanup;
    }
    OC_TRY(join(times, cache->added, err));
    OC_TRY(write_times(cache, json_incref(times), err));
    json_object_clear(cache->added);
cleanup:
    json_decref(times);
    oc_lock_destroy(&lock);
    return status;
}

void oc_tuning_cache_save(oc_tuning_cache *cache) {
    oc_error why = {0};
    if (!cache->path || json_object_size(cache->added) == 0) return;
    if (save(cache, &why) != OC_OK) tell(cache, "is left as it is", &why);
}
