// The teacher network of knowledge distillation.
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
  /// else the mean of SWA, else the weights; only the weights if that run restores its best epoch. Not
  /// collective. Throws Error (config) if it is no finished run, its network is for other images or classes,
  /// or its weights are not finite, Error (io) if its files cannot be read.
  Teacher(const Config::Distillation& settings, ImageShape shape, bool channels_last, at::Device device,
          const Precision& precision);

  /// The teacher's logits, float32 [n, classes], for the same images that the student sees.
  at::Tensor logits(const at::Tensor& images) const;
  const Hash128& hash() const { return hash_; }

 private:
  std::shared_ptr<Model> model_;
  const Precision& precision_;
  Hash128 hash_;
};

}  // namespace lockstep
