"""Speed of ResNet-50 in PyTorch on this GPU: training steps on synthetic images in bf16, deterministic like lockstep
and with cudnn.benchmark. Prints a JSON object per line; Ctrl-C or the end of --seconds skips the rest."""

import argparse
import json
import os
import time

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts
import torch
import torchvision

WARM_STEPS = 4
IMAGES = 2048  # measured for each kind


def measured(batch, benchmark):
    torch.backends.cudnn.benchmark = benchmark
    torch.use_deterministic_algorithms(not benchmark)
    torch.manual_seed(0)
    model = torchvision.models.resnet50(num_classes=10).cuda().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True)
    images = torch.randn(batch, 3, 224, 224, device="cuda").to(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (batch,), device="cuda")

    def step():
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()

    for _ in range(WARM_STEPS):
        step()
    torch.cuda.synchronize()
    steps, start = max(8, IMAGES // batch), time.perf_counter()
    for _ in range(steps):
        step()
    torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    return {
        "ms_per_step": seconds / steps * 1e3,
        "images_per_second": batch * steps / seconds,
        "gib": torch.cuda.max_memory_allocated() / 2**30,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--seconds", type=float, default=60, help="start nothing after so many (default: 60)")
    wanted = parser.parse_args()
    begin = time.monotonic()
    for batch in wanted.batches:
        for benchmark in (False, True):
            if time.monotonic() - begin > wanted.seconds:
                return
            torch.cuda.reset_peak_memory_stats()
            kind = {"peer": "pytorch", "batch": batch, "benchmark": benchmark}
            print(json.dumps(kind | measured(batch, benchmark)), flush=True)
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
