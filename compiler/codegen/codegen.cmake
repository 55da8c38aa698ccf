# The code generator carries the runtime's core as bytes (runtime_objects.c): it is built first, and again
# when the core changes.
if(TARGET bmc_codegen)
  set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/runtime_objects.c PROPERTIES
    OBJECT_DEPENDS "${BMRT_OBJECTS};${CMAKE_BINARY_DIR}/generated/runtime_objects.def")
  add_dependencies(bmc_codegen bmrt_objects)
  target_link_libraries(bmc_codegen PUBLIC bmc_runtime) # bmrt_sequence_run, for the JIT
  target_compile_definitions(bmc_codegen PRIVATE _POSIX_C_SOURCE=200809L
    BMC_VERSION="${PROJECT_VERSION}")
endif()
