# `cmake --install build`: the program, the libraries, their headers, the files by which pkg-config and CMake
# find them, the manual page and shell completions. `cmake --build build --target uninstall` takes it all
# back. The Debian package (`cpack`) is the same tree.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(installed ${CMAKE_BINARY_DIR}/installed)

# Headers: in this tree they name each other by their folders, installed they lie side by side.
function(bmc_public_header from to)
  file(READ ${CMAKE_SOURCE_DIR}/${from} text)
  string(REPLACE "\"runtime/include/bmrt.h\"" "\"bmrt.h\"" text "${text}")
  file(CONFIGURE OUTPUT ${installed}/include/${to} CONTENT "${text}" @ONLY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${from})
  install(FILES ${installed}/include/${to} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/bmc COMPONENT dev)
endfunction()
bmc_public_header(compiler/include/bmc.h bmc.h)
bmc_public_header(runtime/include/bmrt.h bmrt.h)
bmc_public_header(runtime/train/train.h bmrt_train.h)

# libbmc.so: the compiler and the runtime with their trainer. What is not in the headers is hidden, LLVM too.
set(symbols ${CMAKE_SOURCE_DIR}/cmake/libbmc.symbols)
set(api embed inspect builder builder_check builder_calls builder_ops) # the files that define bmc.h
list(TRANSFORM api REPLACE "(.+)" "${CMAKE_SOURCE_DIR}/compiler/driver/\\1.c")
add_library(bmc_shared SHARED ${api})
target_compile_definitions(bmc_shared PRIVATE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE
  BMC_VERSION="${PROJECT_VERSION}")
target_link_libraries(bmc_shared PRIVATE bmc_driver
  -Wl,--whole-archive $<TARGET_FILE:bmc_runtime> -Wl,--no-whole-archive
  -Wl,--version-script=${symbols} -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
  -Wl,--build-id=sha1) # tells builds apart in the cache
set_target_properties(bmc_shared PROPERTIES OUTPUT_NAME bmc LINK_DEPENDS ${symbols}
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}
  LINKER_LANGUAGE CXX)

# Manual page and completions, written by the program itself.
set(pages)
foreach(page man:bmc.1 completion-bash:bmc.bash completion-zsh:_bmc completion-fish:bmc.fish)
  string(REPLACE ":" ";" page ${page})
  list(GET page 0 topic)
  list(GET page 1 file)
  add_custom_command(OUTPUT ${installed}/${file} DEPENDS bmc
    COMMAND ${CMAKE_COMMAND} -E make_directory ${installed}
    COMMAND bmc help ${topic} > ${installed}/${file} VERBATIM)
  list(APPEND pages ${installed}/${file})
endforeach()
find_program(GZIP gzip)
if(GZIP)
  add_custom_command(OUTPUT ${installed}/bmc.1.gz DEPENDS ${installed}/bmc.1
    COMMAND ${GZIP} -9nkf ${installed}/bmc.1 VERBATIM)
  list(APPEND pages ${installed}/bmc.1.gz)
endif()
configure_file(${CMAKE_SOURCE_DIR}/cmake/bmc.3 ${installed}/bmc.3 @ONLY)
set(library_manual ${installed}/bmc.3)
if(GZIP)
  set(library_manual ${installed}/bmc.3.gz)
  add_custom_command(OUTPUT ${library_manual} DEPENDS ${installed}/bmc.3
    COMMAND ${GZIP} -9nkf ${installed}/bmc.3 VERBATIM)
  list(APPEND pages ${library_manual})
endif()
add_custom_target(pages ALL DEPENDS ${pages})
set(manual ${installed}/bmc.1$<$<BOOL:${GZIP}>:.gz>)
install(FILES ${manual} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT bmc)
install(FILES ${library_manual} DESTINATION ${CMAKE_INSTALL_MANDIR}/man3 COMPONENT dev)
install(FILES ${installed}/bmc.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME bmc COMPONENT bmc)
install(FILES ${installed}/_bmc DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT bmc)
install(FILES ${installed}/bmc.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT bmc)

install(TARGETS bmc RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT bmc)
install(TARGETS bmc_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
  NAMELINK_COMPONENT dev)
install(FILES $<TARGET_FILE:bmc_runtime> DESTINATION ${CMAKE_INSTALL_LIBDIR} RENAME libbmrt.a COMPONENT dev)

# relative to where they lie, so that an installed tree may be moved
file(RELATIVE_PATH BMC_PREFIX_FROM_PC /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
foreach(library bmc bmrt)
  configure_file(${CMAKE_SOURCE_DIR}/cmake/${library}.pc.in ${installed}/${library}.pc @ONLY)
  install(FILES ${installed}/${library}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)
endforeach()
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/bmcConfig.cmake.in ${installed}/bmcConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/bmc
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_BINDIR)
write_basic_package_version_file(${installed}/bmcConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${installed}/bmcConfig.cmake ${installed}/bmcConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/bmc COMPONENT dev)
install(FILES ${CMAKE_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT bmc)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs ${CMAKE_SOURCE_DIR}/examples DESTINATION ${CMAKE_INSTALL_DOCDIR}
  COMPONENT bmc)

add_custom_target(uninstall COMMAND ${CMAKE_COMMAND} -DMANIFEST=${CMAKE_BINARY_DIR}/install_manifest.txt
  -P ${CMAKE_SOURCE_DIR}/cmake/uninstall.cmake VERBATIM)
