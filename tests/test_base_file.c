/* links: fault-injection */
/* Files: the atomic write under faults at every operation, reading, mapping, appending, folders and paths. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "support/bytes.h"
#include "support/temporary.h"

#define BIG_SIZE ((size_t)300000) /* several buffers */

typedef struct place {
    char folder[256], path[300];
    char *big;
} place;

static int set_up(void **state) {
    static place p;
    test_temporary_create(p.folder, sizeof p.folder);
    snprintf(p.path, sizeof p.path, "%s/file", p.folder);
    assert_int_equal(oc_alloc(&p.big, BIG_SIZE, 1, NULL), OC_OK);
    for (size_t i = 0; i < BIG_SIZE; i++) p.big[i] = (char)(i * 2654435761u >> 13);
    oc_fault_arm(0, 0);
    *state = &p;
    return 0;
}

static int tear_down(void **state) {
    place *p = *state;
    test_temporary_remove(p->folder);
    oc_free(p->big);
    return 0;
}

static void assert_content(const char *path, const void *data, size_t size) {
    char *found;
    size_t found_size;
    oc_error err;
    if (oc_file_read(&found, &found_size, path, 1 << 20, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
    assert_int_equal(found_size, size);
    assert_memory_equal(found, data, size);
    assert_int_equal(found[size], '\0');
    oc_free(found);
}

/* A save as the safetensors writer makes it: small and large pieces. */
static oc_status save(const place *p, oc_error *err) {
    oc_file_writer *writer;
    oc_status status = oc_file_writer_create(&writer, p->path, err);
    if (status != OC_OK) return status;
    static const size_t pieces[] = {10, 0, 65536, 100000, 60000, 6000, 1};
    size_t at = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces && status == OC_OK; i++) {
        status = oc_file_writer_write(writer, p->big + at, pieces[i], err);
        at += pieces[i];
    }
    if (status == OC_OK) status = oc_file_writer_write(writer, p->big + at, BIG_SIZE - at, err);
    if (status == OC_OK) status = oc_file_writer_commit(writer, err);
    oc_file_writer_destroy(&writer);
    assert_null(writer);
    return status;
}

static void test_write_replaces(void **state) {
    place *p = *state;
    oc_error err;
    assert_int_equal(save(p, &err), OC_OK);
    assert_content(p->path, p->big, BIG_SIZE);
    assert_int_equal(oc_file_write_atomic(p->path, "new", 3, &err), OC_OK);
    assert_content(p->path, "new", 3);
    assert_int_equal(oc_file_write_atomic(p->path, NULL, 0, &err), OC_OK);
    assert_content(p->path, "", 0);
    assert_int_equal(test_folder_entries(p->folder), 1);
    /* destroyed without commit: nothing happened */
    oc_file_writer *writer;
    assert_int_equal(oc_file_writer_create(&writer, p->path, &err), OC_OK);
    assert_int_equal(oc_file_writer_write(writer, p->big, BIG_SIZE, &err), OC_OK);
    assert_int_equal(test_folder_entries(p->folder), 2);
    oc_file_writer_destroy(&writer);
    assert_content(p->path, "", 0);
    assert_int_equal(test_folder_entries(p->folder), 1);
    oc_file_writer_destroy(&writer);
    oc_file_writer_destroy(NULL);
}

static void test_fault_at_every_operation(void **state) {
    place *p = *state;
    oc_error err;
    oc_fault_arm(0, 0);
    assert_int_equal(save(p, &err), OC_OK);
    long operations = oc_fault_count();
    assert_in_range(operations, 8, 20);
    static const int errors[] = {ENOSPC, EIO, EDQUOT};
    for (int earlier = 0; earlier < 2; earlier++) {
        for (long nth = 1; nth <= operations; nth++) {
            int number = errors[nth % 3];
            unlink(p->path);
            if (earlier) assert_int_equal(oc_file_write_atomic(p->path, "earlier", 7, &err), OC_OK);
            oc_fault_arm(nth, number);
            assert_int_equal(save(p, &err), OC_E_IO);
            assert_true(oc_fault_count() >= nth);
            oc_fault_arm(0, 0);
            assert_string_equal(err.where, p->path);
            assert_non_null(strstr(err.message, strerror(number)));
            if (number == ENOSPC) assert_non_null(strstr(err.message, "free some space and run again"));
            if (earlier)
                assert_content(p->path, "earlier", 7);
            else
                assert_false(oc_path_exists(p->path));
            assert_int_equal(test_folder_entries(p->folder), earlier);
        }
        oc_fault_arm(operations + 1, EIO);
        assert_int_equal(save(p, &err), OC_OK);
        oc_fault_arm(0, 0);
        assert_content(p->path, p->big, BIG_SIZE);
    }
}

static void test_interrupted_and_short_writes(void **state) {
    place *p = *state;
    oc_error err;
    assert_int_equal(save(p, &err), OC_OK);
    oc_fault_arm(0, 0);
    assert_int_equal(save(p, &err), OC_OK);
    long operations = oc_fault_count();
    /* operations: open, the writes, sync, rename, open and sync of the folder */
    for (long nth = 2; nth <= operations - 4; nth++) {
        static const int numbers[] = {EINTR, 0};
        for (int i = 0; i < 2; i++) {
            unlink(p->path);
            oc_fault_arm(nth, numbers[i]);
            assert_int_equal(save(p, &err), OC_OK);
            assert_in_range(oc_fault_count(), operations, operations + 1);
            assert_content(p->path, p->big, BIG_SIZE);
        }
    }
}

static void test_file_size_limit(void **state) {
    place *p = *state;
    oc_error err;
    assert_int_equal(oc_file_write_atomic(p->path, "earlier", 7, &err), OC_OK);
    struct rlimit old, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = (struct rlimit){100000, old.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    oc_status status = save(p, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, OC_E_IO);
    assert_non_null(strstr(err.message, "limit on file sizes"));
    assert_content(p->path, "earlier", 7);
    assert_int_equal(test_folder_entries(p->folder), 1);
}

static void test_write_refused(void **state) {
    place *p = *state;
    oc_error err;
    char path[400];
    assert_int_equal(oc_file_write_atomic(p->folder, "x", 1, &err), OC_E_IO);
    assert_string_equal(err.where, p->folder);
    snprintf(path, sizeof path, "%s/absent/file", p->folder);
    assert_int_equal(oc_file_write_atomic(path, "x", 1, &err), OC_E_IO);
    assert_non_null(strstr(err.message, "folder must exist"));
    assert_int_equal(test_folder_entries(p->folder), 0);
}

/* A link stays one, and what it leads to is replaced, wherever that lies and whether it is there. */
static void test_write_through_links(void **state) {
    place *p = *state;
    oc_error err;
    char folder[320], target[340], first[340], second[340], left[400];
    snprintf(folder, sizeof folder, "%s/inner", p->folder);
    snprintf(target, sizeof target, "%s/target", folder);
    snprintf(first, sizeof first, "%s/first", folder);
    snprintf(second, sizeof second, "%s/second", p->folder);
    assert_int_equal(mkdir(folder, 0777), 0);
    assert_int_equal(symlink("inner/first", second), 0); /* relative to where they lie */
    assert_int_equal(symlink("target", first), 0);
    assert_int_equal(symlink(second, p->path), 0);
    for (int there = 0; there < 2; there++) {
        oc_fault_arm(0, 0);
        assert_int_equal(save(p, &err), OC_OK);
        assert_content(target, p->big, BIG_SIZE);
        assert_int_equal(oc_file_write_atomic(first, "new", 3, &err), OC_OK);
        assert_content(target, "new", 3);
        struct stat info;
        const char *const links[] = {p->path, first, second};
        for (size_t i = 0; i < 3; i++) assert_true(lstat(links[i], &info) == 0 && S_ISLNK(info.st_mode));
        assert_true(lstat(target, &info) == 0 && S_ISREG(info.st_mode));
        assert_int_equal(test_folder_entries(p->folder), 3);
        assert_int_equal(test_folder_entries(folder), 2);
    }
    /* What a killed write leaves behind lies beside the target, too. */
    snprintf(left, sizeof left, "%s.tmp.1-1", target);
    test_bytes_write(left, "x", 1);
    assert_int_equal(oc_file_remove_leftovers(p->path, &err), OC_OK);
    assert_false(oc_path_exists(left));
    /* A loop. */
    assert_int_equal(unlink(target), 0);
    assert_int_equal(symlink("first", target), 0);
    assert_int_equal(oc_file_write_atomic(p->path, "x", 1, &err), OC_E_IO);
    assert_string_equal(err.where, p->path);
}

/* What is no file is neither written to nor replaced. */
static void test_write_to_a_pipe(void **state) {
    place *p = *state;
    oc_error err;
    char link[400];
    struct stat info;
    snprintf(link, sizeof link, "%s/link", p->folder);
    assert_int_equal(mkfifo(p->path, 0600), 0);
    assert_int_equal(symlink("file", link), 0);
    const char *const paths[] = {p->path, link};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(oc_file_write_atomic(paths[i], "x", 1, &err), OC_E_IO);
        assert_string_equal(err.where, paths[i]);
        assert_non_null(strstr(err.message, "pipe"));
        assert_int_equal(oc_file_check_writable(paths[i], &err), OC_E_IO);
    }
    assert_true(lstat(p->path, &info) == 0 && S_ISFIFO(info.st_mode));
    assert_int_equal(test_folder_entries(p->folder), 2);
}

static void test_check_writable(void **state) {
    place *p = *state;
    oc_error err;
    char path[400];
    assert_int_equal(oc_file_check_writable(p->path, &err), OC_OK);
    assert_int_equal(test_folder_entries(p->folder), 0);
    assert_int_equal(oc_file_write_atomic(p->path, "x", 1, &err), OC_OK);
    assert_int_equal(oc_file_check_writable(p->path, &err), OC_OK);
    assert_content(p->path, "x", 1);
    assert_int_equal(test_folder_entries(p->folder), 1);
    assert_int_equal(oc_file_check_writable(p->folder, &err), OC_E_IO);
    snprintf(path, sizeof path, "%s/absent/file", p->folder);
    assert_int_equal(oc_file_check_writable(path, &err), OC_E_IO);
}

static void test_relative_path(void **state) {
    place *p = *state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(p->folder), 0);
    oc_status status = oc_file_write_atomic("plain", "x", 1, NULL), left = oc_file_remove_leftovers("plain", NULL);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(status, OC_OK);
    assert_int_equal(left, OC_OK);
    assert_int_equal(test_folder_entries(p->folder), 1);
}

