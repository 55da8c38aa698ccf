# What the compiler links into a library: the core as one relocatable object for each row (an architecture and a
# flavour), never instrumented. Cross compilers are used when they are found; what is not built in cannot be linked
# for (the compiler says so). The rows become generated/runtime_objects.def, read by
# compiler/codegen/runtime_objects.c; the target bmrt_objects makes them all. Flavours leave something out:
# runtime/without has what stands in for it.
#   CC_aarch64, CC_riscv64   commands that compile for those machines, e.g. "clang;--target=aarch64-linux-gnu"
set(BMRT_OBJECTS "")
set(BMRT_OBJECT_ROWS "")
set(BMRT_OBJECT_FLAGS -std=c17 -Wall -Wextra -Werror -g0 -fPIC -fvisibility=hidden -ffp-contract=off -fno-asynchronous-unwind-tables
  -ffunction-sections -fdata-sections -fno-stack-protector -U_FORTIFY_SOURCE -D_POSIX_C_SOURCE=200809L -I${CMAKE_SOURCE_DIR}
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)

file(GLOB without_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/without/*.c)
file(GLOB bare_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/bare/*.c)

# What runs in every call is made fast, the rest small: half of a small model's library is this.
set(BMRT_HOT sequence call)

# bmrt_compile(OUT objects ARCH a SOURCES ...): the objects of sources for an architecture.
function(bmrt_compile)
  cmake_parse_arguments(R "" "OUT;ARCH" "SOURCES" ${ARGN})
  set(folder ${CMAKE_BINARY_DIR}/generated/runtime/${R_ARCH})
  file(MAKE_DIRECTORY ${folder})
  set(objects "")
  foreach(source ${R_SOURCES})
    get_filename_component(name ${source} NAME_WE)
    set(level -Os)
    if(name IN_LIST BMRT_HOT)
      set(level -O2)
    endif()
    add_custom_command(OUTPUT ${folder}/${name}.o
      COMMAND ${CMAKE_C_COMPILER_LAUNCHER} ${CC_${R_ARCH}} ${BMRT_OBJECT_FLAGS} ${level} ${FLAGS_${R_ARCH}}
        -MD -MF ${folder}/${name}.d -c ${source} -o ${folder}/${name}.o
      DEPENDS ${source} DEPFILE ${folder}/${name}.d VERBATIM
      COMMENT "Compiling the embedded runtime for ${R_ARCH}: ${name}.c")
    list(APPEND objects ${folder}/${name}.o)
  endforeach()
  set(${R_OUT} ${objects} PARENT_SCOPE)
endfunction()

# bmrt_object(ARCH a FLAVOUR f OBJECTS ... WITHOUT ...): one row: the objects but those whose names WITHOUT lists.
# FLAVOUR is a name of compiler/codegen/runtime_objects.h.
function(bmrt_object)
  cmake_parse_arguments(R "" "ARCH;FLAVOUR" "OBJECTS;WITHOUT" ${ARGN})
  set(whole ${CMAKE_BINARY_DIR}/generated/runtime/${R_ARCH}-${R_FLAVOUR}.o)
  foreach(name ${R_WITHOUT})
    list(REMOVE_ITEM R_OBJECTS ${CMAKE_BINARY_DIR}/generated/runtime/${R_ARCH}/${name}.o)
  endforeach()
  add_custom_command(OUTPUT ${whole}
    COMMAND ${CC_${R_ARCH}} ${FLAGS_${R_ARCH}} -nostdlib -r -o ${whole} ${R_OBJECTS}
    DEPENDS ${R_OBJECTS} VERBATIM)
  set(BMRT_OBJECTS ${BMRT_OBJECTS} ${whole} PARENT_SCOPE)
  set(BMRT_OBJECT_ROWS
    "${BMRT_OBJECT_ROWS}RUNTIME_OBJECT(${R_ARCH}, ${R_FLAVOUR}, \"${whole}\")\n" PARENT_SCOPE)
endfunction()

# Compilers by architecture: the host's own, and cross compilers.
set(FLAGS_aarch64 -mno-outline-atomics) # those are functions of libgcc, which a library does not link
set(FLAGS_riscv64 -march=rv64gc -mabi=lp64d)
foreach(arch x86_64 aarch64 riscv64)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL arch)
    set(CC_${arch} ${CMAKE_C_COMPILER})
  elseif(NOT CC_${arch})
    find_program(CROSS_${arch} NAMES ${arch}-linux-gnu-gcc)
    mark_as_advanced(CROSS_${arch})
    if(CROSS_${arch})
      set(CC_${arch} ${CROSS_${arch}})
    endif()
  endif()
  if(CC_${arch})
    bmrt_compile(OUT core ARCH ${arch} SOURCES ${core_sources})
    bmrt_compile(OUT less ARCH ${arch} SOURCES ${without_sources})
    bmrt_compile(OUT bare ARCH ${arch} SOURCES ${bare_sources})
    set(objects ${core} ${less})
    bmrt_object(ARCH ${arch} FLAVOUR threads OBJECTS ${objects} WITHOUT no_threads no_strings)
    bmrt_object(ARCH ${arch} FLAVOUR threads_plain OBJECTS ${objects} WITHOUT no_threads vocabulary show)
    set(both ${core})
    list(FILTER both INCLUDE REGEX "/(sequence|dims)[.]o$")
    bmrt_object(ARCH ${arch} FLAVOUR bare OBJECTS ${bare} ${both})
    bmrt_object(ARCH ${arch} FLAVOUR single OBJECTS ${objects} WITHOUT team no_strings)
    bmrt_object(ARCH ${arch} FLAVOUR single_plain OBJECTS ${objects} WITHOUT team vocabulary show)
    set(stub ${CMAKE_BINARY_DIR}/generated/runtime/${arch}-libc.so)
    set(object ${CMAKE_BINARY_DIR}/generated/runtime/${arch}-threads.o)
    string(REPLACE ";" "\\;" compiler "${CC_${arch}}")
    add_custom_command(OUTPUT ${stub}
      COMMAND ${CMAKE_COMMAND} -DOBJECT=${object} "-DCOMPILER=${compiler}" -DREADELF=${CMAKE_READELF} -DOUT=${stub}
        -P ${CMAKE_CURRENT_SOURCE_DIR}/system_stub.cmake
      DEPENDS ${object} ${CMAKE_CURRENT_SOURCE_DIR}/system_stub.cmake VERBATIM
      COMMENT "Making a stand-in for the C library of ${arch}")
    list(APPEND BMRT_OBJECTS ${stub})
    string(APPEND BMRT_OBJECT_ROWS "RUNTIME_OBJECT(${arch}, libc, \"${stub}\")\n")
    message(STATUS "libraries can be linked for ${arch} (${CC_${arch}})")
  else()
    message(STATUS "libraries cannot be linked for ${arch}: there is no ${arch}-linux-gnu-gcc (tools/deps --cross)")
  endif()
endforeach()

file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/generated/runtime_objects.def CONTENT "${BMRT_OBJECT_ROWS}")
add_custom_target(bmrt_objects DEPENDS ${BMRT_OBJECTS})
set(BMRT_OBJECTS ${BMRT_OBJECTS} PARENT_SCOPE)
