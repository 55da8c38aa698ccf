/* The tables of passes and forms. */
#include "compiler/driver/passes.h"
#include <string.h>

static const FormInfo FORMS[] = {
#define FORM(name, text, help) {text, help},
#include "compiler/driver/forms.def"
#undef FORM
};

static const PassInfo PASSES[] = {
#define PASS(name, from, to, help) {#name, FORM_##from, FORM_##to, help},
#include "compiler/driver/passes.def"
#undef PASS
};

const FormInfo *form_info(Form form) {
    return &FORMS[form];
}

const PassInfo *pass_info(PassId id) {
    return &PASSES[id];
}

PassId pass_find(const char *name) {
    for (int i = 0; i < PASS_COUNT; i++)
        if (strcmp(PASSES[i].name, name) == 0) return (PassId)i;
    for (int i = PASS_COUNT - 1; i >= 0; i--)
        if (strcmp(FORMS[PASSES[i].to].name, name) == 0) return (PassId)i;
    return PASS_COUNT;
}