static void test_leftovers(void **state) {
    place *p = *state;
    char path[400];
    static const char *const names[] = {"file.tmp.123-abc", "file.tmp.9-0", "file", "file2.tmp.1-1", "file.tm"};
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "%s/%s", p->folder, names[i]);
        assert_int_equal(oc_file_write_atomic(path, "x", 1, NULL), OC_OK);
    }
    assert_int_equal(oc_file_remove_leftovers(p->path, NULL), OC_OK);
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "%s/%s", p->folder, names[i]);
        assert_int_equal(oc_path_exists(path), i >= 2);
    }
    snprintf(path, sizeof path, "%s/absent/file", p->folder);
    assert_int_equal(oc_file_remove_leftovers(path, NULL), OC_OK);
}

static void test_read_and_map(void **state) {
    place *p = *state;
    char *data;
    size_t size;
    oc_mapping mapping;
    oc_error err;
    char pipe_path[400];
    snprintf(pipe_path, sizeof pipe_path, "%s/pipe", p->folder);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    const struct {
        const char *path;
        oc_status status;
    } bad[] = {{p->path, OC_E_NOT_FOUND}, {p->folder, OC_E_FORMAT}, {pipe_path, OC_E_FORMAT}, {"", OC_E_NOT_FOUND}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(oc_file_read(&data, &size, bad[i].path, SIZE_MAX, &err), bad[i].status);
        assert_null(data);
        assert_string_equal(err.where, bad[i].path);
        assert_int_equal(oc_mapping_open(&mapping, bad[i].path, &err), bad[i].status);
        assert_null(mapping.data);
    }
    assert_int_equal(oc_file_write_atomic(p->path, p->big, 1000, &err), OC_OK);
    assert_int_equal(oc_file_read(&data, &size, p->path, 999, &err), OC_E_FORMAT);
    assert_int_equal(oc_file_read(&data, &size, p->path, 1000, &err), OC_OK);
    oc_free(data);
    assert_int_equal(oc_mapping_open(&mapping, p->path, &err), OC_OK);
    assert_int_equal(mapping.size, 1000);
    assert_memory_equal(mapping.data, p->big, 1000);
    oc_mapping_close(&mapping);
    assert_null(mapping.data);
    oc_mapping_close(&mapping);
    assert_int_equal(oc_file_write_atomic(p->path, "", 0, &err), OC_OK);
    assert_int_equal(oc_mapping_open(&mapping, p->path, &err), OC_OK);
    assert_null(mapping.data);
    oc_mapping_close(&mapping);
}

