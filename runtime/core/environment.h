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
