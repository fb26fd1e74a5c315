// Doing something on every rank that may fail on any of them, so that all ranks learn of it and leave
// together.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "collectives/gpu_fault.hpp"
#include "collectives/transport.hpp"

namespace lockstep {

/// Collective: runs `action` on this rank. When it throws Error, filesystem_error (which becomes an Error) or
/// Interrupted on any rank, every rank throws what the lowest such rank has thrown, an Error's message led by
/// that rank and host when it is not rank 0. A CollectiveError passes through at once, and so do a GpuFailure
/// and an Error (out_of_memory), with which this rank leaves alone.
void on_all_ranks(Transport& transport, const std::function<void()>& action);

/// Collective: throws Interrupted on all ranks when any has been asked to end. Throws CollectiveError.
void leave_if_asked(Transport& transport);

/// "error: on rank R (HOST): ..." on standard error.
void say_on_this_rank(int rank, const Error& error);
/// What `action` returns. An Error that it throws is said on standard error by a rank other than 0 too: its
/// peers do not know of it, and will only miss this rank.
template <class Action>
auto say_error_of_this_rank(const Transport& transport, const Action& action) {
  try {
    return action();
  } catch (const GpuFailure&) {
    throw;  // it will be said with all that is known of the GPU
  } catch (const Error& error) {
    if (transport.rank() != 0) say_on_this_rank(transport.rank(), error);
    throw;
  }
}

/// Collective: every rank's `text`, in rank order.
std::vector<std::string> gather_texts(Transport& transport, const std::string& text);

/// Collective: every rank's numbers. Throws CollectiveError.
std::vector<std::vector<double>> gather_numbers_by_rank(Transport& transport, std::span<const double> own);

/// Collective: every rank's numbers, one after the other, in rank order, which is the order of the blocks.
/// Throws CollectiveError.
std::vector<double> gather_numbers(Transport& transport, std::span<const double> own);

/// Collective: rank 0's `text`.
std::string broadcast_text(Transport& transport, std::string text);

/// Collective: throws Error (config) on all ranks unless `value` is the same everywhere; names what differs
/// and where.
void require_same(Transport& transport, const std::string& what, const std::string& value,
                  const std::string& suggestion);

}  // namespace lockstep
