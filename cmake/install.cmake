# What `make install PREFIX=DIR` puts below DIR. The tree may be moved: the programs use no absolute path except for LibTorch,
# and look for that first in ../lib/torch relative to their folder.
set(CMAKE_INSTALL_BINDIR bin)  # the launcher starts the worker in its own folder
include(GNUInstallDirs)
set(LOCKSTEP_INSTALL_DATA ${CMAKE_INSTALL_DATAROOTDIR}/lockstep)

install(TARGETS lockstep lockstep-worker RUNTIME)
set_target_properties(lockstep-worker PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON
  INSTALL_RPATH "$ORIGIN/../lib/torch/lib;${LOCKSTEP_TORCH}/lib")

install(DIRECTORY configs/templates DESTINATION ${LOCKSTEP_INSTALL_DATA} FILES_MATCHING PATTERN *.toml)
install(FILES configs/quickstart.toml configs/parameters.schema.json DESTINATION ${LOCKSTEP_INSTALL_DATA})
install(DIRECTORY slurm DESTINATION ${LOCKSTEP_INSTALL_DATA} FILES_MATCHING PATTERN *.sh.in)

# Documents keep their relative places, so that the links between them work.
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES slurm/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/slurm)
install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)

# A manual page for each program and command, generated from its --help.
find_program(AWK awk REQUIRED)
install(CODE "execute_process(COMMAND_ERROR_IS_FATAL ANY COMMAND \"${CMAKE_COMMAND}\" \"-DVERSION=${PROJECT_VERSION}\"
  \"-DPROGRAMS=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}\" \"-DPAGES=${CMAKE_BINARY_DIR}/man\" \"-DAWK=${AWK}\"
  -P \"${CMAKE_SOURCE_DIR}/cmake/man_pages.cmake\")")
install(DIRECTORY ${CMAKE_BINARY_DIR}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
