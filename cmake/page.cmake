# Puts a page together:
#   cmake -DNAME=… -DSOURCE=page.html -DSHARED=folder -DCHART_JS=chart.min.js -DOUT=page.c -P page.cmake
# In the page, a line `<script src="x.js"></script>` or `<link rel="stylesheet" href="x.css">` becomes the file of that
# name beside it, or else in the folder SHARED; `chart.js` is Chart.js. `{{policy}}` becomes the sources that a content
# security policy is to allow for them: the hashes of just these texts, so that nothing else of the page is ever run.
cmake_minimum_required(VERSION 3.25)

# CMake has SHA-256 in hexadecimal; a policy wants base64.
function(base64 out hex)
  string(CONCAT digits "ABCDEFGHIJKLMNOPQRSTUVWXYZ" "abcdefghijklmnopqrstuvwxyz" "0123456789+/")
  set(text)
  string(LENGTH "${hex}" length)
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${hex}" ${at} 6 group)
    string(LENGTH "${group}" have)
    set(full "${group}")
    while(have LESS 6)
      string(APPEND full "0")
      math(EXPR have "${have} + 1")
    endwhile()
    math(EXPR value "0x${full}")
    string(LENGTH "${group}" have)
    foreach(shift 18 12 6 0)
      math(EXPR digit "(${value} >> ${shift}) & 63")
      string(SUBSTRING "${digits}" ${digit} 1 digit)
      # Two hexadecimal digits are one byte; three bytes four digits, of which those of absent bytes are '='.
      math(EXPR needed "(18 - ${shift}) / 6 * 6 / 4")
      if(shift LESS 12 AND have LESS_EQUAL needed)
        set(digit "=")
      endif()
      string(APPEND text "${digit}")
    endforeach()
    math(EXPR at "${at} + 6")
  endwhile()
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

get_filename_component(folder "${SOURCE}" DIRECTORY)
# Lists are not used: the texts hold semicolons and brackets.
file(READ "${SOURCE}" page)
set(scripts)
set(styles)

macro(inline tag path kind)
  set(file "${path}")
  if(NOT EXISTS "${file}")
    get_filename_component(file "${file}" NAME)
    set(file "${SHARED}/${file}")
  endif()
  file(READ "${file}" text)
  if(text MATCHES "</script|<!--")
    message(FATAL_ERROR "${file}: holds \"</script\" or \"<!--\", which would end the script within the page")
  endif()
  file(SHA256 "${file}" hash)
  base64(hash "${hash}")
  string(APPEND ${kind}s " 'sha256-${hash}'")
  string(REPLACE "${tag}" "<${kind}>${text}</${kind}>" page "${page}")
endmacro()

while(page MATCHES "<script src=\"([a-z_-]+\\.js)\"></script>")
  set(tag "${CMAKE_MATCH_0}")
  if(CMAKE_MATCH_1 STREQUAL "chart.js")
    inline("${tag}" "${CHART_JS}" script)
  else()
    inline("${tag}" "${folder}/${CMAKE_MATCH_1}" script)
  endif()
endwhile()
while(page MATCHES "<link rel=\"stylesheet\" href=\"([a-z_-]+\\.css)\">")
  inline("${CMAKE_MATCH_0}" "${folder}/${CMAKE_MATCH_1}" style)
endwhile()
string(REPLACE "{{policy}}" "script-src${scripts}; style-src${styles}" page "${page}")

file(WRITE "${OUT}.html" "${page}")
file(READ "${OUT}.html" hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
file(WRITE "${OUT}" "/* Generated: ${NAME}. */
#include <stddef.h>
extern const unsigned char oc_page_${NAME}[];
extern const size_t oc_page_${NAME}_size;
const unsigned char oc_page_${NAME}[] = {
${hex}0};
const size_t oc_page_${NAME}_size = sizeof oc_page_${NAME} - 1;
")
