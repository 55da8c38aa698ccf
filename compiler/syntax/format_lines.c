/* Formatter: where lines break, what is aligned, and the writing.
 *
 * The author's line breaks inside a statement are kept; more are added only to lines that are too
 * long. What decides about one line is on that line alone, so formatting twice changes nothing. */
#include "compiler/syntax/format.h"

#include "grammar/bmc.tab.h"

static Piece *at(const Formatter *f, uint32_t piece) {
    return &f->pieces.data[piece];
}

/* ---------------------------------------------------------------- the author's breaks */

static bool block_has_newline(const Formatter *f, uint32_t open) {
    for (uint32_t i = open + 1; i <= at(f, open)->close; i++)
        if (at(f, i)->newlines || at(f, i)->kind == PIECE_COMMENT) return true;
    return false;
}

/* Breaks around the statements of a block. */
static void spread_block(Formatter *f, uint32_t open) {
    at(f, open)->many_lines = true;
    for (uint32_t i = open + 1; i <= at(f, open)->close; i++)
        if (at(f, i)->open == open && (at(f, i)->starts || at(f, i)->kind == '}'))
            at(f, i)->break_before = true;
}

static bool is_hanging(const Formatter *f, uint32_t open) {
    return at(f, open + 1)->break_before;
}

static void break_before(Formatter *f, uint32_t i) {
    Piece *p = at(f, i), *left = at(f, i - 1);
    bool comment = p->kind == PIECE_COMMENT;
    bool closes = p->kind == ')' || p->kind == ']';
    if (left->kind == PIECE_COMMENT || (comment && p->newlines))
        p->break_before = true;
    else if (p->starts)
        p->break_before = p->open == PIECE_NONE || at(f, p->open)->many_lines;
    else if (p->kind == '}')
        p->break_before = at(f, p->open)->many_lines;
    else if (p->newlines && !comment && p->kind != '{' && p->kind != ',')
        p->break_before = !closes || is_hanging(f, p->open);
    p->blank_before =
        p->newlines > 1 && p->break_before && (p->starts || comment) && left->kind != '{';
}

/* Blocks are examined from the outside in, each piece once for every block around it that holds no
 * newline; a block with one is left at its first newline. */
void format_breaks(Formatter *f) {
    for (uint32_t i = 0; i < f->pieces.len; i++)
        if (at(f, i)->kind == '{') at(f, i)->many_lines = block_has_newline(f, i);
    for (uint32_t i = 1; i < f->pieces.len; i++) break_before(f, i);
    bool between = true; /* of a comment that would stand before the piece seen last */
    for (uint32_t i = f->pieces.len; i-- > 0;) {
        Piece *p = at(f, i);
        if (p->kind != PIECE_COMMENT) {
            between = p->starts || p->kind == '}';
            continue;
        }
        p->between = between && (p->open == PIECE_NONE || at(f, p->open)->kind == '{');
        if (!p->between) p->blank_before = false;
    }
}

/* ---------------------------------------------------------------- alignment */

typedef struct Cell {
    int kind;        /* of the statement; cells of one kind align with each other; 0: none */
    uint32_t piece;  /* what is moved */
    uint32_t column; /* where it stands without padding */
} Cell;

/* The piece to align in the statement that starts at `first`. */
static Cell find_cell(const Formatter *f, uint32_t first) {
    static const struct {
        int kind, before, after; /* align what stands after `after`, or `before` itself */
    } ALIGNED[] = {{TOKEN_KEY, 0, ':'},          {TOKEN_FIELD, 0, ':'},
                   {TOKEN_LET, '=', 0},          {TOKEN_METRIC, '=', 0},
                   {TOKEN_PARAM, TOKEN_INIT, 0}, {TOKEN_STATE, TOKEN_INIT, 0}};
    Cell none = {0};
    uint32_t depth = at(f, first)->depth, width = format_width(f, first);
    for (size_t k = 0; k < sizeof ALIGNED / sizeof *ALIGNED; k++) {
        if (at(f, first)->kind != ALIGNED[k].kind) continue;
        for (uint32_t i = first + 1; i < f->pieces.len && !at(f, i)->break_before; i++) {
            const Piece *p = at(f, i);
            bool before = ALIGNED[k].before && p->kind == ALIGNED[k].before;
            bool after = ALIGNED[k].after && at(f, i - 1)->kind == ALIGNED[k].after &&
                         at(f, i - 1)->depth == depth;
            width += format_gap(f, i);
            if (p->depth == depth && (before || after)) return (Cell){ALIGNED[k].kind, i, width};
            width += format_width(f, i);
            if (width > 60) return none;
        }
    }
    return none;
}

