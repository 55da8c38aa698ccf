# Generates the parser and the scanner; BMC_GRAMMAR_SOURCES are compiled into bmc_syntax.
set(BMC_GRAMMAR_DIR ${CMAKE_BINARY_DIR}/generated/grammar)
file(MAKE_DIRECTORY ${BMC_GRAMMAR_DIR})
set(BMC_GRAMMAR_SOURCES ${BMC_GRAMMAR_DIR}/bmc.tab.c ${BMC_GRAMMAR_DIR}/bmc.tab.h
  ${BMC_GRAMMAR_DIR}/bmc.lex.c)
add_custom_command(
  OUTPUT ${BMC_GRAMMAR_DIR}/bmc.tab.c ${BMC_GRAMMAR_DIR}/bmc.tab.h
  COMMAND ${BISON_EXECUTABLE} -Wall -Werror -Wcounterexamples -o bmc.tab.c
    --defines=bmc.tab.h ${CMAKE_SOURCE_DIR}/grammar/bmc.y
  DEPENDS ${CMAKE_SOURCE_DIR}/grammar/bmc.y
  WORKING_DIRECTORY ${BMC_GRAMMAR_DIR}
  COMMENT "bison grammar/bmc.y" VERBATIM)
add_custom_command(
  OUTPUT ${BMC_GRAMMAR_DIR}/bmc.lex.c
  COMMAND ${FLEX_EXECUTABLE} -o bmc.lex.c ${CMAKE_SOURCE_DIR}/grammar/bmc.l
  DEPENDS ${CMAKE_SOURCE_DIR}/grammar/bmc.l
  WORKING_DIRECTORY ${BMC_GRAMMAR_DIR}
  COMMENT "flex grammar/bmc.l" VERBATIM)
# What the tools generate is held to fewer warnings than what we write.
set_source_files_properties(${BMC_GRAMMAR_DIR}/bmc.tab.c ${BMC_GRAMMAR_DIR}/bmc.lex.c PROPERTIES
  COMPILE_OPTIONS "-Wno-conversion;-Wno-sign-compare;-Wno-missing-prototypes;-Wno-unused-parameter;-Wno-unused-function;-Wno-shadow;-Wno-unused-but-set-variable")
