#!/usr/bin/env python3
"""Compares the reading of small JPEGs with torchvision's DataLoader on this machine, the two taking turns.

  .venv/bin/python3 tests/performance/loader_bench.py --pairs 3
  .venv/bin/python3 tests/performance/loader_bench.py --data FOLDER      (train/CLASS/*.jpg and test/CLASS/*.jpg)

lockstep reads with 2 loader threads (build/bin/decode_bench), torchvision with 2 workers; both read every file anew, decode
it, crop it with a padding of 4, flip it at random and normalise it into batches of 32. Without --data the images are drawn
here. Prints medians and ratios, and writes them to build/bench/loader.json. Exit status: 0, 1 it cannot run.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BENCH = ROOT / "build/bin/decode_bench"
sys.path.insert(0, str(HERE.parent / "integration"))


def drawn(folder, count):
    """Coloured pictures of 32 x 32 pixels as JPEGs."""
    from image_files import tree, write_folder
    return write_folder(folder, tree(train=count, test=10, classes=tuple("abcdefghij")))


def lockstep(data):
    """{name of the measure: images a second}"""
    outcome = subprocess.run([BENCH, data, "--benchmark_format=json", "--benchmark_min_time=1"], capture_output=True,
                             text=True, check=True)
    return {result["name"].split("/")[0]: result["items_per_second"] for result in json.loads(outcome.stdout)["benchmarks"]}


def torchvision(data, workers):
    """Images a second over one pass, after a first batch that starts the workers."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms
    transform = transforms.Compose([
        transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
        transforms.Normalize((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))])
    torch.set_num_threads(1)
    images = datasets.ImageFolder(Path(data) / "train", transform)
    batches = iter(DataLoader(images, batch_size=32, shuffle=True, num_workers=workers))
    next(batches)
    start = time.perf_counter()
    count = sum(len(labels) for _, labels in batches)
    return count / (time.perf_counter() - start)


def measured(data, pairs, workers):
    runs = []
    for _ in range(pairs):
        runs.append(lockstep(data) | {"torchvision": torchvision(data, workers)})
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}, runs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--images", type=int, default=4096, help="how many are drawn without --data")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=ROOT / "build/bench/loader.json")
    options = parser.parse_args()
    if not BENCH.is_file():
        print(f"{BENCH} is not there (build the target decode_bench)", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or drawn(Path(folder), options.images)
        medians, runs = measured(data, options.pairs, options.workers)
    floor, ours = medians["libjpeg_turbo_alone"], medians["into_a_micro_batch"]
    two, peer = medians["loader_of_two_threads"], medians["torchvision"]
    print(f"libjpeg-turbo alone           {floor:9.0f} images/s on one core")
    print(f"into a micro-batch            {ours:9.0f} images/s on one core, {ours / floor:.2f} of it")
    print(f"lockstep, 2 loader threads    {two:9.0f} images/s")
    print(f"torchvision, {options.workers} workers        {peer:9.0f} images/s; lockstep {two / peer:.2f} times as many")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps({"medians": medians, "runs": runs}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
