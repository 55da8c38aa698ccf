/* Buffers of the arena as boxes: phases by bytes. What plan_memory.c and skyline.c share. */
#ifndef BMC_SCHEDULE_SKYLINE_H
#define BMC_SCHEDULE_SKYLINE_H

#include "compiler/schedule/sched.h"

typedef struct Piece {
    uint32_t buffer;
    uint32_t first, last; /* phases */
    int64_t bytes, offset;
} Piece;

/* Which of the pieces that fit goes next: the greater by this. */
typedef enum SkylineChoice { SKYLINE_LONGEST, SKYLINE_LARGEST, SKYLINE_AREA } SkylineChoice;
enum { SKYLINE_CHOICES = 3 };

/* Puts `count` pieces over `phases` phases in the order in which they stack up: order[0] lies at
 * the bottom. Sets their offsets; pieces that live together do not overlap. False: out of range. */
bool skyline_place(Sched *s, Piece **order, uint32_t count, uint32_t phases, SkylineChoice choice);

#endif
