# Files that are compiled as one (unity build), since the headers of torch and JSON take most of the time to compile a file.
# A file that a test replaces must stay separate, or the linker would get both versions.
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
