/* A web server for the tests of the command: serve_zeros BYTES PACE. Serves zeros at a free port of 127.0.0.1, PACE of
 * them in a hundredth of a second (0: as fast as it goes); prints "port N", and of every request "from N" or "whole".
 * Runs until its standard input ends. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/web.h"

static void tell(const test_web_request *request) {
    if (request->from >= 0)
        printf("from %" PRId64 "\n", request->from);
    else
        printf("whole\n");
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: serve_zeros BYTES PACE\n");
        return 2;
    }
    const test_web_answer answer = {.pace = strtoll(argv[2], NULL, 10)};
    test_web web = {.size = strtoll(argv[1], NULL, 10), .answers = &answer, .count = 1, .told = tell};
    test_web_start(&web);
    printf("port %d\n", web.port);
    fflush(stdout);
    while (getchar() != EOF) continue;
    test_web_stop(&web);
    return 0;
}
