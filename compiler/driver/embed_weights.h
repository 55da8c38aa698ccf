/* `bmc build --embed-weights`: a library that carries its weights. */
#ifndef BMC_DRIVER_EMBED_WEIGHTS_H
#define BMC_DRIVER_EMBED_WEIGHTS_H

#include "compiler/driver/pipeline.h"

/* After `elaborate`: reads the safetensors file and gives the program's parameters, states, fitted
 * statistics and vocabularies its values. False, with the run-time's own error, when the file
 * cannot be read or does not fit; then nothing has changed. */
bool embed_weights(Pipeline *p, const char *path);

#endif
