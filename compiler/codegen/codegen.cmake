# The code generator carries the runtime's core as bytes (link_library.c): it is built first, and again
# when the core changes.
if(TARGET bmc_codegen)
  set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/link_library.c PROPERTIES
    COMPILE_DEFINITIONS "BMRT_CORE_OBJECT=\"${BMRT_CORE_OBJECT}\""
    OBJECT_DEPENDS ${BMRT_CORE_OBJECT})
  add_dependencies(bmc_codegen bmrt_core_object)
  target_link_libraries(bmc_codegen PUBLIC bmc_runtime) # bmrt_sequence_run, for the JIT
  target_compile_definitions(bmc_codegen PRIVATE _POSIX_C_SOURCE=200809L
    BMC_VERSION="${PROJECT_VERSION}")
endif()
