# Other machines and other linkers. The short tier tries one model; `ctest -C cross -L cross` all of them.
if(CMAKE_BUILD_TYPE STREQUAL "Sanitize") # it is machine code that they try
  return()
endif()
add_executable(ten_steps ${CMAKE_CURRENT_SOURCE_DIR}/cross/ten_steps.c)
target_compile_definitions(ten_steps PRIVATE _GNU_SOURCE)
target_link_libraries(ten_steps PRIVATE bmc_flags ${CMAKE_DL_LIBS})
set(cross_environment "BMC=$<TARGET_FILE:bmc>;TEN_STEPS=$<TARGET_FILE:ten_steps>;SOURCE=${CMAKE_SOURCE_DIR};MAKE_DATA=;BMC_CACHE_DIR=${CMAKE_BINARY_DIR}/cache")
function(cross_test name) # file, arguments...
  set(configurations CONFIGURATIONS cross)
  if(name MATCHES "linkers|mlp|multiversion")
    set(configurations "")
  endif()
  add_test(NAME cross/${name} COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/cross/${ARGV1}.test ${ARGV2} ${configurations})
  set_tests_properties(cross/${name} PROPERTIES TIMEOUT 600 LABELS cross SKIP_RETURN_CODE 77
    ENVIRONMENT "${cross_environment}")
endfunction()
foreach(model mlp cnn lstm transformer half)
  cross_test(${model} same_bits ${model})
endforeach()
cross_test(linkers linkers)
cross_test(multiversion multiversion)
cross_test(reproducible reproducible)
