/* Whether a measurement can be trusted, judged by numbers alone. */
#ifndef OC_BENCH_TRUST_H
#define OC_BENCH_TRUST_H

#include "bench/timing.h"
#include "bench/usage.h"
#include "ocelli/base.h"

#define OC_DOUBTS_MOST 6
#define OC_DOUBT_SIZE 160

/* What speaks for or against a measurement. */
typedef struct oc_evidence {
    double peak, peak_low; /* GFLOP/s: the best of all rounds and the lowest median; 0, 0: not looked at */
    double copy, copy_low; /* GB/s of copies beyond the caches, likewise */
    oc_spread step;        /* seconds of a step; 0: not looked at */
    oc_usage usage;        /* while it was measured; wall 0: not looked at */
    bool always_busy;      /* whether the threads had no reason to wait for each other */
    int threads, processors;
} oc_evidence;

/* Shares of usage.wall × threads, or processors; < 0 where the system does not tell, or not for so short a time. */
double oc_evidence_cpu_share(const oc_evidence *evidence);    /* in which our threads ran */
double oc_evidence_waited_share(const oc_evidence *evidence); /* in which they were ready and others ran */
double oc_evidence_others(const oc_evidence *evidence);       /* processors that others kept busy on average */

/* What was not as on an idle machine, in words, into doubt[]; how many, 0 where the measurement can be trusted. */
int oc_trust_judge(const oc_evidence *evidence, char doubt[OC_DOUBTS_MOST][OC_DOUBT_SIZE]);

#endif
