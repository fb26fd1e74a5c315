// The network that teaches another one (knowledge distillation).
#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "common/hash.hpp"
#include "configs/config.hpp"
#include "worker/models/image_shape.hpp"
#include "worker/models/precision.hpp"

namespace lockstep {

struct Model;

class Teacher {
 public:
  /// Reads the exported weights of the finished run in settings.teacher: its moving average if it has one,
  /// else the mean of SWA, else the weights. Throws Error (config) when it is no such run or its network is
  /// for other images or classes, Error (io) when its files cannot be read.
  Teacher(const Config::Distillation& settings, ImageShape shape, bool channels_last, at::Device device,
          const Precision& precision);

  /// float32 [n, classes], of the same images that the student sees.
  at::Tensor logits(const at::Tensor& images) const;
  const Hash128& hash() const { return hash_; }

 private:
  std::shared_ptr<Model> model_;
  const Precision& precision_;
  Hash128 hash_;
};

}  // namespace lockstep
