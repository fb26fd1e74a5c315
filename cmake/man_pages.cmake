# Included at the installation: writes lockstep.1, lockstep-COMMAND.1 for each command and lockstep-worker.1 to LOCKSTEP_PAGES,
# which counts from the prefix. Nothing goes through the build folder, which may belong to another user.
cmake_path(ABSOLUTE_PATH LOCKSTEP_PAGES BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}")
set(LOCKSTEP_MAN_PAGE_AWK "${CMAKE_CURRENT_LIST_DIR}/man_page.awk")

function(write_page name)
  set(page "${LOCKSTEP_PAGES}/${name}.1")
  message(STATUS "Generating: $ENV{DESTDIR}${page}")
  execute_process(COMMAND ${ARGN} --help
    COMMAND "${LOCKSTEP_AWK}" -v name=${name} -v version=${LOCKSTEP_VERSION} -f "${LOCKSTEP_MAN_PAGE_AWK}"
    OUTPUT_FILE "$ENV{DESTDIR}${page}" COMMAND_ERROR_IS_FATAL ANY)
  file(CHMOD "$ENV{DESTDIR}${page}" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  set(CMAKE_INSTALL_MANIFEST_FILES "${CMAKE_INSTALL_MANIFEST_FILES};${page}" PARENT_SCOPE)
endfunction()

file(MAKE_DIRECTORY "$ENV{DESTDIR}${LOCKSTEP_PAGES}")
write_page(lockstep-worker "${LOCKSTEP_PROGRAMS}/lockstep-worker")
write_page(lockstep "${LOCKSTEP_PROGRAMS}/lockstep")
execute_process(COMMAND "${LOCKSTEP_PROGRAMS}/lockstep" --help OUTPUT_VARIABLE help COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE ".*\nSubcommands:\n" "" commands "${help}")
string(REGEX REPLACE "\n\n.*" "" commands "${commands}")
string(REGEX MATCHALL "(^|\n)  [a-z]+" commands "${commands}")
foreach(command IN LISTS commands)
  string(STRIP "${command}" command)
  write_page(lockstep-${command} "${LOCKSTEP_PROGRAMS}/lockstep" ${command})
endforeach()
