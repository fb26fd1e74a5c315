"""Settings, over configs/quickstart.toml, of short runs that together exercise a part of every feature."""

SMALL = {
    "distributed.device": "cuda",
    "training.batch_size": 64,
    "training.gradient_accumulation_steps": 1,
    "training.micro_batch_size": 16,
    "training.epochs": 1,
    "training.max_steps": 5,
    "training.log_every_steps": 1,
    "averaging.model_ema": False,
    "data.loader_threads": 1,
}
STAGED = {"distributed.gpu_transport": "staged"}


def small(model, optimizer, rate, **others):
    named = {key.replace("__", "."): value for key, value in others.items()}
    return SMALL | {"model.name": model, "optimizer.name": optimizer, "optimizer.learning_rate": rate} | named


FEATURES = {
    "resnet20": small(
        "resnet20", "sgd", 0.1, averaging__model_ema=True, averaging__use_swa=True, averaging__swa_start_epoch=0
    ),
    "float32": small("resnet18", "adamw", 1e-3, precision__mixed_precision="none", model__drop_path=0.1),
    "fp16": small("resnet50", "lars", 1.0, precision__mixed_precision="fp16", precision__loss_scale=256),
    "contiguous": small(
        "small_cnn",
        "rmsprop",
        1e-3,
        model__memory_format="contiguous",
        training__gradient_clip_value=0.01,
        training__gradient_clip_norm=0.0,
    ),
    "vit": small("vit_tiny", "adam", 1e-3, model__drop_path=0.1, model__dropout=0.1, optimizer__layer_decay=0.7),
    "convnext": small("convnext_tiny", "lion", 3e-4, model__drop_path=0.1),
    "muon": small("mlp", "muon", 2e-3),
    "lamb": small("resnet34", "lamb", 3e-3, distributed__gradient_format="fp16"),
    "sophia": small("resnet20", "sophia", 1e-3, optimizer__sophia_every_steps=2, distributed__gradient_format="bf16"),
    "int8": small("resnet20", "sgd", 0.1, quantization__quantization_aware=True),
    "losses": small(
        "resnet20", "sgd", 0.1, loss__name="focal", loss__class_weights="inverse_sqrt", loss__label_smoothing=0.0
    ),
    "mixing": small("resnet20", "sgd", 0.1, augmentation__mixup_alpha=0.2, augmentation__cutmix_prob=0.5),
    "bce": small("resnet20", "sgd", 0.1, loss__name="bce"),
    "audit": small("resnet56", "sgd", 0.1, reliability__audit_every=1, run__trace=True),
    "early-stopping": small(
        "resnet20",
        "sgd",
        0.05,
        training__early_stopping=True,
        training__max_steps=0,
        training__epochs=3,
        training__early_stopping_patience=1,
    ),
}
TAUGHT = small("resnet20", "sgd", 0.1)
