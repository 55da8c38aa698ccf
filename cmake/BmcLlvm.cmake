# LLVM, linked statically so that `bmc` starts in milliseconds and needs nothing installed.
# Target `bmc_llvm`: headers and libraries of the components we use. LLVM_CONFIG overrides the search.
find_program(LLVM_CONFIG NAMES llvm-config-22 llvm-config-21 llvm-config-20 llvm-config-19 REQUIRED)
execute_process(COMMAND ${LLVM_CONFIG} --version OUTPUT_VARIABLE BMC_LLVM_VERSION
  OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND ${LLVM_CONFIG} --includedir OUTPUT_VARIABLE BMC_LLVM_INCLUDE
  OUTPUT_STRIP_TRAILING_WHITESPACE)
# The machines of compiler/codegen/machines.c, as far as this LLVM has them; what it lacks is refused by name.
execute_process(COMMAND ${LLVM_CONFIG} --targets-built OUTPUT_VARIABLE built
  OUTPUT_STRIP_TRAILING_WHITESPACE)
separate_arguments(built UNIX_COMMAND "${built}")
set(BMC_LLVM_TARGETS "")
foreach(target X86 AArch64 RISCV)
  if(target IN_LIST built)
    list(APPEND BMC_LLVM_TARGETS ${target})
  endif()
endforeach()
string(TOLOWER "${BMC_LLVM_TARGETS}" components)
execute_process(
  COMMAND ${LLVM_CONFIG} --link-static --ldflags --libs ${components} orcjit passes core analysis bitwriter target
  OUTPUT_VARIABLE BMC_LLVM_LIBS OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND ${LLVM_CONFIG} --link-static --system-libs
  OUTPUT_VARIABLE BMC_LLVM_SYSTEM OUTPUT_STRIP_TRAILING_WHITESPACE)
separate_arguments(BMC_LLVM_LIBS UNIX_COMMAND "${BMC_LLVM_LIBS}")
separate_arguments(BMC_LLVM_SYSTEM UNIX_COMMAND "${BMC_LLVM_SYSTEM}")
message(STATUS "LLVM ${BMC_LLVM_VERSION} (${LLVM_CONFIG}) for ${BMC_LLVM_TARGETS}")
add_library(bmc_llvm INTERFACE)
target_include_directories(bmc_llvm SYSTEM INTERFACE ${BMC_LLVM_INCLUDE})
# What `bmc help` costs is the loader's work: a C++ library of its own inside, and relocations in packed form, pay for
# what three machines' code generators add (docs/results.md).
execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=libstdc++.a OUTPUT_VARIABLE BMC_STDCXX
  OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT IS_ABSOLUTE "${BMC_STDCXX}" OR CMAKE_BUILD_TYPE STREQUAL "Sanitize")
  set(BMC_STDCXX stdc++)
else()
  target_link_options(bmc_llvm INTERFACE -static-libgcc)
endif()
include(CheckLinkerFlag)
check_linker_flag(C -Wl,-z,pack-relative-relocs BMC_LINKER_PACKS)
if(BMC_LINKER_PACKS AND NOT CMAKE_BUILD_TYPE STREQUAL "Sanitize")
  target_link_options(bmc_llvm INTERFACE -Wl,-z,pack-relative-relocs)
endif()
target_link_libraries(bmc_llvm INTERFACE ${BMC_LLVM_LIBS} ${BMC_LLVM_SYSTEM} ${BMC_STDCXX})
target_link_options(bmc_llvm INTERFACE -Wl,--gc-sections)
string(TOUPPER "${BMC_LLVM_TARGETS}" defines)
list(TRANSFORM defines PREPEND BMC_LLVM_)
target_compile_definitions(bmc_llvm INTERFACE ${defines})
