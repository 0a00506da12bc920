/* CPU quotas: what the control groups (cgroups) of Linux, by which containers and services are held to a share of a
 * machine, let a process have of the processors. */
#ifndef OC_BASE_QUOTA_H
#define OC_BASE_QUOTA_H

/* The tightest CPU quota of the control groups that the process is in, the nested ones' parents among them, in
 * processors: 1.5 is one and a half seconds of computing in each second. 0: there is none, or it cannot be read.
 * Versions 1 (cpu.cfs_quota_us ÷ cpu.cfs_period_us) and 2 (cpu.max) both count, as
 * Documentation/admin-guide/cgroup-v2.rst and Documentation/scheduler/sched-bwc.rst of Linux define them. `root` stands
 * before every path that is read: "" but for tests, which make up a system in a folder. */
double oc_quota_cpus(const char *root);

#endif
