# One libFuzzer executable for each fuzz/fuzz_*.c; scripts/fuzz runs them.
file(GLOB oc_fuzz_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/fuzz/fuzz_*.c)
foreach(source IN LISTS oc_fuzz_sources)
  cmake_path(GET source STEM name)
  add_executable(${name} ${source})
  target_include_directories(${name} PRIVATE include src)
  target_include_directories(${name} SYSTEM PRIVATE ${oc_generated_dir} ${OC_DEPENDENCY_INCLUDES})
  target_link_libraries(${name} PRIVATE ocelli_static)
  # LLVMFuzzerTestOneInput has no prototype in a header of libFuzzer's C interface.
  target_compile_options(${name} PRIVATE -Wno-missing-prototypes)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer,address,undefined)
endforeach()
