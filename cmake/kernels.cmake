# The kernels of src/kernels: every family's source is compiled once for each level of src/base/cpu, those that concern
# feature maps once more for maps of bfloat16, and those that are made of products a third time with products of bfloat16
# for the level that has them, the only difference being the instruction set and some macros (src/kernels/level.h,
# stored.h, operand.h). Sets oc_kernel_objects, what the library links, and takes the families out of
# oc_sources.
include(CheckCCompilerFlag)
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

# The sources that are made of products, but for those in fp32 alone.
set(oc_product_sources direct_weights im2col product winograd winograd_backward winograd_filter winograd_transform)
list(TRANSFORM oc_product_sources REPLACE "(.+)" "${CMAKE_SOURCE_DIR}/src/kernels/\\1.c")

# oc_add_bf16_products(name macro flag…): the target ocelli_kernels_bf16_products_<name>.
function(oc_add_bf16_products level macro)
  set(target ocelli_kernels_bf16_products_${level})
  add_library(${target} OBJECT ${oc_product_sources})
  target_include_directories(${target} PRIVATE include src)
  target_compile_definitions(${target} PRIVATE ${macro} OC_STORED_BF16 OC_PRODUCTS_BF16)
  target_compile_options(${target} PRIVATE ${ARGN} -Wno-psabi)
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
  check_c_compiler_flag(-mavx512bf16 OC_BF16_PRODUCTS)
  if(OC_BF16_PRODUCTS)
    oc_add_bf16_products(avx512 OC_LEVEL_AVX512 ${oc_avx512} -mavx512bf16)
    list(APPEND oc_kernel_objects $<TARGET_OBJECTS:ocelli_kernels_bf16_products_avx512>)
    set_source_files_properties(src/kernels/kernels.c PROPERTIES COMPILE_DEFINITIONS OC_BF16_PRODUCTS)
  endif()
  # The widest level's code on a processor with AVX2: linked by tests alone.
  if(OC_TESTS AND NOT OC_FUZZ)
    oc_add_kernels(wide OC_LEVEL_WIDE ${oc_avx2})
    oc_add_bf16_products(wide OC_LEVEL_WIDE ${oc_avx2})
  endif()
endif()
