// Memory and copies.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "tests/support/ghost_gpu/ghost.hpp"

namespace lockstep::ghost {
namespace {

constexpr std::size_t alignment = 512;  // of cudaMalloc()
constexpr int unset_byte = 0xff;

struct Block {
  std::size_t bytes;
  MemoryKind kind;
  bool registered = false;  ///< the caller's own memory, made pinned
};

std::map<std::uintptr_t, Block>& blocks() {
  static std::map<std::uintptr_t, Block> blocks;
  return blocks;
}

std::size_t used_bytes = 0;

std::size_t memory_bytes() {
  static const auto bytes = static_cast<std::size_t>(number_from("GHOST_BYTES", 80LL << 30));
  return bytes;
}

cudaError_t allocate(void** data, std::size_t bytes, MemoryKind kind) {
  const std::lock_guard guard(lock());
  const bool on_device = kind == MemoryKind::device;
  if (on_device && used_bytes + bytes > memory_bytes()) return cudaErrorMemoryAllocation;
  const auto whole = std::max(alignment, (bytes + alignment - 1) / alignment * alignment);
  *data = std::aligned_alloc(alignment, whole);
  if (*data == nullptr) return cudaErrorMemoryAllocation;
  if (on_device) {
    fill(*data, whole);
    used_bytes += bytes;
  }
  forget_accesses(*data, whole);
  blocks()[reinterpret_cast<std::uintptr_t>(*data)] = {bytes, kind};
  return cudaSuccess;
}

/// Removes the block that begins at `data` from the list and returns it; an empty block if there is none.
Block take_out(void* data, MemoryKind kind) {
  const auto found = blocks().find(reinterpret_cast<std::uintptr_t>(data));
  if (found == blocks().end() || found->second.kind != kind) return {0, MemoryKind::pageable};
  const auto block = found->second;
  blocks().erase(found);
  return block;
}

const char* word_for(MemoryKind kind) {
  return kind == MemoryKind::device ? "device" : kind == MemoryKind::pinned ? "pinned" : "pageable";
}

bool is_on_host(MemoryKind kind) { return kind != MemoryKind::device; }

std::uint64_t sum_of(const void* data, std::size_t bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes; ++i) sum = sum * 31 + static_cast<const unsigned char*>(data)[i];
  return sum;
}

[[noreturn]] void tell_changed_source(std::size_t bytes) {
  std::fprintf(stderr,
               "ghost: the host wrote to %zu bytes of pinned memory before the copy from there was done\n",
               bytes);
  _Exit(97);
}

/// As in CUDA: from pageable memory the bytes are taken at once; a copy to pageable memory waits until it is
/// done.
cudaError_t copy(void* to, const void* from, std::size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  const auto source = kind_of(from), target = kind_of(to);
  const auto words = std::string("copy ") + word_for(source) + " to " + word_for(target);
  count(words, static_cast<double>(bytes));
  std::vector<Access> accesses = {{from, bytes, false}, {to, bytes, true}};
  if (source == MemoryKind::pageable) {
    const auto staged = std::make_shared<std::vector<char>>(static_cast<const char*>(from),
                                                            static_cast<const char*>(from) + bytes);
    accesses.erase(accesses.begin());
    give(stream, words, accesses, [=] {
      std::memcpy(to, staged->data(), bytes);
      return true;
    });
  } else if (source == MemoryKind::pinned) {
    give(
        stream, words, accesses,
        [=, sum = sum_of(from, bytes)] {
          if (sum_of(from, bytes) != sum) tell_changed_source(bytes);
          std::memcpy(to, from, bytes);
          return true;
        },
        Progress::when_waited_for);
  } else {
    if (target == MemoryKind::pinned) std::memset(to, unset_byte, bytes);  // an early reader sees this
    give(
        stream, words, accesses,
        [=] {
          std::memmove(to, from, bytes);
          return true;
        },
        target == MemoryKind::pinned ? Progress::when_waited_for : Progress::at_random);
  }
  if (target == MemoryKind::pageable) wait_for(stream);
  return failure();
}

}  // namespace

void fill(void* data, std::size_t bytes) {
  constexpr std::size_t scalar_bytes = 8;
  if (bytes <= scalar_bytes) {  // values that the host reads to decide
    std::memset(data, 0, bytes);
    return;
  }
  auto* const words = static_cast<std::uint32_t*>(data);
  for (std::size_t i = 0; i < bytes / sizeof *words; ++i) {
    const auto noise = static_cast<std::uint32_t>((i + bytes) * 2654435761U >> 12);
    words[i] = 0x3b002000U | (noise & 0x7fU) << 16 | (noise >> 8 & 0x3ffU);
  }
  if (bytes % sizeof *words != 0) std::memset(words + bytes / sizeof *words, 0x20, bytes % sizeof *words);
}

