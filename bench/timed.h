/* One primitive by itself, timed: what the measuring programs of this folder share. */
#ifndef OC_BENCH_TIMED_H
#define OC_BENCH_TIMED_H

#include "compute/primitive.h"

/* Ends the program with the message unless status is OC_OK. */
void oc_bench_refuse(oc_status status, const oc_error *err);

/* Seconds of the quickest of several executions on memory of its own; 0 for no primitive. Destroys it. */
double oc_bench_timed(oc_primitive **primitive);

/* The type of maps that "fp32" or "bf16" names; false for any other name. */
bool oc_bench_precision(oc_dtype *out, const char *name);

#endif
