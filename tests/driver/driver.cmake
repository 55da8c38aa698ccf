# Command-line tests: each cli/*.test is a shell script over cli/case.sh, run against the real `bmc`.
add_executable(make_data ${CMAKE_CURRENT_SOURCE_DIR}/driver/make_data.c)
target_compile_definitions(make_data PRIVATE _POSIX_C_SOURCE=200809L)
target_link_libraries(make_data PRIVATE bmc_flags ZLIB::ZLIB m)
file(GLOB cases CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/driver/cli/*.test)
foreach(case ${cases})
  get_filename_component(name ${case} NAME_WE)
  add_test(NAME driver/cli/${name} COMMAND sh ${case})
  set_tests_properties(driver/cli/${name} PROPERTIES TIMEOUT 300 ENVIRONMENT
    "BMC=$<TARGET_FILE:bmc>;MAKE_DATA=$<TARGET_FILE:make_data>;SOURCE=${CMAKE_SOURCE_DIR};BMC_CACHE_DIR=${CMAKE_BINARY_DIR}/cache")
endforeach()
add_test(NAME layers COMMAND ${CMAKE_SOURCE_DIR}/tools/check-layers)
add_test(NAME layers_faults COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/driver/check_layers_faults.sh
  ${CMAKE_SOURCE_DIR}/tools/check-layers)
file(GLOB DOC_PAGES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/*.md ${CMAKE_SOURCE_DIR}/examples/*/*.md)
add_test(NAME docs/programs COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/driver/check_snippets.sh $<TARGET_FILE:bmc>
  ${CMAKE_SOURCE_DIR}/README.md ${DOC_PAGES})
if(TARGET bmc_shared)
  add_test(NAME install COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/install/install.test)
  set_tests_properties(install PROPERTIES TIMEOUT 300 ENVIRONMENT
    "BMC=$<TARGET_FILE:bmc>;SOURCE=${CMAKE_SOURCE_DIR};BUILD=${CMAKE_BINARY_DIR};MAKE_DATA=")
endif()
if(TARGET bmc_shared)
  add_test(NAME library COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/install/library.test)
  set_tests_properties(library PROPERTIES ENVIRONMENT "BMC=;MAKE_DATA=;SOURCE=${CMAKE_SOURCE_DIR};BUILD=${CMAKE_BINARY_DIR}")
  add_test(NAME python COMMAND ${CMAKE_SOURCE_DIR}/tests/install/python.sh)
  set_tests_properties(python PROPERTIES TIMEOUT 300 ENVIRONMENT
    "BMC=$<TARGET_FILE:bmc>;BMC_LIBRARY=$<TARGET_FILE:bmc_shared>;SOURCE=${CMAKE_SOURCE_DIR}")
endif()
if(TARGET bmc_shared AND CMAKE_BINARY_DIR STREQUAL "${CMAKE_SOURCE_DIR}/build") # tools/wheel packs that one
  add_test(NAME wheel COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/install/wheel.sh)
  set_tests_properties(wheel PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77 ENVIRONMENT "SOURCE=${CMAKE_SOURCE_DIR}")
endif()