static void test_appender(void **state) {
    place *p = *state;
    oc_error err;
    oc_file_appender *appender;
    assert_int_equal(oc_file_appender_create(&appender, p->path, 0, &err), OC_OK);
    assert_int_equal(oc_file_appender_write(appender, "one\n", 4, &err), OC_OK);
    assert_int_equal(oc_file_appender_write(appender, "two\n", 4, &err), OC_OK);
    assert_int_equal(oc_file_appender_size(appender), 8);
    assert_int_equal(oc_file_appender_sync(appender, &err), OC_OK);
    /* a full disk: the file stays as it is */
    oc_fault_arm(1, ENOSPC);
    assert_int_equal(oc_file_appender_write(appender, "three\n", 6, &err), OC_E_IO);
    oc_fault_arm(0, 0);
    assert_int_equal(oc_file_appender_size(appender), 8);
    oc_file_appender_destroy(&appender);
    assert_content(p->path, "one\ntwo\n", 8);
    /* going on from an earlier length */
    assert_int_equal(oc_file_appender_create(&appender, p->path, 4, &err), OC_OK);
    assert_int_equal(oc_file_appender_size(appender), 4);
    assert_int_equal(oc_file_appender_write(appender, "2\n", 2, &err), OC_OK);
    oc_file_appender_destroy(&appender);
    assert_content(p->path, "one\n2\n", 6);
    assert_int_equal(oc_file_appender_create(&appender, p->path, 7, &err), OC_E_FORMAT);
    assert_null(appender);
    assert_int_equal(oc_file_appender_create(&appender, p->folder, 0, &err), OC_E_IO);
    for (long nth = 1; nth <= 2; nth++) {
        oc_fault_arm(nth, EIO);
        assert_int_equal(oc_file_appender_create(&appender, p->path, 2, &err), OC_E_IO);
        assert_null(appender);
    }
    oc_fault_arm(0, 0);
    assert_content(p->path, "one\n2\n", 6);
    oc_file_appender_destroy(NULL);
}

