# oc_helper(name library...): the helper program ocelli-<name> of cli/helpers/<name>.c, over the command's own library and
# those named, which `ocelli` executes so that nothing else has to load what only they need.
function(oc_helper name)
  if(NOT TARGET ocelli_cli)
    return()
  endif()
  add_executable(ocelli-${name} ${CMAKE_SOURCE_DIR}/cli/helpers/${name}.c)
  target_include_directories(ocelli-${name} PRIVATE include cli)
  target_link_libraries(ocelli-${name} PRIVATE ocelli_cli ${ARGN})
  install(TARGETS ocelli-${name} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/ocelli)
endfunction()
