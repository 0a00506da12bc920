# One cmocka executable and one CTest test for each tests/test_*.c, one CTest test for each tests/cli_*.sh (called
# with the path of the command), and one each for the includes, the public headers, the check of the ABI and the table of
# mutants. Tests run in the source tree.
#
# Four comment lines in a test's source steer its build and run:
#   /* links: fault-injection */  the file's own copy of src/base/file.c, built with OC_FAULT_INJECTION, is linked
#   /* links: openmp */  it opens regions of OpenMP's itself, where the library does
#   /* label: slow */ (a script: # label: slow)  the test is left out of `make check`, and may take three times as long
#   /* runs: alone */ (a script: # runs: alone)  it goes by the time that something takes, so nothing runs beside it
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
find_program(OC_BASH bash REQUIRED)

# OMP_WAIT_POLICY: threads that wait for each other asleep lose a little on an idle machine, but threads that spin are
# many times slower as soon as anything else runs.
set(oc_test_environment
    "OMP_WAIT_POLICY=passive"
    "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/scripts/tsan.supp:print_suppressions=0"
    "UBSAN_OPTIONS=print_stacktrace=1")

# Instrumented code is slower by a factor that depends on the instrument.
set(oc_test_timeout 300)
if(OC_SANITIZE OR OC_COVERAGE)
  set(oc_test_timeout 1200)
endif()

function(oc_register_test name source)
  file(STRINGS ${source} slow REGEX "^(/\\*|#) label: slow")
  set(timeout ${oc_test_timeout})
  if(slow)
    math(EXPR timeout "3 * ${timeout}")
  endif()
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${timeout}
    SKIP_RETURN_CODE 77
    ENVIRONMENT "${oc_test_environment}")
  file(STRINGS ${source} alone REGEX "^(/\\*|#) runs: alone")
  if(alone)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
  endif()
  if(slow)
    # Those that take long begin first, so that the last ones are short.
    set_tests_properties(${name} PROPERTIES LABELS slow COST 100)
  else()
    set_tests_properties(${name} PROPERTIES LABELS quick)
  endif()
  # The comment lines are read when CMake runs.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
endfunction()

file(GLOB oc_test_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/test_*.c)
# What tests share.
file(GLOB oc_support_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/support/*.c)
add_library(ocelli_test_support STATIC ${oc_support_sources})
if(TARGET ocelli_kernels_wide)
  # Nobody waits for them but tests, and nobody but the compiler takes longer over them than over all else. Whole models
  # are computed with the products, which are optimised.
  target_compile_options(ocelli_kernels_wide PRIVATE -O1)
  target_compile_options(ocelli_kernels_bf16_wide PRIVATE -O1)
  target_sources(ocelli_test_support PRIVATE
    $<TARGET_OBJECTS:ocelli_kernels_wide> $<TARGET_OBJECTS:ocelli_kernels_bf16_wide>
    $<TARGET_OBJECTS:ocelli_kernels_bf16_products_wide>)
endif()
target_include_directories(ocelli_test_support PRIVATE include src tests)
target_include_directories(ocelli_test_support SYSTEM PRIVATE ${oc_generated_dir} ${OC_DEPENDENCY_INCLUDES})
target_compile_definitions(ocelli_test_support PRIVATE OC_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
target_link_libraries(ocelli_test_support PUBLIC ocelli_static PkgConfig::CMOCKA)

foreach(source IN LISTS oc_test_sources)
  cmake_path(GET source STEM name)
  # Of what is not built.
  if((name MATCHES "^test_serve" AND NOT TARGET ocelli_serve) OR (name MATCHES "^test_fetch" AND NOT TARGET ocelli_fetch))
    continue()
  endif()
  add_executable(${name} ${source})
  file(STRINGS ${source} fault REGEX "^/\\* links: fault-injection \\*/")
  if(fault)
    # Its symbols are found before those of the archive, whose own file.o is then left out.
    target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src/base/file.c)
    target_compile_definitions(${name} PRIVATE OC_FAULT_INJECTION)
  endif()
  file(STRINGS ${source} openmp REGEX "^/\\* links: openmp \\*/")
  if(openmp AND NOT OC_PARALLEL_PTHREAD)
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${OpenMP_C_FLAGS}")
  endif()
  target_include_directories(${name} PRIVATE include src tests)
  target_include_directories(${name} SYSTEM PRIVATE ${oc_generated_dir} ${OC_DEPENDENCY_INCLUDES})
  target_compile_definitions(${name} PRIVATE OC_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
  target_link_libraries(${name} PRIVATE ocelli_test_support)
  if(name MATCHES "^test_serve")
    target_link_libraries(${name} PRIVATE ocelli_serve)
  elseif(name MATCHES "^test_fetch")
    target_link_libraries(${name} PRIVATE ocelli_fetch PkgConfig::MD)
  endif()
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  oc_register_test(${name} ${source})
endforeach()

# What the tests of the command talk to.
add_executable(serve_zeros ${CMAKE_SOURCE_DIR}/tests/programs/serve_zeros.c)
target_include_directories(serve_zeros PRIVATE tests)
target_link_libraries(serve_zeros PRIVATE ocelli_test_support)

# They measure; no tests.
foreach(name IN ITEMS convolutions memory prepare)
  add_executable(bench_${name} ${CMAKE_SOURCE_DIR}/bench/${name}.c ${CMAKE_SOURCE_DIR}/bench/timed.c)
  target_include_directories(bench_${name} PRIVATE include src)
  target_include_directories(bench_${name} SYSTEM PRIVATE ${oc_generated_dir} ${OC_DEPENDENCY_INCLUDES})
  target_link_libraries(bench_${name} PRIVATE ocelli_static)
endforeach()

if(TARGET ocelli)
  file(GLOB oc_cli_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/cli_*.sh)
  foreach(script IN LISTS oc_cli_tests)
    cmake_path(GET script STEM name)
    add_test(NAME ${name} COMMAND ${OC_BASH} ${script} $<TARGET_FILE:ocelli> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    oc_register_test(${name} ${script})
  endforeach()
endif()

# The pages in a browser, where one is installed (`make test-browser` installs it).
if(TARGET ocelli AND NOT OC_SANITIZE AND NOT OC_COVERAGE)
  add_test(NAME browser COMMAND ${OC_BASH} ${CMAKE_SOURCE_DIR}/scripts/test-browser ${CMAKE_BINARY_DIR}
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  oc_register_test(browser ${CMAKE_SOURCE_DIR}/scripts/test-browser)
  set_tests_properties(browser PROPERTIES TIMEOUT 900)
endif()

add_test(NAME layers COMMAND ${OC_BASH} ${CMAKE_SOURCE_DIR}/tests/layers.sh WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
oc_register_test(layers ${CMAKE_SOURCE_DIR}/tests/layers.sh)

add_test(NAME headers COMMAND ${OC_BASH} ${CMAKE_SOURCE_DIR}/tests/headers.sh WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
oc_register_test(headers ${CMAKE_SOURCE_DIR}/tests/headers.sh)

add_test(NAME abi COMMAND ${OC_BASH} ${CMAKE_SOURCE_DIR}/tests/abi.sh WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
oc_register_test(abi ${CMAKE_SOURCE_DIR}/tests/abi.sh)

# Rows that the code has moved away from; `make mutants` tries the variants themselves.
add_test(NAME mutants COMMAND ${CMAKE_SOURCE_DIR}/scripts/mutants --check WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
oc_register_test(mutants ${CMAKE_SOURCE_DIR}/scripts/mutants)
