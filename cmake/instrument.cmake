# Sanitizers, coverage and fuzzing change how everything is compiled; the flags are kept here.

# Kernels whose sums stay in registers.
set(oc_register_kernels src/kernels/direct.c src/kernels/direct_weights.c src/kernels/product.c
                        src/kernels/winograd_filter.c src/kernels/winograd_transform.c)
if(OC_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "OC_FUZZ needs clang: configure with the preset `fuzz`")
  endif()
  if(OC_SANITIZE)
    message(FATAL_ERROR "OC_FUZZ brings its own sanitizers; leave OC_SANITIZE empty")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # Executables add `fuzzer`; the shared library must not carry libFuzzer's main.
  add_link_options(-fsanitize=address,undefined)
  # No fuzz target comes to them, and clang takes minutes over one of them when each access is checked.
  set_source_files_properties(${oc_register_kernels} PROPERTIES COMPILE_OPTIONS -fno-sanitize=all)
elseif(OC_SANITIZE)
  add_compile_options(-fsanitize=${OC_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${OC_SANITIZE})
  # Lines are all that reports name.
  add_compile_options(-g1)
  # Unless the sums' end of scope is watched: then every multiplication goes to memory and back, and small trainings take
  # three times as long. What they read and write elsewhere is still watched.
  set_source_files_properties(${oc_register_kernels} PROPERTIES COMPILE_OPTIONS -fno-sanitize-address-use-after-scope)
endif()

if(OC_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
