# Compiles the templates in slurm/ into the launcher, which needs no files at run time.
foreach(name train seeds)
  set(file ${CMAKE_SOURCE_DIR}/slurm/${name}.sh.in)
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} LOCKSTEP_BATCH_${name})
endforeach()
configure_file(launcher/batch_templates.cpp.in ${CMAKE_BINARY_DIR}/generated/batch_templates.cpp @ONLY)
