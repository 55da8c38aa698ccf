/* Spelling distance, for "did you mean". */
#include "compiler/support/text.h"

#include <ctype.h>
#include <string.h>

enum { WORD_MAX = 64 }; /* longer names get no suggestion */

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* Optimal string alignment: insert, delete, replace, swap neighbours. Three rolling rows. */
uint32_t edit_distance(const char *a, const char *b, uint32_t limit) {
    size_t na = strlen(a), nb = strlen(b);
    if (na > WORD_MAX || nb > WORD_MAX) return limit + 1;
    uint32_t rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= nb; j++) rows[0][j] = (uint32_t)j;
    for (size_t i = 1; i <= na; i++) {
        uint32_t *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= nb; j++) {
            uint32_t change = up[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(change, least(up[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], up2[j - 2] + 1);
        }
    }
    uint32_t d = rows[na % 3][nb];
    return d > limit ? limit + 1 : d;
}

void nearest_offer(Nearest *n, const char *candidate) {
    uint32_t limit = strlen(n->wanted) <= 3 ? 1 : 2;
    uint32_t d = edit_distance(n->wanted, candidate, limit);
    if (d > limit || d == 0) return;
    /* every other name of one letter is as near, but for its case */
    if (strlen(n->wanted) <= d && tolower(*n->wanted) != tolower(*candidate)) return;
    if (n->best && n->distance <= d) return;
    n->best = candidate;
    n->distance = d;
}