static void test_appender_cuts_torn_line(void **state) {
    place *p = *state;
    oc_error err;
    oc_file_appender *appender;
    assert_int_equal(oc_file_appender_create(&appender, p->path, 0, &err), OC_OK);
    assert_int_equal(oc_file_appender_write(appender, "one\n", 4, &err), OC_OK);
    struct rlimit old, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = (struct rlimit){7, old.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    oc_status status = oc_file_appender_write(appender, "seven\n", 6, &err); /* three bytes fit */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, OC_E_IO);
    assert_content(p->path, "one\n", 4);
    assert_int_equal(oc_file_appender_write(appender, "two\n", 4, &err), OC_OK);
    oc_file_appender_destroy(&appender);
    assert_content(p->path, "one\ntwo\n", 8);
}

static void test_folders_and_paths(void **state) {
    place *p = *state;
    oc_error err;
    char path[400];
    snprintf(path, sizeof path, "%s/a//b/c/", p->folder);
    assert_false(oc_path_exists(path));
    assert_int_equal(oc_folder_create(path, &err), OC_OK);
    assert_true(oc_path_is_folder(path));
    assert_int_equal(oc_folder_create(path, &err), OC_OK);
    assert_int_equal(oc_file_write_atomic(p->path, "x", 1, &err), OC_OK);
    assert_true(oc_path_exists(p->path));
    assert_false(oc_path_is_folder(p->path));
    snprintf(path, sizeof path, "%s/file/b", p->folder);
    assert_int_equal(oc_folder_create(path, &err), OC_E_IO);
    assert_string_equal(err.where, p->path);
    static const char *const joins[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"a", "/b", "/b"}, {"", "b", "b"}, {"a", "", "a/"}, {"/", "b", "/b"},
    };
    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++) {
        char *joined;
        assert_int_equal(oc_path_join(&joined, joins[i][0], joins[i][1], &err), OC_OK);
        assert_string_equal(joined, joins[i][2]);
        oc_free(joined);
    }
    char dotted[320];
    snprintf(dotted, sizeof dotted, "%s/.", p->folder);
    assert_true(oc_path_same(p->folder, dotted));
    assert_false(oc_path_same(p->folder, "/") || oc_path_same("/nowhere", "/nowhere"));
    char beside[320], inner[440], link[340];
    snprintf(beside, sizeof beside, "%s/a2", p->folder);
    snprintf(path, sizeof path, "%s/a", p->folder);
    snprintf(inner, sizeof inner, "%s/../a/b/c", path);
    snprintf(link, sizeof link, "%s/link", beside);
    assert_int_equal(mkdir(beside, 0777), 0);
    assert_int_equal(symlink("../a/b", link), 0);
    assert_true(oc_path_inside(inner, path) && oc_path_inside(link, path) && oc_path_inside(path, "/"));
    assert_false(oc_path_inside(path, path) || oc_path_inside(path, inner) || oc_path_inside(beside, path));
    assert_false(oc_path_inside("/", "/") || oc_path_inside("/nowhere", "/") || oc_path_inside(path, "/nowhere"));
}

