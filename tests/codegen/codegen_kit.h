/* What the code generator's tests share: a loop program compiled in memory, and a team of threads
 * that runs one of its entries the way the runtime does, with a barrier of its own. */
#ifndef BMC_TESTS_CODEGEN_KIT_H
#define BMC_TESTS_CODEGEN_KIT_H

#include "compiler/codegen/codegen.h"
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

typedef struct Compiled {
    CodeModule *module;
    CodeJit *jit;
    const BmrtModel *model;
} Compiled;

static inline Compiled compile_for(Context *ctx, const Program *program,
                                   LoopProgram *const *entries, uint32_t count, const char *cpu) {
    CodegenOptions options = {.cpu = cpu, .level = 2, .debug_verify = true};
    Compiled c = {.module = codegen_module(ctx, program, entries, count, &options)};
    ck_assert_ptr_nonnull(c.module);
    c.jit = codegen_jit(c.module);
    c.model = codegen_jit_model(c.jit);
    return c;
}

static inline void compiled_close(Compiled *c) {
    codegen_jit_destroy(c->jit);
    codegen_destroy(c->module);
}

typedef struct Team {
    BmrtFrame *frame;
    const BmrtEntry *entry;
    int32_t threads;
    pthread_mutex_t lock;
    pthread_cond_t all_here;
    int32_t waiting;
    uint32_t round;
} Team;

typedef struct Member {
    Team *team;
    int32_t number;
} Member;

static inline void team_barrier(BmrtFrame *frame, int32_t thread) {
    Team *t = frame->team;
    (void)thread;
    pthread_mutex_lock(&t->lock);
    uint32_t round = t->round;
    if (++t->waiting == t->threads) {
        t->waiting = 0;
        t->round++;
        pthread_cond_broadcast(&t->all_here);
    }
    while (t->round == round) pthread_cond_wait(&t->all_here, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

static inline void *team_member(void *user) {
    Member *m = user;
    m->team->entry->run(m->team->frame, m->number, m->team->threads);
    return NULL;
}

/* Runs the entry with `threads` threads; the frame's arena, barrier and team are filled in here. */
static inline void team_run(const BmrtEntry *entry, BmrtFrame *frame, int32_t threads) {
    Team team = {.frame = frame, .entry = entry, .threads = threads};
    pthread_t ids[64];
    Member members[64];
    int64_t offsets[1024];
    ck_assert_int_le(threads, 64);
    ck_assert_uint_le(entry->buffer_count, 1024);
    for (uint32_t i = 0; i < entry->buffer_count; i++) offsets[i] = entry->buffers[i].offset;
    size_t arena_bytes = ((size_t)entry->arena_bytes + 127) / 64 * 64;
    frame->arena = aligned_alloc(64, arena_bytes);
    memset(frame->arena, 0xA5, arena_bytes);
    frame->offsets = offsets;
    frame->barrier = team_barrier;
    frame->team = &team;
    pthread_mutex_init(&team.lock, NULL);
    pthread_cond_init(&team.all_here, NULL);
    for (int32_t t = 0; t < threads; t++) {
        members[t] = (Member){&team, t};
        ck_assert_int_eq(pthread_create(&ids[t], NULL, team_member, &members[t]), 0);
    }
    for (int32_t t = 0; t < threads; t++) pthread_join(ids[t], NULL);
    pthread_cond_destroy(&team.all_here);
    pthread_mutex_destroy(&team.lock);
    free(frame->arena);
    frame->arena = NULL;
}

static inline const BmrtEntry *entry_named(const BmrtModel *m, const char *name) {
    for (uint32_t i = 0; i < m->entry_count; i++)
        if (strcmp(m->entries[i].name, name) == 0) return &m->entries[i];
    ck_abort_msg("no entry %s", name);
}

#endif
