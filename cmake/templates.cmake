# Compiles the configurations in configs/templates into the library, so that programs need no files at run time.
set(LOCKSTEP_TEMPLATES "")
foreach(name fast balanced high_accuracy)  # from the shortest run to the longest
  set(file ${CMAKE_SOURCE_DIR}/configs/templates/${name}.toml)
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  string(APPEND LOCKSTEP_TEMPLATES "      {\"${name}\", R\"toml(${text})toml\"},\n")
endforeach()
configure_file(configs/templates.cpp.in ${CMAKE_BINARY_DIR}/generated/templates.cpp @ONLY)
