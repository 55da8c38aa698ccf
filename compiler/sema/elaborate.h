/* Inside sema: values, scopes, activations and the state of one elaboration.
 *
 * Elaboration is an abstract interpreter over the tree: static values are computed, tensors become
 * nodes of the graph that is being built (s->build). Errors give a POISON value that silences
 * whatever it meets. (More than 600 lines, long because the files of this folder meet here.) */
#ifndef BMC_SEMA_ELABORATE_H
#define BMC_SEMA_ELABORATE_H

#include "compiler/sema/sema.h"
#include "compiler/syntax/syntax.h"

typedef struct Sema Sema;
typedef struct Scope Scope;
typedef struct Instance Instance;
typedef struct Builtin Builtin;
typedef struct DataBlock DataBlock;
typedef struct UsedFile UsedFile;
typedef struct Loop Loop;

/* ------------------------------------------------------------------ values */

typedef enum ValueKind {
    V_POISON,
    V_NONE, /* no value: a call for its effect */
    V_NUM,  /* static number */
    V_BOOL,
    V_STR,
    V_DIM,   /* a size known only at run time */
    V_ALL,   /* `all` */
    V_DTYPE, /* f32 ...: also a conversion */
    V_LIST,
    V_TUPLE,
    V_FN,        /* fn or lambda, its settings possibly bound */
    V_BUILTIN,   /* a function of the compiler */
    V_LAYER,     /* layer definition */
    V_OPTIMIZER, /* optimizer definition */
    V_INSTANCE,  /* layer instance, model, or optimizer instance */
    V_BUNDLE,    /* one tensor per parameter of a model */
    V_TENSOR,
    V_SLOT, /* only in bindings: a parameter or state; reading it gives a V_TENSOR */
    V_DATA,
    V_RECORD,  /* named values: NAME.encode(...) */
    V_COLUMN,  /* NAME.x, NAME.encode: a column's transform, to be called */
    V_NAMES,   /* NAME.field.name: numbers of a category to strings, to be called */
    V_STRINGS, /* strings at the edge of an export: an input not yet encoded, or an output */
    V_KIND_COUNT
} ValueKind;

typedef struct Value Value;
typedef struct Closure {
    const Node *def; /* FN, LAYER, OPTIMIZER or LAMBDA */
    Scope *env;
    Scope *settings; /* the first of two lists, bound; or NULL */
} Closure;
typedef struct BundleItem {
    const char *path; /* below the root: "dense1.w" */
    int32_t slot;     /* -1: no slot */
    NodeId node;
} BundleItem;
typedef struct Bundle {
    BundleItem *items;
    uint32_t count;
    const Graph *graph; /* of the nodes */
} Bundle;
typedef struct Number { /* exact: n / d, d > 0; else the double */
    bool exact;
    int64_t n, d;
    double real;
} Number;

struct Value {
    ValueKind kind;
    Sym dim_name;     /* the dim variable it was read from, or NULL */
    const Node *decl; /* PAR or FIELD it was bound to (labels, names of dims), or NULL */
    union {
        Number num;
        bool truth;
        const char *str;
        DimId dim;
        DType dtype;
        struct {
            Value *items;
            Sym *names; /* RECORD */
            uint32_t count;
        } list;
        Closure *fn;
        const Builtin *builtin;
        Instance *instance;
        Bundle *bundle;
        struct {
            NodeId node;
            const Graph *graph;
            int32_t slot; /* the slot it is the current version of, or -1 */
        } tensor;
        int32_t slot;
        struct {
            NodeId node;         /* the numbers */
            int32_t input;       /* of the graph; -1: made by `NAME.field.name(...)` */
            uint32_t vocabulary; /* 1 + number, of one that was made */
        } strings;
        struct {
            DataBlock *block;
            int32_t split; /* BmrtSplit, or -1 */
            Sym column;
        } data;
    } as;
};

