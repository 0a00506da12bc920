# Writes the commit that is built into a header, when it is another: cmake -DSOURCE=… -DOUT=commit.h -P commit.cmake
# "" where this is no checkout of git; with a + where files differ from the commit.
set(commit "")
find_program(git git)
if(git AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND ${git} -C ${SOURCE} describe --always --dirty=+ --abbrev=10 --exclude=*
                  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "#define OC_COMMIT \"${commit}\"\n")
