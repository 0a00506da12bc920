# Where the libraries are. Sets OC_DEPENDENCIES (what to link), OC_DEPENDENCY_INCLUDES and OC_PROTOC_C, and
# OC_DEPENDENCY_NAMES, the same libraries by name, for programs elsewhere that link the static library.
# Every package named here is in scripts/bootstrap too.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_search_module(SPNG REQUIRED IMPORTED_TARGET spng libspng)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp libwebpdemux)
pkg_check_modules(TIFF REQUIRED IMPORTED_TARGET libtiff-4)
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)

# For the helper program of `ocelli serve`, which is left out without it.
pkg_check_modules(MICROHTTPD IMPORTED_TARGET libmicrohttpd>=0.9.71)

# For that of `ocelli data fetch`, likewise. 7.85 can be told protocols by name, and has headers of answers.
pkg_check_modules(CURL IMPORTED_TARGET libcurl>=7.85)
pkg_check_modules(MD IMPORTED_TARGET libmd)

# oneDNN 2.6 of Debian 12 ships neither a pkg-config nor a complete CMake file; that of 13 is found the same way.
find_library(OC_DNNL_LIBRARY dnnl REQUIRED)
find_path(OC_DNNL_INCLUDE oneapi/dnnl/dnnl.h REQUIRED)
find_path(OC_RANDOM123_INCLUDE Random123/philox.h REQUIRED)
# giflib itself has no pkg-config file.
find_library(OC_GIF_LIBRARY gif REQUIRED)
find_path(OC_GIF_INCLUDE gif_lib.h REQUIRED)
find_program(OC_PROTOC_C protoc-c REQUIRED)
find_path(OC_ONNX_PROTO_DIR onnx/onnx.proto REQUIRED)

set(OC_DEPENDENCIES
    ${OC_DNNL_LIBRARY}
    PkgConfig::JPEG
    PkgConfig::SPNG
    PkgConfig::WEBP
    PkgConfig::TIFF
    ${OC_GIF_LIBRARY}
    PkgConfig::LIBZIP
    PkgConfig::YAML
    PkgConfig::JANSSON
    PkgConfig::XXHASH
    PkgConfig::UTF8PROC
    PkgConfig::PROTOBUF_C
    Threads::Threads
    m)
set(OC_DEPENDENCY_INCLUDES ${OC_DNNL_INCLUDE} ${OC_RANDOM123_INCLUDE} ${OC_GIF_INCLUDE})
list(REMOVE_DUPLICATES OC_DEPENDENCY_INCLUDES)
# Naming the compiler's own folder as a system include breaks #include_next.
list(REMOVE_ITEM OC_DEPENDENCY_INCLUDES /usr/include)

if(NOT OC_PARALLEL_PTHREAD)
  find_package(OpenMP REQUIRED COMPONENTS C)
  list(APPEND OC_DEPENDENCIES ${OpenMP_C_LIBRARIES})
endif()

set(OC_DEPENDENCY_NAMES
    dnnl ${JPEG_LIBRARIES} ${SPNG_LIBRARIES} ${WEBP_LIBRARIES} ${TIFF_LIBRARIES} gif ${LIBZIP_LIBRARIES} ${YAML_LIBRARIES}
    ${JANSSON_LIBRARIES} ${XXHASH_LIBRARIES} ${UTF8PROC_LIBRARIES} ${PROTOBUF_C_LIBRARIES} ${OpenMP_C_LIB_NAMES} pthread m)
list(REMOVE_DUPLICATES OC_DEPENDENCY_NAMES)
