/* CPU quotas of control groups, in made-up systems: a folder with the files of /proc and of the groups. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/quota.h"
#include "support/temporary.h"

#define V1_MOUNT "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
#define V2_MOUNT "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define OTHER_MOUNTS                                                                                                   \
    "23 1 0:21 / / rw - overlay overlay rw,lowerdir=/a,upperdir=/b\n"                                                  \
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"                                                \
    "broken line\n"

static char system_folder[128];

/* Writes a file of the made-up system, its folders included. */
static void put(const char *path, const char *text) {
    char whole[512], folder[512];
    snprintf(whole, sizeof whole, "%s%s", system_folder, path);
    snprintf(folder, sizeof folder, "%s", whole);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(oc_folder_create(folder, NULL), OC_OK);
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int begin(void **state) {
    (void)state;
    test_temporary_create(system_folder, sizeof system_folder);
    return 0;
}

static int end(void **state) {
    (void)state;
    test_temporary_remove(system_folder);
    return 0;
}

static double quota(void) {
    return oc_quota_cpus(system_folder);
}

static void test_nothing(void **state) {
    (void)state;
    assert_true(quota() == 0);
    put("/proc/self/cgroup", "");
    put("/proc/self/mountinfo", OTHER_MOUNTS V2_MOUNT);
    put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    assert_true(quota() == 0); /* in no group */
    put("/proc/self/cgroup", "nonsense\n0:\n0::/\n");
    assert_true(quota() == 1);
    put("/proc/self/mountinfo", "");
    assert_true(quota() == 0);
}

static void test_version_2(void **state) {
    (void)state;
    put("/proc/self/cgroup", "0::/user.slice/job\n");
    put("/proc/self/mountinfo", OTHER_MOUNTS V2_MOUNT);
    put("/sys/fs/cgroup/user.slice/job/cpu.max", "150000 100000\n");
    assert_true(quota() == 1.5);
    /* The tightest on the way up counts, wherever it is. */
    put("/sys/fs/cgroup/user.slice/cpu.max", "60000 20000\n");
    assert_true(quota() == 1.5);
    put("/sys/fs/cgroup/user.slice/cpu.max", "10000 20000\n");
    assert_true(quota() == 0.5);
    put("/sys/fs/cgroup/user.slice/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n");
    assert_true(quota() == 0);
    put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
    assert_true(quota() == 4);
    /* Damaged files are no quota. */
    put("/sys/fs/cgroup/cpu.max", "400000");
    assert_true(quota() == 0);
    put("/sys/fs/cgroup/cpu.max", "400000 0\n");
    assert_true(quota() == 0);
    put("/sys/fs/cgroup/cpu.max", "");
    assert_true(quota() == 0);
    /* Of a group's namesake, or of one beside it, nothing counts. */
    put("/sys/fs/cgroup/user.slice/job2/cpu.max", "100000 100000\n");
    put("/sys/fs/cgroup/other/cpu.max", "100000 100000\n");
    assert_true(quota() == 0);
}

static void test_version_1(void **state) {
    (void)state;
    put("/proc/self/cgroup", "5:cpuset:/set\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/\n");
    put("/proc/self/mountinfo", OTHER_MOUNTS V1_MOUNT);
    put("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "250000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
    assert_true(quota() == 2.5);
    put("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "50000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "25000\n");
    assert_true(quota() == 2);
    put("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n");
    assert_true(quota() == 0);
    /* A hierarchy of another controller whose name begins alike is none. */
    put("/proc/self/cgroup", "4:cpuacct:/docker/abc\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "250000\n");
    assert_true(quota() == 0);
}

/* What is mounted in a container: its own group, or a part of the hierarchy; a blank in a path is escaped. */
static void test_containers(void **state) {
    (void)state;
    put("/proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n0::/pod one/abc/x\n");
    put("/proc/self/mountinfo", "32 31 0:29 /docker/abc /cg/cpu ro - cgroup cgroup rw,cpu,cpuacct\n"
                                "41 31 0:38 /pod\\040one /cg\\040two rw - cgroup2 cgroup2 rw\n");
    put("/cg/cpu/cpu.cfs_quota_us", "300000\n");
    put("/cg/cpu/cpu.cfs_period_us", "100000\n");
    put("/cg two/abc/x/cpu.max", "900000 100000\n");
    assert_true(quota() == 3);
    put("/cg two/abc/cpu.max", "200000 100000\n");
    assert_true(quota() == 2); /* the tighter of the two versions' */
    put("/cg two/cpu.max", "100000 100000\n");
    assert_true(quota() == 1);
    /* The group lies beside what is mounted, or outside of the namespace: the mount itself is all that can be seen. */
    put("/proc/self/cgroup", "0::/pod onement/abc\n");
    assert_true(quota() == 1);
    put("/proc/self/cgroup", "0::/pod one/../abc\n");
    put("/cg two/cpu.max", "max 100000\n");
    assert_true(quota() == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_version_2, begin, end),
        cmocka_unit_test_setup_teardown(test_version_1, begin, end),
        cmocka_unit_test_setup_teardown(test_containers, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
