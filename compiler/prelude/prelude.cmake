# The prelude's text becomes part of bmc_sema.
file(GLOB prelude_inputs CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.bm)
string(REPLACE ";" "|" prelude_joined "${prelude_inputs}")
set(BMC_PRELUDE_SOURCES ${CMAKE_BINARY_DIR}/generated/prelude_text.c)
add_custom_command(
  OUTPUT ${BMC_PRELUDE_SOURCES}
  COMMAND ${CMAKE_COMMAND} "-DINPUTS=${prelude_joined}" -DOUTPUT=${BMC_PRELUDE_SOURCES}
          -P ${CMAKE_CURRENT_LIST_DIR}/embed.cmake
  DEPENDS ${prelude_inputs} ${CMAKE_CURRENT_LIST_DIR}/embed.cmake
  VERBATIM)
