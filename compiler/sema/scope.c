/* Scopes: names to values, from the innermost block out to the prelude. */
#include "compiler/sema/elaborate.h"

Scope *scope_new(Sema *s, Scope *parent, bool function) {
    Scope *scope = ARENA_NEW(s->arena, Scope);
    scope->parent = parent;
    scope->function = function;
    return scope;
}

Binding *scope_find_here(Scope *scope, Sym name) {
    for (uint32_t i = scope->names.len; i-- > 0;)
        if (scope->names.data[i].name == name) {
            if (scope->names.data[i].unread) prelude_read(scope, scope->names.data[i].unread);
            return &scope->names.data[i];
        }
    return NULL;
}

Binding *scope_find(Scope *scope, Sym name) {
    for (; scope; scope = scope->parent) {
        Binding *b = scope_find_here(scope, name);
        if (b) return b;
    }
    return NULL;
}

void scope_set(Sema *s, Scope *scope, Sym name, Value value, Span span) {
    watch_value(s, span, value);
    Binding *b = scope_find_here(scope, name);
    if (b) {
        b->value = value;
        b->span = span;
        return;
    }
    Binding fresh = {.name = name, .value = value, .span = span, .state = 2};
    vec_push(s->arena, &scope->names, fresh);
}

void scope_assign(Sema *s, Sym name, Value value, Span span) {
    for (Scope *scope = s->scope; scope && !scope->file; scope = scope->parent) {
        Binding *b = scope_find_here(scope, name);
        if (b) {
            b->value = value;
            b->span = span;
            watch_value(s, span, value);
            return;
        }
        if (scope->function) break;
    }
    scope_set(s, s->scope, name, value, span);
}
