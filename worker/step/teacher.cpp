#include "worker/step/teacher.hpp"

#include <filesystem>

#include "common/error.hpp"
#include "worker/checkpoint/checkpoint_files.hpp"
#include "worker/files/run_folder.hpp"
#include "worker/models/fake_quantization.hpp"
#include "worker/models/model.hpp"
#include "worker/state/finite_weights.hpp"

namespace lockstep {
namespace {

/// The best weights that a finished run has exported.
std::string exported_weights(const std::string& run, const Config::Training& settings) {
  const bool best = settings.early_stopping && settings.restore_best;
  for (const char* name : {"ema", "swa", "weights"}) {
    const auto path = run + "/" + name + ".safetensors";
    if (std::filesystem::exists(path) && (!best || std::string(name) == "weights")) return path;
  }
  throw Error(ExitCode::config, "distillation.teacher = " + run + " has no exported weights",
              "only a run that has ended does", "let it end first");
}

}  // namespace

Teacher::Teacher(const Config::Distillation& settings, ImageShape shape, bool channels_last,
                 at::Device device, const Precision& precision)
    : precision_(precision) {
  const auto config = config_of_run(settings.teacher);
  model_ = make_model(config.model, shape);
  if (config.quantization.quantization_aware) quantize(*model_);
  const Layout layout(*model_, channels_last);
  const auto file = model_file(exported_weights(settings.teacher, config.training), layout);
  try {
    file.check();
  } catch (const Error& error) {
    throw Error(ExitCode::config, "the teacher in " + settings.teacher + " does not fit this run's data",
                error.what(), "take one that was trained on images and classes like these");
  }
  const auto flat = at::zeros({layout.size()});
  read_model(file, layout, flat);
  if (const auto trouble = trouble_in_weights(layout, flat); !trouble.empty())
    throw Error(ExitCode::config, "the teacher in " + settings.teacher + " has nothing to teach", trouble,
                "take a run that has not diverged");
  hash_ = hash_bytes(flat.data_ptr(), flat.nbytes());
  attach(*model_, layout, flat.to(device));
  model_->eval();
}

at::Tensor Teacher::logits(const at::Tensor& images) const {
  at::NoGradGuard no_grad;
  return precision_.forward(*model_, images);
}

}  // namespace lockstep
