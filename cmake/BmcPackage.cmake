# Three Debian packages, built by tools/package: bmc (the program), libbmc0 (the compiler as a library),
# libbmc-dev (headers, the runtime to link statically, files for pkg-config and CMake).
set(package ${CMAKE_BINARY_DIR}/package)
# Who builds it maintains it: Debian's own variables say who that is.
set(BMC_MAINTAINER "The bmc authors <root@localhost>")
if(DEFINED ENV{DEBEMAIL})
  set(BMC_MAINTAINER "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
endif()
find_program(GZIP gzip)
if(GZIP)
  configure_file(${CMAKE_SOURCE_DIR}/cmake/debian/changelog ${package}/changelog @ONLY)
  execute_process(COMMAND ${GZIP} -9nkf ${package}/changelog)
endif()
foreach(pair bmc:bmc library:libbmc0 dev:libbmc-dev)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 component)
  list(GET pair 1 name)
  install(FILES ${CMAKE_SOURCE_DIR}/cmake/debian/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name}
    COMPONENT ${component})
  if(GZIP)
    install(FILES ${package}/changelog.gz DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name} COMPONENT ${component})
  endif()
  string(TOUPPER ${component} COMPONENT)
  set(CPACK_DEBIAN_${COMPONENT}_PACKAGE_NAME ${name})
  set(CPACK_DEBIAN_${COMPONENT}_FILE_NAME DEB-DEFAULT)
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME bmc)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "${BMC_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL bmc library dev)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
  WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_BMC_PACKAGE_SECTION science)
set(CPACK_DEBIAN_BMC_PACKAGE_RECOMMENDS "binutils | lld")
set(CPACK_COMPONENT_BMC_DESCRIPTION "compiler of neural networks to native code
bmc reads a model, its loss, optimizer and data from one text file,
differentiates it and compiles the whole training step to native code.
Models are trained, tested and run from the command line, or compiled to a
shared library that needs nothing else.")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${package}/triggers)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "compiler of neural networks to native code (library)
The bmc compiler and its runtime, to be embedded into other programs.")
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libbmc0 (= ${PROJECT_VERSION}), zlib1g-dev")
set(CPACK_COMPONENT_DEV_DESCRIPTION "compiler of neural networks to native code (development files)
Headers of the bmc compiler and of its runtime, the runtime as a static
library, and the files by which pkg-config and CMake find them.")
file(WRITE ${package}/triggers "activate-noawait ldconfig\n")
include(CPack)
