/* The base protocol of the Language Server Protocol: one JSON value, framed by a header that says
 * its length in bytes. */
#ifndef BMC_LSP_LSP_MESSAGE_H
#define BMC_LSP_LSP_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

typedef enum MessageRead {
    MESSAGE_OK,
    MESSAGE_END, /* the other side closed the stream */
    MESSAGE_BAD  /* no header, too long, or no JSON; the stream stands behind it */
} MessageRead;

/* *out is the caller's (json_decref) with MESSAGE_OK, else NULL. */
MessageRead message_read(FILE *in, json_t **out);
/* False when the stream cannot be written, or memory is short. */
bool message_write(FILE *out, const json_t *message);

#endif