extern const Value POISON, NONE;
const char *value_kind_name(ValueKind kind); /* "a list", "a tensor" ... for messages */
Value value_int(int64_t i);
Value value_real(double x);
Value value_bool(bool b);
Value value_str(const char *text);
Value value_dim(Sema *s, DimId d); /* V_NUM when it is a constant */
Value value_list(Sema *s, const Value *items, uint32_t count);
Value value_tensor(Sema *s, NodeId node);
bool value_is_poison(Value v);
bool value_is_int(Value v, int64_t *out);
double value_number(Value v); /* of V_NUM */
/* A size: integer >= 0 or run-time dim. False without a message. */
bool value_as_dim(Sema *s, Value v, DimId *out);
void value_text(Sema *s, Text *out, Value v);
const char *value_string(Sema *s, Value v);
bool value_is_static(Value v);
/* Static equality; -1 when it cannot be decided. */
int value_same(Sema *s, Value a, Value b);

Number number_int(int64_t i);
Number number_real(double x);
/* op: + - * / % ^ as text. False: division by zero or out of range (message is the caller's). */
bool number_op(Sema *s, const char *op, Number a, Number b, Number *out);
double number_value(Number n);

/* Shapes for messages: "[B, width=128]" when the declaration names its dims. */
void shape_text(Sema *s, Text *out, const Shape *shape, const Node *decl);
const char *shape_string(Sema *s, const Shape *shape, const Node *decl);
const char *value_shape_string(Sema *s, Value v); /* tensor: shape; else kind and value */
/* Sizes by the names they have in scope: "[B, n=64]", or without numbers "[B, n]". */
const char *sized_names(Sema *s, const Shape *shape, bool numbers);
/* `h = zeros([B, n])` instead of the carry's starting value, when that is what would fit. */
void carry_help(Sema *s, Diag *d, const Node *bind, const Shape *wanted);
Shape shape_scalar(void);
Shape tensor_shape(Sema *s, Value v);
DType tensor_dtype(Sema *s, Value v);
bool shape_same(const Shape *a, const Shape *b);
/* One size, or two that only a run can tell apart (`T` against `P`): then the entry checks it when
 * it is called. what: "`+`", for its message. */
bool dims_unify(Sema *s, DimId a, DimId b, Span span, const char *what);
/* v as a tensor of shape `to`, whose sizes dims_unify has found to be v's. */
Value tensor_as(Sema *s, Value v, const Shape *to, Span span);
/* The node of a tensor value; NODE_NONE with a message when it belongs to another entry. */
NodeId tensor_node(Sema *s, Value v, Span span);
/* The same value as one of the graph that is being built; poison as above. */
Value tensor_here(Sema *s, Value v, Span span);
Value bundle_tensor(const Bundle *b, uint32_t i);

/* ------------------------------------------------------------------ scopes */

typedef struct Binding {
    Sym name;
    Value value;
    Span span;
    const Node *def; /* of a file's definition, evaluated when first read */
    uint8_t state;   /* with def: 0 not yet, 1 being evaluated, 2 done */
    uint32_t unread; /* file of the prelude that defines it and is not parsed yet; 0: none */
} Binding;
struct Scope {
    Scope *parent;
    bool function; /* assignments inside rebind up to here */
    bool file;
    Sema *reader; /* of the prelude: who parses its files */
    VEC(Binding) names;
};
/* prelude_scope.c: all names of the prelude; a file is parsed when one of its names is found. */
Scope *prelude_scope(Sema *s);
void prelude_read(Scope *prelude, uint32_t file);
/* Tells options->watch, if there is one. */
void watch_value(Sema *s, Span span, Value v);
Scope *scope_new(Sema *s, Scope *parent, bool function);
Binding *scope_find_here(Scope *scope, Sym name);
Binding *scope_find(Scope *scope, Sym name);
void scope_set(Sema *s, Scope *scope, Sym name, Value value, Span span);
/* Rebinds up to the function boundary, else binds here. */
void scope_assign(Sema *s, Sym name, Value value, Span span);

/* ------------------------------------------------------------------ activations */

