// In the place of update_kernels.cu where the build has no CUDA: no shard lies on a GPU then.
#include "common/error.hpp"
#include "worker/optim/update_kernels.hpp"

namespace lockstep {

int launch_update(UpdateRule, bool, const UpdateJob&) {
  throw Error(ExitCode::bug, "this build of lockstep has no kernels to update weights with");
}

int launch_squares(const SquaresJob&) {
  throw Error(ExitCode::bug, "this build of lockstep has no kernels to add squares with");
}

}  // namespace lockstep
