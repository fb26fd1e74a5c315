# Builds under sanitizers, one kind per build folder (CMakePresets.json): `asan` is AddressSanitizer with
# UndefinedBehaviorSanitizer, `tsan` ThreadSanitizer, `fuzz` clang's libFuzzer with the sanitizers of `asan`. None of them
# uses jemalloc, whose allocations the sanitizers could not check. Asserts are enabled (-UNDEBUG undoes a release build's
# -DNDEBUG).
set(LOCKSTEP_SANITIZE "" CACHE STRING "asan, tsan, fuzz, or empty for none")
set_property(CACHE LOCKSTEP_SANITIZE PROPERTY STRINGS "" asan tsan fuzz)
set(LOCKSTEP_SANITIZERS_asan "address,undefined")
set(LOCKSTEP_SANITIZERS_tsan "thread")
set(LOCKSTEP_SANITIZERS_fuzz "address,undefined")
if(LOCKSTEP_SANITIZE)
  set(sanitizers "${LOCKSTEP_SANITIZERS_${LOCKSTEP_SANITIZE}}")
  if(NOT sanitizers)
    message(FATAL_ERROR "LOCKSTEP_SANITIZE is ${LOCKSTEP_SANITIZE} (there are asan, tsan and fuzz). Choose one of them.")
  endif()
  if(LOCKSTEP_SANITIZE STREQUAL "fuzz" AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "LOCKSTEP_SANITIZE is fuzz (libFuzzer comes with clang). Configure with `cmake --preset fuzz`.")
  endif()
  add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:-O1;-g1;-UNDEBUG;-fno-omit-frame-pointer;-fsanitize=${sanitizers}>")
  add_link_options(-fsanitize=${sanitizers})
  if(NOT LOCKSTEP_SANITIZE STREQUAL "tsan")
    # toml++ 3.3 marks the code for letters such as U+00E9 as unreachable, but its result is right.
    add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:-fno-sanitize-recover=undefined;-fno-sanitize=unreachable>")
  endif()
  if(LOCKSTEP_SANITIZE STREQUAL "fuzz")
    add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=fuzzer-no-link>")
  endif()
endif()

# torch's wheel is built by GCC: clang 18 and later would expect mangled names of another ABI.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 18)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fclang-abi-compat=17>")
endif()
