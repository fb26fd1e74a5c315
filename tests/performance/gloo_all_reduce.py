#!/usr/bin/env python3
"""The peer of lockstep's all-reduce: torch.distributed's all_reduce over gloo.

  torchrun --standalone --nproc-per-node 2 gloo_all_reduce.py --bytes 4096 67108864

Prints a JSON line for each size, as all_reduce_bench does: float32, in place; a repetition is timed from a barrier
until the slowest rank ends. Repeats for about --seconds, but at least 5 times.
"""

import argparse
import json
import statistics
import time

import torch
import torch.distributed as dist


def one_repetition(buffer):
    dist.barrier()
    start = time.perf_counter()
    dist.all_reduce(buffer)
    seconds = torch.tensor([time.perf_counter() - start], dtype=torch.float64)
    dist.all_reduce(seconds, op=dist.ReduceOp.MAX)
    return seconds.item()


def measured(size, options):
    buffer = torch.zeros(size // 4)  # sums of zeros stay finite after any number of repetitions
    warm = min(one_repetition(buffer) for _ in range(3))  # the same on all ranks
    repetitions = options.repetitions or min(200, max(5, int(options.seconds / max(warm, 1e-6))))
    return [one_repetition(buffer) for _ in range(repetitions)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bytes", type=int, nargs="+", required=True)
    parser.add_argument("--seconds", type=float, default=0.5, help="about so long for each size (0.5)")
    parser.add_argument("--repetitions", type=int, help="so many instead")
    options = parser.parse_args()
    dist.init_process_group("gloo")
    for size in options.bytes:
        seconds = measured(size, options)
        if dist.get_rank() == 0:
            print(
                json.dumps(
                    {
                        "what": "gloo",
                        "bytes": size,
                        "ranks": dist.get_world_size(),
                        "seconds_median": statistics.median(seconds),
                        "seconds": seconds,
                    }
                ),
                flush=True,
            )
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
