/* The bits FTZ (results) and DAZ (operands) of x86's MXCSR. */
#include "base/denormals.h"

#if defined __x86_64__
#include <xmmintrin.h>

#define FLUSHED 0x8040U /* FTZ, DAZ */
#define FLAGS 0x3fU     /* what has happened so far; no part of the mode */

/* Writing the register waits for all that computes, reading does not. */
static void mode_set(unsigned mode) {
    const unsigned now = _mm_getcsr();
    if ((now & ~FLAGS) != mode) _mm_setcsr(mode | (now & FLAGS));
}

unsigned oc_denormals_flush(void) {
    const unsigned mode = _mm_getcsr() & ~FLAGS;
    mode_set(mode | FLUSHED);
    return mode;
}

void oc_denormals_restore(unsigned mode) {
    mode_set(mode);
}

#else

unsigned oc_denormals_flush(void) {
    return 0;
}

void oc_denormals_restore(unsigned mode) {
    (void)mode;
}

#endif
