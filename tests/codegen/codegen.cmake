foreach(name test_codegen_link)
  target_compile_definitions(${name} PRIVATE _DEFAULT_SOURCE)
  target_link_libraries(${name} PRIVATE ${CMAKE_DL_LIBS})
endforeach()
# The interpreter of loop programs is the oracle of hand-built ones.
foreach(name test_codegen_ops test_codegen_loops)
  target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/schedule/loop_interp.c
    ${CMAKE_SOURCE_DIR}/tests/schedule/loop_scalar.c)
endforeach()
