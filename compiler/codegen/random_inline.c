/* Random numbers: Philox4x32-10, the same counters and words as graph/philox.c.
 *
 * A block of four words serves four consecutive elements. When the lanes are consecutive elements
 * and the first is known to be a multiple of four, one vector of lanes/4 blocks is enough; else
 * every lane computes its own block and picks its word. */
#include "compiler/codegen/emit.h"

enum { ROUNDS = 10 };

typedef struct Blocks { /* the four words of each block, as i64 vectors (or scalars) below 2^32 */
    LLVMValueRef word[4];
} Blocks;

static LLVMValueRef frame_word(Emit *e, size_t offset) {
    LLVMTypeRef i64 = LLVMInt64TypeInContext(e->c), i8 = LLVMInt8TypeInContext(e->c);
    LLVMValueRef at = const_i64(e, (int64_t)offset);
    return LLVMBuildLoad2(e->b, i64, LLVMBuildGEP2(e->b, i8, e->frame, &at, 1, ""), "");
}

static LLVMValueRef low32(Emit *e, LLVMValueRef v) {
    return LLVMBuildAnd(e->b, v, const_int(LLVMTypeOf(v), UINT32_MAX), "");
}
static LLVMValueRef high32(Emit *e, LLVMValueRef v) {
    return LLVMBuildLShr(e->b, v, const_int(LLVMTypeOf(v), 32), "");
}
static LLVMValueRef spread(Emit *e, LLVMValueRef scalar, LLVMTypeRef type) {
    if (LLVMGetTypeKind(type) != LLVMVectorTypeKind) return scalar;
    return splat(e, scalar, LLVMGetVectorSize(type));
}
static LLVMValueRef xor3(Emit *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
    return LLVMBuildXor(e->b, LLVMBuildXor(e->b, a, b, ""), c, "");
}

static LLVMValueRef site_key(Emit *e, uint64_t site) {
    for (uint32_t i = 0; i < e->signature->keys.len; i++)
        if (e->signature->keys.data[i] == site) return e->keys[i];
    BUG("kernel %s: random key is not an argument", e->k->name);
}

/* philox_site_at: the site of one iteration. */
LLVMValueRef emit_site(Emit *e, const Expr *x) {
    static const struct {
        unsigned shift;
        uint64_t factor;
    } mix[] = {{30, UINT64_C(0xBF58476D1CE4E5B9)}, {27, UINT64_C(0x94D049BB133111EB)}};
    LLVMTypeRef i64 = LLVMInt64TypeInContext(e->c);
    LLVMValueRef z = LLVMBuildAdd(e->b, emit_value(e, x->args[0]), const_i64(e, 1), "");
    z = LLVMBuildMul(e->b, z, const_int(i64, UINT64_C(0x9E3779B97F4A7C15)), "");
    for (int i = 0; i < 2; i++) {
        LLVMValueRef high = LLVMBuildLShr(e->b, z, const_int(i64, mix[i].shift), "");
        z = LLVMBuildMul(e->b, LLVMBuildXor(e->b, z, high, ""), const_int(i64, mix[i].factor), "");
    }
    return xor3(e, site_key(e, x->imm), z, LLVMBuildLShr(e->b, z, const_int(i64, 31), ""));
}

/* The low half of each i64 holds a 32-bit word, so that the widening multiply is one instruction.
 */
static Blocks philox(Emit *e, LLVMValueRef block, const Expr *x) {
    LLVMTypeRef type = LLVMTypeOf(block);
    LLVMTypeRef i64 = LLVMInt64TypeInContext(e->c);
    LLVMValueRef site = x->nargs == 2 ? emit_value(e, x->args[1]) : site_key(e, x->imm);
    LLVMValueRef key = LLVMBuildXor(e->b, frame_word(e, offsetof(BmrtFrame, seed)), site, "");
    LLVMValueRef time =
        LLVMBuildShl(e->b, frame_word(e, offsetof(BmrtFrame, step)), LLVMConstInt(i64, 16, 0), "");
    time = LLVMBuildAdd(e->b, time, LLVMConstInt(i64, x->imm2, 0), "");
    Blocks c = {{low32(e, block), high32(e, block), spread(e, low32(e, time), type),
                 spread(e, high32(e, time), type)}};
    LLVMValueRef k0 = low32(e, key), k1 = high32(e, key);
    for (int round = 0; round < ROUNDS; round++) {
        LLVMValueRef p0 = LLVMBuildMul(e->b, c.word[0], const_int(type, 0xD2511F53u), "");
        LLVMValueRef p1 = LLVMBuildMul(e->b, c.word[2], const_int(type, 0xCD9E8D57u), "");
        Blocks next = {{xor3(e, high32(e, p1), c.word[1], spread(e, k0, type)), low32(e, p1),
                        xor3(e, high32(e, p0), c.word[3], spread(e, k1, type)), low32(e, p0)}};
        c = next;
        k0 = low32(e, LLVMBuildAdd(e->b, k0, LLVMConstInt(i64, 0x9E3779B9u, 0), ""));
        k1 = low32(e, LLVMBuildAdd(e->b, k1, LLVMConstInt(i64, 0xBB67AE85u, 0), ""));
    }
    return c;
}

