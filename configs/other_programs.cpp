#include "configs/other_programs.hpp"

namespace lockstep {

const std::map<std::string, std::string>& rows_of_other_keys() {
  static const std::map<std::string, std::string> rows = {
      {"gradient_clip", "training.gradient_clip_norm"},
      // timm's train.py, from its args.yaml
      {"checkpoint_hist", "checkpoint.keep"},
      {"clip_grad", "training.gradient_clip_norm"},
      {"drop", "model.dropout"},
      {"grad_accum_steps", "training.gradient_accumulation_steps"},
      {"initial_checkpoint", "model.pretrained"},
      {"lr_base_scale", "optimizer.lr_scaling"},
      {"lr_cycle_mul", "schedule.restart_factor"},
      {"opt_eps", "optimizer.eps"},
      {"patience_epochs", "schedule.plateau_patience"},
      {"sched", "schedule.name"},
      {"validation_batch_size", "training.evaluation_batch_size"},
      // torchvision's references/classification/train.py
      {"lr_warmup_epochs", "schedule.warmup_epochs"},
      {"lr_warmup_method", "schedule.warmup_method"},
      {"ra_magnitude", "augmentation.rand_augment_magnitude"},
      {"random_erase", "augmentation.random_erasing"},
      {"train_crop_size", "data.image_size"},
  };
  return rows;
}

const std::map<std::string, std::string>& advice_on_other_keys() {
  static const std::string policy =
      "give {\"rand_augment\": true, \"rand_augment_magnitude\": 9} or {\"trivial_augment\": true}";
  static const std::string from_zero = "a warm-up rises from 0 here: leave it out with --skip-unknown";
  static const std::string mixing =
      "give augmentation.cutmix_prob, how often cutmix is taken; else mixup is, with mixup_alpha";
  static const std::map<std::string, std::string> advice = {
      {"augmentation", "give an object with the keys of [augmentation], such as {\"trivial_augment\": true}"},
      {"cutmix", "give augmentation.cutmix_prob, how often, and augmentation.cutmix_alpha, its shape"},
      {"betas", "give optimizer.beta1 and optimizer.beta2"},
      {"color_jitter", "give augmentation.brightness, contrast and saturation, each with its number"},
      // timm
      {"aa", policy},
      {"amp_dtype", "give precision.mixed_precision = \"bf16\" or \"fp16\" in the place of amp"},
      {"bce_loss", "give loss.name = \"bce\""},
      {"clip_mode", "give training.gradient_clip_norm or training.gradient_clip_value"},
      {"cutmix_minmax", "give augmentation.cutmix_alpha"},
      {"mixup_prob", mixing},
      {"mixup_switch_prob", mixing},
      {"no_aug", "give augmentation.enabled = false"},
      {"opt_betas", "give optimizer.beta1 and optimizer.beta2"},
      {"scale", "give augmentation.random_resized_crop = true and resized_crop_min_scale"},
      {"warmup_lr", from_zero},
      // torchvision
      {"auto_augment", policy},
      {"lr_warmup_decay", from_zero},
      {"ra_reps", "give augmentation.repeated_augmentation"},
      {"ra_sampler", "give augmentation.repeated_augmentation"},
  };
  return advice;
}

const std::multimap<std::string, std::string>& other_words() {
  static const std::multimap<std::string, std::string> words = {
      {"cosineannealingwarmrestarts", "cosine_restarts"},
      {"reducelronplateau", "plateau"},
      {"poly", "polynomial"},
      {"none", "constant"},
      {"sophiag", "sophia"},
      {"sgdnesterov", "sgd"},  // Nesterov momentum is the default here
      {"swish", "silu"},
      {"bcewithlogitsloss", "bce"},
      {"balanced", "inverse_frequency"},
      {"vittinypatch16224", "vit_tiny"},
      {"valloss", "loss"},
      {"valacc", "accuracy"},
      {"valaccuracy", "accuracy"},
      {"float32", "none"},
      {"fp32", "none"},
      {"no", "none"},
      {"bfloat16", "bf16"},
      {"float16", "fp16"},
      {"true", "channels_last"},
      {"true", "auto"},
      {"false", "contiguous"},
      {"false", "none"},
  };
  return words;
}

}  // namespace lockstep
