# The pages that the library writes: each is one self-contained HTML file, put together when the library is built from
# its own parts and Chart.js of Debian's package, and compiled in as bytes. Sets oc_page_sources.
find_file(OC_CHART_JS chart.min.js PATHS /usr/share/javascript/chart.js /usr/share/nodejs/chart.js/dist REQUIRED
          DOC "Chart.js, of Debian's libjs-chart.js")

# oc_page(name source part…): a C source with oc_page_<name>[] and oc_page_<name>_size, made by cmake/page.cmake of the
# HTML `source` and the scripts and styles beside it.
function(oc_page name source)
  set(out ${CMAKE_BINARY_DIR}/generated/page_${name}.c)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DSOURCE=${source}
            -DSHARED=${CMAKE_SOURCE_DIR}/src/report/page -DCHART_JS=${OC_CHART_JS} -DOUT=${out}
            -P ${CMAKE_SOURCE_DIR}/cmake/page.cmake
    DEPENDS ${source} ${ARGN} ${OC_CHART_JS} ${CMAKE_SOURCE_DIR}/cmake/page.cmake
            ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    COMMENT "Putting together the page ${name}"
    VERBATIM)
  set(oc_page_sources ${oc_page_sources} ${out} PARENT_SCOPE)
endfunction()

file(GLOB oc_report_parts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/report/page/*)
oc_page(report ${CMAKE_SOURCE_DIR}/src/report/page/report.html ${oc_report_parts})
