/* A program of its own: no C library, no start-up code, no allocation. It learns the product of two
 * numbers from a stream of examples and says how well; Linux is asked for nothing but to write and
 * to exit. On a board the two functions `say` and `leave` are what changes.
 *
 *   bmc model.bm -o model.a --freestanding --static-batch 8
 *   cc -O2 -ffreestanding -nostdlib -static -o learn main.c model.a && ./learn
 */
#include "model.h"

#if defined __x86_64__
static long system_call(long number, long a, const void *b, long c) {
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}
enum { WRITE = 1, EXIT = 60 };
#define ENTRY __attribute__((force_align_arg_pointer))
#elif defined __aarch64__
static long system_call(long number, long a, const void *b, long c) {
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x2 __asm__("x2") = c;
    register const void *x1 __asm__("x1") = b;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}
enum { WRITE = 64, EXIT = 93 };
#define ENTRY
#else
#error "say how this machine writes and exits"
#endif

/* The one function that the model needs from outside. */
void *memcpy(void *to, const void *from, size_t bytes) {
    char *t = to;
    const char *f = from;
    while (bytes--) {
        *t++ = *f++;
        __asm__ volatile("" ::: "memory"); /* or the loop would become a call of memcpy */
    }
    return to;
}

static void leave(int code) {
    for (;;) system_call(EXIT, code, 0, 0);
}

static void say(const char *text) {
    long length = 0;
    while (text[length]) length++;
    if (system_call(WRITE, 1, text, length) != length) leave(9);
}

/* "0.1234"; the number is not negative. */
static void say_number(float value) {
    char text[16];
    int at = 15;
    const long units = (long)(value * 10000.0f + 0.5f);
    text[at] = 0;
    for (long digits = 0, rest = units % 10000; digits < 4; digits++, rest /= 10)
        text[--at] = (char)('0' + rest % 10);
    text[--at] = '.';
    for (long rest = units / 10000, first = 1; first || rest; first = 0, rest /= 10)
        text[--at] = (char)('0' + rest % 10);
    say(text + at);
}

static float next(unsigned *state) { /* in [-1, 1) */
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 8388608.0f - 1.0f;
}

static _Alignas(MODEL_MEMORY_ALIGNMENT) char memory[MODEL_MEMORY_BYTES];

static void learn(void) {
    model *m;
    unsigned state = 1;
    float x[MODEL_BATCH][2], y[MODEL_BATCH], out[MODEL_BATCH], loss = 0, early = 0, late = 0;
    if (model_open(&m, memory, sizeof memory) != 0) {
        say(model_error(m));
        leave(1);
    }
    for (int step = 0; step < 4000; step++) {
        for (int i = 0; i < MODEL_BATCH; i++) {
            x[i][0] = next(&state);
            x[i][1] = next(&state);
            y[i] = x[i][0] * x[i][1];
        }
        if (model_train_step(m, &x[0][0], y, &loss) != 0) {
            say(model_error(m));
            leave(2);
        }
        if (step < 100) early += loss / 100;
        if (step >= 3900) late += loss / 100;
    }
    say("mean squared error of the first hundred steps ");
    say_number(early);
    say("\nmean squared error of the last hundred steps  ");
    say_number(late);
    for (int i = 0; i < MODEL_BATCH; i++) x[i][0] = 0.5f, x[i][1] = 0.8f;
    if (model_predict(m, &x[0][0], out) != 0) leave(3);
    say("\n0.5 times 0.8 is about ");
    say_number(out[0] < 0 ? 0 : out[0]);
    say("\n");
    leave(late < early / 10 ? 0 : 4);
}

ENTRY void _start(void) {
    learn();
}
