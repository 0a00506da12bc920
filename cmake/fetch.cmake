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

oc_helper(fetch ocelli_fetch)
