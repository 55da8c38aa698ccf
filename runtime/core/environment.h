/* The floating-point environment of the numeric contract: round to nearest, denormals neither
 * flushed nor read as zero, exceptions masked. A host may have set something else on its threads.
 */
#ifndef BMRT_ENVIRONMENT_H
#define BMRT_ENVIRONMENT_H

#if defined __SSE__
#include <xmmintrin.h>

typedef unsigned BmrtEnvironment;
#define BMRT_MXCSR_DEFAULT 0x1f80u /* all masked, nearest, FTZ and DAZ off, no flags raised */

static inline BmrtEnvironment bmrt_environment_enter(void) {
    const unsigned caller = _mm_getcsr();
    _mm_setcsr(BMRT_MXCSR_DEFAULT);
    return caller;
}
static inline void bmrt_environment_leave(BmrtEnvironment caller) {
    _mm_setcsr(caller);
}
#elif defined __aarch64__
#include <stdint.h>

typedef uint64_t BmrtEnvironment; /* FPCR; 0: nearest, denormals kept, NaNs as they are */

static inline void bmrt_environment_leave(BmrtEnvironment caller) {
    __asm__ volatile("msr fpcr, %0" : : "r"(caller));
}
static inline BmrtEnvironment bmrt_environment_enter(void) {
    BmrtEnvironment caller;
    __asm__ volatile("mrs %0, fpcr" : "=r"(caller));
    if (caller != 0) bmrt_environment_leave(0); /* writing it costs a wait, reading does not */
    return caller;
}
#elif defined __riscv
typedef unsigned long BmrtEnvironment; /* frm; 0: nearest. There is no other mode to set. */

static inline BmrtEnvironment bmrt_environment_enter(void) {
    BmrtEnvironment caller;
    __asm__ volatile("fsrm %0, x0" : "=r"(caller));
    return caller;
}
static inline void bmrt_environment_leave(BmrtEnvironment caller) {
    __asm__ volatile("fsrm %0" : : "r"(caller));
}
#else
#include <fenv.h>

typedef fenv_t BmrtEnvironment;

static inline BmrtEnvironment bmrt_environment_enter(void) {
    BmrtEnvironment caller;
    fegetenv(&caller);
    fesetenv(FE_DFL_ENV);
    return caller;
}
static inline void bmrt_environment_leave(BmrtEnvironment caller) {
    fesetenv(&caller);
}
#endif

#endif
