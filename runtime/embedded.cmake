# What the compiler links into a library: the core as one relocatable object for each row (an architecture and a
# flavour), never instrumented. Cross compilers are used when they are found; what is not built in cannot be linked
# for (the compiler says so). The rows become generated/runtime_objects.def, read by
# compiler/codegen/runtime_objects.c; the target bmrt_objects makes them all.
#   CC_aarch64, CC_riscv64   commands that compile for those machines, e.g. "clang;--target=aarch64-linux-gnu"
set(BMRT_OBJECTS "")
set(BMRT_OBJECT_ROWS "")
set(BMRT_OBJECT_FLAGS -std=c17 -O2 -g0 -fPIC -fvisibility=hidden -ffp-contract=off -fno-asynchronous-unwind-tables
  -ffunction-sections -fdata-sections -D_POSIX_C_SOURCE=200809L -I${CMAKE_SOURCE_DIR}
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)

# bmrt_object(ARCH a FLAVOUR f COMPILER cc... FLAGS ... SOURCES ...): one row. FLAVOUR is a name of
# compiler/codegen/runtime_objects.h.
function(bmrt_object)
  cmake_parse_arguments(R "" "ARCH;FLAVOUR" "COMPILER;FLAGS;SOURCES" ${ARGN})
  set(folder ${CMAKE_BINARY_DIR}/generated/runtime/${R_ARCH}-${R_FLAVOUR})
  file(MAKE_DIRECTORY ${folder})
  set(objects "")
  foreach(source ${R_SOURCES})
    get_filename_component(name ${source} NAME_WE)
    add_custom_command(OUTPUT ${folder}/${name}.o
      COMMAND ${CMAKE_C_COMPILER_LAUNCHER} ${R_COMPILER} ${BMRT_OBJECT_FLAGS} ${R_FLAGS}
        -MD -MF ${folder}/${name}.d -c ${source} -o ${folder}/${name}.o
      DEPENDS ${source} DEPFILE ${folder}/${name}.d VERBATIM
      COMMENT "Compiling the embedded ${R_FLAVOUR} runtime for ${R_ARCH}: ${name}.c")
    list(APPEND objects ${folder}/${name}.o)
  endforeach()
  add_custom_command(OUTPUT ${folder}.o
    COMMAND ${R_COMPILER} ${R_FLAGS} -nostdlib -r -o ${folder}.o ${objects}
    DEPENDS ${objects} VERBATIM)
  set(BMRT_OBJECTS ${BMRT_OBJECTS} ${folder}.o PARENT_SCOPE)
  set(BMRT_OBJECT_ROWS
    "${BMRT_OBJECT_ROWS}RUNTIME_OBJECT(${R_ARCH}, ${R_FLAVOUR}, \"${folder}.o\")\n" PARENT_SCOPE)
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
    bmrt_object(ARCH ${arch} FLAVOUR threads COMPILER ${CC_${arch}} FLAGS ${FLAGS_${arch}}
      SOURCES ${core_sources})
    message(STATUS "libraries can be linked for ${arch} (${CC_${arch}})")
  else()
    message(STATUS "libraries cannot be linked for ${arch}: there is no ${arch}-linux-gnu-gcc (tools/deps --cross)")
  endif()
endforeach()

file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/generated/runtime_objects.def CONTENT "${BMRT_OBJECT_ROWS}")
add_custom_target(bmrt_objects DEPENDS ${BMRT_OBJECTS})
set(BMRT_OBJECTS ${BMRT_OBJECTS} PARENT_SCOPE)