enum { ITERATION_MAX = 16 };
/* What the innermost `scan` or `repeat` of an activation does with `yield`. */
typedef struct Yields {
    bool wanted;       /* false: a `repeat` whose value nobody takes */
    const Node *first; /* the statement that yielded in this iteration, or NULL */
    Value value;
} Yields;
typedef struct Frame Frame;
struct Frame {
    Frame *up;
    const Node *def;  /* FN LAYER MODEL OPTIMIZER LAMBDA TRAIN TEST DATA; NULL: file level */
    const Node *call; /* the call in the frame above */
    Span call_span;
    Span outer_call;  /* ctx->call of the frame around this one */
    Instance *owner;  /* whose params, states and draws these are; or NULL */
    const char *root; /* path of an activation that no instance owns: "train", "predict" */
    Scope *settings;  /* for messages */
    uint32_t iterations[ITERATION_MAX], iteration_count;
    uint32_t evaluation; /* n-th evaluation of the owner in this graph */
    bool base; /* body of an instance, a block or an export: draws are counted from here */
    bool returned;
    Value result;
    const Node *returned_at; /* the `return` */
    Yields *yields;          /* NULL: outside loops */
};

struct Instance {
    const Node *def; /* LAYER, MODEL, OPTIMIZER */
    Scope *env, *settings;
    const char *path; /* "net.dense1" */
    const Node *creator;
    Span span;
    bool rooted; /* may own parameters and states */
    bool named;  /* path fixed by a binding or an application */
    bool model;
    Instance *inner;               /* model NAME = expr: the instance of the expression */
    const char *base_path;         /* path = base_path . segment iterations */
    const char *iterations;        /* ".0.2" or "" */
    int64_t own_params, own_bytes; /* of the application that runs */
};

typedef struct PtrMap { /* Node* or Sym -> number */
    const void **keys;
    uint32_t *values;
    uint32_t len, cap;
} PtrMap;

/* What one graph under construction knows. */
typedef struct Substitution Substitution; /* bundles.h */

typedef struct Memo {
    Sym path;
    bool training;
    const Substitution *with;
    Value *args;
    uint32_t arg_count;
    Value result;
    uint32_t touch_from, touch_to; /* into Build.touches */
    NodeId *after;                 /* versions of those slots when it ended */
    int32_t before;                /* the memo before, of the same path, or -1 */
} Memo;
typedef struct SlotVersion {
    uint32_t slot;
    NodeId node;
    int32_t before; /* the version of that slot before this one, or -1 */
} SlotVersion;
typedef struct Shown { /* by `show` */
    const char *title;
    NodeId node;
} Shown;
typedef struct Build {
    Graph *g;
    VEC(NodeId) version; /* per slot; NODE_NONE: not read yet */
    VEC(int32_t) latest; /* per slot: into history, or -1 */
    VEC(uint32_t) touches;
    VEC(Memo) memos;
    PtrMap memo_index;      /* path (Sym) -> 1 + the latest memo */
    VEC(NodeId) objectives; /* losses that were minimised */
    VEC(SlotVersion) history;
    VEC(uint32_t) input_strings; /* per graph input: STRINGS_NOT, STRINGS_OPEN, or 1 + vocabulary */
    VEC(Shown) shown;            /* in the order of the program; debug runs only */
    struct Build *outer;
    Loop *loop; /* the graph is the body of a scan in outer->g; or NULL */
} Build;
enum { STRINGS_NOT = 0, STRINGS_OPEN = INT32_MAX };

typedef VEC(Sym) Syms;
enum { FIT_COLUMNS_MAX = 64 };
typedef struct Fit { /* one `fit(...)` under construction (fit.c) */
    Build build;
    DataBlock *block;
    const Graph *row; /* of the data block's row; NULL: in an export */
    DimId lead;
    NodeId *inputs; /* per input of row: its column, or NODE_NONE */
    int32_t split;  /* in an export: of the columns it reads; -1: none yet */
    Value columns[FIT_COLUMNS_MAX];
} Fit;

typedef struct SlotInfo { /* beside program->slots */
    Value init;           /* number, or a function of a shape */
    const Node *decl;     /* PARAM or STATE */
    const Node *init_node;
} SlotInfo;

