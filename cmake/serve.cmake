# Serving: a library of its own over libocelli and libmicrohttpd, and the helper program that `ocelli serve` executes, so
# that nothing else has to load what only they need.
if(NOT MICROHTTPD_FOUND)
  message(STATUS "libmicrohttpd (Debian's libmicrohttpd-dev) is absent: `ocelli serve` is not built")
  return()
endif()

file(GLOB oc_serve_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/serve/*.c)
file(GLOB oc_serve_parts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/serve/page/*)
set(oc_page_sources)
oc_page(classify ${CMAKE_SOURCE_DIR}/src/serve/page/classify.html ${oc_serve_parts} ${oc_report_parts})

add_library(ocelli_serve STATIC ${oc_serve_sources} ${oc_page_sources})
target_include_directories(ocelli_serve PRIVATE include src)
target_include_directories(ocelli_serve SYSTEM PRIVATE ${OC_DEPENDENCY_INCLUDES})
target_include_directories(ocelli_serve INTERFACE include)
target_link_libraries(ocelli_serve PUBLIC ocelli_static PRIVATE PkgConfig::MICROHTTPD)
install(TARGETS ocelli_serve ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)

oc_helper(serve ocelli_serve)
