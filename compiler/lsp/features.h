/* What an editor may ask about a document; each answers with a new JSON value (null: nothing). */
#ifndef BMC_LSP_FEATURES_H
#define BMC_LSP_FEATURES_H

#include "compiler/lsp/document.h"
#include "compiler/lsp/standard.h"

typedef json_t *(*Feature)(const Standard *standard, const Document *d, uint32_t offset);
json_t *feature_hover(const Standard *standard, const Document *d, uint32_t offset);
json_t *feature_definition(const Standard *standard, const Document *d, uint32_t offset);
json_t *feature_completion(const Standard *standard, const Document *d, uint32_t offset);
json_t *feature_formatting(const Standard *standard, const Document *d, uint32_t offset);
json_t *feature_symbols(const Standard *standard, const Document *d, uint32_t offset);

#endif
