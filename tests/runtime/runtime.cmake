# Every runtime test is built with the hand-written model and the failing hooks.
foreach(source ${tests})
  get_filename_component(name ${source} NAME_WE)
  target_sources(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/runtime/fake_model.c)
endforeach()

# The thread team once more, under the thread sanitizer (which cannot be mixed with the others).
include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_FLAGS -fsanitize=thread)
check_c_source_compiles("int main(void) { return 0; }" BMC_HAVE_TSAN)
unset(CMAKE_REQUIRED_FLAGS)
if(BMC_HAVE_TSAN AND NOT CMAKE_BUILD_TYPE STREQUAL "Sanitize")
  file(GLOB core_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/core/*.c)
  add_executable(test_team_tsan runtime/test_team.c runtime/fake_model.c ${core_sources})
  target_include_directories(test_team_tsan PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(test_team_tsan PRIVATE _POSIX_C_SOURCE=200809L TSAN=1
    BMC_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_compile_options(test_team_tsan PRIVATE -fsanitize=thread -O1 -g -ffp-contract=off)
  target_link_options(test_team_tsan PRIVATE -fsanitize=thread)
  target_link_libraries(test_team_tsan PRIVATE PkgConfig::CHECK Threads::Threads m)
  add_test(NAME runtime/test_team_tsan COMMAND test_team_tsan)
  set_tests_properties(runtime/test_team_tsan PROPERTIES TIMEOUT 300)
endif()
