# A file as bytes in a C source, for what the library writes from parts of its own source.
#
# oc_embed_write(symbol file out): the C source `out` with `const unsigned char symbol[]`, a NUL behind its bytes, and
# `const size_t symbol_size`, which counts the file's alone. In a script of its own:
#   cmake -DSYMBOL=… -DSOURCE=file -DOUT=file.c -P embed.cmake
function(oc_embed_write symbol file out)
  file(READ "${file}" hex HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  file(WRITE "${out}" "/* Generated: ${symbol}. */
#include <stddef.h>
extern const unsigned char ${symbol}[];
extern const size_t ${symbol}_size;
const unsigned char ${symbol}[] = {
${hex}0};
const size_t ${symbol}_size = sizeof ${symbol} - 1;
")
endfunction()

# oc_embed(symbol source): adds to oc_embedded_sources what that makes of `source` when the library is built.
function(oc_embed symbol source)
  set(out ${CMAKE_BINARY_DIR}/generated/${symbol}.c)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DSYMBOL=${symbol} -DSOURCE=${source} -DOUT=${out}
            -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${source} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    VERBATIM)
  set(oc_embedded_sources ${oc_embedded_sources} ${out} PARENT_SCOPE)
endfunction()

if(SYMBOL AND CMAKE_SCRIPT_MODE_FILE)
  oc_embed_write(${SYMBOL} "${SOURCE}" "${OUT}")
endif()
