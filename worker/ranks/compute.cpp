#include "worker/ranks/compute.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "collectives/gpu.hpp"
#include "collectives/make_gpu_transport.hpp"
#include "collectives/network.hpp"
#include "common/log.hpp"
#include "worker/ranks/agreement.hpp"
#include "worker/ranks/gpu_choice.hpp"
#include "worker/ranks/out_of_memory.hpp"
#include "worker/ranks/pinning.hpp"
#include "worker/watch/rank_progress.hpp"

namespace lockstep {
namespace {

#ifdef LOCKSTEP_GPU_DOUBLE
constexpr auto accelerator = at::kCPU;  // tests: the double's GPUs are host memory
#else
constexpr auto accelerator = at::kCUDA;
#endif

/// Only NCCL needs a GPU for each rank.
bool shares_gpus(const Config& config) { return config.distributed.gpu_transport == "staged"; }

/// Why this rank has no GPU of its own; "" when it has. Ranks of a host take its GPUs in rank order, or each
/// the only one it is shown; where GPUs are `shared`, any will do.
std::string why_no_gpu_for(int local_rank, int ranks_on_host, bool shared, const SetAside& aside) {
  if (gpu_count() == 0) return why_no_gpu();
  const int usable = static_cast<int>(usable_gpus(aside).size());
  if (local_rank < usable || (usable > 0 && shared)) return "";
  if (usable == 1 && !shown_at_start().empty()) return "";
  const auto missing = why_gpus_are_missing(aside);
  return host_name() + " has " + std::to_string(usable) + (usable == 1 ? " GPU" : " GPUs") + " for " +
         std::to_string(ranks_on_host) + " ranks" + (missing.empty() ? "" : ", since " + missing);
}

/// The index of this rank's GPU among those of the host.
int gpu_of(int local_rank, const SetAside& aside) {
  const auto usable = usable_gpus(aside);
  return usable[local_rank % usable.size()];
}

/// Collective: whether the ranks compute on GPUs, each on one of its own unless they may share them. Throws
/// Error (config) where `device` = "cuda" and a rank has none, and where a host has GPUs that are broken.
bool take_gpus(MpiTransport& host, const Config& config, int local_rank, int ranks_on_host,
               const SetAside& aside) {
  const auto& device = config.distributed.device;
  if (device == "cpu") return false;
  on_all_ranks(host, [&] {
    require_sound_gpus();
    require_gpu_not_aside(aside);
  });
  std::string missing;  // the first rank without a GPU says why
  const auto reasons =
      gather_texts(host, why_no_gpu_for(local_rank, ranks_on_host, shares_gpus(config), aside));
  for (std::size_t rank = 0; rank < reasons.size() && missing.empty(); ++rank) {
    if (!reasons[rank].empty()) missing = "rank " + std::to_string(rank) + ": " + reasons[rank];
  }
  if (missing.empty()) return true;
  if (device == "cuda") {
    throw Error(ExitCode::config, "distributed.device = \"cuda\" needs a GPU for each rank", missing,
                "start as many ranks as there are GPUs, or set distributed.device = \"cpu\"");
  }
  const auto present = gather_texts(host, gpus_present() > 0 ? host_name() : "");
  const auto with_gpus = std::ranges::find_if(present, [](const auto& name) { return !name.empty(); });
  if (host.rank() == 0 && with_gpus != present.end())
    log_warning("the run computes on CPUs, although " + *with_gpus + " has GPUs (" + missing +
                ") take a build with CUDA and as many ranks as there are GPUs, or set distributed.device = "
                "\"cpu\"");
  return false;
}

/// libtorch_cuda registers LibTorch's GPU kernels when it is loaded; it lies beside libtorch_cpu. It must be
/// there before anything asks LibTorch for CUDA, at::hasCUDA() too: LibTorch looks for it once and keeps the
/// answer.
void load_torch_cuda() {
  if (accelerator == at::kCPU) return;
  Dl_info info{};
  dladdr(reinterpret_cast<const void*>(&at::get_cpu_capability), &info);
  const auto path = std::filesystem::path(info.dli_fname).replace_filename("libtorch_cuda.so");
  if (!dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL)) {
    throw Error(ExitCode::config, "cannot use the GPU: LibTorch's part for it does not load", dlerror(),
                "install it with all it depends on (`./setup.sh` on this machine, or `.venv/bin/pip install "
                "torch==2.11.0`), or set distributed.device = \"cpu\"");
  }
  if (!at::hasCUDA())
    throw Error(ExitCode::bug, "LibTorch was asked for CUDA before its part for it was loaded");
}

void make_deterministic() {
  auto& context = at::globalContext();
  context.setDeterministicAlgorithms(true, /*warn_only=*/false);
  context.setDeterministicFillUninitializedMemory(false);  // it only hides reads of what nobody wrote
  context.setDeterministicCuDNN(true);
  context.setBenchmarkCuDNN(false);  // it would choose algorithms by the clock
  context.setAllowTF32CuBLAS(false);
  context.setAllowTF32CuDNN(false);
}

/// cuBLAS is deterministic with a workspace of its own for each handle, and its size changes the bits.
void set_cublas_workspace() {
  constexpr const char* name = "CUBLAS_WORKSPACE_CONFIG";
  constexpr const char* size = ":4096:8";
  const char* const before = std::getenv(name);
  if (before && std::string(before) != size)
    log_warning(std::string(name) + "=" + before + " is replaced by " + size +
                " (the bits depend on it) unset it");
  setenv(name, size, /*overwrite=*/1);
}

/// Collective: throws Error (config), which names what it is, unless all ranks have the same.
void require_same_details(MpiTransport& host, const DeviceDetails& details) {
  for (const auto& [name, value] : details) {
    if (name == "environment")
      require_same(host, "the environment that changes arithmetic", value.empty() ? "nothing" : value,
                   "set these variables alike on all hosts, or on none");
    else
      require_same(host, "the version of " + name, value, "install the same on all hosts");
  }
}

/// Collective: this rank's GPU, selected, with LibTorch set up for it. Throws Error (config).
Compute gpu_of_rank(MpiTransport& host, int index, const SetAside& aside) {
  Compute compute;
  compute.gpu_index = index;
  compute.device = accelerator == at::kCPU ? at::Device(at::kCPU) : at::Device(accelerator, index);
  on_all_ranks(host, [&] {
    stamp_gpu(describe_gpu(index, aside));
    set_cublas_workspace();
    select_gpu(index);
    if (accelerator != at::kCPU) end_when_gpu_memory_is_refused(host.rank());
    const auto found = gpu(index);
    compute.device_class = found.name + ", compute capability " + std::to_string(found.compute_major) + "." +
                           std::to_string(found.compute_minor) + ", " +
                           std::to_string(found.multiprocessors) + " SMs";
    compute.device_details = gpu_details();
  });
  return compute;
}

/// Collective: the transport between the ranks' GPUs.
std::unique_ptr<Transport> connect_gpus(MpiTransport& host, const Config& config, int index) {
  const auto messages = shares_gpus(config) ? GpuMessages::through_host : GpuMessages::over_nccl;
  if (messages == GpuMessages::over_nccl) require_own_gpus(host, gpu_address(index));
  const std::function<void()> give_back = accelerator == at::kCPU ? nullptr : give_back_unused_gpu_memory;
  return make_gpu_transport(host, index, messages,
                            std::chrono::seconds(config.reliability.collective_timeout_seconds), give_back);
}

/// Where the number format follows from AMX, or its kernels are used, CPUs with and without it are two
/// classes.
std::string class_of_cpu(const Config& config) {
  const bool may_be_16_bits =
      config.precision.mixed_precision != "none" && !config.quantization.quantization_aware;
  const bool amx_matters = may_be_16_bits && cpu_has_amx();
  return "cpu " + at::get_cpu_capability() + (amx_matters ? " with AMX" : "");
}

}  // namespace

