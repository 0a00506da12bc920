/* Ties: values next to zero before a ReLU, whose sign rounding decides, and with it whether their gradient passes. */
#ifndef OC_TESTS_SUPPORT_TIES_H
#define OC_TESTS_SUPPORT_TIES_H

#include "base/json.h"
#include "graph/plan.h"

/* After a forward pass of a TRAIN plan: computes it again (running statistics stay), and moves every tie of the list
 * that lies on the other side of zero than in double precision over to the right one, by no more than `width`, in place
 * before its ReLU. `ties`: [[number of the ReLU in order, element of [N, C, H, W], value in double precision], …].
 * The batch holds the listed one `copies` times. Returns how many were moved; fails the test where one is farther off.
 */
int ties_settle(oc_plan *plan, const json_t *ties, double width, int copies);

#endif
