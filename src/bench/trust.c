/* The judgement. Its limits lie beyond what an idle machine was seen to do, and short of what one busy process beside
 * ours does to it. */
#include "bench/trust.h"

#include <stdarg.h>
#include <stdio.h>

#define PEAK_LEAST 0.9    /* of the best round; others at work: 0.5 */
#define COPY_LEAST 0.75   /* of the best round: memory is shared with whoever else uses it */
#define SPREAD_MOST 0.1   /* between the quartiles, of the median */
#define WAITED_MOST 0.03  /* of the threads' time */
#define SWITCHES_MOST 20. /* a second and thread, where the system does not tell how long they waited; others: 100 */
#define CROWD_MOST 0.1    /* processors that others kept busy although we had threads for them */
#define TICKS_LEAST 0.5   /* seconds; the system counts busy time in hundredths */
#define CPU_LEAST 0.93    /* of the time of threads that never wait for each other */

static double share(const oc_evidence *e, double seconds) {
    return seconds < 0 || e->usage.wall <= 0 ? -1 : seconds / (e->usage.wall * e->threads);
}

double oc_evidence_cpu_share(const oc_evidence *e) {
    return share(e, e->usage.cpu);
}

double oc_evidence_waited_share(const oc_evidence *e) {
    return share(e, e->usage.waited);
}

double oc_evidence_others(const oc_evidence *e) {
    if (e->usage.busy < 0 || e->usage.wall < TICKS_LEAST) return -1;
    const double others = (e->usage.busy - e->usage.cpu) / e->usage.wall;
    return others > 0 ? others : 0;
}

typedef struct doubts {
    char (*text)[OC_DOUBT_SIZE];
    int count;
} doubts;

__attribute__((format(printf, 2, 3))) static void doubt(doubts *to, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (to->count < OC_DOUBTS_MOST) vsnprintf(to->text[to->count++], OC_DOUBT_SIZE, format, arguments);
    va_end(arguments);
}

static void judge_usage(const oc_evidence *e, doubts *to) {
    const double cpu = oc_evidence_cpu_share(e), waited = oc_evidence_waited_share(e), others = oc_evidence_others(e);
    const double switches = e->usage.switches / (e->usage.wall * e->threads);
    const double crowd = others - (e->processors > e->threads ? e->processors - e->threads : 0);
    if (waited > WAITED_MOST)
        doubt(to, "the threads waited for a processor in %.0f %% of their time", 100 * waited);
    else if (waited < 0 && switches > SWITCHES_MOST)
        doubt(to, "each thread was taken off its processor %.0f times a second", switches);
    if (others >= 0 && crowd > CROWD_MOST)
        doubt(to, "others kept %.1f of the %d processors busy, of which %d were wanted here", others, e->processors,
              e->threads);
    if (e->always_busy && cpu < CPU_LEAST) doubt(to, "the threads ran in only %.0f %% of their time", 100 * cpu);
}

int oc_trust_judge(const oc_evidence *e, char text[OC_DOUBTS_MOST][OC_DOUBT_SIZE]) {
    doubts to = {.text = text};
    if (e->peak_low < PEAK_LEAST * e->peak)
        doubt(&to, "the measured peak varied between %.1f and %.1f GFLOP/s", e->peak_low, e->peak);
    if (e->copy_low < COPY_LEAST * e->copy)
        doubt(&to, "the measured bandwidth varied between %.1f and %.1f GB/s", e->copy_low, e->copy);
    if (e->step.q3 - e->step.q1 > SPREAD_MOST * e->step.median)
        doubt(&to, "the middle half of the steps took between %.3g and %.3g ms", 1e3 * e->step.q1, 1e3 * e->step.q3);
    if (e->usage.wall > 0) judge_usage(e, &to);
    return to.count;
}
