/* The parallel-for on the backend that the library was built with. */
#include "support/parallel_cases.h"

int main(void) {
    return run_parallel_cases();
}
