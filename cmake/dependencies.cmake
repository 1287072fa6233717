# Everything comes from Debian's packages but DuckDB, which tools/fetch_third_party.sh puts into
# third_party/ from pinned npm packages with checked hashes.
find_package(Threads REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(simdjson REQUIRED)
find_library(SNAPPY_LIBRARY snappy REQUIRED)
find_path(PROTOZERO_INCLUDE protozero/pbf_reader.hpp REQUIRED)

set(DUCKDB_DIR ${CMAKE_SOURCE_DIR}/third_party/duckdb)
if(NOT EXISTS ${DUCKDB_DIR}/libduckdb.so)
  message(FATAL_ERROR "third_party/duckdb is missing: run ./dev build, or tools/fetch_third_party.sh")
endif()
add_library(duckdb SHARED IMPORTED)
set_target_properties(duckdb PROPERTIES
  IMPORTED_LOCATION ${DUCKDB_DIR}/libduckdb.so
  INTERFACE_INCLUDE_DIRECTORIES ${DUCKDB_DIR})
set(CMAKE_BUILD_RPATH ${DUCKDB_DIR})