enum { SETTING_SPREAD = 24, SPREAD = 6 }; /* cells further apart than this are left alone */

static void align_run(Formatter *f, const Cell *cells, uint32_t count) {
    uint32_t low = UINT32_MAX, high = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (cells[i].column < low) low = cells[i].column;
        if (cells[i].column > high) high = cells[i].column;
    }
    if (count < 2 || high - low > (cells->kind == TOKEN_KEY ? SETTING_SPREAD : SPREAD)) return;
    for (uint32_t i = 0; i < count; i++) at(f, cells[i].piece)->padding = high - cells[i].column;
}

/* The next statement of the same block on the very next line; *has_block: a `{` was passed. */
static uint32_t next_line_statement(const Formatter *f, uint32_t first, bool *has_block) {
    *has_block = false;
    for (uint32_t i = first + 1; i < f->pieces.len; i++) {
        const Piece *p = at(f, i);
        if (p->kind == '{') {
            *has_block = true;
            i = p->close;
            continue;
        }
        if (p->kind == '}') return PIECE_NONE;
        if (p->kind == PIECE_COMMENT && p->newlines) return PIECE_NONE;
        if (p->starts) return p->newlines <= 1 && p->break_before ? i : PIECE_NONE;
    }
    return PIECE_NONE;
}

void format_align(Formatter *f) {
    VEC(Cell) run = {0};
    bool *seen = ARENA_ARRAY(f->ctx->arena, bool, f->pieces.len + 1);
    for (uint32_t i = 0; i < f->pieces.len; i++) {
        if (!at(f, i)->starts || seen[i]) continue;
        run.len = 0;
        int kind = find_cell(f, i).kind;
        bool has_block = false;
        for (uint32_t s = i; s != PIECE_NONE; s = next_line_statement(f, s, &has_block)) {
            Cell cell = find_cell(f, s);
            /* between settings other short entries may stand */
            if (cell.kind != kind && (kind != TOKEN_KEY || has_block)) break;
            if (cell.kind == kind && kind) {
                vec_push(f->ctx->arena, &run, cell);
                seen[s] = true;
            }
            bool block;
            next_line_statement(f, s, &block);
            if (block || !kind) break;
        }
        if (kind) align_run(f, run.data, run.len);
    }
}

/* ---------------------------------------------------------------- lines that are too long */

/* What is written before piece i on its line: gap, padding, and the `;` of a one-line block. */
static uint32_t lead(const Formatter *f, uint32_t i) {
    const Piece *p = at(f, i);
    bool separator = p->starts && at(f, i - 1)->kind != '{';
    return format_gap(f, i) + p->padding + (separator ? 1 : 0);
}

/* *end: the first piece of the next line. Returns the first piece that does not fit, PIECE_NONE
 * when all do (then only is *end known). Comments may stand out. */
static uint32_t overflow(const Formatter *f, uint32_t from, uint32_t indent, uint32_t *end) {
    uint32_t column = indent, i = from;
    bool comment = false;
    for (; i < f->pieces.len && (i == from || !at(f, i)->break_before); i++) {
        comment = comment || at(f, i)->kind == PIECE_COMMENT;
        column += (i > from ? lead(f, i) : 0) + format_width(f, i);
        if (column > FORMAT_COLUMNS && !comment) return i;
    }
    *end = i;
    return PIECE_NONE;
}

enum { PIECES_AHEAD = 2000 }; /* a longer line is taken apart by its first part */

static uint32_t line_end(const Formatter *f, uint32_t from) {
    uint32_t i = from + 1;
    while (i < f->pieces.len && !at(f, i)->break_before && i - from < PIECES_AHEAD) i++;
    return i;
}

/* One-line blocks are the first to give way: the outermost ones of the line. */
static bool spread_blocks(Formatter *f, uint32_t from) {
    uint32_t depth = UINT32_MAX, end = line_end(f, from);
    for (uint32_t i = from; i < end; i++)
        if (at(f, i)->kind == '{' && !at(f, i)->many_lines && at(f, i)->close > i + 1 &&
            at(f, i)->depth < depth)
            depth = at(f, i)->depth;
    for (uint32_t i = from; i < end; i++)
        if (at(f, i)->kind == '{' && at(f, i)->depth == depth && !at(f, i)->many_lines &&
            at(f, i)->close > i + 1)
            spread_block(f, i);
    return depth != UINT32_MAX;
}