void require_own_gpus(Transport& transport, const std::string& address) {
  std::map<std::string, std::size_t> owners;
  const auto all = gather_texts(transport, address.empty() ? "" : address + " of " + host_name());
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].empty()) continue;
    const auto [owner, is_new] = owners.try_emplace(all[rank], rank);
    if (is_new) continue;
    throw Error(ExitCode::config,
                "ranks " + std::to_string(owner->second) + " and " + std::to_string(rank) + " share a GPU",
                "both see the one at " + all[rank],
                "start one rank a GPU, and give each its own CUDA_VISIBLE_DEVICES or none at all");
  }
}

bool cpu_has_amx() { return __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16"); }

Compute choose_compute(MpiTransport& host, const Config& config, const SetAside& aside) {
  const auto hosts = gather_texts(host, host_name());
  int local_rank = 0, ranks_on_host = 0;
  for (int rank = 0; rank < host.world_size(); ++rank) {
    if (hosts[rank] != host_name()) continue;
    ++ranks_on_host;
    if (rank < host.rank()) ++local_rank;
  }
  if (const char* const network = std::getenv("LOCKSTEP_NETWORK"); network && *network)
    on_all_ranks(host, [&] { keep_nccl_on(interfaces_in(network)); });
  const bool on_gpu = take_gpus(host, config, local_rank, ranks_on_host, aside);
  std::string gpu;  // its address on the PCI bus
  if (on_gpu) {
    on_all_ranks(host, [&] {
      load_torch_cuda();
      gpu = gpu_address(gpu_of(local_rank, aside));
    });
  }
  at::set_num_threads(static_cast<int>(config.distributed.threads_per_rank));
  make_deterministic();
  const int cores =
      pin_to_own_cores(host, hosts, local_rank, gpu, static_cast<int>(config.distributed.threads_per_rank),
                       config.distributed.pin_to_cores);
  Compute compute;
  if (on_gpu)
    compute = gpu_of_rank(host, gpu_of(local_rank, aside), aside);
  else
    compute.device_class = class_of_cpu(config);
  compute.cores = cores;
  require_same(host, "the class of device", compute.device_class,
               "use hosts of one kind (for CPUs, ATEN_CPU_CAPABILITY=default or avx2 on all of them lowers "
               "it to one level)");
  require_same_details(host, compute.device_details);
  if (on_gpu) compute.between_gpus = connect_gpus(host, config, compute.gpu_index);
  return compute;
}

}  // namespace lockstep
