/* Learns to balance a pole on a cart: the environment, the memory of what happened, and the choice
 * of actions are C; values, loss, gradient, update and target are the compiled model. bmc model.bm
 * -o cartpole.so && cc -O2 -o host host.c ./cartpole.so -Wl,-rpath,. -lm && ./host Prints the mean
 * length of episodes as it learns; exit code 1 when the result balances too short. */
#include "cartpole.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MEMORY = 10000, BATCH = 64, EPISODE_MAX = 200, STEPS = 40000, TRIALS = 20 };

/* ---- draws: xorshift64*, Vigna 2016 */

static uint64_t draws = 88172645463325252u;

static double uniform(void) {
    draws ^= draws >> 12;
    draws ^= draws << 25;
    draws ^= draws >> 27;
    return (double)(draws * 2685821657736338717u >> 11) / 9007199254740992.0;
}

/* ---- the cart: Barto, Sutton, Anderson 1983; state: position, speed, angle, angular speed */

static void cart_start(float s[4]) {
    for (int i = 0; i < 4; i++) s[i] = (float)(0.1 * uniform() - 0.05);
}

/* A push to the left (0) or right (1) for 20 ms; 1: it fell or ran off the track. */
static int cart_push(float s[4], int action) {
    const double gravity = 9.8, cart = 1.0, pole = 0.1, half = 0.5, seconds = 0.02;
    const double force = action ? 10 : -10, sine = sin(s[2]), cosine = cos(s[2]);
    const double mass = cart + pole;
    const double push = (force + pole * half * s[3] * s[3] * sine) / mass;
    const double turn =
        (gravity * sine - cosine * push) / (half * (4.0 / 3 - pole * cosine * cosine / mass));
    const double slide = push - pole * half * turn * cosine / mass;
    s[0] += (float)(seconds * s[1]);
    s[1] += (float)(seconds * slide);
    s[2] += (float)(seconds * s[3]);
    s[3] += (float)(seconds * turn);
    return fabsf(s[0]) > 2.4f || fabsf(s[2]) > 0.2095f;
}

/* ---- memory */

static struct {
    float s[MEMORY][4], after[MEMORY][4], reward[MEMORY], over[MEMORY];
    int32_t action[MEMORY];
    int count, next;
} memory;

static void remember(const float s[4], int action, const float after[4], int over) {
    const int i = memory.next;
    memcpy(memory.s[i], s, sizeof memory.s[i]);
    memcpy(memory.after[i], after, sizeof memory.after[i]);
    memory.action[i] = action;
    memory.reward[i] = 1;
    memory.over[i] = (float)over;
    memory.next = (i + 1) % MEMORY;
    if (memory.count < MEMORY) memory.count++;
}

/* One training step on a random batch of what happened. */
static int learn(cartpole *m) {
    static float s[BATCH][4], after[BATCH][4], reward[BATCH], over[BATCH], loss, mean;
    static int32_t action[BATCH];
    for (int i = 0; i < BATCH; i++) {
        const int k = (int)(uniform() * memory.count);
        memcpy(s[i], memory.s[k], sizeof s[i]);
        memcpy(after[i], memory.after[k], sizeof after[i]);
        action[i] = memory.action[k];
        reward[i] = memory.reward[k];
        over[i] = memory.over[k];
    }
    return cartpole_train_step(m, BATCH, s[0], action, reward, after[0], over, &loss, &mean);
}

/* ---- playing */

static double balance(cartpole *m) {
    int total = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        float s[4];
        int32_t action;
        cart_start(s);
        for (int t = 0, fell = 0; t < EPISODE_MAX && !fell; t++, total++) {
            if (cartpole_act(m, 1, s, &action) != 0) return 0;
            fell = cart_push(s, action);
        }
    }
    return (double)total / TRIALS;
}

int main(void) {
    cartpole *m;
    float s[4], after[4];
    if (cartpole_open(&m, NULL) != 0) return puts(m ? cartpole_error(m) : "out of memory"), 1;
    cartpole_set_threads(m, 1);
    const double before = balance(m);
    double learnt = before;
    printf("untrained: %.1f steps\n", before);
    cart_start(s);
    for (int step = 0, length = 0; step < STEPS && learnt < 195; step++) {
        const double wander = step < 4000 ? 1 - 0.95 * step / 4000 : 0.05;
        int32_t action = uniform() < 0.5;
        if (uniform() >= wander && cartpole_act(m, 1, s, &action) != 0) break;
        memcpy(after, s, sizeof after);
        const int fell = cart_push(after, action);
        remember(s, action, after, fell);
        memcpy(s, after, sizeof s);
        if (fell || ++length == EPISODE_MAX) {
            cart_start(s);
            length = 0;
        }
        if (memory.count >= 500 && learn(m) != 0) return puts(cartpole_error(m)), 1;
        if (step % 1000 == 999) {
            learnt = balance(m);
            printf("after %5d pushes: %.1f steps\n", step + 1, learnt);
        }
    }
    learnt = balance(m);
    printf("balances for %.1f of %d steps\n", learnt, EPISODE_MAX);
    cartpole_close(m);
    return learnt > 150 && learnt > 3 * before ? 0 : 1;
}
