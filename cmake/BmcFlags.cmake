# Flags every target shares. Float semantics are part of the numeric contract (docs/numerics.md): no
# contraction, no fast-math; fused multiply-add only where the code calls fma.
add_library(bmc_flags INTERFACE)
target_include_directories(bmc_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_compile_options(bmc_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror
  -Wstrict-prototypes -Wmissing-prototypes -fvisibility=hidden
  -ffp-contract=off -fno-fast-math)
if(CMAKE_BUILD_TYPE STREQUAL "Sanitize")
  set(CMAKE_C_FLAGS_SANITIZE "-O1 -g" CACHE STRING "" FORCE)
  target_compile_options(bmc_flags INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(bmc_flags INTERFACE -fsanitize=address,undefined)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Thread") # races; LLVM and compiled models are not watched, what drives them is
  set(CMAKE_C_FLAGS_THREAD "-O1 -g" CACHE STRING "" FORCE)
  target_compile_options(bmc_flags INTERFACE -fsanitize=thread -fno-omit-frame-pointer
    -Wno-maybe-uninitialized) # wrong where the sanitizer has rewritten the code
  target_link_options(bmc_flags INTERFACE -fsanitize=thread)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Fuzz") # tools/fuzz; needs clang
  set(CMAKE_C_FLAGS_FUZZ "-O1 -g" CACHE STRING "" FORCE)
  target_compile_options(bmc_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(bmc_flags INTERFACE -fsanitize=address,undefined)
endif()
