// Which variables of the environment are part of what a GPU's bits depend on.
#include "worker/device_details.hpp"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using Variables = std::vector<std::string>;

TEST(ArithmeticVariables, AreThoseOfLibTorchAndNvidiasLibraries) {
  EXPECT_EQ(arithmetic_variables({"TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1", "NVIDIA_TF32_OVERRIDE=0", "PATH=/bin",
                                  "CUBLASLT_WORKSPACE_SIZE=4096", "TORCH_CUDNN_V8_API_DISABLED=1",
                                  "CUDNN_X=1", "PYTORCH_CUDA_ALLOC_CONF=x", "HOME=/root"}),
            (Variables{"CUBLASLT_WORKSPACE_SIZE=4096", "CUDNN_X=1", "NVIDIA_TF32_OVERRIDE=0",
                       "PYTORCH_CUDA_ALLOC_CONF=x", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1",
                       "TORCH_CUDNN_V8_API_DISABLED=1"}));
}

TEST(ArithmeticVariables, AreNotThoseThatChooseDevicesAndLogs) {
  EXPECT_EQ(
      arithmetic_variables({"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute",
                            "CUDNN_LOGINFO_DBG=1", "CUBLAS_LOGDEST_DBG=x", "TORCH_HOME=/a", "MY_TORCH_X=1"}),
      Variables{});
}

}  // namespace
}  // namespace lockstep
