# What `make install PREFIX=DIR` puts below DIR. The tree may be moved: the programs use no absolute path except for LibTorch and
# CUDA, and look for those first below ../lib relative to their folder.
set(CMAKE_INSTALL_BINDIR bin)  # the launcher starts the worker in its own folder
include(GNUInstallDirs)
set(LOCKSTEP_INSTALL_DATA ${CMAKE_INSTALL_DATAROOTDIR}/lockstep)

# Where `pip install --target DIR/lib` puts the wheels of torch, NCCL and CUDA. The build uses this RPATH too: CMake would
# otherwise replace it at the installation and fill the rest with empty entries, which the loader takes for the current folder.
install(TARGETS lockstep lockstep-worker RUNTIME)
set_target_properties(lockstep-worker PROPERTIES BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH_USE_LINK_PATH ON INSTALL_RPATH
  "$ORIGIN/../lib/torch/lib;$ORIGIN/../lib/nvidia/nccl/lib;$ORIGIN/../lib/nvidia/cu13/lib;${LOCKSTEP_TORCH}/lib")

install(DIRECTORY configs/templates DESTINATION ${LOCKSTEP_INSTALL_DATA} FILES_MATCHING PATTERN *.toml)
install(FILES configs/quickstart.toml configs/parameters.schema.json DESTINATION ${LOCKSTEP_INSTALL_DATA})
install(DIRECTORY slurm DESTINATION ${LOCKSTEP_INSTALL_DATA} FILES_MATCHING PATTERN *.sh.in)

# Documents, and what they link to, keep their relative places, so that the links work.
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES README.md CHANGELOG.md CONTRIBUTING.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
foreach(file slurm/README.md tests/support/ghost_gpu/README.md tests/integration/gpu_counts.json)
  get_filename_component(folder ${file} DIRECTORY)
  install(FILES ${file} DESTINATION ${CMAKE_INSTALL_DOCDIR}/${folder})
endforeach()

# A manual page for each program and command, generated from its --help.
find_program(AWK awk REQUIRED)
install(CODE "set(LOCKSTEP_VERSION \"${PROJECT_VERSION}\")
set(LOCKSTEP_PROGRAMS \"${CMAKE_RUNTIME_OUTPUT_DIRECTORY}\")
set(LOCKSTEP_PAGES \"${CMAKE_INSTALL_MANDIR}/man1\")
set(LOCKSTEP_AWK \"${AWK}\")
include(\"${CMAKE_SOURCE_DIR}/cmake/man_pages.cmake\")")
