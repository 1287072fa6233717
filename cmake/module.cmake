# One test program, in `shards` processes.
function(tomograph_test_program name sources seconds shards)
  add_executable(${name}_test ${sources})
  if(NOT name STREQUAL "base")  # half of what a test takes to compile
    target_precompile_headers(${name}_test REUSE_FROM base_test)
  else()
    target_precompile_headers(${name}_test PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
  endif()
  target_compile_options(${name}_test PRIVATE -pthread)  # as some libraries ask for, and headers compiled before must be alike
  target_link_libraries(${name}_test PRIVATE GTest::gmock_main GTest::gtest)
  target_compile_definitions(${name}_test PRIVATE TOMOGRAPH_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  if(TOMOGRAPH_SANITIZE)
    target_compile_options(${name}_test PRIVATE -O0)  # builds in half the time; what it tests keeps -O1
  endif()
  math(EXPR last "${shards} - 1")
  foreach(shard RANGE ${last})
    add_test(NAME ${name}_${shard} COMMAND ${name}_test)
    set_tests_properties(${name}_${shard} PROPERTIES COST ${seconds} LABELS ${name}
      ENVIRONMENT "GTEST_TOTAL_SHARDS=${shards};GTEST_SHARD_INDEX=${shard}")
  endforeach()
endfunction()

# tomograph_module(NAME USES other... ): every .cc below src/NAME becomes the library tomograph_NAME,
# every *_test.cc the test program NAME_test, and every *_accuracy_test.cc NAME_accuracy_test: what
# counts how often it is right, over seeds and recordings. Sanitizers look for other things, in the
# same code, and would take an hour over the counting, so they build without it.
# Programs with most TEST_SECONDS are started first; one that takes minutes runs in SHARDS, as many processes
# that share its tests. A new file needs no change here. A folder that needs a third-party library says
# so in src/NAME/CMakeLists.txt (target_link_libraries and nothing else).
function(tomograph_module name)
  cmake_parse_arguments(ARG "" "TEST_SECONDS;SHARDS" "USES" ${ARGN})
  if(NOT ARG_TEST_SECONDS)
    set(ARG_TEST_SECONDS 1)
  endif()
  if(NOT ARG_SHARDS)
    set(ARG_SHARDS 1)
  endif()
  set(dir ${CMAKE_SOURCE_DIR}/src/${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${dir}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")

  set(target tomograph_${name})
  if(sources)
    add_library(${target} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${target} ${scope} ${CMAKE_SOURCE_DIR}/src)
  foreach(used ${ARG_USES})
    target_link_libraries(${target} ${scope} tomograph_${used})
  endforeach()
  if(EXISTS ${dir}/CMakeLists.txt)
    include(${dir}/CMakeLists.txt)
  endif()

  set(accuracy_tests ${tests})
  list(FILTER accuracy_tests INCLUDE REGEX "_accuracy_test\\.cc$")
  list(FILTER tests EXCLUDE REGEX "_accuracy_test\\.cc$")
  if(tests)
    tomograph_test_program(${name} "${tests}" ${ARG_TEST_SECONDS} ${ARG_SHARDS})
    target_link_libraries(${name}_test PRIVATE ${target})
  endif()
  if(accuracy_tests AND NOT TOMOGRAPH_SANITIZE)
    tomograph_test_program(${name}_accuracy "${accuracy_tests}" 60 4)
    target_link_libraries(${name}_accuracy_test PRIVATE ${target})
  endif()
endfunction()
