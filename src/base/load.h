/* What else runs on the machine. */
#ifndef OC_BASE_LOAD_H
#define OC_BASE_LOAD_H

/* About how many threads other than the calling one have kept processors busy for the last minute and still do, by
 * Linux's /proc/loadavg (proc(5)): what has ended, and what has just begun, does not count. 0 where it is not told.
 * `root` stands before the path: "" but for tests. */
double oc_load_others(const char *root);

#endif
