# Builds under sanitizers, one kind a build folder (CMakePresets.json): `asan` is address and undefined behaviour, `tsan`
# threads, `fuzz` libFuzzer (of clang) with address and undefined behaviour. None of them has jemalloc, whose memory they
# would not see into. Asserts are live in them (-UNDEBUG takes back what a release build defines).
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
    # toml++ 3.3 says of letters such as U+00E9 that they cannot be; what it makes of them is right all the same.
    add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:-fno-sanitize-recover=undefined;-fno-sanitize=unreachable>")
  endif()
  if(LOCKSTEP_SANITIZE STREQUAL "fuzz")
    add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=fuzzer-no-link>")
  endif()
endif()

# The wheel of torch is built by GCC: clang 18 and later would ask it for names of another ABI.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 18)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fclang-abi-compat=17>")
endif()
