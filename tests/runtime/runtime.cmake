# Every runtime test is built with the hand-written model and the failing hooks.
foreach(source ${tests})
  get_filename_component(name ${source} NAME_WE)
  target_sources(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/runtime/fake_model.c)
endforeach()
