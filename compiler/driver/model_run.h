/* What the commands that run a compiled model share. */
#ifndef BMC_DRIVER_MODEL_RUN_H
#define BMC_DRIVER_MODEL_RUN_H

#include "compiler/driver/pipeline.h"
#include "runtime/train/train.h"

/* The folder of the .bm file ("." for a bare name). */
const char *model_folder(const Pipeline *p);
/* Lines of a runtime message as notes. */
void model_run_notes(Diag *d, const char *lines);
/* A failure of the runtime as a diagnostic. */
Diag *model_run_error(Pipeline *p, BmrtStatus status, const char *message);
/* At a place of `file` (NULL: the model's own); line 0: without a place. */
Diag *model_run_error_at(Pipeline *p, BmrtStatus status, const char *file, uint32_t line,
                         uint32_t column, const char *message);
/* Weights for `test` and `run` when --init names none: where training saves. NULL, with a
 * diagnostic, when there is no such file. The result may point into `path`. */
const char *model_weights(Pipeline *p, const BmrtTrainOptions *options, char *path, size_t size);

#endif
