# The loop interpreter is part of every test here.
add_library(bmc_test_loop_interp STATIC ${CMAKE_CURRENT_SOURCE_DIR}/schedule/loop_interp.c
  ${CMAKE_CURRENT_SOURCE_DIR}/schedule/loop_scalar.c)
target_include_directories(bmc_test_loop_interp PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/schedule)
target_link_libraries(bmc_test_loop_interp PUBLIC bmc_loop bmc_graph)
foreach(source ${tests})
  get_filename_component(name ${source} NAME_WE)
  target_link_libraries(${name} PRIVATE bmc_test_loop_interp)
endforeach()
if(CMAKE_BUILD_TYPE STREQUAL "Sanitize") # the sanitizers look at each kind once; the release build at more
  set_tests_properties(schedule/test_schedule_random PROPERTIES ENVIRONMENT "SCHEDULE_SEEDS=0-4")
endif()
