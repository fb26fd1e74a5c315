#include "launcher/open_mpi.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <optional>
#include <regex>
#include <sstream>
#include <vector>

#include "common/error.hpp"
#include "common/proc_stat.hpp"
#include "launcher/output_of.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

std::string program_in_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const auto program = fs::path(folder.empty() ? "." : folder) / name;
    std::error_code none;
    if (!fs::is_directory(program, none) && access(program.c_str(), X_OK) == 0) return program;
  }
  throw Error(ExitCode::config, name + " was not found", "it starts the ranks, and no folder of PATH has it",
              "install the package openmpi-bin");
}

std::string first_line(const std::string& text) {
  const auto begin = text.find_first_not_of(" \n");
  return begin == std::string::npos ? "nothing" : text.substr(begin, text.find('\n', begin) - begin);
}

/// Whether an ancestor of this process is a program that starts ranks.
bool is_below_a_starter() {
  constexpr std::array starters = {"mpirun",  "mpiexec", "orterun",        "orted",
                                   "prterun", "prted",   "hydra_pmi_proxy"};
  std::optional<ProcStat> process = read_proc_stat("/proc/self");
  while (process && process->parent > 1) {
    process = read_proc_stat(folder_of_process(process->parent));
    if (process && std::ranges::count(starters, process->name) > 0) return true;
  }
  return false;
}

}  // namespace

bool is_of_a_rank(const std::string& variable) {
  // Variables that users set as well: parameters, and the permission to run as root.
  constexpr std::array kept = {"OMPI_MCA_", "OMPI_ALLOW_", "PMIX_MCA_", "PRTE_MCA_", "PRTE_ALLOW_"};
  constexpr std::array set = {"OMPI_", "PMIX_", "PMI_", "PMI2_", "PRTE_"};
  constexpr std::array parameters = {"ess",
                                     "ess_base_jobid",
                                     "ess_base_vpid",
                                     "initial_wdir",
                                     "num_procs",
                                     "cpu_type",
                                     "mpi_oversubscribe",
                                     "orte_app_num",
                                     "orte_bound_at_launch",
                                     "orte_ess_node_rank",
                                     "orte_ess_num_procs",
                                     "orte_hnp_uri",
                                     "orte_jobfam_session_dir",
                                     "orte_launch",
                                     "orte_local_daemon_uri",
                                     "orte_num_nodes",
                                     "orte_precondition_transports",
                                     "orte_top_session_dir",
                                     "PREFIXES",
                                     "pmix",
                                     "shmem_RUNTIME_QUERY_hint"};
  const auto begins = [&](const char* text) { return variable.starts_with(text); };
  if (std::ranges::any_of(parameters,
                          [&](const char* name) { return variable == std::string("OMPI_MCA_") + name; }))
    return true;
  const bool is_a_place = variable.ends_with("PREFIX") || variable.ends_with("_HOME");  // of an installation
  return std::ranges::any_of(set, begins) && std::ranges::none_of(kept, begins) && !is_a_place;
}

void leave_outer_mpirun() {
  const char* const size = std::getenv("OMPI_COMM_WORLD_SIZE");
  const int times = size ? std::atoi(size) : 1;
  if (times > 1 && is_below_a_starter()) {
    throw Error(ExitCode::config, "mpirun has started lockstep " + std::to_string(times) + " times",
                "each would start all the ranks",
                "leave mpirun out: lockstep calls it itself; or have mpirun start lockstep-worker");
  }
  std::vector<std::string> names;
  for (char** entry = environ; *entry; ++entry) names.emplace_back(*entry, std::strcspn(*entry, "="));
  for (const auto& name : names) {
    if (is_of_a_rank(name)) unsetenv(name.c_str());
  }
  // OpenMP would pin every rank to the first core before lockstep gives each its own.
  for (const char* name : {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"}) {
    if (std::getenv(name))
      std::cerr << "lockstep: " << name << " is left out, as ranks are given cores of their own "
                << "(distributed.pin_to_cores)\n";
    unsetenv(name);
  }
}

int open_mpi_of(const std::string& answer, const std::string& path) {
  const std::string remedy =
      "put the folder of Open MPI 4.1's or 5's mpirun first in PATH (the package openmpi-bin has one in "
      "/usr/bin)";
  static const std::regex open_mpi(R"(\(Open MPI\) (\d+)\.(\d+))");
  std::smatch found;
  if (std::regex_search(answer, found, open_mpi)) {
    const auto major = found[1].str(), minor = found[2].str();
    if (major == "5" || (major == "4" && minor == "1")) return major == "5" ? 5 : 4;
    throw Error(ExitCode::config, path + " is of Open MPI " + major + "." + minor,
                "lockstep knows how to start ranks by 4.1 and 5", remedy);
  }
  std::string whose = "it answers " + first_line(answer);
  if (answer.find("Intel") != std::string::npos) {
    whose = "it is Intel MPI's";
  } else if (answer.find("HYDRA") != std::string::npos || answer.find("MPICH") != std::string::npos) {
    whose = "it is MPICH's";
  }
  throw Error(ExitCode::config, path + " is not Open MPI's mpirun", whose, remedy);
}

int open_mpi_in_path() {
  static const int version = [] {
    const auto path = program_in_path("mpirun");
    const auto answer = output_of({"timeout", "--kill-after=1", "20", path, "--version"});
    return open_mpi_of(answer.text, path);
  }();
  return version;
}

}  // namespace lockstep
