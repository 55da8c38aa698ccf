/* `bmc profile`: what its files share. The command (profile_command.c) runs an entry whose threads
 * read a clock after each kernel (profile_record.c), on rows of the model's data or on made-up
 * inputs (profile_run.c), beside what the machine can do (machine_peak.c), and tells it as a table
 * or JSON (profile_report.c), a trace (profile_trace.c) and a roofline (profile_roofline.c). */
#ifndef BMC_DRIVER_PROFILE_H
#define BMC_DRIVER_PROFILE_H

#include "compiler/driver/pipeline.h"

/* ---- the machine */

typedef struct MachinePeak { /* measured on `threads` threads at once */
    int32_t threads;
    double fma_gflops; /* multiply-adds on f32 vectors, in registers */
    double memory_gbs; /* a = b + 3 c over arrays beyond the caches, 12 bytes an element */
    double cache_gbs;  /* ... over arrays of a core's second-level cache */
} MachinePeak;
/* Takes about 0.2 s. False with a diagnostic. */
bool machine_peak(Context *ctx, const CodegenOptions *options, int32_t threads, MachinePeak *out);

/* ---- recording */

typedef enum RecordMode {
    RECORD_NOTHING, /* warming up */
    RECORD_STEP,    /* how long the whole step takes */
    RECORD_KERNELS, /* also each kernel, on each thread */
    RECORD_TRACE    /* also when */
} RecordMode;

typedef struct Stamp { /* an item of the order ended */
    uint32_t position;
    uint64_t ticks;
} Stamp;

typedef struct ThreadRecord {
    _Alignas(64) uint64_t begin, last, end; /* ticks, of the step in progress or just done */
    bool here;                              /* this thread is in a step that is recorded */
    uint64_t *ticks;                        /* per position of the order: spent since cleared */
    uint64_t *calls;                        /* ... over all steps */
    Stamp *stamps;                          /* RECORD_TRACE */
    uint32_t stamp_count, stamp_room;
} ThreadRecord;

/* `mode` changes between steps only, while no thread is in one. */
typedef struct Recorder {
    RecordMode mode;
    int32_t threads; /* that there are */
    int32_t team;    /* that steps are recorded of: those that this many ran; 0: not known yet */
    int32_t ran;     /* of the latest step */
    uint32_t positions;
    ThreadRecord *of_thread;
    double ns_per_tick;
} Recorder;

/* positions: items of the entry's order. */
Recorder *recorder_create(Arena *arena, int32_t threads, uint32_t positions);
/* The BmrtMark of the entry; user: the recorder. */
void recorder_mark(void *user, int32_t thread, int32_t threads, uint32_t position);
/* Nanoseconds of the step just done, from the first thread's start to the last one's end; negative
 * when the team did not run it together. */
double recorder_step_ns(const Recorder *r);
/* Room for the stamps of `steps` steps like those recorded so far, of which there were `done`;
 * drops the stamps there are. */
void recorder_trace_room(Recorder *r, Arena *arena, uint64_t done, uint32_t steps);
/* Ticks of the recorder's clock, and what one is worth: watch two moments that lie apart. */
uint64_t recorder_ticks(void);

/* ---- running */

typedef struct Profile {
    Pipeline *p;
    uint32_t entry;    /* of the program, and of the model: they agree */
    const char *block; /* name of its train block; NULL: unnamed, or an export */
    bool real_data;
    double seconds; /* to run for */
    Recorder *recorder;
    MachinePeak peak;
    int64_t *symbols; /* per symbol of the entry: the size it ran at */
    int64_t batch;    /* rows of a whole batch; real data */
    bool warm;
    double started;
    uint32_t alone;        /* steps that the team did not run together */
    VEC(double) plain_ns;  /* steps timed as wholes */
    VEC(double) marked_ns; /* steps whose kernels were timed, too */
    VEC(float *) kept;     /* of each of those, ticks per thread and position */
    uint32_t traced;       /* of those, steps with stamps */
    double data_ns;        /* real data: between two steps, the median */
} Profile;

/* Steps of a train block on its data; made-up inputs else. */
ExitCode profile_run(Profile *f);

/* ---- telling */

typedef struct KernelRow {
    const Kernel *kernel; /* NULL: waiting at barriers */
    uint32_t number;
    Place place;         /* line 0: none */
    double calls;        /* a step */
    double ms;           /* a step: the thread that spent most */
    double share;        /* of all threads' time */
    double flops, bytes; /* a step */
} KernelRow;

typedef struct ProfileResult {
    const char *entry;
    uint64_t steps;
    double step_ms, least_ms, marked_ms; /* median, minimum; median of steps with time stamps */
    double flops;                        /* of the contractions, a step */
    VEC(KernelRow) rows;                 /* most expensive first; barriers last */
    double other_share;                  /* of no row: entering and leaving */
} ProfileResult;

void profile_result(const Profile *f, ProfileResult *out);
void profile_table(const Profile *f, const ProfileResult *r, Text *out);
void profile_json(const Profile *f, const ProfileResult *r, Text *out);
/* "mlp.bm:9", or "". */
const char *profile_place(const KernelRow *row, Arena *arena);
bool profile_trace(const Profile *f, const char *path);
bool profile_roofline(const Profile *f, const ProfileResult *r, const char *path);

#endif
