/* What the files of this folder share: the plan of one entry while it is being made. */
#ifndef BMC_SCHEDULE_SCHED_H
#define BMC_SCHEDULE_SCHED_H

#include "compiler/graph/scan.h"
#include "compiler/schedule/schedule.h"

#define NONE UINT32_MAX
enum { ROW_GRAIN = 8 };  /* rows a thread takes at once; a multiple of every row tile */
enum { K_CHUNK = 4096 }; /* docs/numerics.md: contract and sum restart here */
enum { SUM_LANES = 16 };

/* Where a value lies in the buffer of a larger one: iteration t's slab of a stacked tensor. Per
 * axis of the larger one: the value's axis, or -1 and the position it is fixed at. NULL: the value
 * has the buffer to itself. */
typedef struct Slab {
    uint32_t rank;
    DimId dims[RANK_MAX];
    int32_t axis[RANK_MAX];
    DimId at[RANK_MAX];
} Slab;

/* What becomes of a node.
 *
 * Levels order the kernels. Cores (contract, reductions, indexing) are numbered from 1 in ascending
 * id; core c has level 2c, and so has every elementwise node that depends on core c at the same
 * position and on nothing later: it can be computed in the core's kernel (its region). Whatever
 * else depends on level 2c has level 2c + 1 at least. So a kernel only reads kernels of lower or
 * equal level, and fusing never makes a cycle. */
typedef struct NodePlan {
    bool live;
    bool stored; /* has a buffer of its own; otherwise computed where it is used */
    bool core;
    bool address;  /* a reader needs an address, not only a value (contract operands) */
    bool flat;     /* its value at a row-major position needs no division */
    bool absent;   /* some elements may not exist (window taps): never stored, only reduced */
    bool taps;     /* its last axis is one of taps: neighbours there are no neighbours in memory */
    bool forced;   /* stored so that expressions stay bounded */
    bool unrolled; /* read behind a contract, whose kernel has a copy per register of its tile */
    bool remade;   /* of a region: not stored though other kernels need it; they compute it again */
    uint32_t level;
    uint32_t reader;  /* level or key of the one kernel that evaluates it; 0 none; NONE many */
    uint32_t cost;    /* of evaluating one element where it is used, roughly in operations */
    uint32_t flops;   /* ... in operations on floats: one each, whatever they cost */
    uint32_t depth;   /* of the expression */
    uint32_t group;   /* that computes it for good, or NONE */
    uint32_t buffer;  /* program buffer that holds it, or NONE */
    uint32_t partial; /* of a long sum: the group that sums its blocks, or NONE */
    uint32_t parts;   /* ... and the buffer of what they come to */
    const Slab *slab;
    const Choice *choice; /* of a contraction (choice.h); NULL: nobody was asked yet */
    uint64_t dep;         /* level and sequence number of the latest group it needs */
} NodePlan;

/* A store of the kernel: the node's value, or with `from` a copy of that buffer. */
typedef struct Target {
    NodeId node;
    uint32_t buffer;
    uint32_t from;
    const Slab *slab, *from_slab;
} Target;

/* A value outside a loop's body, seen from inside. */
typedef struct Binding {
    uint32_t buffer; /* NONE: nobody wants it */
    const Slab *slab;
} Binding;

/* How threads reach a buffer: by their rows of its leading axis, by their rows of axis k
 * (ACCESS_ROWS_OF + k; slabs), by thread 0 alone, or anyhow. */
typedef enum Access { ACCESS_NONE, ACCESS_ROWS, ACCESS_THREAD0, ACCESS_ANY, ACCESS_ROWS_OF } Access;
typedef struct Share {
    Access access;
    DimId extent;
    int64_t grain;
} Share;
typedef struct Touch { /* of a group */
    uint32_t buffer;
    bool write;
    Share share;
} Touch;
typedef enum Phase { PHASE_COMPUTE, PHASE_WRITE, PHASE_COPY } Phase;

