// Actions that may fail on any rank, run so that all ranks learn of a failure and leave together; and texts
// and numbers gathered from all ranks.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "collectives/gpu_fault.hpp"
#include "collectives/transport.hpp"

namespace lockstep {

/// Collective: runs `action` on this rank. If it throws Error, filesystem_error (which becomes an Error) or
/// Interrupted on any rank, every rank throws what the lowest such rank has thrown; unless that is rank 0, an
/// Error's message begins with the rank and its host. CollectiveError, GpuFailure and Error (out_of_memory)
/// pass through at once; with the latter two this rank leaves alone.
void on_all_ranks(Transport& transport, const std::function<void()>& action);

/// Collective: throws Interrupted on all ranks when any has been asked to end. Throws CollectiveError.
void leave_if_asked(Transport& transport);

/// Prints "error: on rank R (HOST): ..." on standard error.
void say_on_this_rank(int rank, const Error& error);
/// Returns what `action` returns and throws what it throws. A rank other than 0 first prints an Error on
/// standard error: its peers do not learn of the error and would only find this rank missing.
template <class Action>
auto say_error_of_this_rank(const Transport& transport, const Action& action) {
  try {
    return action();
  } catch (const GpuFailure&) {
    throw;  // reported later, with all that is known about the GPU
  } catch (const Error& error) {
    if (transport.rank() != 0) say_on_this_rank(transport.rank(), error);
    throw;
  }
}

/// Collective: every rank's `text`, in rank order. Throws CollectiveError.
std::vector<std::string> gather_texts(Transport& transport, const std::string& text);

/// Collective: every rank's numbers, in rank order. Throws CollectiveError.
std::vector<std::vector<double>> gather_numbers_by_rank(Transport& transport, std::span<const double> own);

/// Collective: the numbers of all ranks, concatenated in rank order, which is the order of the blocks. Throws
/// CollectiveError.
std::vector<double> gather_numbers(Transport& transport, std::span<const double> own);

/// Collective: rank 0's `text`, on all ranks. Throws CollectiveError.
std::string broadcast_text(Transport& transport, std::string text);

/// Collective: throws Error (config) on all ranks unless `value` is the same on all of them; the message
/// names what differs and where. Throws CollectiveError.
void require_same(Transport& transport, const std::string& what, const std::string& value,
                  const std::string& suggestion);

}  // namespace lockstep
