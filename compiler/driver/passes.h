/* The passes and the forms of a program between them, from passes.def and forms.def. */
#ifndef BMC_DRIVER_PASSES_H
#define BMC_DRIVER_PASSES_H

#include <stdbool.h>

typedef enum Form {
#define FORM(name, text, help) FORM_##name,
#include "compiler/driver/forms.def"
#undef FORM
    FORM_COUNT
} Form;

typedef enum PassId {
#define PASS(name, from, to, help) PASS_##name,
#include "compiler/driver/passes.def"
#undef PASS
    PASS_COUNT
} PassId;

typedef struct FormInfo {
    const char *name, *help;
} FormInfo;
const FormInfo *form_info(Form form);

typedef struct PassInfo {
    const char *name;
    Form from, to;
    const char *help;
} PassInfo;
const PassInfo *pass_info(PassId id);
/* A pass by its name, or the last pass that gives the form of that name. PASS_COUNT: none. */
PassId pass_find(const char *name);

#endif
