# Fetching data sets: a library of its own over libocelli, libcurl and libmd, and the helper program that `ocelli data
# fetch` executes, so that nothing else has to load what only they need.
if(NOT CURL_FOUND OR NOT MD_FOUND)
  message(STATUS "libcurl or libmd (Debian's libcurl4-openssl-dev and libmd-dev) is absent: `ocelli data fetch` is not built")
  return()
endif()

file(GLOB oc_fetch_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/fetch/*.c)
add_library(ocelli_fetch STATIC ${oc_fetch_sources})
target_include_directories(ocelli_fetch PRIVATE include src)
target_include_directories(ocelli_fetch INTERFACE include)
target_link_libraries(ocelli_fetch PUBLIC ocelli_static PRIVATE PkgConfig::CURL PkgConfig::MD)
install(TARGETS ocelli_fetch ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)

if(oc_cli_sources AND NOT OC_FUZZ)
  add_executable(ocelli-fetch ${CMAKE_SOURCE_DIR}/cli/helpers/fetch.c)
  target_include_directories(ocelli-fetch PRIVATE include cli)
  target_link_libraries(ocelli-fetch PRIVATE ocelli_cli ocelli_fetch)
  install(TARGETS ocelli-fetch RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/ocelli)
endif()
