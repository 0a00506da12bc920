/* Watching a folder of runs. */
#define _GNU_SOURCE 1
#include "serve/live.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "ocelli/report.h"

#define LOOK_SECONDS 0.5
/* Steps alone are told less often than the ends of epochs: whoever is told reads all runs anew. */
#define STEPS_SECONDS 5.0
/* What follows the last change without one of its own, a process that ends, say, is looked for this long after it. */
#define SETTLE_SECONDS 3.0
/* A study's runs lie two folders below a folder of studies. */
#define DEPTH 3
#define FOLDERS_MOST 10000
#define NAMES_MOST 50

/* The files by which a run is told. Those of `steps` change with every step. */
static const struct {
    const char *name;
    bool steps;
} files[] = {{"metrics.csv", false},     {"recipe.yaml", false},      {"run.json", false},
             {"evaluation.json", false}, {"best.safetensors", false}, {"ensemble.json", false},
             {"study.json", false},      {"log.txt", false},          {"steps.csv", true}};

/* A folder in which there is such a file. */
typedef struct watched {
    char *name;            /* below the folder that is watched; "" for that itself */
    uint64_t state, steps; /* digests of its files' states */
    uint64_t changed;      /* the version at which it last did */
    uint64_t look;         /* the number of the look that saw it last */
} watched;

struct oc_live {
    char *folder;
    bool classify;
    void (*notify)(void *user);
    void *user;
    pthread_t thread;
    bool started;
    /* The thread's alone, but for `runs` under the lock. */
    uint64_t looks;
    double steps_told, changed_at;
    bool settled;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock: */
    bool quit, wanted;      /* somebody waits for the runs to be read */
    uint64_t version, read; /* now, and of `text` */
    watched *runs;
    size_t count, capacity;
    oc_text text; /* as last read */
    oc_status status;
    oc_error error;
};

/* ---- Looking ---------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t digest, uint64_t value) {
    digest ^= value + 0x9E3779B97F4A7C15U + (digest << 6) + (digest >> 2);
    return digest * 0xBF58476D1CE4E5B9U;
}

/* Digests of the states of a run's files; false: there is none of them. */
static bool digest_files(int folder, uint64_t *state, uint64_t *steps) {
    bool any = false;
    *state = *steps = 1;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct stat info;
        if (fstatat(folder, files[i].name, &info, 0) != 0 || !S_ISREG(info.st_mode)) continue;
        uint64_t *digest = files[i].steps ? steps : state;
        *digest =
            mix(mix(mix(mix(*digest, i), (uint64_t)info.st_mtim.tv_sec * 1000000000U + (uint64_t)info.st_mtim.tv_nsec),
                    (uint64_t)info.st_size),
                (uint64_t)info.st_ino);
        any = true;
    }
    return any;
}

/* Notes a folder's state; under the lock. Says whether it changed, and whether only its steps did. */
static void note_run(oc_live *live, const char *name, uint64_t state, uint64_t steps, bool *changed,
                     bool *steps_changed) {
    watched *run = NULL;
    for (size_t i = 0; i < live->count && !run; i++)
        if (strcmp(live->runs[i].name, name) == 0) run = &live->runs[i];
    if (!run) {
        if (live->count == FOLDERS_MOST ||
            oc_grow(&live->runs, &live->capacity, live->count + 1, sizeof *live->runs, NULL) != OC_OK ||
            oc_strdup(&live->runs[live->count].name, name, NULL) != OC_OK)
            return;
        run = &live->runs[live->count++];
        *run = (watched){.name = run->name};
    }
    run->look = live->looks;
    if (run->state != state)
        *changed = true;
    else if (run->steps != steps)
        *steps_changed = true;
    if (run->state != state || run->steps != steps) run->changed = live->version + 1;
    run->state = state;
    run->steps = steps;
}

