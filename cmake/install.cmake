# What is installed besides the command, whose rules stand where it and its helpers are built, and how programs find it:
# by pkg-config (ocelli.pc) and by find_package(ocelli). Both say where things are relative to themselves, so that an
# installation can be moved. Components are Debian's packages: command (the default), library, development.
include(CMakePackageConfigHelpers)

install(TARGETS ocelli_shared EXPORT ocelli
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development)
install(TARGETS ocelli_static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY include/ocelli DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
        FILES_MATCHING PATTERN "*.h")
install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/ocelli FILES_MATCHING PATTERN "*.yaml")
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)

list(TRANSFORM OC_DEPENDENCY_NAMES PREPEND -l OUTPUT_VARIABLE oc_pc_private)
list(JOIN oc_pc_private " " oc_pc_private)
file(RELATIVE_PATH oc_pc_up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" oc_pc_up ${oc_pc_up})
configure_file(cmake/ocelli.pc.in ${CMAKE_BINARY_DIR}/ocelli.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/ocelli.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

set(oc_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ocelli)
configure_package_config_file(cmake/ocelliConfig.cmake.in ${CMAKE_BINARY_DIR}/ocelliConfig.cmake
                              INSTALL_DESTINATION ${oc_package_dir}
                              PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR
                              NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before 1.0 a program asks for one minor version, as the library's name does.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(oc_compatible SameMinorVersion)
else()
  set(oc_compatible SameMajorVersion)
endif()
write_basic_package_version_file(${CMAKE_BINARY_DIR}/ocelliConfigVersion.cmake COMPATIBILITY ${oc_compatible})
install(FILES ${CMAKE_BINARY_DIR}/ocelliConfig.cmake ${CMAKE_BINARY_DIR}/ocelliConfigVersion.cmake
        DESTINATION ${oc_package_dir} COMPONENT development)
install(EXPORT ocelli NAMESPACE ocelli:: FILE ocelliTargets.cmake DESTINATION ${oc_package_dir} COMPONENT development)
