# What `make install PREFIX=DIR` puts below DIR. The programs look for nothing by an absolute path but LibTorch, and for that
# first in ../lib/torch, as seen from their folder: the tree may be moved.
set(CMAKE_INSTALL_BINDIR bin)  # the launcher starts the worker beside itself
include(GNUInstallDirs)
set(LOCKSTEP_INSTALL_DATA ${CMAKE_INSTALL_DATAROOTDIR}/lockstep)

install(TARGETS lockstep lockstep-worker RUNTIME)
set_target_properties(lockstep-worker PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON
  INSTALL_RPATH "$ORIGIN/../lib/torch/lib;${LOCKSTEP_TORCH}/lib")

install(DIRECTORY configs/templates DESTINATION ${LOCKSTEP_INSTALL_DATA} FILES_MATCHING PATTERN *.toml)
install(FILES configs/quickstart.toml configs/parameters.schema.json DESTINATION ${LOCKSTEP_INSTALL_DATA})
install(DIRECTORY slurm DESTINATION ${LOCKSTEP_INSTALL_DATA} FILES_MATCHING PATTERN *.sh.in)

# Documents keep their places relative to each other, so that links between them work.
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
