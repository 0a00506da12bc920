# The kernels of src/kernels: every family's source is compiled once for each level of src/base/cpu, and those that
# concern feature maps once more for maps of bfloat16, the only difference being the instruction set and one or two
# macros (src/kernels/level.h, stored.h). Sets oc_kernel_objects, what the library links, and takes the families out of
# oc_sources.
file(GLOB oc_kernel_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/kernels/*.c)
list(REMOVE_ITEM oc_kernel_sources ${CMAKE_SOURCE_DIR}/src/kernels/kernels.c)
list(REMOVE_ITEM oc_sources ${oc_kernel_sources})
set(oc_kernel_objects)

# The sources that concern maps. One that is missing here does not link.
set(oc_map_sources copy direct direct_weights elementwise gate im2col norm pool winograd winograd_backward winograd_transform)
list(TRANSFORM oc_map_sources REPLACE "(.+)" "${CMAKE_SOURCE_DIR}/src/kernels/\\1.c")

# oc_add_kernels(name macro flag…): the targets ocelli_kernels_<name> and ocelli_kernels_bf16_<name>.
function(oc_add_kernels level macro)
  add_library(ocelli_kernels_${level} OBJECT ${oc_kernel_sources})
  add_library(ocelli_kernels_bf16_${level} OBJECT ${oc_map_sources})
  target_compile_definitions(ocelli_kernels_bf16_${level} PRIVATE OC_STORED_BF16)
  foreach(target IN ITEMS ocelli_kernels_${level} ocelli_kernels_bf16_${level})
    target_include_directories(${target} PRIVATE include src)
    target_compile_definitions(${target} PRIVATE ${macro})
    # Vectors wider than a register pass through memory where a call is not inlined; all of them are.
    target_compile_options(${target} PRIVATE ${ARGN} -Wno-psabi)
  endforeach()
endfunction()

oc_add_kernels(baseline OC_LEVEL_BASELINE)
list(APPEND oc_kernel_objects $<TARGET_OBJECTS:ocelli_kernels_baseline> $<TARGET_OBJECTS:ocelli_kernels_bf16_baseline>)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(oc_avx2 -mavx2 -mfma)
  set(oc_avx512 ${oc_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
  oc_add_kernels(avx2 OC_LEVEL_AVX2 ${oc_avx2})
  oc_add_kernels(avx512 OC_LEVEL_AVX512 ${oc_avx512})
  list(APPEND oc_kernel_objects $<TARGET_OBJECTS:ocelli_kernels_avx2> $<TARGET_OBJECTS:ocelli_kernels_bf16_avx2>
       $<TARGET_OBJECTS:ocelli_kernels_avx512> $<TARGET_OBJECTS:ocelli_kernels_bf16_avx512>)
  # The widest level's code on a processor with AVX2: linked by tests alone.
  if(OC_TESTS AND NOT OC_FUZZ)
    oc_add_kernels(wide OC_LEVEL_WIDE ${oc_avx2})
  endif()
endif()
