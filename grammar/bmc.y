/* The grammar of the whole language: LALR(1), no conflicts, no precedence declarations.
 *
 * Two liberties keep it small: the left of `=`, `:=` and `->` is parsed as expressions and checked
 * by the action that builds the node; and one list of entries serves `data`, `train` and `test`
 * (what belongs where is a question of meaning). Actions only build the tree of
 * compiler/syntax/ast.h. Recovery: the three `error` rules (item, entry, stmt) resume at the next
 * NL, which stands for a newline that ends a statement, or for `;` (see bmc.l). */
%define api.pure full
%define api.prefix {bmc_}
%define api.token.prefix {TOKEN_}
%define api.location.type {Span}
%define api.value.type {SyntaxValue}
%define parse.error custom
%define parse.lac full
/* All stacks live in yyparse's frame, so that leaving it by the arena's jump leaks nothing. */
%define parse.lac.es-capacity-initial {6000}
%locations
%expect 0
%param {Parser *parser}
%initial-action { @$ = (Span){parser->file, 0, 0}; }

%code requires {
#include "compiler/syntax/parser.h"
}

%code {
static void bmc_error(Span *at, Parser *parser, const char *message);

#define YYINITDEPTH 6000
#define YYMAXDEPTH 6000
#define YYLLOC_DEFAULT(Current, Rhs, N)                                                            \
    ((Current) = (N) ? (Span){parser->file, YYRHSLOC(Rhs, 1).begin, YYRHSLOC(Rhs, N).end}          \
                     : (Span){parser->file, YYRHSLOC(Rhs, 0).end, YYRHSLOC(Rhs, 0).end})

/* N: a node of kids. NAMED: with a name token before the kids. SEQUENCE: kids first, then a list. */
#define N(kind, at, ...) node_make(parser, NODE_##kind, at, NULL, at, NODE_KIDS(__VA_ARGS__), NULL)
#define LEAF(kind, at) node_make(parser, NODE_##kind, at, NULL, at, NULL, 0, NULL)
#define NAMED(kind, at, name, name_at, ...)                                                        \
    node_make(parser, NODE_##kind, at, name, name_at, NODE_KIDS(__VA_ARGS__), NULL)
#define NAME_LEAF(kind, at, name, name_at)                                                         \
    node_make(parser, NODE_##kind, at, name, name_at, NULL, 0, NULL)
#define SEQUENCE(kind, at, list) node_make(parser, NODE_##kind, at, NULL, at, NULL, 0, list)
}

%token
    LET "`let`" USE "`use`" FN "`fn`" EXPORT "`export`" EXTERN "`extern`" LAYER "`layer`" OPTIMIZER "`optimizer`"
    MODEL "`model`" DATA "`data`" TRAIN "`train`" TEST "`test`"
    FIELD "`field`" METRIC "`metric`" STEP "`step`"
    PARAM "`param`" STATE "`state`" INIT "`init`" RETURN "`return`" YIELD "`yield`"
    REPEAT "`repeat`" AS "`as`" IF "`if`" ELSE "`else`" MINIMIZE "`minimize`"
    MAXIMIZE "`maximize`" OVER "`over`" WITH "`with`" ASSERT "`assert`" WHERE "`where`"
    SCAN "`scan`" ALONG "`along`" AND "`and`" OR "`or`" NOT "`not`" TRUE "`true`" FALSE "`false`"
    PIPE "`|>`" ARROW "`->`" UPDATE "`:=`" EQUAL "`==`" UNEQUAL "`!=`" LESS_EQUAL "`<=`"
    GREATER_EQUAL "`>=`" ELLIPSIS "`...`"
    NL "the end of the line"
%token <name> NAME "a name" KEY "a setting"
%token <node> NUMBER "a number" STRING "a string"
%token END 0 "the end of the file"

%type <node> item list par decl type type_opt dims dims_opt result result_opt rtype body entry
             block stmt if target expr pipe or and not sum term unary postfix primary arg index
             extern_grad list_opt default_opt init_opt where_opt else_opt scan_with bind use_path
%type <list> args arg_list par_list rtype_list index_list entries entry_list stmts stmt_list
             targets exprs bind_list
%type <name> compare additive multiplicative

%%

program
    : items
    ;
items
    : %empty
    | items item nl                     { parser_item(parser, $2); }
    ;
nl
    : NL                                { yyerrok; }
    ;

/* ---------------------------------------------------------------- definitions and blocks */

item
    : USE use_path                      { $$ = node_use(parser, $2, @$); }
    | LET NAME type_opt '=' expr        { $$ = NAMED(LET, @$, $2, @2, $3, $5); }
    | FN NAME list list_opt result_opt body
                                        { $$ = NAMED(FN, @$, $2, @2, $3, $4, $5, $6);
                                          node_body(parser, $$, $6); }
    | EXPORT FN NAME list list_opt result_opt body
                                        { $$ = NAMED(FN, @$, $3, @3, $4, $5, $6, $7);
                                          node_body(parser, $$, $7);
                                          $$->flags |= NODE_FLAG_EXPORT; }
    | EXTERN FN NAME list result_opt extern_grad
                                        { $$ = NAMED(FN, @$, $3, @3, $4, NULL, $5, NULL, $6);
                                          $$->flags |= NODE_FLAG_EXTERN; }
    | LAYER NAME list list_opt result_opt body
                                        { $$ = NAMED(LAYER, @$, $2, @2, $3, $4, $5, $6);
                                          node_body(parser, $$, $6); }
    | OPTIMIZER NAME list list_opt result_opt body
                                        { $$ = NAMED(OPTIMIZER, @$, $2, @2, $3, $4, $5, $6);
                                          node_body(parser, $$, $6); }
    | MODEL NAME list result_opt body   { $$ = NAMED(MODEL, @$, $2, @2, $3, $4, $5);
                                          node_body(parser, $$, $5); }
    | MODEL NAME '=' expr               { $$ = NAMED(MODEL, @$, $2, @2, NULL, NULL, $4); }
    | DATA NAME '{' entries '}'         { $$ = SEQUENCE(DATA, @$, $4);
                                          node_name(parser, $$, $2, @2); }
    | TRAIN '{' entries '}'             { $$ = SEQUENCE(TRAIN, @$, $3); $$->name_span = @1; }
    | TRAIN NAME '{' entries '}'        { $$ = SEQUENCE(TRAIN, @$, $4);
                                          node_name(parser, $$, $2, @2); }
    | TEST '{' entries '}'              { $$ = SEQUENCE(TEST, @$, $3); $$->name_span = @1; }
    | TEST NAME '{' entries '}'         { $$ = SEQUENCE(TEST, @$, $4);
                                          node_name(parser, $$, $2, @2); }
    | error                             { $$ = LEAF(POISON, @$); }
    ;
use_path
    : STRING
    ;
extern_grad                             /* grad gelu_fast_grad */
    : %empty                            { $$ = NULL; }
    | NAME NAME                         { $$ = node_extern_grad(parser, $1, @1, $2, @2); }
    ;

/* ---------------------------------------------------------------- parameters and types */

list                                    /* (x[B, T]: i32, y[B]) */
    : '(' ')'                           { $$ = LEAF(LIST, @$); }
    | '(' par_list ')'                  { $$ = SEQUENCE(LIST, @$, $2); }
    | '(' par_list ',' ')'              { $$ = SEQUENCE(LIST, @$, $2); }
    ;
list_opt
    : %empty                            { $$ = NULL; }
    | list
    ;
par_list
    : par                               { $$ = list_start(parser, $1); }
    | par_list ',' par                  { $$ = list_add(parser, $1, $3); }
    ;
par                                     /* rate: num = 0.1 */
    : decl default_opt                  { $$ = node_default(parser, $1, $2, @$); }
    ;
default_opt
    : %empty                            { $$ = NULL; }
    | '=' expr                          { $$ = $2; }
    ;
decl                                    /* x[B, 28, 28]: u8 */
    : NAME dims_opt type_opt            { $$ = NAMED(PAR, @$, $1, @1, $2, $3, NULL); }
    ;
type_opt
    : %empty                            { $$ = NULL; }
    | ':' type                          { $$ = $2; }
    ;
type                                    /* f32, dim, fn, category(max = 9) */
    : NAME                              { $$ = NAME_LEAF(TYPE, @$, $1, @1); }
    | FN                                { $$ = NAME_LEAF(TYPE, @$, parser_name(parser, "fn"), @1); }
    | NAME '(' args ')'                 { $$ = SEQUENCE(TYPE, @$, $3);
                                          node_name(parser, $$, $1, @1); }
    ;
dims                                    /* [], [B, 4*n], [..., d], [B, ...s] */
    : '[' ']'                           { $$ = LEAF(DIMS, @$); }
    | '[' index_list ']'                { $$ = SEQUENCE(DIMS, @$, $2); }
    ;
dims_opt
    : %empty                            { $$ = NULL; }
    | dims
    ;
result                                  /* -> [B]: i32,  -> ([B, n], [B, n]) */
    : ARROW rtype                       { $$ = N(RESULT, @$, $2); }
    | ARROW '(' rtype_list ')'          { $$ = SEQUENCE(RESULT, @$, $3);
                                          $$->flags |= NODE_FLAG_TUPLE; }
    ;
result_opt
    : %empty                            { $$ = NULL; }
    | result
    ;
rtype_list
    : rtype                             { $$ = list_start(parser, $1); }
    | rtype_list ',' rtype              { $$ = list_add(parser, $1, $3); }
    ;
rtype
    : dims type_opt                     { $$ = N(RTYPE, @$, $1, $2); }
    | NAME                              { $$ = NAME_LEAF(TYPE, @$, $1, @1);
                                          $$ = N(RTYPE, @$, NULL, $$); }
    ;
body
    : block
    | '=' expr                          { $$ = $2; }
    ;

/* ---------------------------------------------------------------- data, train, test */

entries
    : %empty                            { $$ = NULL; }
    | entry_list
    | entry_list nl
    ;
entry_list
    : entry                             { $$ = list_start(parser, $1); }
    | entry_list nl entry               { $$ = list_add(parser, $1, $3); }
    ;
entry
    : KEY ':' expr                      { $$ = NAMED(SETTING, @$, $1, @1, $3); }
    | FIELD par                         { $$ = N(FIELD, @$, $2); }
    | METRIC NAME '=' expr              { $$ = NAMED(METRIC, @$, $2, @2, $4); }
    | STEP list block                   { $$ = N(STEP, @$, $2, $3); $$->name_span = @1; }
    | exprs '=' exprs where_opt         { $$ = node_assign(parser, $1, @2, $3, $4, @$); }
    | error                             { $$ = LEAF(POISON, @$); }
    ;

/* ---------------------------------------------------------------- statements */

block
    : '{' stmts '}'                     { $$ = SEQUENCE(BLOCK, @$, $2); }
    ;
stmts
    : %empty                            { $$ = NULL; }
    | stmt_list
    | stmt_list nl
    ;
stmt_list
    : stmt                              { $$ = list_start(parser, $1); }
    | stmt_list nl stmt                 { $$ = list_add(parser, $1, $3); }
    ;
stmt
    : PARAM decl init_opt               { $$ = N(PARAM, @$, $2, $3); }
    | STATE decl init_opt               { $$ = N(STATE, @$, $2, $3); }
    | exprs                             { $$ = node_statement(parser, $1, @$); }
    | exprs '=' exprs where_opt         { $$ = node_assign(parser, $1, @2, $3, $4, @$); }
    | exprs UPDATE expr                 { $$ = node_update(parser, $1, @2, $3, @$); }
    | RETURN exprs                      { $$ = SEQUENCE(RETURN, @$, $2); }
    | YIELD exprs                       { $$ = SEQUENCE(YIELD, @$, $2); }
    | METRIC NAME '=' expr              { $$ = NAMED(METRIC, @$, $2, @2, $4); }
    | if
    | MINIMIZE expr OVER targets        { $$ = node_minimize(parser, $2, $4, @$); }
    | MAXIMIZE expr OVER targets        { $$ = node_minimize(parser, $2, $4, @$);
                                          $$->flags |= NODE_FLAG_MAXIMIZE; }
    | ASSERT expr                       { $$ = N(ASSERT, @$, $2, NULL); }
    | ASSERT expr ',' expr              { $$ = N(ASSERT, @$, $2, $4); }
    | error                             { $$ = LEAF(POISON, @$); }
    ;
init_opt
    : %empty                            { $$ = NULL; }
    | INIT expr                         { $$ = $2; }
    ;
where_opt
    : %empty                            { $$ = NULL; }
    | WHERE exprs                       { $$ = SEQUENCE(LIST, @2, $2); }
    ;
if
    : IF expr block else_opt            { $$ = N(IF, @$, $2, $3, $4); }
    ;
else_opt
    : %empty                            { $$ = NULL; }
    | ELSE block                        { $$ = $2; }
    | ELSE if                           { $$ = $2; }
    ;
targets
    : target                            { $$ = list_start(parser, $1); }
    | targets ',' target                { $$ = list_add(parser, $1, $3); }
    ;
target
    : pipe WITH expr                    { $$ = N(TARGET, @$, $1, $3); }
    ;

/* ---------------------------------------------------------------- expressions */

exprs
    : expr                              { $$ = list_start(parser, $1); }
    | exprs ',' expr                    { $$ = list_add(parser, $1, $3); }
    ;
expr
    : pipe
    | pipe ARROW expr                   { $$ = node_lambda(parser, $1, @1, $3, @$); }
    | SCAN bind_list ALONG pipe scan_with block
                                        { Node *over = SEQUENCE(LIST, @2, $2);
                                          $$ = N(SCAN, @$, over, $4, $5, $6); }
    | REPEAT expr block                 { $$ = N(REPEAT, @$, $2, $3); $$->name_span = @1; }
    | REPEAT expr AS NAME block         { $$ = NAMED(REPEAT, @$, $4, @4, $2, $5); }
    ;
scan_with
    : %empty                            { $$ = NULL; }
    | WITH bind_list                    { $$ = SEQUENCE(LIST, @2, $2); }
    ;
bind_list
    : bind                              { $$ = list_start(parser, $1); }
    | bind_list ',' bind                { $$ = list_add(parser, $1, $3); }
    ;
bind
    : NAME '=' pipe                     { $$ = NAMED(BIND, @$, $1, @1, $3); }
    ;
pipe
    : or
    | pipe PIPE postfix                 { $$ = N(PIPE, @$, $1, $3); $$->name_span = @2; }
    ;
or
    : and
    | or OR and                         { $$ = node_binary(parser, "or", @2, $1, $3, @$); }
    ;
and
    : not
    | and AND not                       { $$ = node_binary(parser, "and", @2, $1, $3, @$); }
    ;
not
    : NOT not                           { $$ = node_unary(parser, "not", @1, $2, @$); }
    | sum
    | sum compare sum                   { $$ = NAMED(BINARY, @$, $2, @2, $1, $3); }
    ;
compare
    : '<'                               { $$ = parser_name(parser, "<"); }
    | '>'                               { $$ = parser_name(parser, ">"); }
    | LESS_EQUAL                        { $$ = parser_name(parser, "<="); }
    | GREATER_EQUAL                     { $$ = parser_name(parser, ">="); }
    | EQUAL                             { $$ = parser_name(parser, "=="); }
    | UNEQUAL                           { $$ = parser_name(parser, "!="); }
    ;
sum
    : term
    | sum additive term                 { $$ = NAMED(BINARY, @$, $2, @2, $1, $3); }
    ;
additive
    : '+'                               { $$ = parser_name(parser, "+"); }
    | '-'                               { $$ = parser_name(parser, "-"); }
    ;
term
    : unary
    | term multiplicative unary         { $$ = NAMED(BINARY, @$, $2, @2, $1, $3); }
    ;
multiplicative
    : '*'                               { $$ = parser_name(parser, "*"); }
    | '/'                               { $$ = parser_name(parser, "/"); }
    | '%'                               { $$ = parser_name(parser, "%"); }
    | '@'                               { $$ = parser_name(parser, "@"); }
    ;
unary                                   /* -x^2 is -(x^2); 2^-1; ^ associates to the right */
    : '-' unary                         { $$ = node_unary(parser, "-", @1, $2, @$); }
    | postfix
    | postfix '^' unary                 { $$ = node_binary(parser, "^", @2, $1, $3, @$); }
    ;
postfix
    : primary
    | postfix '(' args ')'              { $$ = node_after(parser, NODE_CALL, $1, $3, @$); }
    | postfix '[' index_list ']'        { $$ = node_after(parser, NODE_INDEX, $1, $3, @$); }
    | postfix '.' NAME                  { $$ = NAMED(MEMBER, @$, $3, @3, $1); }
    ;
primary
    : NAME                              { $$ = NAME_LEAF(NAME, @$, $1, @1); }
    | NUMBER
    | STRING
    | TRUE                              { $$ = LEAF(BOOL, @$); $$->number = 1; }
    | FALSE                             { $$ = LEAF(BOOL, @$); }
    | '(' exprs ')'                     { $$ = node_parenthesised(parser, $2, @$); }
    | dims                              { $$ = node_list_literal(parser, $1); }
    ;
args
    : %empty                            { $$ = NULL; }
    | arg_list
    | arg_list ','
    ;
arg_list
    : arg                               { $$ = list_start(parser, $1); }
    | arg_list ',' arg                  { $$ = list_add(parser, $1, $3); }
    ;
arg
    : expr                              { $$ = N(ARG, @$, $1); }
    | NAME '=' expr                     { $$ = NAMED(ARG, @$, $1, @1, $3); }
    ;
index_list
    : index                             { $$ = list_start(parser, $1); }
    | index_list ',' index              { $$ = list_add(parser, $1, $3); }
    ;
index                                   /* i, 1:3, :, ..., ...s */
    : expr
    | expr ':' expr                     { $$ = N(RANGE, @$, $1, $3); }
    | expr ':'                          { $$ = N(RANGE, @$, $1, NULL); }
    | ':' expr                          { $$ = N(RANGE, @$, NULL, $2); }
    | ':'                               { $$ = N(RANGE, @$, NULL, NULL); }
    | ELLIPSIS                          { $$ = LEAF(ELLIPSIS, @$); }
    | ELLIPSIS NAME                     { $$ = NAME_LEAF(ELLIPSIS, @$, $2, @2); }
    ;

%%

/* Hands what bison knows about a mistake to compiler/syntax: which tokens would have been right. */
static int yyreport_syntax_error(const yypcontext_t *context, Parser *parser) {
    yysymbol_kind_t symbols[YYNTOKENS];
    int count = yypcontext_expected_tokens(context, symbols, YYNTOKENS);
    bool wanted[YYNTOKENS] = {false};
    for (int i = 0; i < count; i++) wanted[symbols[i]] = true;
    SyntaxExpected expected = {.token = {false}};
    for (int token = 0; token <= YYMAXUTOK && token < SYNTAX_TOKENS; token++) {
        yysymbol_kind_t symbol = YYTRANSLATE(token);
        expected.token[token] = symbol != YYSYMBOL_YYUNDEF && wanted[symbol];
    }
    parser_syntax_error(parser, &expected);
    return 0;
}

/* Called by bison itself only when its stack is full. */
static void bmc_error(Span *at, Parser *parser, const char *message) {
    (void)message;
    parser_too_deep(parser, *at);
}

const char *syntax_token_name(int token) {
    return token >= 0 && token <= YYMAXUTOK ? yysymbol_name(YYTRANSLATE(token)) : "nothing";
}