/* (w >> 8) * 2^-24: exact. */
static LLVMValueRef uniform(Emit *e, LLVMValueRef word) {
    LLVMTypeRef i32 = LLVMTypeOf(word), f32 = type_like(LLVMFloatTypeInContext(e->c), word);
    LLVMValueRef top = LLVMBuildLShr(e->b, word, const_int(i32, 8), "");
    return LLVMBuildFMul(e->b, LLVMBuildSIToFP(e->b, top, f32, ""), const_real(f32, 0x1p-24), "");
}

static LLVMValueRef narrow(Emit *e, LLVMValueRef word) {
    return LLVMBuildTrunc(e->b, word, type_like(LLVMInt32TypeInContext(e->c), word), "");
}

/* Word (element mod 4) of the element's own block. */
static LLVMValueRef draw_each(Emit *e, const Expr *x, LLVMValueRef element) {
    LLVMTypeRef type = LLVMTypeOf(element);
    Blocks c = philox(e, LLVMBuildLShr(e->b, element, const_int(type, 2), ""), x);
    LLVMValueRef odd = LLVMBuildAnd(e->b, element, const_int(type, 1), "");
    LLVMValueRef second = LLVMBuildAnd(e->b, element, const_int(type, 2), "");
    odd = LLVMBuildICmp(e->b, LLVMIntNE, odd, LLVMConstNull(type), "");
    second = LLVMBuildICmp(e->b, LLVMIntNE, second, LLVMConstNull(type), "");
    LLVMValueRef low = LLVMBuildSelect(e->b, odd, c.word[1], c.word[0], "");
    LLVMValueRef high = LLVMBuildSelect(e->b, odd, c.word[3], c.word[2], "");
    return uniform(e, narrow(e, LLVMBuildSelect(e->b, second, high, low, "")));
}

/* Lane 4b + w is word w of block b. */
static LLVMValueRef draw_consecutive(Emit *e, const Expr *x, const Linear *first) {
    uint32_t lanes = e->vector.lanes, blocks = lanes / 4;
    LLVMTypeRef i64 = LLVMInt64TypeInContext(e->c);
    uint32_t depth;
    LLVMValueRef base = linear_code(e, first, &depth);
    LLVMValueRef start = const_i64(e, first->constant);
    base = base ? LLVMBuildAdd(e->b, base, start, "") : start;
    base = LLVMBuildLShr(e->b, base, LLVMConstInt(i64, 2, 0), "");
    if (blocks > 1)
        base = LLVMBuildAdd(e->b, splat(e, base, blocks), lane_numbers(e, i64, blocks), "");
    Blocks c = philox(e, base, x);
    LLVMTypeRef i32 = LLVMInt32TypeInContext(e->c);
    LLVMValueRef words[4];
    for (int w = 0; w < 4; w++) {
        words[w] = narrow(e, c.word[w]);
        if (blocks == 1)
            words[w] = LLVMBuildInsertElement(e->b, LLVMGetPoison(LLVMVectorType(i32, 1)), words[w],
                                              const_i64(e, 0), "");
    }
    int order[128];
    INVARIANT(lanes <= 128);
    for (uint32_t i = 0; i < 2 * blocks; i++) order[i] = (int)i;
    LLVMValueRef low = shuffle(e, words[0], words[1], order, 2 * blocks);
    LLVMValueRef high = shuffle(e, words[2], words[3], order, 2 * blocks);
    for (uint32_t i = 0; i < lanes; i++) /* word w of block b stands at w * blocks + b */
        order[i] = (int)((i % 4) * blocks + i / 4);
    return uniform(e, shuffle(e, low, high, order, lanes));
}

LLVMValueRef emit_random(Emit *e, const Expr *x) {
    if (!expr_varies(e, x->args[0])) return draw_each(e, x, emit_index(e, x->args[0]));
    Linear l;
    bool consecutive = linear_of(e, x->args[0], &l) && l.lane == 1 && e->vector.lanes >= 4 &&
                       linear_multiple(e, &l) % 4 == 0;
    if (consecutive) return draw_consecutive(e, x, &l);
    return draw_each(e, x, emit_vector(e, x->args[0]));
}