/* A kernel to be: at most one core, and stores over one domain. */
typedef struct Group {
    NodeId core; /* or NODE_NONE */
    NodeId like; /* a node with the domain's dims */
    NodeId
        transposed;   /* layout.c: the group stores this node with `last_axis` last; or NODE_NONE */
    NodeId wanted_by; /* ... for this contraction, the first that wanted it */
    uint32_t last_axis;
    uint32_t panel; /* columns that stand together in the copy, or 0: one row behind another */
    uint32_t batch; /* with panels: bit i: axis i is neither k's nor `last_axis` */
    bool of_rows;   /* the panels are those of a tile's rows */
    uint32_t pack_buffer; /* where it stores that */
    uint32_t packed[2];   /* layout.c: groups that store this contract's operands so, or NONE */
    VEC(NodeId) partials; /* partial.c: the group sums blocks of these; nothing else */
    uint32_t level, seq;
    Phase phase;
    VEC(Target) targets;
    VEC(NodeId) reads;   /* stored nodes it reads, each once */
    VEC(bool) exact;     /* per read: only at the position it stores */
    Kernel *kernel;      /* NULL for a loop */
    uint32_t number;     /* of the kernel, or of the loop */
    VEC(Access) access;  /* per buffer position of the kernel */
    Binding *results;    /* of a loop: where each of its results lives */
    struct Sched *inner; /* of a loop: its body's plan */
    bool hoisted;        /* of a body: the same in every iteration, so it runs before the loop */
    VEC(Touch) touches;  /* plan_threads.c */
} Group;

/* What a Sched plans when it plans no entry but the body of a loop. */
typedef struct Body {
    Scan scan;
    DimId iteration;
    const Binding *inputs;  /* per input of the body */
    const Binding *results; /* per output: where carries live and yields are stacked */
} Body;

typedef struct Sched {
    Context *ctx;
    Arena *arena;               /* the compilation's */
    struct Sched *root;         /* the entry's plan; itself, unless it plans a body */
    const Body *body;           /* NULL: an entry */
    VEC(Group *) kernel_groups; /* of the root: per kernel of the program */
    const Program *program;
    const Entry *entry;
    const Graph *graph;
    DimTable *dims;
    ScheduleOptions options;
    LoopProgram *out;
    uint32_t size; /* nodes */
    NodePlan *plan;
    uint32_t *user_first, *users; /* users of node n: users[user_first[n] .. user_first[n + 1]) */
    uint32_t core_count;
    Op *core_op;          /* of core c */
    uint32_t *core_group; /* group of core c */
    VEC(Group *) groups;
    uint32_t *slot_buffer;
    ExprId *scalar;  /* lower.c: per node, in the kernel being lowered */
    uint32_t *stamp; /* walk.c */
    uint32_t stamp_now;
} Sched;

static inline const GNode *node_of(const Sched *s, NodeId n) {
    return graph_node(s->graph, n);
}
static inline NodePlan *plan_of(const Sched *s, NodeId n) {
    return &s->plan[n.id];
}
/* The iteration's number: a value like a size. */
static inline bool node_counts(const Sched *s, NodeId n) {
    return s->body && node_of(s, n)->op == OP_INPUT && node_of(s, n)->attr[0] == 0;
}
static inline bool node_draws(const GNode *n) {
    return n->op == OP_RANDOM || n->op == OP_RANDOM_AT;
}
/* A table of constants too large to be stored by code: data of the program. */
enum { CONST_STORES_MAX = 64 };
static inline bool node_is_data(const GNode *n) {
    return n->op == OP_CONST && n->nattr > CONST_STORES_MAX;
}
/* Comes from outside: never computed here. */
static inline bool node_is_given(const Sched *s, NodeId n) {
    Op op = node_of(s, n)->op;
    return op == OP_READ || node_is_data(node_of(s, n)) || (op == OP_INPUT && !node_counts(s, n));
}
static inline bool plan_in_region(const NodePlan *p) {
    return p->level != 0 && (p->level & 1) == 0;
}

/* ---- sizes.c */
DimId dims_product(const Sched *s, const DimId *dims, uint32_t rank);
bool node_same_dims(const Sched *s, NodeId a, NodeId b);
/* The first axis that is not known to have one element; `rank` when there is none. The rows that
 * threads share are its. */
uint32_t dims_leading(const Sched *s, const DimId *dims, uint32_t rank);
int64_t node_bound(const Sched *s, NodeId n); /* elements, symbols at their bounds */
/* Equal but for axes of one element. */
bool reshape_is_simple(const Sched *s, NodeId n);
DType accumulator(DType t); /* f16 and bf16 accumulate in f32 */

