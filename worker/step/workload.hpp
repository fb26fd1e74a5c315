// The data and the model of a plan, and how they are laid out over steps and in memory.
#pragma once

#include <memory>

#include "configs/config.hpp"
#include "worker/data/micro_batch.hpp"
#include "worker/data/sample_order.hpp"
#include "worker/models/image_shape.hpp"
#include "worker/models/precision.hpp"
#include "worker/optim/optimizer.hpp"
#include "worker/optim/parameter_groups.hpp"
#include "worker/optim/schedule.hpp"
#include "worker/state/layout.hpp"
#include "worker/step/teacher.hpp"

namespace lockstep {

/// Follows from the configuration and the data alone, so it is the same on every rank.
struct Workload {
  /// Builds the model for the data with its initial weights, in host memory; micro-batches are copied to
  /// `device`. Not collective. Throws Error (config, io).
  Workload(const Config& config, Dataset data, at::Device device);
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  /// Another model with the same architecture, its parameters not initialised.
  std::shared_ptr<Model> another_model() const;

  /// The samples of micro-batch `micro_batch` of `step`, in the keyed random order of the step's epoch; each
  /// sample comes repeated_augmentation times in a row.
  std::vector<SampleCopy> samples_of(std::int64_t step, std::int64_t micro_batch) const;
  /// The input of micro-batch `micro_batch` of `step`: its augmented samples, in host memory.
  MicroBatch augmented(std::int64_t step, std::int64_t micro_batch) const;
  std::int64_t epoch_of(std::int64_t step) const { return step / extent.steps_per_epoch; }

  Config config;
  Dataset data;
  Extent extent;
  std::int64_t micro_batch_size;
  std::int64_t micro_batches;  ///< K: per step
  ImageShape shape;
  std::shared_ptr<Model> model;
  bool channels_last;
  Layout layout;
  const Optimizer& optimizer;
  std::vector<ParameterGroup> groups;  ///< one for each entry of the layout
  MicroBatchMaker train, test;
  at::Tensor class_weights;  ///< float32 [classes], or undefined
  Precision precision;
  std::unique_ptr<Teacher> teacher;  ///< null without distillation.teacher
};

}  // namespace lockstep
