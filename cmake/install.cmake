# What `make install PREFIX=DIR` puts below DIR. The programs look for nothing by an absolute path but LibTorch, and for that
# first in ../lib/torch of their own folder: the tree may be moved (docs/install.md).
set(CMAKE_INSTALL_BINDIR bin)  # the launcher starts the worker beside itself
include(GNUInstallDirs)
set(LOCKSTEP_INSTALL_DATA ${CMAKE_INSTALL_DATAROOTDIR}/lockstep)

install(TARGETS lockstep lockstep-worker RUNTIME)
set_target_properties(lockstep-worker PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON
  INSTALL_RPATH "$ORIGIN/../lib/torch/lib;${LOCKSTEP_TORCH}/lib")

install(DIRECTORY configs/templates DESTINATION ${LOCKSTEP_INSTALL_DATA} FILES_MATCHING PATTERN *.toml)
install(FILES configs/quickstart.toml configs/parameters.schema.json DESTINATION ${LOCKSTEP_INSTALL_DATA})
install(DIRECTORY slurm DESTINATION ${LOCKSTEP_INSTALL_DATA} FILES_MATCHING PATTERN *.sh.in)

# Documents lie to each other as in the repository, so that their links hold.
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES slurm/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/slurm)
install(FILES README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)

# A page for each program and command, from what its --help prints.
find_program(AWK awk REQUIRED)
string(CONCAT make_pages
  "execute_process(COMMAND ${CMAKE_COMMAND} -DPROGRAMS=${CMAKE_RUNTIME_OUTPUT_DIRECTORY} -DVERSION=${PROJECT_VERSION} "
  "-DPAGES=${CMAKE_BINARY_DIR}/man -DAWK=${AWK} -P ${CMAKE_SOURCE_DIR}/cmake/man_pages.cmake COMMAND_ERROR_IS_FATAL ANY)")
install(CODE "${make_pages}")
install(DIRECTORY ${CMAKE_BINARY_DIR}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