struct DataBlock {
    const Node *node;
    int32_t index;    /* in program->data */
    Graph *row;       /* the transforms, of one row; two variants */
    Graph *row_train; /* NULL: as row */
    Graph *drop;      /* `drop:` of one row, or NULL */
    VEC(Sym) columns;
    VEC(int32_t) fits; /* FIT entries, in the order they must run */
    bool has[BMRT_SPLIT_COUNT];
    bool poisoned;
    bool building;
};

struct Sema {
    Context *ctx;
    Arena *arena;
    const SemaOptions *options;
    Program *program;
    const Node *file;
    Scope *prelude, *user;
    VEC(UsedFile *) used; /* the main file first */
    /* where elaboration stands */
    Scope *scope;
    Frame *frame;
    Build *build;
    bool training;
    bool no_updates; /* the step elaborated for its metrics only */
    bool rows;       /* inside a data block */
    bool dropping;   /* ... in its `drop:` */
    DataBlock *rows_block;
    Fit *fit;                /* inside `fit(...)` */
    Sym fit_column;          /* the column that is being transformed */
    Syms fit_columns;        /* of the statistics so far, for their ordinals */
    const char *export_name; /* of the export being elaborated, else NULL */
    bool generic; /* checking a definition that no root uses: params may have run-time dims */
    Substitution *substitution; /* innermost first */
    VEC(const char *) frozen;   /* paths that the block does not train */
    bool made_up;               /* ... and even its settings are run-time dims */
    bool quiet, quiet_failed;   /* attempt.c: mistakes are counted, not said */
    bool doubt;                 /* while generic: from here on a mistake may be none */
    uint32_t depth;
    uint64_t work;
    bool work_reported;
    Sym bind_name; /* set while the value of `name = call` is evaluated */
    VEC(SlotInfo) slot_info;
    VEC(DataBlock *) data;
    VEC(Instance *) models;
    VEC(Instance *) used_instances; /* by path; the latest application's */
    double nested_flops;
    VEC(Span) seen_spans;
    VEC(Code) seen_codes;
    PtrMap sites;       /* CALL/PIPE/NAME node -> ordinal in its definition */
    PtrMap externs;     /* FN node of an `extern fn` -> number in program->externs */
    PtrMap numbered;    /* definitions whose sites are numbered */
    PtrMap slot_index;  /* path (Sym) -> slot */
    PtrMap path_index;  /* path (Sym) -> used_instances */
    PtrMap layer_index; /* path (Sym) -> row of program->layers */
    PtrMap reached;     /* LAYER/MODEL/FN definitions that were elaborated */
    VEC(Value) metric_values;
    VEC(Sym) metric_names;
    VEC(Span) metric_spans;
    bool collect_metrics;
    bool discovering;         /* elaborating for the parameters that it makes known */
    const Node *operation;    /* the operator that runs, for messages */
    const Instance *declared; /* model_declared: of what, for what; or NULL */
    const Node *declared_for;
    bool prelude_bad;
};

/* ------------------------------------------------------------------ report.c */
/* Blames the user's call when `span` lies in the prelude, adds the instantiation chain, and reports
 * one mistake once although bodies are elaborated several times. Never NULL. */
