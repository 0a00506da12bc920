/* The parallel-for on the pthread backend, whatever the library was built with: the source is compiled once more
 * here, and its symbols come before those of the library. */
#ifndef OC_PARALLEL_PTHREAD
#define OC_PARALLEL_PTHREAD 1
#endif
#include "base/parallel.c" /* NOLINT(bugprone-suspicious-include) */

#include "support/parallel_cases.h"

int main(void) {
    return run_parallel_cases();
}
