/* How an operator tells the plan what to do: lowering. Each operator, once per node, creates its primitives and hands
 * them over as steps that use buffers; the plan then places every buffer by its first and last step.
 *
 * The functions without a status latch their first error, which the plan finds after the operator returns; buffers
 * made after an error are −1, and taking them is harmless. */
#ifndef OC_GRAPH_LOWER_H
#define OC_GRAPH_LOWER_H

#include "compute/conv/conv.h"
#include "compute/primitive.h"
#include "graph/graph.h"
#include "graph/step.h"

typedef struct oc_lower oc_lower;
typedef struct oc_node oc_node;

/* A stretch of memory: in the slab for as long as steps use it, a working copy of the plan's own, or a tensor's place
 * in the arena of weights or of gradients. */
typedef int oc_buffer;

typedef struct oc_operand {
    oc_slot slot;
    oc_buffer buffer;
} oc_operand;

/* What a node's forward pass leaves for its backward pass. */
typedef struct oc_lowered {
    oc_layout src_layout;
    oc_buffer src, workspace, mean, variance;
} oc_lowered;
oc_lowered *oc_lower_node(oc_lower *lower, const oc_node *node);

oc_engine *oc_lower_engine(const oc_lower *lower);
bool oc_lower_training(const oc_lower *lower);
bool oc_lower_exact(const oc_lower *lower);
int64_t oc_lower_batch(const oc_lower *lower);
/* How errors and reports call a node: its name, or its operator where it has none. */
const char *oc_node_layer(const oc_node *node);
/* A node's output shape with the batch in front. */
oc_shape oc_lower_shape(const oc_lower *lower, const oc_node *node);

/* A buffer for what the primitive's slot WORKSPACE takes; −1 where it has none. */
oc_buffer oc_lower_workspace(oc_lower *lower, const oc_primitive *primitive);

/* Appends a step to the pass that is being lowered. Takes over the primitive at once, also on failure, and sets
 * *primitive NULL. A scratchpad that it needs is added. */
void oc_lower_step(oc_lower *lower, const oc_node *node, oc_step_kind kind, oc_primitive **primitive,
                   const oc_operand *operands, int count);

/* The step just appended may write `dst` over `src`, if nothing uses `src` later; both have one layout. */
void oc_lower_in_place(oc_lower *lower, oc_buffer dst, oc_buffer src);

/* The forward step of an operator that makes its result of its one source and keeps nothing else: slots SRC, in the
 * layout in which it arrives, and DST, in the one that the primitive has. Takes over the primitive as oc_lower_step
 * does. */
void oc_lower_map(oc_lower *lower, const oc_node *node, oc_primitive **primitive);
/* Its backward step: slots DIFF_DST, in the result's layout, and DIFF_SRC, in the source's. */
void oc_lower_map_backward(oc_lower *lower, const oc_node *node, oc_primitive **primitive);

/* A buffer in the slab for a layout. */
oc_buffer oc_lower_buffer(oc_lower *lower, const oc_layout *layout);

/* What activations of `shape` [N, C, H, W] and their gradients are stored as where a step may choose: in a plan of bf16
 * maps are OC_BF16, but those of one pixel, which take no memory to speak of, OC_F32, as are the plan's input and
 * output. Steps that do not choose work on the data type that they find. */
oc_dtype oc_lower_dtype(const oc_lower *lower, const oc_shape *shape);

/* The layout of activations of `shape` that the engine's kernels are made for: channels in blocks of one vector, of
 * oc_lower_dtype. */
oc_layout oc_lower_blocked(const oc_lower *lower, const oc_shape *shape);

/* Chooses the algorithm of a pass of the node, as the plan's guide has it (oc_plan_options), for a source in the layout
 * in which it arrives; sets problem->src to the one to bring it to. OC_E_COMPUTE, OC_E_MEMORY. */
oc_status oc_lower_choose(const oc_conv_algorithm **out, oc_lower *lower, const oc_node *node, oc_conv_problem *problem,
                          oc_error *err);

/* The layout in which input `index` of the node arrives, and its buffer. */
const oc_layout *oc_lower_src_layout(const oc_lower *lower, const oc_node *node, int index);
oc_buffer oc_lower_src(oc_lower *lower, const oc_node *node, int index);
/* The same layout, but of f32. */
oc_layout oc_lower_src_f32(const oc_lower *lower, const oc_node *node, int index);
/* The same in a given layout: a reorder comes first if it arrives in another. */
oc_buffer oc_lower_src_as(oc_lower *lower, const oc_node *node, int index, const oc_layout *layout);

/* The buffer of the node's output, whose layout is settled by this. */
oc_buffer oc_lower_dst(oc_lower *lower, const oc_node *node, const oc_layout *layout);
/* The node's output is another buffer seen with other sizes. */
void oc_lower_dst_view(oc_lower *lower, const oc_node *node, const oc_layout *layout, oc_buffer buffer);
const oc_layout *oc_lower_dst_layout(const oc_lower *lower, const oc_node *node);

/* The node's tensor `index`, where it lies in the arena of weights, and its gradient's place in the arena of gradients:
 * both in plain layout. */
oc_buffer oc_lower_tensor(oc_lower *lower, const oc_node *node, int index);
oc_buffer oc_lower_gradient(oc_lower *lower, const oc_node *node, int index);
/* A filter, plain in `weights`, packed by `pack` (slots WEIGHTS, DST), which is taken over and set NULL: in training
 * before the step that comes next, whose step alone it lasts for; in inference a working copy of the plan's own,
 * made anew when the weights have changed. */
oc_buffer oc_lower_pack(oc_lower *lower, const oc_node *node, oc_primitive **pack, oc_buffer weights);
/* A working copy of the plan's own that the node's OC_STEP_REFRESH steps fill, in the slab if the plan yields. */
oc_buffer oc_lower_own(oc_lower *lower, const oc_layout *layout);

/* The plan's own buffer of one oc_draw: what random operators key their numbers by (OC_RANDOM_DROP, step, place of the
 * node in the graph as built). One for the whole plan; oc_plan_set_draw writes it. */
oc_buffer oc_lower_draw(oc_lower *lower);

/* Gradient with respect to the node's output, in the output's layout: the sum of what its users added. Must not be
 * written to (another user may hold it); oc_lower_in_place decides. */
oc_buffer oc_lower_diff_dst(oc_lower *lower, const oc_node *node);
/* The same in two parts: what users added as maps, −1 for none; and what one that takes the mean over the output's
 * pixels added, [N, C, 1, 1] in the order of the output's layout, of which each pixel has its share, −1 for none. */
typedef struct oc_diff_parts {
    oc_buffer map, mean;
    oc_layout mean_layout;
} oc_diff_parts;
oc_diff_parts oc_lower_diff_parts(oc_lower *lower, const oc_node *node);
/* Whether input `index` of the node has a gradient at all. */
bool oc_lower_wants_diff(const oc_lower *lower, const oc_node *node, int index);
/* Adds `buffer`, in `layout`, to the gradient of input `index`; where the layout is [N, C, 1, 1] and the input larger,
 * the share that each pixel has in a mean's gradient. */
void oc_lower_diff_src(oc_lower *lower, const oc_node *node, int index, const oc_layout *layout, oc_buffer buffer);

#endif
