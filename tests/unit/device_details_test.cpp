// Which environment variables count among what a GPU's bits depend on.
#include "worker/ranks/device_details.hpp"

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
  EXPECT_EQ(arithmetic_variables(
                {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute", "CUDNN_LOGINFO_DBG=1",
                 "CUBLAS_LOGDEST_DBG=x", "TORCH_HOME=/a", "MY_TORCH_X=1", "TORCH_NCCL_ASYNC_ERROR_HANDLING=1",
                 "TORCH_DISTRIBUTED_DEBUG=INFO", "TORCH_CPP_LOG_LEVEL=INFO", "TORCH_SHOW_CPP_STACKTRACES=1"}),
            Variables{});
}

TEST(ArithmeticVariables, AreNotThoseOfContainers) {
  EXPECT_EQ(arithmetic_variables({"NVIDIA_CUDA_END_OF_LIFE=1", "NVIDIA_IMEX_CHANNELS=0",
                                  "NVIDIA_REQUIRE_CUDA=cuda>=9", "NVIDIA_PRODUCT_NAME=PyTorch",
                                  "NVIDIA_PYTORCH_VERSION=25.01", "NVIDIA_MIG_CONFIG=x",
                                  "CUDNN_VERSION=9.7.0", "CUBLAS_VERSION=12.8", "PYTORCH_VERSION=2.11"}),
            Variables{});
}

TEST(ArithmeticVariables, AreThoseThatHaveOtherCodeCompiled) {
  EXPECT_EQ(
      arithmetic_variables({"CUDA_FORCE_PTX_JIT=1", "CUDA_VISIBLE_DEVICES=0", "CUDA_HOME=/usr/local/cuda"}),
      Variables{"CUDA_FORCE_PTX_JIT=1"});
}

}  // namespace
}  // namespace lockstep
