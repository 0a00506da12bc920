/* The one clock of the library: monotonic seconds since an arbitrary start, for durations only. */
#ifndef OC_BASE_CLOCK_H
#define OC_BASE_CLOCK_H

double oc_clock_seconds(void);

#endif
