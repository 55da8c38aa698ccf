/* Places as editors count them: lines from 0, and characters from 0 in UTF-16 units. */
#ifndef BMC_LSP_TEXT_POSITION_H
#define BMC_LSP_TEXT_POSITION_H

#include "compiler/support/source.h"

#include <stdbool.h>

#include <jansson.h>

typedef struct Position {
    uint32_t line, character;
} Position;

Position position_of(const char *text, uint32_t length, uint32_t offset);
/* The byte at a position; past the end of a line its end, past the last line the text's end. */
uint32_t position_offset(const char *text, uint32_t length, Position p);
/* {"start": ..., "end": ...}; new reference. */
json_t *range_json(const char *text, uint32_t length, uint32_t begin, uint32_t end);
/* False when the value is no position. */
bool position_read(const json_t *value, Position *out);

#endif
