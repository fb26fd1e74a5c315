// The functions of cuBLAS, cuDNN and the driver whose answers LibTorch reads; all others are stubs
// (make_stubs.py). Multiplications and convolutions do nothing.
#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda.h>
#include <cudnn.h>

#include <cstring>
#include <map>

#include "tests/support/ghost_gpu/ghost.hpp"

using lockstep::ghost::count;
using lockstep::ghost::number_from;

namespace {

constexpr std::size_t workspace_bytes = 1 << 20;
constexpr std::size_t reserve_bytes = 1 << 16;  // of batch normalisation

/// A descriptor of cuDNN's backend, which stores what it is given.
struct Descriptor {
  std::map<int, std::vector<char>> attributes;
  std::map<int, std::int64_t> counts;
  int choice = 0;  ///< which of the heuristics' engines: 0, or 1
};

std::size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR:
      return 1;
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return 8;
    default:
      return 4;
  }
}

Descriptor& descriptor(const void* handle) { return *static_cast<Descriptor*>(const_cast<void*>(handle)); }

/// The first plan may want more memory than there is; LibTorch then takes the second.
std::int64_t workspace_of_plan(int choice) {
  return choice == 0 ? number_from("GHOST_PLAN_BYTES", workspace_bytes) : workspace_bytes;
}

template <class Performance>
void only_algorithm(Performance* performance, int* found) {
  *performance = {};
  performance->status = CUDNN_STATUS_SUCCESS;
  performance->algo = static_cast<decltype(performance->algo)>(1);
  performance->memory = workspace_bytes;
  performance->determinism = CUDNN_DETERMINISTIC;
  performance->mathType = CUDNN_TENSOR_OP_MATH;
  *found = 1;
}

}  // namespace