/* ---- fuse.c: what is stored, what is computed where it is used */
void fuse_nodes(Sched *s);
uint32_t fuse_op_cost(const GNode *n);       /* operations an element, about */
bool node_widens(const Sched *s, NodeId id); /* a cast that is never stored but as its operand */
/* ---- rematerialise.c: values of a region that other kernels compute again */
void recompute_choose(Sched *s, const bool *root);
/* ---- group.c: which stores share a kernel */
void group_nodes(Sched *s);
uint32_t group_create(Sched *s, NodeId core, NodeId like, uint32_t level);
/* ---- tile_choice.c: columns of a register tile of this contract; 0: it has no tiles */
uint32_t tile_columns(const Sched *s, NodeId contract);
/* It turns blocks of its vector operand itself: no copy is wanted. */
bool tile_turns_blocks(const Sched *s, NodeId contract);
/* It goes through k in blocks, for which its operands need no copies where they lie well. */
bool tile_in_blocks(const Sched *s, NodeId contract);
/* Rows of its tiles and the label they are of; 0: it has no tiles of one size. */
uint32_t tile_row_count(const Sched *s, NodeId contract, uint32_t *label);
/* ---- lower_contract.c: the result's label that vectors run over: the last of more than one
 * element.
 */
uint32_t contract_vector_label(const Sched *s, NodeId contract);
/* ---- layout.c: which operands of a contract are read from a copy; makes the copying groups */
void layout_contract(Sched *s, NodeId id, uint32_t packed[2]);
/* Is the operand of contractions only read where it is copied? */
bool layout_copies_all(const Sched *s, NodeId operand);
/* The operand's neighbours in memory are neighbours along the label. */
bool operand_lies_along(const Sched *s, NodeId contract, uint32_t which, uint32_t label);
/* Could the operand of the vectors, which lies well, be copied in panels all the same? */
bool layout_may_panel(const Sched *s, NodeId contract, uint32_t which);
/* ---- partial.c: long sums by all threads */
bool partial_wanted(const Sched *s, NodeId id);
void partial_create(Sched *s, NodeId id);
void partial_buffers(Sched *s, Group *g);
/* ---- pack_panel.c: elements of a copy */
DimId pack_count(const Sched *s, const Group *pack);
/* ---- slots.c: outputs, writes in place, carries, the order of groups */
void buffers_assign(Sched *s);
void group_copy(Sched *s, Target copy, Phase phase);
uint32_t node_arena_buffer(Sched *s, NodeId n);
uint32_t buffer_create(Sched *s, const char *name, Storage storage, uint32_t number, DType dtype,
                       DimId count);
void groups_order(Sched *s);

/* ---- walk.c: what a group reads */
typedef void (*WalkVisit)(void *user, NodeId node, bool exact, bool leaf);
/* Visits every node the group evaluates, operands after users; exact: at the stored position. A
 * node may be visited twice, once exact and once not. */
void walk_group(Sched *s, const Group *g, uint32_t number, WalkVisit visit, void *user);
void walk_reads(Sched *s, Group *g, uint32_t number); /* fills reads and exact */

/* ---- loop_body.c: scans */
void loops_assign(Sched *s); /* buffers of their results, first values of their carries */
void lower_loop(Sched *s, Group *g);
bool group_is_loop(const Sched *s, const Group *g);
void groups_hoist(Sched *s); /* of a body: marks what is the same in every iteration */
/* Who lives through a loop: called for each loop, inner ones first, and each buffer touched in it.
 * `through`: touched outside too, or read before it is written. Positions in the order. */
typedef void (*LoopLife)(void *user, uint32_t buffer, uint32_t begin, uint32_t end, bool through);
void loop_lives(Sched *s, LoopLife visit, void *user);
/* The axis `axis` of a value of `whole`'s dims (itself in `slab`, or NULL) fixed at `at`. */
const Slab *slab_fix(Sched *s, const Shape *whole, const Slab *slab, uint32_t axis, DimId at);
bool slab_is_prefix(const Slab *slab); /* only leading axes are fixed: a row-major stretch */

/* ---- variants.c: programs for one size */
bool variant_of_one(const Program *program, const Entry *entry, LoopVariant *v);
bool variant_is_small(const LoopProgram *p);

/* ---- schedule.c: a graph up to its kernels */
void schedule_graph(Sched *s);
/* ---- lower.c and the rest: a group's kernel */
void lower_group(Sched *s, uint32_t number);
/* ---- plan_threads.c */
void threads_choose(const Sched *s, const Group *g, const DimId *dims, uint32_t rank, int32_t *axis,
                    int64_t *grain);
int64_t threads_grain(const Sched *s, DimId extent); /* of rows */
void plan_threads(Sched *s);
/* ---- live_set.c: the largest sum of what lives at one kernel, in bytes */
int64_t live_set(Sched *s);
/* ---- strips.c: kernels over the same rows, a few rows at a time */
void strips_choose(Sched *s);
/* ---- reuse.c: values of one shape and partition, one after another in one buffer */
void reuse_buffers(Sched *s);
/* ---- plan_memory.c */
bool plan_memory(Sched *s);

#endif
