# Files that are compiled as one: most of the time that a file takes goes to the headers of torch and JSON. A file that a
# test replaces with one of its own must stay alone, or the linker would take both.
option(LOCKSTEP_UNITY "compile the files of a folder together: half the time for a full build" ON)
function(lockstep_compile_together group)
  if(LOCKSTEP_UNITY)
    set_source_files_properties(${ARGN} PROPERTIES UNITY_GROUP ${group})
  endif()
endfunction()
function(lockstep_has_groups)
  if(LOCKSTEP_UNITY)
    set_target_properties(${ARGN} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  endif()
endfunction()