/* Looks at a folder and those below. */
static void look_at(oc_live *live, int parent, const char *path, const char *name, int depth, bool *changed,
                    bool *steps_changed) {
    uint64_t state, steps;
    struct dirent *entry;
    const int folder = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    if (digest_files(folder, &state, &steps)) {
        pthread_mutex_lock(&live->lock);
        note_run(live, name, state, steps, changed, steps_changed);
        pthread_mutex_unlock(&live->lock);
    }
    DIR *listing = depth > 0 ? fdopendir(folder) : NULL;
    if (!listing) {
        close(folder);
        return;
    }
    while ((entry = readdir(listing))) {
        char below[1024];
        if (entry->d_name[0] == '.' ||
            (entry->d_type != DT_DIR && entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN))
            continue;
        const int length = snprintf(below, sizeof below, "%s%s%s", name, name[0] ? "/" : "", entry->d_name);
        if (length > 0 && (size_t)length < sizeof below)
            look_at(live, folder, entry->d_name, below, depth - 1, changed, steps_changed);
    }
    closedir(listing);
}

/* Forgets runs that are gone; under the lock. */
static bool drop_gone(oc_live *live) {
    size_t kept = 0;
    for (size_t i = 0; i < live->count; i++) {
        if (live->runs[i].look == live->looks)
            live->runs[kept++] = live->runs[i];
        else
            oc_free(live->runs[i].name);
    }
    const bool any = kept < live->count;
    for (size_t i = kept; i < live->count; i++) live->runs[i] = (watched){0};
    live->count = kept;
    return any;
}

