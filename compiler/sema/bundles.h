/* Bundles: one tensor per parameter of a model or of a part of it, and parameters that stand in for
 * a model's own while it is evaluated. */
#ifndef BMC_SEMA_BUNDLES_H
#define BMC_SEMA_BUNDLES_H

#include "compiler/sema/elaborate.h"

/* `net(x, with = p)`: while it is evaluated, the parameters below `path` are those of the bundle.
 */
struct Substitution {
    const char *path;
    const Bundle *bundle;
    uint32_t next; /* where the next part probably is */
    struct Substitution *up;
};

bool value_as_bundle(Sema *s, Value v, Bundle **out, Span span);
const BundleItem *bundle_find(const Bundle *b, const char *path, uint32_t likely); /* or NULL */
Value bundle_member(Sema *s, const Bundle *b, const Node *e);
int bundle_same(const Bundle *a, const Bundle *b);
/* False: reported, with the paths that are missing, surplus or of another shape. whose: the root of
 * `want`, or NULL. */
bool bundles_fit(Sema *s, const Bundle *want, const Bundle *got, const char *whose, Span span);
bool path_within(const char *path, const char *root); /* at it or below */
bool is_frozen(Sema *s, const char *path);
bool substituted(Sema *s, uint32_t slot, NodeId *out); /* the parameter that stands in for a slot */
bool substitution_check(Sema *s, const Substitution *with, Span span);
bool substitution_same(const Substitution *a, const Substitution *b, const char *path);

#endif
