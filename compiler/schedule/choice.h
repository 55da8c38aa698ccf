/* What may be chosen of a contraction's kernel without changing a bit of its result: the tile, the
 * blocks of k, which operands are copied. tile_choice.c, tile_panel.c and layout.c find it by a
 * model of the cost; ScheduleChoices (schedule.h) may say otherwise, problem by problem. */
#ifndef BMC_SCHEDULE_CHOICE_H
#define BMC_SCHEDULE_CHOICE_H

#include "compiler/schedule/sched.h"

struct Tile;

/* The contraction in words that do not depend on the program it stands in: what is summed, how its
 * operands lie. Equal words: one choice. In the arena. */
const char *choice_problem(const Sched *s, NodeId contract);
/* What was said about the contraction; never NULL. */
const Choice *choice_of(const Sched *s, NodeId contract);
/* Writes down in the kernel what it is made for (NULL: no tiles) and how, and offers what could be
 * tried instead. */
void choice_note(const Sched *s, Kernel *k, const struct Tile *t, bool panels, bool row_panels,
                 bool near);

#endif