/* One look; true when there is something new to tell. */
static bool look(oc_live *live) {
    bool changed = false, steps_changed = false;
    const double now = oc_clock_seconds();
    live->looks++;
    look_at(live, AT_FDCWD, live->folder, "", DEPTH, &changed, &steps_changed);
    pthread_mutex_lock(&live->lock);
    changed |= drop_gone(live);
    /* What is not told now is told with the next version, under which it is noted already. */
    bool tell = changed || (steps_changed && now - live->steps_told >= STEPS_SECONDS);
    if (changed) {
        live->changed_at = now;
        live->settled = false;
    } else if (!live->settled && now - live->changed_at >= SETTLE_SECONDS) {
        live->settled = tell = true;
    }
    if (tell) {
        live->version++;
        live->steps_told = now;
    }
    pthread_mutex_unlock(&live->lock);
    return tell;
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

/* *out = the runs as JSON; a folder without any is no mistake here: they may be to come. */
static oc_status read_runs(const oc_live *live, oc_text *out, oc_error *err) {
    oc_status status;
    char *json = NULL;
    json_t *empty = NULL;
    const oc_report_options options = {.stored = true};
    status = oc_report_json(&json, (const char *const *)&live->folder, 1, &options, err);
    if (status == OC_E_NOT_FOUND && oc_path_is_folder(live->folder)) {
        const char *slash = strrchr(live->folder, '/');
        empty =
            json_pack("{s:{s:s, s:n}, s:o, s:[], s:[], s:[]}", "ocelli", "version", oc_version(), "commit", "title",
                      oc_json_bytes(slash && slash[1] ? slash + 1 : live->folder), "runs", "differences", "left_out");
        if (!empty) return oc_json_no_memory(err);
        OC_TRY(oc_json_text(&json, empty, err));
    }
    if (status != OC_OK) goto cleanup;
    /* The rest of the object is as it comes. */
    OC_TRY(oc_text_printf(out, err, "{\"live\":true,\"classify\":%s,", live->classify ? "true" : "false"));
    OC_TRY(oc_text_append(out, json + 1, strlen(json + 1), err));
cleanup:
    json_decref(empty);
    oc_report_free(json);
    return status;
}

/* Reads the runs, with the lock let go. */
static void read_anew(oc_live *live) {
    oc_text text = {0};
    oc_error error = {0};
    const uint64_t version = live->version;
    pthread_mutex_unlock(&live->lock);
    const oc_status status = read_runs(live, &text, &error);
    pthread_mutex_lock(&live->lock);
    oc_text_free(&live->text);
    live->text = text;
    live->status = status;
    live->error = error;
    live->read = version;
    live->wanted = false;
}

static void *thread_main(void *argument) {
    oc_live *live = argument;
    double next = 0;
    pthread_mutex_lock(&live->lock);
    while (!live->quit) {
        const double now = oc_clock_seconds();
        bool tell = false;
        if (now >= next) {
            pthread_mutex_unlock(&live->lock);
            tell = look(live);
            pthread_mutex_lock(&live->lock);
            next = oc_clock_seconds() + LOOK_SECONDS;
        }
        if (live->wanted && !live->quit) {
            read_anew(live);
            tell = true;
        }
        if (tell) {
            pthread_mutex_unlock(&live->lock);
            live->notify(live->user);
            pthread_mutex_lock(&live->lock);
        } else if (!live->quit && !live->wanted) {
            struct timespec until;
            clock_gettime(CLOCK_MONOTONIC, &until);
            until.tv_nsec += (long)(1e9 * LOOK_SECONDS);
            until.tv_sec += until.tv_nsec / 1000000000;
            until.tv_nsec %= 1000000000;
            pthread_cond_timedwait(&live->changed, &live->lock, &until);
        }
    }
    pthread_mutex_unlock(&live->lock);
    return NULL;
}

/* ---- From outside ----------------------------------------------------------------------------------------------- */

oc_status oc_live_create(oc_live **out, const char *folder, bool classify, void (*notify)(void *user), void *user,
                         oc_error *err) {
    oc_status status = OC_OK;
    oc_live *live = NULL;
    pthread_condattr_t attributes;
    *out = NULL;
    if (!oc_path_is_folder(folder)) return oc_fail(err, OC_E_NOT_FOUND, folder, "there is no such folder of runs");
    OC_TRY(oc_alloc(&live, 1, sizeof *live, err));
    live->classify = classify;
    live->notify = notify;
    live->user = user;
    live->version = 1;
    live->settled = true;
    pthread_mutex_init(&live->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&live->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    OC_TRY(oc_strdup(&live->folder, folder, err));
    for (size_t end = strlen(live->folder); end > 1 && live->folder[end - 1] == '/'; end--)
        live->folder[end - 1] = '\0';
    if (pthread_create(&live->thread, NULL, thread_main, live) != 0) {
        status = oc_fail(err, OC_E_IO, NULL, "the system lets no more threads start");
        goto cleanup;
    }
    live->started = true;
    *out = live;
    live = NULL;
cleanup:
    oc_live_destroy(&live);
    return status;
}

void oc_live_destroy(oc_live **live) {
    oc_live *l = *live;
    if (!l) return;
    if (l->started) {
        pthread_mutex_lock(&l->lock);
        l->quit = true;
        pthread_cond_signal(&l->changed);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->thread, NULL);
    }
    for (size_t i = 0; i < l->count; i++) oc_free(l->runs[i].name);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    oc_text_free(&l->text);
    oc_free(l->runs);
    oc_free(l->folder);
    oc_free(l);
    *live = NULL;
}

uint64_t oc_live_version(oc_live *live) {
    pthread_mutex_lock(&live->lock);
    const uint64_t version = live->version;
    pthread_mutex_unlock(&live->lock);
    return version;
}

oc_status oc_live_event(oc_live *live, uint64_t *seen, oc_text *out, oc_error *err) {
    oc_status status = OC_OK;
    char *text = NULL;
    json_t *names = json_array(), *data = NULL;
    size_t named = 0;
    pthread_mutex_lock(&live->lock);
    const uint64_t version = live->version;
    for (size_t i = 0; version > *seen && i < live->count; i++) {
        const watched *run = &live->runs[i];
        if (run->changed > *seen && run->changed <= version && named++ < NAMES_MOST)
            json_array_append_new(names, oc_json_bytes(run->name));
    }
    pthread_mutex_unlock(&live->lock);
    if (version > *seen) {
        data = json_pack("{s:I, s:O}", "version", (json_int_t)version, "changed", names);
        OC_TRY(oc_json_text(&text, data, err));
        OC_TRY(oc_text_printf(out, err, "event: runs\ndata: %s\n\n", text));
        *seen = version;
    }
cleanup:
    json_decref(names);
    json_decref(data);
    oc_free(text);
    return status;
}

oc_live_state oc_live_read(oc_live *live, oc_text *out, oc_error *err) {
    oc_live_state state = OC_LIVE_READY;
    pthread_mutex_lock(&live->lock);
    if (live->read != live->version) {
        state = OC_LIVE_READING;
        live->wanted = true;
        pthread_cond_signal(&live->changed);
    } else if (live->status != OC_OK || oc_text_append(out, live->text.data, live->text.size, NULL) != OC_OK) {
        state = OC_LIVE_FAILED;
        *err = live->error;
        /* The next request tries again. */
        live->read = 0;
    }
    pthread_mutex_unlock(&live->lock);
    return state;
}