extern "C" {

// --- cuBLAS ---

cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t, cublasPointerMode_t* mode) {
  *mode = CUBLAS_POINTER_MODE_HOST;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetMathMode(cublasHandle_t, cublasMath_t* mode) {
  *mode = CUBLAS_DEFAULT_MATH;
  return CUBLAS_STATUS_SUCCESS;
}

std::size_t cublasLtGetVersion() { return 130002; }

cublasStatus_t cublasGetVersion_v2(cublasHandle_t, int* version) {
  *version = 130002;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int,
                                              cublasLtMatmulHeuristicResult_t* result, int* found) {
  *result = {};
  result->state = CUBLAS_STATUS_SUCCESS;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

// --- cuDNN ---

std::size_t cudnnGetVersion() { return 91900; }
std::size_t cudnnGetCudartVersion() { return CUDART_VERSION; }
const char* cudnnGetErrorString(cudnnStatus_t) { return "an error of the ghost's cuDNN"; }
void cudnnGetLastErrorString(char* text, std::size_t size) {
  if (size > 0) text[0] = 0;
}

cudnnStatus_t cudnnGetProperty(libraryPropertyType type, int* value) {
  *value = type == MAJOR_VERSION ? 9 : type == MINOR_VERSION ? 19 : 0;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t, const cudnnTensorDescriptor_t,
                                                     const cudnnFilterDescriptor_t,
                                                     const cudnnConvolutionDescriptor_t,
                                                     const cudnnTensorDescriptor_t, const int, int* found,
                                                     cudnnConvolutionFwdAlgoPerf_t* performance) {
  only_algorithm(performance, found);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnnHandle_t, const cudnnFilterDescriptor_t,
                                                          const cudnnTensorDescriptor_t,
                                                          const cudnnConvolutionDescriptor_t,
                                                          const cudnnTensorDescriptor_t, const int,
                                                          int* found,
                                                          cudnnConvolutionBwdDataAlgoPerf_t* performance) {
  only_algorithm(performance, found);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(
    cudnnHandle_t, const cudnnTensorDescriptor_t, const cudnnTensorDescriptor_t,
    const cudnnConvolutionDescriptor_t, const cudnnFilterDescriptor_t, const int, int* found,
    cudnnConvolutionBwdFilterAlgoPerf_t* performance) {
  only_algorithm(performance, found);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t, const cudnnTensorDescriptor_t,
                                                      const cudnnFilterDescriptor_t,
                                                      const cudnnConvolutionDescriptor_t,
                                                      const cudnnTensorDescriptor_t,
                                                      cudnnConvolutionFwdAlgo_t, std::size_t* bytes) {
  *bytes = workspace_bytes;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(cudnnHandle_t, const cudnnFilterDescriptor_t,
                                                           const cudnnTensorDescriptor_t,
                                                           const cudnnConvolutionDescriptor_t,
                                                           const cudnnTensorDescriptor_t,
                                                           cudnnConvolutionBwdDataAlgo_t,
                                                           std::size_t* bytes) {
  *bytes = workspace_bytes;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(cudnnHandle_t, const cudnnTensorDescriptor_t,
                                                             const cudnnTensorDescriptor_t,
                                                             const cudnnConvolutionDescriptor_t,
                                                             const cudnnFilterDescriptor_t,
                                                             cudnnConvolutionBwdFilterAlgo_t,
                                                             std::size_t* bytes) {
  *bytes = workspace_bytes;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize(
    cudnnHandle_t, cudnnBatchNormMode_t, cudnnBatchNormOps_t, const cudnnTensorDescriptor_t,
    const cudnnTensorDescriptor_t, const cudnnTensorDescriptor_t, const cudnnTensorDescriptor_t,
    const cudnnActivationDescriptor_t, std::size_t* bytes) {
  *bytes = reserve_bytes;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetBatchNormalizationBackwardExWorkspaceSize(
    cudnnHandle_t, cudnnBatchNormMode_t, cudnnBatchNormOps_t, const cudnnTensorDescriptor_t,
    const cudnnTensorDescriptor_t, const cudnnTensorDescriptor_t, const cudnnTensorDescriptor_t,
    const cudnnTensorDescriptor_t, const cudnnTensorDescriptor_t, const cudnnActivationDescriptor_t,
    std::size_t* bytes) {
  *bytes = reserve_bytes;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetBatchNormalizationTrainingExReserveSpaceSize(cudnnHandle_t, cudnnBatchNormMode_t,
                                                                   cudnnBatchNormOps_t,
                                                                   const cudnnActivationDescriptor_t,
                                                                   const cudnnTensorDescriptor_t,
                                                                   std::size_t* bytes) {
  *bytes = reserve_bytes;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t, cudnnBackendDescriptor_t* made) {
  *made = new Descriptor;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t old) {
  delete static_cast<Descriptor*>(old);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t of, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, std::int64_t number,
                                       const void* values) {
  auto& attributes = descriptor(of);
  const auto* const bytes = static_cast<const char*>(values);
  attributes.attributes[name].assign(bytes, bytes + number * size_of(type));
  attributes.counts[name] = number;
  if (name == CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)
    attributes.choice = descriptor(*static_cast<void* const*>(values)).choice;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(const cudnnBackendDescriptor_t of, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, std::int64_t asked,
                                       std::int64_t* number, void* values) {
  const auto& attributes = descriptor(of);
  std::int64_t given = 0;
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS) {
    given = 2;
    for (int choice = 0; choice < given && choice < asked; ++choice)
      descriptor(static_cast<void**>(values)[choice]).choice = choice;
  } else if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE) {
    given = 1;
    if (asked > 0) *static_cast<std::int64_t*>(values) = workspace_of_plan(attributes.choice);
  } else if (const auto found = attributes.attributes.find(name); found != attributes.attributes.end()) {
    given = attributes.counts.at(name);
    if (asked > 0 && type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
      void* from = nullptr;
      std::memcpy(&from, found->second.data(), sizeof from);
      descriptor(*static_cast<void**>(values)) = descriptor(from);
    } else if (asked > 0) {
      std::memcpy(values, found->second.data(), std::min(found->second.size(), asked * size_of(type)));
    }
  }
  if (number != nullptr) *number = given;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t) {
  count("cudnnBackendExecute");
  if (std::getenv("GHOST_PLAN_BYTES") != nullptr)
    count(descriptor(plan).choice == 0 ? "first plan" : "second plan");
  return CUDNN_STATUS_SUCCESS;
}

// --- the driver ---

CUresult cuDeviceGetCount(int* devices) { return static_cast<CUresult>(cudaGetDeviceCount(devices)); }

CUresult cuDriverGetVersion(int* version) { return static_cast<CUresult>(cudaDriverGetVersion(version)); }

CUresult cuCtxGetCurrent(CUcontext* context) {
  static int any;
  *context = reinterpret_cast<CUcontext>(&any);
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice, unsigned int* flags, int* active) {
  *flags = 0;
  *active = 1;
  return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult, const char** text) {
  *text = "an error of the ghost's driver";
  return CUDA_SUCCESS;
}

}  // extern "C"