static bool is_definition(int kind) {
    return kind == TOKEN_FN || kind == TOKEN_EXPORT || kind == TOKEN_EXTERN ||
           kind == TOKEN_LAYER || kind == TOKEN_OPTIMIZER || kind == TOKEN_MODEL;
}

/* How ugly a break before piece i is; UINT32_MAX when there can be none: a newline ends the
 * statement unless the line before cannot end there or the next starts with `|>` or `->`. */
static uint32_t break_cost(const Formatter *f, uint32_t from, uint32_t i) {
    const Piece *p = at(f, i);
    int left = at(f, i - 1)->kind;
    char inside = format_inside(f, i);
    uint32_t cost = p->depth * 4;
    if (left == '=' && p->depth == 0 && is_definition(at(f, from)->kind)) return 0;
    if (inside == '[') cost += 6;
    if (p->kind == TOKEN_PIPE) return cost + 1;
    if (p->kind == TOKEN_ARROW) return cost + 7;
    if (p->kind == PIECE_COMMENT || p->kind == ')' || p->kind == ']' || p->kind == '}' ||
        p->kind == '{' || p->kind == ':' || p->kind == ',')
        return UINT32_MAX;
    bool operand_left = i >= 2 && format_ends_value(at(f, i - 2)->kind);
    switch (left) {
    case ',':
    case TOKEN_OR:
    case TOKEN_AND: return cost + 1;
    case '+':
    case '-': return operand_left ? cost + 2 : UINT32_MAX;
    case '*':
    case '/':
    case '%':
    case '@': return cost + 3;
    case '<':
    case '>':
    case TOKEN_LESS_EQUAL:
    case TOKEN_GREATER_EQUAL:
    case TOKEN_EQUAL:
    case TOKEN_UNEQUAL: return cost + 2;
    case '=':
    case TOKEN_UPDATE: return cost + 7;
    case ':': return inside == '[' ? UINT32_MAX : cost + 7;
    case '(':
    case '[': return cost + 3; /* the depth is already the inside's */
    default: return UINT32_MAX;
    }
}

/* Of two places as good as each other: the one in the longer list, else the later one. */
static bool is_better(const Formatter *f, uint32_t i, uint32_t best) {
    if (best == PIECE_NONE || at(f, i)->open == at(f, best)->open) return true;
    if (at(f, i)->open == PIECE_NONE || at(f, best)->open == PIECE_NONE) return true;
    const Piece *mine = at(f, at(f, i)->open), *other = at(f, at(f, best)->open);
    return mine->close - at(f, i)->open >= other->close - at(f, best)->open;
}

/* Breaks the line once, at the best place up to `over`, else at the first one behind; false when
 * there is none at all. */
static bool break_line(Formatter *f, uint32_t from, uint32_t over) {
    uint32_t best = PIECE_NONE, best_cost = UINT32_MAX;
    for (uint32_t i = from + 1; i <= over; i++) {
        uint32_t cost = break_cost(f, from, i);
        if (cost == UINT32_MAX || cost > best_cost) continue;
        if (cost == best_cost && !is_better(f, i, best)) continue;
        best = i;
        best_cost = cost;
    }
    for (uint32_t i = over + 1; best == PIECE_NONE && i < f->pieces.len; i++) {
        if (at(f, i)->break_before) return false;
        if (break_cost(f, from, i) != UINT32_MAX) best = i;
    }
    if (best == PIECE_NONE) return false;
    at(f, best)->break_before = true;
    if (at(f, best)->kind != TOKEN_PIPE) return true;
    uint32_t open = at(f, best)->open; /* a pipe breaks at each of its steps */
    uint32_t stop = open == PIECE_NONE ? f->pieces.len : at(f, open)->close;
    for (uint32_t i = from + 1; i < stop; i++) {
        if (at(f, i)->break_before && i > best && at(f, i)->kind != TOKEN_PIPE) break;
        if (at(f, i)->kind == TOKEN_PIPE && at(f, i)->open == open) at(f, i)->break_before = true;
    }
    return true;
}

/* ---------------------------------------------------------------- writing */

static uint32_t statement_indent(const Formatter *f, uint32_t piece) {
    uint32_t open = at(f, piece)->open;
    while (open != PIECE_NONE && at(f, open)->kind != '{') open = at(f, open)->open;
    return open == PIECE_NONE ? 0 : at(f, open)->base + 2;
}

/* Whether the statement around this piece has its value on a line below its `=`; steps of a pipe
 * are then indented under that value. */