MemoryKind kind_of(const void* data) {
  const std::lock_guard guard(lock());
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  const auto after = blocks().upper_bound(address);
  if (after == blocks().begin()) return MemoryKind::pageable;
  const auto& [begin, block] = *std::prev(after);
  return address < begin + block.bytes ? block.kind : MemoryKind::pageable;
}

}  // namespace lockstep::ghost

using namespace lockstep::ghost;

extern "C" {

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  if (const auto error = begin_call("cudaMalloc")) return error;
  follow_allocations(__builtin_return_address(0));
  return allocate(data, bytes, MemoryKind::device);
}

cudaError_t cudaFree(void* data) {
  if (const auto error = begin_call("cudaFree")) return error;
  if (data == nullptr) return cudaSuccess;
  wait_for_all();
  const std::lock_guard guard(lock());
  const auto block = take_out(data, MemoryKind::device);
  if (block.kind != MemoryKind::device) return cudaErrorInvalidValue;
  used_bytes -= block.bytes;
  forget_accesses(data, block.bytes);
  std::free(data);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned int) {
  if (const auto error = begin_call("cudaHostAlloc")) return error;
  return allocate(data, bytes, MemoryKind::pinned);
}

cudaError_t cudaMallocHost(void** data, std::size_t bytes) {
  return cudaHostAlloc(data, bytes, cudaHostAllocDefault);
}

/// Does not wait for the GPU, as CUDA may not either: freeing memory that a queued copy still reads is
/// reported.
cudaError_t cudaFreeHost(void* data) {
  if (const auto error = begin_call("cudaFreeHost")) return error;
  if (data == nullptr) return cudaSuccess;
  const std::lock_guard guard(lock());
  const auto block = take_out(data, MemoryKind::pinned);
  if (block.kind != MemoryKind::pinned || block.registered) return cudaErrorInvalidValue;
  check_accesses("cudaFreeHost", agent_of_thread(), clock_of_thread(), {{data, block.bytes, true}});
  forget_accesses(data, block.bytes);
  std::free(data);
  return cudaSuccess;
}

cudaError_t cudaHostRegister(void* data, std::size_t bytes, unsigned int) {
  if (const auto error = begin_call("cudaHostRegister")) return error;
  const std::lock_guard guard(lock());
  forget_accesses(data, bytes);
  blocks()[reinterpret_cast<std::uintptr_t>(data)] = {bytes, MemoryKind::pinned, true};
  return cudaSuccess;
}

cudaError_t cudaHostUnregister(void* data) {
  if (const auto error = begin_call("cudaHostUnregister")) return error;
  const std::lock_guard guard(lock());
  const auto block = take_out(data, MemoryKind::pinned);
  if (!block.registered) return cudaErrorInvalidValue;
  check_accesses("cudaHostUnregister", agent_of_thread(), clock_of_thread(), {{data, block.bytes, true}});
  forget_accesses(data, block.bytes);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* all_bytes) {
  if (const auto error = begin_call("cudaMemGetInfo")) return error;
  *all_bytes = memory_bytes();
  *free_bytes = memory_bytes() - used_bytes;
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* data) {
  *attributes = {};
  const auto kind = kind_of(data);
  attributes->type = kind == MemoryKind::device   ? cudaMemoryTypeDevice
                     : kind == MemoryKind::pinned ? cudaMemoryTypeHost
                                                  : cudaMemoryTypeUnregistered;
  cudaGetDevice(&attributes->device);
  if (kind != MemoryKind::pageable) attributes->devicePointer = const_cast<void*>(data);
  if (kind != MemoryKind::device) attributes->hostPointer = const_cast<void*>(data);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  if (const auto error = begin_call("cudaMemcpyAsync")) return error;
  return copy(to, from, bytes, stream);
}

/// Between two places on the GPU it returns before the copy is done, as in CUDA.
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  if (const auto error = begin_call("cudaMemcpy")) return error;
  const auto result = copy(to, from, bytes, cudaStreamLegacy);
  if (is_on_host(kind_of(to)) || is_on_host(kind_of(from))) wait_for(cudaStreamLegacy);
  return result == cudaSuccess ? failure() : result;
}

cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, std::size_t bytes,
                                cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream);
}

cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t stream) {
  if (const auto error = begin_call("cudaMemsetAsync")) return error;
  count("memset", static_cast<double>(bytes));
  give(stream, "memset", {{data, bytes, true}}, [=] {
    std::memset(data, value, bytes);
    return true;
  });
  return cudaSuccess;
}

cudaError_t cudaMemset(void* data, int value, std::size_t bytes) {
  return cudaMemsetAsync(data, value, bytes, cudaStreamLegacy);
}

}  // extern "C"
