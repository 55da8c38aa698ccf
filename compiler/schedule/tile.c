/* placeholder until the tiles land */
#include "compiler/schedule/lower.h"
bool lower_tiles(Lower *l) {
    (void)l;
    return false;
}