static bool *value_below(Formatter *f, uint32_t piece) {
    uint32_t open = at(f, piece)->open;
    return open == PIECE_NONE ? &f->value_below : &at(f, open)->value_below;
}

enum { DEEP_COLUMN = 60 };

static uint32_t indent_of(Formatter *f, uint32_t first) {
    const Piece *p = at(f, first);
    if (p->kind == '}') return at(f, p->open)->base;
    if (p->starts || p->between) return statement_indent(f, first);
    if (p->open == PIECE_NONE || at(f, p->open)->kind == '{') {
        bool below = p->kind == TOKEN_PIPE && *value_below(f, first);
        return statement_indent(f, first) + (below ? 4 : 2);
    }
    const Piece *open = at(f, p->open);
    bool closes = p->kind == ')' || p->kind == ']';
    if (is_hanging(f, p->open)) return open->line_indent + (closes ? 0 : 2);
    return open->column + 1 > DEEP_COLUMN ? open->line_indent + 4 : open->column + 1;
}

typedef struct Line {
    const char *code;
    uint32_t width;
    uint32_t comment; /* piece, or PIECE_NONE */
    bool blank_before, comment_only;
} Line;

static Line make_line(Formatter *f, uint32_t from, uint32_t end, uint32_t indent) {
    Text code = {.arena = f->ctx->arena};
    Line line = {.comment = PIECE_NONE,
                 .blank_before = at(f, from)->blank_before,
                 .comment_only = at(f, from)->kind == PIECE_COMMENT,
                 .width = indent};
    text_printf(&code, "%*s", (int)indent, "");
    for (uint32_t i = from; i < end; i++) {
        Piece *p = at(f, i);
        if (p->kind == PIECE_COMMENT && i > from) {
            line.comment = i;
            break;
        }
        uint32_t blanks = i > from ? lead(f, i) : 0;
        if (i > from && p->starts && at(f, i - 1)->kind != '{') {
            text_char(&code, ';');
            blanks--;
            line.width++;
        }
        text_printf(&code, "%*s", (int)blanks, "");
        line.width += blanks;
        p->column = line.width;
        p->line_indent = indent;
        if (p->kind == '{')
            p->base = format_inside(f, i) == '(' || format_inside(f, i) == '['
                          ? indent
                          : statement_indent(f, i);
        text_add_n(&code, f->text + p->begin, p->end - p->begin);
        line.width += format_width(f, i);
    }
    line.code = text_str(&code);
    return line;
}

enum { COMMENT_COLUMN = 80 }; /* code longer than this does not push its neighbours' comments */

/* Trailing comments of neighbouring lines stand in one column; `from` is the first such line.
 * *to: the line after the last. */
static uint32_t comment_column(const Line *lines, uint32_t count, uint32_t from, uint32_t *to) {
    uint32_t widest = 0, i = from;
    for (; i < count && lines[i].comment != PIECE_NONE; i++) {
        if (i > from && lines[i].blank_before) break;
        if (lines[i].width <= COMMENT_COLUMN && lines[i].width > widest) widest = lines[i].width;
    }
    *to = i;
    return widest + 2;
}

void format_write(Formatter *f, Text *out) {
    VEC(Line) lines = {0};
    for (uint32_t from = 0, end; from < f->pieces.len; from = end) {
        if (at(f, from)->starts)
            *value_below(f, from) = false;
        else if (from > 0 && at(f, from - 1)->kind == '=')
            *value_below(f, from) = true;
        uint32_t indent = indent_of(f, from);
        for (uint32_t over; (over = overflow(f, from, indent, &end)) != PIECE_NONE;)
            if (!spread_blocks(f, from) && !break_line(f, from, over)) {
                for (end = from + 1; end < f->pieces.len && !at(f, end)->break_before;) end++;
                break;
            }
        Line line = make_line(f, from, end, indent);
        vec_push(f->ctx->arena, &lines, line);
    }
    for (uint32_t i = 0, column = 0, run_end = 0; i < lines.len; i++) {
        const Line *line = &lines.data[i];
        if (line->blank_before) text_char(out, '\n');
        text_add(out, line->code);
        if (line->comment != PIECE_NONE) {
            const Piece *p = at(f, line->comment);
            if (i >= run_end) column = comment_column(lines.data, lines.len, i, &run_end);
            bool far = line->width + 2 > column;
            text_printf(out, "%*s", far ? 2 : (int)(column - line->width), "");
            text_add_n(out, f->text + p->begin, p->end - p->begin);
        }
        text_char(out, '\n');
    }
}
