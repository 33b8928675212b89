# CMake toolchain file: cmake -DCMAKE_TOOLCHAIN_FILE=$(replicode-cc --print-cmake) …
get_filename_component(REPLICODE_SDK "${CMAKE_CURRENT_LIST_DIR}" DIRECTORY)

# A name of its own, described in cmake/Platform: what newer CMakes have under WASI is no Unix.
set(CMAKE_SYSTEM_NAME Replicode)
list(APPEND CMAKE_MODULE_PATH "${REPLICODE_SDK}/share/cmake")
set(CMAKE_SYSTEM_VERSION 1)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(REPLICODE 1)

set(CMAKE_C_COMPILER "${REPLICODE_SDK}/bin/replicode-cc")
set(CMAKE_CXX_COMPILER "${REPLICODE_SDK}/bin/replicode-c++")
set(CMAKE_ASM_COMPILER "${REPLICODE_SDK}/bin/replicode-cc")
set(CMAKE_AR "${REPLICODE_SDK}/bin/replicode-ar" CACHE FILEPATH "archiver")
set(CMAKE_RANLIB "${REPLICODE_SDK}/bin/replicode-ranlib" CACHE FILEPATH "ranlib")
set(CMAKE_NM "${REPLICODE_SDK}/bin/replicode-nm" CACHE FILEPATH "nm")
set(CMAKE_STRIP "${REPLICODE_SDK}/bin/replicode-strip" CACHE FILEPATH "strip")
set(CMAKE_OBJDUMP "${REPLICODE_SDK}/bin/replicode-objdump" CACHE FILEPATH "objdump")
set(PKG_CONFIG_EXECUTABLE "${REPLICODE_SDK}/bin/replicode-pkg-config" CACHE FILEPATH "pkg-config")

# Programs come from this machine; headers and libraries do not.
set(CMAKE_SYSROOT "${REPLICODE_SDK}/sysroot")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
