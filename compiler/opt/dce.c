/* Dead code: keeps what outputs, writes and guard reach.
 * Why here: later passes count readers and plan memory for every node they see.
 * Precondition: no GRAD. Postcondition: every node is live. Cost: linear. */
#include "compiler/opt/opt.h"
#include "compiler/opt/rewrite.h"

Graph *opt_dce(const Graph *g) {
    return rewrite_where(opt_bodies(g, opt_dce), NULL, NULL, NULL);
}
