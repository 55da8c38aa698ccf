foreach(name test_codegen_link)
  target_compile_definitions(${name} PRIVATE _DEFAULT_SOURCE)
  target_link_libraries(${name} PRIVATE ${CMAKE_DL_LIBS})
endforeach()