Diag *sema_error(Sema *s, Code code, Span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* E_UNSUPPORTED: "`what` is not supported yet". */
Value sema_unsupported(Sema *s, Span span, const char *what);
void sema_decl_label(Sema *s, Diag *d, Value v, const char *name);
bool span_in_prelude(Sema *s, Span span);
const char *place_string(Sema *s, Span span); /* "file:line:col" */
const char *node_text(Sema *s, const Node *node);
const char *signature_text(Sema *s, const Node *def);

/* attempt.c: helps that were checked before they are shown */
/* Runs `attempt` quietly: true when it gives true and met no mistake. False inside another attempt.
 */
bool sema_try(Sema *s, bool (*attempt)(Sema *s, void *user), void *user);
/* The tree with `old` replaced, sharing what did not change; `root` itself when it is not there. */
Node *node_replaced(Sema *s, const Node *root, const Node *old, Node *replacement);
/* a without its last axis, which is 1, has the shape that b asks for. */
bool squeeze_would_fit(Sema *s, Value a, Value b, Span span, const char *what);
const char *squeezed_text(Sema *s, const Node *e); /* "reg(x) |> squeeze" */

/* ------------------------------------------------------------------ evaluation */
Value eval(Sema *s, const Node *e);
Value eval_name(Sema *s, const Node *e);
Value binding_value(Sema *s, Binding *b, Span span);
Value read_slot(Sema *s, uint32_t slot, Span span);
void slot_version(Sema *s, uint32_t slot, NodeId node); /* from now on its value is `node` */
Value eval_dims(Sema *s, const Node *dims);             /* [a, b] */
Value eval_index(Sema *s, const Node *e);               /* a[...] */
/* The bounds of `a:b` on an axis of `size`; negative ones count from the end. False: reported. */
bool eval_slice(Sema *s, const Node *range, DimId size, DimId *first, DimId *extent);
Value eval_member(Sema *s, const Node *e);
bool eval_static_bool(Sema *s, const Node *e, bool *out, const char *what);
bool eval_static_int(Sema *s, const Node *e, int64_t *out, const char *what);

Value op_binary(Sema *s, const Node *e, const char *op, Value a, Value b);
Value op_unary(Sema *s, const Node *e, const char *op, Value a);
/* Static numbers, dims and lists become tensors. dtype DTYPE_COUNT: f32. shape NULL: rank 0 for
 * numbers. POISON with a message when it cannot be. */
Value to_tensor(Sema *s, Value v, DType dtype, Span span);
/* Brings both to one dtype and shape by the broadcast rules. */
bool broadcast_pair(Sema *s, Span span, const char *what, Value *a, Value *b);
bool unify_dtype(Sema *s, Span span, const char *what, Value *a, Value *b);
Value tensor_broadcast_to(Sema *s, Value v, const Shape *to, Span span); /* suffix, literal 1 */
Value matmul(Sema *s, const Node *e, Value a, Value b);
Value tensor_permute(Sema *s, Value v, const uint32_t *perm, Span span);
/* The product over axes (ascending); they disappear. */
Value tensor_product(Sema *s, Value v, const uint32_t *axes, uint32_t count, Span span);
/* The same along one axis, in its order. */
NodeId product_along(Sema *s, NodeId x, uint32_t axis, Span span);
/* A monotone map that turns the order round: -x, or the complement of an integer's bits. */
Value tensor_descending(Sema *s, Value v, Span span);

/* calls */
typedef struct Args {
    Value *values;
    const Node **nodes; /* for spans; may hold NULL */
    Sym *names;         /* NULL: positional */
    Span *name_spans;   /* of those names; may be NULL */
    uint32_t count;
} Args;
Value eval_call(Sema *s, const Node *e);
Value eval_pipe(Sema *s, const Node *e);
bool eval_args(Sema *s, const Node *call, Args *out);
/* Calls any callable value. `call`: for site and spans. */
Value call_value(Sema *s, Value f, const Args *args, const Node *call, Span span);
Value call_one(Sema *s, Value f, Value arg, const Node *call, Span span);
Value call_closure(Sema *s, Closure *fn, const Args *args, const Node *call, Span span);
/* externs.c: C functions. False for what is none, or cannot be called (reported once). */
bool extern_declare(Sema *s, const Node *def, uint32_t *number);
Value extern_call(Sema *s, const Node *def, Scope *scope, Span span);
Value run_body(Sema *s, const Node *body, bool *no_value);
void frame_push(Sema *s, Frame *f, const Node *def, const Node *call, Span span);
void frame_pop(Sema *s, Frame *f);
bool enter(Sema *s, Span span); /* depth and work limits; call leave after true */
void leave(Sema *s);

/* bind.c: arguments to parameters */
/* Binds one parameter list into `into`. `def` for messages. False: reported. */
bool bind_list(Sema *s, const Node *list, const Args *args, Scope *into, const Node *def,
               const Node *call, Span span);
bool bind_result(Sema *s, const Node *result, Value v, Scope *scope, const Node *def, Span span);
/* Where what a body gave is written: the `return`ed expression, or the body. */
Span result_span(const Sema *s, const Node *body, Span otherwise);
/* The dims of a declaration as a shape; names not yet bound are an error. */
bool eval_shape(Sema *s, const Node *dims, Shape *out);
bool value_to_shape(Sema *s, Value v, Shape *out, Span span);
DType type_dtype(const Node *type); /* DTYPE_COUNT: not a dtype */
Sym ellipsis_sym(Sema *s);
bool list_is_defaults(const Node *list);

/* scan_expr.c, captures.c */
Value eval_scan(Sema *s, const Node *e);
/* Node `node` of `from` as a node of b->g; NODE_NONE when b's loops do not stand in `from`. */
NodeId loop_bring(Sema *s, Build *b, const Graph *from, NodeId node, Span span);
NodeId loop_slot(Sema *s, Build *b, uint32_t slot, Span span); /* first read in a body */
void loop_write(Sema *s, Build *b, uint32_t slot, NodeId node);
Build *build_root(Build *b); /* that of the entry */
GraphInput *build_input(Build *b, NodeId node);
/* NODE_NONE outside loops */
NodeId loop_iteration(Sema *s);
double loop_repeats(const Build *b);

/* assertions.c */
void exec_assert(Sema *s, const Node *stmt);
/* What stands in braces in a literal message, parsed; mistakes in it are reported. */
void message_values(Sema *s, const Node *message, void (*visit)(void *user, const Node *value),
                    void *user);

/* eval_stmt.c */
void exec_block(Sema *s, const Node *block);
void exec(Sema *s, const Node *stmt);
Value eval_repeat(Sema *s, const Node *e);
void assign_target(Sema *s, const Node *target, Value v);

/* instances.c */
Value instance_new(Sema *s, const Node *def, Scope *env, const Args *settings, const Node *creator,
                   const Node *name_node, Span span);
Value instance_apply(Sema *s, Instance *inst, const Args *args, const Node *call, Span span);
Value instance_member(Sema *s, Instance *inst, Sym name, const Node *e);
void instance_bind_name(Sema *s, Instance *inst, Sym name);
Value model_instance(Sema *s, const Node *def, Scope *env);
bool model_discover(Sema *s, Instance *inst); /* makes its slots known */
/* The same for a model that nothing applies: on inputs as its list of arguments declares them, in a
 * graph that is thrown away. e: what names a part of it. False: reported. True: also when it is
 * known already. */
bool model_declared(Sema *s, Instance *inst, const Node *e);
void declare_slot(Sema *s, const Node *stmt);
const char *owner_path(Sema *s);
uint64_t site_key(Sema *s, const Node *call);
const char *site_path(Sema *s);
void sites_number(Sema *s, const Node *def);
uint32_t site_ordinal(Sema *s, const Node *node);
bool write_slot(Sema *s, uint32_t slot, Value v, Span span);
void slot_written(Sema *s, uint32_t slot, NodeId node, Span span);
void memos_spent(Sema *s, const Build *body);
bool ptrmap_get(const PtrMap *m, const void *key, uint32_t *value);
void ptrmap_put(Sema *s, PtrMap *m, const void *key, uint32_t value);
bool path_below(const char *path, const char *root); /* root is a prefix, then '.' */

/* optimizers.c */
Value rule_apply(Sema *s, Instance *rule, const Args *args, const Node *call, Span span);
Value gradient(Sema *s, Value y, Value x, const Node *call, Span span);
void exec_minimize(Sema *s, const Node *stmt);

/* index_notation.c */
bool index_is_reduction(Sema *s, const Node *call); /* sum[i](...) */
bool index_reduction_name(const char *name);
Value eval_index_reduction(Sema *s, const Node *call);
void exec_index_assign(Sema *s, const Node *stmt, const Node *target, const Node *value,
                       const Node *where);

/* builtins.c */
typedef struct BuiltinCall {
    const Builtin *builtin;
    const Node *node;
    Span span;
    const Value *args; /* as the parameters; V_NONE: not given */
    const Span *spans;
    uint32_t count;
    /* parameters end in `...`: what the others do not take; names: NULL where positional */
    const Value *more_values;
    const Span *more_spans;
    const Sym *more_names;
    uint32_t more;
} BuiltinCall;
typedef Value (*BuiltinFn)(Sema *s, const BuiltinCall *c);
struct Builtin {
    const char *name;
    const char *parameters; /* "x, axis?, keep?" */
    BuiltinFn fn;
    int op; /* for those that share a function */
};
const Builtin *builtin_find(const char *name);
void builtin_each(void (*visit)(void *user, const char *name), void *user);
Value builtin_call(Sema *s, const Builtin *b, const Args *args, const Node *call, Span span);
/* Axes of an axis argument, ascending. */
bool axes_of(Sema *s, Value axis, const Shape *shape, Span span, uint32_t *axes, uint32_t *count);
extern const Builtin BUILTINS_MATH[], BUILTINS_SHAPE[], BUILTINS_STATIC[], BUILTINS_STEP[],
    BUILTINS_ORDER[], BUILTINS_PATTERN[], BUILTINS_RUNNING[], BUILTINS_WINDOW[], BUILTINS_DATA[],
    BUILTINS_SHOW[];
/* index: a tensor of integers, brought here (tensor_here). */
void mark_index(Sema *s, Value index, DimId size);
Value tensor_reshape(Sema *s, Value v, const Shape *to, Span span);

/* graph building */
Build *build_begin(Sema *s, Build *b);
void build_end(Sema *s, Build *b);
static inline Graph *sema_graph(Sema *s) {
    return s->build ? s->build->g : NULL;
}
uint32_t slot_add(Sema *s, const Slot *slot, const SlotInfo *info);
int32_t slot_find(Sema *s, Sym path);

/* sema.c */
void declare_file(Sema *s, const Node *file, Scope *scope); /* its names and those it uses */

/* fixes.c */
/* `adam()` for `adam`; `i32(y)` for `y` */
void propose_call(Sema *s, Diag *d, const Node *e);
void propose_conversion(Sema *s, Diag *d, const Node *e, DType to);
/* "did you mean `name`?" in the place of what stands at span */
void propose_name(Diag *d, Span span, const char *name);
/* `f32(x > 0)` for what stands at span; how: "convert first: `%s`". False: it is not in a file that
 * could be changed, nothing was said. */
bool propose_around(Sema *s, Diag *d, Span span, const char *around, const char *how);
/* Takes away what was proposed and does not work. */
void fixes_check(Sema *s);
Program *sema_try_program(Context *ctx, const Node *file, const SemaOptions *options);

/* warnings.c */
void warn_file(Sema *s);

/* resolve.c: names, before anything is evaluated */
/* False: a definition uses itself, elaboration would not end. */
bool resolve_file(Sema *s, const Node *file, Scope *scope);
/* state_checks.c */
const char *written_text(Sema *s, const Node *n); /* as it stands in the file */
const char *as_layer(Sema *s, const Node *fn);    /* a function's signature as a layer's */
void check_states(Sema *s, const Node *body);     /* reports states that nothing writes */
/* Special names the resolver lets pass. */
bool name_is_special(const char *name);
/* unknown_names.c */
void report_unknown(Sema *s, const Scope *from, const Node *n);
void report_no_index(Sema *s, const Scope *from, const Node *n);
void report_no_data(Sema *s, const Scope *top, const Node *n);
/* Dtypes and the like: nothing may be defined under them. */
bool name_is_fixed(const char *name);

/* blocks.c, data.c, entries.c */
typedef struct SettingSpec {
    const char *name;
    bool supported;
} SettingSpec;
const Node *block_setting(const Node *block, const char *name);
bool check_settings(Sema *s, const Node *block, const SettingSpec *specs, const char *what);
extern const char *const SPLIT_NAMES[BMRT_SPLIT_COUNT]; /* the settings that name files */
DataBlock *data_find(Sema *s, const Node *node);        /* NULL: not declared */
void data_declare(Sema *s, const Node *node);
bool data_rows(Sema *s, DataBlock *d); /* builds row graphs; false: poisoned */
Value data_member(Sema *s, Value v, const Node *e);
/* Column transforms on new data: fields by name; gives the columns (RECORD). */
Value data_encode(Sema *s, DataBlock *d, const Args *fields, Sym only, Span span);
bool data_entries(Sema *s, DataBlock *d); /* the ROWS entries */
const GraphOutput *data_column(DataBlock *d, Sym name);
/* Copies `row` (of one row) into the current graph with a leading dim; inputs[i]: node with leading
 * dim for row->inputs[i]. values[node of row] receives the copies; false: reported. */
bool batch_rows(Sema *s, const Graph *row, const NodeId *inputs, DimId lead, NodeId *outputs,
                Span span);

int32_t data_field_find(const BmrtData *data, const char *name);          /* -1: none */
const BmrtField *data_text_field(const BmrtData *data, const char *name); /* NULL: none */
/* data_sources.c: what stands behind `from:`, `train:`, `valid:` or `test:`. */
void data_source(Sema *s, DataBlock *block, BmrtData *data, const Node *setting, BmrtSplit split);

/* fit.c */
Value fit_form(Sema *s, const Node *e);
Value fit_view(Sema *s, Value v, Span span); /* inside `fit`: values of the row as columns */
/* Inside `fit`: the function that `mean` and the like stand for; NONE: an ordinary name. */
Value fit_statistic(Sema *s, const Node *callee);
Value fit_split_column(Sema *s, DataBlock *d, int32_t split, const Node *e);

/* text_fields.c. par is `text: str`; false: reported. */
bool tokens_declare(Sema *s, const Node *block, const Node *par, BmrtField *out);
Value tokens_field(Sema *s, const DataBlock *d, const BmrtField *f, NodeId raw, const Node *par);
bool is_tokens_field(Value v); /* what tokens_field made */
Value tokens_missing(Sema *s, Value text, Span span);
Value tokens_call(Sema *s, const BuiltinCall *c);

/* strings.c: strings in exports */
Value strings_input(Sema *s, Graph *g, const Node *par, const Shape *shape);
/* An i32 tensor for a category field. POISON with a message when it cannot be. */
Value strings_encode(Sema *s, Value v, const DataBlock *d, Sym field, Span span);
Value strings_names(Sema *s, Value names, const Args *args, Span span);
/* The vocabulary of a category field: 1 + number; 0: it has none. */
uint32_t strings_vocabulary(Sema *s, const DataBlock *d, Sym field);

void make_train(Sema *s, const Node *node);
void make_test(Sema *s, const Node *node, uint32_t ordinal);
void make_export(Sema *s, const Node *def, Scope *scope);
bool exports_discover(Sema *s);
void make_init(Sema *s);
/* What b's `show`s show become the last outputs of entry `number`, whose graph is b's, or a copy of
 * it with copy[node of b->g] (NODE_NONE: not there). */
void shows_add(Sema *s, const Build *b, uint32_t number, const NodeId *copy);
uint32_t entry_add(Sema *s, const char *name, BmrtEntryKind kind, Graph *g, Span span);
bool node_mentions_call(const Node *node, const char *callee); /* anywhere in it */
/* Splits a metrics graph into EVAL and FINISH; fills `out`. */
void split_metrics(Sema *s, const Build *metrics, uint32_t batch_symbol, const char *prefix,
                   Span span, BmrtEval *out);
uint32_t layer_reserve(Sema *s, Instance *inst); /* UINT32_MAX: has its row already */
/* Fills the row; gives the flops of one row of the batch, nested layers included. */
void layer_flops_repeated(Sema *s, NodeId once);
double layer_row(Sema *s, Instance *inst, Value result, uint32_t first_node, uint32_t row);

#endif
