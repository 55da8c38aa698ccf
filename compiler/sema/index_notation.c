#include "compiler/sema/elaborate.h"
bool index_is_reduction(Sema *s, const Node *call) { (void)s; (void)call; return false; }
Value eval_index_reduction(Sema *s, const Node *call) { return sema_unsupported(s, call->span, "x"); }
void exec_index_assign(Sema *s, const Node *stmt, const Node *target, const Node *value, const Node *where) {
 (void)target,(void)value,(void)where; sema_unsupported(s, stmt->span, "index"); }
