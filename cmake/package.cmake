# Debian packages, by cpack: `make package` builds with the preset of that name, whose prefix is /usr. One package a
# component: the command with its helpers, the shared library, and what programs are built with. Who distributes them
# gives name and address, as CPACK_DEBIAN_PACKAGE_MAINTAINER.
if(NOT OC_PACKAGE)
  return()
endif()
set(oc_library_package libocelli${oc_abi})

# What Debian wants in every package's folder of documents: the licence, and a changelog of its own form, whose date is
# that of the commit, so that the same sources give the same package.
set(date "$ENV{SOURCE_DATE_EPOCH}")
find_program(OC_GIT git)
if(date STREQUAL "" AND OC_GIT)
  execute_process(COMMAND ${OC_GIT} -C ${CMAKE_SOURCE_DIR} log -1 --format=%ct
                  OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(date STREQUAL "")
  string(TIMESTAMP date %s)
endif()
set(ENV{SOURCE_DATE_EPOCH} ${date})
string(TIMESTAMP day "%a, %d %b %Y %H:%M:%S +0000" UTC)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "The Ocelli authors" CACHE STRING "Who makes the packages: Name <address>")
set(from "${CPACK_DEBIAN_PACKAGE_MAINTAINER}")
if(NOT from MATCHES "<.*>")
  string(APPEND from " <>")
endif()
set(oc_debian_dir ${CMAKE_BINARY_DIR}/debian)
file(CONFIGURE OUTPUT ${oc_debian_dir}/changelog @ONLY CONTENT
"ocelli (@PROJECT_VERSION@) unstable; urgency=medium

  * Release @PROJECT_VERSION@; what changed is in NEWS.gz of the package ocelli.

 -- @from@  @day@
")
file(READ LICENSE license)
string(REGEX MATCH "Copyright \\(c\\) ([^\n]*)" copyright "${license}")
set(copyright "${CMAKE_MATCH_1}")
string(REGEX REPLACE "^.*\n\n(Permission )" "\\1" terms "${license}")
string(REPLACE "\n\n" "\n.\n" terms "${terms}")
string(REGEX REPLACE "([^\n]+)" " \\1" terms "${terms}")
file(READ ${OC_CHART_JS} chart LIMIT 2000)
string(REGEX MATCH "\\(c\\) ([0-9]+ [^\n*]*Contributors)" chart "${chart}")
set(chart "${CMAKE_MATCH_1}")
if(chart STREQUAL "")
  set(chart "Chart.js Contributors")
endif()
file(CONFIGURE OUTPUT ${oc_debian_dir}/copyright @ONLY CONTENT
"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ocelli

Files: *
Copyright: @copyright@
License: Expat

Files: Chart.js, compiled into the pages that are written
Copyright: @chart@
License: Expat

License: Expat
@terms@")
configure_file(CHANGELOG.md ${oc_debian_dir}/NEWS COPYONLY)
foreach(file IN ITEMS changelog NEWS)
  execute_process(COMMAND gzip -9nf ${file} WORKING_DIRECTORY ${oc_debian_dir} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
foreach(pair IN ITEMS command=ocelli library=${oc_library_package} development=libocelli-dev)
  string(REGEX MATCH "(.*)=(.*)" pair ${pair})
  install(FILES ${oc_debian_dir}/changelog.gz ${oc_debian_dir}/copyright
          DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${CMAKE_MATCH_2} COMPONENT ${CMAKE_MATCH_1})
endforeach()
install(FILES ${oc_debian_dir}/NEWS.gz DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/ocelli)

# Manual pages are compressed.
install(CODE "
  file(GLOB pages \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_MANDIR}/man1/*.1\")
  if(pages)
    execute_process(COMMAND gzip -9nf \${pages} COMMAND_ERROR_IS_FATAL ANY)
  endif()")

set(CPACK_GENERATOR DEB)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL command library development)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_SOURCE_DIR}/build)
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_PACKAGE_VENDOR "The Ocelli authors")
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE "")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# What packages of programs that are linked with it depend on; and that the loader's cache is to be renewed.
file(WRITE ${oc_debian_dir}/shlibs "libocelli ${oc_abi} ${oc_library_package} (>= ${PROJECT_VERSION})\n")
file(WRITE ${oc_debian_dir}/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${oc_debian_dir}/shlibs ${oc_debian_dir}/triggers)

# A package's description: a line for lists, then a paragraph, which cpack indents. A summary would be put before them.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")
set(about "Ocelli trains image classifiers on ordinary CPUs, reproducibly to the bit, and
joins several of them into one.")
set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME ocelli)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION science)
set(CPACK_DEBIAN_COMMAND_DESCRIPTION "image classifiers trained on ordinary CPUs
${about} It reads folders and zip files of images, and
writes weights files with PyTorch's tensor names. This is the command, which
trains, evaluates, classifies, reports, serves over HTTP and exports to ONNX.")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME ${oc_library_package})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION "image classifiers trained on ordinary CPUs - shared library
${about} This is the library that programs are
linked with.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libocelli-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${oc_library_package} (= ${PROJECT_VERSION})")
# For programs that link the static library.
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS
    libdnnl-dev libjpeg62-turbo-dev libspng-dev libwebp-dev libgif-dev libtiff-dev libzip-dev libyaml-dev libjansson-dev
    libxxhash-dev libutf8proc-dev libprotobuf-c-dev libmicrohttpd-dev
    libcurl4-openssl-dev libmd-dev)
list(JOIN CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS ", " CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS)
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "image classifiers trained on ordinary CPUs - development files
${about} This is what programs are built with:
headers, the static library, pkg-config's and CMake's files, and examples.")
include(CPack)
