# LLVM, linked statically so that `bmc` starts in milliseconds and needs nothing installed.
# Target `bmc_llvm`: headers and libraries of the components we use. LLVM_CONFIG overrides the search.
find_program(LLVM_CONFIG NAMES llvm-config-22 llvm-config-21 llvm-config-20 llvm-config-19 REQUIRED)
execute_process(COMMAND ${LLVM_CONFIG} --version OUTPUT_VARIABLE BMC_LLVM_VERSION
  OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND ${LLVM_CONFIG} --includedir OUTPUT_VARIABLE BMC_LLVM_INCLUDE
  OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(
  COMMAND ${LLVM_CONFIG} --link-static --ldflags --libs x86 orcjit passes core analysis bitwriter target
  OUTPUT_VARIABLE BMC_LLVM_LIBS OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND ${LLVM_CONFIG} --link-static --system-libs
  OUTPUT_VARIABLE BMC_LLVM_SYSTEM OUTPUT_STRIP_TRAILING_WHITESPACE)
separate_arguments(BMC_LLVM_LIBS UNIX_COMMAND "${BMC_LLVM_LIBS}")
separate_arguments(BMC_LLVM_SYSTEM UNIX_COMMAND "${BMC_LLVM_SYSTEM}")
message(STATUS "LLVM ${BMC_LLVM_VERSION} (${LLVM_CONFIG})")
add_library(bmc_llvm INTERFACE)
target_include_directories(bmc_llvm SYSTEM INTERFACE ${BMC_LLVM_INCLUDE})
target_link_libraries(bmc_llvm INTERFACE ${BMC_LLVM_LIBS} ${BMC_LLVM_SYSTEM} stdc++)
target_link_options(bmc_llvm INTERFACE -Wl,--gc-sections)
