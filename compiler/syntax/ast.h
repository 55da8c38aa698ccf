/* The syntax tree: what the file says, nothing more. One node type; `kind` says how to read `kids`.
 * Children that may be absent are NULL in place. The tree is immutable after parsing. Every node
 * has the span of its whole text; `name_span` is the span of the name alone (for carets). */
#ifndef BMC_SYNTAX_AST_H
#define BMC_SYNTAX_AST_H

#include "compiler/support/context.h"

/* NODE(kind, printed name). The comment gives: name field; kids in order; flags.
 *   [x]   may be NULL      x...  any number to the end     list(K)  a NODE_LIST whose kids are K */
#define AST_NODES(NODE)                                                                            \
    /* ---- items */                                                                               \
    NODE(PROGRAM, "program")     /* items... */                                                    \
    NODE(USE, "use")             /* text = path */                                                 \
    NODE(LET, "let")             /* name; [type] expr */                                           \
    NODE(FN, "fn")               /* name; list(PAR) [list(PAR)] [result] body; flag EXPORT;        \
                                    EXTERN: list(PAR) NULL [result] NULL [NAME: gradient] */       \
    NODE(LAYER, "layer")         /* name; list(PAR) [list(PAR)] [result] body */                   \
    NODE(OPTIMIZER, "optimizer") /* as LAYER */                                                    \
    NODE(MODEL, "model")         /* name; list(PAR) [result] body;  or  NULL NULL expr */          \
    NODE(DATA, "data")           /* name; entries... */                                            \
    NODE(TRAIN, "train")         /* [name]; entries... */                                          \
    NODE(TEST, "test")           /* [name]; entries... */                                          \
    /* ---- parameters, types */                                                                   \
    NODE(LIST, "list")     /* anything... */                                                       \
    NODE(PAR, "par")       /* name; [dims] [type] [default expr] */                                \
    NODE(TYPE, "type")     /* name ("f32", "fn", "category"); args... */                           \
    NODE(DIMS, "dims")     /* index...  also the list literal [a, b] in expressions */             \
    NODE(RESULT, "result") /* rtype...: each RTYPE; flag TUPLE when in parentheses */              \
    NODE(RTYPE, "rtype")   /* [dims] [type] */                                                     \
    /* ---- block entries */                                                                       \
    NODE(SETTING, "setting") /* name = key; expr */                                                \
    NODE(FIELD, "field")     /* PAR */                                                             \
    NODE(METRIC, "metric")   /* name; expr   (also a statement) */                                 \
    NODE(STEP, "step")       /* list(PAR) block */                                                 \
    /* ---- statements */                                                                          \
    NODE(BLOCK, "block")       /* statements... */                                                 \
    NODE(PARAM, "param")       /* PAR [init expr] */                                               \
    NODE(STATE, "state")       /* PAR [init expr] */                                               \
    NODE(EXPR_STMT, "expr")    /* expr... (tuple when several) */                                  \
    NODE(ASSIGN, "=")          /* list(targets) list(values) [list(where)] (also data entry) */    \
    NODE(UPDATE, ":=")         /* list(targets) expr */                                            \
    NODE(RETURN, "return")     /* expr... */                                                       \
    NODE(YIELD, "yield")       /* expr... */                                                       \
    NODE(REPEAT, "repeat")     /* [name = as]; count block  (also an expression) */                \
    NODE(IF, "if")             /* cond block [else: BLOCK or IF] */                                \
    NODE(MINIMIZE, "minimize") /* expr TARGET...; flag MAXIMIZE */                                 \
    NODE(TARGET, "target")     /* what with */                                                     \
    NODE(ASSERT, "assert")     /* cond [message] */                                                \
    /* ---- expressions */                                                                         \
    NODE(NAME, "name")     /* name */                                                              \
    NODE(NUMBER, "number") /* number; flag INTEGER */                                              \
    NODE(STRING, "string") /* text (unescaped), text_len */                                        \
    NODE(BOOL, "bool")     /* number 0 or 1 */                                                     \
    NODE(TUPLE, "tuple")   /* expr...: (a, b); a single (a) is no node, but flag PAREN */          \
    NODE(CALL, "call")     /* callee ARG... */                                                     \
    NODE(ARG, "arg")       /* [name]; expr */                                                      \
    NODE(INDEX, "index")   /* what index... : a[i, 1:3, ...] */                                    \
    NODE(RANGE, "range")   /* [from] [to]: a:b */                                                  \
    NODE(ELLIPSIS, "...")  /* [name]: ... or ...s */                                               \
    NODE(MEMBER, "member") /* name; what: a.b */                                                   \
    NODE(UNARY, "unary")   /* name = "-" or "not"; expr */                                         \
    NODE(BINARY, "binary") /* name = operator: or and < <= > >= == != + - * / % @ ^ */             \
    NODE(PIPE, "pipe")     /* value callee:  x |> f */                                             \
    NODE(LAMBDA, "lambda") /* list(NAME) expr: x -> e, (a, b) -> e */                              \
    NODE(SCAN, "scan")     /* list(BIND) along [list(BIND)] block */                               \
    NODE(BIND, "bind")     /* name; expr */                                                        \
    NODE(POISON, "poison") /* stands where a mistake was; silent in later stages */

typedef enum NodeKind {
#define NODE(kind, text) NODE_##kind,
    AST_NODES(NODE)
#undef NODE
        NODE_KIND_COUNT
} NodeKind;

typedef enum NodeFlag {
    NODE_FLAG_EXPORT = 1,
    NODE_FLAG_MAXIMIZE = 2,
    NODE_FLAG_INTEGER = 4, /* the number was written without point or exponent */
    NODE_FLAG_TUPLE = 8,
    NODE_FLAG_PAREN = 16,      /* stood in parentheses */
    NODE_FLAG_BLOCK_BODY = 32, /* body is a block, not `= expr` */
    NODE_FLAG_EXTERN = 64      /* a C function: no body */
} NodeFlag;

typedef struct Node Node;
struct Node {
    NodeKind kind;
    uint32_t flags;
    Span span;
    Span name_span;
    Sym name;         /* NULL when the kind has none */
    double number;    /* NUMBER, BOOL */
    const char *text; /* STRING, USE; for NUMBER the digits as written */
    uint32_t text_len;
    uint32_t count;
    Node **kids;
    const char *doc; /* the comment lines right above an item, for `bmc help NAME`; or NULL */
    uint32_t depth;  /* levels of kids below; at most NODE_DEPTH_LIMIT, so recursion is safe */
};

/* Deeper programs are refused (E_NESTING): recursion over a tree needs no check of its own. */
enum { NODE_DEPTH_LIMIT = 1000 };

const char *node_kind_name(NodeKind kind);
/* The i-th kid, NULL when absent or out of range. */
Node *node_kid(const Node *node, uint32_t i);

#endif
