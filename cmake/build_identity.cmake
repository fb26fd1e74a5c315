execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} describe --always --dirty --abbrev=12 --exclude=*
  OUTPUT_VARIABLE LOCKSTEP_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT LOCKSTEP_COMMIT)
  set(LOCKSTEP_COMMIT "unknown")
endif()
configure_file(common/build_identity.cpp.in ${CMAKE_BINARY_DIR}/generated/build_identity.cpp @ONLY)
