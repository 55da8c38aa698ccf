# The pipeline, the options and the commands as a library (tests link it); the program `bmc`.
file(GLOB driver_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.c)
list(REMOVE_ITEM driver_sources ${CMAKE_CURRENT_LIST_DIR}/main.c)
add_library(bmc_driver STATIC ${driver_sources})
target_compile_definitions(bmc_driver PRIVATE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE
  BMC_VERSION="${PROJECT_VERSION}" BMC_LLVM_VERSION="${BMC_LLVM_VERSION}")
target_link_libraries(bmc_driver PUBLIC bmc_flags)
target_link_libraries(bmc_driver PUBLIC bmc_syntax bmc_sema bmc_autodiff bmc_opt bmc_interp
  bmc_schedule bmc_loop bmc_codegen bmc_runtime bmc_lsp)
add_executable(bmc ${CMAKE_CURRENT_LIST_DIR}/main.c)
target_compile_definitions(bmc PRIVATE _POSIX_C_SOURCE=200809L)
target_link_libraries(bmc PRIVATE bmc_driver)
target_link_options(bmc PRIVATE -Wl,--build-id=sha1) # tells builds apart in the cache (build_id.c)
set_target_properties(bmc PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