/* One lock at a time, in this process or another; a killed process has none. */
static void test_locks(void **state) {
    place *p = *state;
    oc_error err;
    oc_lock *lock = NULL, *second = NULL;
    assert_int_equal(oc_lock_create(&lock, p->path, &err), OC_E_IO);
    assert_string_equal(err.where, p->path);
    assert_int_equal(oc_lock_create(&lock, p->folder, &err), OC_OK);
    assert_int_equal(oc_lock_create(&second, p->folder, &err), OC_E_EXISTS);
    assert_null(second);
    assert_string_equal(err.where, p->folder);
    oc_lock_destroy(&lock);
    assert_null(lock);
    oc_lock_destroy(&lock);

    int ready[2], ended;
    char byte;
    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        byte = oc_lock_create(&lock, p->folder, NULL) == OC_OK;
        if (write(ready[1], &byte, 1) == 1) pause();
        _exit(1);
    }
    assert_true(child > 0);
    assert_true(read(ready[0], &byte, 1) == 1 && byte == 1);
    assert_int_equal(oc_lock_create(&lock, p->folder, &err), OC_E_EXISTS);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(oc_lock_create(&lock, p->folder, &err), OC_OK);
    oc_lock_destroy(&lock);
    close(ready[0]);
    close(ready[1]);
}

/* A lock file goes with its lock; one that was left behind is locked as well, and a locked folder is no matter. */
static void test_lock_files(void **state) {
    place *p = *state;
    oc_error err;
    oc_lock *lock = NULL, *second = NULL, *folder = NULL;
    for (int left_behind = 0; left_behind < 2; left_behind++) {
        if (left_behind) test_bytes_write(p->path, "", 0);
        assert_int_equal(oc_lock_create_file(&lock, p->path, &err), OC_OK);
        assert_non_null(lock);
        assert_int_equal(oc_lock_create_file(&second, p->path, &err), OC_E_EXISTS);
        assert_null(second);
        assert_int_equal(oc_lock_create(&folder, p->folder, &err), OC_OK);
        oc_lock_destroy(&folder);
        assert_true(oc_path_exists(p->path));
        oc_lock_destroy(&lock);
        assert_false(oc_path_exists(p->path));
    }
    char inside[512];
    snprintf(inside, sizeof inside, "%s/none/lock", p->folder);
    assert_int_equal(oc_lock_create_file(&lock, inside, &err), OC_E_IO);
    assert_string_equal(err.where, inside);
    assert_null(lock);
}

/* Many that want the same: never two at once, though each removes the file that the others wait for. */
static void test_lock_file_race(void **state) {
    place *p = *state;
    char inside[512];
    snprintf(inside, sizeof inside, "%s/inside", p->folder);
    pid_t child[4];
    for (int i = 0; i < 4; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);
        if (child[i] > 0) continue;
        for (int n = 0; n < 300;) {
            oc_lock *lock = NULL;
            const oc_status status = oc_lock_create_file(&lock, p->path, NULL);
            if (status == OC_E_EXISTS) continue;
            if (status != OC_OK || mkdir(inside, 0777) != 0 || rmdir(inside) != 0) _exit(1);
            oc_lock_destroy(&lock);
            n++;
        }
        _exit(0);
    }
    for (int i = 0; i < 4; i++) {
        int result;
        assert_int_equal(waitpid(child[i], &result, 0), child[i]);
        assert_int_equal(result, 0);
    }
    assert_false(oc_path_exists(p->path));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_write_replaces),
        TEST(test_fault_at_every_operation),
        TEST(test_interrupted_and_short_writes),
        TEST(test_file_size_limit),
        TEST(test_write_refused),
        TEST(test_write_through_links),
        TEST(test_write_to_a_pipe),
        TEST(test_check_writable),
        TEST(test_relative_path),
        TEST(test_leftovers),
        TEST(test_read_and_map),
        TEST(test_appender),
        TEST(test_appender_cuts_torn_line),
        TEST(test_folders_and_paths),
        TEST(test_locks),
        TEST(test_lock_files),
        TEST(test_lock_file_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
