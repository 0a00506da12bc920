# The manual pages and the completions of bash, zsh and fish, which a program of the build writes from the command's own
# tables (cli/manual).
file(GLOB oc_manual_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cli/manual/*.c)
file(GLOB oc_manual_templates CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cli/manual/completion.*)
list(FILTER oc_manual_templates EXCLUDE REGEX "\\.c$")
set(oc_manual_dir ${CMAKE_BINARY_DIR}/manual)

add_executable(ocelli-manual ${oc_manual_sources})
target_include_directories(ocelli-manual PRIVATE include cli)
target_link_libraries(ocelli-manual PRIVATE ocelli_cli)

# Which pages there are, the tables say: the folder is made anew, so that none stays of what is no more.
add_custom_command(
  OUTPUT ${oc_manual_dir}.stamp
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${oc_manual_dir}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${oc_manual_dir}
  COMMAND ocelli-manual ${oc_manual_dir} ${CMAKE_SOURCE_DIR}/cli/manual ${OC_VERSION_DATE}
  COMMAND ${CMAKE_COMMAND} -E touch ${oc_manual_dir}.stamp
  DEPENDS ocelli-manual ${oc_manual_templates}
  COMMENT "Writing the manual pages and completions"
  VERBATIM)
add_custom_target(manual ALL DEPENDS ${oc_manual_dir}.stamp)

install(DIRECTORY ${oc_manual_dir}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} FILES_MATCHING PATTERN "*.1")
install(FILES ${oc_manual_dir}/ocelli.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME ocelli)
install(FILES ${oc_manual_dir}/ocelli.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
# zsh looks into site-functions below its own prefix and, Debian's, below /usr/local; below /usr Debian's reads
# vendor-completions instead. The prefix may be said as late as at the installation.
install(CODE "
  set(folder site-functions)
  if(CMAKE_INSTALL_PREFIX STREQUAL \"/usr\" AND EXISTS /etc/debian_version)
    set(folder vendor-completions)
  endif()
  file(INSTALL \"${oc_manual_dir}/_ocelli\" DESTINATION
       \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/zsh/\${folder}\")")
